"""nmsd token: access tokens for the REST interface and the metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.console.tokens import SCOPES

if TYPE_CHECKING:
    from nmsd.console.tokens import Token, Tokens


@click.group()
def token() -> None:
    """Make and revoke access tokens: what programs show to the console's REST interface and to /metrics."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(list(SCOPES)),
    help="What it is good for: "
    + "; ".join(f"{name}: {words}" for name, words in SCOPES.items())
    + ". May be repeated.",
)
@click.option("--days", type=click.IntRange(1, 36_500), help="After how many days it expires; never, unless given.")
@json_option
@pass_instance
def add(instance: Instance, name: str, scopes: tuple[str, ...], days: int | None, as_json: bool) -> None:
    """Make a token called NAME, and print it. It is shown this once only."""
    from nmsd.console.settings import MAX_TOKENS

    config = instance.config()
    made, text = _tokens(instance).add(name, frozenset(scopes), time.time(), days=days or 0, most=config[MAX_TOKENS])
    if as_json:
        print_json({**_facts(made, {}), "token": text})
    else:
        click.echo(text)


@token.command(name="list")
@json_option
@pass_instance
def list_(instance: Instance, as_json: bool) -> None:
    """List the tokens: what each is good for, until when, and when it was used last."""
    tokens = _tokens(instance)
    used = tokens.used()
    if as_json:
        print_json([_facts(each, used) for each in tokens.all()])
        return
    rows = [
        (
            each.id,
            each.name,
            " ".join(sorted(each.scopes)),
            _day(each.created),
            ("expired " if not each.is_good(time.time()) else "") + _day(each.expires) if each.expires else "never",
            _day(used[each.id]) if each.id in used else "never",
        )
        for each in tokens.all()
    ]
    print_table(("ID", "NAME", "SCOPES", "MADE", "EXPIRES", "USED"), rows)


@token.command()
@click.argument("name")
@pass_instance
def revoke(instance: Instance, name: str) -> None:
    """End the token with this NAME or ID; a running server refuses it from then on."""
    found = _tokens(instance).revoke(name)
    click.echo(f"revoked {found.name}")


def _tokens(instance: Instance) -> Tokens:
    from nmsd.console.tokens import Tokens

    return Tokens(instance.config().instance)


def _facts(found: Token, used: dict[str, float]) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "scopes": sorted(found.scopes),
        "created": found.created,
        "expires": found.expires or None,
        "used": used.get(found.id),
    }


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
