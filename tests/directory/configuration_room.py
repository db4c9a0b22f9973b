"""Entries with settings in a directory, for the tests of configuration."""

from __future__ import annotations

from itertools import count

from tests.directory.people import SECRET, SERVERS, ssha
from tests.directory.servers import DirectoryServer

_numbers = count(1)
OWN_CLASSES = ("applicationProcess", "simpleSecurityObject", "nmsdConfig")


def entry(name: str, *lines: str, below: str = SERVERS, classes: tuple[str, ...] = OWN_CLASSES) -> str:
    """An entry with settings, in LDIF."""
    secret = [f"userPassword: {ssha(SECRET)}"] if "simpleSecurityObject" in classes else []
    told = [f"dn: cn={name},{below}", *(f"objectClass: {each}" for each in classes), f"cn: {name}", *secret, *lines]
    return "\n".join([*told, "", ""])


def setting(name: str, value: object) -> str:
    """A setting's line in LDIF."""
    return f"nmsdSetting: {name}={value}"


class Room:
    """The entries of one test: servers' own, and the one they share."""

    def __init__(self, server: DirectoryServer) -> None:
        self.server = server
        self.prefix = f"t{next(_numbers)}"
        self.shared = f"cn={self.prefix}-shared,{SERVERS}"

    def own(self, name: str = "mx") -> str:
        """The name of a server's own entry."""
        return f"cn={self.prefix}-{name},{SERVERS}"

    def add_own(self, *lines: str, name: str = "mx", classes: tuple[str, ...] = OWN_CLASSES) -> str:
        """A server's own entry."""
        self.server.add(entry(f"{self.prefix}-{name}", *lines, classes=classes))
        return self.own(name)

    def add_shared(self, *lines: str) -> str:
        """The shared entry."""
        self.server.add(entry(f"{self.prefix}-shared", *lines, classes=("applicationProcess", "nmsdConfig")))
        return self.shared

    def modify(self, dn: str, *lines: str) -> None:
        """As an administrator does with ldapmodify."""
        self.server.add("\n".join([f"dn: {dn}", "changetype: modify", *lines, "", ""]))

    def values(self, dn: str, attribute: str = "nmsdSetting") -> list[str]:
        """An attribute's values."""
        with self.server.admin() as connection:
            connection.search(dn, "(objectClass=*)", "BASE", attributes=[attribute])
            return sorted(connection.entries[0][attribute].values)

    def settings(self, url: str = "", name: str = "mx", **more: object) -> dict[str, object]:
        """What a server's file says to have its settings from here."""
        return {
            "local.ldapsiedn": self.own(name),
            "local.ldapsiecred": SECRET,
            **more,
            "local.ldaphost": url or self.server.url,
        }
