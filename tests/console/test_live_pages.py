"""Server, sessions, users, logs and metrics."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from nmsd.config.setting import Config
from nmsd.console.desk import Desk
from nmsd.console.tokens import Tokens
from nmsd.console.web import make_app
from nmsd.log import EventLog
from tests.clients.harness import HOST, Instance, Line, login
from tests.console.browser import Browser


def test_the_server_page_shows_services_and_workers_against_their_limits(running: Instance, admin: Browser) -> None:
    text = admin.get("/server").text
    assert f"{HOST}:{running.port(143)}" in text
    assert "0 of 4000" in text or "1 of 4000" in text
    assert "imap/0" in text


def test_a_session_is_shown_and_disconnected(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    with Line(running.port(143)) as line:
        login(line, someone)
        line.ask(b'CREATE "<script>alert(1)</script>"')
        line.ask(b'SELECT "<script>alert(1)</script>"')
        answer = admin.get(f"/sessions?q={someone.address}")
        assert f"{someone.address} {HOST} imap/0 none selected <script>alert(1)</script>" in answer.text
        assert "<script>alert" not in answer.body
        assert someone.address in admin.get("/sessions/live").text
        answer = admin.send(answer.form("/disconnect"))
        assert "was disconnected" in answer.text
        assert b"* BYE Disconnected by the administrator" in line.rest()
    assert someone.address not in admin.get("/sessions").text


def test_users_are_searched_for(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    assert someone.address in admin.get("/users").text
    assert someone.address in admin.get(f"/users?q={someone.name}").text
    assert "Nobody with “<i>”" in admin.get("/users?q=%3Ci%3E").text


def test_the_log_shows_the_newest_line_first(running: Instance, admin: Browser) -> None:
    text = admin.get("/logs/nmsd").text
    assert text.index("running services") < text.index("starting instance")
    assert admin.get("/logs/pop").status == 200


def test_metrics_need_no_login_on_this_machine_and_count(running: Instance, stranger: Browser) -> None:
    someone = running.add_user()
    with running.imap(someone) as client:
        client.noop()
        answer = stranger.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(answer.body)}
    assert set(families) >= {"nmsd_sessions", "nmsd_logins", "nmsd_deliveries", "nmsd_connections_refused"}
    [noops] = [
        sample
        for sample in families["nmsd_commands"].samples
        if sample.labels["service"] == "imap"
        and sample.labels["command"] == "NOOP"
        and sample.labels["outcome"] == "ok"
    ]
    assert noops.name == "nmsd_commands_total"
    assert noops.value >= 1
    up = {sample.labels["service"]: sample.value for sample in families["nmsd_service_up"].samples}
    assert up == {"imap": 1, "pop": 1, "lmtp": 1, "console": 1}


@pytest.mark.parametrize(
    ("address", "status"), [("127.0.0.1", 503), ("::1", 503), ("::ffff:127.0.0.1", 503), ("192.0.2.1", 403), ("", 403)]
)
def test_metrics_are_for_clients_on_this_machine(tmp_path: Path, address: str, status: int) -> None:
    """503: let in, but no server runs here to ask."""
    config, log = Config({}, str(tmp_path)), EventLog(str(tmp_path / "log"), "console")
    nothing = cast(Any, None)
    desk = Desk(config, (), nothing, log, b"secret", nothing, nothing, nothing, nothing)
    answer = make_app(desk).test_client().get("/metrics", environ_overrides={"REMOTE_ADDR": address})
    assert answer.status_code == status


@pytest.mark.parametrize(("scope", "status"), [("metrics", 503), ("read", 403)])
def test_metrics_from_another_machine_want_a_token_of_their_scope(tmp_path: Path, scope: str, status: int) -> None:
    """503: let in, as above."""
    for folder in ("etc", "run"):
        (tmp_path / folder).mkdir()
    _, text = Tokens(str(tmp_path)).add("prometheus", frozenset([scope]), time.time())
    config, log = Config({}, str(tmp_path)), EventLog(str(tmp_path / "log"), "console")
    nothing = cast(Any, None)
    desk = Desk(config, (), nothing, log, b"secret", nothing, nothing, Tokens(str(tmp_path)), nothing)
    answer = (
        make_app(desk)
        .test_client()
        .get("/metrics", headers={"Authorization": f"Bearer {text}"}, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    )
    assert answer.status_code == status
