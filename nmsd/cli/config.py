"""nmsd config: the settings, looked at and changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json
from nmsd.cli.program import program_environment
from nmsd.config.edit import change_file
from nmsd.config.file import did_you_mean, known_settings, wrong_value
from nmsd.config.load import COMMAND_LINE, DEFAULT, Loaded, Origin, config_path, variable_name
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.setting import Setting
from nmsd.model.errors import NmsdError


@click.group()
def config() -> None:
    """List, get, set, describe and check settings."""


def _settings() -> dict[str, Setting[Any]]:
    from nmsd.settings import SECTIONS

    return known_settings(SECTIONS)


def _find(name: str) -> Setting[Any]:
    known = _settings()
    setting = known.get(name)
    if setting is None:
        raise Failed([f"{name}: there is no such setting; {did_you_mean(name, known)}"], 2)
    return setting


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in _settings() if name.startswith(incomplete)]


_NAME = click.argument("name", shell_complete=_complete)


def _shown(setting: Setting[Any], loaded: Loaded) -> str:
    text = str(setting.kind.write(loaded.config[setting]))
    return "(secret)" if setting.secret and text else text


def _origin(setting: Setting[Any], origins: Mapping[str, Origin]) -> str:
    return str(origins.get(setting.name, DEFAULT))


@config.command(name="list")
@click.argument("prefix", default="", shell_complete=_complete)
@click.option("--changed", is_flag=True, help="Only those that some source sets.")
@json_option
@pass_instance
def list_(instance: Instance, prefix: str, changed: bool, as_json: bool) -> None:
    """List settings whose names begin with PREFIX, with their values in force."""
    loaded = instance.read()
    chosen = [
        setting
        for setting in _settings().values()
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
            click.echo(f"{setting.name} = {_shown(setting, loaded)}".rstrip())
    _warn(loaded.problems)


@config.command()
@_NAME
@json_option
@pass_instance
def get(instance: Instance, name: str, as_json: bool) -> None:
    """Print the value in force of the setting NAME."""
    setting = _find(name)
    loaded = instance.read()
    value = str(setting.kind.write(loaded.config[setting]))
    if as_json:
        print_json({"name": name, "value": value, "origin": _origin(setting, loaded.origins)})
    else:
        click.echo(value)
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
    """Remove NAME from etc/nmsd.conf, so that its default holds again."""
    _edit(instance, _find(name), None)


def _edit(instance: Instance, setting: Setting[Any], text: str | None) -> None:
    change_file(instance.directory, instance.read, {setting.name: text})
    after = instance.read()
    path = config_path(instance.directory)
    origin = after.origins.get(setting.name)
    if text is not None and origin is not None and origin.source != path:
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
    loaded = instance.read()
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
    """Check everything: the file, the values, certificates, the user, and whether the ports can be had.

    Prints a line for everything that is wrong, with the mend; the exit status is then 2.
    """
    problems = _check(instance)
    if as_json:
        print_json([problem.as_dict() for problem in problems])
        return 2 if problems else 0
    if problems:
        raise ConfigError(problems)
    click.echo("all is well")
    return 0


def _check(instance: Instance) -> Sequence[Problem]:
    from nmsd.supervisor.control import request
    from nmsd.supervisor.listen import Listeners
    from nmsd.supervisor.prepare import check as check_ground

    loaded = instance.read()
    listeners = Listeners()
    try:
        status = request(instance.directory, {"command": "status"})
        # What this very server listens on is in use, and rightly.
        held = {endpoint for service in status["services"] for endpoint in service["endpoints"]}
    except NmsdError:
        held = set()
    try:
        return check_ground(loaded, listeners, program_environment(os.environ), held=held)[0]
    finally:
        listeners.keep_only(())


def _warn(problems: Sequence[Problem]) -> None:
    """Values can be looked at while others are wrong; that they are is not kept quiet."""
    if problems:
        count = len(problems)
        what = "1 thing is" if count == 1 else f"{count} things are"
        click.echo(f"nmsd: {what} wrong with the configuration; `nmsd config check` tells what", err=True)
