"""The settings of workers: time-outs, TLS, logins, descriptors.  Imports no gevent, so that tools may read them."""

from __future__ import annotations

from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting

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

AUTH_CACHE_SIZE: Final = Setting(
    "service.authcachesize",
    kinds.integer(0, 1_000_000),
    10_000,
    "How many logins a worker remembers as right, so that clients that come back cost no password hash; 0 none."
    " Passwords themselves are not kept.",
)
AUTH_CACHE_TTL: Final = Setting(
    "service.authcachettl",
    kinds.integer(0, 86_400, "seconds"),
    900,
    "How long a login is remembered as right. A change in the directory ends it sooner where that tells of it.",
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
    attribute="nsmsgAuthCacheSize",
    kinds.integer(1, 1000),
    4,
    "How many failed logins of one address or to one account may be held back at the same time in a worker; further"
    " attempts are refused without a look at the password. It bounds guessing over many connections at once.",
)
STORE_ADMINS: Final = Setting(
    attribute="nsmsgAuthCacheTTL",
    "store.admins",
    kinds.words("login names, with commas between"),
    (),
    "Users who may log in as any other user (SASL's authorization identity) with their own password, as migrations and"
    " backups of mailboxes need.",
)


SESSION_SECTION: Final = Section("Sessions", (READ_TIMEOUT, WRITE_TIMEOUT, DESCRIPTOR_RESERVE, NATIVE_THREADS))
TLS_SECTION: Final = Section("TLS versions", (TLS_MIN_VERSION, TLS_CIPHERS))
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
    ),
)
SECTIONS: Final = (SESSION_SECTION, TLS_SECTION, LOGIN_SECTION)
    attribute="nsmsgAdmins",
