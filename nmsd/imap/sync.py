"""Telling a client what happened to its selected mailbox (RFC 9051 §7.5, RFC 7162 §3.2.10)."""

from __future__ import annotations

from collections.abc import Collection

from nmsd.imap.errors import Bye
from nmsd.imap.session import CONDSTORE, QRESYNC, Session
from nmsd.imap.view import View
from nmsd.model.changes import Stored
from nmsd.model.errors import NoSuchMailbox
from nmsd.model.flags import MAX_KEYWORDS
from nmsd.model.uidset import UidSet
from nmsd.wire.numberset import write_number_set

_NOBODY: frozenset[int] = frozenset()


def is_quiet(session: Session, may_expunge: bool) -> bool:
    """Whether there is certainly nothing to tell, at the price of a memory read."""
    view = session.view
    if view is None:
        return True
    account = session.account
    assert account is not None
    if session.enabled & CONDSTORE and not view.modseq_told:
        return False
    return view.stamp == session.shared.changes.stamp(account.name) and not (may_expunge and view.pending)


def sync(session: Session, may_expunge: bool, own: Collection[int] = _NOBODY) -> list[bytes]:
    """The untagged lines that bring the client up to date, and the view with it.

    Without `may_expunge`, expunged messages stay in the view until a later call.  Flag changes whose modseq is in `own`
    are not told: the command that made them has answered for itself.  Raises Bye if the mailbox is gone.
    """
    if is_quiet(session, may_expunge):
        return []
    view = session.selected()
    account = session.mail()
    stamp = session.shared.changes.stamp(account.name)  # before reading: a commit in between is found next time
    try:
        changes = account.changes(view.mailbox_id, view.modseq)
    except NoSuchMailbox:
        raise Bye("Selected mailbox was deleted") from None
    view.stamp = stamp
    view.modseq = changes.modseq
    lines: list[bytes] = []
    view.pending = view.pending | (changes.vanished & view.uids)
    if may_expunge and view.pending:
        lines.extend(tell_expunged(session, view, view.pending))
    known = view.uidnext
    new = UidSet.of_sorted(uid for uid, _flags, _modseq in changes.flags if uid >= known)
    lines.extend(keyword_lines(view, changes.keywords))
    if new:
        view.add(new, changes.uidnext)
        lines.append(b"* %d EXISTS\r\n" % len(view.uids))
        if session.is_recent_told():
            lines.append(b"* %d RECENT\r\n" % len(view.recent))
    for uid, flags, modseq in changes.flags:
        if uid < known and modseq not in own:
            seq = view.seq(uid)
            if seq:
                lines.append(flag_line(session, view, seq, uid, flags, modseq))
    lines.extend(_tell_modseq(session, view))
    return lines


def _tell_modseq(session: Session, view: View) -> list[bytes]:
    # HIGHESTMODSEQ is due when a client first turns to modseqs (RFC 7162 §3.1); and while expunges are held back, so
    # that no modseq in a FETCH makes the client believe it has heard of them (§3.2).
    if not view.pending:
        view.settled = view.modseq
    held_back = session.enabled & QRESYNC and view.pending
    if session.enabled & CONDSTORE and (held_back or not view.modseq_told):
        view.modseq_told = True
        return [b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % view.settled]
    return []


def modseq_code(session: Session, modseq: int) -> bytes:
    """The response code that ends a command which expunged (RFC 7162 §3.2.7), for those who know of modseqs."""
    return b"HIGHESTMODSEQ %d" % modseq if session.enabled & CONDSTORE else b""


def tell_expunged(session: Session, view: View, uids: UidSet) -> list[bytes]:
    """Takes `uids` out of the view; the lines that say so: VANISHED once QRESYNC is enabled, else EXPUNGE, highest
    first, so that each number is that of the view before."""
    gone = uids & view.uids
    if not gone:
        return []
    if session.enabled & QRESYNC:
        lines = [b"* VANISHED " + write_number_set(gone) + b"\r\n"]
    else:
        lines = [b"* %d EXPUNGE\r\n" % seq for seq in sorted((view.seq(uid) for uid in gone), reverse=True)]
    view.remove(gone)
    return lines


def vanished_earlier(view: View, vanished: UidSet, wanted: UidSet) -> bytes:
    """VANISHED (EARLIER) for those of `wanted` that are gone (RFC 7162 §3.2.10.1); b'' without any.  What the client
    still counts as there is told as an expunge, not here."""
    gone = (vanished & wanted) - view.uids
    return b"* VANISHED (EARLIER) " + write_number_set(gone) + b"\r\n" if gone else b""


def flag_line(session: Session, view: View, seq: int, uid: int, flags: int, modseq: int) -> bytes:
    """An untagged FETCH that tells a message's flags, with its UID, and its MODSEQ to those who know of it."""
    recent = session.is_recent_told() and uid in view.recent
    text = session.shared.flags.write(flags, view.keywords, recent)
    if session.enabled & CONDSTORE:
        return b"* %d FETCH (UID %d MODSEQ (%d) FLAGS %s)\r\n" % (seq, uid, modseq, text)
    return b"* %d FETCH (UID %d FLAGS %s)\r\n" % (seq, uid, text)


def changed_flags(session: Session, view: View, stored: Stored, by_uid: bool, silent: bool) -> bytes:
    """The FETCH lines that answer a flag change: with UID for those who asked by UID; with UID and MODSEQ, even for
    .SILENT, for those who know of modseqs (RFC 7162 §3.1.3, §3.2.4)."""
    modseqs = session.enabled & CONDSTORE
    if silent and not modseqs:
        return b""
    changed = stored.changed
    uids = UidSet.of_sorted([uid for uid, _flags in changed])
    seqs = view.seqs(uids)
    kept = stored.modseqs or {}
    latest = stored.modseq
    if silent:
        return b"".join(
            [
                b"* %d FETCH (UID %d MODSEQ (%d))\r\n" % (seq, uid, kept.get(uid, latest))
                for seq, (uid, _flags) in zip(seqs, changed)
            ]
        )
    texts = _flag_texts(session, view, changed, uids)
    if modseqs:
        return b"".join(
            [
                b"* %d FETCH (UID %d MODSEQ (%d) FLAGS %s)\r\n" % (seq, row[0], kept.get(row[0], latest), text)
                for seq, row, text in zip(seqs, changed, texts)
            ]
        )
    if by_uid:
        return b"".join(
            [b"* %d FETCH (UID %d FLAGS %s)\r\n" % (seq, row[0], text) for seq, row, text in zip(seqs, changed, texts)]
        )
    return b"".join([b"* %d FETCH (FLAGS %s)\r\n" % pair for pair in zip(seqs, texts)])


def _flag_texts(session: Session, view: View, changed: list[tuple[int, int]], uids: UidSet) -> list[bytes]:
    """The flag list of each message."""
    write = session.shared.flags.write
    old: dict[int, bytes] = {}
    new: dict[int, bytes] = {}
    for flags in {flags for _uid, flags in changed}:
        old[flags] = write(flags, view.keywords, False)
        new[flags] = write(flags, view.keywords, True)
    recent = frozenset(view.recent & uids if session.is_recent_told() else ())
    return [new[flags] if uid in recent else old[flags] for uid, flags in changed]


def take_own(view: View, stored: Stored) -> None:
    """Spares the next sync the reading of changes that the client has just been told, if there are no others."""
    if stored.modseq and stored.previous == view.modseq:
        view.modseq = stored.modseq


def keyword_lines(view: View, keywords: tuple[str, ...]) -> list[bytes]:
    """What tells of new keywords, and takes them into the view; to come before any FETCH that shows them."""
    if keywords == view.keywords:
        return []
    view.keywords = keywords
    if view.read_only:
        return [flags_line(keywords)]
    return [flags_line(keywords), permanent_flags_line(keywords)]


def flags_line(keywords: tuple[str, ...]) -> bytes:
    """The untagged FLAGS line of a mailbox."""
    names = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", *keywords)
    return b"* FLAGS (" + " ".join(names).encode("ascii") + b")\r\n"


def permanent_flags_line(keywords: tuple[str, ...]) -> bytes:
    r"""PERMANENTFLAGS of a mailbox open for writing; \* while new keywords may still be made."""
    names = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", *keywords]
    if len(keywords) < MAX_KEYWORDS:
        names.append("\\*")
    return b"* OK [PERMANENTFLAGS (" + " ".join(names).encode("ascii") + b")] Flags permitted.\r\n"
