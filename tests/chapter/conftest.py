"""One running server for the tests of the services' chapter, whose settings each test changes as it needs them."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from nmsd.cli.main import cli
from tests.clients.harness import HOST, Instance, Line, Person, instance_directory


@dataclass(frozen=True)
class Service:
    """What differs between the two services as a client meets them."""

    name: str
    port: int
    ssl_port: int
    good: bytes
    busy: bytes
    unwelcome: bytes
    farewell: bytes

    def __str__(self) -> str:
        return self.name

    @property
    def other(self) -> Service:
        """The other one."""
        return POP if self is IMAP else IMAP


IMAP: Final = Service("imap", 143, 993, b"* OK", b"* BYE [UNAVAILABLE]", b"* BYE Connections", b"* BYE")
POP: Final = Service("pop", 110, 995, b"+OK", b"-ERR [SYS/TEMP]", b"-ERR [SYS/PERM]", b"-ERR")


class Client(Line):
    """A connection to a service, from an address of one's choice."""

    def __init__(
        self, service: Service, port: int, tls: ssl.SSLContext | None = None, source: str = HOST, timeout: float = 60
    ) -> None:
        plain = socket.create_connection((HOST, port), timeout=timeout, source_address=(source, 0))
        self.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self._buffer = b""
        self.service = service

    def greeted(self) -> Client:
        """This, after a good greeting."""
        greeting = self.readline()
        assert greeting.startswith(self.service.good), greeting
        return self

    def answer(self, command: bytes) -> bytes:
        """The last line of the answer to a command of either protocol that has no more than one line."""
        if self.service is IMAP:
            return self.ask(command)
        self.send(command + b"\r\n")
        return self.readline()

    def try_login(self, person: Person) -> bytes:
        """What a login gives."""
        if self.service is IMAP:
            return self.ask(f'LOGIN {person.name} "{person.password}"'.encode())
        self.answer(f"USER {person.name}".encode())
        return self.answer(f"PASS {person.password}".encode())

    def login(self, person: Person) -> Client:
        """This, logged in."""
        answer = self.try_login(person)
        assert answer.startswith((b"t1 OK", b"+OK")), answer
        return self

    def leave(self) -> None:
        """Ends the session, and returns when the server has closed it."""
        self.send(b"z LOGOUT\r\n" if self.service is IMAP else b"QUIT\r\n")
        self.rest()
        self.close()

    def works(self) -> bool:
        """Whether a command is answered well."""
        return self.answer(b"NOOP").startswith((b"t1 OK", b"+OK"))

    def start_tls(self, context: ssl.SSLContext) -> bytes:
        """STARTTLS or STLS; gives the answer."""
        answer = self.answer(b"STARTTLS" if self.service is IMAP else b"STLS")
        if answer.startswith((b"t1 OK", b"+OK")):
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        return answer

    def capabilities(self) -> set[bytes]:
        """The words of what the service says it can do; POP3's SASL mechanisms as AUTH=NAME."""
        if self.service is IMAP:
            self.send(b"c CAPABILITY\r\n")
            words = set(self.until(b"* CAPABILITY").split())
            self.until(b"c OK")
            return words
        self.send(b"CAPA\r\n")
        assert self.readline().startswith(b"+OK")
        words = set()
        while (line := self.readline().strip()) != b".":
            name, *rest = line.split()
            words |= {line} | ({b"AUTH=" + word for word in rest} if name == b"SASL" else set())
        return words


class Chapter:
    """The server, and the words that set it up."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.person = instance.add_user("reader")
        self._set: dict[str, str] = {}
        self._text = instance.configuration.read_text()

    def nmsd(self, *arguments: str, check: bool = True) -> Result:
        """The command, in this process: what it does is a request to the server or an edit of a file."""
        done = CliRunner().invoke(cli, ["-I", str(self.instance.directory), *arguments], standalone_mode=True)
        assert not check or done.exit_code == 0, (arguments, done.output)
        return done

    def settings(self, **values: object) -> None:
        """Has these settings, and no others, differ from the instance's own, by `nmsd config set` and a reload.
        `__` stands for the dot."""
        self.change({name.replace("__", "."): str(value) for name, value in values.items()})

    def change(self, wanted: dict[str, str]) -> None:
        """The same with the names as they are."""
        path = self.instance.configuration
        is_ours = path.read_text() == self._text
        if is_ours and wanted == self._set:
            return
        if not is_ours:  # a test that failed has left it so
            path.write_text(self._text)
        for name in [name for name in reversed(self._set) if name not in wanted]:
            self.nmsd(*(("config", "set", name, OWN[name]) if name in OWN else ("config", "unset", name)))
        for name, value in wanted.items():
            if self._set.get(name) != value:
                self.nmsd("config", "set", name, value)
        self._set = dict(wanted)
        self._text = path.read_text()
        self.nmsd("reload")

    def both(self, **values: object) -> None:
        """The same settings for both services; the names are without `service.NAME.`."""
        pairs = [(service, name) for service in (IMAP, POP) for name in values]
        self.change({f"service.{service.name}.{name}": str(values[name]) for service, name in pairs})

    def connect(self, service: Service, tls: bool = False, source: str = HOST) -> Client:
        """A connection whose greeting was not read."""
        port = self.instance.port(service.ssl_port if tls else service.port)
        return Client(service, port, self.instance.tls() if tls else None, source)

    def listens(self, port: int) -> bool:
        """Whether anybody does."""
        with socket.socket() as probe:
            return probe.connect_ex((HOST, port)) == 0

    def falls_silent(self, port: int) -> bool:
        """Whether nobody listens any more: old workers let a port go a moment after the new ones are ready."""
        deadline = time.monotonic() + 30
        while self.listens(port):
            if time.monotonic() > deadline:
                return False
        return True

    def status(self, service: Service) -> dict[str, Any]:
        """What `nmsd status` tells of the service."""
        found = json.loads(self.nmsd("status", "--json", check=False).output)
        return next(each for each in found["services"] if each["name"] == service.name)


OWN: Final[dict[str, str]] = {}
"""What the instance's own file sets, of that which tests change."""


@pytest.fixture(scope="session")
def chapter() -> Iterator[Chapter]:
    with instance_directory() as directory:
        own = {"service.lmtp.enable": "no", "local.hostname": "mail.example.com", "service.badlogin.delay": "0"}
        server = Instance.make(directory, own)
        OWN.update(own)
        for each in (IMAP, POP):
            OWN[f"service.{each}.port"] = str(server.port(each.port))
            OWN[f"service.{each}.sslport"] = str(server.port(each.ssl_port))
        server.start()
        yield Chapter(server)
        server.stop()


@pytest.fixture(params=[IMAP, POP], ids=str)
def service(request: pytest.FixtureRequest) -> Service:
    """Each of the two services."""
    found: Service = request.param
    return found
