"""Running servers whose settings are in a real directory: start, reload, and what they do while it is away."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nmsd.config.local_copy import copy_path
from tests.clients.harness import Instance, Line
from tests.conftest import Maker
from tests.directory.configuration_room import Room, setting
from tests.directory.relay import SILENT, Relay
from tests.directory.servers import DirectoryServer, free_ports


def greeting(instance: Instance) -> bytes:
    """What an IMAP client hears first."""
    with Line(instance.port(143)) as line:
        return line.readline()


@pytest.fixture
def home(slapd: DirectoryServer) -> Room:
    """A place in a directory, where it does not matter in which."""
    return Room(slapd)


@pytest.fixture
def relay(slapd: DirectoryServer) -> Iterator[Relay]:
    """The way to that directory."""
    made = Relay(slapd.port)
    yield made
    made.die()


def made(make_instance: Maker, settings: dict[str, object], *, start: bool = True) -> Instance:
    """An instance whose file says this, and that starts no more than it needs."""
    instance = make_instance(start=False)
    settings = {"service.pop.enable": "no", "service.lmtp.enable": "no", **settings}
    with open(instance.configuration, "a", encoding="utf-8") as file:
        file.write("".join(f"{name} = {value}\n" for name, value in settings.items()))
    if start:
        instance.start()
    return instance


def test_two_servers_with_one_shared_entry_see_one_change_at_reload(room: Room, make_instance: Maker) -> None:
    room.add_shared(setting("service.imap.banner", "before"))
    instances = []
    for name in ("mx1", "mx2"):
        room.add_own(setting("local.hostname", f"{name}.example.com"), name=name)
        instances.append(made(make_instance, room.settings(name=name, **{"local.ldapshareddn": room.shared})))
    assert [greeting(instance).endswith(b" before\r\n") for instance in instances] == [True, True]
    room.modify(
        room.shared,
        *("delete: nmsdSetting", setting("service.imap.banner", "before"), "-"),
        *("add: nmsdSetting", setting("service.imap.banner", "%h after")),
    )
    assert json.loads(instances[0].nmsd("config", "diff", "--json", check=False).stdout) == [
        {
            "name": "service.imap.banner",
            "file": "",
            "server_entry": "",
            "shared_entry": "%h after",
            "after_reload": "%h after",
            "in_force": "before",
        }
    ]
    for instance in instances:
        instance.nmsd("reload")
    assert json.loads(instances[0].nmsd("status", "--json").stdout)["directory"]["away"] == ""
    assert greeting(instances[0]).endswith(b" mx1.example.com after\r\n")
    assert greeting(instances[1]).endswith(b" mx2.example.com after\r\n")
    assert instances[0].nmsd("config", "diff").stdout == b"no differences\n"


def test_a_change_is_taken_without_being_told_where_that_is_set_and_what_is_wrong_is_logged_once(
    home: Room, make_instance: Maker
) -> None:
    own = home.add_own(setting("service.imap.banner", "before"))
    instance = made(make_instance, home.settings(**{"local.ldappoll": 1}))
    home.modify(own, "add: nmsdSetting", setting("service.imap.maxthreads", "none"))
    until(lambda: "settings have changed, and cannot be taken" in instance.log())
    home.modify(own, "replace: nmsdSetting", setting("service.imap.banner", "after"))
    until(lambda: greeting(instance).endswith(b" after\r\n"))
    assert sum("cannot be taken" in line for line in log_lines(instance)) == 1
    assert sum("settings in the directory have changed" in line for line in log_lines(instance)) == 1


def until(condition: Callable[[], bool]) -> None:
    """Waits for it."""
    beat = threading.Event()
    for _ in range(600):
        if condition():
            return
        beat.wait(0.1)
    raise AssertionError("it never came true")


def test_a_server_starts_and_reloads_from_the_copy_and_logs_that_once(
    home: Room, relay: Relay, make_instance: Maker
) -> None:
    home.add_own(setting("service.imap.banner", "from the entry"))
    instance = made(make_instance, home.settings(relay.url))
    assert b"from the entry" in greeting(instance)
    assert "a copy of its settings is used" not in instance.log()
    instance.stop()
    relay.die()
    instance.start()
    assert b"from the entry" in greeting(instance)
    told = json.loads(instance.nmsd("status", "--json").stdout)["directory"]
    assert str(relay.port) in told["away"]
    assert b"settings in the directory: as they were" in instance.nmsd("status").stdout
    [line] = [line for line in log_lines(instance) if "a copy of its settings is used" in line]
    assert "age_s=" in line
    assert str(relay.port) in line
    instance.nmsd("config", "set", "service.imap.maxthreads", "9")
    instance.nmsd("reload")
    assert sum("a copy of its settings is used" in line for line in log_lines(instance)) == 2
    relay.revive()
    instance.nmsd("reload")
    assert sum("a copy of its settings is used" in line for line in log_lines(instance)) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="root starts servers that run as another user")
def test_what_root_writes_is_read_and_the_copy_is_the_server_users(home: Room, make_instance: Maker) -> None:
    home.add_own(setting("service.imap.banner", "there"))
    instance = made(make_instance, home.settings())
    copy = Path(copy_path(str(instance.directory)))
    assert copy.stat().st_uid == copy.parent.stat().st_uid
    text = instance.configuration.read_text()
    instance.configuration.unlink()
    instance.configuration.write_text(text.replace("service.pop.enable = no", "service.imap.banner = here"))
    instance.configuration.chmod(0o600)
    instance.nmsd("reload")
    assert b" here\r\n" in greeting(instance)
    assert instance.configuration.stat().st_uid == 0


def log_lines(instance: Instance) -> list[str]:
    """The supervisor's log."""
    return (instance.directory / "log/nmsd.log").read_text().splitlines()


def test_without_directory_and_copy_a_start_fails_with_one_line_and_status_2(home: Room, make_instance: Maker) -> None:
    [port] = free_ports(1)
    instance = made(make_instance, home.settings(f"ldap://127.0.0.1:{port}"), start=False)
    done = instance.nmsd("start", check=False)
    assert done.returncode == 2
    [line] = done.stderr.decode().splitlines()
    assert "local.ldaphost = ldap://127.0.0.1:" in line
    assert "there is no copy (no directory server answers;" in line
    done = instance.nmsd("user", "list", check=False)
    assert done.returncode == 2
    assert "there is no copy" in done.stderr.decode()
    instance.nmsd("start", "-o", "local.ldaphost=")
    instance.nmsd("stop")


def test_a_wrong_value_in_the_directory_refuses_the_reload_and_keeps_a_start_from_happening(
    home: Room, make_instance: Maker
) -> None:
    own = home.add_own(setting("service.imap.banner", "good"))
    instance = made(make_instance, home.settings())
    home.modify(own, "add: nmsdSetting", setting("service.imap.maxthreads", "none"))
    for command in ("reload", "restart"):
        done = instance.nmsd(command, check=False)
        assert done.returncode == 2
        assert f"{own}: nmsdSetting: service.imap.maxthreads = none: not a whole number" in done.stderr.decode()
    assert b" good\r\n" in greeting(instance)
    assert any("reload refused" in line for line in log_lines(instance))
    instance.stop()
    done = instance.nmsd("start", check=False)
    assert done.returncode == 2
    [line] = done.stderr.decode().splitlines()
    assert f"{own}: nmsdSetting: service.imap.maxthreads = none" in line
    home.modify(own, "delete: nmsdSetting", setting("service.imap.maxthreads", "none"))
    instance.start()


def test_a_directory_that_does_not_answer_delays_a_reload_and_nothing_else(
    home: Room, relay: Relay, make_instance: Maker
) -> None:
    home.add_own(setting("service.imap.banner", "here"))
    instance = made(make_instance, home.settings(relay.url, **{"local.ldaptimeout": 2}))
    relay.mode = SILENT
    assert instance.process is not None
    instance.process.send_signal(signal.SIGHUP)
    for _ in range(3):
        assert json.loads(instance.nmsd("status", "--json").stdout)["state"] == "running"
        assert b" here\r\n" in greeting(instance)
    instance.nmsd("reload")
    assert sum("a copy of its settings is used" in line for line in log_lines(instance)) == 2
