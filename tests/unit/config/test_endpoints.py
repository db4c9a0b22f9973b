"""Where services listen follows from their settings, and two may not want the same place."""

from __future__ import annotations

import pytest

from nmsd.config.endpoints import LISTEN_SECTION, Endpoint, endpoints
from nmsd.config.services import IMAP, LISTEN, LMTP, LMTP_SOCKET, POP
from nmsd.config.setting import Config


def conflicts(**values: object) -> list[tuple[str, str]]:
    config = Config({name.replace("__", "."): value for name, value in values.items()})
    return list(LISTEN_SECTION.verify(config))


def test_a_service_listens_on_all_addresses_plain_and_with_tls() -> None:
    assert [str(endpoint) for endpoint in endpoints(Config({}), IMAP)] == [
        "0.0.0.0:143",
        "[::]:143",
        "0.0.0.0:993 (TLS)",
        "[::]:993 (TLS)",
    ]


def test_lmtp_listens_on_this_machine_and_on_a_unix_socket() -> None:
    found = endpoints(Config({}, "/i"), LMTP)
    assert found == (Endpoint("plain", "127.0.0.1", 24), Endpoint("unix", "/i/run/lmtp.sock", mode=0o666))
    assert len(endpoints(Config({LMTP_SOCKET.name: ""}), LMTP)) == 1


def test_a_service_that_is_not_enabled_listens_nowhere() -> None:
    assert endpoints(Config({POP.enable.name: False}), POP) == ()


def test_its_own_addresses_go_before_the_common_ones() -> None:
    config = Config({LISTEN.name: ("10.0.0.1",), POP.listen.name: ("10.0.0.2",), POP.enable_ssl_port.name: False})
    assert endpoints(config, POP) == (Endpoint("plain", "10.0.0.2", 110),)
    assert endpoints(config, IMAP)[0].address == "10.0.0.1"


def test_the_defaults_do_not_conflict() -> None:
    assert conflicts() == []


def test_two_services_on_one_port_are_told_once() -> None:
    found = conflicts(service__pop__port=143)
    assert found == [
        ("service.pop.port", "is the same port as service.imap.port; give each its own, or disable one of the two")
    ]


def test_a_plain_and_a_tls_port_conflict_too() -> None:
    assert [name for name, _ in conflicts(service__imap__sslport=143)] == ["service.imap.sslport"]
    assert [name for name, _ in conflicts(service__lmtp__port=995)] == ["service.lmtp.port"]


@pytest.mark.parametrize(
    ("imap", "pop", "clash"),
    [
        (("127.0.0.1",), ("127.0.0.2",), False),
        (("127.0.0.1",), ("0.0.0.0",), True),
        (("::",), ("0.0.0.0",), False),
        (("::1",), ("::",), True),
        (("mail.example",), ("mail.example",), True),
    ],
)
def test_one_port_on_two_addresses_is_fine_unless_one_is_all(
    imap: tuple[str, ...], pop: tuple[str, ...], clash: bool
) -> None:
    found = conflicts(service__pop__port=143, service__imap__listenaddr=imap, service__pop__listenaddr=pop)
    assert bool(found) == clash


def test_a_disabled_service_conflicts_with_nothing() -> None:
    assert conflicts(service__pop__port=143, service__pop__enable=False) == []
