"""An administrator's mistakes, planted: each is found by `nmsd directory test` or `nmsd explain`, with its mend."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.directory.people import PEOPLE, SUFFIX, password
from tests.directory.servers import DirectoryServer, free_ports
from tests.directory.test_cli_directory import Desk, desk

__all__ = ["desk"]


@dataclass(frozen=True)
class Mistake:
    """Settings that are wrong, or a user with whom something is; and what tells of it: the command, its step, what it
    finds, and how to mend it."""

    finds: str
    mend: str
    step: str
    settings: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ("directory", "test")


def login(*arguments: str) -> tuple[str, ...]:
    """The command that explains a login."""
    return ("explain", "login", *arguments)


MISTAKES = {
    "base": Mistake(
        "ou=Peopel", "correct local.ugldapbasedn", "failure", {"local.ugldapbasedn": f"ou=Peopel,{SUFFIX}"}
    ),
    "base, asked for a login": Mistake(
        "ou=Peopel",
        "correct local.ugldapbasedn",
        "failure",
        {"local.ugldapbasedn": f"ou=Peopel,{SUFFIX}"},
        login("alice"),
    ),
    "password": Mistake(
        "invalidCredentials", "local.ugldapbindcred is not the password of", "bind", {"local.ugldapbindcred": "wrong"}
    ),
    "password, asked for a login": Mistake(
        "invalidCredentials",
        "local.ugldapbindcred is not the password of",
        "bind",
        {"local.ugldapbindcred": "wrong"},
        login("alice"),
    ),
    "authority": Mistake(
        "certificate verify failed", "in local.ugldaptlscafile", "connect", {"local.ugldaphost": "{server.tls_url}"}
    ),
    "host": Mistake(
        "mismatch",
        "must be one that is in its certificate",
        "connect",
        {
            "local.ugldaphost": "ldaps://127.1:{server.tls_port}",
            "local.ugldaptlscafile": "{server.authority.certificate}",
        },
    ),
    "port": Mistake(
        "refused", "host and port in local.ugldaphost", "connect", {"local.ugldaphost": "ldap://127.0.0.1:{free}"}
    ),
    "filter": Mistake(
        "no entry matches (&(objectClass=nonesuch)",
        "correct local.ugldapfilter",
        "search",
        {"local.ugldapfilter": "(objectClass=nonesuch)"},
    ),
    "filter, asked for a login": Mistake(
        "no entry",
        f"uid=alice,{PEOPLE} has the name, but does not match local.ugldapfilter",
        "search",
        {"local.ugldapfilter": "(objectClass=nonesuch)"},
        login("alice"),
    ),
    "scope": Mistake(
        "no entry",
        "set local.ugldapscope to subtree",
        "search",
        {"local.ugldapbasedn": SUFFIX, "local.ugldapscope": "onelevel"},
        login("alice"),
    ),
    "login attribute": Mistake(
        "no entry matches (employeenumber=*)",
        "local.ugattr.uid",
        "search",
        {"local.ugattr.uid": "employeeNumber"},
    ),
    "nobody": Mistake("no entry", "no entry has this name", "search", {}, login("carol")),
    "no address": Mistake(
        "needs a login name and an address",
        "give it uid and mail",
        "entry",
        {"service.defaultdomain": ""},
        login("nomail"),
    ),
    "two entries": Mistake(
        "is both uid=twin1", "take the name from one of them", "entry", {}, login("twin@example.com")
    ),
    "quota": Mistake("a quota of 0", "store.zeroquota", "entry", {}, login("zero")),
    "inactive": Mistake("hold", "see inetUserStatus and mailUserStatus in the entry", "status", {}, login("held")),
    "mail host": Mistake("mail2.example.net", "add the name to local.mailhosts", "mail host", {}, login("faraway")),
    "service": Mistake(
        "pop", "see nsmsgDisallowAccess in the entry", "denied services", {}, login("popless", "--service", "pop")
    ),
    "rules": Mistake("+imaps:ALL", "see mailAllowedServiceAccess in the entry", "access rules", {}, login("imapsonly")),
    "network": Mistake(
        "192.0.2.0/24",
        "see mailAccessDomain in the entry",
        "access domains",
        {},
        login("office", "--from", "203.0.113.9"),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found_and_its_mend_named(desk: Desk, server: DirectoryServer, name: str) -> None:
    mistake = MISTAKES[name]
    [free] = free_ports(1)
    for setting, value in mistake.settings.items():
        done = desk.run("config", "set", setting, value.format(server=server, free=free))
        assert done.exit_code == 0, done.output
    done = desk.run(*mistake.command, "--json")
    assert done.exit_code == 1, done.output
    told: dict[str, Any] = json.loads(done.output)
    steps = told["steps"] if "steps" in told else told["servers"][0]["steps"]
    [step] = [step for step in steps if step["what"] == mistake.step and step["good"] is False]
    assert mistake.finds in step["found"]
    assert mistake.mend in step["mend"] + step["found"]
    if step["mend"]:
        assert f"-> {step['mend']}" in desk.run(*mistake.command).output


def test_all_is_well_without_one(desk: Desk, server: DirectoryServer, tmp_path: Path) -> None:
    for arguments in (("directory", "test"), ("explain", "login", "alice", "--password-stdin")):
        done = desk.run(*arguments, input=password("alice") + "\n")
        assert done.exit_code == 0, done.output
        assert "->" not in done.output
