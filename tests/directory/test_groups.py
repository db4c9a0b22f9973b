"""Groups: who is in which, by name, by address, by filter, and through other groups; in LDAP servers and in LDIF."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ldap3 import MODIFY_ADD, MODIFY_DELETE

from nmsd.config.setting import Config
from nmsd.directory.api import User
from nmsd.directory.ldap_names import normal
from nmsd.directory.ldif import LdifDirectory
from nmsd.server.admins import is_admin
from nmsd.server.settings import STORE_ADMIN_GROUP, STORE_ADMINS
from tests.directory.conftest import MakeStand
from tests.directory.people import PEOPLE, SUFFIX, person
from tests.directory.servers import DirectoryServer
from tests.directory.stand import AtOnce, Events
from tests.directory.test_ldap_push import until

GROUPS = f"ou=Groups,{SUFFIX}"
DEPTH = "local.uggroupdepth"


def group(name: str, *lines: str, kind: str = "groupOfUniqueNames", where: str = GROUPS) -> str:
    """A group's entry."""
    return "\n".join(
        [f"dn: cn={name},{where}", *(f"objectClass: {one}" for one in kind.split()), f"cn: {name}", *lines, "", ""]
    )


def entries(dynamic: str) -> str:
    """People in groups; `dynamic` are the classes of a group by filter."""
    return "".join(
        [
            f"dn: {GROUPS}\nobjectClass: organizationalUnit\nou: Groups\n\n",
            f"dn: ou=More,{GROUPS}\nobjectClass: organizationalUnit\nou: More\n\n",
            person("ann", "telephoneNumber: +49 30 1"),
            person("ben", "mailAlternateAddress: benny@example.com"),
            group("writers", f"uniqueMember: uid=ann,{PEOPLE}"),
            group("readers", f"member: UID=Ben, {PEOPLE.title()}", f"member: cn=writers,{GROUPS}", kind="groupOfNames"),
            group("everyone", f"uniqueMember: cn=readers,{GROUPS}"),
            group("round", f"uniqueMember: cn=everyone,{GROUPS}", f"uniqueMember: cn=round,{GROUPS}"),
            group(
                "posters",
                f"uniqueMember: cn=nobody,{SUFFIX}",
                "mail: posters@example.com",
                "mgrpRFC822MailMember: Benny@Example.com",
                kind="groupOfUniqueNames mailGroup",
            ),
            group("berlin", f"memberURL: ldap:///{PEOPLE}??sub?(telephoneNumber=%2B49 30*)", kind=dynamic),
            group("abroad", f"memberURL: ldap://elsewhere/{PEOPLE}??sub?(uid=*)", kind=dynamic),
            group("twins", f"uniqueMember: uid=ann,{PEOPLE}"),
            group("twins", f"uniqueMember: uid=ann,{PEOPLE}", where=f"ou=More,{GROUPS}"),
        ]
    )


def fill(server: DirectoryServer) -> Iterator[DirectoryServer]:
    """Puts people and groups into a server, and takes them out."""
    text = entries("groupOfURLs" if server.name == "389-ds" else "groupOfNames extensibleObject")
    if server.name != "389-ds":  # which has no schema for memberURL
        text = text.replace("memberURL:", f"member: cn=nobody,{SUFFIX}\nlabeledURI:")
    server.add(text)
    yield server
    with server.admin() as connection:
        for line in reversed(text.splitlines()):
            if line.startswith("dn: "):
                connection.delete(line.removeprefix("dn: "))


@pytest.fixture(scope="module")
def filled_slapd(slapd: DirectoryServer) -> Iterator[DirectoryServer]:
    """OpenLDAP with groups."""
    yield from fill(slapd)


@pytest.fixture(scope="module")
def filled_dirsrv(dirsrv: DirectoryServer) -> Iterator[DirectoryServer]:
    """389 Directory Server with groups."""
    yield from fill(dirsrv)


class Desk:
    """A directory, and what is asked of it; `events` is its log."""

    def __init__(self, directory: Any, events: Events) -> None:
        self.directory = directory
        self.events = events

    def user(self, uid: str) -> User:
        """A user."""
        found: User | None = self.directory.find(uid)
        assert found
        return found

    def groups(self, uid: str) -> set[str]:
        """The names of the groups he is in."""
        dns = self.directory.groups_of(self.user(uid))
        return {dn.removeprefix("cn=").removesuffix("," + normal(GROUPS)) for dn in dns}

    def is_in(self, uid: str, group: str) -> bool:
        """Whether he is in this one."""
        found: bool = self.directory.is_member(self.user(uid), group)
        return found


MakeDesk = Callable[..., Desk]


SERVERS = [pytest.param(f"filled_{name}", marks=pytest.mark.xdist_group(name)) for name in ("slapd", "dirsrv")]


@pytest.fixture(params=[*SERVERS, "ldif"])
def make_desk(request: pytest.FixtureRequest, tmp_path: Path, make_stand: MakeStand) -> MakeDesk:
    """Makes directories with these people and groups."""

    def make(**values: Any) -> Desk:
        if request.param != "ldif":
            server = request.getfixturevalue(request.param)
            urls = {} if server.name == "389-ds" else {"local.uggroupattr.memberurl": ["labeledURI"]}
            stand = make_stand(server.url, **{"local.uggroupbasedn": GROUPS}, **urls, **values)
            return Desk(stand.directory, stand.events)
        (tmp_path / "directory.ldif").write_text(entries("groupOfURLs"))
        events = Events()
        defaults = {"local.ugldiffile": str(tmp_path / "directory.ldif"), "service.defaultdomain": "example.com"}
        return Desk(LdifDirectory(Config({**defaults, **values}, str(tmp_path)), AtOnce(), events), events)

    return make


def test_members_are_found_by_name_address_and_filter_and_through_other_groups(make_desk: MakeDesk) -> None:
    desk = make_desk()
    assert desk.groups("ann") == {"writers", "readers", "everyone", "round", "berlin", "twins", "twins,ou=more"}
    assert desk.groups("ben") == {"readers", "everyone", "round", "posters"}


def test_a_group_is_meant_by_name_address_or_distinguished_name(make_desk: MakeDesk) -> None:
    desk = make_desk()
    assert desk.is_in("ann", "Writers")
    assert desk.is_in("ben", "posters@example.com")
    assert desk.is_in("ann", f"CN=Berlin , {GROUPS}")
    assert not desk.is_in("ben", "writers")
    assert not desk.is_in("ann", "nowhere")
    assert not desk.is_in("ann", f"cn=nowhere,{GROUPS}")
    assert not desk.is_in("ann", "*")


def test_a_name_that_two_groups_have_is_nobodys_and_logged(make_desk: MakeDesk) -> None:
    desk = make_desk()
    assert not desk.is_in("ann", "twins")
    assert any("twins is nobody's" in line for line in desk.events.lines)
    assert desk.is_in("ann", f"cn=twins,{GROUPS}")


def test_how_deep_groups_may_lie_in_one_another_is_a_setting(make_desk: MakeDesk) -> None:
    assert make_desk(**{DEPTH: 0}).groups("ben") == {"readers", "posters"}
    assert make_desk(**{DEPTH: 1}).groups("ben") == {"readers", "everyone", "posters"}


def test_a_dynamic_group_on_another_server_is_logged_and_has_no_members(make_desk: MakeDesk) -> None:
    desk = make_desk()
    assert not desk.is_in("ann", "abroad")
    assert any("another server" in line for line in desk.events.lines)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_change_of_a_group_counts_as_soon_as_it_is_pushed(
    request: pytest.FixtureRequest, kind: str, make_stand: MakeStand
) -> None:
    filled: DirectoryServer = request.getfixturevalue(kind)
    stand = make_stand(filled.url, **{"local.uggroupbasedn": GROUPS, "local.ugldapcachettl": 86_400})
    watcher = stand.directory.watch()
    until(lambda: watcher.watching)
    ben = stand.directory.find("ben")
    assert ben
    assert not stand.directory.is_member(ben, "writers")
    with filled.admin() as connection:
        connection.modify(f"cn=writers,{GROUPS}", {"uniqueMember": [(MODIFY_ADD, [ben.dn])]})
        until(lambda: stand.directory.is_member(ben, "writers"))
        connection.modify(f"cn=writers,{GROUPS}", {"uniqueMember": [(MODIFY_DELETE, [ben.dn])]})
    until(lambda: not stand.directory.is_member(ben, "writers"))


def test_members_of_the_administrators_group_are_administrators_by_other_groups_too(make_desk: MakeDesk) -> None:
    desk = make_desk()
    settings = Config({STORE_ADMIN_GROUP.name: f"cn=everyone,{GROUPS}", STORE_ADMINS.name: ("Root",)})
    assert is_admin(settings, desk.directory, desk.user("ann"))
    ben = desk.user("ben")
    assert not is_admin(Config({STORE_ADMIN_GROUP.name: f"cn=writers,{GROUPS}"}), desk.directory, ben)
    assert not is_admin(Config({}), desk.directory, ben)
    assert is_admin(Config({STORE_ADMINS.name: ("Ben@Example.com",)}), desk.directory, ben)
