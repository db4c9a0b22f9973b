"""The command `nmsd`: its table of subcommands, the options before them, and what becomes of errors.

A subcommand is a click command in a file of its own and a row in COMMANDS.  It raises NmsdError or ConfigError for what
the user can mend; here that becomes lines on standard error and an exit status.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final, NoReturn, cast

import click

from nmsd import PRODUCT, VERSION
from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance
from nmsd.config.problem import ConfigError
from nmsd.model.errors import NmsdError

# Name, where it is, what it does: the help is printed without importing any of them.
COMMANDS: Final = {
    "init": ("nmsd.cli.init:init", "Make an instance: configuration, directory, certificate, store."),
    "run": ("nmsd.cli.run:run", "Run the server in the foreground."),
    "start": ("nmsd.cli.start:start", "Start the server, or one service of a running one."),
    "stop": ("nmsd.cli.stop:stop", "Stop the server, or one service."),
    "restart": ("nmsd.cli.restart:restart", "Restart the server, or one service."),
    "reload": ("nmsd.cli.reload:reload", "Take changed settings without dropping a session."),
    "status": ("nmsd.cli.status:status", "Show services, workers, sessions and what they use."),
    "sessions": ("nmsd.cli.sessions:sessions", "List and watch the sessions there are, and disconnect some."),
    "counters": ("nmsd.cli.counters:counters", "Show connections, logins, commands and deliveries counted."),
    "trace": ("nmsd.cli.trace:trace", "Write down what a user's clients and the server say."),
    "config": ("nmsd.cli.config:config", "Look at settings, change and check them."),
    "user": ("nmsd.cli.user:user", "Manage the users of the embedded directory."),
    "token": ("nmsd.cli.token:token", "Make and revoke access tokens for programs."),
    "mailbox": ("nmsd.cli.mailbox:mailbox", "List, create, rename and delete mailboxes."),
    "account": ("nmsd.cli.account:account", "List and remove accounts."),
    "deliver": ("nmsd.cli.deliver:deliver", "Deliver a message from standard input."),
    "import": ("nmsd.cli.import_:import_", "Import Maildir and mbox trees."),
    "export": ("nmsd.cli.export:export", "Export an account to a Maildir tree."),
    "directory": ("nmsd.cli.directory:directory", "Try the users' directory; forget what was learnt from it."),
    "explain": ("nmsd.cli.explain:explain", "Tell why a login is let in or refused."),
    "check": ("nmsd.cli.check:check", "Verify the store, and repair it."),
    "completion": ("nmsd.cli.completion:completion", "Print a completion script for a shell."),
    "worker": ("nmsd.cli.worker:worker", ""),
}
HIDDEN: Final = frozenset({"worker"})

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERNAL: Final = 70
TRACEBACK: Final = "NMSD_TRACEBACK"


class Commands(click.Group):
    """The table as click wants it; imports a subcommand only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return cast(click.Command, getattr(import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            mend = f"did you mean {near[0]}?" if near else "`nmsd --help` lists them"
            raise click.UsageError(f"there is no command {name}; {mend}")
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As click's, but an error is a line or some, never a traceback."""

        def work() -> Any:
            return click.Group.main(self, args, prog_name, complete_var, standalone_mode=False, **extra)

        if not standalone_mode:
            return work()
        sys.exit(_guarded(work))


def _guarded(work: Callable[[], Any]) -> int:
    """Runs `work`; gives the exit status."""
    try:
        result = work()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.Abort:
        return _tell("interrupted", 130)
    except click.UsageError as error:
        where = f"; see `{error.ctx.command_path} --help`" if error.ctx else ""
        message = error.format_message().rstrip(".")
        return _tell(message if ";" in message else message + where, EXIT_USAGE)
    except click.ClickException as error:
        return _tell(error.format_message(), error.exit_code)
    except ConfigError as error:
        return _tell_all([str(problem) for problem in error.problems], EXIT_USAGE)
    except Failed as error:
        return _tell_all(list(error.lines), error.status)
    except NmsdError as error:
        return _tell(str(error), EXIT_FAILED)
    except BrokenPipeError:
        # The reader of our output has had enough; nothing more can be written, not even by the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        return _tell(": ".join(str(part) for part in (error.filename, error.strerror or error) if part), EXIT_FAILED)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        kind = type(error).__name__
        return _tell(f"internal error, {kind}: {error}; set {TRACEBACK}=1 to see where, and report it", EXIT_INTERNAL)


def _tell(text: str, status: int) -> int:
    return _tell_all([" ".join(text.split())], status)


def _tell_all(lines: list[str], status: int) -> int:
    for line in lines:
        print(f"{PRODUCT}: {line}", file=sys.stderr)
    return status


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-I", "instance", metavar="DIR", envvar="NMSD_INSTANCE", help="The instance's directory.")
@click.version_option(VERSION, prog_name=PRODUCT, message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, instance: str | None) -> None:
    """A directory-backed IMAP4/POP3 mailbox server.

    `nmsd init DIR` makes an instance; `nmsd -I DIR start` starts it. NMSD_INSTANCE stands for -I DIR.
    """
    context.obj = Instance(instance)


def main() -> NoReturn:
    """The console script."""
    cli.main(prog_name=PRODUCT)
    raise SystemExit(0)
