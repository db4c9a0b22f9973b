"""The server's page, Directory and Explain login: services on and off, trials, the steps of a login."""

from __future__ import annotations

import imaplib
import json
import os
import signal
import socket

import pytest

from tests.clients.harness import HOST, Instance, Line, login
from tests.console.browser import Browser
from tests.console.conftest import ADMIN


def test_a_service_is_turned_off_and_on(running: Instance, admin: Browser) -> None:
    answer = admin.send(admin.get("/server").form("/server/pop/stop"))
    assert "POP is turned off until it is turned on again" in answer.text
    with pytest.raises(OSError):
        socket.create_connection((HOST, running.port(110)), timeout=5)
    with running.imap():
        pass
    assert running.nmsd("config", "get", "service.pop.enable").stdout == b"yes\n", "a setting is another thing"
    answer = admin.send(admin.get("/server").form("/server/pop/start"))
    assert "POP is turned on." in answer.text
    assert running.pop().getwelcome().startswith(b"+OK")
    answer = admin.send(admin.get("/server").form("/server/pop/restart"))
    assert "POP is started anew." in answer.text


def test_the_console_and_the_server_are_not_to_be_stopped_from_here(admin: Browser) -> None:
    values = admin.get("/server").form("/logout").values
    for path in ("/server/console/stop", "/server/nmsd/stop", "/server/imap/kill", "/server/imap/stop/x"):
        assert admin.post(path, values).status == 404
    assert admin.get("/server").status == 200


def test_the_sessions_page_tells_tls_mailbox_and_memory(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    with Line(running.port(993), running.tls()) as line:
        login(line, someone)
        line.ask(b"SELECT Drafts")
        page = admin.get(f"/sessions?q={someone.address}")
        for words in (f"{someone.address} 127.0.0.1 imap/", " bits selected Drafts ", " MB Disconnect"):
            assert words in page.text
        admin.send(page.form("/sessions/disconnect"))
        assert b"* BYE" in line.rest()


def test_the_directory_page_tries_it_and_has_it_forgotten(running: Instance, admin: Browser) -> None:
    page = admin.get("/directory")
    assert "embedded directory" in page.text
    assert "local.ugldiffile" in page.text
    tried = admin.send(page.form("/directory/test"))
    assert "The directory can be asked." in tried.text
    told = json.loads(running.nmsd("directory", "test", "--json").stdout)
    assert told["servers"][0]["steps"][0]["found"] in tried.text
    flushed = admin.send(page.form("/directory/flush"))
    assert "is forgotten" in flushed.text
    assert (running.directory / "run/directory.flush").exists()


def test_a_login_is_explained_as_the_command_explains_it(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    page = admin.get(f"/explain?login={someone.name}&service=imaps&from=192.0.2.7")
    told = json.loads(
        running.nmsd("explain", "login", someone.name, "--service", "imaps", "--from", "192.0.2.7", "--json").stdout
    )
    assert f"{someone.address} may use imaps from 192.0.2.7" in page.text
    for step in told["steps"]:
        assert step["what"] in page.text
        assert step["found"] in page.text
    nobody = admin.get("/explain?login=nobody-here")
    assert "nobody has this login name" in nobody.text
    assert 'class="told error"' in nobody.body


@pytest.mark.parametrize("query", ["service=telnet", "from=the+moon", "from=1.2.3.4.5"])
def test_what_cannot_be_explained_is_told(admin: Browser, query: str) -> None:
    answer = admin.get(f"/explain?login={ADMIN.name}&{query}")
    assert answer.status == 422
    assert 'role="alert"' in answer.body


def test_a_refused_login_is_explained(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    path = f"/users/user?name={someone.name}"
    admin.send(admin.get(path).form(path), status="inactive")
    assert "This account is inactive" in admin.get(f"/explain?login={someone.name}").text
    with pytest.raises(imaplib.IMAP4.error):
        running.imap(someone)


def test_a_worker_that_hangs_hides_no_other(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    status = json.loads(running.nmsd("status", "--json").stdout)
    [lmtp] = [worker["pid"] for each in status["services"] if each["name"] == "lmtp" for worker in each["workers"]]
    with Line(running.port(993), running.tls()) as line:
        login(line, someone)
        os.kill(lmtp, signal.SIGSTOP)
        try:
            page = admin.get("/sessions")
            assert "lmtp/0 did not answer" in page.text
            assert someone.address in page.text
            assert "was disconnected" in admin.send(page.form("/sessions/disconnect")).text
            assert admin.get("/directory").status == 200
        finally:
            os.kill(lmtp, signal.SIGCONT)
    assert "did not answer" not in admin.get("/sessions").text
