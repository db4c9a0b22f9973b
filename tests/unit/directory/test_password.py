"""Passwords as directories keep them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from base64 import b64encode

import pytest

from nmsd.directory.password import hash_password, is_known_scheme, verify_password


def stored_forms() -> list[str]:
    """The password "sesame", as various servers keep it."""
    forms = ["sesame", "{clear}sesame", hash_password("sesame", 1 << 13, 1)]
    for scheme, digest in (("SHA", "sha1"), ("SHA256", "sha256"), ("SHA384", "sha384"), ("SHA512", "sha512")):
        forms.append(f"{{{scheme}}}" + b64encode(hashlib.new(digest, b"sesame").digest()).decode())
        salted = hashlib.new(digest, b"sesame" + b"saltsalt").digest() + b"saltsalt"
        forms.append(f"{{S{scheme}}}" + b64encode(salted).decode())
    key = hashlib.pbkdf2_hmac("sha256", b"sesame", b"0123456789abcdef", 1000)
    for encode in (
        lambda raw: b64encode(raw).decode(),
        lambda raw: b64encode(raw).decode().replace("+", ".").strip("="),
    ):
        forms.append("{PBKDF2-SHA256}1000$" + encode(b"0123456789abcdef") + "$" + encode(key))
    return forms


@pytest.mark.parametrize("stored", stored_forms(), ids=lambda stored: stored[:16])
def test_the_right_password_fits_and_others_do_not(stored: str) -> None:
    assert is_known_scheme(stored)
    assert verify_password(stored, "sesame")
    for wrong in ("", "Sesame", "sesame ", "sesam", stored):
        assert not verify_password(stored, wrong) or (wrong == stored and stored == "sesame")


@pytest.mark.parametrize(
    "stored",
    [
        "{SSHA}",
        "{SSHA}!!!",
        "{SSHA}c2VzYW1l",
        "{SHA}v7K5VDPyEdmPEcGUVnXhyFC2Hr0=AAAA",
        "{ARGON2}",
        "{ARGON2}$argon2id$v=19$broken",
        "{PBKDF2-SHA256}",
        "{PBKDF2-SHA256}1000$x",
        "{PBKDF2-SHA256}-5$AAAA$AAAA",
        "{PBKDF2-SHA256}99999999999$AAAA$AAAA",
        "{PBKDF2-SHA256}1000$AAAA$",
        "{CRYPT}xyz",
        "{",
    ],
)
def test_a_hash_that_cannot_be_read_fits_no_password(stored: str) -> None:
    assert not verify_password(stored, "sesame")
    assert not verify_password(stored, "")


def test_new_passwords_are_argon2id_with_the_settings_cost() -> None:
    stored = hash_password("pässword", 1 << 20, 3)
    assert stored.startswith("{ARGON2}$argon2id$v=19$m=1024,t=3,p=1$")
    assert verify_password(stored, "pässword")
    assert stored != hash_password("pässword", 1 << 20, 3)


_SHORT_OF_MEMORY = f"""
import resource
from nmsd.directory.password import verify_password
from nmsd.model.errors import DirectoryUnavailable
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    verify_password("{{ARGON2}}$argon2id$v=19$m=2097152,t=1,p=1$c29tZXNhbHQ${"A" * 43}", "secret")
except DirectoryUnavailable:
    print("cannot be told")
"""


def test_lack_of_memory_makes_no_password_wrong() -> None:
    done = subprocess.run([sys.executable, "-c", _SHORT_OF_MEMORY], capture_output=True, text=True, check=False)
    assert done.stdout == "cannot be told\n", done.stderr
