"""nmsd config fetch, publish and diff: the settings in the directory."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from nmsd.cli.entries import fetch_entries, opened
from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.config.directory import HOSTS, LOCAL, SHARED_DN
from nmsd.config.edit import change_file
from nmsd.config.entries import (
    SERVER_ENTRY,
    SETTING_CLASS,
    SHARED_ENTRY,
    Entries,
    Entry,
    Place,
    asked_attributes,
    interpret,
)
from nmsd.config.file import Known, did_you_mean, known_settings, read_file
from nmsd.config.load import Loaded, config_path
from nmsd.config.local_copy import write_copy
from nmsd.config.problem import ConfigError
from nmsd.config.publish import Change, base_entry, edits, plan
from nmsd.config.services import HOSTNAME
from nmsd.config.setting import Config, Setting
from nmsd.model.errors import DirectoryUnavailable, NmsdError

if TYPE_CHECKING:
    from nmsd.directory.config_entries import ConfigDirectory
    from nmsd.directory.ldap_link import Account

_SNAPSHOT: Final = re.compile(r"config-(\d+)")
_HIDDEN: Final = "(secret)"


def _known() -> Known:
    from nmsd.settings import SECTIONS

    return known_settings(SECTIONS)


def _configured(instance: Instance, overrides: Sequence[str] = ()) -> Loaded:
    """The configuration, if it names a directory.  Raises Failed, ConfigError."""
    loaded = instance.read(overrides)
    wrong = [problem for problem in loaded.problems if problem.name in LOCAL]
    if wrong:
        raise ConfigError(wrong)
    if not loaded.config[HOSTS]:
        raise Failed([f"{HOSTS.name} names no directory with settings; `nmsd config describe {HOSTS.name}`"], 2)
    return loaded


@click.command()
@click.option("-o", "overrides", metavar="NAME=VALUE", multiple=True, help="Set a setting for this run.")
@click.option("--dry-run", is_flag=True, help="Look only; leave the copy as it is.")
@json_option
@pass_instance
def fetch(instance: Instance, overrides: Sequence[str], dry_run: bool, as_json: bool) -> int:
    """Read the settings in the directory, check them, and renew the local copy.

    A start or reload does so by itself. The exit status is 1 if the directory cannot be asked, and 2, the copy
    staying as it was, if anything is wrong.
    """
    try:
        loaded = _configured(instance, overrides)
        entries = fetch_entries(loaded)
        fresh = instance.read(overrides, entries)
        if fresh.problems:
            raise ConfigError(fresh.problems)
        if not dry_run:
            write_copy(instance.directory, entries)
    except (ConfigError, DirectoryUnavailable, OSError) as error:
        if not as_json:
            raise
        if isinstance(error, ConfigError):
            problems = [problem.as_dict() for problem in error.problems]
            print_json({"ok": False, "problems": problems, "away": ""})
            return 2
        print_json({"ok": False, "problems": [], "away": str(error)})
        return 1
    if as_json:
        print_json({"ok": True, "problems": [], "away": "", "notes": [note.as_dict() for note in fresh.notes]})
        return 0
    for note in fresh.notes:
        click.echo(f"nmsd: warning: {note}", err=True)
    values = interpret(entries, _known()).values
    for place in (SERVER_ENTRY, SHARED_ENTRY):
        if entries.base(place):
            count = len(values[place])
            click.echo(f"{place} {entries.base(place)}: {count} setting{'' if count == 1 else 's'}")
    return 0


@click.command()
@click.argument("names", nargs=-1)
@click.option("--shared", is_flag=True, help="In the entry shared with other servers, not the server's own.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--move", is_flag=True, help="Take the settings out of the file afterwards: the entry's then hold.")
@click.option("--bind-dn", metavar="DN", help="Bind as this entry, which may change settings; asks for its password.")
@click.option("--password-stdin", is_flag=True, help="Read that password from standard input (its first line).")
@json_option
@pass_instance
def publish(
    instance: Instance,
    names: Sequence[str],
    shared: bool,
    dry_run: bool,
    move: bool,
    bind_dn: str | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Write settings of the file into the server's entry in the directory: those that are NAMED, or all.

    Settings that lead to the directory stay out of it; so do, unless they are named, secrets, and in the shared entry
    the host's name. An entry that is missing is made.
    """
    loaded = _configured(instance)
    place: Place = SHARED_ENTRY if shared else SERVER_ENTRY
    if shared and not loaded.config[SHARED_DN]:
        raise Failed([f"{SHARED_DN.name} names no shared entry; set it, or leave --shared out"], 2)
    texts = _chosen(instance, names, shared)
    known = _known()
    with opened(loaded, _account(bind_dn, password_stdin)) as directory:
        before = directory.read(asked_attributes(known.values()), may_lack=True)
        changes = plan(before, place, texts, known)
        base = base_entry(before, place)
        if not dry_run and (changes or base is None):
            try:
                _write(directory, before.base(place), base, changes)
            except DirectoryUnavailable as error:
                mend = "" if bind_dn else "; --bind-dn DN binds as an entry that may change it"
                raise NmsdError(f"{error}{mend}") from None
    _tell_changes(changes, base is None, before.base(place), known, as_json)
    if not dry_run:
        if move:
            _move(instance, place, list(texts))
        _renew_copy(instance)
    if not as_json and texts and not move:
        click.echo("etc/nmsd.conf sets them, too, and is stronger; --move takes them out of it", err=True)


def _write(directory: ConfigDirectory, dn: str, base: Entry | None, changes: list[Change]) -> None:
    """Makes the changes, and the entry able to hold them."""
    if base is None:
        directory.add(dn, _new_entry(dn))
    elif SETTING_CLASS.lower() not in {name.lower() for name in base.classes}:
        directory.change({base.dn: {"objectClass": ((), (SETTING_CLASS,))}})
    directory.change(edits(changes))


def _move(instance: Instance, place: Place, names: Sequence[str]) -> None:
    """Takes settings out of the file, if the server itself reads them in the directory.  Raises NmsdError."""
    loaded, why = instance.read_asking()
    if loaded.entries is not None and not why:
        seen = interpret(loaded.entries, _known()).values[place]
        why = ", ".join(f"{name} is not shown to it" for name in names if name not in seen)
    if why:
        raise NmsdError(f"they are published, but stay in the file, for the server cannot read them: {why}")
    change_file(instance.directory, lambda: _ask_again(instance), dict.fromkeys(names))


def _chosen(instance: Instance, names: Sequence[str], shared: bool) -> dict[str, str]:
    """Name and text of the file's settings to publish.  Raises Failed, ConfigError."""
    from nmsd.settings import SECTIONS

    file = read_file(config_path(instance.directory), SECTIONS)
    if file.problems:
        raise ConfigError(file.problems)
    known = _known()
    if not names:
        kept = LOCAL | ({HOSTNAME.name} if shared else set())
        return {name: text for name, text in file.texts.items() if name not in kept and not known[name].secret}
    lines = []
    for name in names:
        if name not in known:
            lines.append(f"{name}: there is no such setting; {did_you_mean(name, known)}")
        elif name in LOCAL:
            lines.append(f"{name} leads to the directory, so it cannot be in it")
        elif name not in file.texts:
            lines.append(f"{name} is not set in the file; `nmsd config set {name} VALUE` sets it")
    if lines:
        raise Failed(lines, 2)
    return {name: file.texts[name] for name in names}


def _account(bind_dn: str | None, password_stdin: bool) -> Account | None:
    from nmsd.directory.ldap_link import Account

    if bind_dn is None:
        return None
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt(f"Password of {bind_dn}", hide_input=True, err=True)
    if not password:
        raise NmsdError(f"{bind_dn} needs a password to bind with")
    return Account("simple", bind_dn, password)


def _new_entry(dn: str) -> dict[str, Sequence[str]]:
    """The attributes of an entry that is made.  Raises NmsdError for a name of another form."""
    match = re.match(r"\s*cn\s*=\s*((?:[^,+\\]|\\.)+)", dn, re.IGNORECASE)
    if match is None or dn[match.end() : match.end() + 1] == "+":
        raise NmsdError(f"there is no entry {dn}, and only one whose name begins with cn= is made here; make it first")
    name = re.sub(r"\\(.)", r"\1", match[1].strip())
    return {"objectClass": ("applicationProcess", SETTING_CLASS), "cn": (name,)}


def _tell_changes(
    changes: Sequence[Change], is_new: bool, dn: str, known: Mapping[str, Setting[Any]], as_json: bool
) -> None:
    def shown(change: Change, text: str) -> str:
        return _HIDDEN if known[change.name].secret and text else text

    if as_json:
        listed = [
            {
                "name": change.name,
                "old": None if change.is_new else shown(change, change.old),
                "new": shown(change, change.new),
                "entry": change.dn,
                "attribute": change.attribute,
            }
            for change in changes
        ]
        print_json({"entry": dn, "made": is_new, "changes": listed})
        return
    if is_new:
        click.echo(f"+ entry {dn}")
    for change in changes:
        if not change.is_new:
            click.echo(f"- {change.name} = {shown(change, change.old)}".rstrip())
        click.echo(f"+ {change.name} = {shown(change, change.new)}".rstrip())
    if not changes and not is_new:
        click.echo(f"{dn} says all of it already")


def _ask_again(instance: Instance) -> Loaded:
    """The configuration with what the directory says now."""
    return instance.read_asking()[0]


def _renew_copy(instance: Instance) -> None:
    """After a change, so that what is looked at next has it; not with what is wrong."""
    loaded = _ask_again(instance)
    if loaded.entries is not None and not loaded.problems:
        write_copy(instance.directory, loaded.entries)


@dataclass(frozen=True)
class _Row:
    """A setting's values; '' for what does not say."""

    name: str
    file: str
    server: str
    shared: str
    next: str
    now: str


@click.command()
@json_option
@pass_instance
def diff(instance: Instance, as_json: bool) -> int:
    """Compare the file with the entries in the directory, and what a reload would bring with what is in force.

    Lists the settings that the file and the directory give different values, and those that a reload would change. The
    exit status is 1 if there are any.
    """
    try:
        entries = fetch_entries(_configured(instance))
    except DirectoryUnavailable as error:
        raise Failed([str(error)], 2) from None
    rows = list(_rows(instance, entries))
    for problem in interpret(entries, _known()).problems:
        click.echo(f"nmsd: {problem}", err=True)
    if as_json:
        print_json(
            [
                {
                    "name": row.name,
                    "file": row.file,
                    SERVER_ENTRY.replace(" ", "_"): row.server,
                    SHARED_ENTRY.replace(" ", "_"): row.shared,
                    "after_reload": row.next,
                    "in_force": row.now,
                }
                for row in rows
            ]
        )
    elif rows:
        head = ("setting", "file", SERVER_ENTRY, SHARED_ENTRY, "after reload", "in force")
        cells = [[row.name, row.file, row.server, row.shared, row.next, row.now] for row in rows]
        print_table(head, [[cell or "-" for cell in row] for row in cells])
    else:
        click.echo("no differences")
    return 1 if rows else 0


def _rows(instance: Instance, entries: Entries) -> Iterator[_Row]:
    from nmsd.settings import SECTIONS

    file = read_file(config_path(instance.directory), SECTIONS).texts
    values = interpret(entries, _known()).values
    after = instance.read(entries=entries).config
    running = _in_force(instance.directory)
    known = _known()
    others = known.set_too((*file, *(name for place in values.values() for name in place)))
    for setting in (*known.values(), *others):
        texts = [file.get(setting.name)]
        texts += [v.text if (v := values[place].get(setting.name)) else None for place in (SERVER_ENTRY, SHARED_ENTRY)]
        parsed = [setting.kind.parse(text) for text in texts if text is not None]
        differs = len(parsed) > 1 and any(value != parsed[0] for value in parsed)
        if differs or (running is not None and running[setting] != after[setting]):
            cells = [_cell(setting, None if text is None else setting.kind.parse(text)) for text in texts]
            now = "" if running is None else _cell(setting, running[setting])
            yield _Row(setting.name, cells[0], cells[1], cells[2], _cell(setting, after[setting]), now)


def _cell(setting: Setting[Any], value: Any) -> str:
    if value is None:
        return ""
    text = str(setting.kind.write(value))
    return _HIDDEN if setting.secret and text else text or '""'


def _in_force(directory: str) -> Config | None:
    """The values that the running server gave its workers last; None if there are none."""
    from nmsd.config.load import read_snapshot
    from nmsd.settings import SECTIONS

    run = os.path.join(directory, "run")
    found = [int(match[1]) for name in os.listdir(run) if (match := _SNAPSHOT.fullmatch(name))]
    if not found:
        return None
    try:
        return read_snapshot(os.path.join(run, f"config-{max(found)}"), SECTIONS)
    except (OSError, ValueError):
        return None
