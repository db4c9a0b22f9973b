"""The search keys of RFC 3501 §6.4.4 and RFC 9051 §6.4.4 that stand alone; NOT, OR and lists are in search.program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nmsd.imap.registry import SearchKey
from nmsd.imap.session import Session
from nmsd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from nmsd.model.search import (
    All,
    And,
    Dated,
    DateOf,
    HasFlag,
    HasKeyword,
    Header,
    Key,
    Not,
    Sized,
    Text,
    TextIn,
    Uids,
)
from nmsd.wire.dates import parse_date
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader

_Parse = Callable[[Reader, Session, str], Key]
_SIZE_MAX: Final = (1 << 63) - 1


def read_text(reader: Reader, charset: str) -> str:
    """A string to search for, decoded by the codec `charset`.  Raises BadSyntax where it is no text of that charset."""
    reader.space()
    try:
        text = reader.astring().decode(charset)
        text.encode()  # some codecs let half of a surrogate pair through
    except UnicodeError:
        raise BadSyntax("Search text does not fit its charset") from None
    return text


def _fixed(key: Key) -> _Parse:
    return lambda reader, session, charset: key


def _recent(reader: Reader, session: Session, charset: str) -> Key:
    return Uids(session.selected().recent)


def _new(reader: Reader, session: Session, charset: str) -> Key:
    return And((Uids(session.selected().recent), Not(HasFlag(SEEN))))


def _old(reader: Reader, session: Session, charset: str) -> Key:
    return Not(Uids(session.selected().recent))


def _uid(reader: Reader, session: Session, charset: str) -> Key:
    reader.space()
    return Uids(session.chosen(reader.number_set_text(), True))


def _keyword(reader: Reader, session: Session, charset: str) -> Key:
    reader.space()
    return HasKeyword(reader.atom().decode("ascii"))


def _unkeyword(reader: Reader, session: Session, charset: str) -> Key:
    return Not(_keyword(reader, session, charset))


def _larger(reader: Reader, session: Session, charset: str) -> Key:
    reader.space()
    return Sized(reader.number(_SIZE_MAX), None)


def _smaller(reader: Reader, session: Session, charset: str) -> Key:
    reader.space()
    return Sized(None, reader.number(_SIZE_MAX))


def _day(reader: Reader) -> int:
    reader.space()
    return parse_date(reader.astring())


def _before(which: DateOf) -> _Parse:
    return lambda reader, session, charset: Dated(which, None, _day(reader))


def _since(which: DateOf) -> _Parse:
    return lambda reader, session, charset: Dated(which, _day(reader), None)


def _on(which: DateOf) -> _Parse:
    def parse(reader: Reader, session: Session, charset: str) -> Key:
        day = _day(reader)
        return Dated(which, day, day + 1)

    return parse


def date_keys(prefix: bytes, which: DateOf) -> tuple[SearchKey, ...]:
    """BEFORE, ON and SINCE for one of a message's dates."""
    return (
        SearchKey(prefix + b"BEFORE", _before(which)),
        SearchKey(prefix + b"ON", _on(which)),
        SearchKey(prefix + b"SINCE", _since(which)),
    )


def _field(name: str) -> _Parse:
    return lambda reader, session, charset: Header(name, read_text(reader, charset))


def _header(reader: Reader, session: Session, charset: str) -> Key:
    reader.space()
    try:
        name = reader.astring().decode("ascii")
    except UnicodeDecodeError:
        raise BadSyntax("Invalid header field name") from None
    return Header(name, read_text(reader, charset))


def _text(where: TextIn) -> _Parse:
    def parse(reader: Reader, session: Session, charset: str) -> Key:
        text = read_text(reader, charset)
        return Text(where, text) if text else All()

    return parse


def _flag_keys() -> tuple[SearchKey, ...]:
    rows: list[SearchKey] = []
    for name, bit in (
        (b"ANSWERED", ANSWERED),
        (b"DELETED", DELETED),
        (b"DRAFT", DRAFT),
        (b"FLAGGED", FLAGGED),
        (b"SEEN", SEEN),
    ):
        rows.append(SearchKey(name, _fixed(HasFlag(bit))))
        rows.append(SearchKey(b"UN" + name, _fixed(Not(HasFlag(bit)))))
    return tuple(rows)


KEYS: Final[tuple[SearchKey, ...]] = (
    SearchKey(b"ALL", _fixed(All())),
    *_flag_keys(),
    SearchKey(b"KEYWORD", _keyword),
    SearchKey(b"UNKEYWORD", _unkeyword),
    SearchKey(b"RECENT", _recent),
    SearchKey(b"NEW", _new),
    SearchKey(b"OLD", _old),
    SearchKey(b"UID", _uid),
    SearchKey(b"LARGER", _larger),
    SearchKey(b"SMALLER", _smaller),
    *date_keys(b"", DateOf.INTERNAL),
    *date_keys(b"SENT", DateOf.SENT),
    SearchKey(b"BCC", _field("Bcc")),
    SearchKey(b"CC", _field("Cc")),
    SearchKey(b"FROM", _field("From")),
    SearchKey(b"SUBJECT", _field("Subject")),
    SearchKey(b"TO", _field("To")),
    SearchKey(b"HEADER", _header),
    SearchKey(b"BODY", _text(TextIn.BODY)),
    SearchKey(b"TEXT", _text(TextIn.TEXT)),
)
