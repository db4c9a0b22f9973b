"""Charts: samples that survive their worker, counters that begin anew, gaps, and what a page shows of them."""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.console.chart import BOTTOM, HEIGHT, LEFT, SPANS, WIDTH, charts
from nmsd.console.samples import DAY, STEP_S, Sample, Samples
from nmsd.wire.tally import BOUNDS_S
from tests.clients.harness import HOST, Instance
from tests.console.browser import Browser

NOON = 1_700_000_040.0 // STEP_S * STEP_S


@pytest.fixture
def place(tmp_path: Path) -> str:
    (tmp_path / "run").mkdir()
    return str(tmp_path)


def worker(pid: int, service: str = "imap", sessions: int = 1, **counts: Any) -> dict[str, Any]:
    return {"pid": pid, "service": service, "sessions": sessions, **counts}


def buckets(**at: int) -> list[int]:
    counts = [0] * (len(BOUNDS_S) + 1)
    for place, count in at.items():
        counts[int(place.removeprefix("b"))] = count
    return counts


def test_a_sample_holds_what_happened_since_the_one_before_it(place: str) -> None:
    samples = Samples(place)
    assert samples.is_due(NOON)
    samples.take([worker(1, logins=100)], NOON, {1: 5000.0})
    assert not samples.is_due(NOON + STEP_S - 1)
    assert samples.is_due(NOON + STEP_S)
    Samples(place).take([worker(1, logins=107, bad_logins=2, sessions=5)], NOON + STEP_S, {1: 5060.0})
    first, second = Samples(place).last(60, NOON + STEP_S)
    assert first.logins == 0, "what was counted before anybody looked is of no minute"
    assert (second.logins, second.failures, second.imap) == (7, 2, 5)


def test_a_new_worker_counts_from_nothing_and_one_that_ended_is_forgotten(place: str) -> None:
    samples = Samples(place)
    samples.take([worker(1, logins=100)], NOON, {1: 5000.0})
    samples.take([worker(2, logins=3)], NOON + STEP_S, {2: 30.0})
    samples.take([worker(2, logins=4), worker(3, logins=50)], NOON + 2 * STEP_S, {2: 90.0, 3: 4000.0})
    assert [each.logins for each in samples.last(60, NOON + 2 * STEP_S)] == [0, 3, 1]


def test_after_a_gap_nothing_of_it_is_put_on_one_minute(place: str) -> None:
    samples = Samples(place)
    samples.take([worker(1, logins=100)], NOON, {1: 5000.0})
    samples.take([worker(1, logins=9000)], NOON + 3600, {1: 8600.0})
    assert [each.logins for each in samples.last(90, NOON + 3600)] == [0, 0]


def test_latency_and_deliveries_are_those_of_the_minute(place: str) -> None:
    samples = Samples(place)

    def told(command: Mapping[str, int], seconds: float, delivered: int) -> dict[str, Any]:
        latency = {
            "command": {"counts": buckets(**command), "sum": seconds},
            "delivery": {"counts": buckets(b5=delivered), "sum": 0.004 * delivered},
        }
        return worker(1, "lmtp", commands={"DELIVERY": {"OK": delivered, "4xx": 1}}, latency=latency)

    samples.take([told({"b3": 10}, 0.01, 1)], NOON, {1: 5000.0})
    samples.take([told({"b3": 100, "b10": 10}, 0.11, 3)], NOON + STEP_S, {1: 5060.0})
    found = samples.last(1, NOON + STEP_S)[0]
    assert (found.commands, found.command_ms, found.slow_ms) == (100, 1.0, BOUNDS_S[10] * 1000)
    assert (found.deliveries, found.refusals, found.delivery_ms) == (2, 0, 4.0)


def test_a_day_is_kept_and_no_more(place: str) -> None:
    samples = Samples(place)
    old = [[int(NOON // STEP_S) - age, *[0] * 11] for age in range(2 * DAY, -1, -1)]
    (Path(place) / "run/samples.json").write_text(json.dumps({"at": NOON, "workers": {}, "samples": old}))
    samples.take([], NOON + STEP_S, {})
    assert len(samples.last(10 * DAY, NOON + STEP_S)) == DAY
    assert (Path(place) / "run/samples.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at": 1}', '{"at": 1, "workers": {"1": [2]}, "samples": []}'])
def test_a_file_of_another_kind_is_begun_anew(place: str, text: str) -> None:
    (Path(place) / "run/samples.json").write_text(text)
    samples = Samples(place)
    assert samples.last(60, NOON) == []
    samples.take([worker(1)], NOON, {1: 1.0})
    assert len(samples.last(60, NOON)) == 1


number = st.integers(0, 1 << 40)
sample = st.builds(
    Sample,
    st.integers(int(NOON // STEP_S) - DAY - 10, int(NOON // STEP_S) + 10),
    *[number] * 8,
    *[st.floats(0, 1e6)] * 3,
)


@given(st.lists(sample, max_size=30), st.sampled_from(sorted(SPANS)))
def test_every_point_is_within_the_chart(samples: list[Sample], span: str) -> None:
    for chart in charts(samples, SPANS[span], NOON):
        for line in chart.lines:
            for part in line.parts:
                for point in part.split():
                    x, y = map(float, point.split(","))
                    assert LEFT <= x <= WIDTH + 2
                    assert 0 <= y <= HEIGHT - BOTTOM
        assert all(len(cells) == len(chart.lines) for _, cells in chart.rows)


def test_a_line_is_broken_where_nothing_is_known() -> None:
    minute = int(NOON // STEP_S)
    known = [Sample(minute - age, 5, *[0] * 10) for age in (40, 39, 38, 20, 2, 1)]
    line = charts(known, SPANS["hour"], NOON)[0].lines[0]
    assert [len(part.split()) for part in line.parts] == [3, 2, 2]
    assert (line.now, line.most) == (5, 5)


def test_the_page_draws_what_was_sampled_and_a_new_worker_goes_on_with_it(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    with running.imap(someone), smtplib.LMTP(HOST, running.port(24), timeout=60) as client:
        client.sendmail("", someone.address, b"Subject: x\r\n\r\ny\r\n")
    samples = running.directory / "run/samples.json"
    while not samples.exists():
        admin.get("/login")
    minute = json.loads(samples.read_text())["samples"][0][0]
    for span in SPANS:
        page = admin.get(f"/charts/{span}")
        assert page.status == 200
        assert page.body.count('<svg viewBox="0 0 720 200" role="img"') == 4
        assert re.search(r'<polyline class="series s1" points="[\d., ]+"/>', page.body)
        for words in ("Sessions as a table", "Good, most", "95 of 100 commands within"):
            assert words in page.text
        assert "style=" not in page.body
    running.nmsd("restart", "console")
    assert json.loads(samples.read_text())["samples"][0][0] == minute
    assert "<polyline" in admin.get("/charts/hour").body
    assert admin.get("/charts/week").status == 404
