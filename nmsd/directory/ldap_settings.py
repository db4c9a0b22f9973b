"""The settings of the LDAP back end: servers, how to bind, where to search, how long to wait and to remember.

Imports no ldap3: every process reads the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nmsd.config import kinds
from nmsd.config.ldap_address import LDAP_PORT, Address, parse_address, servers
from nmsd.config.setting import Config, Kind, Section, Setting
from nmsd.directory.ldap_trace import ANY, OTHER, PASSWORD


def _filter(words: str) -> Kind[str]:
    """An LDAP filter; what is wrong with its brackets is told here, the rest by the server."""
    text = kinds.text(words)

    def parse(value: Any) -> str:
        found = text.parse(value)
        if found and not (found.startswith("(") and found.endswith(")") and found.count("(") == found.count(")")):
            raise ValueError("not a filter in brackets such as (objectClass=mailRecipient)")
        return found

    return Kind(parse, text.write, words, "string")


HOSTS: Final = Setting(
    "local.ugldaphost",
    servers(),
    (),
    "The directory servers that hold the users, in order of preference: ldap://, ldaps://, ldapi:// URLs, or host:port."
    " The first that answers is asked; a preferred one is taken again once it is back. Empty, the default, is the"
    " embedded directory.",
    reload="worker",
)
PORT: Final = Setting(
    "local.ugldapport",
    kinds.port(),
    LDAP_PORT,
    "The port of the servers in local.ugldaphost that are given without one. Where it is not set, the registered ones:"
    " 389, and 636 for TLS from the first byte.",
    reload="worker",
)
USE_SSL: Final = Setting(
    "local.ugldapusessl",
    kinds.boolean(),
    False,
    "Whether servers given as host:port are spoken to with TLS from the first byte, as ldaps:// is.",
    reload="worker",
)
START_TLS: Final = Setting(
    "local.ugldapstarttls",
    kinds.choice("auto", "yes", "no"),
    "auto",
    "Whether ldap:// connections begin TLS before anything else is said: auto does so with servers on other machines,"
    " for users' passwords cross that wire. Say no only for a server that has no certificate.",
    reload="worker",
)
TLS_VERIFY: Final = Setting(
    "local.ugldaptlsverify",
    kinds.boolean(),
    True,
    "Whether a server must show a certificate that a known authority signed for its name. Without that, whoever gets"
    " between can read all passwords; say no to find a fault only.",
    reload="worker",
)
TLS_CA: Final = Setting(
    "local.ugldaptlscafile",
    kinds.path(),
    "",
    "The certificates of the authorities that directory servers are trusted by, in PEM. Empty: the system's.",
    reload="worker",
)
TLS_CERTIFICATE: Final = Setting(
    "local.ugldaptlscertfile",
    kinds.path(),
    "",
    "The certificate shown to directory servers, in PEM, for those that want one and for local.ugldapbindmethod"
    " external. Empty: none.",
    reload="worker",
)
TLS_KEY: Final = Setting(
    "local.ugldaptlskeyfile",
    kinds.path(),
    "",
    "The private key of that certificate, in PEM. Empty: it is in the same file.",
    reload="worker",
)
BIND_METHOD: Final = Setting(
    "local.ugldapbindmethod",
    kinds.choice("simple", "external"),
    "simple",
    "How the server itself binds to search: with local.ugldapbinddn and its password, anonymously if that is empty; or"
    " by SASL EXTERNAL, as who the TLS certificate or the owner of the process is (ldapi://).",
    reload="worker",
)
BIND_DN: Final = Setting(
    "local.ugldapbinddn",
    kinds.text("a distinguished name"),
    "",
    "The entry the server binds as to search for users; it needs to read them, but not their passwords. Empty: it"
    " searches anonymously.",
    reload="worker",
)
BIND_CREDENTIALS: Final = Setting(
    "local.ugldapbindcred",
    kinds.text("a password"),
    "",
    "The password of local.ugldapbinddn.",
    reload="worker",
    secret=True,
)
BASE: Final = Setting(
    "local.ugldapbasedn",
    kinds.text("a distinguished name"),
    "",
    "The entry below which the users are, such as ou=People,dc=example,dc=com.",
    reload="worker",
)
SCOPE: Final = Setting(
    "local.ugldapscope",
    kinds.choice("subtree", "onelevel"),
    "subtree",
    "Whether users are looked for everywhere below local.ugldapbasedn or only right below it.",
    reload="worker",
)
FILTER: Final = Setting(
    "local.ugldapfilter",
    _filter("an LDAP filter in brackets"),
    "",
    "What entries must match besides, to be users of mail at all, such as (objectClass=mailRecipient). Empty: whatever"
    " has a login name and an address is one.",
    reload="worker",
)
LOGIN_FILTER: Final = Setting(
    "local.ugldaploginfilter",
    _filter("an LDAP filter in brackets with %o the login, %U the part before @, %V the domain"),
    "",
    "How a login finds its entry, where the attributes' settings do not say it: %o stands for the login as given, %U"
    " for what is before the @, %V for the domain (service.defaultdomain where there is none). Empty: the login name,"
    " mail and alias attributes, which is what most need.",
    reload="worker",
)
AUTH_METHOD: Final = Setting(
    "local.ugldapauthmethod",
    kinds.choice("bind", "compare"),
    "bind",
    "How a password is checked: by a bind as the user, so that this server never reads one and the directory's password"
    " policy holds; or against the hash in the entry, where local.ugldapbinddn may read it and binds are unwanted.",
    reload="worker",
)
CONNECT_TIMEOUT: Final = Setting(
    "local.ugldapconnecttimeout",
    kinds.integer(1, 300, "seconds"),
    3,
    "How long a directory server may take to accept a connection, with TLS, before the next one is tried. Three seconds"
    " outlast a lost packet.",
)
TIMEOUT: Final = Setting(
    "local.ugldaptimeout",
    kinds.integer(1, 300, "seconds"),
    5,
    "How long a directory server may take over one search or bind. After that, clients are told to try again later;"
    " raise it for a directory that is slow and cannot be mended.",
)
RETRY: Final = Setting(
    "local.ugldapretry",
    kinds.integer(1, 3600, "seconds"),
    5,
    "After how long a directory server that did not answer is tried again; until then nobody waits for it. One look-up"
    " in so many seconds pays for the attempt.",
)
FAILURES: Final = Setting(
    "local.ugldapfailures",
    kinds.integer(1, 1000, "time-outs"),
    3,
    "After how many time-outs in a row a server is taken for down. One that refuses connections is at once.",
)
CONNECTIONS: Final = Setting(
    "local.ugldapconnections",
    kinds.integer(1, 256),
    8,
    "Most connections for searches a worker holds to a directory server, and as many for binds. Eight serve thousands"
    " of logins a second; further look-ups wait their turn.",
    reload="worker",
)
WAITING: Final = Setting(
    "local.ugldapwaiting",
    kinds.integer(0, 100_000),
    256,
    "How many look-ups may wait for a connection in a worker; beyond that clients are told to try again later. It"
    " bounds what a slow directory can pile up.",
)
IDLE: Final = Setting(
    "local.ugldapidletimeout",
    kinds.integer(1, 86_400, "seconds"),
    60,
    "How long a connection may lie unused and still be used again. Firewalls drop idle ones without a word; keep it"
    " below their time and the directory server's own.",
)
CACHE_SIZE: Final = Setting(
    "local.ugldapcachesize",
    kinds.integer(0, 10_000_000),
    10_000,
    "How many names a worker remembers the entries of, found or not; 0 none. Each takes about 1 KB.",
)
CACHE_TTL: Final = Setting(
    "local.ugldapcachettl",
    kinds.integer(0, 86_400, "seconds"),
    300,
    "How long an entry that was found is remembered; a change of it counts after that, and at once after"
    " `nmsd directory flush`. 0 asks the directory each time.",
)
NEGATIVE_TTL: Final = Setting(
    "local.ugldapnegativettl",
    kinds.integer(0, 86_400, "seconds"),
    10,
    "How long it is remembered that nobody has a name, so that mail to unknown addresses does not burden the directory."
    " A new entry gets its mail after that at the latest; a login always looks again.",
)
PUSH: Final = Setting(
    "local.ugldappush",
    kinds.boolean(),
    True,
    "Whether directory servers are asked to push changes of entries, by persistent search or content synchronisation,"
    " so that a changed entry counts at once. Each worker holds one connection more for that; say no where the"
    " directory changes entries at every login, or does not like it.",
    reload="worker",
)
UNSEEN: Final = Setting(
    "local.ugldapunseen",
    kinds.choice(PASSWORD, OTHER, ANY),
    PASSWORD,
    "What it is taken for when the directory says that an entry changed, and nothing changed in it that"
    " local.ugldapbinddn may read. By default for a new password, which ends the user's sessions; say other for a"
    " directory that changes hidden attributes at every login, and have it show when passwords were changed"
    " (local.ugattr.passwordtime). Say any to have every change of an entry end its user's sessions, as long as it"
    " shows neither that time nor the password's hash: so no new password goes unnoticed that came together with"
    " something else.",
)
REFERRALS: Final = Setting(
    "local.ugldapreferrals",
    servers(),
    (),
    "Servers to which a referral of a directory server may be followed, as LDAP URLs; we bind there with the same name"
    " and password, and users' passwords go there, too. Empty, the default: none is followed, for whoever can plant a"
    " referral would get all of them.",
    reload="worker",
)
PAGE_SIZE: Final = Setting(
    "local.ugldappagesize",
    kinds.integer(1, 100_000, "entries"),
    500,
    "How many entries are asked for at a time where all accounts are listed (RFC 2696). Lower it for a server that"
    " refuses so many.",
)


def addresses(config: Config) -> tuple[Address, ...]:
    """The servers' addresses, in order of preference."""
    port = config[PORT] if config.is_set(PORT) else 0
    return tuple(parse_address(text, port, config[USE_SSL]) for text in config[HOSTS])


def _verify(config: Config) -> Iterator[tuple[str, str]]:
    if not config[HOSTS]:
        return
    if not config[BASE]:
        yield BASE.name, "is empty, but local.ugldaphost is not; say below which entry the users are"
    external = config[BIND_METHOD] == "external"
    if config[BIND_DN] and not config[BIND_CREDENTIALS] and not external:
        yield BIND_CREDENTIALS.name, "is empty, but local.ugldapbinddn is not; give the password, or bind anonymously"
    if config[TLS_KEY] and not config[TLS_CERTIFICATE]:
        yield TLS_CERTIFICATE.name, "is empty, but local.ugldaptlskeyfile is not; give the certificate"


SECTION: Final = Section(
    "LDAP directory",
    (
        *(HOSTS, PORT, USE_SSL, START_TLS, TLS_VERIFY, TLS_CA, TLS_CERTIFICATE, TLS_KEY),
        *(BIND_METHOD, BIND_DN, BIND_CREDENTIALS, BASE, SCOPE, FILTER, LOGIN_FILTER, AUTH_METHOD),
        *(CONNECT_TIMEOUT, TIMEOUT, RETRY, FAILURES, CONNECTIONS, WAITING, IDLE),
        *(CACHE_SIZE, CACHE_TTL, NEGATIVE_TTL, PUSH, UNSEEN, REFERRALS, PAGE_SIZE),
    ),
    _verify,
)
