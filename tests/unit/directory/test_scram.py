"""SCRAM keys: made, written, read in the forms there are, and checked against passwords."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.directory.password import fits, hash_password, is_known_scheme, verify_password
from nmsd.directory.scram import first_keys, made_up_keys, make_keys, read_keys, verify_keys, write_keys
from nmsd.wire.errors import BadSyntax

SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
# RFC 7677's example: the password is "pencil".
PENCIL = (
    "4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)
DOVECOT = "{SCRAM-SHA-256}" + PENCIL.replace(":", ",").replace("$", ",")


def test_the_keys_are_those_of_the_standard() -> None:
    keys = make_keys("pencil", 4096, SALT)
    assert write_keys(keys) == "{SCRAM-SHA-256}" + PENCIL
    # The server signature of RFC 7677 §3 comes from them.
    signed = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    signature = hmac.new(keys.server_key, signed, hashlib.sha256).digest()
    assert b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.mark.parametrize(
    "value", ["SCRAM-SHA-256$" + PENCIL, "{SCRAM-SHA-256}" + PENCIL, "{scram-sha-256}" + PENCIL + "\n", DOVECOT]
)
def test_keys_are_read_in_all_forms(value: str) -> None:
    assert read_keys(value) == make_keys("pencil", 4096, SALT)
    assert verify_keys(value, "pencil")
    assert not verify_keys(value, "pen")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "pencil",
        PENCIL,
        "{SSHA}" + PENCIL,
        "{SCRAM-SHA-1}" + PENCIL,
        "{SCRAM-SHA-256}" + PENCIL.replace("4096", "0"),
        "{SCRAM-SHA-256}" + PENCIL.replace("4096", "99999999"),
        "{SCRAM-SHA-256}" + PENCIL.replace("4096", "x"),
        "{SCRAM-SHA-256}" + PENCIL[:-4],
        "{SCRAM-SHA-256}" + PENCIL.rpartition(":")[0],
        "{SCRAM-SHA-256}" + PENCIL.replace("$W", "$W!"),
        "{SCRAM-SHA-256}" + PENCIL.replace("$", "$AAAA"),
    ],
)
def test_what_is_wrong_is_no_key_and_fits_no_password(value: str) -> None:
    assert read_keys(value) is None
    assert not verify_keys(value, "pencil")


@given(st.text(max_size=80))
def test_no_value_is_an_error(value: str) -> None:
    assert read_keys(value) is None
    assert not verify_keys("{SCRAM-SHA-256}" + value, "pencil")


def test_new_keys_have_a_salt_of_their_own_and_the_first_ones_count() -> None:
    one, other = make_keys("pencil", 4096), make_keys("pencil", 4096)
    assert one.salt != other.salt
    assert first_keys(["{SSHA}abc", write_keys(one), write_keys(other)]) == one
    assert first_keys(["{SSHA}abc"]) is None


def test_passwords_are_prepared_and_forbidden_ones_refused() -> None:
    assert make_keys("I\u00adX", 4096, SALT) == make_keys("IX", 4096, SALT)
    with pytest.raises(BadSyntax):
        make_keys("\u0007", 4096)


def test_keys_are_a_password_scheme_too() -> None:
    assert is_known_scheme("{SCRAM-SHA-256}" + PENCIL)
    assert verify_password("{SCRAM-SHA-256}" + PENCIL, "pencil")
    assert not verify_password("{SCRAM-SHA-256}" + PENCIL, "pen")


def test_keys_count_as_a_password_only_where_there_is_no_other_hash() -> None:
    hashed = hash_password("chalk", 1 << 13, 1)
    keys = "{SCRAM-SHA-256}" + PENCIL
    assert fits([keys], "pencil")
    assert not fits([keys, hashed], "pencil")
    assert fits([keys, hashed], "chalk")
    assert not fits([], "pencil")


def test_a_password_fits_as_it_was_typed_and_as_it_is_prepared() -> None:
    typed, prepared = "\u00aa\u2168", "aIX"
    assert fits([hash_password(prepared, 1 << 13, 1)], typed)
    assert fits([hash_password(typed, 1 << 13, 1)], typed)
    assert not fits([hash_password(typed, 1 << 13, 1)], prepared)
    assert fits([hash_password("bell\u0007", 1 << 13, 1)], "bell\u0007")


def test_made_up_keys_look_like_others() -> None:
    keys = made_up_keys("nobody", b"secret", 15_000)
    assert (len(keys.salt), len(keys.stored_key), len(keys.server_key)) == (16, 32, 32)
    assert keys.iterations == 15_000
