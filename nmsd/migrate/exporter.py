"""Exports an account to a Maildir++ tree, which `nmsd import`, Dovecot and Courier read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from nmsd.migrate.maildir import FLAGS, FORWARDED, read_info
from nmsd.model.flags import flag_names, system_bit
from nmsd.model.mailbox import INBOX, SEPARATOR, Mailbox
from nmsd.model.message import Field
from nmsd.store.api import Account
from nmsd.wire.mailboxname import encode_utf7

_MOST_KEYWORDS: Final = 26
_FIELDS: Final = (Field.FLAGS, Field.SIZE, Field.INTERNAL_EPOCH)


@dataclass
class Exported:
    """What came of an export.  `known`: messages that were there from an earlier run."""

    exported: int = 0
    known: int = 0
    mailboxes: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def folder_path(root: str, mailbox: str) -> str:
    """Where a mailbox goes: the root for INBOX, else .Level.Level in modified UTF-7."""
    if mailbox == INBOX:
        return root
    levels = [encode_utf7(level).replace(b".", b"&AC4-").decode("ascii") for level in mailbox.split(SEPARATOR)]
    return os.path.join(root, "." + ".".join(levels))


def export_mailbox(
    account: Account, mailbox: Mailbox, root: str, result: Exported, progress: Callable[[int], None]
) -> None:
    """Writes what is not there yet; whole messages appear at once, under names that stay the same from run to run.
    Raises StoreError, OSError."""
    path = folder_path(root, mailbox.name)
    for part in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, part), 0o700, exist_ok=True)
    if mailbox.name != INBOX:
        with open(os.path.join(path, "maildirfolder"), "ab"):
            pass
    there = {read_info(name)[0] for part in ("cur", "new") for name in os.listdir(os.path.join(path, part))}
    letters = _keyword_letters(path, mailbox, result)
    result.mailboxes[mailbox.name] = 0
    for rows in account.fetch(mailbox.id, account.uids(mailbox.id), _FIELDS):
        for uid, flags, size, epoch in rows:
            progress(1)
            unique = f"{epoch}.V{mailbox.uidvalidity}U{uid}.nmsd,S={size}"
            if unique in there:
                result.known += 1
                continue
            info = _info(flag_names(flags, mailbox.keywords), letters)
            if _write(account, mailbox.id, uid, path, unique, info, epoch):
                result.exported += 1
                result.mailboxes[mailbox.name] += 1


def _keyword_letters(path: str, mailbox: Mailbox, result: Exported) -> dict[str, str]:
    """The letters for the mailbox's keywords, which Dovecot's dovecot-keywords explains."""
    names = [name for name in mailbox.keywords if name.lower() != FORWARDED.lower()]
    if len(names) > _MOST_KEYWORDS:
        lost = " ".join(names[_MOST_KEYWORDS:])
        result.notes.append(f"{mailbox.name}: a Maildir has {_MOST_KEYWORDS} keywords; left out: {lost}")
    letters = {name.lower(): chr(ord("a") + number) for number, name in enumerate(names[:_MOST_KEYWORDS])}
    if letters:
        with open(os.path.join(path, "dovecot-keywords"), "w", encoding="ascii") as file:
            file.writelines(f"{number} {name}\n" for number, name in enumerate(names[:_MOST_KEYWORDS]))
    return letters


def _info(names: list[str], keyword_letters: dict[str, str]) -> str:
    letters: list[str] = []
    for name in names:
        if name.lower() == FORWARDED.lower():
            letters.append("P")
        elif name.startswith("\\"):
            letters += [letter for letter, bit in FLAGS.items() if bit == system_bit(name)]
        elif name.lower() in keyword_letters:
            letters.append(keyword_letters[name.lower()])
    return ":2," + "".join(sorted(letters))


def _write(account: Account, mailbox_id: int, uid: int, path: str, unique: str, info: str, epoch: int) -> bool:
    """Writes a message, with Unix line ends as Maildirs have them; False if it is gone."""
    pieces: list[bytes] = []
    offset = 0
    while piece := account.read(mailbox_id, uid, offset, 1 << 20):
        pieces.append(piece)
        offset += len(piece)
    if not pieces:
        return False
    data = b"".join(pieces)
    if data.count(b"\n") == data.count(b"\r\n"):  # else the difference would be lost
        data = data.replace(b"\r\n", b"\n")
    temporary = os.path.join(path, "tmp", unique)
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.utime(temporary, (epoch, epoch))
    os.rename(temporary, os.path.join(path, "cur", unique + info))
    return True


def write_subscriptions(account: Account, root: str) -> None:
    """The subscriptions, as Dovecot keeps them."""
    lines = ["V\t2\n", "\n"]
    for name in account.subscriptions():
        levels = [encode_utf7(level).decode("ascii") for level in name.split(SEPARATOR)]
        lines.append("\t".join(levels) + "\n")
    with open(os.path.join(root, "subscriptions"), "w", encoding="ascii") as file:
        file.writelines(lines)
