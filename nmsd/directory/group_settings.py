"""The settings of groups, as access control lists and store.serviceadmingroupdn name them."""

from __future__ import annotations

from typing import Any, Final

from nmsd.config import kinds
from nmsd.config.setting import Kind, Section, Setting


def _filter() -> Kind[str]:
    text = kinds.text("an LDAP filter in brackets")

    def parse(value: Any) -> str:
        found = text.parse(value)
        if not (found.startswith("(") and found.endswith(")") and found.count("(") == found.count(")")):
            raise ValueError("not a filter in brackets such as (objectClass=groupOfNames)")
        return found

    return Kind(parse, text.write, text.allowed, "string")


BASE: Final = Setting(
    "local.uggroupbasedn",
    kinds.text("a distinguished name"),
    "",
    "The entry below which the groups are, such as ou=Groups,dc=example,dc=com. Empty: local.ugldapbasedn. Name it"
    " where groups are not below the users' own base.",
    reload="worker",
)
FILTER: Final = Setting(
    "local.uggroupfilter",
    _filter(),
    "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfURLs)(objectClass=mailGroup))",
    "Which entries are groups. The default are the classes that directories and Netscape's mail schema have for them.",
    reload="worker",
)
DEPTH: Final = Setting(
    "local.uggroupdepth",
    kinds.integer(0, 100, "levels"),
    5,
    "How many groups may lie in one another for a user of the innermost to be in the outermost; 0: groups in groups do"
    " not count. Each level costs a search, once for each user until it is forgotten.",
    reload="worker",
)


def _attribute(name: str, default: tuple[str, ...], what: str) -> Setting[tuple[str, ...]]:
    return Setting(
        "local.uggroupattr." + name,
        kinds.words("attribute names, with commas between"),
        default,
        f"The attributes of a group's entry that hold {what}; all of them count.",
        reload="worker",
    )


NAME: Final = _attribute(
    "name", ("cn", "mail"), "its names, by which access control lists speak of it beside its distinguished name"
)
MEMBER: Final = _attribute("member", ("member", "uniqueMember"), "the distinguished names of its members")
MEMBER_URL: Final = _attribute(
    "memberurl", ("memberURL", "mgrpDeliverTo"), "LDAP URLs with the filters that members match"
)
MEMBER_ADDRESS: Final = _attribute(
    "memberaddress", ("mgrpRFC822MailMember", "rfc822MailMember"), "the addresses of members"
)

SECTION: Final = Section("Groups", (BASE, FILTER, DEPTH, NAME, MEMBER, MEMBER_URL, MEMBER_ADDRESS))
