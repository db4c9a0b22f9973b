"""nmsd explain: why a login is let in or refused, step by step."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from nmsd.cli.certificate_file import read_certificates
from nmsd.cli.directory import print_steps, unlogged
from nmsd.cli.explain_certificate import acting_steps, certificate_steps, mapping_steps, settings_steps
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json
from nmsd.model.errors import DirectoryError, LoginRefused, NmsdError

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.directory.api import Directory, User
    from nmsd.directory.step import Step

_NOBODY: Final = "nobody has this login name"
SERVICES: Final = ("imap", "imaps", "pop", "pops")


@click.group()
def explain() -> None:
    """Tell why something is as it is."""


@explain.command()
@click.argument("user", default="")
@click.option("--from", "address", default="127.0.0.1", show_default=True, help="The client's address.")
@click.option(
    "--service",
    type=click.Choice(SERVICES),
    help="The service; with s: over TLS. imap unless given, and imaps with --cert.",
)
@click.option(
    "--cert", type=click.Path(), help="Log in by the certificate in this file (PEM or DER), with its chain behind it."
)
@click.option(
    "--password-stdin", is_flag=True, help="Check a password, too, read from standard input (its first line)."
)
@json_option
@pass_instance
def login(
    instance: Instance,
    user: str,
    address: str,
    service: str | None,
    cert: str | None,
    password_stdin: bool,
    as_json: bool,
) -> int:
    """Walk through a login of USER as a worker decides it, and print each step.

    With --cert the user is the one whom the certificate stands for; USER is then, if given, whom to act as.

    The directory is asked anew; what workers remember of it may be older (`nmsd directory flush` ends that). The exit
    status is 0 if the login is good.
    """
    certificates = None if cert is None else read_certificates(cert)
    if not user and certificates is None:
        raise NmsdError("whose login? give USER, or --cert FILE")
    if password_stdin and certificates is not None:
        raise NmsdError("--password-stdin and --cert are two logins; give one")
    config = instance.config()
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    walked: list[Step] = []
    used = service or ("imap" if certificates is None else "imaps")
    for step in steps(config, user, password, used, address, certificates):
        walked.append(step)
        if not as_json:
            print_steps([step])
    refused = [step for step in walked if step.good is False]
    # A server that failed is no reason by itself: the next one may have answered.
    admitted = bool(walked) and walked[-1].what == "result" and walked[-1].good is True
    if as_json:
        reason = "" if admitted or not refused else refused[-1].found
        print_json({"login": user, "admitted": admitted, "reason": reason, "steps": [asdict(step) for step in walked]})
    return 0 if admitted else 1


def steps(
    config: Config,
    login: str,
    password: str | None,
    service: str,
    address: str,
    certificates: Sequence[bytes] | None = None,
) -> Iterator[Step]:
    """The way of a login, step by step, as the command and the console show it; the last one is the result.
    `certificates`: the client's, in DER, and others that it sends along; None for a login by password."""
    from nmsd.directory.access import explain_filters
    from nmsd.directory.mend import mend_of
    from nmsd.directory.step import Step
    from nmsd.directory.users import checks

    refusals: list[str] = []
    for step in _service_steps(config, service, certificates is not None):
        if step.good is False:
            refusals.append(f"{step.what}: {step.found}")
        yield step
    let_in, told = explain_filters(config, service, address, None)
    yield Step("access filters", let_in, told)
    if let_in is False:
        refusals.append(f"access filters: {told}")
    if certificates is None:
        directory = _open(config)
        user, missing = yield from _user_steps(config, directory, login)
    else:
        refusal = yield from certificate_steps(config, certificates)
        if refusal:
            yield Step("result", False, "refused: " + "; ".join([*refusals, refusal]))
            return
        directory = _open(config)
        user, missing = yield from mapping_steps(config, directory, certificates[0])
        if user is not None and login:
            user, missing = yield from acting_steps(config, directory, user, login)
    if user is None:
        yield Step("result", False, missing)
        return
    if password is not None:
        refusal = yield from _password_step(directory, login, password)
        if refusal:
            yield Step("result", False, refusal)
            return
    if certificates is None:
        yield from _scram_steps(config, directory, login)
    if let_in is None:
        names = frozenset(name.lower() for name in (login, user.uid, user.account, *user.aliases) if name)
        let_in, told = explain_filters(config, service, address, names)
        yield Step("access filters", let_in, told)
        if not let_in:
            refusals.append(f"access filters: {told}")
    for check in checks(user, service, address):
        told = check.found if check.refusal is None else f"{check.found}; the client is told: {check.refusal}"
        mend = "" if check.refusal is None else mend_of(check.what, config)
        yield Step(check.what, check.refusal is None, told, mend=mend)
        if check.refusal is not None:
            refusals.append(str(check.refusal))
    partition = _partition_step(config, user)
    yield partition
    if partition.good is False:
        refusals.append("there is no such partition")
    if refusals:
        yield Step("result", False, "refused: " + "; ".join(refusals))
    else:
        yield Step("result", True, f"{user.account} may use {service} from {address}")


def _partition_step(config: Config, user: User) -> Step:
    """Where the account is, or would be made."""
    from nmsd.directory.step import Step
    from nmsd.store.sqlite.settings import partitions_of

    partitions = partitions_of(config)
    path = partitions.find(user.account)
    if path is not None:
        return Step("partition", True, f"{partitions.name_of(path)}, where the account is")
    nickname = user.partition.lower() or partitions.default
    if nickname in partitions.names():
        return Step("partition", True, f"{nickname}, where the account will be made")
    mend = f"set store.partition.{nickname}.path, or correct the entry"
    return Step("partition", False, f"{user.partition} is none of {', '.join(partitions.names())}", mend=mend)


def _service_steps(config: Config, service: str, by_certificate: bool) -> Iterator[Step]:
    from nmsd.config.services import IMAP, POP
    from nmsd.directory.step import Step

    settings = IMAP if service.startswith("imap") else POP
    enabled = config[settings.enable]
    yield Step("service", enabled, f"{settings.enable.name} is {'yes' if enabled else 'no'}")
    if by_certificate:
        yield from settings_steps(config, settings, service)
        return
    logins = settings.certificates
    if logins is not None and config[logins.require]:
        words = f"a client must show an acceptable one, too ({logins.require.name} is yes)"
        yield Step("certificate", None if service.endswith("s") else False, words)
    least = config[settings.plaintext_min_cipher]
    over_tls = service.endswith("s")
    if least < 0:
        words, good = "passwords are never taken", False
    elif least == 0:
        words, good = "passwords are taken on any connection", True
    else:
        words, good = f"passwords are taken over TLS with at least {least} bits", over_tls
    yield Step("cipher rule", good, f"{words} ({settings.plaintext_min_cipher.name} = {least})")


def _open(config: Config) -> Directory:
    from nmsd.app import open_directory
    from nmsd.store.runtime import PlainRuntime

    return open_directory(config, PlainRuntime(), unlogged)


def _user_steps(config: Config, directory: Directory, login: str) -> Generator[Step, None, tuple[User | None, str]]:
    """Steps; returns the user, or why there is none."""
    from nmsd.directory.ldap import LdapDirectory
    from nmsd.directory.ldap_report import look_up
    from nmsd.directory.settings import LDIF_FILE
    from nmsd.directory.step import Step

    if isinstance(directory, LdapDirectory):
        for step in look_up(directory, config, login):
            if isinstance(step, Step):
                yield step
            elif step.record is not None:
                return step.record.user, step.record.problem
            elif not step.is_answered:
                return None, "no directory server could be asked: clients are told to try again later"
        return None, _NOBODY
    yield Step("directory", None, config.path(LDIF_FILE))
    try:
        user = directory.find(login)
    except DirectoryError as error:
        yield Step("entry", False, str(error))
        return None, str(error)
    yield Step("entry", user is not None, "no entry" if user is None else f"{user.dn}, account {user.account}")
    return user, _NOBODY


def _scram_steps(config: Config, directory: Directory, login: str) -> Iterator[Step]:
    from nmsd.directory.entrance import holds_scram
    from nmsd.directory.ldap_settings import BIND_DN, HOSTS
    from nmsd.directory.settings import SCRAM
    from nmsd.directory.step import Step

    if not holds_scram(config):
        return
    try:
        found = directory.scram_keys(login) is not None
    except DirectoryError as error:
        yield Step("SCRAM keys", False, str(error))
        return
    words = "there are some" if found else "none: a client that chooses SCRAM is told that the password is wrong"
    mend = f"`nmsd user passwd {login}` makes them"
    if config[HOSTS]:
        names = config[SCRAM]
        mend = f"the entry needs {' or '.join(names)}, and {BIND_DN.name} the right to read it"
    yield Step("SCRAM keys", found, words, mend="" if found else mend)


def _password_step(directory: Directory, login: str, password: str) -> Generator[Step, None, str]:
    """A step; returns why it fails, or ''."""
    from nmsd.directory.step import Step

    try:
        directory.authenticate(login, password)
    except LoginRefused as error:
        yield Step("password", False, str(error))
        return str(error)
    except DirectoryError as error:
        yield Step("password", False, str(error))
        return f"the password: {error}"
    yield Step("password", True, "it is right")
    return ""
