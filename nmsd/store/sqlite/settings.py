"""The SQLite store's settings, and Limits, which is what the engine itself is given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Config, Family, Section, Setting
from nmsd.store.sqlite.partitions import PRIMARY, Partitions

PRIMARY_PATH: Final = Setting(
    "store.partition.primary.path",
    kinds.path(),
    "store",
    "The directory of the accounts' files. Put it on the disk that is meant for mail; move the files along while the"
    " server is stopped.",
    reload="restart",
)
PARTITION_PATH: Final = Family(
    "store.partition.NAME.path",
    kinds.path(),
    "The directory of another partition, for accounts whose user's entry has NAME in mailMessageStore. Put partitions"
    " on disks of their own; who has an account already stays where it is (`nmsd account move`).",
    reload="restart",
)
DEFAULT_PARTITION: Final = Setting(
    "store.defaultpartition",
    kinds.text("the nickname of a partition"),
    PRIMARY,
    "The partition in which accounts are made whose user's entry names none. Change it when the disk of the first one"
    " is full enough.",
    reload="restart",
    attribute="nsmsgDefaultPartition",
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

JOURNAL_SIZE: Final = Setting(
    "store.journalsize",
    kinds.integer(0, 1024, "MB"),
    0,
    "How large the journal of a process that takes in mail may become; 16 is a good size, 0 is none. With one, new"
    " messages of all accounts are written to it together and synced at once: less work for the processor, and for a"
    " disk that takes its time over a sync. Without one, each account's file is synced by itself, which a fast disk"
    " does for many at the same time.",
    reload="worker",
)


def partitions_of(config: Config) -> Partitions:
    """The partitions that the settings name."""
    paths = {PRIMARY: config[PRIMARY_PATH], **config.family(PARTITION_PATH)}
    roots = {name: Path(os.path.join(config.instance, path)) for name, path in paths.items() if path}
    return Partitions(roots, config[DEFAULT_PARTITION].lower())


def _verify(config: Config) -> Iterator[tuple[str, str]]:
    partitions = partitions_of(config)
    if config[DEFAULT_PARTITION].lower() not in partitions.names():
        known = ", ".join(partitions.names())
        yield DEFAULT_PARTITION.name, f"is none of the partitions; there are {known}"
    seen: dict[str, str] = {}
    for name, path in config.family(PARTITION_PATH).items():
        setting = PARTITION_PATH.name.replace("NAME", name)
        if not path and name != PRIMARY:
            yield setting, "is empty; give the directory, or remove the setting"
    for name, root in partitions.roots().items():
        other = seen.setdefault(os.path.realpath(root), name)
        if other != name:
            setting = PARTITION_PATH.name.replace("NAME", name)
            yield setting, f"is the directory of the partition {other}, too; give each its own"


SECTION: Final = Section(
    "Store",
    (
        PRIMARY_PATH,
        DEFAULT_PARTITION,
        MAX_MAILBOXES,
        MAX_NAME_LENGTH,
        MAX_HIERARCHY_DEPTH,
        EXPUNGED_HORIZON,
        OPEN_CACHE,
        OPEN_IDLE,
        LOCK_TIMEOUT,
        JOURNAL_SIZE,
    ),
    _verify,
    (PARTITION_PATH,),
)


@dataclass(frozen=True)
class Limits:
    """What the engine is held to; the fields are the settings of these names, sizes in bytes."""

    max_mailboxes: int = MAX_MAILBOXES.default
    max_name_length: int = MAX_NAME_LENGTH.default
    max_hierarchy_depth: int = MAX_HIERARCHY_DEPTH.default
    expunged_horizon: int = EXPUNGED_HORIZON.default
    open_cache: int = OPEN_CACHE.default
    open_idle_s: float = OPEN_IDLE.default
    lock_timeout_s: float = LOCK_TIMEOUT.default
    journal_size: int = JOURNAL_SIZE.default << 20


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
        journal_size=config[JOURNAL_SIZE] << 20,
    )
