"""Every transcript of tests/transcripts/imap, on the IMAP core, whole and one byte at a time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from nmsd.imap.tables import TABLES
from tests.transcripts.core import CoreServer
from tests.transcripts.runner import Play, Scenario, load

PATHS = sorted((Path(__file__).parent / "imap").glob("*.txt"))
CAPABILITIES = {name.decode() for extension in TABLES.extensions for name in extension.capabilities}


def readable() -> list[Scenario]:
    scenarios: list[Scenario] = []
    for path in PATHS:
        with suppress(ValueError):
            scenarios.extend(load(path))
    return scenarios


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_transcript_can_be_read(path: Path) -> None:
    assert load(path)


def scenario_name(scenario: Scenario) -> str:
    return f"{scenario.path.stem}:{scenario.line}:{scenario.title}"


@pytest.mark.parametrize("chunk", [0, 1], ids=["whole", "bytewise"])
@pytest.mark.parametrize("scenario", readable(), ids=scenario_name)
def test_the_server_answers_as_the_transcript_says(scenario: Scenario, chunk: int, tmp_path: Path) -> None:
    missing = [name for name in scenario.needs if name not in CAPABILITIES]
    assert not missing, f"no extension offers {missing}"
    server = CoreServer(scenario, tmp_path)
    try:
        Play(scenario, server, chunk).run()
    finally:
        server.close()
    errors = [line for line in server.log_lines if line[0] == "Error"]
    assert errors == []
