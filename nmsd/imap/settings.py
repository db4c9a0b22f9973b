"""IMAP's own settings; the family every service has is config.services.IMAP."""

from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting

MAX_LINE: Final = Setting(
    "imap.maxline",
    kinds.size(1 << 10, 1 << 24),
    1 << 16,
    "The longest command line taken, literals not counted. RFC 7162 §4 asks for 8192 at least; clients that do not"
    " split large UID sets send more, so Dovecot and this server take 64K.",
)
MAX_LITERALS: Final = Setting(
    "imap.maxliterals",
    kinds.integer(1, 100_000),
    1000,
    "Most literals in one command. It bounds MULTIAPPEND, the only command with many.",
)
MAX_APPEND: Final = Setting(
    "imap.maxappend",
    kinds.size(1 << 16, 1 << 34),
    256 << 20,
    "The most that one APPEND may bring, all its messages together. It bounds the room a client can take in the"
    " temporary directory before anything is stored. The default lets five of the largest messages through at once;"
    " store.maxmessagesize still holds for each.",
)
NONSYNC_LITERALS: Final = Setting(
    "imap.nonsyncliterals",
    kinds.choice("any", "small"),
    "any",
    "Which literals a client may send without waiting: any size (LITERAL+) or up to 4096 bytes (LITERAL-). Choose small"
    " where uploads that will be refused cost too much.",
)
MAX_BAD_COMMANDS: Final = Setting(
    "imap.maxbadcommands",
    kinds.integer(1, 1000),
    20,
    "After how many commands in a row that make no sense the session is ended. Dovecot and Cyrus stop at 20 or fewer.",
)
HEARTBEAT: Final = Setting(
    "imap.idleheartbeat",
    kinds.integer(0, 1740, "seconds"),
    120,
    "How often a client in IDLE hears '* OK Still here', so that address translators keep the way open and dead peers"
    " are found; 0 never. Dovecot uses 120.",
)
LOGIN_TIMEOUT: Final = Setting(
    "imap.logintimeout",
    kinds.integer(10, 3600, "seconds"),
    180,
    "How long a client may stay connected without logging in. Dovecot waits 180.",
)
MAX_SEARCH_DEPTH: Final = Setting(
    "imap.maxsearchdepth",
    kinds.integer(1, 200),
    100,
    "How deep NOT, OR and parentheses may be nested in a SEARCH. Clients that look for many addresses at once chain one"
    " OR in another, a few dozen deep; each level costs some stack.",
)

SECTION: Final = Section(
    "IMAP protocol",
    (
        MAX_LINE,
        MAX_LITERALS,
        MAX_APPEND,
        NONSYNC_LITERALS,
        MAX_BAD_COMMANDS,
        HEARTBEAT,
        LOGIN_TIMEOUT,
        MAX_SEARCH_DEPTH,
    ),
)
