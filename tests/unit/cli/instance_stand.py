"""An instance to run subcommands on, in this process, and a look at what they left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner, Result

from nmsd.cli.main import cli
from nmsd.model.flags import flag_names
from nmsd.model.message import Field
from nmsd.store.api import Account
from nmsd.store.runtime import PlainRuntime, unheard
from nmsd.store.sqlite.engine import open_store

DOMAIN = "example.com"


class Instance:
    """An instance made by `nmsd init`, with cheap password hashes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "instance"
        made = CliRunner().invoke(
            cli, ["init", str(self.path), "--bind", "127.0.0.1", "--domain", DOMAIN], prog_name="nmsd"
        )
        assert made.exit_code == 0, made.output
        self.set("password.argon2memory", "8K")
        self.set("password.argon2time", "1")

    def set(self, name: str, value: str) -> None:
        """Sets a setting."""
        with open(self.path / "etc" / "nmsd.conf", "a", encoding="utf-8") as file:
            file.write(f"{name} = {value}\n")

    def run(self, *arguments: str, stdin: str | bytes = "") -> Result:
        """Runs `nmsd -I … ARGUMENTS`."""
        return CliRunner().invoke(cli, ["-I", str(self.path), *arguments], prog_name="nmsd", input=stdin)

    def add_user(self, name: str, *options: str) -> None:
        """Adds a user, whose password is "secret"."""
        done = self.run("user", "add", name, "--password-stdin", *options, stdin="secret\n")
        assert done.exit_code == 0, done.output

    @property
    def ldif(self) -> str:
        """The embedded directory's file."""
        return (self.path / "etc" / "directory.ldif").read_text()

    def account(self, name: str) -> Account:
        """A user's account."""
        return open_store(self.path / "store", PlainRuntime(), unheard).account(f"{name}@{DOMAIN}")

    def messages(self, name: str, mailbox: str = "INBOX") -> list[bytes]:
        """The messages of a mailbox."""
        account = self.account(name)
        if not account.exists():
            return []
        found = account.mailbox(mailbox)
        return [account.read(found.id, uid, 0, 1 << 30) for uid in account.uids(found.id)]

    def rows(self, name: str, mailbox: str) -> list[tuple[int, list[str]]]:
        """(internal date, flags) of each message of a mailbox."""
        account = self.account(name)
        found = account.mailbox(mailbox)
        fields = (Field.INTERNAL_EPOCH, Field.FLAGS)
        rows = [row for rows in account.fetch(found.id, account.uids(found.id), fields) for row in rows]
        return [(epoch, sorted(flag_names(flags, found.keywords))) for _, epoch, flags in rows]

    def mailboxes(self, name: str) -> Sequence[str]:
        """The names of a user's mailboxes."""
        return [mailbox.name for mailbox in self.account(name).mailboxes()]
