"""Debian's Prometheus scrapes a running server; its own tools look over metrics, rules and alerts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.harness import HOST, ROOT, Instance, Line, login
from tests.console.browser import Browser

RULES = ROOT / "etc/prometheus/nmsd.rules.yml"
PATIENCE_S = 60


class Prometheus:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self._address = f"http://{HOST}:{port}/api/v1/"

    def ask(self, what: str, **more: str) -> Any:
        """What its HTTP interface answers."""
        with urllib.request.urlopen(f"{self._address}{what}?{urllib.parse.urlencode(more)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def value(self, query: str) -> float | None:
        """The value of a query with one series, None without any."""
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None


def until(question: Callable[[], Any], what: str) -> Any:
    """Asks until there is an answer: Prometheus looks at the server when it likes."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            answer = question()
            if answer:
                return answer
        time.sleep(0.1)
    raise AssertionError(f"Prometheus has not seen {what}")


@pytest.fixture
def prometheus(running: Instance, tmp_path: Path) -> Iterator[Prometheus]:
    target = {"targets": [f"localhost:{running.port(8443)}"]}
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": "nmsd",
                "scheme": "https",
                "tls_config": {"ca_file": str(running.certificate)},
                "static_configs": [target],
            }
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(configuration))  # JSON is YAML, too
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    with open(tmp_path / "output", "wb") as output:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
                f"--web.listen-address={HOST}:{port}",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        found = Prometheus(port)
        until(lambda: found.ask("status/buildinfo"), "the light of day: " + (tmp_path / "output").read_text())
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.needs("prometheus")
def test_prometheus_finds_the_server_and_its_figures(running: Instance, prometheus: Prometheus) -> None:
    def is_up() -> bool:
        targets = prometheus.ask("targets")["activeTargets"]
        return [target["health"] for target in targets] == ["up"]

    until(is_up, "the server")
    someone = running.add_user()
    before = prometheus.value('sum(nmsd_commands_total{service="imap",command="NOOP",outcome="ok"})') or 0
    with Line(running.port(143)) as line:
        login(line, someone)
        for _ in range(7):
            line.ask(b"NOOP")
        query = 'sum(nmsd_commands_total{service="imap",command="NOOP",outcome="ok"})'
        until(lambda: prometheus.value(query) == before + 7, "seven NOOPs")
        assert prometheus.value('sum(nmsd_sessions_idle{service="imap"})') == 1
    assert prometheus.value('nmsd_setting{name="service.imap.maxsessions"}') == 4000
    assert prometheus.value('sum(nmsd_sessions_max{service="imap"})') == 4000
    quantile = "histogram_quantile(0.99, sum by (le) (nmsd_command_duration_seconds_bucket))"
    assert 0 < (prometheus.value(quantile) or 0) <= 10
    kinds = prometheus.ask("targets/metadata", metric="nmsd_command_duration_seconds")
    assert {(kind["type"], kind["unit"]) for kind in kinds} == {("histogram", "seconds")}
    groups = until(lambda: prometheus.ask("rules")["groups"], "the rules")
    rules = until(
        lambda: [
            rule["health"] for group in prometheus.ask("rules")["groups"] for rule in group["rules"]
            if rule["health"] != "unknown"
        ],
        "what the rules come to",
    )  # fmt: skip
    assert groups[0]["name"] == "nmsd"
    assert set(rules) == {"ok"}


def test_a_worker_that_hangs_does_not_hide_the_others(running: Instance, stranger: Browser) -> None:
    status = json.loads(running.nmsd("status", "--json").stdout)
    workers = {each["name"]: each["workers"][0]["pid"] for each in status["services"]}
    os.kill(workers["pop"], signal.SIGSTOP)
    try:
        text = stranger.get("/metrics").body
    finally:
        os.kill(workers["pop"], signal.SIGCONT)
    assert f'nmsd_connections_total{{service="imap",worker="0",pid="{workers["imap"]}"}}' in text
    assert f'nmsd_connections_total{{service="pop",worker="0",pid="{workers["pop"]}"}}' not in text
    assert f'nmsd_worker_silence_seconds{{service="pop",worker="0",pid="{workers["pop"]}"}}' in text
    assert f'nmsd_sessions_max{{service="pop",worker="0",pid="{workers["pop"]}"}} 600' in text


@pytest.mark.needs("promtool")
def test_promtool_has_nothing_against_the_metrics(running: Instance, stranger: Browser) -> None:
    request = urllib.request.Request(stranger.base + "/metrics", headers={"Accept": "text/plain"})
    with urllib.request.urlopen(request, context=running.tls()) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = answer.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.needs("promtool")
def test_the_alerts_come_when_they_should(tmp_path: Path) -> None:
    def series(name: str, values: str) -> dict[str, str]:
        return {"series": name, "values": values}

    def firing(alert: str, **counts: int) -> list[dict[str, Any]]:
        """How many of one alert there are at which minutes."""
        query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
        return [
            {
                "expr": query,
                "eval_time": minute.removeprefix("m") + "m",
                "exp_samples": [{"labels": "{}", "value": count}] if count else [],
            }
            for minute, count in counts.items()
        ]

    imap = '{service="imap",instance="mail",worker="0"}'
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    series('nmsd_service_up{service="pop",instance="mail"}', "1 1 0 0 0 0 0 0 1 1 1"),
                    series(f"nmsd_sessions{imap}", "0+100x20"),
                    series(f"nmsd_sessions_max{imap}", "1000x20"),
                    series('nmsd_logins_total{outcome="good",instance="mail"}', "0+60x60"),
                    series('nmsd_logins_total{outcome="failed",instance="mail"}', "0+30x20 600+600x40"),
                    series('nmsd_connections_refused_total{reason="filter",instance="mail"}', "0+60x60"),
                ],
                "promql_expr_test": [
                    *firing("NmsdServiceDown", m1=0, m3=0, m4=1, m7=1, m9=0),
                    *firing("NmsdSessionsNearMaximum", m14=0, m15=1),
                    *firing("NmsdLoginsFail", m20=0, m50=1),
                    *firing("NmsdConnectionsRefused", m20=0),
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(json.dumps(test))
    for arguments in (["check", "rules", str(RULES)], ["test", "rules", str(tmp_path / "test.yml")]):
        done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
