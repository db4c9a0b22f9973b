"""A search program: charset and keys, nested, into model.search (RFC 9051 §6.4.4, §9: search-program)."""

from __future__ import annotations

from typing import Final

from nmsd.imap import settings
from nmsd.imap.errors import No
from nmsd.imap.session import UTF8_ACCEPT, Session
from nmsd.mime.charsets import codec_of
from nmsd.model.search import All, And, Key, ModSeq, Not, Or, Uids
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader

_NUMBER_SET_STARTS: Final = (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", b"*", b"$")


def key_name(reader: Reader) -> bytes:
    """The next search key's name; b'' where a list or a sequence set stands."""
    return b"" if reader.peek() in _NUMBER_SET_STARTS else reader.maybe_keyword()


def parse_program(reader: Reader, session: Session, name: bytes) -> Key:
    """CHARSET, if it is there, and all keys to the end of the command.  `name` is the first word, already read (as
    `key_name` does).  Raises BadSyntax; No for a charset that is not known and for criteria nested too deep."""
    charset = "utf_8"  # RFC 9051; what RFC 3501 wants without CHARSET, US-ASCII, is part of it
    if name == b"CHARSET":
        if session.enabled & UTF8_ACCEPT:
            raise BadSyntax("No CHARSET after ENABLE UTF8=ACCEPT")  # RFC 6855 §3
        reader.space()
        charset = _codec(reader.astring())
        reader.space()
        name = key_name(reader)
    key = _keys(reader, session, charset, name, 0)
    reader.end()
    return key


def _codec(label: bytes) -> str:
    codec = codec_of(label.decode("latin-1"))
    if not codec:
        raise No("Unknown charset", b"BADCHARSET (US-ASCII UTF-8)")
    return codec


def _keys(reader: Reader, session: Session, charset: str, name: bytes, depth: int) -> Key:
    keys = [_key(reader, session, charset, name, depth)]
    while reader.maybe_space():
        keys.append(_key(reader, session, charset, key_name(reader), depth))
    return keys[0] if len(keys) == 1 else And(tuple(keys))


def _key(reader: Reader, session: Session, charset: str, name: bytes, depth: int) -> Key:
    if depth > session.shared.config[settings.MAX_SEARCH_DEPTH]:
        raise No("Search criteria nested too deep", b"LIMIT")
    if name == b"NOT":
        reader.space()
        return Not(_key(reader, session, charset, key_name(reader), depth + 1))
    if name == b"OR":
        reader.space()
        left = _key(reader, session, charset, key_name(reader), depth + 1)
        reader.space()
        return Or(left, _key(reader, session, charset, key_name(reader), depth + 1))
    if name:
        from nmsd.imap.tables import TABLES  # the tables are made of the commands

        row = TABLES.search_keys.get(name)
        if row is None:
            raise BadSyntax("Unknown search key " + name.decode("ascii"))
        return row.parse(reader, session, charset)
    if reader.maybe(b"("):
        key = _keys(reader, session, charset, key_name(reader), depth + 1)
        reader.expect(b")")
        return key
    return _numbers(session, reader.number_set_text())


def _numbers(session: Session, text: bytes) -> Key:
    uids = session.chosen(text, False)
    return All() if text == b"1:*" else Uids(uids)


def asks_for_modseq(key: Key) -> bool:
    """Whether a MODSEQ criterion is in it, so that the answer tells the highest modseq found (RFC 7162 §3.1.6)."""
    if isinstance(key, And):
        return any(asks_for_modseq(part) for part in key.keys)
    if isinstance(key, Or):
        return asks_for_modseq(key.left) or asks_for_modseq(key.right)
    if isinstance(key, Not):
        return asks_for_modseq(key.key)
    return isinstance(key, ModSeq)
