"""nmsd user: the users of the embedded directory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.model.errors import NmsdError

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.directory.api import User
    from nmsd.directory.ldif_file import Entry, LdifFile

_MOST_PASSWORD: Final = 1024


@click.group()
def user() -> None:
    """Manage the users of the embedded directory.

    NAME is a login name, with or without the domain. Running servers see each change at once.
    """


_password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input (its first line)."
)


@user.command()
@click.argument("name")
@_password_option
@click.option("--name", "full_name", default="", help="The person's name.")
@click.option("--mail", default="", help="The primary address; NAME at the default domain, unless given.")
@click.option(
    "--alias", "aliases", multiple=True, help="A further address, or @DOMAIN for all of one. May be repeated."
)
@click.option("--quota", help="What the account may hold: bytes, or with K, M, G; -1 for no limit.")
@pass_instance
def add(
    instance: Instance,
    name: str,
    password_stdin: bool,
    full_name: str,
    mail: str,
    aliases: tuple[str, ...],
    quota: str | None,
) -> None:
    """Add a user."""
    from nmsd.directory.ldif_edit import people_dn, user_entry

    config = instance.config()
    uid, mail = _names(config, name, mail)
    addresses = [_alias(alias) for alias in aliases]
    size = None if quota is None else _quota(config, quota)
    _check_free(config, _read(config), uid, [mail, *addresses])
    hashed = _new_password(config, password_stdin)
    with _edited(config) as file:
        _check_free(config, file, uid, [mail, *addresses])
        people = people_dn(file, _domain(config))
        dn, attributes = user_entry(
            uid, people, name=full_name, mail=mail, aliases=addresses, password=hashed, quota=size
        )
        if any(entry.dn.lower() == dn.lower() for entry in file.entries()):
            raise NmsdError(f"there is an entry {dn} already")
        file.add(dn, attributes)
    click.echo(f"added {uid}, mail for {mail}")


@user.command()
@click.argument("name")
@_password_option
@pass_instance
def passwd(instance: Instance, name: str, password_stdin: bool) -> None:
    """Give a user a new password."""
    from nmsd.directory import settings

    config = instance.config()
    _find(config, _read(config), name)
    hashed = _new_password(config, password_stdin)
    with _edited(config) as file:
        entry, found = _find(config, file, name)
        entry.replace(config[settings.PASSWORD][0], [hashed])
    click.echo(f"{found.uid} has a new password")


@user.command()
@click.argument("name")
@pass_instance
def remove(instance: Instance, name: str) -> None:
    """Remove a user from the directory; the mail stays in the store."""
    config = instance.config()
    with _edited(config) as file:
        entry, found = _find(config, file, name)
        file.remove(entry)
    click.echo(f"removed {found.uid}; the mail is still there, `nmsd account remove {found.account}` erases it")


@user.command("list")
@json_option
@pass_instance
def list_(instance: Instance, as_json: bool) -> None:
    """List the users."""
    config = instance.config()
    users = [found for _, found in _users(config, _read(config))]
    if as_json:
        print_json([_described(found) for found in users])
    else:
        rows = [(found.uid, found.account, found.status, _quota_text(found), found.name) for found in users]
        print_table(("LOGIN", "MAIL", "STATUS", "QUOTA", "NAME"), rows)


@user.command()
@click.argument("name")
@json_option
@pass_instance
def show(instance: Instance, name: str, as_json: bool) -> None:
    """Show a user."""
    config = instance.config()
    _, found = _find(config, _read(config), name)
    described = _described(found)
    if as_json:
        print_json(described)
        return
    for key, value in described.items():
        text = ", ".join(value) if isinstance(value, list) else "-" if value in (None, "") else str(value)
        click.echo(f"{key + ':':10} {text or '-'}")


def _described(found: User) -> dict[str, Any]:
    return {
        "login": found.uid,
        "name": found.name,
        "mail": found.account,
        "aliases": list(found.aliases),
        "status": found.status,
        "quota": found.quota.size,
        "messages": found.quota.messages,
        "denied": sorted(found.denied_services),
        "dn": found.dn,
    }


def _quota_text(found: User) -> str:
    from nmsd.config import kinds

    return "-" if found.quota.size is None else kinds.size(0, 1 << 62).write(found.quota.size)


# The file


def _path(config: Config) -> str:
    """The file of the embedded directory.  Raises NmsdError where the users are in LDAP."""
    from nmsd.directory.ldap_settings import HOSTS
    from nmsd.directory.settings import LDIF_FILE

    if config[HOSTS]:
        raise NmsdError(f"the users are in the directory at {config[HOSTS][0]} ({HOSTS.name}); change them there")
    return config.path(LDIF_FILE)


def _domain(config: Config) -> str:
    from nmsd.config.services import DEFAULT_DOMAIN

    return config[DEFAULT_DOMAIN].lower()


def _read(config: Config) -> LdifFile:
    from nmsd.directory.ldif_file import LdifError, parse_ldif

    path = _path(config)
    with open(path, "rb") as file:
        data = file.read()
    try:
        return parse_ldif(data)
    except LdifError as error:
        raise NmsdError(f"{path}: {error}") from None


@contextmanager
def _edited(config: Config) -> Iterator[LdifFile]:
    from nmsd.directory.ldif_edit import edit_ldif
    from nmsd.directory.ldif_file import LdifError

    path = _path(config)
    try:
        with edit_ldif(path) as file:
            yield file
    except LdifError as error:
        raise NmsdError(f"{path}: {error}") from None


def _users(config: Config, file: LdifFile) -> Iterator[tuple[Entry, User]]:
    from nmsd.directory.schema import schema_of
    from nmsd.directory.users import read_user

    schema = schema_of(config)
    for entry in file.entries():
        found = read_user(entry.dn, entry.attributes(), schema, config, _domain(config))
        if found is not None:
            yield entry, found


def _find(config: Config, file: LdifFile, name: str) -> tuple[Entry, User]:
    """The one user of this login name or address.  Raises NmsdError."""
    wanted = name.lower()
    domain = _domain(config)
    names = {wanted} if "@" in wanted or not domain else {wanted, f"{wanted}@{domain}"}
    short = wanted.removesuffix(f"@{domain}") if domain else wanted
    found = [
        (entry, one)
        for entry, one in _users(config, file)
        if one.uid.lower() in {wanted, short} or names & {one.account, *one.aliases}
    ]
    if not found:
        raise NmsdError(f"there is no user {name}; `nmsd user list` shows them")
    if len(found) > 1:
        raise NmsdError(f"{name} is more than one user: " + ", ".join(one.dn for _, one in found))
    return found[0]


def _check_free(config: Config, file: LdifFile, uid: str, addresses: list[str]) -> None:
    for _, one in _users(config, file):
        if one.uid.lower() == uid.lower():
            raise NmsdError(f"there is a user {one.uid} already; `nmsd user passwd` changes the password")
        for address in addresses:
            if address in (one.account, *one.aliases):
                raise NmsdError(f"{address} is {one.uid}'s already")


# What the user gives


def _names(config: Config, name: str, mail: str) -> tuple[str, str]:
    """The login name and the primary address that NAME and --mail come to."""
    domain = _domain(config)
    local, _, own = name.lower().rpartition("@") if "@" in name else (name.lower(), "", domain)
    if not mail and not own:
        raise NmsdError(f"which domain is {name} in? give NAME@DOMAIN, or set service.defaultdomain")
    uid = local if own == domain else name.lower()
    return uid, _address(mail or f"{local}@{own}")


def _address(text: str) -> str:
    from nmsd.lmtp.envelope import parse_address
    from nmsd.wire.errors import BadSyntax

    try:
        address = parse_address(text)
    except BadSyntax as error:
        raise NmsdError(f"{text}: {str(error).lower()}; give one such as alice@example.com") from None
    if not address.domain or not address.local or address.path() != str(address):
        raise NmsdError(f"{text}: not an address such as alice@example.com")
    return str(address).lower()


def _alias(text: str) -> str:
    return "@" + _address("x" + text).partition("@")[2] if text.startswith("@") else _address(text)


def _quota(config: Config, text: str) -> int:
    from nmsd.config import kinds
    from nmsd.directory.settings import ZERO_QUOTA

    if text == "-1":
        return -1
    try:
        size = kinds.size(0, 1 << 50).parse(text)
    except ValueError as error:
        raise NmsdError(f"--quota {text}: {error}") from None
    if size == 0 and config[ZERO_QUOTA] == "refuse":
        raise NmsdError(f"--quota 0: no limit or no room? -1 is no limit; {ZERO_QUOTA.name} says what 0 means")
    return size


def _new_password(config: Config, from_stdin: bool) -> str:
    """Asks for a password, and hashes it."""
    from nmsd.directory.password import hash_password
    from nmsd.directory.settings import ARGON2_MEMORY, ARGON2_TIME

    if from_stdin:
        password = sys.stdin.readline(_MOST_PASSWORD + 2).rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not password:
        raise NmsdError("the password is empty; nothing was changed")
    if len(password) > _MOST_PASSWORD or any(sign < " " for sign in password):
        raise NmsdError(f"a password has at most {_MOST_PASSWORD} characters, none of them a control character")
    return hash_password(password, config[ARGON2_MEMORY], config[ARGON2_TIME])
