"""nmsd sessions: who is connected, a live table of it, and disconnecting them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from nmsd.cli.control import ask
from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import duration, json_option, print_json, print_table
from nmsd.log import clean
from nmsd.model.errors import NmsdError
from nmsd.supervisor.control import NotRunning

if TYPE_CHECKING:
    from rich.table import Table

_HEAD: Final = ("ID", "SERVICE", "USER", "ADDRESS", "TLS", "STATE", "IDLE", "AGE", "IN", "OUT")
_SORTS: Final[dict[str, tuple[Callable[[dict[str, Any]], Any], bool]]] = {
    # By what, and whether the greatest comes first.
    "idle": (lambda session: session["idle"], False),
    "age": (lambda session: session["age"], True),
    "in": (lambda session: session["received"], True),
    "out": (lambda session: session["sent"], True),
    "user": (lambda session: (session["user"], session["id"]), False),
    "address": (lambda session: (session["address"], session["user"]), False),
    "service": (lambda session: (session["service"], session["user"]), False),
    "state": (lambda session: (session["state"], session["user"]), False),
}
_FRAME: Final = 6  # lines of the terminal that are not rows

_Look = tuple[list[dict[str, Any]], str]
"""The sessions, or why they could not be asked for."""


@click.group()
def sessions() -> None:
    """List the sessions there are, watch them, and disconnect some."""


_SERVICE = click.option("--service", default="", metavar="NAME", help="Only those of this service.")
_USER = click.option("--user", default="", metavar="ACCOUNT", help="Only those of this account.")
_SORT = click.option(
    "--sort", type=click.Choice(list(_SORTS)), default="idle", show_default=True, help="What the order is by."
)
_REVERSE = click.option("--reverse", is_flag=True, help="The other way round.")


@sessions.command(name="list")
@_SERVICE
@_USER
@_SORT
@_REVERSE
@json_option
@pass_instance
def list_(instance: Instance, service: str, user: str, sort: str, reverse: bool, as_json: bool) -> None:
    """List the sessions, the longest idle last."""
    found = _sorted(_ask(instance, service, {"command": "sessions", "user": user}), sort, reverse)
    if as_json:
        print_json(found)
        return
    print_table(_HEAD, [_row(session) for session in found])


@sessions.command()
@_SERVICE
@_USER
@_SORT
@_REVERSE
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N looks; else Ctrl-C does.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a look, on a line.")
@pass_instance
def watch(
    instance: Instance,
    service: str,
    user: str,
    sort: str,
    reverse: bool,
    interval: float,
    count: int | None,
    as_json: bool,
) -> None:
    """Show the sessions as they come and go, until Ctrl-C or until the server is stopped."""

    def look() -> _Look:
        try:
            return _sorted(_ask(instance, service, {"command": "sessions", "user": user}), sort, reverse), ""
        except NotRunning:
            raise
        except NmsdError as error:  # such as a worker that is busy; the next look may be better
            return [], str(error)

    looks = _looks(look, interval, count)
    try:
        if as_json:
            for found, trouble in looks:
                seen = {"error": trouble} if trouble else {"sessions": found}
                click.echo(json.dumps({"time": round(time.time(), 3), **seen}, ensure_ascii=False))
        else:
            _show(looks, sort)
    except KeyboardInterrupt:
        pass


@sessions.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_SERVICE
@_USER
@click.option("--now", is_flag=True, help="Break off the command that is being done, too.")
@json_option
@pass_instance
def kick(instance: Instance, ids: Sequence[str], service: str, user: str, now: bool, as_json: bool) -> int:
    """Disconnect the sessions with these IDs, or those of a --user. Clients are told why; the exit status is 1 if
    there was no such session."""
    if not ids and not user:
        raise Failed(["which? give session IDs (`nmsd sessions list` shows them) or --user ACCOUNT"], 2)
    message = {"command": "kick", "ids": list(ids), "user": user, "now": now, "by": "command line"}
    ended = [str(facts["id"]) for facts in _ask(instance, service, message)]
    if as_json:
        print_json({"disconnected": ended})
    else:
        for each in ended:
            click.echo(f"disconnected {each}")
        for missing in set(ids) - set(ended):
            click.echo(f"nmsd: there is no session {missing}", err=True)
        if not ended and not ids:
            click.echo(f"nmsd: {user} has no session", err=True)
    return 0 if ended and not set(ids) - set(ended) else 1


def _ask(instance: Instance, service: str, message: dict[str, Any]) -> list[dict[str, Any]]:
    from nmsd.supervisor.inquiry import ask_workers

    status = ask(instance.directory, "status", service or None)
    return list(ask_workers(instance.directory, message, service, status))


def _sorted(found: list[dict[str, Any]], sort: str, reverse: bool) -> list[dict[str, Any]]:
    key, greatest_first = _SORTS[sort]
    return sorted(found, key=key, reverse=greatest_first != reverse)


def _looks(look: Callable[[], _Look], interval: float, count: int | None) -> Iterator[_Look]:
    """What is seen at each look; the time between two is `interval`, however long looking takes."""
    due = time.monotonic()
    while True:
        yield look()
        if count is not None:
            count -= 1
            if not count:
                return
        due = max(due + interval, time.monotonic())
        time.sleep(due - time.monotonic())


def _show(looks: Iterator[_Look], sort: str) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        for number, (found, trouble) in enumerate(looks):
            if number:
                click.echo()
            if trouble:
                click.echo(f"nmsd: {trouble}", err=True)
            else:
                print_table(_HEAD, [_row(session) for session in found])
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for found, trouble in looks:
            live.update(Text(trouble) if trouble else _table(found, sort, console.height - _FRAME), refresh=True)


def _table(found: list[dict[str, Any]], sort: str, most: int) -> Table:
    """As many rows as fit, and a line with what all of them come to."""
    from rich.table import Table
    from rich.text import Text

    shown = found[: max(1, most)]
    users = len({session["user"] for session in found if session["user"]})
    working = sum(bool(session["working"]) for session in found)
    more = f", {len(shown)} shown" if len(shown) < len(found) else ""
    caption = f"{len(found)} sessions of {users} users, {working} at work{more}; {time.strftime('%H:%M:%S')}"
    table = Table(caption=caption, caption_justify="left", box=None, pad_edge=False, expand=True)
    for head in _HEAD:
        is_number = head in ("IDLE", "AGE", "IN", "OUT")
        style = "bold" if head.lower() == sort else "dim"
        table.add_column(head, header_style=style, no_wrap=True, justify="right" if is_number else "left")
    for session in shown:
        table.add_row(*(Text(cell) for cell in _row(session)), style="bold" if session["working"] else None)
    return table


def _row(session: dict[str, Any]) -> tuple[str, ...]:
    return (
        session["id"],
        session["service"],
        session["user"] or "-",
        session["address"],
        f"{session['cipher_bits']} bits" if session["tls"] else "-",
        clean(session["state"]),  # a mailbox's name is whatever its owner made up
        duration(session["idle"]),
        duration(session["age"]),
        _size(session["received"]),
        _size(session["sent"]),
    )


def _size(count: float) -> str:
    for unit in ("", "K", "M", "G"):
        if count < 1000:
            return f"{count:.0f}{unit}" if not unit or count >= 10 else f"{count:.1f}{unit}"
        count /= 1024
    return f"{count:.1f}T"
