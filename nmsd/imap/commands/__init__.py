"""The base commands, listed by hand."""

from typing import Final

from nmsd.imap.commands.append import APPEND
from nmsd.imap.commands.capability import CAPABILITY
from nmsd.imap.commands.copy import COPY, UID_COPY
from nmsd.imap.commands.create import CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE
from nmsd.imap.commands.enable import ENABLE
from nmsd.imap.commands.expunge import EXPUNGE
from nmsd.imap.commands.fetch import FETCH, UID_FETCH
from nmsd.imap.commands.list import LIST, LSUB
from nmsd.imap.commands.login import AUTHENTICATE, LOGIN, PROXYAUTH
from nmsd.imap.commands.logout import LOGOUT
from nmsd.imap.commands.noop import CHECK, NOOP
from nmsd.imap.commands.search import SEARCH, UID_SEARCH
from nmsd.imap.commands.select import CLOSE, EXAMINE, SELECT
from nmsd.imap.commands.status import STATUS
from nmsd.imap.commands.store import STORE, UID_STORE
from nmsd.imap.registry import Command

COMMANDS: Final[tuple[Command, ...]] = (
    CAPABILITY,
    NOOP,
    LOGOUT,
    LOGIN,
    AUTHENTICATE,
    PROXYAUTH,
    ENABLE,
    SELECT,
    EXAMINE,
    CLOSE,
    CHECK,
    CREATE,
    DELETE,
    RENAME,
    SUBSCRIBE,
    UNSUBSCRIBE,
    LIST,
    LSUB,
    STATUS,
    APPEND,
    FETCH,
    UID_FETCH,
    SEARCH,
    UID_SEARCH,
    STORE,
    UID_STORE,
    COPY,
    UID_COPY,
    EXPUNGE,
)
