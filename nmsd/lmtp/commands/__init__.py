"""The commands, listed."""

from typing import Final

from nmsd.lmtp.commands import message, session, transaction
from nmsd.lmtp.registry import Command

COMMANDS: Final[dict[bytes, Command]] = {
    row.name: row for row in (*session.COMMANDS, *transaction.COMMANDS, *message.COMMANDS)
}
