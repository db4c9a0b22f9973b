"""Services on and off, their ports and their TLS, as a client meets them."""

from __future__ import annotations

import socket

import pytest

from tests.chapter.conftest import IMAP, POP, Chapter, Client, Service
from tests.clients.harness import HOST


def free_ports(count: int) -> list[int]:
    servers = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def test_a_service_that_is_not_enabled_does_not_listen_and_cannot_be_turned_on(
    chapter: Chapter, service: Service
) -> None:
    chapter.change({f"service.{service}.enable": "no"})
    assert chapter.falls_silent(chapter.instance.port(service.port))
    assert chapter.falls_silent(chapter.instance.port(service.ssl_port))
    chapter.connect(service.other).greeted()
    assert "not enabled" in chapter.nmsd("status", check=False).output
    refused = chapter.nmsd("start", service.name, check=False)
    assert refused.exit_code == 1
    assert f"{service} is not enabled; `nmsd config set service.{service}.enable yes`" in refused.output
    chapter.settings()
    chapter.connect(service).greeted()


def test_a_service_is_turned_off_and_on_in_a_running_server(chapter: Chapter, service: Service) -> None:
    chapter.settings()
    client, other = chapter.connect(service).greeted(), chapter.connect(service.other).greeted()
    chapter.nmsd("stop", service.name)
    assert client.rest().startswith(service.farewell)
    assert not chapter.listens(chapter.instance.port(service.port))
    assert chapter.status(service)["enabled"]
    assert chapter.status(service)["turned_off"]
    assert "turned off" in chapter.nmsd("status").output
    chapter.nmsd("reload")
    assert not chapter.listens(chapter.instance.port(service.port))
    assert other.answer(b"NOOP")
    chapter.nmsd("start", service.name)
    chapter.connect(service).greeted()
    assert not chapter.status(service)["turned_off"]


@pytest.fixture(scope="module")
def moved(chapter: Chapter) -> dict[Service, tuple[int, int, Client, Client]]:
    """New ports of both services, plain and TLS, and sessions that were open before they changed."""
    chapter.settings()
    found = {}
    for service in (IMAP, POP):
        sessions = (chapter.connect(service).greeted(), chapter.connect(service, tls=True).greeted())
        found[service] = (*free_ports(2), *sessions)
    chapter.change(
        {
            f"service.{service}.{name}": str(port)
            for service, (*ports, _, _) in found.items()
            for name, port in zip(("port", "sslport"), ports)
        }
    )
    return found


def test_ports_change_and_open_sessions_live_on(
    chapter: Chapter, moved: dict[Service, tuple[int, int, Client, Client]], service: Service
) -> None:
    port, ssl_port, *old = moved[service]
    assert chapter.falls_silent(chapter.instance.port(service.port))
    assert chapter.falls_silent(chapter.instance.port(service.ssl_port))
    new = [Client(service, port).greeted(), Client(service, ssl_port, chapter.instance.tls()).greeted()]
    for client in (*new, *old):
        assert client.login(chapter.person).works()
        client.leave()


def test_a_port_that_is_another_services_or_another_programs_is_refused(chapter: Chapter, service: Service) -> None:
    chapter.settings()
    name = f"service.{service}.port"
    client = chapter.connect(service).greeted()
    refused = chapter.nmsd("config", "set", name, str(chapter.instance.port(service.other.port)), check=False)
    assert refused.exit_code == 2
    assert "is the same port as service." in refused.output
    with socket.create_server((HOST, 0)) as taken:
        chapter.nmsd("config", "set", name, str(taken.getsockname()[1]))
        for command in (("config", "check"), ("reload",)):
            refused = chapter.nmsd(*command, check=False)
            assert refused.exit_code == 2
            (line,) = refused.output.splitlines()
            assert line.startswith("nmsd: ")
            assert f"{name} = {taken.getsockname()[1]}: 127.0.0.1:{taken.getsockname()[1]} is in use by another" in line
            assert line.endswith("; stop that one, or choose another")
    chapter.nmsd("config", "set", name, str(chapter.instance.port(service.port)))
    assert client.login(chapter.person).works()
    client.leave()
    chapter.connect(service).greeted()


def test_the_port_for_tls_can_be_closed(chapter: Chapter, service: Service) -> None:
    chapter.both(enablesslport="no")
    assert chapter.falls_silent(chapter.instance.port(service.ssl_port))
    client = chapter.connect(service).greeted()
    assert client.start_tls(chapter.instance.tls()).startswith((b"t1 OK", b"+OK"))
    assert client.works() if service is IMAP else client.capabilities()


def test_tls_begins_on_the_plain_port_when_the_client_asks_for_it(chapter: Chapter, service: Service) -> None:
    chapter.settings()
    client = chapter.connect(service).greeted()
    word = b"STARTTLS" if service is IMAP else b"STLS"
    assert word in client.capabilities()
    assert client.start_tls(chapter.instance.tls()).startswith((b"t1 OK", b"+OK"))
    assert word not in client.capabilities()
    assert client.login(chapter.person).works()
    client.close()


def test_a_service_listens_where_it_is_told_to(chapter: Chapter, service: Service) -> None:
    chapter.change({f"service.{service}.listenaddr": "127.0.0.2"})
    with socket.create_connection(("127.0.0.2", chapter.instance.port(service.port)), timeout=30) as sock:
        assert sock.recv(100).startswith(service.good)
    assert chapter.falls_silent(chapter.instance.port(service.port))
    assert chapter.listens(chapter.instance.port(service.other.port))
