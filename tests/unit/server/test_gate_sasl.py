"""The way in by SASL: proofs, tokens, nobody in particular, and administrators as others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nmsd.directory.api import User
from nmsd.directory.sasl_settings import ANONYMOUS_USER
from nmsd.directory.settings import SCRAM_ITERATIONS
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable, LoginRefused
from nmsd.model.scram import ScramKeys
from nmsd.server import settings
from nmsd.server.gate import DirectoryGate
from nmsd.server.throttle import make_throttles
from tests.unit.server.test_gate import ALICE, ROOT, Household, Porch

KEYS = ScramKeys(b"salt", 5000, bytes(32), bytes(32))
HERE = "192.0.2.1"


class Keyring(Household):
    """A directory in which alice has SCRAM keys."""

    def scram_keys(self, login: str) -> ScramKeys | None:
        if self.error is not None:
            raise self.error
        return KEYS if login == "alice" else None


class Stubs:
    """Tokens that say whose they are: "token of alice"."""

    def user_name(self, token: str) -> str:
        word, _, name = token.partition(" of ")
        if word != "token":
            raise BadCredentials("no token")
        return name


class Hall(Porch):
    """A porch with all ways in."""

    def __init__(self, config: dict[Any, Any] | None = None) -> None:
        super().__init__(config)
        self.directory: Keyring = Keyring(ALICE, ROOT)
        self.gate = self.make_hall(b"secret of all workers")

    def make_hall(self, secret: bytes) -> DirectoryGate:
        throttles = make_throttles(self.cells, bytes(16), self.config, lambda: self.time)
        store: Any = self.store
        return DirectoryGate(
            self.config,
            self.directory,
            store,
            throttles,
            self.log,
            lambda: self.time,
            self.pauses.append,
            secret=secret,
            tokens=Stubs(),
        )

    def scram(self, login: str, is_proven: bool, authorize: str = "") -> User:
        return self.gate.login_scram("imap", login, is_proven, HERE, authorize, "SCRAM-SHA-256")

    def token(self, token: str, authorize: str = "", address: str = HERE) -> User:
        return self.gate.login_token("imap", token, address, authorize, "XOAUTH2")


# SCRAM


def test_a_right_proof_lets_in_and_the_log_names_the_method() -> None:
    hall = Hall()
    assert hall.scram("alice", True) is ALICE
    assert hall.log.texts("Information") == ["login: [192.0.2.1] SCRAM-SHA-256 alice"]


def test_a_wrong_proof_is_slowed_as_a_wrong_password_is() -> None:
    hall = Hall({settings.BAD_LOGIN_FREE: 1})
    for _ in range(3):
        with pytest.raises(BadCredentials):
            hall.scram("alice", False)
    assert hall.pauses == [1, 2]
    assert hall.gate.bad_logins == 3


def test_a_right_proof_forgives_earlier_ones() -> None:
    hall = Hall({settings.BAD_LOGIN_FREE: 1})
    for _ in range(2):
        with pytest.raises(BadCredentials):
            hall.scram("alice", False)
    hall.scram("alice", True)
    with pytest.raises(BadCredentials):
        hall.gate.login("imap", "alice", "wrong", "198.51.100.1")
    assert hall.pauses == [1]


def test_unknown_users_and_those_without_keys_are_told_of_keys_that_stay_the_same() -> None:
    hall, other = Hall(), Hall()
    made_up = hall.gate.scram_keys("nobody")

    assert hall.gate.scram_keys("alice") == KEYS
    assert made_up.iterations == SCRAM_ITERATIONS.default
    assert made_up.salt == other.gate.scram_keys("Nobody").salt  # in every worker, and however it is spelt
    assert made_up.salt != hall.gate.scram_keys("root").salt
    assert made_up.stored_key != hall.gate.scram_keys("nobody").stored_key
    assert made_up.salt != hall.make_hall(b"another installation").scram_keys("nobody").salt


def test_nobody_gets_in_by_keys_that_were_made_up() -> None:
    hall = Hall()
    with pytest.raises(BadCredentials):
        hall.scram("nobody", True)
    assert hall.log.texts("Notice") == ["badlogin: [192.0.2.1] SCRAM-SHA-256 nobody no such user"]


def test_a_directory_that_is_down_makes_up_nothing() -> None:
    hall = Hall()
    hall.directory.error = DirectoryUnavailable("ldap.example.com: timed out")
    with pytest.raises(DirectoryUnavailable, match="try again later"):
        hall.gate.scram_keys("alice")


def test_a_name_that_two_have_looks_like_any() -> None:
    hall = Hall()
    hall.directory.error = AmbiguousEntry("alice is both")
    assert hall.gate.scram_keys("alice").iterations == SCRAM_ITERATIONS.default


# Tokens


def test_a_token_lets_in_whom_it_names() -> None:
    hall = Hall()
    for authorize in ("", "alice", "alice@example.com"):
        assert hall.token("token of alice", authorize) is ALICE
    assert hall.log.texts("Information") == ["login: [192.0.2.1] XOAUTH2 alice"] * 3


def test_a_token_opens_no_other_mailbox() -> None:
    hall = Hall()
    with pytest.raises(LoginRefused):
        hall.token("token of alice", "root")
    assert hall.log.texts("Notice") == ["badlogin: [192.0.2.1] XOAUTH2 alice Not allowed to act as another user"]


def test_bad_tokens_are_slowed_and_those_that_name_nobody_hold_up_nobody_else() -> None:
    hall = Hall({settings.BAD_LOGIN_FREE: 1, settings.BAD_LOGIN_WAITING: 1})
    for _ in range(2):
        with pytest.raises(BadCredentials):
            hall.token("nonsense")
    assert hall.pauses == [1]
    assert hall.log.texts("Notice")[0] == "badlogin: [192.0.2.1] XOAUTH2 - no token"
    with pytest.raises(BadCredentials):
        hall.token("nonsense", address="198.51.100.7")
    assert hall.pauses == [1]


def test_without_keys_for_tokens_none_is_taken() -> None:
    with pytest.raises(DirectoryUnavailable):
        Porch().gate.login_token("imap", "token of alice", HERE, "", "XOAUTH2")


# Nobody in particular


def test_anonymous_users_are_marked_and_their_trace_is_logged() -> None:
    hall = Hall({ANONYMOUS_USER: "alice"})
    user = hall.gate.login_anonymous("imap", "sirhc@example.com", HERE)
    assert user.is_anonymous
    assert user.account == ALICE.account
    assert hall.log.texts("Information") == ["login: [192.0.2.1] ANONYMOUS sirhc@example.com"]


def test_the_archives_own_user_is_not_anonymous_afterwards() -> None:
    hall = Hall({ANONYMOUS_USER: "alice"})
    hall.gate.login_anonymous("imap", "", HERE)
    assert not hall.gate.login("imap", "alice", "ecila", HERE).is_anonymous


@pytest.mark.parametrize("name", ["", "nobody"])
def test_nobody_is_let_in_as_nobody(name: str) -> None:
    hall = Hall({ANONYMOUS_USER: name})
    with pytest.raises(LoginRefused):
        hall.gate.login_anonymous("imap", "", HERE)
    assert len(hall.log.texts("Warning")) == 1


# Administrators


def test_an_administrator_acts_as_another_by_any_method_and_both_names_are_logged() -> None:
    hall = Hall({settings.STORE_ADMINS: ("root",)})
    assert hall.gate.login("imap", "root", "toor", HERE, "alice", "PLAIN") is ALICE
    assert hall.scram("root", True, "alice") is ALICE
    assert hall.token("token of root", "alice") is ALICE
    assert hall.gate.act_as("imap", ROOT, "alice", HERE) is ALICE
    methods = ("PLAIN", "SCRAM-SHA-256", "XOAUTH2", "PROXYAUTH")
    assert hall.log.texts("Notice") == [f"proxy: [192.0.2.1] {method} root" for method in methods]
    fields = [fields for level, _, _, fields in hall.log.events if level == "Notice"]
    assert fields == [{"service": "imap", "admin": "root@example.com", "user": "alice@example.com"}] * 4


@pytest.mark.parametrize("status", ["inactive", ""])
def test_an_administrator_who_is_locked_out_or_gone_acts_as_nobody_any_more(status: str) -> None:
    hall = Hall({settings.STORE_ADMINS: ("root",)})
    if status:
        hall.directory.users["root"] = replace(ROOT, status=status)
    else:
        del hall.directory.users["root"]
    with pytest.raises(LoginRefused):
        hall.gate.act_as("imap", ROOT, "alice", HERE)
    with pytest.raises((LoginRefused, BadCredentials)):
        hall.scram("root", True, "alice")


def test_nobody_else_does() -> None:
    hall = Hall()
    for attempt in (
        lambda: hall.gate.login("imap", "alice", "ecila", HERE, "root", "PLAIN"),
        lambda: hall.scram("alice", True, "root"),
        lambda: hall.gate.act_as("imap", ALICE, "root", HERE),
        lambda: hall.gate.act_as("imap", ALICE, "nobody", HERE),
    ):
        with pytest.raises(LoginRefused, match="Not allowed"):
            attempt()
