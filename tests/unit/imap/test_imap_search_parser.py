"""SEARCH's arguments: what they mean, and that no bytes make the parser fail in any other way than it says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.config.setting import Config
from nmsd.imap import settings
from nmsd.imap.commands.search import SEARCH, UID_SEARCH, Arguments
from nmsd.imap.errors import No
from nmsd.imap.session import UTF8_ACCEPT, Session, Shared
from nmsd.imap.tables import TABLES
from nmsd.imap.view import View
from nmsd.model.flags import DELETED, SEEN
from nmsd.model.mailbox import Mailbox
from nmsd.model.search import (
    All,
    And,
    Dated,
    DateOf,
    HasFlag,
    HasKeyword,
    Header,
    Key,
    ModSeq,
    Not,
    Or,
    Sized,
    Text,
    TextIn,
    Uids,
)
from nmsd.model.uidset import UidSet
from nmsd.wire.errors import BadSyntax
from nmsd.wire.framer import Literal
from nmsd.wire.protocol import Peer
from nmsd.wire.reader import Reader


def session_of(*uids: int, recent_from: int = 0, config: dict[str, Any] | None = None) -> Session:
    """A session that has selected a mailbox with these UIDs."""
    unused: Any = None
    shared = Shared(Config(config or {}), unused, unused, unused, unused, lambda: 0.0)
    session = Session(shared, Peer("127.0.0.1", 1, "127.0.0.1", 143), "1")
    uidnext = max(uids, default=0) + 1
    mailbox = Mailbox(1, "INBOX", 7, uidnext, 1, len(uids), 0, 0, 0, recent_from or uidnext, (), (), "")
    session.view = View(mailbox, UidSet.of(uids), False, 0)
    return session


def parse(text: bytes, *literals: bytes, session: Session | None = None) -> Arguments:
    """SEARCH's arguments; `\\xff` in the text stands for the next literal."""
    found = SEARCH.parse(
        Reader(text.split(b"\xff"), [Literal(data, False) for data in literals]), session or session_of(5, 7, 9)
    )
    assert isinstance(found, Arguments)
    return found


KEYS: dict[bytes, Key] = {
    b"ALL": All(),
    b"all": All(),
    b"SEEN": HasFlag(SEEN),
    b"UNDELETED": Not(HasFlag(DELETED)),
    b"KEYWORD $Junk": HasKeyword("$Junk"),
    b"UNKEYWORD $Junk": Not(HasKeyword("$Junk")),
    b"NEW": And((Uids(UidSet()), Not(HasFlag(SEEN)))),
    b"OLD": Not(Uids(UidSet())),
    b"RECENT": Uids(UidSet()),
    b"2": Uids(UidSet.of([7])),
    b"1:*": All(),
    b"*": Uids(UidSet.of([9])),
    b"$": Uids(UidSet()),
    b"UID 7:9": Uids(UidSet.of([7, 9])),
    b"UID $": Uids(UidSet()),
    b"LARGER 10": Sized(10, None),
    b"SMALLER 5000000000": Sized(None, 5_000_000_000),
    b"BEFORE 1-Jan-1970": Dated(DateOf.INTERNAL, None, 0),
    b'ON "02-jan-1970"': Dated(DateOf.INTERNAL, 1, 2),
    b"SINCE 1-Feb-1970": Dated(DateOf.INTERNAL, 31, None),
    b"SENTBEFORE 1-Jan-1970": Dated(DateOf.SENT, None, 0),
    b"SENTON 1-Jan-1970": Dated(DateOf.SENT, 0, 1),
    b"SENTSINCE 1-Jan-1970": Dated(DateOf.SENT, 0, None),
    b"FROM smith": Header("From", "smith"),
    b'SUBJECT ""': Header("Subject", ""),
    b"HEADER Message-ID <1@x>": Header("Message-ID", "<1@x>"),
    b'HEADER X-Spam ""': Header("X-Spam", ""),
    b"BODY hello": Text(TextIn.BODY, "hello"),
    b'TEXT "two words"': Text(TextIn.TEXT, "two words"),
    b'TEXT ""': All(),
    b"NOT SEEN": Not(HasFlag(SEEN)),
    b"OR SEEN DELETED": Or(HasFlag(SEEN), HasFlag(DELETED)),
    b"SEEN DELETED": And((HasFlag(SEEN), HasFlag(DELETED))),
    b"(SEEN)": HasFlag(SEEN),
    b"NOT (SEEN DELETED)": Not(And((HasFlag(SEEN), HasFlag(DELETED)))),
    b"OR (1 SEEN) NOT 2": Or(And((Uids(UidSet.of([5])), HasFlag(SEEN))), Not(Uids(UidSet.of([7])))),
    b"MODSEQ 5": ModSeq(5),
    b'MODSEQ "/flags/\\\\Seen" all 5': ModSeq(5),
    b"CHARSET US-ASCII ALL": All(),
    b"charset utf-8 all": All(),
}


@pytest.mark.parametrize("text", KEYS)
def test_a_key_means(text: bytes) -> None:
    assert parse(b" " + text).key == KEYS[text]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b" FOO",
        b" SEEN ",
        b" SEEN  DELETED",
        b" ()",
        b" (SEEN",
        b" SEEN)",
        b" NOT",
        b" OR SEEN",
        b" 4",
        b" 0",
        b" 1:4",
        b" UID",
        b" UID x",
        b" KEYWORD",
        b" KEYWORD \\Seen",
        b" LARGER",
        b" LARGER -1",
        b" LARGER 9223372036854775808",
        b" SINCE",
        b" SINCE 31-Feb-1994",
        b" SINCE 1-Foo-1994",
        b" SINCE 1994-02-01",
        b" HEADER",
        b" HEADER Subject",
        b" BODY",
        b" CHARSET",
        b" CHARSET UTF-8",
        b" MODSEQ",
        b" MODSEQ x",
        b' MODSEQ "/flags/\\\\Seen" 5',
        b' MODSEQ "/flags/\\\\Seen" some 5',
        b" RETURN",
        b" RETURN ALL",
        b" RETURN (ALL)",
        b" RETURN (FOO) ALL",
        b" RETURN (MIN",
        b" RETURN (MIN  MAX) ALL",
    ],
)
def test_what_is_no_search_is_bad(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(text)


def test_text_is_decoded_from_its_charset() -> None:
    assert parse(b" CHARSET KOI8-R TEXT \xff", "привет".encode("koi8-r")).key == Text(TextIn.TEXT, "привет")


def test_text_without_a_charset_is_utf8() -> None:
    assert parse(b" SUBJECT \xff", "grüße".encode()).key == Header("Subject", "grüße")


def test_text_that_does_not_fit_its_charset_is_bad() -> None:
    with pytest.raises(BadSyntax):
        parse(b" TEXT \xff", b"\xff\xfe")


@pytest.mark.parametrize("label", [b"X-UNKNOWN", b"idna", b"rot13", b"hex", b"unicode_escape", b'""'])
def test_an_unknown_charset_is_refused_with_those_there_are(label: bytes) -> None:
    with pytest.raises(No) as refused:
        parse(b" CHARSET " + label + b" ALL")
    assert refused.value.code == b"BADCHARSET (US-ASCII UTF-8)"


def test_charset_is_bad_once_utf8_is_accepted() -> None:
    session = session_of(5)
    session.enabled = UTF8_ACCEPT
    with pytest.raises(BadSyntax):
        parse(b" CHARSET UTF-8 ALL", session=session)


def test_recent_is_what_the_view_says() -> None:
    assert parse(b" RECENT", session=session_of(5, 7, 9, recent_from=7)).key == Uids(UidSet.of([7, 9]))


def test_nesting_is_taken_up_to_the_limit_and_refused_above() -> None:
    session = session_of(5, config={settings.MAX_SEARCH_DEPTH.name: 3})
    assert parse(b" (((SEEN)))", session=session).key == HasFlag(SEEN)
    assert parse(b" NOT NOT NOT SEEN", session=session)
    for text in (b" ((((SEEN))))", b" NOT NOT NOT NOT SEEN", b" OR 1 OR 1 OR 1 OR 1 SEEN"):
        with pytest.raises(No) as refused:
            parse(text, session=session)
        assert refused.value.code == b"LIMIT"


def test_the_largest_depth_that_can_be_set_fits_the_stack() -> None:
    session = session_of(5, config={settings.MAX_SEARCH_DEPTH.name: 200})
    assert parse(b" " + b"(" * 200 + b"SEEN" + b")" * 200, session=session).key == HasFlag(SEEN)


def test_a_failed_search_that_was_to_save_leaves_nothing_saved() -> None:
    session = session_of(5)
    session.saved = UidSet.of([5])
    with pytest.raises(No):
        parse(b" RETURN (SAVE) CHARSET X-UNKNOWN ALL", session=session)
    assert session.saved == UidSet()


def test_a_failed_search_that_was_not_to_save_leaves_what_was_saved() -> None:
    session = session_of(5)
    session.saved = UidSet.of([5])
    with pytest.raises(No):
        parse(b" RETURN (ALL) CHARSET X-UNKNOWN ALL", session=session)
    with pytest.raises(BadSyntax):
        parse(b" RETURN (SAVE) FOO", session=session)
    assert session.saved == UidSet.of([5])


_WORDS = st.sampled_from(
    [
        *(name for name in TABLES.search_keys),
        *(b"RETURN CHARSET OR NOT ( ) () (( )) $ 1 2:3 1:* * 0 99 UID NIL".split()),
        *(b'(MIN MAX) (SAVE) (ALL COUNT) UTF-8 US-ASCII UTF-7 hz utf-16 X-NONE "" "a" "\\"" smith'.split()),
        *(b"1-Feb-1994 31-Feb-1994 01-Jan-0000 9223372036854775807 99999999999999999999 \xff \xff\xff".split()),
    ]
)
_SENTENCES = st.lists(_WORDS, max_size=12).map(lambda words: b" " + b" ".join(words))


@given(text=st.one_of(_SENTENCES, st.binary(max_size=60)), literal=st.binary(max_size=12), by_uid=st.booleans())
def test_any_bytes_are_a_search_or_are_refused(text: bytes, literal: bytes, by_uid: bool) -> None:
    """Whatever comes is parsed, or raises BadSyntax or No, and nothing else."""
    parts = text.replace(b"\r", b"").replace(b"\n", b"").split(b"\xff")
    reader = Reader(parts, [Literal(literal, False) for _ in parts[1:]])
    row = UID_SEARCH if by_uid else SEARCH
    try:
        found = row.parse(reader, session_of(5, 7, 9, recent_from=7))
    except (BadSyntax, No):
        return
    assert isinstance(found, Arguments)
    assert reader.at_end()
