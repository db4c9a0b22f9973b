"""A real nmsd on loopback for the tests: made by `nmsd init`, started as `nmsd run`, on free ports.

Nothing here waits by the clock: the server says that it is ready by the notify protocol it speaks with service
managers, and it is gone when its process is.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import poplib
import random
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from click.testing import CliRunner

from nmsd.cli.main import cli
from nmsd.config.file import edit_lines

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "127.0.0.1"
DOMAIN: Final = "example.com"
PASSWORD: Final = "correct horse 7"
SERVICE_PORTS: Final = (24, 110, 143, 993, 995, 2424, 8443)
START_SECONDS: Final = 30
STOP_SECONDS: Final = 30

_numbers = count(1)


@dataclass(frozen=True)
class Person:
    """A user: the login without a domain, the address with it."""

    name: str
    password: str = PASSWORD

    @property
    def address(self) -> str:
        return f"{self.name}@{DOMAIN}"


class People(Protocol):
    """A directory that an instance asks for its users, instead of the embedded one."""

    def settings(self) -> dict[str, object]:
        """What an instance has to be told of it."""

    def add(self, person: Person) -> None:
        """Puts a user into it."""


class Instance:
    """One instance, running or not.  `people` are its users, those of the embedded directory unless told otherwise."""

    people: People | None = None

    def __init__(self, directory: Path, offset: int) -> None:
        self.directory = directory
        self.offset = offset
        self.process: subprocess.Popen[bytes] | None = None
        self._ready = directory.parent / f"{directory.name}.notify"
        self._output = directory.parent / f"{directory.name}.out"

    @classmethod
    def make(
        cls, directory: Path, settings: Mapping[str, object] | None = None, people: People | None = None
    ) -> Instance:
        """Makes an instance in `directory` / instance, with these settings."""
        directory.mkdir(mode=0o755, exist_ok=True)
        instance = cls(directory / "instance", free_offset())
        where = ["--port-offset", str(instance.offset), "--bind", HOST, "--domain", DOMAIN]
        instance.nmsd("init", str(instance.directory), *where)
        # The console takes a second to start, and few tests look at it.
        usual = {"local.serveruid": server_user(), "service.console.enable": "no"}
        lines = instance.configuration.read_text().splitlines()
        instance.people = people
        for name, value in {**usual, **(people.settings() if people else {}), **(settings or {})}.items():
            lines = edit_lines(lines, name, str(value))
        instance.configuration.write_text("\n".join(lines) + "\n")
        return instance

    def port(self, registered: int) -> int:
        """The port of the service whose registered port is given."""
        return registered + self.offset

    @property
    def certificate(self) -> Path:
        """The server's certificate, which signs itself."""
        return self.directory / "etc/tls/cert.pem"

    @property
    def configuration(self) -> Path:
        """The configuration file."""
        return self.directory / "etc/nmsd.conf"

    # The process

    def command(self) -> list[str]:
        """How to run nmsd."""
        return command()

    def environment(self, **more: str) -> dict[str, str]:
        """The environment for it."""
        return environment(**more)

    def start(self, prefix: Sequence[str] = ()) -> None:
        """Starts it, behind `prefix` (a program that runs another, as prlimit), and returns once it says that it is
        ready."""
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notify:
            self._ready.unlink(missing_ok=True)
            notify.bind(str(self._ready))
            with open(self._output, "ab") as output:
                self.process = subprocess.Popen(
                    [*prefix, *self.command(), "-I", str(self.directory), "run"],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=self.environment(NOTIFY_SOCKET=str(self._ready)),
                    cwd="/",
                )
            _await_ready(notify, self.process, self.log)

    def stop(self) -> int | None:
        """Stops it, if it runs, as a service manager would; gives the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return self.process.returncode

    def kill(self) -> None:
        """Kills the supervisor as the kernel would, and returns once its workers are gone as well."""
        assert self.process is not None
        workers = [os.pidfd_open(pid) for pid in self.workers()]
        self.process.kill()
        self.process.wait()
        for worker in workers:
            assert select.select([worker], [], [], STOP_SECONDS)[0], "a worker outlived its supervisor"
            os.close(worker)

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        assert self.process is not None
        return [int(pid) for pid in _children(self.process.pid)]

    def log(self) -> str:
        """What it printed and logged."""
        files = [self._output, *sorted((self.directory / "log").glob("*"))]
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')}" for file in files if file.is_file())

    # The command

    def nmsd(self, *arguments: str, input: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Runs `nmsd -I` this instance (but for init).  With `check`, a failure raises AssertionError."""
        which = [] if arguments[0] == "init" else ["-I", str(self.directory)]
        done = subprocess.run(
            [*self.command(), *which, *arguments],
            input=input,
            capture_output=True,
            env=self.environment(),
            cwd="/",
            timeout=110,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"nmsd {' '.join(arguments)}: {done.returncode}\n{done.stdout!r}\n{done.stderr.decode()}"
            )
        return done

    def add_user(self, name: str = "") -> Person:
        """A new user; the name is made up unless given."""
        person = Person(name or f"person{next(_numbers)}")
        if self.people is not None:
            self.people.add(person)
            return person
        arguments = ["user", "add", person.name, "--password-stdin"]
        if self.command_becomes_another_user():
            self.nmsd(*arguments, input=person.password.encode())
            return person
        # Hundreds of tests want one each, so where that is possible the command runs in this process.
        done = CliRunner().invoke(cli, ["-I", str(self.directory), *arguments], input=person.password, prog_name="nmsd")
        assert done.exit_code == 0, done.output
        return person

    def command_becomes_another_user(self) -> bool:
        """Whether a command that root runs gives up root's rights, to leave files as the server's user wants them."""
        return os.geteuid() == 0 and server_user() != "root"

    # Clients in a line

    def tls(self) -> ssl.SSLContext:
        """A client's TLS that trusts this server's certificate and nothing else."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def imap(self, person: Person | None = None) -> imaplib.IMAP4_SSL:
        """An IMAP connection over TLS, logged in where a person is given."""
        client = imaplib.IMAP4_SSL("localhost", self.port(993), ssl_context=self.tls(), timeout=60)
        if person is not None:
            client.login(person.name, person.password)
        return client

    def pop(self, person: Person | None = None) -> poplib.POP3_SSL:
        """A POP3 connection over TLS, logged in where a person is given."""
        client = poplib.POP3_SSL("localhost", self.port(995), context=self.tls(), timeout=60)
        if person is not None:
            client.user(person.name)
            client.pass_(person.password)
        return client

    def append(self, person: Person, messages: Sequence[bytes], mailbox: str = "INBOX", flags: str = "") -> list[int]:
        """Appends messages; gives their UIDs."""
        uids = []
        with self.imap(person) as client:
            for message in messages:
                status, data = client.append(mailbox, flags, None, message)
                assert status == "OK", data
                uids.append(appended_uid(data[0]))
        return uids

    def messages(self, person: Person, mailbox: str = "INBOX") -> list[tuple[bytes, frozenset[str]]]:
        """(message, flags) of all messages in a mailbox, in order."""
        with self.imap(person) as client:
            _, [exists] = client.select(mailbox, readonly=True)
            if exists == b"0":
                return []
            _, data = client.fetch("1:*", "(FLAGS BODY.PEEK[])")
        found = []
        for part in data:
            if isinstance(part, tuple):
                flags = imaplib.ParseFlags(part[0])
                found.append((part[1], frozenset(flag.decode() for flag in flags)))
        return found


class Line:
    """A bare connection, to say what no client library would."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection((HOST, port), timeout=60)
        self.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self._buffer = b""

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Sends, all of it."""
        self.socket.sendall(data)

    def readline(self) -> bytes:
        """The next line with its CRLF; b'' at the end."""
        while b"\n" not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                line, self._buffer = self._buffer, b""
                return line
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        while len(self._buffer) < size:
            data = self.socket.recv(65536)
            assert data, "the server closed"
            self._buffer += data
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def until(self, start: bytes) -> bytes:
        """Reads up to the first line that begins with `start`; gives that line."""
        seen = b""
        while True:
            line = self.readline()
            if not line:
                raise AssertionError(f"the server closed before {start!r}, after {seen[-500:]!r}")
            if line.startswith(start):
                return line
            seen += line

    def ask(self, command: bytes, tag: bytes = b"t1") -> bytes:
        """Sends an IMAP command; gives its tagged answer."""
        self.send(tag + b" " + command + b"\r\n")
        return self.until(tag + b" ")

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        data = self._buffer
        while more := self.socket.recv(65536):
            data += more
        return data

    def close(self) -> None:
        self.socket.close()


def login(line: Line, person: Person) -> Line:
    """Logs an IMAP connection in whose greeting was not read yet."""
    line.until(b"* OK")
    answer = line.ask(f'LOGIN {person.name} "{person.password}"'.encode())
    assert answer.startswith(b"t1 OK"), answer
    return line


def appended_uid(answer: bytes) -> int:
    """The UID in `[APPENDUID validity uid] text`."""
    assert answer.startswith(b"[APPENDUID "), answer
    return int(answer.partition(b"]")[0].split()[2])


def command() -> list[str]:
    """How to run nmsd."""
    return [sys.executable, "-m", "nmsd"]


def environment(**more: str) -> dict[str, str]:
    """The environment for it: this source tree, and nothing of the user's."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("NMSD_")}
    return {**mine, "PYTHONPATH": str(ROOT), **more}


@contextlib.contextmanager
def instance_directory() -> Iterator[Path]:
    """A temporary directory that the server's unprivileged user may pass through."""
    path = Path(tempfile.mkdtemp(prefix="nmsd-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@cache
def server_user() -> str:
    """The user for the workers of a server started by root: nobody, where nobody can run this Python and read this
    tree; else root.  Without root it is not asked for."""
    if os.geteuid() != 0:
        return "nobody"
    try:
        subprocess.run(
            [sys.executable, "-c", "import nmsd.config.launch"],
            user="nobody",
            group="nogroup",
            extra_groups=(),
            env=environment(),
            cwd="/",
            check=True,
            capture_output=True,
        )
    except (OSError, LookupError, subprocess.CalledProcessError):
        return "root"
    return "nobody"


def free_offset() -> int:
    """An offset at which all the services' ports are free.  Below those that the system gives to clients."""
    for _ in range(200):
        offset = random.randrange(10_000, 24_000)
        if all(_is_free(port + offset) for port in SERVICE_PORTS):
            return offset
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _await_ready(notify: socket.socket, process: subprocess.Popen[bytes], log: object) -> None:
    died = os.pidfd_open(process.pid)
    try:
        while True:
            readable, _, _ = select.select([notify, died], [], [], START_SECONDS)
            if notify in readable:
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return
                continue
            words = log() if callable(log) else ""
            raise AssertionError(f"nmsd {'ended' if readable else 'is not ready'}:\n{words[-4000:]}")
    finally:
        os.close(died)


def _children(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()
