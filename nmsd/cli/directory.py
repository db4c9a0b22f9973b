"""nmsd directory: whether the users' directory can be asked, and forgetting what was learnt from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.directory.step import Step


@click.group()
def directory() -> None:
    """Try the users' directory, and have workers forget what they learnt from it."""


@directory.command()
@json_option
@pass_instance
def test(instance: Instance, as_json: bool) -> int:
    """Try each directory server: connection, TLS, bind, base, a search, and how long each takes.

    The exit status is 0 if all servers are good.
    """
    from nmsd.directory.ldap_settings import HOSTS

    config = instance.config()
    reports = list(_servers(config)) if config[HOSTS] else [_embedded(config)]
    good = all(step.good is not False for _, steps in reports for step in steps)
    if as_json:
        servers = [{"server": name, "steps": [asdict(step) for step in steps]} for name, steps in reports]
        print_json({"good": good, "servers": servers})
    else:
        for name, steps in reports:
            click.echo(name)
            print_steps(steps)
        click.echo("the directory can be asked" if good else "not all is well")
    return 0 if good else 1


@directory.command()
@pass_instance
def flush(instance: Instance) -> None:
    """Have all workers forget what they learnt from the directory, logins included.

    They do so with the next login or message, before they look anything up.
    """
    from nmsd.directory.ldap import FLUSH_FILE

    config = instance.config()
    path = os.path.join(config.instance, FLUSH_FILE)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.utime(path)
    click.echo("what was learnt from the directory is forgotten")


def print_steps(steps: Iterable[Step]) -> None:
    """A line a step."""
    for step in steps:
        mark = {True: "ok", False: "FAIL", None: "-"}[step.good]
        took = "" if step.seconds is None else f"  ({step.seconds * 1000:.1f} ms)"
        click.echo(f"  {mark:4}  {step.what + ':':22} {step.found}{took}")


def unlogged(level: str, category: str, text: str, **fields: Any) -> None:
    """A log for tools that print what they find."""


def _servers(config: Config) -> Iterable[tuple[str, Sequence[Step]]]:
    from nmsd.directory.ldap import LdapDirectory
    from nmsd.directory.ldap_report import probe
    from nmsd.store.runtime import PlainRuntime

    opened = LdapDirectory(config, PlainRuntime(), unlogged)
    for address in opened.servers.addresses:
        yield address.url, list(probe(opened, config, address))


def _embedded(config: Config) -> tuple[str, Sequence[Any]]:
    from nmsd.app import open_directory
    from nmsd.directory.settings import LDIF_FILE
    from nmsd.directory.step import Step
    from nmsd.model.errors import DirectoryError
    from nmsd.store.runtime import PlainRuntime

    opened = open_directory(config, PlainRuntime(), unlogged)
    try:
        users = sum(1 for _ in opened.accounts())
        step = Step("read", True, f"{users} user{'' if users == 1 else 's'}")
    except DirectoryError as error:
        step = Step("read", False, str(error))
    return config.path(LDIF_FILE), [step]
