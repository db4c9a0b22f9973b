"""QRESYNC (RFC 7162 §3.2): a client that comes back hears only what happened meanwhile.

VANISHED in place of EXPUNGE is told by imap.sync; the answers below are the EARLIER ones, about messages that were gone
before the client asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nmsd.imap.extensions.condstore import read_modseq
from nmsd.imap.registry import Extension, FetchOptions, Modifier, SelectParam
from nmsd.imap.session import CONDSTORE, QRESYNC, Session
from nmsd.imap.sync import flag_line, vanished_earlier
from nmsd.imap.view import View
from nmsd.model.uidset import UidSet
from nmsd.wire.errors import BadSyntax
from nmsd.wire.numberset import parse_number_set
from nmsd.wire.reader import Reader


@dataclass(frozen=True)
class Known:
    """What a client knows of a mailbox: `uids` None stands for all; `seqs` and `pair_uids` are a sample of numbers and
    the UIDs they had, position by position."""

    uidvalidity: int
    modseq: int
    uids: UidSet | None
    seqs: UidSet
    pair_uids: UidSet


def _require(session: Session) -> None:
    if not session.enabled & QRESYNC:
        raise BadSyntax("QRESYNC is not enabled")


def _parse(reader: Reader, session: Session) -> Known:
    _require(session)
    reader.space()
    reader.expect(b"(")
    uidvalidity = reader.nonzero()
    modseq = read_modseq(reader)
    uids: UidSet | None = None
    seqs = pair_uids = UidSet()
    more = reader.maybe_space()
    if more and reader.peek() != b"(":
        uids = _plain_set(reader)
        more = reader.maybe_space()
    if more:
        reader.expect(b"(")
        seqs = _plain_set(reader)
        reader.space()
        pair_uids = _plain_set(reader)
        reader.expect(b")")
        if len(seqs) != len(pair_uids):
            raise BadSyntax("Sequence numbers and UIDs do not match in number")
    reader.expect(b")")
    return Known(uidvalidity, modseq, uids, seqs, pair_uids)


def _plain_set(reader: Reader) -> UidSet:
    text = reader.number_set_text()
    if b"*" in text or text == b"$":
        raise BadSyntax("Only numbers are allowed here")
    return parse_number_set(text, 0)


def _after_select(session: Session, view: View, known: Known) -> Iterator[bytes]:
    if known.uidvalidity != view.uidvalidity:
        return
    changes = session.mail().changes(view.mailbox_id, known.modseq)
    uids = UidSet([(1, max(view.uidnext - 1, 1))]) if known.uids is None else known.uids
    matched = _last_match(view, known)
    lines = [vanished_earlier(view, changes.vanished, uids - UidSet([(1, matched)]) if matched else uids)]
    for uid, flags, modseq in changes.flags:
        seq = view.seq(uid)
        if seq and uid in uids:
            lines.append(flag_line(session, view, seq, uid, flags, modseq))
    told = b"".join(lines)
    if told:
        yield told


def _last_match(view: View, known: Known) -> int:
    """The UID up to which the client's sample agrees with the mailbox, 0 for none.  An expunge shifts all numbers after
    it, so where one pair fits all before it do (RFC 7162 §3.2.5.2)."""
    low = 0
    high = len(known.seqs)
    while low < high:
        middle = (low + high + 1) // 2
        if view.seq(known.pair_uids.at(middle)) == known.seqs.at(middle):
            low = middle
        else:
            high = middle - 1
    return known.pair_uids.at(low) if low else 0


def _parse_vanished(reader: Reader, session: Session) -> None:
    _require(session)


def _vanished(session: Session, options: FetchOptions, value: None) -> None:
    if not options.by_uid:
        raise BadSyntax("VANISHED is for UID FETCH only")
    options.vanished = True


EXTENSION: Final[Extension] = Extension(
    7162,
    (b"QRESYNC",),
    enables=((b"QRESYNC", QRESYNC | CONDSTORE),),
    fetch_modifiers=(Modifier(b"VANISHED", _parse_vanished, _vanished),),
    select_params=(SelectParam(b"QRESYNC", _parse, _after_select),),
)
