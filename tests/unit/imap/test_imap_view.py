"""The view: what sequence numbers mean, by named cases."""

import pytest

from nmsd.imap.view import View
from nmsd.model.mailbox import Mailbox
from nmsd.model.uidset import UidSet
from nmsd.wire.errors import BadSyntax


def view_of(*uids: int, recent_from: int = 0) -> View:
    highest = max(uids, default=0)
    mailbox = Mailbox(
        id=1,
        name="INBOX",
        uidvalidity=7,
        uidnext=highest + 1,
        modseq=1,
        messages=len(uids),
        unseen=0,
        deleted=0,
        size=0,
        recent_uid=recent_from or highest + 1,
        keywords=(),
        special_use=(),
        object_id="",
    )
    return View(mailbox, UidSet.of(uids), False, 0)


CASES = {
    # name: (uids in the view, set, by UID, chosen)
    "one": ((5, 7, 9), b"2", False, {7}),
    "range": ((5, 7, 9), b"1:2", False, {5, 7}),
    "range backwards": ((5, 7, 9), b"3:2", False, {7, 9}),
    "star is the last": ((5, 7, 9), b"*", False, {9}),
    "all": ((5, 7, 9), b"1:*", False, {5, 7, 9}),
    "overlap counts once": ((5, 7, 9), b"1:2,2:3", False, {5, 7, 9}),
    "uid": ((5, 7, 9), b"7", True, {7}),
    "unknown uid is nothing": ((5, 7, 9), b"6", True, set()),
    "uid range past the end takes the last": ((5, 7, 9), b"100:*", True, {9}),
    "uids of an empty mailbox": ((), b"1:*", True, set()),
    "all uids": ((5, 7, 9), b"1:*", True, {5, 7, 9}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_set_chooses(name: str) -> None:
    uids, text, by_uid, chosen = CASES[name]
    assert set(view_of(*uids).select(text, by_uid)) == chosen


@pytest.mark.parametrize("text", [b"4", b"1:4", b"0", b"a", b"1,,2", b"4294967296", b""])
def test_a_sequence_set_that_names_no_message_is_bad(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        view_of(5, 7, 9).select(text, False)


def test_star_in_an_empty_mailbox_is_bad() -> None:
    with pytest.raises(BadSyntax):
        view_of().select(b"1:*", False)


def test_removing_shifts_the_numbers_after() -> None:
    view = view_of(5, 7, 9, recent_from=7)
    view.pending = UidSet.of([7])
    view.remove(UidSet.of([7]))
    assert (view.seq(5), view.seq(7), view.seq(9)) == (1, 0, 2)
    assert not view.pending
    assert set(view.recent) == {9}


def test_adding_appends_and_makes_recent() -> None:
    view = view_of(5)
    view.add(UidSet.of([6, 8]), 9)
    assert (view.seq(8), view.uidnext, view.arrived, set(view.recent)) == (3, 9, True, {6, 8})
