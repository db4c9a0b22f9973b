"""The settings of workers: time-outs, TLS, logins, descriptors.  Imports no gevent, so that tools may read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nmsd.config import kinds
from nmsd.config.services import CERTIFICATE, CLIENT_CA_FILE, CLIENT_CRL_FILES, SERVICES
from nmsd.config.setting import Config, Section, Setting

READ_TIMEOUT: Final = Setting(
    "service.readtimeout",
    kinds.integer(1, 3600, "seconds"),
    30,
    "How long a client may take over a TLS handshake it has begun. 30 seconds let slow lines through and bound what a"
    " client that stops in the middle can hold.",
)
WRITE_TIMEOUT: Final = Setting(
    "service.writetimeout",
    kinds.integer(1, 3600, "seconds"),
    120,
    "How long a client may take nothing of an answer before it is dropped; it holds one of service.NAME.maxthreads"
    " meanwhile. Lower it where dead clients use those up, raise it for clients that pause in a download.",
)
DESCRIPTOR_RESERVE: Final = Setting(
    "service.descriptorreserve",
    kinds.integer(16, 65_536),
    128,
    "File descriptors a worker keeps free for spools, logs and the system, beside those of sessions, store and"
    " directory. Each upload above 1 MB needs one while it lasts.",
    reload="worker",
)
NATIVE_THREADS: Final = Setting(
    "service.nativethreads",
    kinds.integer(1, 256),
    16,
    "Most native threads a worker uses for what would block it: large writes, password hashes, directory look-ups; and"
    " as many again for commits. Commands beyond that wait for one. Sixteen keep a disk and two cores busy; raise it"
    " where a slow directory is asked.",
    reload="worker",
)

TLS_MIN_VERSION: Final = Setting(
    "encryption.minversion",
    kinds.choice("1.2", "1.3"),
    "1.2",
    "The oldest TLS version spoken. RFC 8996 forbids those before 1.2; 1.3 shuts out clients from before 2018.",
)
TLS_CIPHERS: Final = Setting(
    "encryption.ciphers",
    kinds.text("an OpenSSL cipher list"),
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM",
    "The ciphers offered up to TLS 1.2 (1.3 has its own). The default are those with forward secrecy and authenticated"
    " encryption; add others only for clients that know none of them.",
)

CLIENT_CRL_CHECK: Final = Setting(
    "encryption.clientcrlcheck",
    kinds.choice("chain", "leaf"),
    "chain",
    "Which certificates are looked up in the revocation lists: chain, the default, the client's and those of all"
    " authorities above it, each of which needs a list; leaf the client's alone, for authorities that publish no list"
    " at their root.",
)
CLIENT_CRL_EXPIRED: Final = Setting(
    "encryption.clientcrlexpired",
    kinds.choice("refuse", "use"),
    "refuse",
    "What a revocation list past its time is worth. With refuse, the default, nobody logs in by certificate until there"
    " is a new one, for it may tell of anybody; use goes on with what the old one says. The log warns in either case.",
)

AUTH_CACHE_SIZE: Final = Setting(
    "service.authcachesize",
    kinds.integer(0, 1_000_000),
    10_000,
    "How many logins a worker remembers as right, so that clients that come back cost no password hash; 0 none."
    " Passwords themselves are not kept.",
    attribute="nsmsgAuthCacheSize",
)
AUTH_CACHE_TTL: Final = Setting(
    "service.authcachettl",
    kinds.integer(0, 86_400, "seconds"),
    900,
    "How long a login is remembered as right. A change in the directory ends it sooner where that tells of it.",
    attribute="nsmsgAuthCacheTTL",
)
BAD_LOGIN_FREE: Final = Setting(
    "service.badlogin.free",
    kinds.integer(0, 1000),
    3,
    "How many failed logins of one address or to one account are answered without delay. People mistype.",
)
BAD_LOGIN_DELAY: Final = Setting(
    "service.badlogin.delay",
    kinds.integer(0, 60, "seconds"),
    1,
    "How long the answer to the first failed login past service.badlogin.free is held back; it doubles with each"
    " further one. 0 switches delays off.",
)
BAD_LOGIN_MAX_DELAY: Final = Setting(
    "service.badlogin.maxdelay",
    kinds.integer(0, 600, "seconds"),
    15,
    "The longest the answer to a failed login is held back. More than 15 seconds makes clients give up and try anew.",
)
BAD_LOGIN_FORGET: Final = Setting(
    "service.badlogin.forget",
    kinds.integer(1, 86_400, "seconds"),
    900,
    "After how long without a failed login an address or account is no longer slowed.",
)
BAD_LOGIN_WAITING: Final = Setting(
    "service.badlogin.waiting",
    kinds.integer(1, 1000),
    4,
    "How many failed logins of one address or to one account may be held back at the same time in a worker; further"
    " attempts are refused without a look at the password. It bounds guessing over many connections at once.",
)
STORE_ADMINS: Final = Setting(
    "store.admins",
    kinds.words("login names, with commas between"),
    (),
    "Users who may log in as any other user (SASL's authorization identity) with their own password, as migrations and"
    " backups of mailboxes need.",
    attribute="nsmsgAdmins",
)
STORE_ADMIN_GROUP: Final = Setting(
    "store.serviceadmingroupdn",
    kinds.text("a group's distinguished name"),
    "",
    "A group in the directory whose members count as if they were in store.admins, groups in it included. Empty: none."
    " Use it where who administers mail is decided in the directory.",
)


def _verify_clients(config: Config) -> Iterator[tuple[str, str]]:
    if not config[CLIENT_CA_FILE]:
        for service in SERVICES:
            logins = service.certificates
            if logins is None or not config[service.enable]:
                continue
            for setting in (logins.allow, logins.require, logins.preauth):
                if config[setting] and config.is_set(setting):
                    text = f"is yes, but {CLIENT_CA_FILE.name} names no authorities to trust; set that, or say no"
                    yield setting.name, text
        if config[CLIENT_CRL_FILES]:
            yield CLIENT_CRL_FILES.name, f"is of no use without {CLIENT_CA_FILE.name}; set that, or leave this empty"
        return
    if not config[CERTIFICATE]:
        yield CLIENT_CA_FILE.name, f"needs TLS, and {CERTIFICATE.name} names no certificate; set that, or empty this"
    for service in SERVICES:
        logins = service.certificates
        if logins is not None and config[service.enable] and config[logins.require] and not config[logins.allow]:
            text = f"asks for what {logins.allow.name} = no does not take; say yes there, or no here"
            yield logins.require.name, text
    from nmsd.server.authorities import file_problems  # which takes a while to import

    yield from file_problems(config)


NAME_TIMEOUT: Final = Setting(
    "service.namelookup.timeout",
    kinds.integer(1, 60, "seconds"),
    5,
    "How long the greeting may wait for a client's host name, where an access filter has names in it; after that the"
    " client counts as UNKNOWN. Five seconds are what resolvers take to ask a second server.",
)
NAME_THREADS: Final = Setting(
    "service.namelookup.threads",
    kinds.integer(1, 64),
    4,
    "How many host names of clients a worker looks up at a time. Raise it where names are slow to come and filters need"
    " them.",
    reload="worker",
)
NAME_WAITING: Final = Setting(
    "service.namelookup.waiting",
    kinds.integer(1, 10_000),
    256,
    "How many clients of a worker may wait for their host name to be looked up, or for room to be made for them; the"
    " others are told to try again later. It bounds what a flood can hold while the name server is away.",
)
NAME_CACHE_SIZE: Final = Setting(
    "service.namelookup.cachesize",
    kinds.integer(0, 1_000_000),
    4096,
    "How many clients' host names a worker remembers; 0 none. One takes some 200 bytes.",
)
NAME_CACHE_TTL: Final = Setting(
    "service.namelookup.cachettl",
    kinds.integer(0, 86_400, "seconds"),
    300,
    "How long a client's host name is remembered. The default is that of many a DNS entry.",
)


SESSION_SECTION: Final = Section("Sessions", (READ_TIMEOUT, WRITE_TIMEOUT, DESCRIPTOR_RESERVE, NATIVE_THREADS))
TLS_SECTION: Final = Section("TLS versions", (TLS_MIN_VERSION, TLS_CIPHERS))
CLIENT_SECTION: Final = Section(
    "Client certificates",
    (CLIENT_CA_FILE, CLIENT_CRL_FILES, CLIENT_CRL_CHECK, CLIENT_CRL_EXPIRED),
    _verify_clients,
)
LOGIN_SECTION: Final = Section(
    "Logins",
    (
        AUTH_CACHE_SIZE,
        AUTH_CACHE_TTL,
        BAD_LOGIN_FREE,
        BAD_LOGIN_DELAY,
        BAD_LOGIN_MAX_DELAY,
        BAD_LOGIN_FORGET,
        BAD_LOGIN_WAITING,
        STORE_ADMINS,
        STORE_ADMIN_GROUP,
    ),
)
NAMES_SECTION: Final = Section(
    "Host names of clients", (NAME_TIMEOUT, NAME_THREADS, NAME_WAITING, NAME_CACHE_SIZE, NAME_CACHE_TTL)
)
SECTIONS: Final = (SESSION_SECTION, NAMES_SECTION, TLS_SECTION, CLIENT_SECTION, LOGIN_SECTION)
