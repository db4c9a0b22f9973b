"""The embedded directory: the users in one LDIF file, re-read when it changes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace

from nmsd.config.services import DEFAULT_DOMAIN
from nmsd.config.setting import Config
from nmsd.directory.api import Standing, User
from nmsd.directory.entry_search import MOST_ENTRIES, EntriesFound, EntryFound, EntrySearch
from nmsd.directory.ldif_entries import LdifEntries
from nmsd.directory.ldif_file import parse_ldif
from nmsd.directory.ldif_groups import LdifGroups
from nmsd.directory.password import fits, hash_password, verify_password
from nmsd.directory.runtime import Log, Runtime
from nmsd.directory.schema import Attributes, Schema, schema_of, values
from nmsd.directory.scram import first_keys
from nmsd.directory.settings import ARGON2_MEMORY, ARGON2_TIME, LDIF_FILE
from nmsd.directory.users import BadEntry, read_user
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable, NmsdError
from nmsd.model.scram import ScramKeys

_Stamp = tuple[int, int, int]


class _Record:
    """A user with what only the directory may see.  `problem`: what is wrong with the entry, '' for nothing."""

    __slots__ = ("passwords", "problem", "user")

    def __init__(self, user: User, passwords: tuple[str, ...], problem: str) -> None:
        self.user = user
        self.passwords = passwords
        self.problem = problem


class _Users:
    """The users of one state of the file, by login name and by address, and its groups."""

    groups: LdifGroups

    def __init__(self) -> None:
        self.records: list[_Record] = []
        self.by_uid: dict[str, list[_Record]] = {}
        self.by_address: dict[str, list[_Record]] = {}
        self.entries: LdifEntries | None = None  # read when somebody searches in them

    def described(self, entry: EntryFound) -> EntryFound:
        """The entry, with the user it describes."""
        for record in self.records:
            if record.user.dn == entry.dn:
                return replace(entry, user=record.user, problem=record.problem)
        return entry

    def add(self, record: _Record) -> None:
        user = record.user
        self.records.append(record)
        self.by_uid.setdefault(user.uid.lower(), []).append(record)
        for address in {user.account, *user.aliases}:
            self.by_address.setdefault(address, []).append(record)


class LdifDirectory:
    """The back end.

    A file that is missing, half written or wrong leaves the users there were; if there were none yet, lookups raise
    DirectoryUnavailable until it is mended.  `generation` grows with each change, so that what was learnt before one
    can be known for old.
    """

    def __init__(self, config: Config, runtime: Runtime, log: Log) -> None:
        self._generation = 0
        self._config = config
        self._schema: Schema = schema_of(config)
        self._path = config.path(LDIF_FILE)
        self._domain = config[DEFAULT_DOMAIN].lower()
        self._runtime = runtime
        self._log = log
        self._users: _Users | None = None
        self._stamp: _Stamp | None = None
        self._refused: _Stamp | None = None
        self._reading = threading.Lock()
        self._dummy = ""
        self._noted: dict[str, tuple[str, ...]] = {}
        self._refresh()

    @property
    def generation(self) -> int:
        """How many states of the file were taken over; looks whether there is another one."""
        self._refresh()
        return self._generation

    # The contract

    def find(self, login: str) -> User | None:
        """As the contract says."""
        record = self._find_login(login)
        return None if record is None else record.user

    def find_recipient(self, address: str) -> User | None:
        """As the contract says."""
        users = self._current()
        name = address.lower()
        if "@" not in name and self._domain:
            name = f"{name}@{self._domain}"
        found = users.by_address.get(name)
        if found is None:
            found = users.by_address.get(name[name.rfind("@") :], []) if "@" in name else []
        record = _only(found, address)
        return None if record is None else record.user

    def authenticate(self, login: str, password: str) -> User:
        """As the contract says.  An unknown user takes as long as a wrong password."""
        record = self._find_login(login)
        passwords = () if record is None else record.passwords
        if not self._runtime.offload(lambda: self._verify(passwords, password)) or record is None:
            raise BadCredentials("no such user" if record is None else "wrong password")
        self._noted.setdefault(record.user.dn.lower(), passwords)
        return record.user

    def accounts(self) -> Iterator[User]:
        """As the contract says."""
        for record in self._current().records:
            yield record.user

    def groups_of(self, user: User) -> frozenset[str]:
        """As the contract says."""
        return self._current().groups.groups_of(user)

    def is_member(self, user: User, group: str) -> bool:
        """As the contract says."""
        return self._current().groups.is_member(user, group)

    # Users in sessions

    def is_known_well(self, dn: str) -> bool:
        """Whether a new password can be told; else `look_again` is to be called once, soon after the login."""
        return dn.lower() in self._noted

    def nobody_cares(self, dn: str) -> None:
        """Nothing is kept for those who do."""

    def only_these_count(self, dns: set[str]) -> None:
        """Of the others no password is remembered but one that holds: he may be logging in just now."""
        users = self._users
        now = {} if users is None else {each.user.dn.lower(): each.passwords for each in users.records}
        self._noted = {dn: old for dn, old in self._noted.items() if dn in dns or now.get(dn) == old}

    def look_again(self, account: str, dn: str, pushed: bool) -> Standing:
        """What has become of a user in a session, whose entry was called `dn`.  Raises DirectoryError."""
        record = self._find_login(account)
        if record is None or record.user.account != account or record.user.dn.lower() != dn.lower():
            return Standing(None)
        key = dn.lower()
        old = self._noted.get(key)
        self._noted[key] = record.passwords
        return Standing(record.user, old is not None and old != record.passwords)

    def find_entries(self, search: EntrySearch) -> EntriesFound:
        """As the contract says."""
        users = self._current()
        if users.entries is None:
            users.entries = self._runtime.offload(self._read_entries)
        found = users.entries.find(search, MOST_ENTRIES)
        return replace(found, entries=tuple(users.described(entry) for entry in found.entries))

    def scram_keys(self, login: str) -> ScramKeys | None:
        """As the contract says."""
        record = self._find_login(login)
        return None if record is None else first_keys(record.passwords)

    # Looking up

    def _find_login(self, login: str) -> _Record | None:
        users = self._current()
        name = login.lower()
        found = list(users.by_uid.get(name, ()))
        local, at, domain = name.rpartition("@")
        if not at:
            if self._domain:
                found += users.by_address.get(f"{name}@{self._domain}", ())
        elif local:  # a catch-all is nobody's login
            found += users.by_address.get(name, ())
            if domain == self._domain:
                found += users.by_uid.get(local, ())
        return _only(found, login)

    def _verify(self, passwords: tuple[str, ...], password: str) -> bool:
        if not passwords:
            if not self._dummy:
                self._dummy = hash_password("", self._config[ARGON2_MEMORY], self._config[ARGON2_TIME])
            verify_password(self._dummy, password)
            return False
        return fits(passwords, password)

    # Reading

    def _current(self) -> _Users:
        self._refresh()
        if self._users is None:
            raise DirectoryUnavailable(f"{self._path} cannot be read; the log says why")
        return self._users

    def _refresh(self) -> None:
        """Takes over a change of the file.  Whoever comes while that goes on waits for it: a user who was added before
        the question was asked is found."""
        if self._file_stamp() == self._stamp:
            return
        with self._reading:
            stamp = self._file_stamp()
            if stamp == self._stamp:
                return
            try:
                self._users = self._runtime.offload(self._read)
                self._generation += 1
            except (NmsdError, OSError) as error:
                if stamp != self._refused:
                    self._refused = stamp
                    kept = "" if self._users is None else "; the users before the change stay"
                    self._log("Error", "Account", f"{self._path}: {error}{kept}")
                if isinstance(error, OSError):
                    return  # perhaps it can be read the next time
            # Only what was looked at is known, not where a kill came in between; a change while it was read will show.
            self._stamp = stamp

    def _file_stamp(self) -> _Stamp:
        try:
            status = os.stat(self._path)
        except OSError:
            return (0, 0, 0)
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def _read_entries(self) -> LdifEntries:
        try:
            with open(self._path, "rb") as file:
                return LdifEntries(parse_ldif(file.read()).entries())
        except (NmsdError, OSError) as error:
            raise DirectoryUnavailable(f"{self._path} cannot be read: {error}") from None

    def _read(self) -> _Users:
        with open(self._path, "rb") as file:
            data = file.read()
        users = _Users()
        entries: list[tuple[str, Attributes]] = []
        schema = self._schema
        quotas = {*schema.size_quota, *schema.message_quota}
        for entry in parse_ldif(data).entries():
            attributes = entry.attributes()
            entries.append((entry.dn, attributes))
            problem = ""
            try:
                user = read_user(entry.dn, attributes, schema, self._config, self._domain)
            except BadEntry as error:
                problem = str(error)
                self._log("Warning", "Account", problem)
                rest = {name: found for name, found in attributes.items() if name not in quotas}
                user = read_user(entry.dn, rest, schema, self._config, self._domain)
            if user is not None:
                users.add(_Record(user, tuple(values(attributes, schema.password)), problem))
        users.groups = LdifGroups(self._config, entries, lambda words: self._log("Warning", "Account", words))
        return users


def _only(found: list[_Record], name: str) -> _Record | None:
    """The one record there is, or None.  Raises AmbiguousEntry, DirectoryUnavailable (a bad entry)."""
    if not found:
        return None
    first = found[0]
    for other in found:
        if other is not first:
            raise AmbiguousEntry(f"{name} is both {first.user.dn} and {other.user.dn}")
    if first.problem:
        raise DirectoryUnavailable(first.problem)
    return first
