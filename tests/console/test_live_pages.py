"""Server, sessions, users, logs and metrics."""

from __future__ import annotations

import re

from tests.clients.harness import HOST, Instance, Line, login
from tests.clients.harness import Instance as Server
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
        assert f"{someone.address} {HOST} imap none selected <script>alert(1)</script>" in answer.text
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


def test_metrics_need_no_login_on_this_machine_and_count(running: Server, stranger: Browser) -> None:
    someone = running.add_user()
    with running.imap(someone) as client:
        client.noop()
        answer = stranger.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    lines = answer.body.splitlines()
    assert lines[-1] == "# EOF"
    [noops] = [line for line in lines if 'command="NOOP"' in line and 'service="imap"' in line]
    assert noops.startswith("nmsd_commands_total{")
    assert float(noops.split()[-1]) >= 1
    assert any(re.match(r'nmsd_sessions\{service="imap",.*\} 1', line) for line in lines)
    sample = re.compile(r'[a-z_]+(\{([a-z]+="(?:[^"\\]|\\.)*",?)*\})? -?[0-9.e+]+')
    families: list[str] = []
    for line in lines[:-1]:
        if line.startswith("# TYPE "):
            families.append(line.split()[2])
        elif not line.startswith("#"):
            assert sample.fullmatch(line), line
            assert line.startswith(families[-1])
    assert len(families) == len(set(families))
