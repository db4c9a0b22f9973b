"""What tells whether an entry's password is another one, though nobody may read it.

Directories show passwords to few.  Many show when one was changed (`local.ugattr.passwordtime`); else it has to be
found out: an entry that changed, and of which nothing changed that we may see, has another password, or so it is taken
(`local.ugldapunseen`).
"""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from nmsd.directory.schema import values

if TYPE_CHECKING:
    from nmsd.directory.ldap_link import Entry
    from nmsd.directory.schema import Schema

IDENTITY: Final = ("entryuuid", "nsuniqueid", "objectguid")
VERSION: Final = ("entrycsn", "modifytimestamp", "whenchanged")
ATTRIBUTES: Final = (*IDENTITY, *VERSION)
"""To be asked for by name: servers show them to nobody who does not."""

PASSWORD: Final = "password"
OTHER: Final = "other"
ANY: Final = "any"
"""What a change is taken for in which no mark of the password is to be seen: for a new password if nothing else changed
that may be seen, never, or always."""

_MOST: Final = 100_000
_SAME_SECOND_S: Final = 1.5  # time stamps have whole seconds
_SKEW_S: Final = 5.0  # and are of another machine's clock


@dataclass(frozen=True)
class Seen:
    """An entry as it was at `at`: which one it is and in which version, what marks its password, and digests of what
    else there is to see: `known`, of the attributes that a look-up asks for; `shown`, of all, b'' if it did not."""

    identity: str
    version: str
    marks: tuple[tuple[str, ...], tuple[str, ...]]
    known: bytes
    shown: bytes
    at: float
    is_stale: bool = False

    def is_another(self, seen: Seen) -> bool:
        """Whether `seen` is another entry, which was made under the same name."""
        return bool(self.identity and seen.identity) and self.identity != seen.identity


def see(entry: Entry, schema: Schema, attributes: Iterable[str], everything: bool, at: float) -> Seen:
    """`attributes` are those of a look-up; `everything`: all that may be seen was asked for."""
    found = entry.attributes
    apart = {*ATTRIBUTES, *schema.password, *schema.password_time}
    names = [name for name in attributes if name not in apart]
    return Seen(
        identity=next((found[name][0].lower() for name in IDENTITY if found.get(name)), ""),
        version=next((found[name][0] for name in VERSION if found.get(name)), ""),
        marks=(tuple(values(found, schema.password_time)), tuple(sorted(values(found, schema.password)))),
        known=_digest(entry, names),
        shown=_digest(entry, [name for name in found if name not in apart]) if everything else b"",
        at=at,
    )


class Traces:
    """The last seen of each entry that was looked up, by its name, and by what it is whatever its name.

    Invariant: what a look-up sees replaces nothing that is not stale: else a change could go unnoticed between what was
    pushed and whoever looks what it was.  `clock` gives seconds that only go forward, `now` those of the day.
    """

    def __init__(self, clock: Callable[[], float], now: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._now = now
        self._seen: dict[str, Seen] = {}
        self._names: dict[str, str] = {}
        self._bound: dict[str, float] = {}  # when, the latest last, and few that are old

    def note(self, dn: str, seen: Seen) -> None:
        """A look-up saw the entry."""
        key = dn.lower()
        old = self._seen.get(key)
        if old is None or old.is_stale:
            self.replace(dn, seen)

    def replace(self, dn: str, seen: Seen) -> None:
        """From now on changes count from what was seen."""
        self.drop(dn)
        while len(self._seen) >= _MOST:
            self.drop(next(iter(self._seen)))
        self._seen[dn.lower()] = seen
        if seen.identity:
            self._names[seen.identity] = dn

    def bound(self, dn: str) -> None:
        """The entry's user has just shown the password that it has now."""
        now, key = self._clock(), dn.lower()
        self._bound.pop(key, None)
        while self._bound and now - next(iter(self._bound.values())) >= _SAME_SECOND_S:
            del self._bound[next(iter(self._bound))]
        self._bound[key] = now

    def has_just_bound(self, dn: str) -> bool:
        """Whether the user has shown the password in the last second or so."""
        return self._clock() - self._bound.get(dn.lower(), -_SAME_SECOND_S) < _SAME_SECOND_S

    def get(self, dn: str) -> Seen | None:
        """The last seen of the entry."""
        return self._seen.get(dn.lower())

    def name_of(self, identity: str) -> str:
        """The name an entry had; ''."""
        return self._names.get(identity.lower(), "")

    def drop(self, dn: str) -> None:
        """The entry is of no interest any more."""
        seen = self._seen.pop(dn.lower(), None)
        if seen is not None and self._names.get(seen.identity, "").lower() == dn.lower():
            del self._names[seen.identity]

    def stale(self, dn: str) -> None:
        """The entry changed, and nobody looks what it was."""
        seen = self._seen.get(dn.lower())
        if seen is not None:
            self._seen[dn.lower()] = replace(seen, is_stale=True)

    def stale_but(self, dns: set[str]) -> None:
        """Anything may have changed, and it is looked what these are, in lower case."""
        for key, seen in self._seen.items():
            if key not in dns:
                self._seen[key] = replace(seen, is_stale=True)

    def is_new_password(self, dn: str, old: Seen, new: Seen, pushed: bool, unseen: str) -> bool:
        """Whether the password is another one now.  `pushed`: the server said that the entry changed; `unseen`: what is
        taken for it where neither its time nor itself may be seen (`local.ugldapunseen`)."""
        if old.version == new.version and not (pushed and self._may_be_later(dn, old, new)):
            return False
        (old_time, old_words), (new_time, new_words) = old.marks, new.marks
        if old_time or new_time:
            return old_time != new_time
        is_all_seen = bool(old.shown and new.shown)
        if is_all_seen and (old_words or new_words):
            return old_words != new_words
        is_unseen = old.shown == new.shown if is_all_seen else old.known == new.known
        return unseen == ANY or (unseen == PASSWORD and is_unseen)

    def _may_be_later(self, dn: str, old: Seen, new: Seen) -> bool:
        """Whether a version that is the same may hide another change: within the same second, or without any.

        Not right after the user has shown the password: what comes then is late news of the change that it was shown
        after, or 389's word of having rehashed it at that, for which the version stays."""
        if self.has_just_bound(dn):
            return False
        if not new.version:
            return True
        if new.version.partition(".")[2].strip("Z0"):  # with parts of a second
            return False
        try:
            stamp = timegm(time.strptime(new.version[:14], "%Y%m%d%H%M%S"))
        except ValueError:
            return False
        return self._clock() - old.at < _SAME_SECOND_S and abs(self._now() - stamp) < _SKEW_S


def _digest(entry: Entry, names: Iterable[str]) -> bytes:
    digest = blake2b(digest_size=16)
    for name in sorted(names):
        for value in sorted(entry.attributes.get(name, ())):
            digest.update(f"{name}\0{value}\0".encode("utf-8", "surrogateescape"))
    return digest.digest()
