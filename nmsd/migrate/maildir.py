"""Maildir trees: Maildir++ (levels with dots), folders within folders, and plain directories of Maildirs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from nmsd.migrate.source import Folder, Found, Refused, clean_keyword, level_name
from nmsd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from nmsd.model.mailbox import INBOX, SEPARATOR, canonical_name
from nmsd.model.message import Instant
from nmsd.wire.newlines import with_crlf

FLAGS: Final = {"D": DRAFT, "F": FLAGGED, "R": ANSWERED, "S": SEEN, "T": DELETED}
"""The letters of a file name's info; "P" (passed on) is the keyword $Forwarded."""

FORWARDED: Final = "$Forwarded"
# Where a colon cannot be in a file name, programs write another character.
_INFO: Final = re.compile(r"\A(.*?)[:!;]2,([A-Za-z]*)\Z", re.DOTALL)
_KEYWORD_LINE: Final = re.compile(r"([0-9]{1,2}) (\S+)\Z")


def is_maildir(path: str) -> bool:
    """Whether this is one folder in Maildir format."""
    return all(os.path.isdir(os.path.join(path, part)) for part in ("cur", "new"))


def find_maildirs(root: str) -> Iterator[Folder]:
    """The folders at and below `root`, superiors first.  A Maildir at the root is INBOX; a directory that only holds
    Maildirs gives them their own names."""
    if is_maildir(root):
        yield _folder(INBOX, root)
    yield from _below(root, "", is_maildir(root))


def _below(path: str, name: str, in_maildir: bool) -> Iterator[Folder]:
    for entry in sorted(os.listdir(os.fsencode(path))):
        inner = os.path.join(path, os.fsdecode(entry))
        if entry in (b"cur", b"new", b"tmp") or os.path.islink(inner) or not os.path.isdir(inner):
            continue
        dotted = entry.startswith(b".") and len(entry) > 1
        if dotted and in_maildir:  # Maildir++: all levels in one name
            levels = [level_name(level) for level in entry[1:].split(b".")]
        elif dotted:
            continue
        else:
            levels = [level_name(entry)]
        inner_name = canonical_name(SEPARATOR.join(([name] if name else []) + levels))
        found = is_maildir(inner)
        if found:
            yield _folder(inner_name, inner)
        yield from _below(inner, inner_name, found and not dotted)


def _folder(name: str, path: str) -> Folder:
    count = sum(len(os.listdir(os.path.join(path, part))) for part in ("cur", "new"))
    return Folder(name, path, count, lambda: _messages(path))


def subscribed_names(root: str) -> list[str]:
    """The mailboxes that the tree's subscription file names (Dovecot's or Courier's), if it has one."""
    for file_name, prefix in (("subscriptions", b""), ("courierimapsubscribed", b"INBOX.")):
        try:
            with open(os.path.join(root, file_name), "rb") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        if lines and lines[0].startswith(b"V\t2"):  # Dovecot's second version parts levels with tabs
            return [SEPARATOR.join(level_name(level) for level in line.split(b"\t")) for line in lines[2:] if line]
        separator = b"." if prefix or not any(b"/" in line for line in lines) else b"/"
        names = [line.removeprefix(prefix) for line in lines if line]
        return [canonical_name(SEPARATOR.join(level_name(level) for level in name.split(separator))) for name in names]
    return []


def _keywords(path: str) -> dict[str, str]:
    """The keywords that small letters stand for (Dovecot's dovecot-keywords)."""
    try:
        with open(os.path.join(path, "dovecot-keywords"), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return {}
    found = (_KEYWORD_LINE.match(line) for line in lines)
    return {chr(ord("a") + int(one.group(1))): clean_keyword(one.group(2)) for one in found if one}


def _messages(path: str) -> Iterator[Found | Refused]:
    """The folder's messages in the order they came, as far as the files' times tell."""
    keywords = _keywords(path)
    files: list[tuple[float, str, str, int]] = []
    for part in ("new", "cur"):
        for name in os.listdir(os.path.join(path, part)):
            file = os.path.join(path, part, name)
            if name.startswith("."):
                continue
            try:
                status = os.stat(file)
            except OSError as error:
                yield Refused(file, error.strerror or str(error))
                continue
            if os.path.isfile(file):
                files.append((status.st_mtime, name, file, status.st_size))
            else:
                yield Refused(file, "not a file")
    files.sort()
    for mtime, name, file, size in files:
        unique, letters = read_info(name)
        system_flags = 0
        words: list[str] = []
        for letter in letters:
            system_flags |= FLAGS.get(letter, 0)
            word = FORWARDED if letter == "P" else keywords.get(letter, "")
            if word and word not in words:
                words.append(word)
        yield Found(unique, file, Instant(int(mtime)), size, Reader(file), system_flags, tuple(words))


class Reader:
    """Reads a message's file when it is wanted."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self) -> bytes:
        with open(self._path, "rb") as file:
            return with_crlf(file.read())


def read_info(name: str) -> tuple[str, str]:
    """A message's file name apart: what is unique in it, and its flag letters."""
    found = _INFO.match(name)
    return (found.group(1), found.group(2)) if found else (name, "")
