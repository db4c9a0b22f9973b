"""nmsd init: makes an instance."""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
import socket
from typing import Final

import click

from nmsd.cli.output import json_option, print_json
from nmsd.model.errors import NmsdError

_FOLDERS: Final = ("etc", "etc/tls", "store", "run", "log")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_HIGHEST_OFFSET: Final = 65535 - 8443  # the console's port is the highest


@click.command()
@click.argument("directory", metavar="DIR")
@click.option(
    "--port-offset",
    type=click.IntRange(0, _HIGHEST_OFFSET),
    default=0,
    help="Add this to every port: 10000 gives 10143.",
)
@click.option("--bind", metavar="ADDR", help="Listen on this address only, instead of all.")
@click.option("--domain", metavar="NAME", help="The mail domain; the host's own, unless given.")
@json_option
def init(directory: str, port_offset: int, bind: str | None, domain: str | None, as_json: bool) -> None:
    """Make an instance in DIR, which must be empty or not exist yet.

    It gets a configuration, an embedded directory without users, a certificate that signs itself, and a store.
    """
    from nmsd.cli.certificate import self_signed
    from nmsd.config.load import config_path
    from nmsd.config.render import sample_file
    from nmsd.directory.certmap import SHIPPED
    from nmsd.settings import SECTIONS

    path = os.path.abspath(directory)
    host = socket.getfqdn()
    domain = (domain or _domain_of(host)).lower()
    if not _DOMAIN.fullmatch(domain):
        raise NmsdError(f"--domain {domain} is no domain name")
    values = _values(port_offset, bind, domain)
    certificate, key = self_signed(host, domain, bind)
    files = {
        os.path.join(path, "etc/tls/key.pem"): key,
        os.path.join(path, "etc/tls/cert.pem"): certificate,
        os.path.join(path, "etc/directory.ldif"): _directory(domain),
        os.path.join(path, "etc/certmap.conf"): SHIPPED.encode(),
        config_path(path): sample_file(SECTIONS, values).encode(),
    }
    before = os.umask(0o077)
    try:
        _make_empty(path)
        for folder in _FOLDERS:
            os.mkdir(os.path.join(path, folder), 0o700)
        for name, content in files.items():
            with open(name, "xb") as file:
                file.write(content)
    finally:
        os.umask(before)
    if as_json:
        print_json({"instance": path, "domain": domain, "settings": values})
        return
    click.echo(f"{path} is ready, for mail at {domain}. Next:")
    if os.geteuid() == 0:
        _tell_about_user(path)
    click.echo(f"  nmsd -I {path} user add NAME")
    click.echo(f"  nmsd -I {path} start")


def _tell_about_user(path: str) -> None:
    """Root starts workers as a user of their own; better now than at the start."""
    from nmsd.supervisor.settings import SERVER_UID

    try:
        pwd.getpwnam(SERVER_UID.default)
    except KeyError:
        click.echo(f"  useradd --system --user-group {SERVER_UID.default}")
        click.echo(f"    or, to serve as another user: nmsd -I {path} config set {SERVER_UID.name} NAME")


def _domain_of(host: str) -> str:
    """A mail domain to begin with: the host's name without its first label, if that leaves a domain."""
    _, _, rest = host.partition(".")
    return rest if "." in rest and _DOMAIN.fullmatch(rest) else "example.com"


def _values(offset: int, bind: str | None, domain: str) -> dict[str, str]:
    """The settings that are not left at their defaults."""
    from nmsd.config import services

    values = {services.DEFAULT_DOMAIN.name: domain}
    if bind:
        try:
            address = ipaddress.ip_address(bind)
        except ValueError:
            raise NmsdError(f"--bind {bind} is no address; give one such as 127.0.0.1") from None
        values[services.LISTEN.name] = bind
        if address.is_loopback:  # LMTP asks for no password, so it stays on this machine unless told otherwise later
            values[services.LMTP.listen.name] = bind
    if offset:
        for service in services.SERVICES:
            values[service.port.name] = str(service.port.default + offset)
            if not service.tls_only:
                values[service.ssl_port.name] = str(service.ssl_port.default + offset)
    return values


def _make_empty(path: str) -> None:
    try:
        os.makedirs(path, 0o700, exist_ok=True)
        there = os.listdir(path)
    except NotADirectoryError:
        raise NmsdError(f"{path} is no directory; choose another") from None
    except FileExistsError:
        raise NmsdError(f"{path} is a file; choose another") from None
    if there:
        raise NmsdError(f"{path} is not empty; choose a new directory, or empty it first")
    os.chmod(path, 0o700)


def _directory(domain: str) -> bytes:
    """An LDIF file with nothing but the domain's entry (RFC 2247) and a place for people."""
    base = ",".join(f"dc={label}" for label in domain.split("."))
    return (
        "version: 1\n\n"
        f"dn: {base}\nobjectClass: top\nobjectClass: domain\ndc: {domain.split('.')[0]}\n\n"
        f"dn: ou=People,{base}\nobjectClass: top\nobjectClass: organizationalUnit\nou: People\n"
    ).encode()
