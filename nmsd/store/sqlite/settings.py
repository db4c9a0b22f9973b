"""The SQLite store's settings, and Limits, which is what the engine itself is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Config, Section, Setting

PRIMARY_PATH: Final = Setting(
    "store.partition.primary.path",
    kinds.path(),
    "store",
    "The directory of the accounts' files. Put it on the disk that is meant for mail; move the files along while the"
    " server is stopped.",
    reload="restart",
)
MAX_MAILBOXES: Final = Setting(
    "store.maxmailboxes",
    kinds.integer(10, 1_000_000, "mailboxes"),
    10_000,
    "How many mailboxes one account may have. Few people have a thousand; the limit keeps a client gone wild from"
    " making LIST slow for itself. What is there already stays.",
    reload="worker",
)
MAX_NAME_LENGTH: Final = Setting(
    "store.maxnamelength",
    kinds.integer(32, 8000, "bytes"),
    1000,
    "How long a mailbox's full name may be, in bytes of UTF-8, all levels together. Lower it if names must also fit"
    " another server's file system.",
    reload="worker",
)
MAX_HIERARCHY_DEPTH: Final = Setting(
    "store.maxhierarchydepth",
    kinds.integer(2, 500, "levels"),
    50,
    "How many levels a mailbox's name may have. Clients draw a tree of them; nobody needs fifty.",
    reload="worker",
)
EXPUNGED_HORIZON: Final = Setting(
    "store.expungedhorizon",
    kinds.integer(0, 10_000_000, "entries"),
    50_000,
    "How many expunges each mailbox remembers for clients that come back and ask what is gone (QRESYNC); neighbours"
    " expunged together count as one. Past it the answer is still right, but names every number that no longer"
    " exists. An entry takes some 15 bytes.",
    reload="worker",
)
OPEN_CACHE: Final = Setting(
    "store.opencache",
    kinds.integer(1, 10_000, "accounts"),
    256,
    "How many accounts' files a process keeps open at once, at five file descriptors and up to 6 MB of memory each."
    " Raise it where more users than that are busy at one time; opening one again takes a quarter of a millisecond.",
    reload="worker",
)
OPEN_IDLE: Final = Setting(
    "store.openidle",
    kinds.integer(1, 3600, "seconds"),
    30,
    "After how many seconds without use an account's file is closed. Longer saves the opening when clients poll;"
    " shorter gives memory back.",
    reload="worker",
)
LOCK_TIMEOUT: Final = Setting(
    "store.locktimeout",
    kinds.integer(1, 600, "seconds"),
    20,
    "How long a change waits for another process that is writing to the same account before the client is told to try"
    " again. A commit takes milliseconds; raise it if the disk stalls under backups.",
    reload="worker",
)

SECTION: Final = Section(
    "Store",
    (
        PRIMARY_PATH,
        MAX_MAILBOXES,
        MAX_NAME_LENGTH,
        MAX_HIERARCHY_DEPTH,
        EXPUNGED_HORIZON,
        OPEN_CACHE,
        OPEN_IDLE,
        LOCK_TIMEOUT,
    ),
)


@dataclass(frozen=True)
class Limits:
    """What the engine is held to; the fields are the settings of these names."""

    max_mailboxes: int = MAX_MAILBOXES.default
    max_name_length: int = MAX_NAME_LENGTH.default
    max_hierarchy_depth: int = MAX_HIERARCHY_DEPTH.default
    expunged_horizon: int = EXPUNGED_HORIZON.default
    open_cache: int = OPEN_CACHE.default
    open_idle_s: float = OPEN_IDLE.default
    lock_timeout_s: float = LOCK_TIMEOUT.default


def limits(config: Config) -> Limits:
    """The Limits that the settings in force ask for."""
    return Limits(
        max_mailboxes=config[MAX_MAILBOXES],
        max_name_length=config[MAX_NAME_LENGTH],
        max_hierarchy_depth=config[MAX_HIERARCHY_DEPTH],
        expunged_horizon=config[EXPUNGED_HORIZON],
        open_cache=config[OPEN_CACHE],
        open_idle_s=config[OPEN_IDLE],
        lock_timeout_s=config[LOCK_TIMEOUT],
    )
