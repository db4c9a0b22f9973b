"""A search for one entry by what is in it, the same for every back end; and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nmsd.directory.dn import normal, normal_value, parse_dn

if TYPE_CHECKING:
    from nmsd.directory.api import User

MOST_ENTRIES: Final = 10  # two are too many already
CERTIFICATE: Final = "usercertificate"
CERTIFICATE_NAMES: Final = ("userCertificate;binary", "userCertificate")

# What stands for itself in a filter; all else, legal or not (RFC 4515 §3), is escaped: values come out of certificates.
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._-=,:/' ")


@dataclass(frozen=True)
class Term:
    """One of these attributes has one of these values; `is_dn`: they are names, and compared as such."""

    names: tuple[str, ...]
    values: tuple[str, ...]
    is_dn: bool = False

    def key(self, value: str) -> object:
        """What two values that are the same have in common; None for what is nothing."""
        if not self.is_dn:
            return normal_value(value) or None
        try:
            return normal(parse_dn(value)) or None
        except ValueError:
            return None

    def filter(self) -> str:
        """As a filter (RFC 4515)."""
        parts = [f"({name}={escape_value(value)})" for name in self.names for value in self.values]
        return parts[0] if len(parts) == 1 else f"(|{''.join(parts)})"


@dataclass(frozen=True)
class EntrySearch:
    """Entries with all of `terms`: at or below `base` or, with `itself`, at it and nowhere else; `base` '' is where the
    users are.  `with_certificates`: the entries' certificates are wanted, too."""

    base: str
    itself: bool
    terms: tuple[Term, ...]
    with_certificates: bool = False

    def filter(self) -> str:
        """As a filter (RFC 4515)."""
        if not self.terms:
            return "(objectClass=*)"
        parts = [term.filter() for term in self.terms]
        return parts[0] if len(parts) == 1 else f"(&{''.join(parts)})"


@dataclass(frozen=True)
class EntryFound:
    """An entry: the user it describes, None if it is no user's; `problem` says what is wrong with it, '' for nothing;
    `certificates` in DER, if they were wanted."""

    dn: str
    user: User | None
    problem: str = ""
    certificates: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class EntriesFound:
    """What a search found, below which base, with which filter; `cut`: there were more."""

    base: str
    filter: str
    entries: tuple[EntryFound, ...] = ()
    cut: bool = False


def escape_value(text: str) -> str:
    """A value in a filter.  Spaces at the ends are escaped, too: readers of filters take them off."""
    inner = text.strip(" ")
    at = text.find(inner) if inner else len(text)
    ends = at, at + len(inner)
    return "".join(
        sign if sign in _PLAIN and (sign != " " or ends[0] <= place < ends[1]) else _hex(sign)
        for place, sign in enumerate(text)
    )


def _hex(sign: str) -> str:
    return "".join(f"\\{byte:02x}" for byte in sign.encode("utf-8", "surrogateescape"))
