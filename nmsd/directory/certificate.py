"""From a client's certificate to the user it stands for, by the rules of certmap.conf.

`walk` is the only way there: a login runs it to its end, `nmsd explain` prints its steps.

Security: the certificate was verified, so its subject is what an authority says, yet the words in it may be anything:
they reach a filter or a name by the escapes of entry_search and dn alone.  A certificate never lets anybody in by
finding the only entry there is: something of it must be in the entry, or be the entry's name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol
from unicodedata import category

from cryptography import x509

from nmsd.config.setting import Config
from nmsd.directory import ldap_settings as settings
from nmsd.directory.api import User
from nmsd.directory.certificate_name import UNREADABLE, parts_of
from nmsd.directory.certmap import CERTMAP_FILE, CertificateMap, Rule, load_certmap
from nmsd.directory.dn import Rdns, normal, write_dn
from nmsd.directory.entry_search import EntriesFound, EntryFound, EntrySearch, Term
from nmsd.directory.runtime import Log
from nmsd.directory.schema import Schema, schema_of
from nmsd.directory.step import Step
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryError, DirectoryUnavailable

_MOST_SUBJECT: Final = 300


class Entries(Protocol):
    """What is asked of a back end."""

    def find_entries(self, search: EntrySearch) -> EntriesFound:
        """The entries, some at least when there are many.  Raises DirectoryUnavailable."""


@dataclass(frozen=True)
class Shown:
    """A certificate, as far as rules go: subject and issuer, the addresses beside the subject, all of it in DER."""

    subject: Rdns
    issuer: Rdns
    emails: tuple[str, ...]
    der: bytes

    def values(self, part: str) -> tuple[str, ...]:
        """What the subject has for a part, the most special first; for e also the addresses beside it."""
        wanted = ("e", "mail") if part == "e" else (part,)
        found = tuple(value for rdn in self.subject for kind, value in rdn if kind in wanted and value)
        return found or (self.emails if part == "e" else ())

    def check(self) -> None:
        """Raises BadCredentials where there are control characters in it: directories differ over what those are
        worth, down to what follows a NUL being nothing."""
        texts = [value for rdn in self.subject for _, value in rdn] + list(self.emails)
        if any(category(sign) == "Cc" for text in texts for sign in text):
            raise BadCredentials("the certificate has control characters in a name")


def read_certificate(der: bytes) -> Shown:
    """Reads a certificate.  Raises BadCredentials."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        subject, issuer = parts_of(certificate.subject), parts_of(certificate.issuer)
        try:
            beside = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            emails = tuple(beside.get_values_for_type(x509.RFC822Name))
        except x509.ExtensionNotFound:
            emails = ()
    except UNREADABLE as error:
        raise BadCredentials(f"the certificate cannot be read: {error}") from None
    return Shown(subject, issuer, emails, der)


@dataclass(frozen=True)
class _Answer:
    """What a certificate came to: a user, or why it stands for none."""

    user: User | None
    error: DirectoryError | None
    until: float
    generation: int


class CertificateMapper:
    """Says whose a certificate is.

    What was found is remembered as the directory's other answers are, and forgotten with them: by time, and when the
    directory says that it has changed.  `clock` gives seconds that only go forward.
    """

    def __init__(
        self, config: Config, directory: Entries, log: Log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._directory = directory
        self._log = log
        self._clock = clock
        self._schema: Schema = schema_of(config)
        self._answers: dict[bytes, _Answer] = {}
        self._path = config.path(CERTMAP_FILE)
        self._stamp: tuple[int, ...] | None = None
        self._map: CertificateMap | None = None
        self._refresh()

    def user_of(self, certificate: bytes) -> User:
        """The user.  Raises BadCredentials with the reason for the log, AmbiguousEntry, DirectoryUnavailable."""
        self._refresh()
        key = sha256(certificate).digest()
        generation = self._generation()
        known = self._answers.get(key)
        if known is not None and not self._is_old(known, generation):
            if known.user is not None:
                return known.user
            assert known.error is not None
            raise type(known.error)(str(known.error))
        self._answers.pop(key, None)
        try:
            user = run(self.walk(certificate))
        except (BadCredentials, AmbiguousEntry) as error:
            self._remember(key, None, error, generation)
            raise
        self._remember(key, user, None, generation)
        return user

    def subject_of(self, certificate: bytes) -> str:
        """The subject for the log, of any bytes."""
        try:
            return write_dn(read_certificate(certificate).subject)[:_MOST_SUBJECT] or "(no subject)"
        except BadCredentials:
            return "(unreadable)"

    def walk(self, certificate: bytes) -> Generator[Step, None, User]:
        """The way to the user, step by step; raises as `user_of`, after the step that failed."""
        self._refresh()
        if self._map is None:
            yield Step("certificate map", False, f"{self._path} has mistakes in it; `nmsd config check` tells them")
            raise DirectoryUnavailable(f"{self._path} cannot be used; the log says why")
        shown = read_certificate(certificate)
        shown.check()
        rule = self._map.rule_for(normal(shown.issuer))
        where = "" if os.path.exists(self._path) else " (it is not there, so the rules are those that nmsd comes with)"
        yield Step("certificate map", None, self._path + where)
        yield Step("rules", None, f"{rule.name}, {'by its issuer' if rule.issuer else 'as for all other issuers'}")
        searches = list(self._searches(rule, shown))
        if not searches:
            words = f"the certificate has nothing of what {rule.name}'s rules ask for"
            yield Step("filter", False, words)
            raise BadCredentials(words)
        entry: EntryFound | None = None
        for search in searches:
            entry = yield from self._find(search)
            if entry is not None:
                break
        if entry is None:
            raise BadCredentials("no entry is what the certificate says")
        if rule.verify:
            is_there = certificate in entry.certificates
            count = len(entry.certificates)
            words = "the entry has this certificate" if is_there else f"it is none of the entry's {count} certificates"
            yield Step("verifycert", is_there, words)
            if not is_there:
                raise BadCredentials(f"the entry {entry.dn} has another certificate, or none")
        return (yield from _user(entry))

    def _find(self, search: EntrySearch) -> Generator[Step, None, EntryFound | None]:
        """The one entry, None if there is none."""
        try:
            found = self._directory.find_entries(search)
        except DirectoryUnavailable as error:
            yield Step("search", False, str(error))
            raise
        where = found.base or search.base or "all users"
        yield Step("base", None, f"{where} ({'the entry itself' if search.itself else 'and all below'})")
        yield Step("filter", None, found.filter)
        names = "; ".join(entry.dn for entry in found.entries)
        yield Step("entries", len(found.entries) == 1, (names or "none") + (", and more" if found.cut else ""))
        if len(found.entries) > 1 or found.cut:
            raise AmbiguousEntry(f"the certificate is both {' and '.join(entry.dn for entry in found.entries[:3])}")
        return found.entries[0] if found.entries else None

    def _searches(self, rule: Rule, shown: Shown) -> Iterator[EntrySearch]:
        """What to look for, one after the other."""
        if rule.attribute and shown.subject:
            term = Term((rule.attribute,), tuple(_spellings(shown.subject)), is_dn=True)
            yield EntrySearch("", False, (term,), rule.verify)
        terms = tuple(
            Term(self._attributes(part), values) for part in rule.filter_comps or () if (values := shown.values(part))
        )
        if rule.filter_comps and not terms:
            return
        if rule.dn_comps is None:
            if shown.subject:
                yield EntrySearch(write_dn(shown.subject), True, terms, rule.verify)
            return
        base = [[(_DN_NAMES.get(part, part), value)] for part in rule.dn_comps for value in shown.values(part)]
        if rule.dn_comps and not base:
            return
        if base or terms:
            yield EntrySearch(write_dn(base), not terms, terms, rule.verify)

    def _attributes(self, part: str) -> tuple[str, ...]:
        """What an entry calls a part of the subject."""
        return {"e": self._schema.mail, "uid": self._schema.uid}.get(part, (part,))

    # What is remembered

    def _refresh(self) -> None:
        """Takes over a change of the file; one with mistakes leaves the rules there were."""
        try:
            status = os.stat(self._path)
            stamp = status.st_ino, status.st_size, status.st_mtime_ns
        except OSError:
            stamp = 0, 0, 0
        if stamp == self._stamp:
            return
        self._stamp = stamp
        found, problems = load_certmap(self._path)
        for problem in problems:
            self._log("Error", "Account", str(problem))
        if found is not None:
            self._map = found
            self._answers.clear()

    def _remember(self, key: bytes, user: User | None, error: DirectoryError | None, generation: int) -> None:
        size = self._config[settings.CACHE_SIZE]
        seconds = self._config[settings.NEGATIVE_TTL if user is None else settings.CACHE_TTL]
        if not size or not seconds or generation != self._generation():
            return
        while len(self._answers) >= size:
            del self._answers[next(iter(self._answers))]  # the oldest
        self._answers[key] = _Answer(user, error, self._clock() + seconds, generation)

    def _is_old(self, known: _Answer, generation: int) -> bool:
        if self._clock() >= known.until:
            return True
        if generation == known.generation:
            return False
        changed_since = getattr(self._directory, "changed_since", None)
        return known.user is None or changed_since is None or bool(changed_since(known.user, known.generation))

    def _generation(self) -> int:
        return int(getattr(self._directory, "generation", 0))


_DN_NAMES: Final = {"e": "mail"}


def run(walk: Generator[Step, None, User]) -> User:
    """What a walk comes to, its steps left aside."""
    while True:
        try:
            next(walk)
        except StopIteration as end:
            user: User = end.value
            return user


def _user(entry: EntryFound) -> Generator[Step, None, User]:
    if entry.problem:
        yield Step("entry", False, entry.problem)
        raise DirectoryUnavailable(entry.problem)
    if entry.user is None:
        words = f"{entry.dn} is no user: it needs a login name and an address"
        yield Step("entry", False, words)
        raise BadCredentials(words)
    yield Step("entry", True, f"{entry.user.uid}, account {entry.user.account}")
    return entry.user


def _spellings(subject: Rdns) -> Iterator[str]:
    """The ways in which a directory may have a subject written down, where it compares letter by letter."""
    has_email = any(kind == "e" for rdn in subject for kind, _ in rdn)
    for name in ("E", "emailAddress") if has_email else ("E",):
        named = [[(name if kind == "e" else kind.upper(), value) for kind, value in rdn] for rdn in subject]
        for separator in (",", ", "):
            yield write_dn(named, separator)
