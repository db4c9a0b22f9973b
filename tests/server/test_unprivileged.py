"""A server that root starts: its workers are another user's, and what root does beside them does not lock them out."""

from __future__ import annotations

import os
import pwd
import random
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.harness import HOST, Line, Person, instance_directory, login
from tests.clients.letters import letter
from tests.console.browser import Browser
from tests.server.public import USER, PublicInstance, public_nmsd

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user"),
    pytest.mark.xdist_group("unprivileged"),  # one server for all
]

ADMIN = Person("root")


def low_port() -> int:
    """A port that nobody listens on and only root may."""
    for port in random.sample(range(600, 1024), 424):  # at random, for others look for one at the same time
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


@pytest.fixture(scope="module")
def server() -> Iterator[PublicInstance]:
    settings = {
        "local.serveruid": USER,
        "service.imap.port": low_port(),
        "service.console.enable": "yes",
        "store.admins": ADMIN.name,
    }
    with public_nmsd() as public, instance_directory() as directory:
        instance = public.make(directory, settings)
        instance.add_user(ADMIN.name)
        instance.start()
        yield instance
        assert instance.stop() == 0
        errors = [line for line in instance.log().splitlines() if "Error:" in line or "Traceback" in line]
        assert [line for line in errors if 'reason="killed by signal 9' not in line] == []  # which a test has done


@pytest.fixture
def person(server: PublicInstance) -> Person:
    return server.add_user()


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def owners(place: Path) -> set[str]:
    """Whose the files below a place are, and it itself."""
    return {pwd.getpwuid(path.lstat().st_uid).pw_name for path in (place, *place.rglob("*"))}


def imap_port(server: PublicInstance) -> int:
    return int(server.nmsd("config", "get", "service.imap.port").stdout)


def test_workers_are_the_users_alone(server: PublicInstance) -> None:
    user = pwd.getpwnam(USER)
    workers = server.workers()
    assert len(workers) >= 4
    for pid in workers:
        facts = status_of(pid)
        assert facts["Uid"].split() == [str(user.pw_uid)] * 4
        assert facts["Gid"].split() == [str(user.pw_gid)] * 4
        assert set(facts["Groups"].split()) <= {str(user.pw_gid)}
        for rights in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(facts[rights], 16) == 0, rights
    assert server.process is not None
    assert status_of(server.process.pid)["Uid"].split()[0] == "0"


def test_mail_comes_in_and_goes_out_by_every_way(server: PublicInstance, person: Person) -> None:
    server.nmsd("deliver", person.address, input=letter("by the command, which root runs"))
    line = Line(server.port(24))
    line.until(b"220")
    line.send(f"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{person.address}>\r\nDATA\r\n".encode())
    line.until(b"354")
    line.send(letter("by LMTP") + b".\r\n")
    line.until(b"250")
    server.append(person, [letter("by IMAP", ("x" * 78 + "\r\n") * 40_000)])  # spooled, so a file of the worker's
    server.nmsd("deliver", person.address, input=letter("by the command again"))
    assert len(server.messages(person)) == 4
    assert server.pop(person).stat()[0] == 4


def test_the_store_and_the_logs_are_the_users_and_nobody_elses_to_read(server: PublicInstance, person: Person) -> None:
    server.nmsd("deliver", person.address, input=letter("a new account"))  # made by root
    server.append(person, [letter("and by the worker")])
    assert owners(server.directory / "store") == {USER}
    assert owners(server.directory / "log") == {USER}
    for path in (server.directory / "store").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize("command", [("check",), ("check", "--repair"), ("account", "list"), ("mailbox", "list")])
def test_what_root_does_to_the_store_leaves_it_to_the_user(
    server: PublicInstance, person: Person, command: tuple[str, ...]
) -> None:
    server.append(person, [letter("before")])
    server.nmsd(*command, *([person.address] if command[0] == "mailbox" else []))
    assert owners(server.directory / "store") == {USER}
    server.append(person, [letter("after")])
    assert len(server.messages(person)) == 2


def test_a_mailbox_that_root_makes_is_there(server: PublicInstance, person: Person) -> None:
    server.nmsd("mailbox", "create", person.address, "Made")
    assert owners(server.directory / "store") == {USER}
    server.append(person, [letter("made")], "Made")


def test_mail_that_root_imports_is_there_if_the_user_may_read_it(server: PublicInstance, person: Person) -> None:
    maildir = server.directory.parent / "Maildir"
    for folder in ("cur", "new", "tmp"):
        (maildir / folder).mkdir(parents=True)
    (maildir / "new/1.x").write_bytes(letter("imported"))
    maildir.chmod(0o700)
    refused = server.nmsd("import", person.address, str(maildir), check=False)
    assert refused.returncode == 1
    told = f"nmsd: {USER}, as whom mail is imported, cannot read {maildir}; let that user read it"
    assert refused.stderr.decode().startswith(told)
    maildir.chmod(0o755)
    server.nmsd("import", person.address, str(maildir))
    assert owners(server.directory / "store") == {USER}
    server.append(person, [letter("appended")])
    assert len(server.messages(person)) == 2


def test_users_that_root_adds_changes_and_removes_are_seen_at_once(server: PublicInstance) -> None:
    person = server.add_user()
    login(Line(imap_port(server)), person)
    server.nmsd("user", "passwd", person.name, "--password-stdin", input=b"another one 8")
    login(Line(imap_port(server)), Person(person.name, "another one 8"))
    server.nmsd("user", "remove", person.name)
    line = Line(imap_port(server))
    line.until(b"* OK")
    assert line.ask(f'LOGIN {person.name} "another one 8"'.encode()).startswith(b"t1 NO")
    # Passwords are no others' to read.
    directory = (server.directory / "etc/directory.ldif").stat()
    assert stat.S_IMODE(directory.st_mode) & 0o007 == 0


def test_the_console_works_and_root_asks_for_the_status(server: PublicInstance) -> None:
    browser = Browser(server)
    assert browser.log_in(ADMIN).status == 200
    for page in ("/server", "/sessions", "/users", "/logs/imap"):
        assert browser.get(page).status == 200, page
    assert b"running" in server.nmsd("status").stdout
    assert server.nmsd("sessions", "list").returncode == 0


def test_a_reload_takes_another_port_below_1024_and_old_sessions_live(server: PublicInstance, person: Person) -> None:
    old_port, new_port = imap_port(server), low_port()
    old = login(Line(old_port), person)
    secure = login(Line(server.port(993), server.tls()), person)
    before = set(server.workers())
    server.nmsd("config", "set", "service.imap.port", str(new_port))

    server.nmsd("reload")

    login(Line(new_port), person)
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, old_port)) != 0
    for session in (old, secure):
        assert session.ask(b"NOOP").startswith(b"t1 OK")
    fresh = set(server.workers()) - before
    assert fresh
    assert {pwd.getpwuid(int(status_of(pid)["Uid"].split()[0])).pw_name for pid in fresh} == {USER}
    assert login(Line(server.port(993), server.tls()), person).ask(b"NOOP").startswith(b"t1 OK")


def test_a_worker_that_is_killed_is_replaced_by_one_of_the_users(server: PublicInstance, person: Person) -> None:
    [imap] = [pid for pid in server.workers() if b"imap\0" in Path(f"/proc/{pid}/cmdline").read_bytes()][:1]
    os.kill(imap, 9)
    session = login(Line(imap_port(server)), person)  # the socket is the supervisor's, and clients wait at it
    assert session.ask(b"NOOP").startswith(b"t1 OK")
    for pid in server.workers():
        assert status_of(pid)["Uid"].split()[0] == str(pwd.getpwnam(USER).pw_uid)


def test_a_restart_keeps_the_users_rights(server: PublicInstance, person: Person) -> None:
    server.append(person, [letter("before")])
    server.nmsd("restart")
    server.append(person, [letter("after")])
    assert len(server.messages(person)) == 2
    assert owners(server.directory / "store") == {USER}


def test_the_user_may_not_tell_the_supervisor_anything(server: PublicInstance) -> None:
    for command in (("reload",), ("stop",), ("restart", "imap")):
        done = server.nmsd_as(USER, *command)
        assert done.returncode == 1, (command, done)
        assert b"not allowed to control nmsd" in done.stderr, (command, done)
    assert b"running" in server.nmsd("status").stdout


def test_a_file_that_is_the_users_cannot_make_workers_roots(server: PublicInstance) -> None:
    good = server.configuration.read_text()
    assert server.nmsd_as(USER, "config", "set", "local.serveruid", "root").returncode == 0
    try:
        done = server.nmsd("restart", check=False)
        assert done.returncode == 2
        assert b"local.serveruid = root: the file is not root's, so workers are not root's either; " in done.stderr
        assert b"running" in server.nmsd("status").stdout
    finally:
        server.configuration.write_text(good)
