"""The metrics as text: every family, escaping, histograms; and what is made of their names elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import parser as older
from prometheus_client.openmetrics import parser as openmetrics

from nmsd.console.openmetrics import FAMILIES, render
from nmsd.wire.tally import BOUNDS_S, Histogram

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = {sample for family in FAMILIES for sample in family.samples()}


def status(**more: Any) -> dict[str, Any]:
    process = {
        "index": 0,
        "pid": 77,
        "descriptors": 20,
        "descriptor_limit": 1024,
        "memory": 1 << 26,
        "cpu": 1.25,
        "heard": 4.5,
    }
    service = {"name": "imap", "state": "running", "restarts": 2, "processes": 1, "workers": [process]}
    return {"version": "1.0", "started": 1_700_000_000.5, "services": [service], **more}


def worker(**more: Any) -> dict[str, Any]:
    times = Histogram()
    for seconds in (0.00005, 0.0003, 0.003, 60.0):
        times.observe(seconds)
    kinds = ("command", "delivery", "directory", "commit")
    return {
        "service": "imap", "index": 0, "pid": 77, "sessions": 5, "max_sessions": 4000, "most": 9, "idle": 4,
        "watching": 3, "retired": 1, "threads": 1, "max_threads": 1000, "waiting": 0, "max_native": 16,
        "native": {"work": 1, "commit": 0}, "connections": 12, "rejected": 1, "kept_out": 2, "received": 1000,
        "sent": 5000, "logins": 6,
        "bad_logins": 2, "commands": {"NOOP": {"OK": 3, "BAD": 1}, "DELIVERY": {"OK": 8, "5xx": 1}},
        "latency": dict.fromkeys(kinds, times.read()), "directory_servers": {"ldap://one": 1, "ldap://two": 0},
        "store_writes": 0, "store_open": 3, "max_store_open": 64, "lost_events": 0, **more,
    }  # fmt: skip


def parsed(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples by name and labels, without those that say which worker it was."""
    found = {}
    for family in openmetrics.text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels.items()
            key = tuple(sorted((name, value) for name, value in labels if name not in ("worker", "pid")))
            found[sample.name, key] = sample.value
    return found


def test_every_family_has_samples_type_unit_and_help() -> None:
    text = render(status(), [worker()], {"service.imap.maxsessions": 4000})
    families = {family.name: family for family in openmetrics.text_string_to_metric_families(text)}
    assert list(families) == [family.name for family in FAMILIES]
    for family in FAMILIES:
        found = families[family.name]
        assert (found.type, found.unit, found.documentation) == (family.kind, family.unit, family.help)
        assert {sample.name for sample in found.samples} == set(family.samples())
        labels = {label for sample in found.samples for label in sample.labels}
        assert labels - {"le"} == set(family.labels)
        assert not family.unit or family.name.endswith(family.unit)
        assert family.help.endswith(".")


def test_the_figures_are_those_of_the_workers() -> None:
    found = parsed(render(status(), [worker()], {"service.imap.maxsessions": 4000}))
    imap = ("service", "imap")
    assert found["nmsd_sessions", (imap,)] == 5
    assert found["nmsd_sessions_max", (imap,)] == 4000
    assert found["nmsd_commands_total", (("command", "NOOP"), ("outcome", "ok"), imap)] == 3
    assert found["nmsd_commands_total", (("command", "NOOP"), ("outcome", "bad"), imap)] == 1
    assert found["nmsd_deliveries_total", (("outcome", "5xx"), imap)] == 1
    assert found["nmsd_connections_refused_total", (("reason", "full"), imap)] == 1
    assert found["nmsd_connections_refused_total", (("reason", "filter"), imap)] == 2
    assert found["nmsd_logins_total", (("outcome", "failed"), imap)] == 2
    assert found["nmsd_directory_server_up", (("server", "ldap://two"), imap)] == 0
    assert found["nmsd_setting", (("name", "service.imap.maxsessions"),)] == 4000
    assert ("nmsd_commands_total", (("command", "DELIVERY"), ("outcome", "ok"), imap)) not in found


def test_the_buckets_of_a_histogram_add_up() -> None:
    found = parsed(render(status(), [worker()]))
    name = "nmsd_command_duration_seconds"
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    counts = [found[name + "_bucket", (("le", bound), ("service", "imap"))] for bound in bounds]
    assert counts[:6] == [1, 1, 2, 2, 2, 3]
    assert counts[-2:] == [3, 4]
    assert found[name + "_count", (("service", "imap"),)] == 4
    assert found[name + "_sum", (("service", "imap"),)] == pytest.approx(60.00335)


def test_labels_are_escaped() -> None:
    name = 'a"b\\c\nd'
    found = parsed(render(status(version=name), [worker(directory_servers={name: 1})]))
    assert found["nmsd_build_info", (("version", name),)] == 1
    assert found["nmsd_directory_server_up", (("server", name), ("service", "imap"))] == 1


def test_a_worker_that_knows_less_and_a_server_that_serves_nothing_are_told_of_all_the_same() -> None:
    bare = {"service": "imap", "index": 0, "pid": 5, "sessions": 1, "max_sessions": 50}
    assert parsed(render(status(services=[]), [bare]))["nmsd_sessions", (("service", "imap"),)] == 1
    assert parsed(render(status(services=[]), []))


def test_sessions_of_a_worker_that_answers_no_questions_are_those_the_supervisor_knows() -> None:
    process = {"index": 0, "pid": 5, "sessions": 2, "max_sessions": 50}
    console = {"name": "console", "state": "running", "restarts": 0, "processes": 1, "workers": [process]}
    imap = status()["services"][0]
    found = parsed(render(status(services=[imap, console]), [worker()]))
    assert found["nmsd_sessions", (("service", "console"),)] == 2
    assert found["nmsd_sessions", (("service", "imap"),)] == 5


def test_the_older_text_says_the_same() -> None:
    text = render(status(), [worker()], {"service.imap.maxsessions": 4000}, openmetrics=False)
    assert "# EOF" not in text
    assert "# UNIT" not in text
    samples = {
        sample.name: family
        for family in older.text_string_to_metric_families(text)
        for sample in family.samples
        if family.documentation
    }
    assert set(samples) == SAMPLES
    assert samples["nmsd_commands_total"].type == "counter"
    assert samples["nmsd_commit_duration_seconds_bucket"].type == "histogram"


def _named(text: str) -> set[str]:
    """The metrics that a text of another program's speaks of."""
    return set(re.findall(r"\bnmsd_[a-z_]+\b", text))


def _expressions(node: Any) -> list[str]:
    """All queries of a dashboard."""
    if isinstance(node, dict):
        own = [value for key, value in node.items() if key in ("expr", "query") and isinstance(value, str)]
        return own + [each for value in node.values() for each in _expressions(value)]
    return [each for value in node for each in _expressions(value)] if isinstance(node, list) else []


def test_the_dashboard_asks_only_for_metrics_that_there_are() -> None:
    dashboard = json.loads((ROOT / "etc/grafana/nmsd.json").read_text())
    expressions = _expressions(dashboard)
    assert len(expressions) > 20
    named = {name for expression in expressions for name in _named(expression)}
    assert named <= SAMPLES, named - SAMPLES
    for name in ("nmsd_sessions", "nmsd_logins_total", "nmsd_commands_total", "nmsd_deliveries_total"):
        assert name in named
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_the_alerts_ask_only_for_metrics_that_there_are() -> None:
    text = (ROOT / "etc/prometheus/nmsd.rules.yml").read_text()
    named = {name for line in text.splitlines() if not line.lstrip().startswith("#") for name in _named(line)}
    assert named
    assert named <= SAMPLES, named - SAMPLES


def test_the_documentation_lists_every_metric_as_it_is() -> None:
    text = (ROOT / "docs/monitoring.md").read_text()
    rows = dict(re.findall(r"^\| `(nmsd_[a-z_]+)` \| (.+) \|$", text, re.MULTILINE))
    told = {name: tuple(cell.strip() for cell in cells.split(" | ")) for name, cells in rows.items()}
    assert told == {
        family.name: (family.kind, ", ".join(f"`{label}`" for label in family.labels) or "-", family.help)
        for family in FAMILIES
    }
