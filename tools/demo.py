"""Makes the demo instance if there is none, runs it in the foreground, and tells what to try.

    tools/run [--directory DIR]

The instance has two users, alice and bob, and some mail; it listens on loopback only, on ports that need no root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

ROOT: Final = Path(__file__).resolve().parents[1]
HOST: Final = "127.0.0.1"
DOMAIN: Final = "example.com"
PASSWORDS: Final = {"alice": "wonderland", "bob": "lighthouse"}
NAMES: Final = {"alice": "Alice Archer", "bob": "Bob Castillo"}

# The setting of each port, and the port it has where nothing is said.
PORTS: Final = {
    "service.imap.port": 143,
    "service.imap.sslport": 993,
    "service.pop.port": 110,
    "service.pop.sslport": 995,
    "service.lmtp.port": 24,
    "service.lmtp.sslport": 2424,
    "service.console.port": 8443,
}
OFFSETS: Final = range(10_000, 56_000, 1_000)
START_S: Final = 30.0
EX_RUNS_ALREADY: Final = 1


@cache
def screen() -> Console:
    """Where things are shown; what shows them is imported then, when the server is starting already."""
    from rich.console import Console

    return Console(highlight=False)


class Trouble(Exception):
    """What keeps the demo from running, in words for whoever started it."""


@dataclass(frozen=True)
class Demo:
    """The instance in `directory`, which need not be there yet."""

    directory: Path

    def nmsd(self, *arguments: str, given: str | None = None) -> str:
        """Runs the command on the instance, with `given` as its input; gives what it prints.  Raises Trouble."""
        command = [*program(), "-I", str(self.directory), *arguments]
        result = subprocess.run(command, input=given or "", capture_output=True, text=True)
        if result.returncode:
            raise Trouble(f"nmsd {' '.join(arguments)} failed:\n{result.stderr or result.stdout}".rstrip())
        return result.stdout

    def ports(self) -> dict[str, int]:
        """The instance's ports, by their settings."""
        text = (self.directory / "etc/nmsd.conf").read_text(encoding="utf-8")
        found = dict(re.findall(r"^(service\.\w+\.(?:ssl)?port) *= *(\d+)", text, re.MULTILINE))
        return {name: int(found.get(name, default)) for name, default in PORTS.items()}

    def move(self, offset: int) -> None:
        """Gives every port another offset."""
        for name, registered in PORTS.items():
            self.nmsd("config", "set", name, str(registered + offset))

    def running(self) -> str:
        """The process id of the server that runs on the instance, or nothing."""
        status = subprocess.run([*program(), "-I", str(self.directory), "status", "--json"], capture_output=True)
        if status.returncode not in (0, 1) or not status.stdout:  # neither all of it runs nor a part
            return ""
        return str(json.loads(status.stdout).get("pid", ""))


def program() -> list[str]:
    """The nmsd command of the environment that this runs in."""
    script = Path(sys.executable).with_name("nmsd")
    return [str(script)] if script.exists() else [sys.executable, "-m", "nmsd"]


def is_free(port: int) -> bool:
    """Whether a server may listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_offset() -> int:
    """The first offset with which every port is free.  Raises Trouble."""
    for offset in OFFSETS:
        if all(is_free(port + offset) for port in PORTS.values()):
            return offset
    raise Trouble("no free ports were found; end what holds them, or make an instance with `nmsd init`")


@contextmanager
def steps(total: int) -> Iterator[Progress]:
    """A progress display of so many steps; each is told by `advance`."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen(), transient=True, disable=not screen().is_terminal) as progress:
        progress.add_task("", total=total)
        yield progress


def create(directory: Path, offset: int) -> None:
    """Makes the demo instance in `directory`, its ports moved by `offset`; it is there whole or not at all.

    Raises Trouble.
    """
    from tools.demo_mail import write_maildir

    if offset != OFFSETS[0]:
        screen().print(f"Some of the usual ports are taken; this demo's are moved by {offset}.", soft_wrap=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".demo-", dir=directory.parent) as place, steps(5) as progress:
        demo = Demo(Path(place) / "demo")

        def begin(what: str) -> None:
            progress.update(progress.task_ids[0], description=what)
            progress.advance(progress.task_ids[0])

        begin("Making the instance")
        where = ("--port-offset", str(offset), "--bind", HOST, "--domain", DOMAIN)
        demo.nmsd("init", str(demo.directory), *where)
        if os.geteuid() == 0:  # a clone may lie where no other user can look
            demo.nmsd("config", "set", "local.serveruid", "root")
        demo.nmsd("config", "set", "store.admins", "alice")
        for name, password in PASSWORDS.items():
            begin(f"Adding {name}")
            demo.nmsd("user", "add", name, "--name", NAMES[name], "--password-stdin", given=password + "\n")
        begin("Writing mail")
        mail = Path(place) / "mail"
        write_maildir(mail, time.time())
        begin("Importing it")
        demo.nmsd("import", f"alice@{DOMAIN}", str(mail))
        os.rename(demo.directory, directory)


def start(demo: Demo) -> subprocess.Popen[bytes]:
    """Starts the server and waits for its word that it is ready.  Raises Trouble."""
    with tempfile.TemporaryDirectory(prefix="nmsd-") as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        address = os.path.join(place, "notify")
        ears.bind(address)
        ears.settimeout(0.05)
        command = [*program(), "-I", str(demo.directory), "run", "--quiet"]
        # In a session of its own, so that Ctrl-C reaches it once, from here.
        server = subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": address}, start_new_session=True)
        deadline = time.monotonic() + START_S
        try:
            with screen().status("Starting"):
                while time.monotonic() < deadline:
                    try:
                        if b"READY=1" in ears.recv(4096).split(b"\n"):
                            return server
                    except TimeoutError:
                        pass
                    if server.poll() is not None:
                        raise Trouble(f"the server ended at once; {demo.directory}/log/nmsd.log may say more")
        except BaseException:
            server.terminate()
            server.wait()
            raise
        server.terminate()
        server.wait()
        raise Trouble(f"the server was not ready after {START_S:.0f} s; {demo.directory}/log/nmsd.log may say why")


def hints(directory: Path, ports: Mapping[str, int], has_console: bool) -> list[tuple[str, str]]:
    """What to try: for each a name and a line, which works as it stands in the directory of the clone."""
    shown = os.path.relpath(directory, ROOT) if directory.is_relative_to(ROOT) else str(directory)
    imaps, pops = ports["service.imap.sslport"], ports["service.pop.sslport"]
    nmsd = os.path.relpath(program()[0], ROOT) if len(program()) == 1 else " ".join(program())
    web = f"https://{HOST}:{ports['service.console.port']}/"
    message = "printf 'From: me@example.org\\nSubject: Hello\\n\\nHello Alice!\\n'"
    login, certificate = f"alice:{PASSWORDS['alice']}", f"{shown}/etc/tls/cert.pem"
    account = f"server {HOST}, user name alice, SSL/TLS, normal password"
    return [
        ("curl", f"curl --cacert {certificate} --user {login} 'imaps://{HOST}:{imaps}/INBOX?UNSEEN'"),
        ("mutt", f"mutt -e 'set certificate_file={certificate}' -f imaps://{login}@localhost:{imaps}/"),
        ("Thunderbird", f"alice@{DOMAIN}: {account}, IMAP port {imaps} (or POP3 port {pops})"),
        ("a message", f"{message} | {nmsd} -I {shown} deliver -f me@example.org alice"),
        ("LMTP", f"port {ports['service.lmtp.port']}, or the socket {shown}/run/lmtp.sock"),
        ("status", f"{nmsd} -I {shown} status"),
        ("console", f"{web} as alice; its certificate signs itself" if has_console else f"will be at {web}"),
    ]


def tell(demo: Demo) -> None:
    """Prints who there is and what to try."""
    from rich.markup import escape
    from rich.table import Table

    ports = demo.ports()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, password in PASSWORDS.items():
        table.add_row(name, f"password {password}")
    lines = hints(demo.directory, ports, has_console=not is_free(ports["service.console.port"]))
    if screen().is_terminal:
        for name, line in lines:
            table.add_row(name, escape(line))
        screen().print(table)
    else:  # for whoever copies a line from a log, each in one piece
        for name, password in PASSWORDS.items():
            print(f"{name}: password {password}")
        for name, line in lines:
            print(f"{name}: {line}", flush=True)


def run(demo: Demo) -> int:
    """Runs the demo until Ctrl-C or SIGTERM; gives the exit status.  Raises Trouble."""
    if not demo.directory.exists():
        create(demo.directory, free_offset())
    if any(not is_free(port) for port in demo.ports().values()):
        pid = demo.running()
        if pid:
            screen().print(f"The demo runs already (process {pid}).", soft_wrap=True)
            tell(demo)
            return EX_RUNS_ALREADY
        offset = free_offset()
        screen().print(
            f"Some of the demo's ports are taken by another program; its ports are moved by {offset} now.",
            soft_wrap=True,
        )
        demo.move(offset)
    server = start(demo)
    signal.signal(signal.SIGTERM, lambda number, frame: server.terminate())
    try:
        tell(demo)
        screen().print("[bold green]nmsd is ready.[/] Ctrl-C stops it.")
        status = server.wait()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        screen().print("\rStopping")
        server.terminate()
        status = server.wait()
    screen().print("nmsd has stopped.")
    return status


def main() -> int:
    """The command; gives its exit status."""
    parser = argparse.ArgumentParser(prog="tools/run", description="Runs a demo instance of nmsd in the foreground.")
    parser.add_argument("--directory", type=Path, default=ROOT / "demo", help="where the instance is (default: demo)")
    directory = parser.parse_args().directory.resolve()
    try:
        return run(Demo(directory))
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
