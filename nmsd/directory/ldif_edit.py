"""Editing the embedded directory's file: one editor at a time, the new file whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from nmsd.config.file import replace_file
from nmsd.directory.ldif_file import Entry, LdifFile, parse_ldif
from nmsd.model.errors import NmsdError

_CLASSES: Final = (
    "top",
    "person",
    "organizationalPerson",
    "inetOrgPerson",
    "mailRecipient",
    "nsMessagingServerUser",
)
_SPECIAL_IN_DN: Final = frozenset(',+"\\<>;=')


def people_dn(file: LdifFile, domain: str) -> str:
    """Where the users of the domain go: the file's ou=People, or the one the domain's name gives (RFC 2247)."""
    for entry in file.entries():
        if entry.dn.lower().startswith("ou=people,"):
            return entry.dn
    return ",".join(["ou=People", *(f"dc={label}" for label in (domain or "local").split("."))])


def user_entry(
    uid: str, people: str, *, name: str, mail: str, aliases: Sequence[str], passwords: Sequence[str], quota: int | None
) -> tuple[str, list[tuple[str, str]]]:
    """The dn and the attributes of a new user below `people`, by Netscape's schema; `passwords` are hashed already."""
    attributes = [("objectClass", value) for value in _CLASSES]
    attributes += [("uid", uid), ("cn", name or uid), ("sn", (name or uid).split()[-1]), ("mail", mail)]
    attributes += [("mailAlternateAddress", alias) for alias in aliases]
    attributes += [("userPassword", password) for password in passwords]
    if quota is not None:
        attributes.append(("mailQuota", str(quota)))
    return f"uid={_escape_dn(uid)},{people}", attributes


def _escape_dn(value: str) -> str:
    """A value for a dn (RFC 4514 §2.4)."""
    escaped = "".join("\\" + sign if sign in _SPECIAL_IN_DN else sign for sign in value)
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    return escaped[:-1] + "\\ " if escaped.endswith(" ") and not escaped.endswith("\\ ") else escaped


@contextmanager
def edit_ldif(path: str) -> Iterator[LdifFile]:
    """The file to be changed; what the block leaves is written when it ends well, and nothing when it raises.

    Other editors wait.  The new file has the old one's mode and owner, and is on disk before it takes the old one's
    place.  Raises LdifError, OSError.
    """
    with open(os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(path, "rb") as file:
            before = file.read()
        content = parse_ldif(before)
        yield content
        after = content.raw()
        if after != before:
            replace_file(path, after)


def find_entry(file: LdifFile, dn: str) -> Entry:
    """The entry of this name.  Raises NmsdError."""
    for entry in file.entries():
        if entry.dn.lower() == dn.lower():
            return entry
    raise NmsdError(f"there is no entry {dn}")
