"""Users in a real directory: who is found by what name, who is nobody, and what the directory cannot be talked into."""

from __future__ import annotations

import pytest

from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable
from nmsd.model.message import Quota
from tests.directory.conftest import MakeStand
from tests.directory.people import ORDINARY, PEOPLE, READER_DN, password, person
from tests.directory.servers import DirectoryServer
from tests.directory.stand import Stand


@pytest.mark.parametrize(
    "login", ["alice", "ALICE", "alice@example.com", "Alice@EXAMPLE.com", "postmaster", "postmaster@example.com"]
)
def test_a_login_is_uid_mail_or_alias_with_or_without_the_domain(stand: Stand, login: str) -> None:
    user = stand.directory.find(login)
    assert user is not None
    assert (user.uid, user.account, user.name) == ("alice", "alice@example.com", "Alice")
    assert user.dn.lower() == f"uid=alice,{PEOPLE}".lower()
    assert user.aliases == ("postmaster@example.com",)


def test_the_uid_with_the_default_domain_is_a_login_though_the_address_differs(stand: Stand) -> None:
    for login in ("bob", "bob@example.com", "robert@other.org"):
        user = stand.directory.find(login)
        assert user is not None
        assert user.account == "robert@other.org"


@pytest.mark.parametrize(
    "login",
    [
        *("", " ", "@", "carol", "alice@other.org", "@other.org", "anybody@other.org", "bob@other.org", "staff"),
        *("alice ", " alice", "alice\0", "al\u0131ce", "ａlice", "al\udcffice", "a" * 5000),
    ],
)
def test_others_are_nobody(stand: Stand, login: str) -> None:
    assert stand.directory.find(login) is None


@pytest.mark.parametrize(
    "login",
    [
        *("*", "ali*", "a*", "alice)(uid=*", "*)(objectClass=*", "alice)(|(uid=*", "(uid=alice)", "alice\\2a"),
        *("\\61lice", "|(uid=alice)", "&", "!(uid=bob)", "alice)(&", "alice,ou=People", "uid=alice", "=", "\\", "\n"),
    ],
)
def test_a_login_is_never_part_of_the_filter(stand: Stand, login: str) -> None:
    assert stand.directory.find(login) is None
    with pytest.raises(BadCredentials):
        stand.directory.authenticate(login, password("alice"))


@pytest.mark.parametrize(
    ("uid", "account"),
    [("a*b", "star@example.com"), ("(paren)", "paren@example.com"), ("back\\slash", "backslash@example.com")],
)
def test_names_with_the_filters_own_signs_are_found_letter_by_letter(stand: Stand, uid: str, account: str) -> None:
    user = stand.directory.find(uid)
    assert user is not None
    assert user.account == account
    assert stand.directory.authenticate(uid, password(uid)).account == account


@pytest.mark.parametrize(
    ("address", "account"),
    [
        ("alice@example.com", "alice@example.com"),
        ("ALICE@EXAMPLE.COM", "alice@example.com"),
        ("alice", "alice@example.com"),
        ("postmaster@example.com", "alice@example.com"),
        ("robert@other.org", "robert@other.org"),
        ("anything@other.org", "robert@other.org"),
        ("nomail@example.com", "nomail@example.com"),
    ],
)
def test_mail_goes_to_mail_alias_or_catch_all(stand: Stand, address: str, account: str) -> None:
    user = stand.directory.find_recipient(address)
    assert user is not None
    assert user.account == account


@pytest.mark.parametrize(
    "address", ["bob@example.com", "nobody@example.com", "*@example.com", "x@y.org", "", "staff@example.com"]
)
def test_other_addresses_are_nobodys(stand: Stand, address: str) -> None:
    assert stand.directory.find_recipient(address) is None


def test_two_entries_with_one_address_are_refused_and_logged_never_guessed(stand: Stand) -> None:
    for ask in (stand.directory.find, stand.directory.find_recipient):
        with pytest.raises(AmbiguousEntry, match=r"twin1.* and .*twin2|twin2.* and .*twin1"):
            ask("twin@example.com")
    with pytest.raises(AmbiguousEntry):
        stand.directory.authenticate("twin", password("twin1"))
    assert "twin@example.com is both" in stand.events.lines[0]
    assert stand.directory.find("twin1") is not None


def test_quotas_are_read(stand: Stand) -> None:
    found = {name: stand.directory.find(name) for name in ("alice", "bob", "moved", "user1")}
    quotas = {name: user.quota for name, user in found.items() if user}
    assert quotas == {
        "alice": Quota(size=1_000_000),
        "bob": Quota(messages=50),
        "moved": Quota(messages=7),
        "user1": Quota(),
    }


@pytest.mark.parametrize("login", ["zero", "lots"])
def test_a_quota_that_cannot_be_understood_is_a_temporary_failure_and_logged(stand: Stand, login: str) -> None:
    with pytest.raises(DirectoryUnavailable, match="quota"):
        stand.directory.find(login)
    assert "quota" in stand.events.lines[0]


def test_the_right_password_lets_in_and_no_other(stand: Stand) -> None:
    assert stand.directory.authenticate("alice@example.com", password("alice")).uid == "alice"
    for wrong in ("wrong", password("alice") + " ", password("alice").upper(), "\0", "ü" * 100):
        with pytest.raises(BadCredentials, match="wrong password"):
            stand.directory.authenticate("alice", wrong)
    with pytest.raises(BadCredentials, match="no such user"):
        stand.directory.authenticate("carol", "x")


def test_an_empty_password_lets_nobody_in(stand: Stand) -> None:
    for login in ("alice", "nopass", "carol"):
        with pytest.raises(BadCredentials, match="empty password"):
            stand.directory.authenticate(login, "")


def test_an_entry_without_password_lets_nobody_in(stand: Stand) -> None:
    with pytest.raises(BadCredentials):
        stand.directory.authenticate("nopass", "anything")


def test_passwords_are_compared_where_the_settings_say_so(server: DirectoryServer, make_stand: MakeStand) -> None:
    method = {"local.ugldapauthmethod": "compare"}
    stand = make_stand(server.url, **method, **{"local.ugldapbinddn": READER_DN})
    assert stand.directory.authenticate("alice", password("alice")).uid == "alice"
    for login, word in (("alice", "wrong"), ("nopass", "x"), ("carol", "x")):
        with pytest.raises(BadCredentials):
            stand.directory.authenticate(login, word)
    blind = make_stand(server.url, **method)
    with pytest.raises(BadCredentials, match="shows no password"):
        blind.directory.authenticate("alice", password("alice"))


def test_a_new_password_counts_at_once(server: DirectoryServer, stand: Stand) -> None:
    server.add(person("changing"))
    assert stand.directory.authenticate("changing", password("changing"))
    server.replace("changing", "userPassword", "another one 1")
    with pytest.raises(BadCredentials):
        stand.directory.authenticate("changing", password("changing"))
    assert stand.directory.authenticate("changing", "another one 1")
    server.delete("changing")


def test_all_accounts_are_listed_page_by_page(server: DirectoryServer, make_stand: MakeStand) -> None:
    stand = make_stand(server.url, **{"local.ugldappagesize": 70})
    found = [user.uid for user in stand.directory.accounts()]
    assert len(found) == len(set(found))
    assert {f"user{number}" for number in range(ORDINARY)} <= set(found)
    assert {"alice", "bob", "nomail", "twin1", "twin2", "a*b", "gone"} <= set(found)
    assert not {"zero", "lots", "staff"} & set(found)


def test_a_listing_that_is_not_read_to_its_end_holds_nothing(stand: Stand) -> None:
    accounts = stand.directory.accounts()
    next(accounts)
    accounts.close()  # type: ignore[attr-defined]
    assert stand.directory.find("alice") is not None


def test_a_filter_of_the_administrators_finds_logins(server: DirectoryServer, make_stand: MakeStand) -> None:
    stand = make_stand(server.url, **{"local.ugldaploginfilter": "(&(uid=%U)(mail=*@%V))"})
    for login in ("alice", "alice@example.com"):
        assert stand.directory.find(login) is not None
    for login in ("postmaster", "bob", "*", "alice@*"):
        assert stand.directory.find(login) is None


def test_entries_must_match_the_filter_of_users(server: DirectoryServer, make_stand: MakeStand) -> None:
    stand = make_stand(server.url, **{"local.ugldapfilter": "(mailAlternateAddress=*)"})
    assert stand.directory.find("alice") is not None
    assert stand.directory.find("twin1") is not None
    assert stand.directory.find("nopass") is None
    assert "nopass" not in {user.uid for user in stand.directory.accounts()}


def test_a_base_that_is_not_there_is_told_and_is_no_wrong_password(
    server: DirectoryServer, make_stand: MakeStand
) -> None:
    stand = make_stand(server.url, **{"local.ugldapbasedn": "ou=Nowhere,dc=example,dc=com"})
    with pytest.raises(DirectoryUnavailable, match="ou=Nowhere"):
        stand.directory.authenticate("alice", password("alice"))
