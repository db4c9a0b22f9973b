"""nmsd user cert: the certificates in users' entries, which the rules' verifycert compares with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nmsd.cli.certificate_file import read_certificate
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.model.errors import NmsdError

if TYPE_CHECKING:
    from nmsd.directory.ldif_users import LdifUsers


@click.group()
def cert() -> None:
    """Manage the certificates in a user's entry.

    They count where etc/certmap.conf says verifycert on; without that, a user's certificate need not be here.
    """


@cert.command()
@click.argument("name")
@click.argument("file", type=click.Path())
@pass_instance
def add(instance: Instance, name: str, file: str) -> None:
    """Add the certificate in FILE (PEM or DER) to the entry of the user NAME."""
    der = read_certificate(file)
    found = _users(instance).add_certificate(name, der)
    click.echo(f"{found.uid} has the certificate {_serial(der)} of {_facts(der)['subject']}")


@cert.command("list")
@click.argument("name")
@json_option
@pass_instance
def list_(instance: Instance, name: str, as_json: bool) -> None:
    """List the certificates in the entry of the user NAME."""
    facts = [_facts(der) for der in _users(instance).certificates(name)]
    if as_json:
        print_json(facts)
    else:
        rows = [(each["serial"], each["until"], each["subject"], each["issuer"]) for each in facts]
        print_table(("SERIAL", "UNTIL", "SUBJECT", "ISSUER"), rows)


@cert.command()
@click.argument("name")
@click.argument("serial")
@pass_instance
def remove(instance: Instance, name: str, serial: str) -> None:
    """Remove the certificate with this serial number, as `list` shows it, from the entry of the user NAME."""
    users = _users(instance)
    wanted = serial.lower().replace(":", "").lstrip("0")
    matching = [der for der in users.certificates(name) if _serial(der).lstrip("0") == wanted]
    if not matching:
        raise NmsdError(f"{name} has no certificate {serial}; `nmsd user cert list {name}` shows them")
    found = users.remove_certificates(name, matching)
    click.echo(f"{found.uid} has the certificate {serial} no more")


def _facts(der: bytes) -> dict[str, Any]:
    from cryptography import x509

    from nmsd.directory.certificate_name import UNREADABLE, text_of

    try:
        found = x509.load_der_x509_certificate(der)
        return {
            "serial": _serial(der),
            "subject": text_of(found.subject),
            "issuer": text_of(found.issuer),
            "from": f"{found.not_valid_before_utc:%Y-%m-%d}",
            "until": f"{found.not_valid_after_utc:%Y-%m-%d}",
        }
    except UNREADABLE:
        return {"serial": _serial(der), "subject": "(unreadable)", "issuer": "", "from": "", "until": ""}


def _serial(der: bytes) -> str:
    """The serial number; for what is no certificate, the beginning of its digest, so that it can be removed, too."""
    from hashlib import sha256

    from cryptography import x509

    from nmsd.directory.certificate_name import UNREADABLE

    try:
        return f"{x509.load_der_x509_certificate(der).serial_number:x}"
    except UNREADABLE:
        return sha256(der).hexdigest()[:16]


def _users(instance: Instance) -> LdifUsers:
    from nmsd.app import open_users

    return open_users(instance.config())
