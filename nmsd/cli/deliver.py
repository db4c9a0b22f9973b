"""nmsd deliver: a message from standard input into the store, for an MTA's pipe transport and for scripts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance, pass_instance
from nmsd.config.problem import ConfigError
from nmsd.model.errors import NmsdError

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.lmtp.content import Content
    from nmsd.lmtp.delivery import Delivery, Recipient
    from nmsd.lmtp.envelope import Address
    from nmsd.lmtp.reply import Reply

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
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise Failed([f"{error.format_message()} See `nmsd deliver --help`."], EX_USAGE) from None


@click.command(cls=_Sysexits)
@click.argument("recipients", metavar="RECIPIENT...", nargs=-1, required=True)
@click.option("-f", "sender", metavar="ADDRESS", help="The sender, for Return-Path; that of a From_ line, unless given.")
@click.option("-m", "mailbox", metavar="MAILBOX", help="The mailbox, if there is one of this name; else INBOX.")
@pass_instance
def deliver(instance: Instance, recipients: tuple[str, ...], sender: str | None, mailbox: str | None) -> int:
    """Deliver the message on standard input to RECIPIENT..., addresses of this server's users.

    Line ends may be LF or CRLF; an mbox From_ line at the start is taken off. RECIPIENT may have a subaddress, as with
    LMTP. Exit status as in sysexits(3): 0 when every recipient has it on disk, 75 to try again, 67 no such user, 73 no
    room, 65 a message that cannot be taken, 64 wrong usage, 78 a fault in the configuration. With several recipients, 75
    if any should be tried again.
    """
    with _opened(instance) as (config, delivery):
        failures = [*_deliver(config, delivery, recipients, sender, mailbox or "")]
    if not failures:
        return 0
    status = next((status for _, status in failures if status == EX_TEMPFAIL), failures[0][1])
    raise Failed([text for text, _ in failures], status)


@contextmanager
def _opened(instance: Instance) -> Iterator[tuple[Config, Delivery]]:
    from nmsd.app import open_directory
    from nmsd.cli.store import opened_store
    from nmsd.lmtp.delivery import Delivery
    from nmsd.log import open_log
    from nmsd.store.runtime import PlainRuntime

    try:
        instance.directory  # noqa: B018 (says which instance is meant, or that there is none)
        opening = opened_store(instance)
        opened = opening.__enter__()
    except ConfigError as error:
        raise Failed([str(problem) for problem in error.problems], EX_CONFIG) from None
    except NmsdError as error:
        raise Failed([str(error)], EX_CONFIG) from None
    try:
        log = open_log(opened.config, "nmsd")
        yield opened.config, Delivery(opened.config, opened.store, open_directory(opened.config, PlainRuntime(), log))
    finally:
        opening.__exit__(None, None, None)
