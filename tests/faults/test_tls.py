"""TLS: nothing said before the handshake counts after it, and certificates are replaced under living sessions."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable

import pytest

from tests.clients.harness import HOST, Instance, Line, login


@pytest.mark.parametrize(
    ("port", "greeting", "command", "answer", "injected", "probe"),
    [
        (143, b"* OK", b"a STARTTLS", b"a OK", b"b CAPABILITY", b"c NOOP"),
        (110, b"+OK", b"STLS", b"+OK", b"NONSENSE", b"QUIT"),
        (24, b"220", b"STARTTLS", b"220", b"NONSENSE", b"QUIT"),
    ],
)
def test_plain_text_behind_starttls_is_forgotten(
    instance: Instance, port: int, greeting: bytes, command: bytes, answer: bytes, injected: bytes, probe: bytes
) -> None:
    line = Line(instance.port(port))
    line.until(greeting)
    if port == 24:
        line.send(b"LHLO x\r\n")
        line.until(b"250 ")
    line.send(command + b"\r\n" + injected + b"\r\n")
    assert line.readline().startswith(answer)
    secure = instance.tls().wrap_socket(line.socket, server_hostname="localhost")
    secure.sendall(probe + b"\r\n")

    first = secure.recv(1000)

    assert first.startswith((b"c OK", b"+OK", b"221")), first
    secure.close()


def test_a_new_certificate_is_shown_after_a_reload_and_old_sessions_live(
    make_instance: Callable[..., Instance],
) -> None:
    instance, other = make_instance(), make_instance(start=False)
    person = instance.add_user()
    old = login(Line(instance.port(993), instance.tls()), person)
    before = ssl.get_server_certificate((HOST, instance.port(993)))
    for name in ("cert.pem", "key.pem"):
        source, target = other.directory / "etc/tls" / name, instance.directory / "etc/tls" / name
        shutil.copyfile(source, target)

    instance.nmsd("reload")

    assert old.ask(b"NOOP").startswith(b"t1 OK")
    for port in (993, 995):
        shown = ssl.get_server_certificate((HOST, instance.port(port)))
        assert shown != before
        assert shown.strip() in other.certificate.read_text()
    assert login(Line(instance.port(993), instance.tls()), person).ask(b"NOOP").startswith(b"t1 OK")
