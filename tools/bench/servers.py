"""The servers under measurement, each started by us as an instance of its own on high ports of the loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import processes

DOMAIN: Final = "example.com"
PASSWORD: Final = "bench-password"
HOST: Final = "127.0.0.1"
_PROGRAM: Final = (sys.executable, "-P", "-m", "nmsd")  # -P: the installed nmsd, not sources where this is started


class Server:
    """A running server.  `offset` is added to the registered port numbers."""

    is_process_per_session = True

    def __init__(self, name: str, directory: Path, offset: int, users: list[str]) -> None:
        self.name = name
        self.directory = directory
        self.offset = offset
        self.users = users
        self.process: subprocess.Popen[bytes] | None = None

    def address(self, port: int) -> tuple[str, int]:
        """Where the service with this registered port is."""
        return (HOST, port + self.offset)

    @property
    def imap(self) -> tuple[str, int]:
        return self.address(143)

    @property
    def imaps(self) -> tuple[str, int]:
        return self.address(993)

    @property
    def pop3(self) -> tuple[str, int]:
        return self.address(110)

    @property
    def lmtp(self) -> tuple[str, int]:
        return self.address(24)

    def command(self) -> list[str]:
        """What to run in the foreground."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Makes configuration and users."""
        raise NotImplementedError

    def start(self) -> None:
        """Makes its data and starts it."""
        self.directory.mkdir(mode=0o755)
        self.prepare()
        self._launch()

    def restart(self) -> None:
        """Stops it and starts it again on the same data."""
        self._terminate()
        self._launch()

    def _launch(self) -> None:
        """Starts it and waits until all its ports greet."""
        with open(self.directory / "console.log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for address in (self.imap, self.pop3, self.lmtp):
            self._await_greeting(address)

    def _await_greeting(self, address: tuple[str, int]) -> None:
        assert self.process is not None
        for _ in range(600):
            try:
                with socket.create_connection(address, timeout=5) as connection:
                    if connection.recv(1):
                        return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer at {address}:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its logs."""
        texts = [path.read_text(errors="replace")[-3000:] for path in sorted(self.directory.glob("*.log"))]
        return "\n".join(texts)

    def stop(self) -> None:
        """Stops it and removes its data."""
        self._terminate()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _terminate(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        assert self.process is not None
        return processes.cpu_seconds(self.process.pid)

    def memory(self) -> int:
        """Bytes of memory now."""
        assert self.process is not None
        return processes.pss_bytes(self.process.pid)


class Nmsd(Server):
    """nmsd as `nmsd init` makes it, with room for the sessions of the memory row."""

    is_process_per_session = False

    def command(self) -> list[str]:
        return [*self._nmsd(), "run"]

    def _nmsd(self) -> list[str]:
        return [*_PROGRAM, "-I", str(self.directory / "instance")]

    def prepare(self) -> None:
        init = [*_PROGRAM, "init", str(self.directory / "instance"), "--bind", HOST]
        init += ["--domain", DOMAIN, "--port-offset", str(self.offset)]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
        # A few users stand for many.
        settings = [("service.imap.maxsessions", "20000"), ("service.imap.maxsessionsperuser", "0")]
        if os.geteuid() == 0:
            settings.append(("local.serveruid", "root"))  # the instance lies where no other user may look
        for setting, value in settings:
            subprocess.run([*self._nmsd(), "config", "set", setting, value], check=True, stdout=subprocess.DEVNULL)
        for user in self.users:
            add = [*self._nmsd(), "user", "add", user, "--password-stdin"]
            subprocess.run(add, input=PASSWORD.encode(), check=True, stdout=subprocess.DEVNULL)


_COMMON: Final = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
instance_name = {name}
protocols = imap pop3 lmtp
listen = 127.0.0.1
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{directory}/cert.pem
ssl_key = <{directory}/key.pem
first_valid_uid = 1
mail_location = {location}
mail_max_userip_connections = 100000
auth_username_format = %Ln
postmaster_address = postmaster@{domain}
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {directory}/passwd
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={directory}/mail/%n allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
{login}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
{login}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
{lmtp_more}
}}
{more}
"""

_TUNED_LOGIN: Final = """
  service_count = 0
  process_min_avail = 2
  client_limit = 20000
"""
_TUNED_LMTP: Final = """
  service_count = 0
  process_min_avail = 2
"""
_TUNED: Final = """
default_client_limit = 20000
default_process_limit = 5000
default_vsz_limit = 1G
service imap {
  service_count = 256
  process_limit = 20000
}
service pop3 {
  service_count = 256
  process_limit = 20000
}
"""
_HIBERNATE: Final = """
imap_hibernate_timeout = 5s
service imap-hibernate {
  unix_listener imap-hibernate {
    mode = 0666
  }
}
service imap {
  extra_groups = $default_internal_group
  unix_listener imap-master {
    mode = 0666
    user = $default_internal_user
  }
}
"""


class Dovecot(Server):
    """Dovecot from Debian.

    Variants: `dovecot` is tuned (mdbox, plain passwords in a passwd-file, login processes kept, mail processes
    re-used, limits raised); `dovecot-installed` has the process model of a fresh installation and Maildir;
    `dovecot-hibernate` is the tuned one with imap_hibernate_timeout.
    """

    def command(self) -> list[str]:
        return ["/usr/sbin/dovecot", "-F", "-c", str(self.directory / "dovecot.conf")]

    def prepare(self) -> None:
        # It drops root for the mail processes, which must then still reach the mail directory.
        owner = pwd.getpwnam("nobody")
        mail = self.directory / "mail"
        mail.mkdir()
        os.chown(mail, owner.pw_uid, owner.pw_gid)
        (self.directory / "passwd").write_text("".join(f"{user}:{PASSWORD}\n" for user in self.users))
        certificate = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]
        certificate += ["-keyout", str(self.directory / "key.pem"), "-out", str(self.directory / "cert.pem")]
        subprocess.run(certificate, check=True, stderr=subprocess.DEVNULL)
        tuned = self.name != "dovecot-installed"
        configuration = _COMMON.format(
            directory=self.directory,
            name=f"bench-{self.name}-{os.getpid()}",
            domain=DOMAIN,
            location="mdbox:~/mdbox" if tuned else "maildir:~/Maildir",
            user=owner.pw_uid,
            group=owner.pw_gid,
            imap=self.imap[1],
            imaps=self.imaps[1],
            pop3=self.pop3[1],
            lmtp=self.lmtp[1],
            login=_TUNED_LOGIN if tuned else "",
            lmtp_more=_TUNED_LMTP if tuned else "",
            more=_TUNED if tuned else "",
        )
        if self.name == "dovecot-hibernate":
            configuration += _HIBERNATE
        (self.directory / "dovecot.conf").write_text(configuration)


KINDS: Final[dict[str, type[Server]]] = {
    "nmsd": Nmsd,
    "dovecot": Dovecot,
    "dovecot-installed": Dovecot,
    "dovecot-hibernate": Dovecot,
}


def free_offset(taken: set[int]) -> int:
    """A port offset at which every port a server needs is free now, and not in `taken`."""
    for offset in range(11_000, 24_000, 17):
        if offset in taken:
            continue
        try:
            for port in (24, 110, 143, 993, 995, 8443):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((HOST, port + offset))
        except OSError:
            continue
        return offset
    raise RuntimeError("no free ports")
