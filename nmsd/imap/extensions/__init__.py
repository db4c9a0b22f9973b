"""The extensions, listed by hand, in the order CAPABILITY names them."""

from typing import Final

from nmsd.imap.extensions import (
    appendlimit,
    base,
    binary,
    condstore,
    esearch,
    id,
    idle,
    mailboxes,
    move,
    multiappend,
    namespace,
    qresync,
    search,
    searchres,
    starttls,
    uidplus,
    unselect,
)
from nmsd.imap.registry import Extension

EXTENSIONS: Final[tuple[Extension, ...]] = (
    base.IMAP,
    base.LITERAL_PLUS,
    base.LITERAL_MINUS,
    base.SASL_IR,
    base.ENABLE,
    starttls.STARTTLS,
    starttls.LOGINDISABLED,
    base.SASL,
    idle.EXTENSION,
    unselect.EXTENSION,
    namespace.EXTENSION,
    id.EXTENSION,
    mailboxes.CHILDREN,
    mailboxes.LIST_EXTENDED,
    mailboxes.LIST_STATUS,
    mailboxes.SPECIAL_USE,
    mailboxes.STATUS_SIZE,
    search.EXTENSION,
    esearch.EXTENSION,
    searchres.EXTENSION,
    uidplus.EXTENSION,
    move.EXTENSION,
    condstore.EXTENSION,
    qresync.EXTENSION,
    binary.EXTENSION,
    multiappend.EXTENSION,
    appendlimit.EXTENSION,
)
