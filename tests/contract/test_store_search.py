"""Searching: every key, exact substrings, slices."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from email.message import EmailMessage
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmsd.mime.digest import digest
from nmsd.mime.parts import Part, parse
from nmsd.model.errors import NoSuchMailbox
from nmsd.model.flags import DELETED, FLAGGED, SEEN
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Instant, NewMessage
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
    Within,
)
from nmsd.model.uidset import UidSet
from nmsd.store.api import Account, FlagChange
from nmsd.store.match import matcher
from nmsd.store.runtime import PlainRuntime, unheard
from tests.contract.conftest import ALICE, Workbench
from tests.contract.store_engines import ENGINES, NOW, StoreLimits
from tests.contract.store_messages import EVERYTHING, fill, found, new, uids

DAY = 86400


def raw(subject: str = "", sender: str = "", body: bytes = b"", more: bytes = b"") -> bytes:
    message = EmailMessage()
    if subject:
        message["Subject"] = subject
    if sender:
        message["From"] = sender
    return (
        message.as_bytes().replace(b"\n", b"\r\n").rstrip() + b"\r\n" * bool(subject or sender) + more + b"\r\n" + body
    )


@pytest.fixture
def mail(alice: Account, inbox: int) -> Callable[[Key], list[int]]:
    """Six messages, and what finds them."""
    html = b"<p>gr\xc3\xbc\xc3\x9fe</p>"
    messages = [
        (raw("Lunch at noon", "Jörg Müller <j@example.org>", b"Where shall we meet?\r\n"), SEEN, ("work",)),
        (raw("Grüße aus Köln", "ann@example.org", b"nothing to see\r\n", b"X-Tag: one\r\nX-Tag: two\r\n"), 0, ()),
        (raw("", "", b"no header here, lunch inside\r\n"), DELETED, ()),
        (
            b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\nSubject: \r\n\r\n"
            + b64encode(html)
            + b"\r\n",
            FLAGGED | SEEN,
            ("Work", "play"),
        ),
        (
            raw(
                "a%b_c\\d",
                "x@y",
                b"100% *sure*\r\n",
                b"To: one@a\r\nTo: two@b\r\nCc: cc@c\r\nBcc: bcc@d\r\nMessage-ID: <Id@x>\r\n",
            ),
            0,
            (),
        ),
        (raw("later", "z@y", b"x" * 2000, b"Date: Sat, 01 Jan 2022 00:30:00 +0200\r\n"), 0, ()),
    ]
    for number, (data, bits, keywords) in enumerate(messages):
        alice.append(inbox, [NewMessage(data, Instant(DAY * 10 * (number + 1) - 3600, 90), bits, keywords)])
    return lambda key: found(alice, inbox, key)


def header(name: str, text: str) -> Key:
    return Header(name, text)


def body(text: str) -> Key:
    return Text(TextIn.BODY, text)


def text(text: str) -> Key:
    return Text(TextIn.TEXT, text)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (All(), [1, 2, 3, 4, 5, 6]),
        (And(()), [1, 2, 3, 4, 5, 6]),
        (Not(All()), []),
        (HasFlag(SEEN), [1, 4]),
        (Not(HasFlag(SEEN)), [2, 3, 5, 6]),
        (HasKeyword("WORK"), [1, 4]),
        (HasKeyword("none"), []),
        (Not(HasKeyword("none")), [1, 2, 3, 4, 5, 6]),
        (Or(HasKeyword("play"), HasFlag(DELETED)), [3, 4]),
        (And((HasFlag(SEEN), Not(HasFlag(FLAGGED)))), [1]),
        (Uids(uids(2, 3, 99)), [2, 3]),
        (Uids(UidSet()), []),
        (Not(Uids(UidSet.of(range(1, 400, 2)))), [2, 4, 6]),
        (Sized(1999, None), [6]),
        (Sized(None, 10), []),
        (Not(Sized(1999, None)), [1, 2, 3, 4, 5]),
        (header("Subject", "LUNCH"), [1]),
        (header("subject", "unch at"), [1]),
        (header("subject", "GRÜSSE"), [2]),
        (header("subject", "köln"), [2]),
        (header("subject", ""), [1, 2, 4, 5, 6]),
        (Not(header("subject", "")), [3]),
        (header("subject", "%"), [5]),
        (header("subject", "_c\\d"), [5]),
        (header("from", "müller"), [1]),
        (header("From", "example.org"), [1, 2]),
        (Not(header("from", "example.org")), [3, 4, 5, 6]),
        (header("to", "two@b"), [5]),
        (header("cc", "cc@C"), [5]),
        (header("bcc", "bcc"), [5]),
        (header("message-id", "<id@x>"), [5]),
        (header("x-tag", "tw"), [2]),
        (header("x-tag", ""), [2]),
        (header("x-ta", ""), []),
        (header("x-none", "x"), []),
        (header("subject", "half\ud800"), []),
        (body("lunch"), [3]),
        (text("lunch"), [1, 3]),
        (body("GRÜSSE"), [4]),
        (body(""), [1, 2, 3, 4, 5, 6]),
        (body("100% *SURE"), [5]),
        (text("x-tag: two"), [2]),
        (Not(text("e")), []),
        (Or(body("meet"), header("x-tag", "one")), [1, 2]),
        (Or(body("meet"), Dated(DateOf.SENT, 0, None)), [1, 6]),
        (Or(body("meet"), Sized(1999, None)), [1, 6]),
        (Or(body("meet"), Or(HasKeyword("play"), Uids(uids(2)))), [1, 2, 4]),
        (And((body("e"), header("x-tag", "one"), HasFlag(SEEN))), []),
        (And((body("e"), header("x-tag", "one"), Not(HasFlag(SEEN)))), [2]),
        (Within(DAY * 20 - 3600, DAY * 40 - 3600), [2, 3]),
        (Within(None, DAY * 20 - 3600), [1]),
        (Dated(DateOf.INTERNAL, 20, 41), [2, 3, 4]),
        (Dated(DateOf.INTERNAL, None, 10), []),
        (Dated(DateOf.INTERNAL, 60, None), [6]),
        (Dated(DateOf.SAVED, int(NOW) // DAY, None), [1, 2, 3, 4, 5, 6]),
        (Dated(DateOf.SAVED, None, int(NOW) // DAY), []),
        (Dated(DateOf.SENT, 18993, 18994), [6]),
        (Dated(DateOf.SENT, 18992, 18993), []),
        (Not(Dated(DateOf.SENT, 18993, 18994)), [1, 2, 3, 4, 5]),
        (Or(body("meet"), Dated(DateOf.INTERNAL, 60, None)), [1, 6]),
        (Or(body("meet"), Dated(DateOf.SAVED, 0, 1)), [1]),
        (Or(body("meet"), Within(DAY * 60 - 3600, None)), [1, 6]),
        (Or(body("meet"), ModSeq(10**6)), [1]),
        (Or(body("meet"), Not(All())), [1]),
    ],
    ids=repr,
)
def test_each_key_finds_what_it_says(mail: Callable[[Key], list[int]], key: Key, expected: list[int]) -> None:
    assert mail(key) == expected


def test_modseq_finds_what_changed_since(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 3)
    stored = alice.store_flags(inbox, uids(2), FlagChange.ADD, SEEN)
    assert found(alice, inbox, ModSeq(stored.modseq)) == [2]
    assert found(alice, inbox, ModSeq(stored.modseq + 1)) == []
    assert found(alice, inbox, Not(ModSeq(stored.modseq))) == [1, 3]


def test_only_what_lies_within_is_found(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 20)
    alice.expunge(inbox, uids(3, 4), only_deleted=False)
    assert found(alice, inbox, All(), UidSet([(2, 6), (19, 30)])) == [2, 5, 6, 19, 20]
    assert found(alice, inbox, header("subject", "1"), UidSet([(2, 12)])) == [10, 11, 12]
    assert found(alice, inbox, All(), UidSet()) == []


def test_searching_a_mailbox_that_is_gone(alice: Account, inbox: int) -> None:
    with pytest.raises(NoSuchMailbox):
        list(alice.search(inbox + 1000, All(), EVERYTHING))


def test_a_large_mailbox_is_searched_in_slices(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 2500)
    for key in (All(), header("subject", "7"), header("x-none", ""), body("7"), HasFlag(SEEN)):
        slices = list(alice.search(inbox, key, EVERYTHING))
        assert len(slices) > 1
        matching = [uid for one in slices for uid in one]
        assert matching == sorted(set(matching))
    sevens = [number for number in range(1, 2501) if "7" in str(number)]
    assert found(alice, inbox, header("subject", "7")) == found(alice, inbox, body("7")) == sevens


def test_messages_expunged_during_a_search_do_no_harm(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 1500)
    search = alice.search(inbox, body("1"), EVERYTHING)
    first = next(search)
    alice.expunge(inbox, EVERYTHING, only_deleted=False)
    assert [*first, *(uid for one in search for uid in one)]


def test_a_large_message_is_searched_whole(alice: Account, inbox: int) -> None:
    filler = b"lorem ipsum\r\n" * 100_000
    alice.append(inbox, [NewMessage(b"Subject: big\r\n\r\n" + filler + b"needle" + filler, Instant(0)), new("small")])
    assert found(alice, inbox, body("NEEDLE")) == [1]
    assert found(alice, inbox, body("noodle")) == []


def test_hundreds_of_keys_and_deep_nesting(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 3)
    many = And(tuple(header("subject", "2") if number % 2 else Not(HasFlag(SEEN)) for number in range(3000)))
    assert found(alice, inbox, many) == [2]
    deep: Key = HasFlag(SEEN)
    for _ in range(150):
        deep = Not(Or(deep, HasFlag(DELETED)))
    assert found(alice, inbox, deep) == []


class Whole:
    """match.Candidate of a message in memory."""

    def __init__(self, uid: int, message: NewMessage, bits: int) -> None:
        self.uid = uid
        self.flags = bits
        self.modseq = 1
        self.size = len(message.data)
        self.internal_epoch = message.internal_date.epoch
        self.internal_day = (message.internal_date.epoch + message.internal_date.zone * 60) // DAY
        self.save_day = int(NOW) // DAY
        self._data = bytes(message.data[:])
        self._digest = digest(self._data)

    def sent_day(self) -> int | None:
        return self._digest.sent_date

    def header(self) -> bytes:
        return self._data[: self._digest.header_size]

    def content(self) -> bytes:
        return self._data

    def root(self) -> Part:
        return parse(self._data)


WORDS = ("", "a", "Lunch", "KÖLN", "köl", "ß", "SS", "1", "%")
LEAVES = st.one_of(
    st.sampled_from([All(), HasFlag(SEEN), HasFlag(DELETED), HasKeyword("work"), HasKeyword("nix")]),
    st.builds(Uids, st.sets(st.integers(1, 9), max_size=5).map(UidSet.of)),
    st.builds(Dated, st.sampled_from(DateOf), st.none() | st.integers(0, 19000), st.none() | st.integers(0, 20000)),
    st.builds(Within, st.none() | st.integers(0, 10 * DAY), st.none() | st.integers(0, 10 * DAY)),
    st.builds(Sized, st.none() | st.integers(0, 300), st.none() | st.integers(0, 300)),
    st.builds(Header, st.sampled_from(["subject", "FROM", "x-tag", "nix"]), st.sampled_from(WORDS)),
    st.builds(Text, st.sampled_from(TextIn), st.sampled_from(WORDS)),
)
KEYS = st.recursive(
    LEAVES,
    lambda keys: st.one_of(
        st.builds(Not, keys),
        st.builds(Or, keys, keys),
        st.builds(lambda parts: And(tuple(parts)), st.lists(keys, max_size=4)),
    ),
    max_leaves=8,
)
MAIL = [
    NewMessage(
        b"Subject: %s\r\n%s\r\n%s\r\n" % (subject.encode(), more, inside.encode()),
        Instant(number * DAY // 2, 600),
        bits,
        keywords,
    )
    for number, (subject, inside, (bits, keywords, more)) in enumerate(
        product(
            ("lunch 1", "Köln%"),
            ("STRASSE", "a koln"),
            (
                (SEEN, ("work",), b"From: Lunch\r\n"),
                (DELETED, (), b"Date: 1 Jan 2022 00:00:00 +0000\r\nX-Tag: \xc3\x9f\r\n"),
            ),
        )
    )
]


@pytest.mark.parametrize("engine_name", ENGINES)
def test_any_search_finds_what_testing_each_message_finds(
    engine_name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("search")
    store = ENGINES[engine_name](place, PlainRuntime(), unheard, lambda: NOW, StoreLimits())
    account = store.account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    account.append(inbox, MAIL)
    keywords = account.mailbox(INBOX).keywords
    candidates = [
        Whole(uid, message, message.system_flags | (32 if message.keywords else 0))
        for uid, message in enumerate(MAIL, 1)
    ]

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(KEYS)
    def compare(key: Key) -> None:
        test = matcher(key, keywords)
        assert found(account, inbox, key) == [candidate.uid for candidate in candidates if test(candidate)]

    compare()
    store.close()


def test_a_search_sees_what_another_process_stored(bench: Workbench, alice: Account, inbox: int) -> None:
    other = bench.open().account(ALICE)
    assert found(alice, inbox, All()) == []
    fill(other, inbox, 2)
    assert found(alice, inbox, header("subject", "2")) == [2]
