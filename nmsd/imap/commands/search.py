"""SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4), with the result options of RFC 4731 and RFC 5182."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nmsd.imap.errors import No
from nmsd.imap.registry import Answer, Command, Found, ReturnOption, Sync
from nmsd.imap.search.found import Returns, esearch_line, highest_modseq, search_line, shown
from nmsd.imap.search.program import asks_for_modseq, key_name, parse_program
from nmsd.imap.session import IMAP4REV2, Session
from nmsd.imap.state import SELECTED
from nmsd.model.errors import NmsdError
from nmsd.model.search import Key
from nmsd.model.uidset import UidSet
from nmsd.wire.errors import BadSyntax
from nmsd.wire.protocol import Control
from nmsd.wire.reader import Reader


@dataclass(frozen=True)
class Arguments:
    """What to look for and how to tell it: `returns` is None for the SEARCH answer of IMAP4rev1."""

    key: Key
    by_uid: bool
    returns: Returns | None
    saves: bool


def _parse(by_uid: bool) -> Callable[[Reader, Session], Arguments]:
    def parse(reader: Reader, session: Session) -> Arguments:
        reader.space()
        name = key_name(reader)
        returns: Returns | None = None
        if name == b"RETURN":
            reader.space()
            returns = _returns(reader, session)
            reader.space()
            name = key_name(reader)
        elif session.enabled & IMAP4REV2:
            returns = _default_returns()
        saves = returns is not None and any(option.saves for option, _value in returns)
        try:
            key = parse_program(reader, session, name)
        except No:
            if saves:
                session.saved = UidSet()  # RFC 5182 §2.1
            raise
        return Arguments(key, by_uid, returns, saves)

    return parse


def _returns(reader: Reader, session: Session) -> Returns:
    from nmsd.imap.tables import TABLES  # the tables are made of the commands

    reader.expect(b"(")
    if reader.maybe(b")"):
        return _default_returns()
    found: dict[bytes, tuple[ReturnOption, Any]] = {}
    while True:
        option = TABLES.search_returns.get(reader.keyword())
        if option is None:
            raise BadSyntax("Unknown result option")
        value = option.parse(reader, session)
        found.setdefault(option.name, (option, value))
        if reader.maybe(b")"):
            return tuple(found.values())
        reader.space()


def _default_returns() -> Returns:
    from nmsd.imap.tables import TABLES  # the tables are made of the commands

    return ((TABLES.search_returns[b"ALL"], None),)


def _run(session: Session, arguments: Arguments) -> Answer:
    view = session.selected()
    uids: list[int] = []
    try:
        for piece in session.mail().search(view.mailbox_id, arguments.key, view.uids):
            uids.extend(piece)
            yield Control.YIELD
    except NmsdError:
        if arguments.saves:
            session.saved = UidSet()
        raise
    found = Found(UidSet.of_sorted(uids), view, arguments.by_uid)
    returns = arguments.returns
    visible = found.uids if returns is None else shown(found, returns)
    modseq = highest_modseq(session, visible) if visible and asks_for_modseq(arguments.key) else 0
    if arguments.saves:
        session.saved = visible
    if returns is None:
        yield search_line(found, modseq)
    else:
        line = esearch_line(session, found, returns, modseq)
        if line:
            yield line
    return None


# UID SEARCH may hold sequence numbers too, and then may not tell of expunges either (RFC 7162 §3.2.10.2).
SEARCH: Final = Command(b"SEARCH", SELECTED, _parse(False), _run, sync=Sync.NO_EXPUNGE)
UID_SEARCH: Final = Command(b"UID SEARCH", SELECTED, _parse(True), _run, sync=Sync.NO_EXPUNGE)
