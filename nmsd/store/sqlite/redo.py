"""Redo records: what an append put into an account, complete enough to put it there once more after a power failure.

A record is a line of JSON and the messages behind it.  Whether it must be done again is told by the mailbox's uidnext:
SQLite brings back a beginning of what was committed, in order, so the append is there if its UIDs were given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nmsd.model.message import Instant, NewMessage


@dataclass(frozen=True)
class RedoMessage:
    """A message as it was stored."""

    uid: int
    email_id: str
    message: NewMessage


@dataclass(frozen=True)
class Redo:
    """One append: all that its transaction decided.  `saved` is in seconds since the epoch."""

    mailbox_id: int
    uidvalidity: int
    modseq: int
    saved: int
    messages: Sequence[RedoMessage]


def pack(account: str, appends: Sequence[Redo]) -> list[bytes | Any]:
    """A record's pieces, to be written one after the other."""
    pieces: list[bytes | Any] = []
    told = []
    for append in appends:
        rows = []
        for one in append.messages:
            message = one.message
            instant = message.internal_date
            rows.append(
                (
                    one.uid,
                    one.email_id,
                    len(message.data),
                    message.system_flags,
                    message.keywords,
                    instant.epoch,
                    instant.zone,
                )
            )
            pieces.append(message.data)
        told.append((append.mailbox_id, append.uidvalidity, append.modseq, append.saved, rows))
    return [json.dumps((account, told)).encode() + b"\n", *pieces]


def unpack(record: bytes) -> tuple[str, list[Redo]]:
    """The account and its appends.  Raises ValueError for what is no record."""
    head, line_end, data = record.partition(b"\n")
    if not line_end:
        raise ValueError("a record without a first line")
    account, told = json.loads(head)
    at = 0
    appends = []
    for mailbox_id, uidvalidity, modseq, saved, rows in told:
        messages = []
        for uid, email_id, size, flags, keywords, epoch, zone in rows:
            message = NewMessage(data[at : at + size], Instant(epoch, zone), flags, tuple(keywords))
            messages.append(RedoMessage(uid, email_id, message))
            at += size
        appends.append(Redo(mailbox_id, uidvalidity, modseq, saved, messages))
    if at != len(data):
        raise ValueError("a record of another length than it says")
    return account, appends


def in_order(records: Sequence[tuple[int, bytes]]) -> Iterator[tuple[str, list[Redo]]]:
    """Accounts and what to do again in each, oldest first; records are (stamp, bytes), of any number of journals.

    Whoever gives a UID finds all below it given, and none from it on: what earlier records say of those was undone, for
    their process ended before the commit, or the commit failed.
    """
    found: dict[str, dict[tuple[int, int], list[tuple[int, Redo]]]] = {}
    for stamp, record in sorted(records, key=lambda pair: pair[0]):
        account, appends = unpack(record)
        mailboxes = found.setdefault(account, {})
        for append in appends:
            given = mailboxes.setdefault((append.mailbox_id, append.uidvalidity), [])
            for one in append.messages:
                while given and given[-1][1].messages[0].uid >= one.uid:
                    given.pop()
                given.append((stamp, replace(append, messages=(one,))))
    for account, mailboxes in found.items():
        ordered = sorted([pair for given in mailboxes.values() for pair in given], key=lambda pair: pair[0])
        yield account, [append for _, append in ordered]
