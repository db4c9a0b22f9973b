"""The two revisions of the protocol, password login, and what is advertised as a matter of course."""

from __future__ import annotations

from typing import Final

from nmsd.imap import settings
from nmsd.imap.commands import status
from nmsd.imap.fetch import items
from nmsd.imap.registry import Extension
from nmsd.imap.session import IMAP4REV2, Session
from nmsd.imap.state import NOT_AUTHENTICATED


def _any_literal(session: Session) -> bool:
    return session.shared.config[settings.NONSYNC_LITERALS] == "any"


def _small_literals(session: Session) -> bool:
    return not _any_literal(session)


def _mechanisms(session: Session) -> bytes:
    return b" ".join([b"AUTH=" + name for name in session.entrance().offered()])


IMAP: Final = Extension(
    9051,
    (b"IMAP4rev1", b"IMAP4rev2"),
    enables=((b"IMAP4REV2", IMAP4REV2),),
    fetch_items=items.ITEMS,
    status_items=status.ITEMS,
)
LITERAL_PLUS: Final = Extension(7888, (b"LITERAL+",), when=_any_literal)
LITERAL_MINUS: Final = Extension(7888, (b"LITERAL-",), when=_small_literals)
SASL: Final = Extension(4422, states=NOT_AUTHENTICATED, capability=_mechanisms)
SASL_IR: Final = Extension(4959, (b"SASL-IR",), states=NOT_AUTHENTICATED)
ENABLE: Final = Extension(5161, (b"ENABLE",))
