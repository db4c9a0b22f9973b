"""The directory's contract: who is this, and may they come in?

Back ends: `ldif` (one file) and `ldap`.  Passwords are checked off the event loop through the Runtime that the back end
is given.  Errors are model.errors' DirectoryError kinds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from nmsd.directory.entry_search import EntriesFound, EntrySearch
from nmsd.model.message import NO_QUOTA, Quota
from nmsd.model.scram import ScramKeys


@dataclass(frozen=True)
class User:
    """A directory entry, as far as mail is concerned.

    `account` is the store's name of the mailbox: the entry's primary mail address in lower case.  `is_anonymous`: it is
    not he himself who logged in, but anybody, who may read and change nothing.  `status` is the first
    of inetUserStatus and mailUserStatus that is not "active" (an unknown word is "inactive"), else "active".
    `denied_services` holds the service names (imap, pop, smtp) of nsmsgDisallowAccess; `access_rules` are those of
    mailAllowedServiceAccess as they are written, `access_domains` the values of mailAccessDomain.  `mail_host` is the
    server that holds the mailbox, '' for this one; `delivery` are the words of mailDeliveryOption, none for "mailbox".
    `partition` is the nickname in mailMessageStore, '' for the default one.
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
    is_anonymous: bool = False
    partition: str = ""


@dataclass(frozen=True)
class Standing:
    """What became of a user who is in a session: himself, None if his entry is gone or is another account's now; and
    whether his password is another one."""

    user: User | None
    has_new_password: bool = False


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

    def groups_of(self, user: User) -> frozenset[str]:
        """The groups that a user is in, himself or through others, by distinguished name (small letters, no spaces that
        do not count).  Raises DirectoryUnavailable."""

    def is_member(self, user: User, group: str) -> bool:
        """Whether a user is in the group of this name, mail address or distinguished name.  A name that several groups
        have is nobody's.  Raises DirectoryUnavailable."""

    def scram_keys(self, login: str) -> ScramKeys | None:
        """What the directory holds of a user's password for SCRAM; None for nobody, or if it holds nothing.  Raises
        AmbiguousEntry, DirectoryUnavailable."""

    def find_entries(self, search: EntrySearch) -> EntriesFound:
        """Entries by what is in them, a few at most: more than one is too many for whoever asks.  Raises
        DirectoryUnavailable."""


class Tokens(Protocol):
    """What judges bearer tokens."""

    def user_name(self, token: str) -> str:
        """The login name or address of whom the token stands for.  Raises BadCredentials, DirectoryUnavailable."""


class CertificateUsers(Protocol):
    """Whose a client's certificate is."""

    def user_of(self, certificate: bytes) -> User:
        """The user whom a verified certificate (DER) stands for.  Raises BadCredentials with the reason, for the log,
        AmbiguousEntry, DirectoryUnavailable."""

    def subject_of(self, certificate: bytes) -> str:
        """Its subject, for the log."""


class Gate(Protocol):
    """The way in, for all services: throttling, the authentication cache, the directory, status and access rules, and
    the log line for each login, good or bad."""

    def login(
        self, service: str, login: str, password: str, address: str, authorize: str = "", method: str = "plaintext"
    ) -> User:
        """The user who is now logged in.  `service` is imap, imaps, pop or pops: access rules tell sessions with TLS
        apart.  `authorize` names another account to act as (administrators only).  `method` is how, for the log.  May
        block its greenlet.  Raises BadCredentials, LoginRefused, DirectoryUnavailable."""

    def login_certificate(
        self, service: str, certificate: bytes, address: str, authorize: str = "", greeting: bool = False
    ) -> User:
        """The user whom a client's verified certificate (DER) stands for, by the rules of certmap.conf; else as
        `login`: BadCredentials where it stands for nobody.  `greeting`: the client did not ask for it."""

    def login_anonymous(self, service: str, trace: str, address: str) -> User:
        """The user whose mail anonymous clients read, with `is_anonymous`; `trace` is what the client says of itself.
        Raises as `login`."""

    def login_token(self, service: str, token: str, address: str, authorize: str, method: str) -> User:
        """The user whom a bearer token stands for; else as `login`."""

    def scram_keys(self, login: str) -> ScramKeys:
        """What a SCRAM proof is to be checked with; for users without, keys that look like any and fit no password.
        May block its greenlet.  Raises DirectoryUnavailable."""

    def login_scram(self, service: str, login: str, is_proven: bool, address: str, authorize: str, method: str) -> User:
        """The user, if the proof was right (`is_proven`); else as `login` with a wrong password."""

    def act_as(self, service: str, user: User, authorize: str, address: str) -> User:
        """The user whom an administrator who is logged in wants to act as from now on.  Raises as `login`."""
