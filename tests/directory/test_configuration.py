"""Settings in a real directory: read, published, compared, and copied for when it is away, by `nmsd config`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nmsd.cli.main import cli
from nmsd.config.local_copy import copy_path
from tests.clients.harness import HOST
from tests.directory.configuration_room import OWN_CLASSES, Room, entry, setting
from tests.directory.people import SECRET, SERVICE_DN
from tests.directory.relay import Relay
from tests.directory.servers import ADMIN_SECRET, DirectoryServer, free_ports


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
    classes = (*OWN_CLASSES, "nsmsgCfgService", "nsmsgCfgStore")
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
        classes=(*OWN_CLASSES, "nsmsgCfgIMAP"),
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
    own = room.add_own("nsmsgAdmins: alice", "nsmsgAdmins: bob", classes=(*OWN_CLASSES, "nsmsgCfgStore"))
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
