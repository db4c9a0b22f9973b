"""The directory's contract: who is this, and may they come in?

Back ends: `ldif` (one file) and `ldap`.  Passwords are checked off the event loop through the Runtime that the back end
is given.  Errors are model.errors' DirectoryError kinds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from nmsd.directory.entry_search import EntriesFound, EntrySearch
from nmsd.model.message import NO_QUOTA, Quota


@dataclass(frozen=True)
class User:
    """A directory entry, as far as mail is concerned.

    `account` is the store's name of the mailbox: the entry's primary mail address in lower case.  `status` is the first
    of inetUserStatus and mailUserStatus that is not "active" (an unknown word is "inactive"), else "active".
    `denied_services` holds the service names (imap, pop, smtp) of nsmsgDisallowAccess; `access_rules` are those of
    mailAllowedServiceAccess as they are written, `access_domains` the values of mailAccessDomain.  `mail_host` is the
    server that holds the mailbox, '' for this one; `delivery` are the words of mailDeliveryOption, none for "mailbox".
    """

    dn: str
    uid: str
    account: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    status: str = "active"
    quota: Quota = NO_QUOTA
    denied_services: frozenset[str] = frozenset()
    access_rules: tuple[str, ...] = ()
    access_domains: tuple[str, ...] = ()
    mail_host: str = ""
    delivery: tuple[str, ...] = ()


class Directory(Protocol):
    """A back end."""

    def find(self, login: str) -> User | None:
        """The user of this login name: uid, mail or mailAlternateAddress, the domain optional; None if there is none.
        Raises AmbiguousEntry, DirectoryUnavailable."""

    def find_recipient(self, address: str) -> User | None:
        """The user who gets mail for `address` (no subaddress in it): mail or mailAlternateAddress, else a catch-all
        `@domain`.  Raises as `find`."""

    def authenticate(self, login: str, password: str) -> User:
        """The user, if the password is right.  Raises BadCredentials, AmbiguousEntry, DirectoryUnavailable.  Status and
        access rules are the caller's to check: `users.admit`."""

    def accounts(self) -> Iterator[User]:
        """All users."""

    def find_entries(self, search: EntrySearch) -> EntriesFound:
        """Entries by what is in them, a few at most: more than one is too many for whoever asks.  Raises
        DirectoryUnavailable."""


class Gate(Protocol):
    """The way in, for all services: throttling, the authentication cache, the directory, status and access rules, and
    the log line for each login, good or bad."""

    def login(self, service: str, login: str, password: str, address: str, authorize: str = "") -> User:
        """The user who is now logged in.  `service` is imap, imaps, pop or pops: access rules tell sessions with TLS
        apart.  `authorize` names another account to act as (administrators only).  May block its
        greenlet.  Raises BadCredentials, LoginRefused, DirectoryUnavailable."""

    def login_certificate(self, service: str, certificate: bytes, address: str, authorize: str = "") -> User:
        """The user whom a client's verified certificate (DER) stands for, by the rules of certmap.conf; else as
        `login`, and LoginRefused too where it stands for nobody."""
