"""LDAP URLs (RFC 4516) as dynamic groups have them: which entries below a base match a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from nmsd.directory.ldap_names import is_below, normal

_SCOPES: Final = ("base", "one", "sub")


@dataclass(frozen=True)
class MemberUrl:
    """Whose members are the entries below `base` that match `filter`."""

    base: str
    scope: str
    filter: str

    def covers(self, dn: str) -> bool:
        """Whether the entry is where members are looked for."""
        name, top = normal(dn), normal(self.base)
        if self.scope == "base":
            return name == top
        if not is_below(dn, self.base) or (self.scope == "one" and name == top):
            return False
        # One level below: the part before the base is one RDN.
        return self.scope == "sub" or "," not in name.removesuffix(top).rstrip(",").replace("\\,", "")


def parse_member_url(text: str) -> MemberUrl:
    """The URL; one that names a server is none of ours.  Raises ValueError."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator or scheme.lower() != "ldap":
        raise ValueError(f"{text}: not an LDAP URL such as ldap:///ou=People,dc=example,dc=com??sub?(l=Berlin)")
    host, _, rest = rest.partition("/")
    if host:
        raise ValueError(f"{text}: members on another server are not looked for")
    base, _, scope, filter, extensions = [unquote(part) for part in (rest.split("?") + [""] * 5)[:5]]
    if any(part.strip().startswith("!") for part in extensions.split(",")):
        raise ValueError(f"{text}: an extension that is not known")
    scope = scope.lower() or "base"
    if scope not in _SCOPES:
        raise ValueError(f"{text}: the scope is none of {', '.join(_SCOPES)}")
    return MemberUrl(base, scope, filter or "(objectClass=*)")
