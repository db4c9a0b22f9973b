"""Every transcript of tests/transcripts/pop3 and lmtp, on the core, whole and one byte at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcripts.lines import Play, Scenario, load

HERE = Path(__file__).parent
SCENARIOS = [
    (protocol, scenario)
    for protocol in ("pop3", "lmtp")
    for path in sorted((HERE / protocol).glob("*.txt"))
    for scenario in load(path)
]


@pytest.mark.parametrize("chunk", [0, 1], ids=["whole", "bytewise"])
@pytest.mark.parametrize(("protocol", "scenario"), SCENARIOS, ids=lambda value: str(value))
def test_the_server_answers_as_the_transcript_says(
    protocol: str, scenario: Scenario, chunk: int, tmp_path: Path
) -> None:
    play = Play(scenario, protocol, tmp_path, chunk)
    try:
        play.run()
    finally:
        play.close()
    assert [line for level, line in play.log_lines if level == "Error"] == []
