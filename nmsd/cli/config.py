"""nmsd config: the settings, looked at and changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from nmsd.cli.config_directory import diff, fetch, publish
from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json
from nmsd.cli.program import PROGRAM, program_environment
from nmsd.config.edit import change_file
from nmsd.config.entries import attribute_class
from nmsd.config.file import Known, did_you_mean, known_settings, wrong_value
from nmsd.config.load import COMMAND_LINE, DEFAULT, Loaded, Origin, copied, variable_name
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.setting import Setting
from nmsd.model.errors import NmsdError

if TYPE_CHECKING:
    from nmsd.server.limits import Shortage


@click.group()
def config() -> None:
    """Settings: look at them, change and check them, in the file and in a directory."""


config.add_command(publish)
config.add_command(fetch)
config.add_command(diff)


def _settings() -> Known:
    from nmsd.settings import SECTIONS

    return known_settings(SECTIONS)


def _find(name: str) -> Setting[Any]:
    known = _settings()
    setting: Setting[Any] | None = known.get(name)
    if setting is None:
        raise Failed([f"{name}: there is no such setting; {did_you_mean(name, known)}"], 2)
    return setting


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in _settings() if name.startswith(incomplete)]


_NAME = click.argument("name", shell_complete=_complete)


def _read(instance: Instance) -> Loaded:
    """The configuration with what the directory says now; if it does not answer, with the copy, and a word of it."""
    try:
        loaded, away = instance.read_asking()
    except ConfigError:
        return instance.read()  # an entry that is not there: `nmsd config check` tells
    if away:
        what = "are not known" if loaded.lacks_entries else "are those of the local copy"
        click.echo(f"nmsd: settings in the directory {what}: {away}", err=True)
    return loaded


def _shown(setting: Setting[Any], loaded: Loaded) -> str:
    text = str(setting.kind.write(loaded.config[setting]))
    return "(secret)" if setting.secret and text else text


def _origin(setting: Setting[Any], origins: Mapping[str, Origin]) -> str:
    return str(origins.get(setting.name, DEFAULT))


@config.command(name="list")
@click.argument("prefix", default="", shell_complete=_complete)
@click.option("--changed", is_flag=True, help="Only those that some source sets.")
@click.option("--origin", "with_origin", is_flag=True, help="Tell where each value comes from.")
@json_option
@pass_instance
def list_(instance: Instance, prefix: str, changed: bool, with_origin: bool, as_json: bool) -> None:
    """List settings whose names begin with PREFIX, with their values in force."""
    loaded = _read(instance)
    known = _settings()
    chosen = [
        setting
        for setting in (*known.values(), *known.set_too(loaded.origins))
        if setting.name.startswith(prefix) and (not changed or setting.name in loaded.origins)
    ]
    if as_json:
        print_json(
            [
                {"name": each.name, "value": _shown(each, loaded), "origin": _origin(each, loaded.origins)}
                for each in chosen
            ]
        )
    else:
        for setting in chosen:
            origin = f"  # {_origin(setting, loaded.origins)}" if with_origin else ""
            click.echo(f"{setting.name} = {_shown(setting, loaded)}{origin}".rstrip())
    _warn(loaded.problems)


@config.command()
@_NAME
@click.option("--origin", "with_origin", is_flag=True, help="Tell, on a second line, where it comes from.")
@json_option
@pass_instance
def get(instance: Instance, name: str, with_origin: bool, as_json: bool) -> None:
    """Print the value in force of the setting NAME."""
    setting = _find(name)
    loaded = _read(instance)
    value = str(setting.kind.write(loaded.config[setting]))
    if as_json:
        print_json({"name": name, "value": value, "origin": _origin(setting, loaded.origins)})
    else:
        click.echo(value)
        if with_origin:
            click.echo(_origin(setting, loaded.origins))
    _warn(loaded.problems)


@config.command(name="set", context_settings={"ignore_unknown_options": True})  # a value may be -1
@_NAME
@click.argument("value")
@pass_instance
def set_(instance: Instance, name: str, value: str) -> None:
    """Set NAME to VALUE in etc/nmsd.conf; comments stay. A value that is wrong is refused, with exit status 2."""
    setting = _find(name)
    try:
        text = setting.kind.write(setting.kind.parse(value))
    except ValueError as error:
        raise ConfigError([wrong_value(setting, value, str(error), COMMAND_LINE)]) from None
    _edit(instance, setting, text)


@config.command()
@_NAME
@pass_instance
def unset(instance: Instance, name: str) -> None:
    """Remove NAME from etc/nmsd.conf, so that what the directory says, or its default, holds again."""
    _edit(instance, _find(name), None)


def _edit(instance: Instance, setting: Setting[Any], text: str | None) -> None:
    change_file(instance.directory, instance.read, {setting.name: text})
    after = instance.read()
    origin = after.origins.get(setting.name)
    if text is not None and origin is not None and origin.beats_file:
        click.echo(f"but {origin} sets {variable_name(setting)}, which is stronger than the file", err=True)
    from nmsd.config.render import effect

    click.echo(f"takes effect {effect(setting)}")


@config.command()
@_NAME
@json_option
@pass_instance
def describe(instance: Instance, name: str, as_json: bool) -> None:
    """Tell what NAME is for, what is allowed, its default, its value in force and where that comes from."""
    from nmsd.config.render import effect

    setting = _find(name)
    loaded = _read(instance)
    facts = {
        "name": setting.name,
        "help": setting.help,
        "allowed": setting.kind.allowed,
        "default": setting.kind.write(setting.default),
        "value": _shown(setting, loaded),
        "origin": _origin(setting, loaded.origins),
        "environment": variable_name(setting),
        "effect": effect(setting),
    }
    if attribute_class(setting):
        facts["attribute"] = f"{setting.attribute} of {attribute_class(setting)}"
    if setting.label:
        facts["label"] = setting.label
    if as_json:
        print_json(facts)
    else:
        click.echo(click.wrap_text(setting.help, 100))
        for what in list(facts):
            if what not in ("name", "help"):
                click.echo(f"  {what + ':':13}{facts[what]}".rstrip())
    _warn(loaded.problems)


@config.command()
@json_option
@pass_instance
def check(instance: Instance, as_json: bool) -> int:
    """Check everything: file, directory, values, certificates, the user, and whether the ports can be had.

    Prints a line for everything that is wrong, with the mend; the exit status is then 2. What only makes the server do
    with less than is set, such as a limit of descriptors, is a warning.
    """
    problems, warnings = _check(instance)
    if as_json:
        told = [{**problem.as_dict(), "warning": False} for problem in problems]
        print_json(told + [{**problem.as_dict(), "warning": True} for problem in warnings])
        return 2 if problems else 0
    for problem in warnings:
        click.echo(f"nmsd: warning: {problem}", err=True)
    if problems:
        raise ConfigError(problems)
    click.echo("all else is well" if warnings else "all is well")
    return 0


def _check(instance: Instance) -> tuple[Sequence[Problem], Sequence[Problem]]:
    """What is wrong, and what is only short."""
    from nmsd.supervisor.control import request
    from nmsd.supervisor.listen import Listeners
    from nmsd.supervisor.prepare import check as check_ground
    from nmsd.supervisor.refresh import Refresh

    environ = program_environment(os.environ)
    fetch = [*PROGRAM, "-I", instance.directory, "config", "fetch", "--dry-run", "--json"]
    try:
        # As a start does, but for the copy; in a process of its own, for this one may have to stay root.
        outcome = Refresh(instance.read, fetch, environ).now()
    except ConfigError as error:
        return error.problems, ()
    loaded = outcome.loaded
    notes = [*loaded.notes, *([copied(outcome.away)] if outcome.away else [])]
    listeners = Listeners()
    try:
        status = request(instance.directory, {"command": "status"})
        # What this very server listens on is in use, and rightly.
        held = {endpoint for service in status["services"] for endpoint in service["endpoints"]}
        descriptors = int(status["descriptor_limit"])
    except NmsdError:
        held = set()
        descriptors = _descriptor_limit()
    try:
        problems = check_ground(loaded, listeners, environ, held=held)[0]
    finally:
        listeners.keep_only(())
    if loaded.problems:
        return problems, notes
    short = list(_shortages(loaded, descriptors))
    hopeless = [each.problem for each in short if each.hopeless]
    return [*problems, *hopeless], [*notes, *(each.problem for each in short if not each.hopeless)]


def _descriptor_limit() -> int:
    """How many descriptors a process of a server started from here could have."""
    import psutil

    _, hard = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)
    return hard if hard >= 0 else 1 << 30


def _shortages(loaded: Loaded, descriptors: int) -> Iterator[Shortage]:
    from nmsd.app import store_descriptors
    from nmsd.config.services import MAIL_SERVICES
    from nmsd.server.limits import shortages

    files = store_descriptors(loaded.config)
    return shortages(loaded.config, loaded.origins, dict.fromkeys(MAIL_SERVICES, files), descriptors)


def _warn(problems: Sequence[Problem]) -> None:
    """Values can be looked at while others are wrong; that they are is not kept quiet."""
    if problems:
        count = len(problems)
        what = "1 thing is" if count == 1 else f"{count} things are"
        click.echo(f"nmsd: {what} wrong with the configuration; `nmsd config check` tells what", err=True)
