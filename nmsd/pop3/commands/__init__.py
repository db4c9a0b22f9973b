"""The commands, listed."""

from typing import Final

from nmsd.pop3.commands import authorization, session, transaction
from nmsd.pop3.registry import Command

COMMANDS: Final[dict[bytes, Command]] = {
    row.name: row for row in (*session.COMMANDS, *authorization.COMMANDS, *transaction.COMMANDS)
}
