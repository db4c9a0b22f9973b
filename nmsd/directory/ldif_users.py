"""The users of the embedded directory as an administrator changes them: what `nmsd user` and the console do.

Every change is checked against the file as it is when the file is locked for it; what is wrong with it is an NmsdError
that says so, and the file is then as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from nmsd.config import kinds
from nmsd.config.services import DEFAULT_DOMAIN
from nmsd.config.setting import Config
from nmsd.directory import settings
from nmsd.directory.api import User
from nmsd.directory.entry_search import CERTIFICATE, CERTIFICATE_NAMES
from nmsd.directory.ldap_settings import HOSTS
from nmsd.directory.ldif_edit import edit_ldif, people_dn, user_entry
from nmsd.directory.ldif_file import Entry, LdifError, LdifFile, parse_ldif
from nmsd.directory.password import hash_password
from nmsd.directory.schema import schema_of, value
from nmsd.directory.scram import make_keys, write_keys
from nmsd.directory.users import BadEntry, read_user
from nmsd.model.errors import NmsdError
from nmsd.wire.errors import BadSyntax

MOST_PASSWORD: Final = 1024
STATUSES: Final = ("active", "inactive", "deleted")
SERVICES: Final = ("imap", "pop", "smtp")
"""What may be denied to a user."""


class NoSuchUser(NmsdError):
    """Nobody has the name."""


class UserExists(NmsdError):
    """Somebody has the name or address already."""


@dataclass(frozen=True)
class NewUser:
    """What is said of a user to be added.  `name` is the login name, with or without the domain; an empty `mail` is
    that name at the default domain; `quota` is text as `quota` takes it, empty for the server's default."""

    name: str
    full_name: str = ""
    mail: str = ""
    aliases: Sequence[str] = ()
    quota: str = ""


@dataclass(frozen=True)
class Changes:
    """What is to become of a user; None leaves a thing as it is.  An empty `quota` is the server's default."""

    full_name: str | None = None
    aliases: Sequence[str] | None = None
    quota: str | None = None
    status: str | None = None
    denied: Sequence[str] | None = None


class LdifUsers:
    """The users in the file that the settings name.

    `check_address` gives an address in the form it is kept in and raises NmsdError for what is none.
    """

    def __init__(self, config: Config, check_address: Callable[[str], str]) -> None:
        self._config = config
        self._check_address = check_address

    @property
    def domain(self) -> str:
        """The domain of names that have none."""
        return self._config[DEFAULT_DOMAIN].lower()

    # Looking

    def users(self) -> list[User]:
        """All of them.  Raises NmsdError."""
        return [found for _, found in self._in(self._read())]

    def find(self, name: str) -> User:
        """The one user of this login name or address.  Raises NmsdError."""
        return self._find(self._read(), name)[1]

    def own_quota(self, name: str) -> str:
        """The quota that a user's own entry has, as it is typed; '' for the server's default.  Raises NmsdError."""
        entry, _ = self._find(self._read(), name)
        text = value(entry.attributes(), schema_of(self._config).size_quota)
        if text.isdecimal():
            return str(kinds.size(0, 1 << 62).write(int(text)))
        return "" if text == "-2" else text

    # Changing

    def add(self, new: NewUser, password: Callable[[], str]) -> User:
        """Adds a user; `password` is asked for one that is checked and hashed once all else is good.  Raises
        NmsdError."""
        uid, mail = self._names(new.name, new.mail)
        addresses = [self._alias(alias) for alias in new.aliases]
        size = self._quota(new.quota) if new.quota else None
        self._check_free(self._read(), uid, [mail, *addresses])
        hashed = self._hash(password())
        with self._edited() as file:
            self._check_free(file, uid, [mail, *addresses])
            dn, attributes = user_entry(
                uid,
                people_dn(file, self.domain),
                name=_one_line(new.full_name),
                mail=mail,
                aliases=addresses,
                passwords=hashed,
                quota=size,
            )
            if any(entry.dn.lower() == dn.lower() for entry in file.entries()):
                raise NmsdError(f"there is an entry {dn} already")
            file.add(dn, attributes)
            return self._find(file, uid)[1]

    def set_password(self, name: str, password: Callable[[], str]) -> User:
        """Gives a user another password.  Raises NmsdError."""
        self.find(name)
        hashed = self._hash(password())
        with self._edited() as file:
            entry, found = self._find(file, name)
            entry.replace(self._config[settings.PASSWORD][0], hashed)
        return found

    def change(self, name: str, changes: Changes) -> User:
        """Changes a user, and gives him as he is then.  Raises NmsdError."""
        with self._edited() as file:
            entry, found = self._find(file, name)
            for attribute, values in self._attributes(file, entry, found, changes):
                entry.replace(attribute, values)
            return self._find(file, found.uid)[1]

    def remove(self, name: str) -> User:
        """Removes a user; the mail stays in the store.  Raises NmsdError."""
        with self._edited() as file:
            entry, found = self._find(file, name)
            file.remove(entry)
        return found

    # Certificates

    def certificates(self, name: str) -> list[bytes]:
        """The certificates in a user's entry, in DER.  Raises NmsdError."""
        return _certificates(self._find(self._read(), name)[0])

    def add_certificate(self, name: str, der: bytes) -> User:
        """Adds a certificate to a user's entry.  Raises NmsdError."""
        with self._edited() as file:
            entry, found = self._find(file, name)
            there = _certificates(entry)
            if der in there:
                raise NmsdError(f"{found.uid} has this certificate already")
            _set_certificates(entry, [*there, der])
        return found

    def remove_certificates(self, name: str, unwanted: Sequence[bytes]) -> User:
        """Takes certificates from a user's entry.  Raises NmsdError."""
        with self._edited() as file:
            entry, found = self._find(file, name)
            _set_certificates(entry, [der for der in _certificates(entry) if der not in unwanted])
        return found

    # The file

    def path(self) -> str:
        """Where it is.  Raises NmsdError where the users are in LDAP."""
        hosts = self._config[HOSTS]
        if hosts:
            raise NmsdError(f"the users are in the directory at {hosts[0]} ({HOSTS.name}); change them there")
        return self._config.path(settings.LDIF_FILE)

    def _read(self) -> LdifFile:
        path = self.path()
        with open(path, "rb") as file:
            data = file.read()
        try:
            return parse_ldif(data)
        except LdifError as error:
            raise NmsdError(f"{path}: {error}") from None

    @contextmanager
    def _edited(self) -> Iterator[LdifFile]:
        path = self.path()
        try:
            with edit_ldif(path) as file:
                yield file
        except LdifError as error:
            raise NmsdError(f"{path}: {error}") from None

    def _in(self, file: LdifFile) -> Iterator[tuple[Entry, User]]:
        schema = schema_of(self._config)
        quotas = {*schema.size_quota, *schema.message_quota}
        for entry in file.entries():
            attributes = entry.attributes()
            try:
                found = read_user(entry.dn, attributes, schema, self._config, self.domain)
            except BadEntry:  # its quota is; this is where that is mended
                rest = {name: values for name, values in attributes.items() if name not in quotas}
                found = read_user(entry.dn, rest, schema, self._config, self.domain)
            if found is not None:
                yield entry, found

    def _find(self, file: LdifFile, name: str) -> tuple[Entry, User]:
        wanted, domain = name.lower(), self.domain
        names = {wanted} if "@" in wanted or not domain else {wanted, f"{wanted}@{domain}"}
        short = wanted.removesuffix(f"@{domain}") if domain else wanted
        found = [
            (entry, one)
            for entry, one in self._in(file)
            if one.uid.lower() in {wanted, short} or names & {one.account, *one.aliases}
        ]
        if not found:
            raise NoSuchUser(f"there is no user {name}; `nmsd user list` shows them")
        if len(found) > 1:
            raise NmsdError(f"{name} is more than one user: " + ", ".join(one.dn for _, one in found))
        return found[0]

    def _check_free(self, file: LdifFile, uid: str, addresses: Sequence[str], but: str = "") -> None:
        """Raises NmsdError if somebody but the user with the dn `but` has the login name or one of the addresses."""
        for entry, one in self._in(file):
            if entry.dn.lower() == but.lower():
                continue
            if one.uid.lower() == uid.lower():
                raise UserExists(f"there is a user {one.uid} already; `nmsd user passwd` changes the password")
            for address in addresses:
                if address in (one.account, *one.aliases):
                    raise UserExists(f"{address} is {one.uid}'s already")

    # What is given

    def _attributes(
        self, file: LdifFile, entry: Entry, found: User, changes: Changes
    ) -> Iterator[tuple[str, list[str]]]:
        config, there = self._config, entry.attributes()
        if changes.full_name is not None:
            name = _one_line(changes.full_name) or found.uid
            yield _present(config[settings.NAME], there), [name]
        if changes.aliases is not None:
            aliases = [self._alias(alias) for alias in dict.fromkeys(changes.aliases)]
            self._check_free(file, found.uid, aliases, entry.dn)
            yield _present(config[settings.ALIAS], there), [alias for alias in aliases if alias != found.account]
        if changes.quota is not None:
            size = [str(self._quota(changes.quota))] if changes.quota else []
            yield _present(config[settings.SIZE_QUOTA], there), size
        if changes.status is not None:
            if changes.status not in STATUSES:
                raise NmsdError(f"{changes.status}: no status; there are {', '.join(STATUSES)}")
            yield _present(config[settings.STATUS], there), [changes.status]
            if changes.status == "active":
                # It counts where the user's own is active, so it would keep him out.
                yield from ((name, []) for name in config[settings.MAIL_STATUS] if name.lower() in there)
        if changes.denied is not None:
            unknown = set(changes.denied) - set(SERVICES)
            if unknown:
                raise NmsdError(f"{', '.join(sorted(unknown))}: no service; there are {', '.join(SERVICES)}")
            denied = [name for name in SERVICES if name in changes.denied]
            yield _present(config[settings.DENIED], there), [", ".join(denied)] if denied else []

    def _names(self, name: str, mail: str) -> tuple[str, str]:
        """The login name and the primary address that a name and an address, if one is given, come to."""
        domain = self.domain
        local, _, own = name.lower().rpartition("@") if "@" in name else (name.lower(), "", domain)
        if not mail and not own:
            raise NmsdError(f"which domain is {name} in? give NAME@DOMAIN, or set {DEFAULT_DOMAIN.name}")
        uid = local if own == domain else name.lower()
        return uid, self._check_address(mail or f"{local}@{own}")

    def _alias(self, text: str) -> str:
        check = self._check_address
        return "@" + check("x" + text).partition("@")[2] if text.startswith("@") else check(text)

    def _quota(self, text: str) -> int:
        if text == "-1":
            return -1
        try:
            size = kinds.size(0, 1 << 50).parse(text)
        except ValueError as error:
            raise NmsdError(f"quota {text}: {error}") from None
        if size == 0 and self._config[settings.ZERO_QUOTA] == "refuse":
            name = settings.ZERO_QUOTA.name
            raise NmsdError(f"quota 0: no limit or no room? -1 is no limit; {name} says what 0 means")
        return size

    def _hash(self, password: str) -> list[str]:
        """The password in all the forms that are kept."""
        if not password:
            raise NmsdError("the password is empty; nothing was changed")
        if len(password) > MOST_PASSWORD or any(sign < " " for sign in password):
            raise NmsdError(f"a password has at most {MOST_PASSWORD} characters, none of them a control character")
        config = self._config
        forms = [hash_password(password, config[settings.ARGON2_MEMORY], config[settings.ARGON2_TIME])]
        if config[settings.STORE_SCRAM]:
            try:
                forms.append(write_keys(make_keys(password, config[settings.SCRAM_ITERATIONS])))
            except BadSyntax as error:
                raise NmsdError(f"{error}; SCRAM takes no such password") from None
        return forms


def _certificates(entry: Entry) -> list[bytes]:
    return [value.encode("utf-8", "surrogateescape") for value in entry.attributes().get(CERTIFICATE, ())]


def _set_certificates(entry: Entry, certificates: Sequence[bytes]) -> None:
    values = [der.decode("utf-8", "surrogateescape") for der in certificates]
    entry.replace(CERTIFICATE_NAMES[0], values)


def _present(names: tuple[str, ...], there: dict[str, list[str]]) -> str:
    """Of the attribute's names the one that the entry has, else the first."""
    return next((name for name in names if name.lower() in there), names[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())
