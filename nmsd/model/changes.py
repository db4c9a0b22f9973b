"""What a store tells of its changes: the answers to writes, and the change log."""

from dataclasses import dataclass

from nmsd.model.uidset import UidSet


@dataclass(frozen=True)
class Changes:
    """What happened to a mailbox since a modseq.

    `flags` lists (uid, flags, modseq), ascending by UID, of messages that are new or whose flags changed and that still
    exist.  `vanished` holds the UIDs expunged since then; where the log no longer reaches back so far it holds every
    UID below `uidnext` that does not exist (RFC 7162 §3.2.5.1 lets it be too many, never too few).  `modseq` is what
    the answer is up to: ask with it next time.
    """

    modseq: int
    uidnext: int
    messages: int
    flags: list[tuple[int, int, int]]
    vanished: UidSet
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class Appended:
    """Where messages went: UIDs in the order given."""

    uidvalidity: int
    uids: list[int]
    modseq: int


@dataclass(frozen=True)
class Stored:
    """Outcome of a flag change.

    `changed`: (uid, flags) of every message asked for that exists and passed UNCHANGEDSINCE, ascending, whether or not
    its flags differ from before (those that do not keep their modseq).  `modified`: those UNCHANGEDSINCE held back
    (RFC 7162 §3.1.3).  `modseq`: the one given to all messages that changed, 0 if none did.
    """

    modseq: int
    changed: list[tuple[int, int]]
    modified: UidSet
    keywords: tuple[str, ...]
    modseqs: dict[int, int] | None = None
    """The modseq of each message in `changed` that kept an older one; absent ones have `modseq`."""
    previous: int = 0
    """The mailbox's modseq before this change, 0 if the engine does not say.  Who had read up to it missed nothing."""


@dataclass(frozen=True)
class Expunged:
    """The UIDs removed, and the modseq of their removal (the mailbox's modseq if there were none)."""

    uids: UidSet
    modseq: int


@dataclass(frozen=True)
class Copied:
    """Outcome of COPY or MOVE: pairs of (UID there, UID here), ascending, for COPYUID (RFC 4315 §3).

    `modseq` is that of the source's removal for a MOVE, else 0.
    """

    uidvalidity: int
    pairs: list[tuple[int, int]]
    modseq: int = 0
