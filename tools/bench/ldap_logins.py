"""Measures logins of users in an OpenLDAP server, nmsd beside Dovecot: `tools/bench/ldap_logins.py --help`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import processes  # noqa: E402
from cases import Figure  # noqa: E402
from load import CONNECT, Score, Script, Step, run  # noqa: E402
from run import cell, ratio  # noqa: E402
from servers import DOMAIN, HOST, PASSWORD, Dovecot, Nmsd, Server, free_offset  # noqa: E402

ROOT: Final = HERE.parents[1]
SUFFIX: Final = "dc=example,dc=com"
PEOPLE: Final = f"ou=People,{SUFFIX}"
SERVICE_DN: Final = f"cn=reader,{SUFFIX}"
WARM_UP: Final = 6  # rounds after which nearly every process, of a few, has seen every user


class Slapd:
    """OpenLDAP with `count` users, on a free port."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.users = [f"user{number:05}" for number in range(count)]
        with socket.create_server((HOST, 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://{HOST}:{self.port}"

    def start(self) -> None:
        """Fills it and starts it."""
        data = self.folder / "data"
        data.mkdir(parents=True)
        config = self.folder / "slapd.conf"
        config.write_text(_SLAPD.format(root=ROOT, folder=self.folder, suffix=SUFFIX, service=SERVICE_DN))
        path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
        slapd, slapadd = shutil.which("slapd", path=path), shutil.which("slapadd", path=path)
        if slapd is None or slapadd is None:
            raise click.ClickException("OpenLDAP's slapd is not installed")
        add = [slapadd, "-q", "-f", str(config)]
        subprocess.run(add, input="".join(self._entries()).encode(), check=True, stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen([slapd, "-d", "0", "-f", str(config), "-h", self.url])
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("slapd does not answer")

    def _entries(self) -> Iterator[str]:
        salt = b"benchmrk"
        hashed = "{SSHA}" + b64encode(hashlib.sha1(PASSWORD.encode() + salt).digest() + salt).decode()
        yield f"dn: {SUFFIX}\nobjectClass: organization\nobjectClass: dcObject\no: Example\ndc: example\n\n"
        yield f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: People\n\n"
        yield (
            f"dn: {SERVICE_DN}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\n"
            f"userPassword: {hashed}\n\n"
        )
        for user in self.users:
            yield (
                f"dn: uid={user},{PEOPLE}\nobjectClass: inetOrgPerson\nobjectClass: mailRecipient\nuid: {user}\n"
                f"cn: {user}\nsn: {user}\nmail: {user}@{DOMAIN}\nuserPassword: {hashed}\n\n"
            )

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        assert self.process is not None
        return processes.cpu_seconds(self.process.pid)

    def stop(self) -> None:
        """Stops it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)


_SLAPD: Final = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {root}/etc/ldap/nmsd-mail.schema
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
database mdb
suffix "{suffix}"
maxsize 1073741824
directory {folder}/data
index objectClass,uid,mail,mailAlternateAddress eq
index entryUUID,entryCSN eq
overlay syncprov
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by anonymous auth by * none
"""

_PASSDB: Final = """passdb {{
  driver = ldap
  args = {directory}/dovecot-ldap.conf
}}
auth_cache_size = 100M
auth_cache_ttl = 1 hour
"""
_DOVECOT_LDAP: Final = """hosts = {host}:{port}
dn = {service}
dnpass = {password}
auth_bind = yes
ldap_version = 3
base = {people}
scope = subtree
pass_attrs = uid=user
pass_filter = (uid=%n)
"""


class LdapNmsd(Nmsd):
    """nmsd as `nmsd init` makes it, its users in the directory."""

    slapd: Slapd
    workers = 1

    def prepare(self) -> None:
        self.users = []
        super().prepare()
        settings = {
            "local.ugldapbasedn": PEOPLE,
            "local.ugldapbindcred": PASSWORD,
            "local.ugldapbinddn": SERVICE_DN,
            "local.ugldaphost": self.slapd.url,
            "service.imap.numprocesses": str(self.workers),
            "service.authcachesize": "1000000",
            "local.ugldapcachesize": "1000000",
        }
        for name, value in settings.items():
            subprocess.run([*self._nmsd(), "config", "set", name, value], check=True, stdout=subprocess.DEVNULL)


class LdapDovecot(Dovecot):
    """Dovecot tuned as in the other measurements, with passdb ldap, auth_bind and its authentication cache."""

    slapd: Slapd

    def prepare(self) -> None:
        super().prepare()
        path = self.directory / "dovecot.conf"
        passdb = _PASSDB.format(directory=self.directory)
        path.write_text(re.sub(r"(?ms)^passdb \{.*?^\}\n", lambda _: passdb, path.read_text(), count=1))
        (self.directory / "dovecot-ldap.conf").write_text(
            _DOVECOT_LDAP.format(host=HOST, port=self.slapd.port, service=SERVICE_DN, password=PASSWORD, people=PEOPLE)
        )


KINDS: Final[dict[str, Callable[[str, Path, int, list[str]], Server]]] = {"nmsd": LdapNmsd, "dovecot": LdapDovecot}


def logins(
    server: Server, slapd: Slapd, users: list[str], clients: int = 16, select: bool = False
) -> tuple[Figure, float]:
    """Each of the users logs in once and out again, `clients` of them at a time; the figure, and slapd's processor time
    for one login in µs."""
    score = Score()
    left = iter(users)

    def script() -> Script:
        for user in left:
            began = time.perf_counter()
            yield CONNECT
            yield Step(b"", b"* OK")
            yield Step(f"l1 LOGIN {user} {PASSWORD}\r\n".encode(), b"l1 OK")
            if select:
                yield Step(b"s1 SELECT INBOX\r\n", b"s1 OK")
            yield Step(b"o1 LOGOUT\r\n", b"o1 OK")
            score.latencies.append(time.perf_counter() - began)
            score.done += 1

    cpu, theirs = server.cpu(), slapd.cpu()
    total = run(server.imap, [script() for _ in range(clients)])
    cpu, theirs = server.cpu() - cpu, slapd.cpu() - theirs
    figure = Figure(
        score.done / total.seconds,
        "/s",
        cpu / score.done * 1e6,
        total.client_cpu / total.seconds,
        score.percentile(50) * 1e3,
        score.percentile(99) * 1e3,
    )
    return figure, theirs / score.done * 1e6


@click.command()
@click.option("--users", default=3000, show_default=True, help="Users in the directory.")
@click.option("--rounds", default=3, show_default=True, help="Rounds of logins that are remembered.")
@click.option("--processes", "workers", default=1, show_default=True, help="nmsd's; Dovecot takes what it wants.")
@click.option("--clients", default=16, show_default=True, help="Logins at the same time.")
@click.option("--servers", "server_names", default="", help=f"Of {', '.join(KINDS)}; else all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
def main(users: int, rounds: int, workers: int, clients: int, server_names: str, as_json: bool) -> None:
    """Logs every user of an OpenLDAP server in, once nothing is remembered and then from memory."""
    LdapNmsd.workers = workers
    names = [name for name in server_names.split(",") if name] or list(KINDS)
    results: dict[str, dict[str, Figure]] = {"uncached": {}, "cached": {}}
    offsets: set[int] = set()
    with tempfile.TemporaryDirectory(prefix="nmsd-bench-") as root:
        os.chmod(root, 0o755)
        slapd = Slapd(Path(root) / "slapd", users)
        slapd.start()
        try:
            for name in names:
                offset = free_offset(offsets)
                offsets.add(offset)
                server = KINDS[name](name, Path(root) / name, offset, [])
                server.slapd = slapd  # type: ignore[attr-defined]
                try:
                    server.start()
                    logins(server, slapd, slapd.users, select=True)  # makes mailboxes
                    server.restart()
                    results["uncached"][name], at_slapd = logins(server, slapd, slapd.users, clients)
                    print(f"{name}: slapd took {at_slapd:.0f} µs for a login that is not cached", file=sys.stderr)
                    if workers > 1:  # each process remembers for itself
                        logins(server, slapd, slapd.users * WARM_UP)
                    results["cached"][name], _ = logins(server, slapd, slapd.users * rounds, clients)
                finally:
                    server.stop()
        finally:
            slapd.stop()
    if as_json:
        print(json.dumps({case: {name: each.as_dict() for name, each in row.items()} for case, row in results.items()}))
        return
    grid = Table(title=f"IMAP logins of {users} users in OpenLDAP, {clients} clients")
    for column in ("logins", *names, "nmsd : dovecot"):
        grid.add_column(column)
    for case, row in results.items():
        cells = [cell(row.get(name)) for name in names]
        grid.add_row(case, *cells, ratio(row.get("nmsd"), row.get("dovecot")))
    Console(width=140).print(grid)


if __name__ == "__main__":
    main()
