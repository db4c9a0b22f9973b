"""APPENDLIMIT (RFC 7889): the largest message that APPEND takes, the same for all mailboxes."""

from __future__ import annotations

from typing import Final

from nmsd.config.services import MAX_MESSAGE_SIZE
from nmsd.imap.registry import Extension, StatusItem
from nmsd.imap.session import Session
from nmsd.model.mailbox import Mailbox
from nmsd.store.api import Account


def _capability(session: Session) -> bytes:
    return b"APPENDLIMIT=%d" % session.shared.config[MAX_MESSAGE_SIZE]


def _value(session: Session, account: Account, mailbox: Mailbox) -> bytes:
    return b"%d" % session.shared.config[MAX_MESSAGE_SIZE]


EXTENSION: Final[Extension] = Extension(
    7889, capability=_capability, status_items=(StatusItem(b"APPENDLIMIT", _value),)
)
