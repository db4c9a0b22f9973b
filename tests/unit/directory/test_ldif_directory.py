"""The embedded directory: who is found by what name, whose password fits, and what an edit of the file does."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from nmsd.directory.api import User
from nmsd.directory.settings import DEFAULT_MESSAGES, DEFAULT_SIZE, MAIL, ZERO_QUOTA
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable
from nmsd.model.message import Quota
from tests.unit.directory.directory_stand import Stand, person

T = TypeVar("T")

ALICE = person(
    "alice",
    "cn: Alice",
    "mail: Alice@Example.com",
    "mailAlternateAddress: postmaster@example.com",
    "userPassword: secret",
)
BOB = person("bob", "mail: robert@other.org", "mailAlternateAddress: @other.org", "userPassword: hunter2")


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path, ALICE + BOB)


@pytest.mark.parametrize(
    "login", ["alice", "ALICE", "alice@example.com", "Alice@EXAMPLE.com", "postmaster", "postmaster@example.com"]
)
def test_a_login_is_uid_mail_or_alias_with_or_without_the_domain(stand: Stand, login: str) -> None:
    user = stand.directory.find(login)
    assert user is not None
    assert (user.uid, user.account, user.name) == ("alice", "alice@example.com", "Alice")


def test_the_uid_with_the_default_domain_is_a_login_though_the_address_differs(stand: Stand) -> None:
    for login in ("bob", "bob@example.com", "robert@other.org"):
        user = stand.directory.find(login)
        assert user is not None
        assert user.account == "robert@other.org"


@pytest.mark.parametrize(
    "login", ["", "carol", "alice@other.org", "@other.org", "anybody@other.org", "@", "bob@other.org"]
)
def test_others_are_nobody(stand: Stand, login: str) -> None:
    assert stand.directory.find(login) is None


@pytest.mark.parametrize(
    ("address", "account"),
    [
        ("alice@example.com", "alice@example.com"),
        ("ALICE@EXAMPLE.COM", "alice@example.com"),
        ("alice", "alice@example.com"),
        ("postmaster@example.com", "alice@example.com"),
        ("robert@other.org", "robert@other.org"),
        ("anything@other.org", "robert@other.org"),
        ("bob@example.com", None),
        ("alice@nowhere.net", None),
        ("@other.org", "robert@other.org"),
    ],
)
def test_mail_goes_by_address_alias_and_catch_all(stand: Stand, address: str, account: str | None) -> None:
    user = stand.directory.find_recipient(address)
    assert (user and user.account) == account


def test_the_right_password_gives_the_user_and_is_checked_off_the_event_loop(stand: Stand) -> None:
    before = stand.runtime.offloaded
    assert stand.directory.authenticate("alice@example.com", "secret").uid == "alice"
    assert stand.runtime.offloaded == before + 1


@pytest.mark.parametrize("login", ["alice", "nobody"])
def test_a_wrong_password_and_an_unknown_user_cost_the_same_work(stand: Stand, login: str) -> None:
    before = stand.runtime.offloaded
    with pytest.raises(BadCredentials):
        stand.directory.authenticate(login, "wrong")
    assert stand.runtime.offloaded == before + 1


def test_a_user_without_a_password_cannot_log_in(tmp_path: Path) -> None:
    stand = Stand(tmp_path, person("carol", "mail: carol@example.com"))
    for password in ("", "x"):
        with pytest.raises(BadCredentials):
            stand.directory.authenticate("carol", password)


def test_any_of_several_passwords_fits(tmp_path: Path) -> None:
    stand = Stand(tmp_path, person("carol", "mail: c@example.com", "userPassword: one", "userPassword: two"))
    assert stand.directory.authenticate("carol", "one") == stand.directory.authenticate("carol", "two")


def test_two_entries_with_one_address_are_refused_and_never_guessed(tmp_path: Path) -> None:
    stand = Stand(tmp_path, ALICE + person("eve", "mail: eve@example.com", "mailAlternateAddress: alice@example.com"))
    for find in (stand.directory.find, stand.directory.find_recipient):
        with pytest.raises(AmbiguousEntry, match=r"uid=alice.*uid=eve"):
            find("alice@example.com")
    with pytest.raises(AmbiguousEntry):
        stand.directory.authenticate("alice", "secret")
    user = stand.directory.find("eve@example.com")
    assert user is not None
    assert user.uid == "eve"


def test_entries_without_login_name_are_no_users(tmp_path: Path) -> None:
    group = "dn: cn=staff,dc=example,dc=com\nobjectClass: mailGroup\ncn: staff\nmail: staff@example.com\n\n"
    stand = Stand(tmp_path, group + ALICE)
    assert [user.uid for user in stand.directory.accounts()] == ["alice"]


def test_a_user_without_address_has_one_at_the_default_domain(tmp_path: Path) -> None:
    stand = Stand(tmp_path, person("Dave"))
    user = stand.directory.find_recipient("dave@example.com")
    assert user is not None
    assert user.account == "dave@example.com"


# Changes of the file


def test_an_edit_is_seen_at_the_next_lookup(stand: Stand) -> None:
    generation = stand.directory.generation
    stand.rewrite(ALICE + BOB + person("carol", "mail: carol@example.com"))
    user = stand.directory.find("carol")
    assert user is not None
    assert user.uid == "carol"
    assert stand.directory.generation == generation + 1


def test_a_new_user_is_found_even_while_the_file_is_still_being_read(stand: Stand) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def slowly(work: Callable[[], T]) -> T:
        reading.set()
        go_on.wait(10)
        return work()

    stand.runtime.offload = slowly  # type: ignore[method-assign]
    stand.rewrite(ALICE + person("carol", "mail: carol@example.com"))
    found: list[User | None] = []
    askers = [threading.Thread(target=lambda: found.append(stand.directory.find("carol"))) for _ in range(2)]
    askers[0].start()
    assert reading.wait(10)
    askers[1].start()
    askers[1].join(0.1)
    go_on.set()
    for asker in askers:
        asker.join(10)
    assert [user is not None and user.uid for user in found] == ["carol", "carol"]


def test_an_edit_is_seen_though_the_one_who_was_to_read_it_was_killed(stand: Stand) -> None:
    class Killed(BaseException):
        pass

    def interrupted(work: Callable[[], T]) -> T:
        raise Killed

    stand.rewrite(ALICE + person("carol", "mail: carol@example.com"))
    offload = stand.runtime.offload
    stand.runtime.offload = interrupted  # type: ignore[method-assign]
    with pytest.raises(Killed):
        stand.directory.find("carol")
    stand.runtime.offload = offload  # type: ignore[method-assign]
    assert stand.directory.find("carol") is not None


def test_an_edit_is_seen_though_it_could_not_be_read_at_first(stand: Stand) -> None:
    def out_of_descriptors(work: Callable[[], T]) -> T:
        raise OSError(errno.EMFILE, "Too many open files")

    stand.rewrite(ALICE + person("carol", "mail: carol@example.com"))
    offload = stand.runtime.offload
    stand.runtime.offload = out_of_descriptors  # type: ignore[method-assign]
    for _ in range(2):
        assert stand.directory.find("alice") is not None
    assert len(stand.events.lines) == 1
    stand.runtime.offload = offload  # type: ignore[method-assign]
    assert stand.directory.find("carol") is not None


def test_lookups_without_an_edit_read_nothing(stand: Stand) -> None:
    generation, offloaded = stand.directory.generation, stand.runtime.offloaded
    for _ in range(10):
        stand.directory.find("alice")
    assert (stand.directory.generation, stand.runtime.offloaded) == (generation, offloaded)


@pytest.mark.parametrize("broken", ["dn: uid=alice\nuid", "", "uid: x\n", "dn: a\ndn: b\n"])
def test_a_broken_edit_keeps_the_users_and_is_logged_once(stand: Stand, broken: str) -> None:
    generation = stand.directory.generation
    stand.rewrite(broken)
    if not broken:  # an empty file is no error: all users were removed
        assert stand.directory.find("alice") is None
        return
    for _ in range(3):
        assert stand.directory.authenticate("alice", "secret").uid == "alice"
    assert stand.directory.generation == generation
    assert len(stand.events.lines) == 1
    assert "the users before the change stay" in stand.events.lines[0]
    stand.rewrite(BOB)
    assert stand.directory.find("alice") is None


def test_a_file_that_vanishes_keeps_the_users(stand: Stand) -> None:
    stand.path.unlink()
    assert stand.directory.find("alice") is not None
    assert "No such file" in stand.events.lines[0]


def test_without_a_readable_file_at_the_start_lookups_fail_for_the_time_being(tmp_path: Path) -> None:
    stand = Stand(tmp_path, "nonsense")
    for find in (stand.directory.find, stand.directory.find_recipient):
        with pytest.raises(DirectoryUnavailable):
            find("alice")
    stand.rewrite(ALICE)
    assert stand.directory.find("alice") is not None


# What the attributes mean


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), "active"),
        (("inetUserStatus: Active",), "active"),
        (("inetUserStatus: deleted", "mailUserStatus: hold"), "deleted"),
        (("inetUserStatus: active", "mailUserStatus: hold"), "hold"),
        (("mailUserStatus: overquota",), "overquota"),
        (("mailUserStatus: sleepy",), "inactive"),
    ],
)
def test_the_first_status_that_is_not_active_counts(tmp_path: Path, lines: tuple[str, ...], status: str) -> None:
    user = Stand(tmp_path, person("carol", *lines)).directory.find("carol")
    assert user is not None
    assert user.status == status


@pytest.mark.parametrize(
    ("lines", "quota"),
    [
        ((), Quota(1000, 10)),
        (("mailQuota: 5000", "nsmsgNumMsgQuota: 7"), Quota(5000, 7)),
        (("mailQuota: -1", "mailMsgQuota: -1"), Quota(None, None)),
        (("mailQuota: -2", "mailMsgQuota: 3"), Quota(1000, 3)),
    ],
)
def test_quotas_are_the_entrys_or_the_servers(tmp_path: Path, lines: tuple[str, ...], quota: Quota) -> None:
    stand = Stand(tmp_path, person("carol", *lines), **{DEFAULT_SIZE.name: 1000, DEFAULT_MESSAGES.name: 10})
    user = stand.directory.find("carol")
    assert user is not None
    assert user.quota == quota


@pytest.mark.parametrize(("reading", "size"), [("unlimited", None), ("nothing", 0)])
def test_a_quota_of_nought_means_what_the_setting_says(tmp_path: Path, reading: str, size: int | None) -> None:
    stand = Stand(tmp_path, person("carol", "mailQuota: 0"), **{ZERO_QUOTA.name: reading})
    user = stand.directory.find("carol")
    assert user is not None
    assert user.quota == Quota(size, None)


@pytest.mark.parametrize("line", ["mailQuota: 0", "mailQuota: lots", "nsmsgNumMsgQuota: -7"])
def test_a_quota_that_must_not_be_guessed_shuts_out_its_user_only(tmp_path: Path, line: str) -> None:
    stand = Stand(tmp_path, person("carol", "mail: carol@example.com", line) + ALICE)
    with pytest.raises(DirectoryUnavailable, match="uid=carol"):
        stand.directory.find("carol")
    with pytest.raises(DirectoryUnavailable):
        stand.directory.find_recipient("carol@example.com")
    assert stand.directory.find("alice") is not None
    assert any("uid=carol" in line for line in stand.events.lines)


def test_services_are_denied_by_their_names(tmp_path: Path) -> None:
    user = Stand(tmp_path, person("carol", "nsmsgDisallowAccess: POP3, smtp")).directory.find("carol")
    assert user is not None
    assert user.denied_services == {"pop", "smtp"}


def test_attribute_names_are_settings(tmp_path: Path) -> None:
    stand = Stand(tmp_path, person("carol", "email: c@example.com"), **{MAIL.name: ("email", "mail")})
    user = stand.directory.find_recipient("c@example.com")
    assert user is not None
    assert user.uid == "carol"
