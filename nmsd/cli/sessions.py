"""nmsd sessions: who is connected, and disconnecting them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from nmsd.cli.control import ask
from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import duration, json_option, print_json, print_table
from nmsd.log import clean


@click.group()
def sessions() -> None:
    """List the sessions there are, and disconnect some."""


_SERVICE = click.option("--service", default="", metavar="NAME", help="Only those of this service.")
_USER = click.option("--user", default="", metavar="ACCOUNT", help="Only those of this account.")


@sessions.command(name="list")
@_SERVICE
@_USER
@json_option
@pass_instance
def list_(instance: Instance, service: str, user: str, as_json: bool) -> None:
    """List the sessions, the longest idle last."""
    found = _ask(instance, service, {"command": "sessions", "user": user})
    found.sort(key=lambda session: float(session["idle"]))
    if as_json:
        print_json(found)
        return
    print_table(("ID", "SERVICE", "USER", "ADDRESS", "TLS", "STATE", "IDLE"), [_row(session) for session in found])


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


def _row(session: dict[str, Any]) -> tuple[str, ...]:
    tls = f"{session['cipher_bits']} bits" if session["tls"] else "-"
    told = clean(session["state"])  # a mailbox's name is whatever its owner made up
    idle = duration(session["idle"])
    return (session["id"], session["service"], session["user"] or "-", session["address"], tls, told, idle)
