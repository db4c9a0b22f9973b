"""Settings in a real directory: read at start and reload, published, compared, and copied for when it is away."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nmsd.cli.main import cli
from nmsd.config.local_copy import copy_path
from tests.clients.harness import HOST, Instance, Line
from tests.conftest import Maker
from tests.directory.people import SECRET, SERVERS, SERVICE_DN, ssha
from tests.directory.relay import SILENT, Relay
from tests.directory.servers import ADMIN_SECRET, DirectoryServer, free_ports

_numbers = count(1)
_CLASSES = ("applicationProcess", "simpleSecurityObject", "nmsdConfig")


def entry(name: str, *lines: str, below: str = SERVERS, classes: tuple[str, ...] = _CLASSES) -> str:
    """An entry with settings, in LDIF."""
    secret = [f"userPassword: {ssha(SECRET)}"] if "simpleSecurityObject" in classes else []
    told = [f"dn: cn={name},{below}", *(f"objectClass: {each}" for each in classes), f"cn: {name}", *secret, *lines]
    return "\n".join([*told, "", ""])


def setting(name: str, value: object) -> str:
    """A setting's line in LDIF."""
    return f"nmsdSetting: {name}={value}"


class Room:
    """The entries of one test: servers' own, and the one they share."""

    def __init__(self, server: DirectoryServer) -> None:
        self.server = server
        self.prefix = f"t{next(_numbers)}"
        self.shared = f"cn={self.prefix}-shared,{SERVERS}"

    def own(self, name: str = "mx") -> str:
        """The name of a server's own entry."""
        return f"cn={self.prefix}-{name},{SERVERS}"

    def add_own(self, *lines: str, name: str = "mx", classes: tuple[str, ...] = _CLASSES) -> str:
        """A server's own entry."""
        self.server.add(entry(f"{self.prefix}-{name}", *lines, classes=classes))
        return self.own(name)

    def add_shared(self, *lines: str) -> str:
        """The shared entry."""
        self.server.add(entry(f"{self.prefix}-shared", *lines, classes=("applicationProcess", "nmsdConfig")))
        return self.shared

    def modify(self, dn: str, *lines: str) -> None:
        """As an administrator does with ldapmodify."""
        self.server.add("\n".join([f"dn: {dn}", "changetype: modify", *lines, "", ""]))

    def values(self, dn: str, attribute: str = "nmsdSetting") -> list[str]:
        """An attribute's values."""
        with self.server.admin() as connection:
            connection.search(dn, "(objectClass=*)", "BASE", attributes=[attribute])
            return sorted(connection.entries[0][attribute].values)

    def settings(self, url: str = "", name: str = "mx", **more: object) -> dict[str, object]:
        """What a server's file says to have its settings from here."""
        return {
            "local.ldapsiedn": self.own(name),
            "local.ldapsiecred": SECRET,
            **more,
            "local.ldaphost": url or self.server.url,
        }


@pytest.fixture
def room(server: DirectoryServer) -> Room:
    """A place in each of the two directory servers."""
    return Room(server)


class Desk:
    """An instance that does not run, and the command."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.path = folder / "instance"
        made = CliRunner().invoke(cli, ["init", str(self.path), "--domain", "example.com", "--bind", HOST])
        assert made.exit_code == 0, made.output
        self.write({"local.serveruid": "root", **settings})

    def write(self, settings: dict[str, object]) -> None:
        """Adds lines to the file."""
        with open(self.path / "etc/nmsd.conf", "a", encoding="utf-8") as file:
            file.write("".join(f"{name} = {value}\n" for name, value in settings.items()))

    def run(self, *arguments: str, input: str = "", **environ: str) -> Result:
        """Runs nmsd config."""
        command = ["-I", str(self.path), "config", *arguments]
        return CliRunner().invoke(cli, command, prog_name="nmsd", input=input, env=environ, catch_exceptions=False)

    def json(self, *arguments: str, status: int = 0, input: str = "") -> Any:
        """What it prints as JSON."""
        done = self.run(*arguments, "--json", input=input)
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)

    def origin(self, name: str, **environ: str) -> tuple[str, str]:
        """A setting's value and where it comes from."""
        done = self.run("get", name, "--origin", **environ)
        assert done.exit_code == 0, done.output
        value, origin = done.stdout.splitlines()
        return value, origin


# What is read, and what is stronger


def test_the_file_is_stronger_than_the_servers_entry_and_that_than_the_shared_one(room: Room, tmp_path: Path) -> None:
    room.add_own(setting("service.imap.maxsessions", 222), setting("service.imap.maxthreads", 22))
    room.add_shared(
        *(setting(f"service.imap.{name}", 33) for name in ("maxsessions", "maxthreads", "numprocesses", "idletimeout"))
    )
    desk = Desk(tmp_path, room.settings(**{"local.ldapshareddn": room.shared, "service.imap.maxsessions": 111}))
    assert desk.origin("service.imap.maxsessions", NMSD_SERVICE_IMAP_MAXSESSIONS="5") == ("5", "environment")
    value, origin = desk.origin("service.imap.maxsessions")
    assert value == "111"
    assert "etc/nmsd.conf:" in origin
    assert desk.origin("service.imap.maxthreads") == ("22", f"server entry {room.own()}")
    assert desk.origin("service.imap.numprocesses") == ("33", f"shared entry {room.shared}")
    assert desk.origin("service.pop.idletimeout") == ("10", "default")
    assert f"service.imap.maxthreads = 22  # server entry {room.own()}" in desk.run("list", "--origin").stdout
    facts = desk.json("describe", "service.imap.idletimeout")
    assert (facts["value"], facts["origin"]) == ("33", f"shared entry {room.shared}")
    assert facts["attribute"] == "nsmsgIdleTimeout of nsmsgCfgIMAP"


def test_netscapes_attributes_are_read_where_the_entry_has_their_class(room: Room, tmp_path: Path) -> None:
    classes = (*_CLASSES, "nsmsgCfgService", "nsmsgCfgStore")
    own = room.add_own(
        "nsmsgAuthCacheTTL: 77", "nsmsgAdmins: alice", "nsmsgAdmins: bob", setting("service.pop.port", 1110),
        classes=classes,
    )  # fmt: skip
    room.server.add(
        entry("imap", "nsmsgMaxSessions: 55", "nsmsgBanner: hello=%h", below=own,
              classes=("applicationProcess", "nsmsgCfgIMAP"))
    )  # fmt: skip
    room.server.add(entry("pop", "nsmsgPOPMinPoll: 9", below=own, classes=("applicationProcess", "nsmsgCfgPOP")))
    room.server.add(entry("other", setting("service.imap.port", 1), below=own))
    desk = Desk(tmp_path, room.settings())
    assert desk.origin("service.authcachettl") == ("77", f"server entry {own}")
    assert sorted(desk.origin("store.admins")[0].split(", ")) == ["alice", "bob"]
    assert desk.origin("service.imap.maxsessions") == ("55", f"server entry cn=imap,{own}")
    assert desk.origin("service.imap.banner")[0] == "hello=%h"
    assert desk.origin("service.pop.popminpoll")[0] == "9"
    assert desk.origin("service.pop.maxsessions") == ("600", "default")
    assert desk.origin("service.imap.port") == ("143", "default")


def test_the_server_may_bind_as_another_or_by_the_owner_of_its_process(room: Room, tmp_path: Path) -> None:
    room.add_own(setting("service.pop.maxsessions", 5), classes=("applicationProcess", "nmsdConfig"))
    for number, settings in enumerate(
        (
            {"local.ldapbinddn": SERVICE_DN},
            {"local.ldaphost": room.server.ldapi_url, "local.ldapbindmethod": "external", "local.ldapsiecred": ""},
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        desk = Desk(folder, {**room.settings(), **settings})
        assert desk.origin("service.pop.maxsessions") == ("5", f"server entry {room.own()}")


def test_tls_is_verified(room: Room, tmp_path: Path) -> None:
    room.add_own(setting("service.pop.maxsessions", 5))
    desk = Desk(tmp_path, room.settings(room.server.tls_url))
    refused = desk.run("fetch")
    assert refused.exit_code == 1
    assert "certificate" in refused.stderr
    assert SECRET not in refused.output
    desk.write({"local.ldaptlscafile": room.server.authority.certificate})
    assert desk.run("fetch").exit_code == 0
    desk.run("set", "local.ldaphost", room.server.url)
    desk.write({"local.ldapstarttls": "yes"})
    assert desk.run("fetch").exit_code == 0


def test_another_server_is_asked_when_the_first_is_down(room: Room, tmp_path: Path) -> None:
    room.add_own(setting("service.pop.maxsessions", 5))
    [port] = free_ports(1)
    desk = Desk(tmp_path, room.settings(f"ldap://127.0.0.1:{port}, {room.server.url}"))
    assert desk.origin("service.pop.maxsessions")[0] == "5"


# What is wrong in it


def test_wrong_values_are_told_with_entry_attribute_value_range_and_mend_all_at_once(
    room: Room, tmp_path: Path
) -> None:
    own = room.add_own(
        setting("service.imap.port", 99999),
        setting("service.imap.maxsesions", 5),
        setting("local.ldaphost", "ldap://elsewhere"),
        setting("service.pop.maxthreads", 1),
        setting("service.pop.maxthreads", 2),
        "nmsdSetting: nonsense",
        "nsmsgMaxSessions: many",
        classes=(*_CLASSES, "nsmsgCfgIMAP"),
    )
    shared = room.add_shared(setting("service.lmtp.port", "x"), setting("setting.of.tomorrow", "yes"))
    settings = room.settings(**{"local.ldapshareddn": shared, "service.pop.port": 0})
    desk = Desk(tmp_path, settings)
    at = f"{own}: nmsdSetting"
    for command in ("check", "fetch"):
        done = desk.run(command)
        assert done.exit_code == 2
        lines = done.stderr.splitlines()
        for told in (
            f"{at}: service.imap.port = 99999: above what is allowed; allowed: a whole number from 1 to 65535; correct",
            f"{at}: service.imap.maxsesions: there is no such setting; did you mean service.imap.maxsessions?",
            f"{at}: local.ldaphost: leads to the directory, so it cannot be in it; take it out, and set it in the file",
            f"{at}: service.pop.maxthreads: is set twice, also in {at}; keep one of the two",
            f"{at}: not a setting: nonsense; write `name=value`, with the setting's whole dotted name",
            f"{own}: nsmsgMaxSessions: service.imap.maxsessions = many: not a whole number",
            f"{shared}: nmsdSetting: service.lmtp.port = x: not a whole number",
            "etc/nmsd.conf:",
        ):
            assert any(told in line for line in lines), (told, lines)
        assert not any("setting.of.tomorrow" in line for line in lines)
        assert len(lines) == 8, lines
    assert not Path(copy_path(str(desk.path))).exists()
    told = desk.json("fetch", status=2)
    assert {problem["name"] for problem in told["problems"]} >= {"service.imap.port", "service.lmtp.port"}
    assert "8 things are wrong" in desk.run("get", "service.imap.port").stderr


def test_a_setting_of_a_later_version_in_the_shared_entry_is_left_out_and_told(room: Room, tmp_path: Path) -> None:
    room.add_own()
    shared = room.add_shared(setting("service.imap.maxsesions", 5), setting("service.imap.maxthreads", 7))
    desk = Desk(tmp_path, room.settings(**{"local.ldapshareddn": shared}))
    done = desk.run("fetch")
    assert done.exit_code == 0
    assert "there is no such setting here, it is left out; did you mean service.imap.maxsessions?" in done.stderr
    assert desk.origin("service.imap.maxthreads")[0] == "7"


def test_values_that_do_not_go_together_are_told_with_their_entry(room: Room, tmp_path: Path) -> None:
    own = room.add_own(setting("service.pop.port", 143))
    done = Desk(tmp_path, room.settings()).run("check")
    assert done.exit_code == 2
    assert f"{own}: nmsdSetting: service.pop.port = 143: is the same port as service.imap.port" in done.stderr


def test_an_entry_that_is_missing_is_told(room: Room, tmp_path: Path) -> None:
    room.add_own()
    desk = Desk(tmp_path, room.settings(**{"local.ldapshareddn": room.shared}))
    done = desk.run("fetch")
    assert done.exit_code == 2
    assert f"local.ldapshareddn = {room.shared}: {room.server.url}" in done.stderr
    assert "`nmsd config publish` makes one" in done.stderr


def test_without_an_own_entry_the_settings_are_incomplete(room: Room, tmp_path: Path) -> None:
    desk = Desk(tmp_path, {"local.ldaphost": room.server.url})
    done = desk.run("fetch")
    assert done.exit_code == 2
    assert "local.ldapsiedn" in done.stderr
    (tmp_path / "other").mkdir()
    assert "names no directory" in Desk(tmp_path / "other", {}).run("fetch").stderr


# The copy


def test_the_copy_serves_while_the_directory_is_away(room: Room, tmp_path: Path) -> None:
    room.add_own(setting("service.pop.maxsessions", 5))
    relay = Relay(room.server.port)
    desk = Desk(tmp_path, room.settings(relay.url))
    relay.die()
    assert desk.origin("service.pop.maxsessions") == ("600", "default")
    assert "settings in the directory are not known" in desk.run("get", "service.pop.maxsessions").stderr
    refused = desk.run("check")
    assert refused.exit_code == 2
    [line] = refused.stderr.splitlines()
    assert "the settings there cannot be had, and there is no copy" in line
    assert line.endswith("or start with the file alone: `nmsd config unset local.ldaphost`")
    relay.revive()
    try:
        assert f"server entry {room.own()}: 1 setting\n" in desk.run("fetch").stdout
        copy = Path(copy_path(str(desk.path)))
        assert copy.stat().st_mode & 0o777 == 0o600
        room.modify(room.own(), "add: nmsdSetting", setting("service.pop.maxthreads", 6))
        assert desk.origin("service.pop.maxthreads")[0] == "6"
        relay.die()
        assert desk.run("fetch").exit_code == 1
        done = desk.run("get", "service.pop.maxsessions", "--origin")
        assert done.stdout == f"5\nserver entry {room.own()}\n"
        assert "those of the local copy" in done.stderr
        assert desk.origin("service.pop.maxthreads")[0] == "1000"
        desk.write({"local.ldapshareddn": room.shared})
        assert "are not known" in desk.run("get", "service.pop.maxsessions").stderr
    finally:
        relay.die()


# Publishing


def test_publish_writes_what_the_file_sets_and_only_what_differs(room: Room, tmp_path: Path) -> None:
    own = room.add_own(setting("service.imap.maxsessions", 5), setting("service.imap.maxthreads", 6))
    desk = Desk(tmp_path, room.settings(**{"service.imap.maxsessions": 7, "service.imap.maxthreads": 6}))
    before = room.values(own)
    done = desk.run("publish", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "- service.imap.maxsessions = 5\n+ service.imap.maxsessions = 7\n" in done.stdout
    assert "maxthreads" not in done.stdout
    assert "local.ldap" not in done.stdout
    assert room.values(own) == before
    admin = ("--bind-dn", room.server.admin_dn, "--password-stdin")
    refused = desk.run("publish")
    assert refused.exit_code == 1
    assert "does not change" in refused.stderr
    assert "; --bind-dn DN binds as an entry that may change it" in refused.stderr
    told = desk.json("publish", *admin, input=ADMIN_SECRET + "\n")
    changes = {change["name"]: (change["old"], change["new"]) for change in told["changes"]}
    assert changes["service.imap.maxsessions"] == ("5", "7")
    assert changes["service.defaultdomain"] == (None, "example.com")
    values = room.values(own)
    assert "service.imap.maxsessions=7" in values
    assert "service.imap.maxthreads=6" in values
    assert not any(value.startswith("local.ldap") for value in values)
    assert f"{own} says all of it already" in desk.run("publish").stdout


def test_publish_moves_settings_out_of_the_file(room: Room, tmp_path: Path) -> None:
    own = room.add_own()
    desk = Desk(tmp_path, room.settings(**{"service.imap.maxsessions": 7, "service.imap.banner": '"a # b = c"'}))
    admin = ("--bind-dn", room.server.admin_dn, "--password-stdin")
    done = desk.run(
        "publish", "--move", "service.imap.maxsessions", "service.imap.banner", *admin, input=ADMIN_SECRET + "\n"
    )
    assert done.exit_code == 0, done.output
    assert desk.origin("service.imap.maxsessions") == ("7", f"server entry {own}")
    assert desk.origin("service.imap.banner") == ("a # b = c", f"server entry {own}")
    assert "\nservice.imap.maxsessions" not in (desk.path / "etc/nmsd.conf").read_text()
    assert desk.run("set", "service.imap.maxthreads", "8").exit_code == 0


def test_what_the_server_cannot_read_stays_in_the_file(room: Room, tmp_path: Path) -> None:
    own = room.add_own()
    desk = Desk(tmp_path, room.settings(**{"service.imap.maxsessions": 7, "local.ldapsiecred": "another"}))
    admin = ("--bind-dn", room.server.admin_dn, "--password-stdin")
    done = desk.run("publish", "--move", "service.imap.maxsessions", *admin, input=ADMIN_SECRET + "\n")
    assert done.exit_code == 1
    assert "stay in the file, for the server cannot read them: no directory server answers" in done.stderr
    assert room.values(own) == ["service.imap.maxsessions=7"]
    assert "\nservice.imap.maxsessions = 7\n" in (desk.path / "etc/nmsd.conf").read_text()


def test_publish_changes_a_setting_where_it_stands(room: Room, tmp_path: Path) -> None:
    own = room.add_own("nsmsgAdmins: alice", "nsmsgAdmins: bob", classes=(*_CLASSES, "nsmsgCfgStore"))
    room.server.add(entry("imap", "nsmsgMaxSessions: 55", below=own, classes=("applicationProcess", "nsmsgCfgIMAP")))
    desk = Desk(tmp_path, room.settings(**{"service.imap.maxsessions": 56, "store.admins": "carol, dave"}))
    names = ("service.imap.maxsessions", "store.admins")
    done = desk.run("publish", *names, "--bind-dn", room.server.admin_dn, "--password-stdin", input=ADMIN_SECRET + "\n")
    assert done.exit_code == 0, done.output
    assert room.values(f"cn=imap,{own}", "nsmsgMaxSessions") == ["56"]
    assert room.values(own, "nsmsgAdmins") == ["carol, dave"]
    assert room.values(own) == []


def test_publish_makes_an_entry_that_is_missing_and_leaves_secrets_and_the_name_out(room: Room, tmp_path: Path) -> None:
    room.add_own()
    desk = Desk(
        tmp_path,
        room.settings(
            **{
                "local.ldapshareddn": room.shared,
                "local.hostname": "mx.example.com",
                "local.ugldapbindcred": "hidden",
                "service.imap.maxsessions": 9,
            }
        ),
    )
    admin = ("--bind-dn", room.server.admin_dn, "--password-stdin")
    done = desk.run("publish", "--shared", *admin, input=ADMIN_SECRET + "\n")
    assert done.exit_code == 0, done.output
    assert f"+ entry {room.shared}" in done.stdout
    values = room.values(room.shared)
    assert "service.imap.maxsessions=9" in values
    assert not any("hostname" in value or "hidden" in value for value in values)
    named = desk.run("publish", "--shared", "local.ugldapbindcred", *admin, input=ADMIN_SECRET + "\n")
    assert "hidden" not in named.output
    assert "local.ugldapbindcred=hidden" in room.values(room.shared)


def test_publish_gives_an_entry_that_was_there_the_class_it_needs(room: Room, tmp_path: Path) -> None:
    own = room.add_own(classes=("applicationProcess", "simpleSecurityObject"))
    desk = Desk(tmp_path, room.settings())
    admin = ("--bind-dn", room.server.admin_dn, "--password-stdin")
    assert desk.run("publish", "service.defaultdomain", *admin, input=ADMIN_SECRET + "\n").exit_code == 0
    assert room.values(own) == ["service.defaultdomain=example.com"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("service.imap.prt",), "there is no such setting; did you mean service.imap.port?"),
        (("local.ldapsiecred",), "leads to the directory"),
        (("service.imap.port",), "is not set in the file"),
        (("--shared",), "local.ldapshareddn names no shared entry"),
        (("--bind-dn", "cn=x", "--password-stdin"), "needs a password"),
    ],
)
def test_publish_refuses_what_cannot_be(slapd: DirectoryServer, tmp_path: Path, arguments: Any, told: str) -> None:
    room = Room(slapd)
    room.add_own()
    done = Desk(tmp_path, room.settings()).run("publish", *arguments)
    assert done.exit_code in (1, 2)
    assert told in done.stderr


# Running servers


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
