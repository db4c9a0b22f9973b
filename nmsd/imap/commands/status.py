"""STATUS (RFC 9051 §6.3.11) and the items every server has; extensions add theirs as StatusItem rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nmsd.imap.registry import Answer, Command, StatusItem
from nmsd.imap.session import Session
from nmsd.imap.state import LOGGED_IN
from nmsd.model.mailbox import Mailbox
from nmsd.store.api import Account
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader


def parse_items(reader: Reader) -> list[StatusItem]:
    """STATUS items in parentheses, one at least."""
    from nmsd.imap.tables import TABLES  # the tables are made of the commands

    reader.expect(b"(")
    items: list[StatusItem] = []
    while True:
        name = reader.keyword()
        item = TABLES.status_items.get(name)
        if item is None:
            raise BadSyntax("Unknown STATUS item " + name.decode("ascii"))
        items.append(item)
        if reader.maybe(b")"):
            return items
        reader.space()


def status_line(session: Session, mailbox: Mailbox, items: list[StatusItem]) -> bytes:
    """The untagged STATUS answer."""
    account = session.mail()
    values = b" ".join(item.name + b" " + item.value(session, account, mailbox) for item in items)
    return b"* STATUS " + session.write_mailbox(mailbox.name) + b" (" + values + b")\r\n"


def _parse(reader: Reader, session: Session) -> tuple[str, list[StatusItem]]:
    reader.space()
    name = session.read_mailbox(reader)
    reader.space()
    items = parse_items(reader)
    reader.end()
    return name, items


def _run(session: Session, arguments: tuple[str, list[StatusItem]]) -> Answer:
    name, items = arguments
    yield status_line(session, session.mail().mailbox(name), items)
    return None


def _number(value: Callable[[Mailbox], int]) -> Callable[[Session, Account, Mailbox], bytes]:
    return lambda session, account, mailbox: b"%d" % value(mailbox)


def _recent(session: Session, account: Account, mailbox: Mailbox) -> bytes:
    if mailbox.recent_uid >= mailbox.uidnext:
        return b"0"
    return b"%d" % len(account.uids(mailbox.id).between(mailbox.recent_uid, mailbox.uidnext))


STATUS: Final = Command(b"STATUS", LOGGED_IN, _parse, _run, inline=True)

ITEMS: Final[tuple[StatusItem, ...]] = (
    StatusItem(b"MESSAGES", _number(lambda mailbox: mailbox.messages)),
    StatusItem(b"RECENT", _recent),
    StatusItem(b"UIDNEXT", _number(lambda mailbox: mailbox.uidnext)),
    StatusItem(b"UIDVALIDITY", _number(lambda mailbox: mailbox.uidvalidity)),
    StatusItem(b"UNSEEN", _number(lambda mailbox: mailbox.unseen)),
    StatusItem(b"DELETED", _number(lambda mailbox: mailbox.deleted)),
    StatusItem(b"SIZE", _number(lambda mailbox: mailbox.size)),
)
