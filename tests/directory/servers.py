"""Real directory servers, each with a configuration of its own, on free ports, filled with the same people."""

from __future__ import annotations

import os
import pwd
import select
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from ldap3 import MODIFY_DELETE, MODIFY_REPLACE, NONE, Connection, Server

from tests.conftest import missing, require
from tests.directory.authority import Authority, Pair
from tests.directory.people import PEOPLE, READER_DN, SERVERS, SERVICE_DN, SUFFIX, entries, suffix

ROOT: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 30
ADMIN_SECRET: Final = "admin secret 9"


class DirectoryServer:
    """One that runs.  `port` is plain and with StartTLS, `tls_port` with TLS from the first byte, `socket` a Unix
    one."""

    name = ""
    admin_dn = ""

    def __init__(self, folder: Path, authority: Authority, pair: Pair) -> None:
        self.folder = folder
        self.authority = authority
        self.pair = pair
        self.port, self.tls_port = free_ports(2)
        self.socket = folder / "ldapi"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://localhost:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    @property
    def ldapi_url(self) -> str:
        return "ldapi://" + str(self.socket).replace("/", "%2f")

    def admin(self) -> Any:
        """A connection that may change everything."""
        server = Server("127.0.0.1", self.port, get_info=NONE)
        return Connection(server, self.admin_dn, ADMIN_SECRET, auto_bind=True, raise_exceptions=True, check_names=False)

    def replace(self, uid: str, attribute: str, *values: str) -> None:
        """Changes a user's entry."""
        change = (MODIFY_REPLACE, list(values)) if values else (MODIFY_DELETE, [])
        with self.admin() as connection:
            connection.modify(f"uid={uid},{PEOPLE}", {attribute: [change]})

    def add(self, ldif: str) -> None:
        """Adds entries."""
        subprocess.run(
            ["ldapadd", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", self.admin_dn, "-w", ADMIN_SECRET],
            input=ldif.encode(),
            check=True,
            capture_output=True,
        )

    def delete(self, uid: str) -> None:
        """Deletes a user's entry."""
        with self.admin() as connection:
            connection.delete(f"uid={uid},{PEOPLE}")

    def stop(self) -> None:
        """Stops it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(START_SECONDS)
            self.process = None

    def _spawn(self, *command: str, **more: Any) -> None:
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, **more)
        self._await_port()

    def _await_port(self) -> None:
        """Returns when it accepts connections; a process that ends meanwhile fails the test."""
        assert self.process is not None
        died = os.pidfd_open(self.process.pid)
        try:
            until = time.monotonic() + START_SECONDS
            while time.monotonic() < until:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
                if select.select([died], [], [], 0.05)[0]:
                    break
        finally:
            os.close(died)
        raise AssertionError((self.folder / "output").read_text(errors="replace")[-4000:])


class Slapd(DirectoryServer):
    """OpenLDAP."""

    name = "slapd"
    admin_dn = f"cn=admin,{SUFFIX}"

    def start(self, client_certificates: bool = True) -> None:
        """Fills it and starts it."""
        data = self.folder / "data"
        data.mkdir()
        config = self.folder / "slapd.conf"
        config.write_text(self._config(data, "try" if client_certificates else "never"))
        ldif = suffix() + "".join(entries())
        add = [require("slapadd"), "-q", "-f", str(config)]
        subprocess.run(add, input=ldif.encode(), check=True, capture_output=True)
        self.restart()

    def restart(self) -> None:
        """Starts it with what is in it."""
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port} {self.ldapi_url}"
        config = str(self.folder / "slapd.conf")
        self._spawn(require("slapd"), "-d", "0", "-f", config, "-h", urls)

    def _config(self, data: Path, verify: str) -> str:
        return f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {ROOT}/etc/ldap/nmsd-mail.schema
include {ROOT}/etc/ldap/nmsd-config.schema
include {ROOT}/etc/ldap/authpassword.schema
pidfile {self.folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
sizelimit 100
TLSCACertificateFile {self.authority.certificate}
TLSCertificateFile {self.pair.certificate}
TLSCertificateKeyFile {self.pair.key}
TLSVerifyClient {verify}
authz-regexp "gidNumber=[0-9]+\\\\+uidNumber={os.geteuid()},cn=peercred,cn=external,cn=auth" "{SERVICE_DN}"
authz-regexp "cn=nmsd-service" "{SERVICE_DN}"
database mdb
suffix "{SUFFIX}"
rootdn "{self.admin_dn}"
rootpw "{ADMIN_SECRET}"
directory {data}
index objectClass,uid,mail,mailAlternateAddress eq
index entryUUID,entryCSN eq
limits dn.exact="{SERVICE_DN}" size.pr=500 size.prtotal=unlimited
overlay syncprov
access to attrs=userPassword,authPassword by dn.exact="{READER_DN}" read by anonymous auth by * none
access to dn.subtree="{SERVERS}" by dn.subtree="{SERVERS}" read by dn.exact="{SERVICE_DN}" read by anonymous auth
    by * none
access to * by dn.exact="{SERVICE_DN}" read by dn.exact="{READER_DN}" read by anonymous auth by * none
"""


class Dirsrv(DirectoryServer):
    """389 Directory Server.  PREFIX has its tools keep everything below a folder of ours."""

    name = "389-ds"
    admin_dn = "cn=Directory Manager"
    _instance = "nmsd"

    @property
    def _config_folder(self) -> Path:
        return self.folder / "etc/dirsrv" / f"slapd-{self._instance}"

    def start(self) -> None:
        """Makes it, fills it and starts it."""
        self._program = require("ns-slapd")
        create, control = require("dscreate"), require("dsctl")
        defaults = Path("/usr/share/dirsrv/inf/defaults.inf")
        if not defaults.exists() or os.geteuid() != 0:
            missing("389-ds-base (and root, to run it as its own user)")
        self._lay_out(defaults.read_text())
        inf = self.folder / "nmsd.inf"
        inf.write_text(self._inf())
        environment = {**os.environ, "PREFIX": str(self.folder)}

        def run(*command: str) -> None:
            done = subprocess.run(command, env=environment, capture_output=True, cwd="/", check=False)
            assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-3000:])

        run(create, "from-file", str(inf))
        run(control, self._instance, "stop")
        run(control, self._instance, "tls", "import-ca", str(self.authority.certificate), "TestCA")
        run(control, self._instance, "tls", "import-server-key-cert", str(self.pair.certificate), str(self.pair.key))
        for name in ("98nmsd-mail.ldif", "98nmsd-config.ldif", "98authpassword.ldif"):
            shutil.copy(ROOT / "etc/ldap" / name, self._config_folder / "schema")
        self._own()
        self._run()
        self._configure()
        self.stop()
        self._run()
        self.add(self._aci() + "".join(entries()))

    def _run(self) -> None:
        pid = self.folder / "run/dirsrv" / f"slapd-{self._instance}.pid"
        self._spawn(
            self._program, "-D", str(self._config_folder), "-i", str(pid), "-d", "0", user="dirsrv", group="dirsrv"
        )

    def _lay_out(self, defaults: str) -> None:
        for old, new in (
            ("with_systemd = 1", "with_systemd = 0"),
            ("= /etc/default", f"= {self.folder}/etc/default"),
            ("= /etc/dirsrv", f"= {self.folder}/etc/dirsrv"),
            ("sysconf_dir = /etc", f"sysconf_dir = {self.folder}/etc"),
            ("= /run", f"= {self.folder}/run"),
            ("= /var", f"= {self.folder}/var"),
            ("= /dev/shm", f"= {self.folder}/shm"),
        ):
            defaults = defaults.replace(old, new)
        for name in ("etc/default", "run/dirsrv", "run/lock/dirsrv", "var/log/dirsrv", "var/lib/dirsrv", "shm"):
            (self.folder / name).mkdir(parents=True)
        shutil.copytree("/etc/dirsrv/config", self.folder / "etc/dirsrv/config")
        shutil.copytree("/etc/dirsrv/schema", self.folder / "etc/dirsrv/schema")
        path = self.folder / "share/dirsrv/inf/defaults.inf"
        path.parent.mkdir(parents=True)
        path.write_text(defaults)
        self._own()

    def _own(self) -> None:
        who = pwd.getpwnam("dirsrv")
        for folder, _, names in os.walk(self.folder):
            for name in (".", *names):
                os.chown(os.path.join(folder, name), who.pw_uid, who.pw_gid)

    def _inf(self) -> str:
        return f"""
[general]
config_version = 2
full_machine_name = localhost
strict_host_checking = False
start = False
[slapd]
instance_name = {self._instance}
port = {self.port}
secure_port = {self.tls_port}
root_password = {ADMIN_SECRET}
self_sign_cert = False
[backend-userroot]
suffix = {SUFFIX}
create_suffix_entry = True
sample_entries = no
"""

    def _configure(self) -> None:
        with self.admin() as connection:
            changes = {
                "nsslapd-security": "on",
                "nsslapd-secureport": str(self.tls_port),
                "nsslapd-ldapifilepath": str(self.socket),
                "nsslapd-ldapiautobind": "on",
                "nsslapd-ldapimaptoentries": "off",
                "nsslapd-ldapimaprootdn": SERVICE_DN,
                "nsslapd-accesslog-logging-enabled": "off",
            }
            for name, value in changes.items():
                connection.modify("cn=config", {name: [(MODIFY_REPLACE, [value])]})
            connection.modify("cn=encryption,cn=config", {"nsSSLClientAuth": [(MODIFY_REPLACE, ["allowed"])]})
            rsa = {"nsSSLPersonalitySSL": "Server-Cert", "nsSSLActivation": "on", "nsSSLToken": "internal (software)"}
            for name, value in rsa.items():
                connection.modify("cn=RSA,cn=encryption,cn=config", {name: [(MODIFY_REPLACE, [value])]})

    def _aci(self) -> str:
        return f"""dn: {SUFFIX}
changetype: modify
add: aci
aci: (targetattr!="userPassword || authPassword || aci")(version 3.0; acl "search"; allow (read, search, compare)
  userdn = "ldap:///{SERVICE_DN} || ldap:///{READER_DN}";)
aci: (targetattr="userPassword || authPassword")(version 3.0; acl "passwords"; allow (read, search, compare)
  userdn = "ldap:///{READER_DN}";)
aci: (target="ldap:///{SERVERS}")(targetattr!="userPassword")(version 3.0; acl "servers";
  allow (read, search, compare) userdn = "ldap:///cn=*,{SERVERS}";)

"""


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
