"""nmsd deliver: a message from standard input into the store, for an MTA's pipe transport and for scripts."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from typing import Any, BinaryIO, Final

import click

from nmsd import PRODUCT
from nmsd.app import open_directory
from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.store import opened_store
from nmsd.config.problem import ConfigError
from nmsd.config.services import MAX_MESSAGE_SIZE, host_name
from nmsd.config.setting import Config
from nmsd.lmtp.content import Content
from nmsd.lmtp.delivery import Delivery, Recipient
from nmsd.lmtp.envelope import Address, parse_address
from nmsd.lmtp.reply import Refusal, Reply, as_refusal
from nmsd.lmtp.settings import OVER_QUOTA
from nmsd.lmtp.trace import delivered_to, return_path, submitted
from nmsd.log import open_log
from nmsd.model.errors import NmsdError, StoreError
from nmsd.model.message import Instant, NewMessage
from nmsd.store.runtime import PlainRuntime
from nmsd.wire.errors import BadSyntax
from nmsd.wire.protocol import Log

EX_USAGE: Final = 64
EX_DATAERR: Final = 65
EX_NOUSER: Final = 67
EX_UNAVAILABLE: Final = 69
EX_CANTCREAT: Final = 73
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78

_PIECE_BYTES: Final = 1 << 16
_FROM_LINE_BYTES: Final = 1 << 12

# What a permanent failure's enhanced code means to an MTA; the first that it begins with counts.
_STATUSES: Final = (("5.1.", EX_NOUSER), ("5.2.1", EX_NOUSER), ("5.2.2", EX_CANTCREAT), ("5.3.4", EX_DATAERR))


class _Sysexits(click.Command):
    """A command whose wrong usage is EX_USAGE, as MTAs expect."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise Failed([f"{error.format_message()} See `nmsd deliver --help`."], EX_USAGE) from None


@click.command(cls=_Sysexits)
@click.argument("recipients", metavar="RECIPIENT...", nargs=-1, required=True)
@click.option(
    "-f", "sender", metavar="ADDRESS", help="The sender, for Return-Path; that of a From_ line, unless given."
)
@click.option(
    "-m", "mailbox", metavar="MAILBOX", default="", help="The mailbox, if there is one of this name; else INBOX."
)
@pass_instance
def deliver(instance: Instance, recipients: tuple[str, ...], sender: str | None, mailbox: str) -> int:
    """Deliver the message on standard input to RECIPIENT..., addresses of this server's users.

    Line ends may be LF or CRLF; an mbox From_ line at the start is taken off. RECIPIENT may have a subaddress, as with
    LMTP. Exit status as in sysexits(3): 0 when every recipient has it on disk, 75 to try again, 67 no such user, 73
    no room, 65 a message that cannot be taken, 64 wrong usage, 78 a fault in the configuration. With several
    recipients, 75 if any should be tried again.
    """
    try:
        with opened_store(instance) as opened:
            log = open_log(opened.config, "nmsd")
            directory = open_directory(opened.config, PlainRuntime(), log)
            delivery = Delivery(opened.config, opened.store, directory)
            failures = list(_deliver(opened.config, delivery, log, recipients, sender, mailbox))
    except ConfigError as error:
        raise Failed([str(problem) for problem in error.problems], EX_CONFIG) from None
    except Failed:
        raise
    except (StoreError, OSError) as error:
        raise Failed([str(error)], EX_TEMPFAIL) from None
    except NmsdError as error:
        raise Failed([str(error)], EX_CONFIG) from None
    if not failures:
        return 0
    again = any(status == EX_TEMPFAIL for _, status in failures)
    raise Failed([text for text, _ in failures], EX_TEMPFAIL if again else failures[0][1])


def _deliver(
    config: Config, delivery: Delivery, log: Log, names: Sequence[str], sender: str | None, mailbox: str
) -> Iterator[tuple[str, int]]:
    """Delivers, and gives what failed: a line, and an exit status."""
    recipients: list[Recipient] = []
    for name in names:
        try:
            recipients.append(_recipient(config, delivery, name, mailbox))
        except Refusal as refusal:
            yield _failure(name, refusal.reply)
    if not recipients:
        return
    stream = sys.stdin.buffer
    start, from_sender = _after_from_line(stream)
    trace = _trace(config, _sender(from_sender if sender is None else sender), recipients)
    content = Content(trace, config[MAX_MESSAGE_SIZE], False)
    try:
        content.write(start)
        while piece := stream.read(_PIECE_BYTES):
            content.write(piece)
        if not content.received:
            raise Failed(["there is no message on standard input"], EX_DATAERR)
        try:
            message = NewMessage(content.finish(), Instant(int(time.time())))
        except Refusal as refusal:
            for recipient in recipients:
                yield _failure(str(recipient.address), refusal.reply)
            return
        for recipient in recipients:
            try:
                where, appended = delivery.deliver(recipient, message)
                log(
                    "Information", "Store", "delivery", recipient=str(recipient.address), user=recipient.user.account,
                    mailbox=f"{where.name}/{appended.uids[0]}", size=content.received,
                )  # fmt: skip
            except NmsdError as error:
                yield _failure(str(recipient.address), as_refusal(error, config[OVER_QUOTA]).reply)
    finally:
        content.close()


def _recipient(config: Config, delivery: Delivery, name: str, mailbox: str) -> Recipient:
    """Raises Refusal."""
    try:
        recipient = delivery.recipient(parse_address(name))
    except BadSyntax as error:
        raise Refusal(553, "5.1.3", str(error)) from None
    except NmsdError as error:
        raise as_refusal(error, config[OVER_QUOTA]) from None
    if mailbox:
        recipient.folder = mailbox
    return recipient


def _failure(name: str, reply: Reply) -> tuple[str, int]:
    text = f"{name}: {reply.text} ({reply.code} {reply.enhanced})"
    if reply.code < 500:
        return text, EX_TEMPFAIL
    return text, next((status for start, status in _STATUSES if reply.enhanced.startswith(start)), EX_UNAVAILABLE)


def _sender(text: str) -> Address:
    """The sender's address; one that is none counts as the null sender."""
    if not text or text in ("<>", "MAILER-DAEMON"):
        return Address("", "")
    try:
        return parse_address(text)
    except BadSyntax:
        return Address("", "")


def _trace(config: Config, sender: Address, recipients: Sequence[Recipient]) -> bytes:
    fields = (
        return_path(sender),
        delivered_to([recipient.address for recipient in recipients]),
        submitted(
            user=f"uid {os.getuid()}",
            host=host_name(config),
            product=PRODUCT,
            message_id=f"{int(time.time()):x}.{os.getpid():x}",
            date=formatdate(localtime=True),
        ),
    )
    return "".join(fields).encode()


def _after_from_line(stream: BinaryIO) -> tuple[bytes, str]:
    """The first line of the message, a From_ line before it left out, and the sender that it names."""
    line = stream.readline(_FROM_LINE_BYTES)
    if not line.startswith(b"From "):
        return line, ""
    words = line.decode("utf-8", "replace").split()
    return b"", words[1] if len(words) > 1 else ""
