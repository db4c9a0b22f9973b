"""The entries of the directory servers under test: three hundred ordinary users, and some with something about them."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator

SUFFIX = "dc=example,dc=com"
PEOPLE = f"ou=People,{SUFFIX}"
SERVERS = f"ou=Servers,{SUFFIX}"
SERVICE_DN = f"cn=nmsd,{SUFFIX}"
READER_DN = f"cn=reader,{SUFFIX}"
SECRET = "service secret 5"
ORDINARY = 300

_CLASSES = ("inetOrgPerson", "mailRecipient", "nsMessagingServerUser", "inetUser", "inetMailUser")


def password(uid: str) -> str:
    """A user's password."""
    return f"pass-{uid}"


def ssha(word: str) -> str:
    """A password as directories keep it; salted, but always the same."""
    salt = hashlib.sha256(word.encode()).digest()[:8]
    return "{SSHA}" + b64encode(hashlib.sha1(word.encode() + salt).digest() + salt).decode()


def person(uid: str, *lines: str, mail: str = "", rdn: str = "", secret: str | None = None, plain: str = "") -> str:
    """The entry of a user in LDIF; `rdn` where the uid needs escapes there."""
    hashed = plain or ssha(password(uid) if secret is None else secret)
    return "\n".join(
        [
            f"dn: uid={rdn or uid},{PEOPLE}",
            *(f"objectClass: {name}" for name in _CLASSES),
            f"uid: {uid}",
            f"cn: {uid.title()}",
            f"sn: {uid}",
            *([f"mail: {mail or uid + '@example.com'}"] if mail != "-" else []),
            *([f"userPassword: {hashed}"] if secret != "" else []),
            *lines,
            "",
            "",
        ]
    )


def service(dn: str) -> str:
    """An entry for a server to bind as."""
    name = dn.partition(",")[0].partition("=")[2]
    return (
        f"dn: {dn}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: {name}\n"
        f"userPassword: {ssha(SECRET)}\n\n"
    )


def suffix() -> str:
    """The entry of the suffix."""
    return f"dn: {SUFFIX}\nobjectClass: organization\nobjectClass: dcObject\no: Example\ndc: example\n\n"


def entries() -> Iterator[str]:
    """All entries below the suffix's, in LDIF."""
    yield f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: People\n\n"
    yield f"dn: {SERVERS}\nobjectClass: organizationalUnit\nou: Servers\n\n"
    yield service(SERVICE_DN)
    yield service(READER_DN)
    for number in range(ORDINARY):
        yield person(f"user{number}", f"mailAlternateAddress: alias{number}@example.com")
    yield person(
        "alice", "mailAlternateAddress: postmaster@example.com", "mailQuota: 1000000", mail="Alice@Example.com"
    )
    yield person("bob", "mailAlternateAddress: @other.org", "nsmsgNumMsgQuota: 50", mail="robert@other.org")
    yield person("nomail", mail="-")
    yield person("twin1", "mailAlternateAddress: twin@example.com")
    yield person("twin2", "mailAlternateAddress: twin@example.com")
    yield person("a*b", mail="star@example.com")
    yield person("(paren)", mail="paren@example.com")
    yield person("back\\slash", mail="backslash@example.com", rdn="back\\5Cslash")
    yield person("zero", "mailQuota: 0")
    yield person("lots", "mailQuota: plenty")
    yield person("nopass", secret="")
    yield person("held", "mailUserStatus: hold")
    yield person("gone", "inetUserStatus: deleted")
    yield person("odd", "mailUserStatus: sleeping")
    yield person("popless", "nsmsgDisallowAccess: pop3, smtp")
    yield person("imapsonly", "mailAllowedServiceAccess: +imaps:ALL$-imap,pop,pops:ALL")
    yield person("office", "mailAccessDomain: 192.0.2.0/24", "mailAccessDomain: 198.51.100.7")
    yield person("faraway", "mailHost: mail2.example.net")
    yield person("forwarder", "mailDeliveryOption: forward", "mailForwardingAddress: elsewhere@example.net")
    yield person("moved", "mailMsgQuota: 7")
    yield (
        f"dn: cn=staff,{PEOPLE}\nobjectClass: groupOfUniqueNames\nobjectClass: mailGroup\ncn: staff\n"
        f"mail: staff@example.com\nuniqueMember: uid=alice,{PEOPLE}\n\n"
    )
