"""The LDAP directory: users in any LDAPv3 server, found by search, let in by bind.

What was found is remembered for a while (ldap_cache).  `generation` grows with everything that is to be forgotten, and
`changed_since` tells whose it was.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from nmsd.config.ldap_address import Address
from nmsd.config.setting import Config
from nmsd.directory import ldap_settings as settings
from nmsd.directory.api import Standing, User
from nmsd.directory.entry_search import EntriesFound, EntrySearch
from nmsd.directory.ldap_cache import Answer, Cache
from nmsd.directory.ldap_changes import Change
from nmsd.directory.ldap_entries import find_entries
from nmsd.directory.ldap_groups import Groups
from nmsd.directory.ldap_link import Outcome, Refusal
from nmsd.directory.ldap_names import is_below
from nmsd.directory.ldap_query import Queries, Query
from nmsd.directory.ldap_search import Record, Search
from nmsd.directory.ldap_servers import Servers
from nmsd.directory.ldap_trace import Seen, Traces
from nmsd.directory.ldap_watcher import Watcher
from nmsd.directory.password import fits, hash_password, verify_password
from nmsd.directory.runtime import Log, Runtime
from nmsd.directory.schema import schema_of
from nmsd.directory.scram import first_keys
from nmsd.directory.settings import ARGON2_MEMORY, ARGON2_TIME
from nmsd.model.errors import BadCredentials, LoginRefused
from nmsd.model.scram import ScramKeys

FLUSH_FILE: Final = "run/directory.flush"
"""Touched by `nmsd directory flush`: every process that sees a new time on it forgets what it learnt."""

_PASSWORD_EXPIRED: Final = "2.16.840.1.113730.3.4.4"  # Netscape's control: the password is right, but expired
_MOST_CHANGES: Final = 10_000

# LDAP result codes of a bind (RFC 4511 appendix A).
_INVALID_CREDENTIALS: Final = 49
_WRONG: Final = {
    _INVALID_CREDENTIALS: "wrong password",
    32: "the entry is gone",  # noSuchObject
    48: "the entry has no password",  # inappropriateAuthentication
}
_REFUSED: Final = frozenset((19, 50, 53))  # constraintViolation, insufficientAccessRights, unwillingToPerform: policies

_Key = tuple[str, str]


class LdapDirectory:
    """The back end.  `clock` gives seconds that only go forward."""

    def __init__(self, config: Config, runtime: Runtime, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._runtime = runtime
        self._log = log
        self.schema = schema_of(config)
        self.queries = Queries(config, self.schema)
        self.servers = Servers(config, log, clock)
        self.search = Search(config, self.servers, self.schema, self.queries.attributes, log, clock)
        self._traces = Traces(clock)
        self._groups = Groups(config, self.servers, log, clock)
        self._cache: Cache[Record] = Cache(
            lambda: config[settings.CACHE_SIZE],
            lambda: config[settings.CACHE_TTL],
            lambda: config[settings.NEGATIVE_TTL],
            clock,
        )
        self._generation = 1
        self._all_changed = 1
        self._changed: dict[str, int] = {}
        self._dummy = ""
        self._flush_path = os.path.join(config.instance, FLUSH_FILE)
        self._flushed = _modified(self._flush_path)
        self._watcher: Watcher | None = None
        self._told: Callable[[str], None] = lambda dn: None

    # The contract

    def find(self, login: str) -> User | None:
        """As the contract says."""
        return self._known(("login", login.lower()), self.queries.login, login)

    def find_recipient(self, address: str) -> User | None:
        """As the contract says."""
        return self._known(("recipient", address.lower()), self.queries.recipient, address)

    def authenticate(self, login: str, password: str) -> User:
        """As the contract says.  Somebody nobody knows costs as much as a wrong password."""
        if not password:
            # Servers take a bind without a password for an anonymous one and let it succeed (RFC 4513 §5.1.2).
            raise BadCredentials("empty password")
        key = ("login", login.lower())
        remembered = self._remembered(key)
        record = None if remembered is None else remembered.value
        is_fresh = record is None
        if record is None:
            record = self._look_up(key, self.queries.login(login), login)
        if record is None:
            self._check_nobody(password)
            raise BadCredentials("no such user")
        user = record.answer()
        try:
            self._check(user.dn, password, record.at)
        except BadCredentials:
            # The entry may have been moved, or made anew elsewhere, since it was remembered.
            moved = None if is_fresh else self._look_up(key, self.queries.login(login), login)
            if moved is None or moved.answer().dn == user.dn:
                raise
            user = moved.answer()
            self._check(user.dn, password, moved.at)
        self._traces.bound(user.dn)
        return user

    def accounts(self) -> Iterator[User]:
        """As the contract says.  Entries that cannot be understood are logged and left out."""
        return self.search.everybody(self.queries.everybody())

    def groups_of(self, user: User) -> frozenset[str]:
        """As the contract says."""
        return self._groups.groups_of(user) if self.generation else frozenset()  # which looks whether to forget

    def is_member(self, user: User, group: str) -> bool:
        """As the contract says."""
        return self._groups.is_member(user, group) if self.generation else False

    def find_entries(self, search: EntrySearch) -> EntriesFound:
        """As the contract says."""
        return find_entries(self._config, self.servers, self.schema, self.queries, search)

    def scram_keys(self, login: str) -> ScramKeys | None:
        """As the contract says.  They are read anew each time: a changed password counts at once.  Somebody nobody
        knows costs as much as anybody."""
        user = self.find(login)
        values = self.search.scram(self._config[settings.BASE] if user is None else user.dn)
        return None if user is None else first_keys(values)

    # What was learnt

    @property
    def generation(self) -> int:
        """Grows with all that is to be forgotten; looks whether everything is to be, now."""
        flushed = _modified(self._flush_path)
        if flushed != self._flushed:
            self._flushed = flushed
            self.forget()
        return self._generation

    def changed_since(self, user: User, generation: int) -> bool:
        """Whether what was learnt of the user at that generation is to be forgotten."""
        return max(self._all_changed, self._changed.get(user.dn.lower(), 0)) > generation

    def forget(self) -> None:
        """Forgets all that was learnt."""
        self._generation += 1
        self._all_changed = self._generation
        self._changed.clear()
        self._cache.clear()
        self._groups.forget()

    def forget_entry(self, dn: str) -> None:
        """An entry changed: forgets what was learnt of it, and who was nobody."""
        if len(self._changed) >= _MOST_CHANGES:
            self.forget()
        self._generation += 1
        self._changed[dn.lower()] = self._generation
        self._cache.drop_entry(dn)
        self._cache.drop_nobody()

    def start(self, told: Callable[[str], None]) -> None:
        """What the back end of a worker does beside look-ups: it has changes pushed, if the settings say so; `told` is
        called with the name of each entry that changed, when it is forgotten, or with '' when any may have."""
        if self._config[settings.PUSH]:
            self._told = told
            self.watch()

    def watch(self) -> Watcher:
        """Has the servers push their changes, from now on, to a thread (or greenlet) of its own."""
        if self._watcher is None:
            self._watcher = Watcher(self._config, self.servers, self._log, self._changed_entry, self._changed_any)
        return self._watcher

    def _changed_entry(self, change: Change) -> None:
        before = self._traces.name_of(change.identity)
        for dn in {change.dn, before}:
            self._groups.forget_entry(dn)
            if dn and is_below(dn, self._config[settings.BASE]):
                self.forget_entry(dn)
                # Who has logged in since an entry was made is not told of that as of a change.
                if not change.is_made or before not in ("", dn):
                    self._told(dn)

    def _changed_any(self) -> None:
        self.forget()
        self._told("")

    # Users in sessions

    def is_known_well(self, dn: str) -> bool:
        """Whether enough was seen of a user's entry to tell a new password by, or nobody tells of one anyway; else
        `look_again` is to be called once, soon after the login."""
        if not self._is_watched():
            return True
        seen = self._traces.get(dn)
        return seen is not None and bool(seen.shown or any(seen.marks))

    def nobody_cares(self, dn: str) -> None:
        """The entry changed, and its user has no session: no one will look again."""
        self._traces.stale(dn)

    def only_these_count(self, dns: set[str]) -> None:
        """Any entry may have changed; of these, in lower case, somebody will look again."""
        self._traces.stale_but(dns)

    def look_again(self, account: str, dn: str, pushed: bool) -> Standing:
        """What has become of a user in a session, whose entry was called `dn`; `pushed`: the server told that it
        changed.  Raises DirectoryUnavailable, AmbiguousEntry."""
        old = self._traces.get(dn)
        record = self.search.look_again(dn)
        if record is None:
            record = self._moved(account, dn, old)
        if record is None:
            self._traces.drop(dn)
            return Standing(None)
        user, new = record.answer(), record.seen
        is_new = is_gone = False
        if new is not None:
            if old is not None and old.is_another(new):
                is_gone = not self._traces.has_just_bound(dn)
            elif old is not None:
                is_new = self._traces.is_new_password(dn, old, new, pushed, self._config[settings.UNSEEN])
            self._traces.drop(dn)
            self._traces.replace(user.dn, new)
        return Standing(user if user.account == account and not is_gone else None, is_new)

    def _moved(self, account: str, dn: str, old: Seen | None) -> Record | None:
        """The entry of this account under its new name, if it is the same entry."""
        query = self.queries.login(account)
        found = None if query is None else self.search.find(query, account)
        if found is None or found.user is None or found.seen is None or old is None:
            return None
        if not old.identity or found.seen.identity != old.identity:
            return None
        return self.search.look_again(found.user.dn) if found.at is None else found

    def close(self) -> None:
        """Ends the watch, and closes the connections."""
        if self._watcher is not None:
            self._watcher.stop()
        self.servers.close()

    def _known(self, key: _Key, query: Callable[[str], Query | None], name: str) -> User | None:
        remembered = self._remembered(key)
        if remembered is not None:
            record = remembered.value
        else:
            record = self._look_up(key, query(name), name)
        return None if record is None else record.answer()

    def _remembered(self, key: _Key) -> Answer[Record] | None:
        generation = self.generation  # which looks whether there is a flush to obey
        return self._cache.get(key) if generation else None

    def _look_up(self, key: _Key, query: Query | None, name: str) -> Record | None:
        """Asks the directory, and remembers.  Raises DirectoryUnavailable, and remembers nothing of that."""
        if query is None:
            return None
        generation = self._generation
        record = self.search.find(query, name)
        if generation == self._generation:  # else the answer may be from before a change
            if record is None or record.user is None:
                self._cache.put(key, record, brief=True)
            else:
                self._cache.put(key, record, record.user.dn)
        if record is not None and record.user is not None and record.seen is not None:
            self._see(record.user.dn, record.seen)
        return record

    def _see(self, dn: str, seen: Seen) -> None:
        old = self._traces.get(dn)
        if old is not None and not old.is_stale and self._is_news(old, seen):
            self.forget_entry(dn)
            self._told(dn)
        self._traces.note(dn, seen)

    def _is_news(self, old: Seen, seen: Seen) -> bool:
        """Whether what was seen is what nobody pushes, or has not pushed yet."""
        return old.is_another(seen) or (old.version != seen.version and not self._is_watched())

    def _is_watched(self) -> bool:
        return self._watcher is not None and self._watcher.watching is not None

    # Passwords

    def _check(self, dn: str, password: str, at: Address | None) -> None:
        """Raises BadCredentials, LoginRefused, DirectoryUnavailable unless the password is the entry's."""
        if self._config[settings.AUTH_METHOD] == "compare":
            stored = self.search.passwords(dn, at)
            if not stored:
                raise BadCredentials("the entry shows no password")
            if not self._runtime.offload(lambda: fits(stored, password)):
                raise BadCredentials("wrong password")
            return
        outcome = self._bind(dn, password, at)
        if outcome.is_success:
            return
        if outcome.code == _INVALID_CREDENTIALS and _PASSWORD_EXPIRED in outcome.controls:
            raise LoginRefused("The password has expired", "EXPIRED")
        if outcome.code in _WRONG:
            raise BadCredentials(_WRONG[outcome.code])
        if outcome.code in _REFUSED:
            raise BadCredentials(f"the directory refuses the bind, {outcome}")
        raise Refusal(f"the directory does not take binds, {outcome}")

    def _check_nobody(self, password: str) -> None:
        """Takes as long as a check of a user's password."""
        if self._config[settings.AUTH_METHOD] == "compare":
            if not self._dummy:
                self._dummy = hash_password("", self._config[ARGON2_MEMORY], self._config[ARGON2_TIME])
            self._runtime.offload(lambda: verify_password(self._dummy, password))
            return
        self._bind(f"{self.schema.uid[0]}=nobody,{self._config[settings.BASE]}", password)

    def _bind(self, dn: str, password: str, at: Address | None = None) -> Outcome:
        seconds = self._config[settings.TIMEOUT]
        return self.servers.bind(lambda link: link.bind(dn, password, seconds), at)


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
