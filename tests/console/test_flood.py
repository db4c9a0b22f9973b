"""Floods of the console: bounded by address and in all, and nothing the mail services feel."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator

import pytest

from tests.clients.harness import HOST, Instance, instance_directory
from tests.console.browser import Browser
from tests.console.conftest import ADMIN

PER_ADDRESS = 5
OTHER = "127.0.0.2"


@pytest.fixture(scope="module")
def narrow() -> Iterator[Instance]:
    """A server whose console takes few connections from one address."""
    with instance_directory() as directory:
        settings = {
            "store.admins": ADMIN.name,
            "service.console.enable": "yes",
            "service.console.maxperaddress": PER_ADDRESS,
            "service.console.maxsessions": 4 * PER_ADDRESS,
            "service.badlogin.delay": 0,
        }
        server = Instance.make(directory, settings)
        server.add_user(ADMIN.name)
        server.start()
        yield server
        server.stop()


def connect(server: Instance, source: str = HOST) -> socket.socket:
    return socket.create_connection((HOST, server.port(8443)), timeout=60, source_address=(source, 0))


def test_an_address_gets_so_many_connections_and_others_are_served(narrow: Instance) -> None:
    with contextlib.ExitStack() as opened:
        held = [opened.enter_context(connect(narrow, OTHER)) for _ in range(PER_ADDRESS)]
        late = opened.enter_context(connect(narrow, OTHER))
        assert late.recv(1) == b"", "closed at once"
        assert not select.select(held, [], [], 0)[0], "the others stay"
        assert Browser(narrow).get("/login").status == 200
        held.pop().close()
        with connect(narrow, OTHER) as plain, narrow.tls().wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_a_flood_of_requests_leaves_pages_and_mail_as_they_were(narrow: Instance) -> None:
    someone = narrow.add_user()
    admin = Browser(narrow)
    assert admin.log_in(ADMIN).status == 200
    context = narrow.tls()
    with contextlib.ExitStack() as opened, narrow.imap(someone) as mail:
        for source in (OTHER, "127.0.0.3"):
            for _ in range(PER_ADDRESS):
                plain = opened.enter_context(connect(narrow, source))
                client = opened.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
                client.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        for _ in range(200):
            with contextlib.suppress(OSError), connect(narrow, OTHER) as knock:
                knock.sendall(b"x")
        assert admin.get("/server").status == 200
        assert mail.noop()[0] == "OK"
        assert narrow.pop(someone).stat() == (0, 0)
    assert "Traceback" not in narrow.log()
    assert "Critical" not in narrow.log()


def test_with_all_connections_taken_the_next_waits_and_is_served(narrow: Instance) -> None:
    with contextlib.ExitStack() as opened:
        for source in (OTHER, "127.0.0.3", "127.0.0.4", "127.0.0.5"):
            for _ in range(PER_ADDRESS):
                opened.enter_context(connect(narrow, source))
        with connect(narrow, "127.0.0.6") as plain:
            assert not select.select([plain], [], [], 0)[0]
            opened.pop_all().close()
            with narrow.tls().wrap_socket(plain, server_hostname="localhost") as client:
                client.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200")
