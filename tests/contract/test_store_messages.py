"""Messages: appending, reading, flags, expunging, copying, moving."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from nmsd.mime.digest import digest
from nmsd.mime.parts import unpack
from nmsd.model.errors import InvalidName, LimitReached, NoSuchMailbox, OverQuota
from nmsd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, KEYWORD_SHIFT, MAX_KEYWORDS, SEEN, flag_names
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Field, Instant, NewMessage, Quota, Usage
from nmsd.model.uidset import UidSet
from nmsd.store.api import Account, FlagChange
from tests.contract.conftest import ALICE, Workbench
from tests.contract.store_engines import NOW
from tests.contract.store_messages import EVERYTHING, fetch, fill, flags, letter, new, uids


def named(account: Account, mailbox_id: int) -> dict[int, list[str]]:
    keywords = account.mailbox_by_id(mailbox_id).keywords
    return {uid: flag_names(bits, keywords) for uid, bits in flags(account, mailbox_id).items()}


# Append


def test_append_gives_ascending_uids_and_counts(alice: Account, inbox: int) -> None:
    first = alice.append(inbox, [new("one", SEEN), new("two")])
    second = alice.append(inbox, [new("three", DELETED)])
    mailbox = alice.mailbox(INBOX)
    assert (first.uids, second.uids) == ([1, 2], [3])
    assert first.uidvalidity == second.uidvalidity == mailbox.uidvalidity
    assert first.modseq < second.modseq == mailbox.modseq
    size = len(letter("one")) + len(letter("two")) + len(letter("three"))
    assert (mailbox.messages, mailbox.unseen, mailbox.deleted, mailbox.uidnext) == (3, 2, 1, 4)
    assert mailbox.size == size
    assert alice.usage() == Usage(size, 3)


def test_append_of_nothing_changes_nothing(alice: Account, inbox: int) -> None:
    before = alice.mailbox(INBOX)
    assert alice.append(inbox, []).uids == []
    assert alice.mailbox(INBOX) == before


def test_every_field_of_a_message(bench: Workbench, alice: Account, inbox: int) -> None:
    data = b"Subject: x\r\nDate: Tue, 14 Nov 2023 23:13:20 +0100\r\n\r\nbody\r\n"
    bench.clock.seconds = NOW + 5
    appended = alice.append(inbox, [NewMessage(data, Instant(1699999999, -330), SEEN | DRAFT, ("Work",))])
    worked_out = digest(data)
    row = dict(zip(Field, fetch(alice, inbox, *Field)[0][1:]))
    email_id = row.pop(Field.EMAIL_ID)
    assert isinstance(email_id, str)
    assert 1 <= len(email_id) <= 255
    assert row == {
        Field.FLAGS: SEEN | DRAFT | 1 << KEYWORD_SHIFT,
        Field.MODSEQ: appended.modseq,
        Field.SIZE: len(data),
        Field.INTERNAL_DATE: b"14-Nov-2023 16:43:19 -0530",
        Field.INTERNAL_EPOCH: 1699999999,
        Field.SAVE_EPOCH: int(NOW) + 5,
        Field.ENVELOPE: worked_out.envelope,
        Field.BODY: worked_out.body,
        Field.BODYSTRUCTURE: worked_out.bodystructure,
        Field.PARTS: worked_out.parts,
        Field.HEADER: data[: worked_out.header_size],
        Field.TEXT: b"body\r\n",
    }
    assert unpack(row[Field.PARTS]).body_size == 6
    assert alice.mailbox(INBOX).keywords == ("Work",)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (Instant(0), b" 1-Jan-1970 00:00:00 +0000"),
        (Instant(-1), b"31-Dec-1969 23:59:59 +0000"),
        (Instant(951782400, 60), b"29-Feb-2000 01:00:00 +0100"),
        (Instant(4102444800, -719), b"31-Dec-2099 12:01:00 -1159"),
        (Instant(1 << 40), b"30-Dec-9999 23:59:59 +0000"),
        (Instant(-1 << 40), b" 2-Jan-0001 00:00:00 +0000"),
    ],
)
def test_internal_dates_as_the_wire_wants_them(alice: Account, inbox: int, instant: Instant, expected: bytes) -> None:
    alice.append(inbox, [new(at=instant)])
    assert fetch(alice, inbox, Field.INTERNAL_DATE) == [(1, expected)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"no header at all",
        b"\r\n\r\nbody",
        b"Subject: only a header\r\n",
        b"a: b\nbare: lf\n\nbody\n",
        b"nul: \0\r\n\r\n\0\0",
        b"\xff\xfe: \xe9\r\n\r\n\x80",
        b"Subject: " + b"x" * 300_000 + b"\r\n\r\n.",
    ],
)
def test_any_bytes_are_kept_as_they_are(alice: Account, inbox: int, data: bytes) -> None:
    alice.append(inbox, [NewMessage(data, Instant(0))])
    ((_, header, text, size),) = fetch(alice, inbox, Field.HEADER, Field.TEXT, Field.SIZE)
    assert (header + text, size) == (data, len(data))
    assert alice.read(inbox, 1, 0, len(data) + 10) == data


@pytest.mark.parametrize("size", [262_000, 262_144, 262_145, 300_000, 524_288, 1_000_003, 5_000_000])
def test_large_messages_whole_and_in_pieces(alice: Account, inbox: int, tmp_path: Path, size: int) -> None:
    head = b"Subject: large\r\n\r\n"
    data = head + bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    path = tmp_path / "message"
    path.write_bytes(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        alice.append(inbox, [NewMessage(mapped, Instant(0))])
    ((_, text, header),) = fetch(alice, inbox, Field.TEXT, Field.HEADER)
    assert header + text == data
    step = 99_991
    assert b"".join(alice.read(inbox, 1, offset, step) for offset in range(0, len(data), step)) == data
    for offset, length in [(0, 5), (10, 20), (len(head) + 262_140, 10), (len(data) - 3, 100), (len(data), 5), (5, 0)]:
        assert alice.read(inbox, 1, offset, length) == data[offset : offset + length]
    assert alice.read(inbox, 1, 0, len(data)) == data


def test_reading_what_is_not_there_gives_nothing(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 1)
    assert alice.read(inbox, 2, 0, 10) == b""
    assert alice.read(inbox + 1000, 1, 0, 10) == b""
    assert fetch(alice, inbox, Field.FLAGS, uids=uids(5, 6)) == []


def test_append_of_several_is_all_or_nothing(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 1)
    before = alice.mailbox(INBOX)
    room = Quota(messages=3)
    with pytest.raises(OverQuota):
        alice.append(inbox, [new("a"), new("b", keywords=("new",)), new("c")], room)
    with pytest.raises(InvalidName):
        alice.append(inbox, [new("a"), new("b", keywords=("not good",))])
    assert alice.mailbox(INBOX) == before
    assert alice.append(inbox, [new("a"), new("b")], room).uids == [2, 3]


def test_quota_of_size_counts_the_whole_account(alice: Account, inbox: int) -> None:
    other = alice.create("other").id
    alice.append(other, [new(size=600)])
    with pytest.raises(OverQuota):
        alice.append(inbox, [new(size=401)], Quota(size=1000))
    alice.append(inbox, [new(size=400)], Quota(size=1000))
    with pytest.raises(OverQuota):
        alice.copy(inbox, EVERYTHING, other, Quota(size=1399))
    assert alice.mailbox("other").messages == 1
    with pytest.raises(OverQuota):
        alice.copy(inbox, EVERYTHING, other, Quota(messages=2))
    alice.copy(inbox, EVERYTHING, other, Quota(size=1400, messages=3))
    alice.expunge(other, EVERYTHING, only_deleted=False)
    assert alice.usage() == Usage(400, 1)


def test_append_to_a_mailbox_that_is_not_there(alice: Account) -> None:
    with pytest.raises(NoSuchMailbox):
        alice.append(12345, [new()])


# Fetching


@pytest.mark.parametrize("count", [0, 1, 7, 511, 512, 513, 1100])
def test_slices_together_are_everything_in_order(alice: Account, inbox: int, count: int) -> None:
    fill(alice, inbox, count)
    for fields in ([Field.FLAGS], [Field.ENVELOPE, Field.SIZE], [Field.TEXT]):
        slices = list(alice.fetch(inbox, EVERYTHING, fields))
        assert [row[0] for rows in slices for row in rows] == list(range(1, count + 1))
        assert all(slices)
        assert max(map(len, slices), default=0) <= 1000


def test_fetching_from_a_mailbox_full_of_gaps(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 2000)
    alice.expunge(inbox, UidSet.of(range(2, 2000, 3)), only_deleted=False)
    left = [uid for uid in range(1, 2001) if uid % 3 != 2 or uid == 2000]
    assert list(alice.uids(inbox)) == left
    assert [row[0] for row in fetch(alice, inbox, Field.FLAGS)] == left
    for wanted in (
        UidSet.of(range(1, 2001, 2)),
        UidSet.of(range(2, 2001, 3)),
        UidSet([(5, 40), (60, 61), (70, 1500)]),
        alice.uids(inbox),
        UidSet.of(range(1, 2001, 50)),
    ):
        expected = [uid for uid in left if uid in wanted]
        for fields in ((Field.FLAGS,), (Field.HEADER, Field.MODSEQ)):
            assert [row[0] for row in fetch(alice, inbox, *fields, uids=wanted)] == expected


def test_a_slice_of_contents_is_about_a_megabyte(alice: Account, inbox: int) -> None:
    alice.append(inbox, [new(size=200_000) for _ in range(12)] + [new(size=3_000_000), new(size=10)])
    slices = list(alice.fetch(inbox, EVERYTHING, [Field.HEADER, Field.TEXT]))
    sizes = [[len(header) + len(text) for _, header, text in rows] for rows in slices]
    assert sum(map(sum, sizes)) == 12 * 200_000 + 3_000_000 + len(letter())
    assert all(len(rows) == 1 or sum(rows) <= 1 << 20 for rows in sizes)


def test_nothing_is_held_open_between_slices(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 1200)
    slices = alice.fetch(inbox, EVERYTHING, [Field.FLAGS])
    first = next(slices)
    alice.expunge(inbox, UidSet([(1, 1199)]), only_deleted=False)
    assert first[0][0] == 1
    assert [row[0] for rows in slices for row in rows] == [1200]


def test_a_snapshot_is_of_one_moment(alice: Account, inbox: int) -> None:
    assert alice.snapshot(inbox)[1:] == (UidSet(), 0)
    alice.append(inbox, [new(flags=SEEN), new(flags=SEEN), new(), new(flags=SEEN), new()])
    alice.expunge(inbox, uids(2), only_deleted=False)
    mailbox, there, unseen = alice.snapshot(inbox)
    assert mailbox == alice.mailbox(INBOX)
    assert there == uids(1, 3, 4, 5) == alice.uids(inbox)
    assert unseen == 3
    alice.store_flags(inbox, EVERYTHING, FlagChange.ADD, SEEN)
    assert alice.snapshot(inbox)[2] == 0


def test_uids_follow_every_change(bench: Workbench, alice: Account, inbox: int) -> None:
    other = bench.open().account(ALICE)
    target = alice.create("target").id
    for change in (
        lambda: fill(alice, inbox, 5),
        lambda: alice.expunge(inbox, uids(2, 4), only_deleted=False),
        lambda: fill(other, inbox, 2),
        lambda: other.move(inbox, uids(1, 7), target),
        lambda: alice.store_flags(inbox, EVERYTHING, FlagChange.ADD, SEEN),
        lambda: alice.expunge(inbox, EVERYTHING, only_deleted=False),
        lambda: other.move(target, EVERYTHING, inbox),
    ):
        change()
        for account in (alice, other):
            for mailbox_id in (inbox, target):
                assert list(account.uids(mailbox_id)) == list(flags(account, mailbox_id))


# Flags


def test_flags_are_added_removed_and_replaced(alice: Account, inbox: int) -> None:
    alice.append(inbox, [new(flags=SEEN), new(flags=FLAGGED, keywords=("old",))])
    alice.store_flags(inbox, EVERYTHING, FlagChange.ADD, ANSWERED, ("work",))
    assert named(alice, inbox) == {1: ["\\Seen", "\\Answered", "work"], 2: ["\\Answered", "\\Flagged", "old", "work"]}
    alice.store_flags(inbox, uids(2), FlagChange.REMOVE, FLAGGED | SEEN, ("OLD", "unknown"))
    assert named(alice, inbox)[2] == ["\\Answered", "work"]
    alice.store_flags(inbox, uids(1), FlagChange.REPLACE, DELETED, ("Work", "third"))
    assert named(alice, inbox) == {1: ["\\Deleted", "work", "third"], 2: ["\\Answered", "work"]}
    assert alice.mailbox(INBOX).keywords == ("old", "work", "third")
    mailbox = alice.mailbox(INBOX)
    assert (mailbox.unseen, mailbox.deleted) == (2, 1)


def test_a_flag_change_tells_what_became_of_each_message(alice: Account, inbox: int) -> None:
    alice.append(inbox, [new(flags=SEEN), new(), new()])
    old = alice.mailbox(INBOX).modseq
    stored = alice.store_flags(inbox, uids(1, 2, 7), FlagChange.ADD, SEEN)
    assert stored.changed == [(1, SEEN), (2, SEEN)]
    assert stored.modified == UidSet()
    assert stored.modseq == alice.mailbox(INBOX).modseq > old
    assert stored.modseqs == {1: old}
    assert dict(fetch(alice, inbox, Field.MODSEQ)) == {1: old, 2: stored.modseq, 3: old}


def test_a_flag_change_that_changes_nothing_has_no_modseq(bench: Workbench, alice: Account, inbox: int) -> None:
    fill(alice, inbox, 2)
    alice.store_flags(inbox, EVERYTHING, FlagChange.ADD, SEEN)
    before = alice.mailbox(INBOX)
    bench.announced.clear()
    for change, bits in ((FlagChange.ADD, SEEN), (FlagChange.REMOVE, FLAGGED), (FlagChange.REPLACE, SEEN)):
        stored = alice.store_flags(inbox, EVERYTHING, change, bits)
        assert (stored.modseq, stored.changed) == (0, [(1, SEEN), (2, SEEN)])
        assert stored.modseqs == {1: before.modseq, 2: before.modseq}
    assert alice.store_flags(inbox, uids(99), FlagChange.ADD, SEEN, ("never",)).changed == []
    assert alice.mailbox(INBOX) == before
    assert bench.announced == []


def test_unchangedsince_holds_back_what_changed_later(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 3)
    since = alice.mailbox(INBOX).modseq
    alice.store_flags(inbox, uids(2), FlagChange.ADD, FLAGGED)
    stored = alice.store_flags(inbox, EVERYTHING, FlagChange.ADD, SEEN, ("late",), unchanged_since=since)
    assert stored.changed == [(1, SEEN | 1 << KEYWORD_SHIFT), (3, SEEN | 1 << KEYWORD_SHIFT)]
    assert stored.modified == uids(2)
    assert flags(alice, inbox)[2] == FLAGGED
    nothing = alice.store_flags(inbox, EVERYTHING, FlagChange.REPLACE, 0, ("other",), unchanged_since=0)
    assert (nothing.changed, nothing.modified, nothing.modseq) == ([], uids(1, 2, 3), 0)
    assert alice.mailbox(INBOX).keywords == ("late",)


def test_unchangedsince_0_adds_keywords_to_those_that_have_none_of_them(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 3)
    alice.store_flags(inbox, uids(2), FlagChange.ADD, 0, ("held",))
    stored = alice.store_flags(inbox, EVERYTHING, FlagChange.ADD, 0, ("held", "more"), unchanged_since=0)
    assert stored.modified == uids(2)
    assert named(alice, inbox) == {1: ["held", "more"], 2: ["held"], 3: ["held", "more"]}
    for system_flags, change in ((SEEN, FlagChange.ADD), (0, FlagChange.REMOVE), (0, FlagChange.REPLACE)):
        stored = alice.store_flags(inbox, EVERYTHING, change, system_flags, ("new",), unchanged_since=0)
        assert stored.modified == uids(1, 2, 3)


def test_the_last_keyword_and_one_too_many(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 2)
    known = tuple(f"k{number}" for number in range(MAX_KEYWORDS))
    alice.store_flags(inbox, uids(1), FlagChange.ADD, 0, known)
    assert named(alice, inbox)[1] == list(known)
    before = alice.mailbox(INBOX)
    for refused in (
        lambda: alice.store_flags(inbox, uids(2), FlagChange.ADD, SEEN, ("k1", "more")),
        lambda: alice.append(inbox, [new(), new(keywords=("more",))]),
    ):
        with pytest.raises(LimitReached):
            refused()
    assert alice.mailbox(INBOX) == before
    alice.store_flags(inbox, uids(2), FlagChange.REPLACE, 0, ("K57",))
    assert named(alice, inbox)[2] == ["k57"]
    alice.store_flags(inbox, uids(1), FlagChange.REMOVE, 0, known[:-1])
    assert named(alice, inbox)[1] == ["k57"]


@pytest.mark.parametrize("keyword", ["", "two words", "caf\u00e9", "x" * 101, "line\n"])
def test_keywords_that_no_message_may_carry(alice: Account, inbox: int, keyword: str) -> None:
    fill(alice, inbox, 1)
    with pytest.raises(InvalidName):
        alice.store_flags(inbox, uids(1), FlagChange.ADD, 0, (keyword,))
    alice.store_flags(inbox, uids(1), FlagChange.ADD, 0, ("x" * 100,))


# Expunge


def test_expunge_takes_what_is_deleted_among_those_asked_for(alice: Account, inbox: int) -> None:
    alice.append(inbox, [new(flags=DELETED | SEEN), new(), new(flags=DELETED), new(flags=DELETED)])
    before = alice.mailbox(INBOX)
    assert alice.expunge(inbox, uids(2)).uids == UidSet()
    assert alice.expunge(inbox, uids(2)).modseq == before.modseq
    expunged = alice.expunge(inbox, UidSet([(1, 3)]))
    after = alice.mailbox(INBOX)
    assert (expunged.uids, expunged.modseq) == (uids(1, 3), after.modseq)
    assert after.modseq > before.modseq
    assert (after.messages, after.unseen, after.deleted, after.uidnext) == (2, 2, 1, 5)
    assert list(flags(alice, inbox)) == [2, 4]


def test_a_uid_is_never_given_again(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 3)
    alice.expunge(inbox, EVERYTHING, only_deleted=False)
    assert alice.usage() == Usage(0, 0)
    assert alice.append(inbox, [new()]).uids == [4]


# Copy and move


def test_a_copy_has_the_flags_keywords_and_dates(bench: Workbench, alice: Account, inbox: int) -> None:
    target = alice.create("target").id
    alice.append(target, [new(keywords=("first", "shared"))])
    alice.append(inbox, [new("a", SEEN, ("Shared", "own"), at=Instant(77, 60)), new("b", DELETED), new("c")])
    bench.clock.seconds += 100
    copied = alice.copy(inbox, uids(1, 2, 9), target)
    assert copied.pairs == [(1, 2), (2, 3)]
    assert copied.uidvalidity == alice.mailbox("target").uidvalidity
    assert copied.modseq == 0
    assert named(alice, target) == {1: ["first", "shared"], 2: ["\\Seen", "shared", "own"], 3: ["\\Deleted"]}
    kept = (Field.INTERNAL_DATE, Field.HEADER, Field.TEXT, Field.EMAIL_ID, Field.SIZE, Field.ENVELOPE)
    here = [row[1:] for row in fetch(alice, inbox, *kept, uids=uids(1, 2))]
    assert [row[1:] for row in fetch(alice, target, *kept, uids=uids(2, 3))] == here
    assert fetch(alice, target, Field.SAVE_EPOCH, uids=uids(2)) == [(2, int(NOW) + 100)]
    mailbox = alice.mailbox("target")
    assert (mailbox.messages, mailbox.unseen, mailbox.deleted, mailbox.uidnext) == (3, 2, 1, 4)
    assert alice.usage().messages == 6


def test_a_body_lives_as_long_as_one_message_shows_it(alice: Account, inbox: int) -> None:
    alice.append(inbox, [new("kept", size=300_000)])
    target = alice.create("target").id
    alice.copy(inbox, uids(1), target)
    alice.copy(target, uids(1), target)
    alice.copy(target, uids(1, 2), inbox)
    for mailbox_id, uid in ((inbox, 1), (target, 2), (inbox, 3), (target, 1)):
        alice.expunge(mailbox_id, uids(uid), only_deleted=False)
        assert [len(row[1]) for row in fetch(alice, inbox, Field.HEADER, uids=uids(2))] == [len(letter("kept")) - 6]
        assert len(alice.read(inbox, 2, 0, 400_000)) == 300_000
    alice.expunge(inbox, uids(2), only_deleted=False)
    assert alice.usage() == Usage(0, 0)


def test_copying_into_the_same_mailbox(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 2)
    assert alice.copy(inbox, EVERYTHING, inbox).pairs == [(1, 3), (2, 4)]
    assert alice.mailbox(INBOX).messages == 4


def test_a_copy_with_one_keyword_too_many_copies_nothing(alice: Account, inbox: int) -> None:
    target = alice.create("target").id
    alice.append(target, [new(keywords=tuple(f"k{number}" for number in range(MAX_KEYWORDS)))])
    alice.append(inbox, [new(), new(keywords=("other",))])
    before = alice.mailboxes()
    with pytest.raises(LimitReached):
        alice.copy(inbox, EVERYTHING, target)
    with pytest.raises(LimitReached):
        alice.move(inbox, EVERYTHING, target)
    assert alice.mailboxes() == before
    assert alice.copy(inbox, uids(1), target).pairs == [(1, 2)]


def test_moving(alice: Account, inbox: int) -> None:
    target = alice.create("target").id
    alice.append(inbox, [new("a", SEEN), new("b", DELETED, ("work",)), new("c")])
    email_ids = [row[1] for row in fetch(alice, inbox, Field.EMAIL_ID)]
    before = alice.usage()
    moved = alice.move(inbox, uids(1, 2, 9), target)
    assert moved.pairs == [(1, 1), (2, 2)]
    assert moved.modseq == alice.mailbox(INBOX).modseq
    assert moved.uidvalidity == alice.mailbox("target").uidvalidity
    assert named(alice, target) == {1: ["\\Seen"], 2: ["\\Deleted", "work"]}
    assert [row[1] for row in fetch(alice, target, Field.EMAIL_ID)] == email_ids[:2]
    assert list(flags(alice, inbox)) == [3]
    assert alice.usage() == before
    left = alice.mailbox(INBOX)
    assert (left.messages, left.unseen, left.deleted, left.uidnext) == (1, 1, 0, 4)


def test_moving_into_the_same_mailbox_gives_new_uids(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 2)
    since = alice.mailbox(INBOX).modseq
    assert alice.move(inbox, EVERYTHING, inbox).pairs == [(1, 3), (2, 4)]
    assert list(flags(alice, inbox)) == [3, 4]
    assert alice.changes(inbox, since).vanished == uids(1, 2)


def test_copying_or_moving_nothing_changes_nothing(alice: Account, inbox: int) -> None:
    target = alice.create("target").id
    before = alice.mailboxes()
    assert alice.copy(inbox, EVERYTHING, target).pairs == []
    assert alice.move(inbox, uids(1), target).pairs == []
    assert alice.mailboxes() == before


# Recent


def test_recent_messages_are_claimed_once(bench: Workbench, alice: Account, inbox: int) -> None:
    other = bench.open().account(ALICE)
    fill(alice, inbox, 3)
    modseq = alice.mailbox(INBOX).modseq
    assert alice.claim_recent(inbox, 4) == 1
    assert other.claim_recent(inbox, 4) == 4
    assert other.claim_recent(inbox, 2) == 4
    fill(alice, inbox, 1)
    assert other.mailbox(INBOX).recent_uid == 4
    assert other.claim_recent(inbox, 5) == 4
    assert alice.mailbox(INBOX).recent_uid == 5
    assert alice.claim_recent(inbox, 1000) == 5
    assert alice.mailbox(INBOX).recent_uid == 5
    assert alice.mailbox(INBOX).modseq > modseq
