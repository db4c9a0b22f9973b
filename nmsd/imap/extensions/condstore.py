"""CONDSTORE (RFC 7162 §3.1): modseqs in FETCH, STORE, SEARCH, STATUS and SELECT.

Each item here is a "CONDSTORE enabling" one: from then on imap.sync tells MODSEQ with every flag change, and
HIGHESTMODSEQ once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nmsd.imap.commands.store import StoreOptions
from nmsd.imap.registry import (
    Extension,
    FetchItem,
    FetchOptions,
    FetchPart,
    Modifier,
    SearchKey,
    SelectParam,
    StatusItem,
)
from nmsd.imap.session import CONDSTORE, Session
from nmsd.imap.view import View
from nmsd.model.mailbox import Mailbox
from nmsd.model.message import Field
from nmsd.model.search import Key, ModSeq
from nmsd.store.api import Account
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader

MODSEQ_MAX: Final = (1 << 63) - 1
_ENTRY_TYPES: Final = (b"PRIV", b"SHARED", b"ALL")


def read_modseq(reader: Reader) -> int:
    """A space and a mod-sequence-valzer."""
    reader.space()
    return reader.number(MODSEQ_MAX)


def _parse_modseq(reader: Reader, session: Session) -> int:
    return read_modseq(reader)


_PART: Final = FetchPart(b"MODSEQ", (Field.MODSEQ,), b"MODSEQ (%d)")


def _parse_item(reader: Reader, session: Session) -> FetchPart:
    session.enabled |= CONDSTORE
    return _PART


def _changed_since(session: Session, options: FetchOptions, value: int) -> None:
    session.enabled |= CONDSTORE
    options.changed_since = value
    options.parts.append(_PART)


def _unchanged_since(session: Session, options: StoreOptions, value: int) -> None:
    session.enabled |= CONDSTORE
    options.unchanged_since = value


def _parse_key(reader: Reader, session: Session, charset: str) -> Key:
    reader.space()
    if reader.peek() == b'"':  # one modseq stands for all of a message, so the entry makes no difference (§3.1.5)
        reader.string()
        reader.space()
        if reader.keyword() not in _ENTRY_TYPES:
            raise BadSyntax("Invalid entry type")
        reader.space()
    since = reader.number(MODSEQ_MAX)
    session.enabled |= CONDSTORE
    return ModSeq(since)


def _status(session: Session, account: Account, mailbox: Mailbox) -> bytes:
    session.enabled |= CONDSTORE
    return b"%d" % mailbox.modseq


def _parse_param(reader: Reader, session: Session) -> None:
    """It takes no value."""


def _after_select(session: Session, view: View, value: None) -> Iterator[bytes]:
    session.enabled |= CONDSTORE
    view.modseq_told = True
    return iter(())


EXTENSION: Final[Extension] = Extension(
    7162,
    (b"CONDSTORE",),
    enables=((b"CONDSTORE", CONDSTORE),),
    fetch_items=(FetchItem(b"MODSEQ", _parse_item, with_flags=CONDSTORE),),
    fetch_modifiers=(Modifier(b"CHANGEDSINCE", _parse_modseq, _changed_since),),
    store_modifiers=(Modifier(b"UNCHANGEDSINCE", _parse_modseq, _unchanged_since),),
    search_keys=(SearchKey(b"MODSEQ", _parse_key),),
    status_items=(StatusItem(b"HIGHESTMODSEQ", _status),),
    select_params=(SelectParam(b"CONDSTORE", _parse_param, _after_select),),
)
