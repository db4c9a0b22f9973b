"""The transcripts of tests/transcripts/imap that a running server can play, through a worker process."""

from __future__ import annotations

import pytest

from tests.clients.harness import Instance
from tests.transcripts.live import LiveServer, is_for_core_only
from tests.transcripts.runner import Play, Scenario
from tests.transcripts.test_transcripts import readable, scenario_name

SCENARIOS = [scenario for scenario in readable() if not is_for_core_only(scenario)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=scenario_name)
def test_a_running_server_answers_as_the_transcript_says(scenario: Scenario, instance: Instance) -> None:
    Play(scenario, LiveServer(scenario, instance), 0).run()


def test_most_transcripts_are_played_live() -> None:
    assert len(SCENARIOS) > len(readable()) // 2
