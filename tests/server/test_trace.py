"""Protocol traces of a running server: what is in them, that no secret is, and how they end."""

from __future__ import annotations

import base64
import json
import re
import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.harness import HOST, Instance, Line, Person, instance_directory, login

SIZE = 65_536


@pytest.fixture(scope="module")
def running() -> Iterator[Instance]:
    with instance_directory() as directory:
        settings = {"service.imap.numprocesses": 2, "trace.maxsize": SIZE, "trace.maxtime": 3600}
        server = Instance.make(directory, {**settings, "logfile.imap.loglevel": "Information"})
        server.start()
        yield server
        server.stop()


@pytest.fixture
def someone(running: Instance) -> Iterator[Person]:
    yield running.add_user()
    running.nmsd("trace", "off")


def traced(running: Instance, person: Person | None = None) -> list[Path]:
    """The files of a user's traces."""
    name = person.address if person else "nobody"
    return sorted((running.directory / "log/trace").glob(f"{name}-*.log"))


def said(path: Path) -> list[str]:
    """The lines of a trace without their times."""
    return [re.sub(r"^\d\d:\d\d:\d\d\.\d{3} ", "", line) for line in path.read_text().splitlines()]


def sessions(running: Instance, *arguments: str) -> list[dict[str, Any]]:
    return json.loads(running.nmsd("sessions", "list", "--json", *arguments).stdout)


def test_a_users_session_is_traced_from_now_on_and_no_longer_than_wanted(running: Instance, someone: Person) -> None:
    with Line(running.port(143)) as line:
        login(line, someone)
        line.ask(b"NOOP", b"before")
        done = running.nmsd("trace", "on", someone.address, "--for", "5m")
        assert b"is traced for 5m" in done.stdout
        assert b"1 session\n" in done.stdout
        line.ask(b"SELECT INBOX", b"a")
        line.send(b"b APPEND INBOX {16}\r\n")
        line.until(b"+ ")
        line.send(b"Subject: one\r\n\r\n\r\n")
        line.until(b"b OK")
        line.ask(b"FETCH 1 (BODY.PEEK[])", b"c")
        running.nmsd("trace", "off", someone.address)
        line.ask(b"NOOP", b"after")
    [path] = traced(running, someone)
    lines = said(path)
    assert lines[0].startswith("-: session imap")
    assert lines[1] == "C: a SELECT INBOX"
    assert "S: * 0 EXISTS" in lines
    assert lines[lines.index("C: b APPEND INBOX {16}") :][:3] == ["C: b APPEND INBOX {16}", "S: + OK", "C: (16 bytes)"]
    assert "S: * 1 FETCH (BODY[] {16}" in lines
    assert lines[-1] == "-: end: switched off"
    assert not [line for line in lines if "before" in line or "after" in line or "Subject" in line]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_sessions_that_come_later_are_traced_without_their_login(running: Instance, someone: Person) -> None:
    assert b"now in 0 sessions" in running.nmsd("trace", "on", someone.name).stdout
    with Line(running.port(143)) as line:
        login(line, someone)
        line.ask(b"NOOP", b"a")
    with running.imap(someone) as client:
        client.select()
    pop = running.pop(someone)
    pop.list()
    pop.quit()
    running.nmsd("trace", "off", someone.name)
    texts = ["\n".join(said(path)) for path in traced(running, someone)]
    assert len(texts) == 3
    assert "S: t1 OK [CAPABILITY" in "".join(texts)
    assert "C: a NOOP" in "".join(texts)
    assert "C: LIST" in "".join(texts)
    for text in texts:
        assert someone.password not in text
        assert "LOGIN" not in text.replace("AUTH=", "")


def test_one_session_is_traced_through_its_login_with_secrets_blotted_out(running: Instance, someone: Person) -> None:
    token = base64.b64encode(f"\0{someone.name}\0{someone.password}".encode())
    with Line(running.port(143)) as line:
        line.until(b"* OK")
        [session] = [each["id"] for each in sessions(running) if not each["user"]]
        running.nmsd("trace", "on", session)
        line.ask(f'LOGIN {someone.name} "wrong {someone.password}"'.encode())
        line.send(b"t2 AUTHENTICATE PLAIN\r\n")
        line.until(b"+")
        line.send(token + b"\r\n")
        line.until(b"t2 OK")
        line.ask(b"NOOP", b"t3")
        running.nmsd("trace", "off", session)
    [path] = [path for path in traced(running) if session in path.name]
    text = path.read_text()
    assert someone.password not in text
    assert token.decode() not in text
    lines = said(path)
    assert "C: t1 LOGIN ***" in lines
    assert lines[lines.index("C: t2 AUTHENTICATE PLAIN") :][:3] == ["C: t2 AUTHENTICATE PLAIN", "S: + ***", "C: ***"]
    assert "C: t3 NOOP" in lines


def test_as_much_of_a_message_is_shown_as_was_asked_for(running: Instance, someone: Person) -> None:
    with smtplib.LMTP(HOST, running.port(24)) as client:
        [session] = [each["id"] for each in sessions(running, "--service", "lmtp")]
        running.nmsd("trace", "on", session, "--body", "12")
        client.sendmail("a@example.net", [someone.address], b"Subject: one two three\r\n\r\nbody\r\n")
        running.nmsd("trace", "off", session)
    [path] = [path for path in traced(running) if session in path.name]
    lines = said(path)
    assert f"C: rcpt TO:<{someone.address}>" in lines
    assert "C: (32 bytes) Subject: one" in lines
    assert "S: 250 2.1.5 <" + someone.address + "> delivered" in lines


def test_a_trace_ends_when_it_is_as_long_as_it_may_be(running: Instance, someone: Person) -> None:
    running.nmsd("trace", "on", someone.address)
    with Line(running.port(143)) as line:
        login(line, someone)
        for _ in range(400):
            line.ask(b'ID ("name" "' + b"x" * 100 + b'")')
    [path] = traced(running, someone)
    assert said(path)[-1] == "-: end: no more room (trace.maxsize)"
    assert SIZE * 0.9 < path.stat().st_size <= SIZE


def test_a_trace_ends_by_itself_with_its_time(running: Instance, someone: Person) -> None:
    running.nmsd("trace", "on", someone.address, "--for", "1s")
    with Line(running.port(143)) as line:
        login(line, someone)
        while json.loads(running.nmsd("trace", "list", "--json").stdout):
            line.ask(b"NOOP", b"a")
        line.ask(b"NOOP", b"later")
    text = "".join(path.read_text() for path in traced(running, someone))
    assert "later" not in text
    assert text.rstrip().endswith("end: time is up")


def test_traces_are_listed_and_ended_together(running: Instance, someone: Person) -> None:
    other = running.add_user()
    with Line(running.port(143)) as line:
        login(line, someone)
        running.nmsd("trace", "on", someone.address, "--for", "9h")
        running.nmsd("trace", "on", other.address)
        listed = running.nmsd("trace", "list").stdout.decode().splitlines()
        assert listed[0].split() == ["TARGET", "LEFT", "FILE"]
        assert {row.split()[0] for row in listed[1:]} == {someone.address, other.address}
        [path] = traced(running, someone)
        assert any(str(path) in row for row in listed)
        found = json.loads(running.nmsd("trace", "list", "--json").stdout)
        assert max(trace["seconds"] for trace in found) <= 3600, "trace.maxtime"
        assert b"not traced any more" in running.nmsd("trace", "off").stdout
        assert running.nmsd("trace", "list").stdout.decode().splitlines() == ["TARGET  LEFT  FILE"]
    log = (running.directory / "log/imap.log").read_text()
    assert re.search(rf"Notice: trace on target={re.escape(someone.address)} seconds=3600 by=\"command line\"", log)
    assert re.search(rf"Notice: trace off target={re.escape(someone.address)}", log)


def test_what_is_not_there_is_not_traced(running: Instance, someone: Person) -> None:
    done = running.nmsd("trace", "on", "imap9-1a-1", check=False)
    assert (done.returncode, b"there is no session" in done.stderr) == (1, True)
    assert running.nmsd("trace", "off", "nobody@example.com", check=False).returncode == 1
    assert running.nmsd("trace", "on", someone.name, "--for", "soon", check=False).returncode == 2
    assert running.nmsd("trace", "on", someone.name, "--for", "0m", check=False).returncode == 2


def test_names_lead_out_of_no_folder(running: Instance) -> None:
    running.nmsd("trace", "on", "../../../x")
    running.nmsd("trace", "off")
    log = running.directory / "log"
    assert {each.name for each in log.iterdir() if ".log" not in each.name} <= {"trace"}  # a log may appear meanwhile
    assert not [folder for folder in log.parents[:3] if (folder / "x").exists()]


def test_every_line_of_a_session_in_the_log_has_its_id(running: Instance, someone: Person) -> None:
    with Line(running.port(143)) as line:
        login(line, someone)
        [session] = [each["id"] for each in sessions(running, "--user", someone.address)]
        line.ask(b"SELECT INBOX")
        line.ask(b"SELECT nowhere")
        line.ask(b"EXAMINE INBOX")
        line.ask(b"LOGOUT")
        line.rest()
    assert sessions(running, "--user", someone.address) == []
    lines = [each for each in (running.directory / "log/imap.log").read_text().splitlines() if session in each]
    texts = [re.sub(r"^.*?: (\w+ \w+: [a-z]+).*$", r"\1", each) for each in lines]
    assert texts[0] == "Network Information: session"
    assert "Account Information: login" in texts
    end = lines[-1]
    assert f"session={session} user={someone.address}" in end
    assert re.search(r"seconds=\d+\.\d{3} received=\d+ sent=\d+ mailboxes=2$", end)
