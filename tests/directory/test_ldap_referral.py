"""Referrals: followed to servers that are named for it, with the users' passwords, and nowhere else."""

from __future__ import annotations

import pytest

from nmsd.directory.ldap_referral import parse_referral
from nmsd.model.errors import BadCredentials, DirectoryUnavailable
from tests.directory.conftest import MakeStand
from tests.directory.people import PEOPLE, READER_DN, password, person
from tests.directory.servers import Slapd
from tests.directory.test_ldap_failover import pair

__all__ = ["pair"]

pytestmark = pytest.mark.xdist_group("slapd")

ABROAD = f"ou=Abroad,{PEOPLE}"
REFERRALS = "local.ugldapreferrals"


@pytest.fixture
def servers(pair: tuple[Slapd, Slapd]) -> tuple[Slapd, Slapd]:
    """Two, the first of which has the people abroad on the second."""
    home, abroad = pair
    abroad.add(
        f"dn: {ABROAD}\nobjectClass: organizationalUnit\nou: Abroad\n\n"
        + person("emigrant").replace(f",{PEOPLE}", f",{ABROAD}")
    )
    home.add(
        f"dn: {ABROAD}\nobjectClass: referral\nobjectClass: extensibleObject\nou: Abroad\n"
        f"ref: ldap://LOCALHOST:{abroad.port}/{ABROAD}\n\n"
    )
    return pair


@pytest.mark.parametrize("method", ["bind", "compare"])
def test_a_user_on_a_server_that_may_be_gone_to_is_found_and_let_in(
    servers: tuple[Slapd, Slapd], make_stand: MakeStand, method: str
) -> None:
    home, abroad = servers
    who = {"local.ugldapbinddn": READER_DN, "local.ugldapauthmethod": method}
    stand = make_stand(home.url, **{REFERRALS: [f"ldap://localhost:{abroad.port}"]}, **who)
    user = stand.directory.authenticate("emigrant", password("emigrant"))
    assert user.dn == f"uid=emigrant,{ABROAD}"
    with pytest.raises(BadCredentials):
        stand.directory.authenticate("emigrant", "wrong")
    assert stand.directory.authenticate("alice", password("alice")).dn == f"uid=alice,{PEOPLE}"
    assert stand.directory.look_again("emigrant@example.com", user.dn, True).user == user


def test_nobody_is_there_where_we_may_not_go(servers: tuple[Slapd, Slapd], make_stand: MakeStand) -> None:
    home, _ = servers
    assert make_stand(home.url).directory.find("emigrant") is None
    elsewhere = make_stand(home.url, **{REFERRALS: ["ldap://localhost:1"]})
    assert elsewhere.directory.find("emigrant") is None


def test_a_base_that_is_elsewhere_is_gone_to_or_a_temporary_failure(
    servers: tuple[Slapd, Slapd], make_stand: MakeStand
) -> None:
    home, abroad = servers
    base = {"local.ugldapbasedn": ABROAD}
    with pytest.raises(DirectoryUnavailable, match=r"refers to .*local\.ugldapreferrals"):
        make_stand(home.url, **base).directory.find("emigrant")
    stand = make_stand(home.url, **{REFERRALS: [f"ldap://localhost:{abroad.port}"]}, **base)
    assert stand.directory.authenticate("emigrant", password("emigrant")).uid == "emigrant"


def test_a_server_referred_to_that_is_down_is_a_temporary_failure(
    servers: tuple[Slapd, Slapd], make_stand: MakeStand
) -> None:
    home, abroad = servers
    stand = make_stand(home.url, **{REFERRALS: [f"ldap://localhost:{abroad.port}"]})
    abroad.stop()
    with pytest.raises(DirectoryUnavailable):
        stand.directory.find("emigrant")
    assert stand.events.lines == [f"Error: directory server is down: {stand.events.lines[0].partition('down: ')[2]}"]


@pytest.mark.parametrize(
    ("url", "host", "base"),
    [
        ("ldap://A.example.com/dc=x??sub", "a.example.com", "dc=x"),
        ("ldaps://b", "b", ""),
        ("ldap://c:3389/ou=a%2Cb,dc=x", "c", "ou=a,b,dc=x"),
    ],
)
def test_a_url_names_a_server_and_a_base(url: str, host: str, base: str) -> None:
    found = parse_referral(url)
    assert found is not None
    assert (found.address.host, found.base) == (host, base)


@pytest.mark.parametrize("url", ["", "ldap:///dc=x", "http://a/dc=x", "ldap://a:b/dc=x", "x"])
def test_what_is_no_url_of_a_server_leads_nowhere(url: str) -> None:
    assert parse_referral(url) is None
