"""TLS: implicit and by command, time-outs, garbage, certificates that change on disk."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent.ssl
import pytest
from OpenSSL import SSL

from nmsd.config.services import CERTIFICATE, CLIENT_CA_FILE, CLIENT_CRL_FILES, IMAP
from nmsd.config.setting import Config
from nmsd.server.settings import TLS_CIPHERS, TLS_MIN_VERSION
from nmsd.server.tls import Certificates, TlsUnavailable, certificate_problem
from tests.directory.authority import HOUR, Authority, Pair
from tests.unit.server.echo_service import PIECE
from tests.unit.server.server_stand import Client, EventList, Stand, write_certificate


def asking(folder: Path, **values: Any) -> Certificates:
    """Certificates of a service that asks its clients for theirs."""
    users = Authority(folder, "users-ca")
    write_certificate(folder)
    config = Config({CLIENT_CA_FILE.name: str(users.certificate), **values}, str(folder))
    return Certificates(config, EventList(), time.time, IMAP.certificates)


@pytest.fixture(params=["plain", "asking"])
def tls_stand(
    request: pytest.FixtureRequest, make_stand: Callable[..., Stand], certificates: Certificates, tmp_path: Path
) -> Stand:
    """Both kinds of TLS: the standard library's, and the one that asks clients for a certificate."""
    return make_stand(certificates=certificates if request.param == "plain" else asking(tmp_path))


def client_context(maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> Any:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = maximum
    return context


def secure(client: Client, context: Any = None) -> Client:
    """The client's end of the handshake."""
    client.sock = (context or client_context()).wrap_socket(client.sock)
    return client


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_implicit_tls_shakes_hands_before_the_greeting(tls_stand: Stand, version: ssl.TLSVersion) -> None:
    client = secure(tls_stand.connect(tls=True), client_context(version))
    assert client.line() == b"hello"
    client.send(b"noop\nblock\n")
    assert client.lines(2) == [b"ok", b"unblocked"]
    peer = tls_stand.service.conversations[0].peer
    assert (peer.tls, peer.cipher_bits in (128, 256), peer.address) == (True, True, "192.0.2.1")


def test_start_tls_forgets_what_came_in_the_clear(tls_stand: Stand) -> None:
    client = tls_stand.greeted()
    client.send(b"tls\nnoop\n")
    assert client.line() == b"begin tls"
    secure(client)
    client.send(b"over tls\n")
    assert client.line() == b"echo over tls"
    assert tls_stand.service.log == [b"tls", b"over tls"]


def test_large_input_and_output_go_through_tls(tls_stand: Stand) -> None:
    client = secure(tls_stand.connect(tls=True))
    assert client.line() == b"hello"
    tls_stand.service.read_ahead = 1 << 30
    client.send(b"y" * 500_000 + b"\nbig 40\n")
    assert client.line() == b"echo " + b"y" * 500_000
    assert client.lines(41) == [PIECE[:-1]] * 40 + [b"end"]


def test_a_record_longer_than_what_is_read_at_once_is_not_left_behind(
    tls_stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With a smaller buffer than a TLS record, part of it stays inside TLS, where the kernel knows nothing of it.
    tls_stand.pump._view = memoryview(bytearray(100))
    tls_stand.pump._buffer = bytearray(100)
    tls_stand.pump.receive = lambda sock: sock.recv(100)
    client = secure(tls_stand.connect(tls=True))
    assert client.line() == b"hello"
    client.send(b"z" * 1000 + b"\n")
    assert client.line() == b"echo " + b"z" * 1000


def test_a_session_closed_under_tls_says_so(tls_stand: Stand) -> None:
    client = secure(tls_stand.connect(tls=True))
    client.sock.suppress_ragged_eofs = False  # so that only a proper close_notify reads as an end
    assert client.line() == b"hello"
    client.send(b"quit\n")
    assert client.rest() == b"bye\n"


def test_an_idle_client_under_tls_is_told(tls_stand: Stand) -> None:
    tls_stand.service.idle_limit = 10.0
    client = secure(tls_stand.connect(tls=True))
    assert client.line() == b"hello"
    tls_stand.settle(lambda: client.session.parked)
    tls_stand.pass_time(10)
    assert client.rest() == b"idle for too long\n"


def test_a_handshake_that_is_not_finished_in_time_ends_the_session(tls_stand: Stand) -> None:
    tls_stand.pump.read_timeout = 0.05
    client = tls_stand.connect(tls=True)
    assert client.rest() == b""
    tls_stand.settle(lambda: not tls_stand.sessions)
    assert tls_stand.log.reasons() == ["TLS handshake not finished"]
    assert tls_stand.service.conversations[0].closed == 1


def test_garbage_instead_of_a_handshake_ends_the_session(tls_stand: Stand) -> None:
    client = tls_stand.connect(tls=True)
    client.send(b"a001 LOGIN alice secret\r\n" * 10)
    client.rest()
    tls_stand.settle(lambda: not tls_stand.sessions)
    assert tls_stand.log.reasons()[0].startswith("TLS handshake failed")


def test_a_client_that_vanishes_in_the_handshake_is_closed(tls_stand: Stand) -> None:
    client = tls_stand.connect(tls=True)
    client.sock.close()
    tls_stand.settle(lambda: not tls_stand.sessions)
    assert tls_stand.log.texts("Error") == []


def test_a_session_can_be_killed_in_the_handshake(tls_stand: Stand) -> None:
    client = tls_stand.connect(tls=True)
    client.session.kill("enough")
    assert client.rest() == b""
    tls_stand.settle(lambda: not tls_stand.sessions)


def test_old_versions_are_refused(tls_stand: Stand) -> None:
    client = tls_stand.connect(tls=True)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context = client_context(ssl.TLSVersion.TLSv1_1)
    with pytest.raises(OSError):
        secure(client, context)
    tls_stand.settle(lambda: not tls_stand.sessions)


def test_a_session_can_be_resumed_by_a_ticket_but_not_where_certificates_are_asked_for(
    make_stand: Callable[..., Stand], certificates: Certificates, tmp_path: Path
) -> None:
    for each, is_resumed in ((certificates, True), (asking(tmp_path), False)):
        tls_stand = make_stand(certificates=each)
        context = client_context(ssl.TLSVersion.TLSv1_2)
        first = secure(tls_stand.connect(tls=True), context)
        assert first.line() == b"hello"
        second = tls_stand.connect(tls=True)
        second.sock = context.wrap_socket(second.sock, session=first.sock.session)
        assert second.line() == b"hello"
        assert second.sock.session_reused is is_resumed


# Clients' certificates


def with_certificate(pair: Pair, version: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> Any:
    context = client_context(version)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_clients_certificate_is_told_to_the_conversation(
    make_stand: Callable[..., Stand], tmp_path: Path, version: ssl.TLSVersion
) -> None:
    pair = (users := Authority(tmp_path, "users-ca")).user(("CN", "alice"))
    certificates = asking(tmp_path, **{CLIENT_CA_FILE.name: str(save(users, tmp_path))})
    stand = make_stand(certificates=certificates)
    client = secure(stand.connect(tls=True), with_certificate(pair, version))
    assert client.line() == b"hello"
    assert stand.service.conversations[0].peer.certificate == pair.der
    client = stand.greeted()
    client.send(b"tls\n")
    assert client.line() == b"begin tls"
    secure(client, with_certificate(pair, version))
    client.send(b"noop\n")
    assert client.line() == b"ok"
    assert stand.service.conversations[1].peer.certificate == pair.der


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_that_is_not_accepted_ends_no_session_and_the_log_says_why(
    make_stand: Callable[..., Stand], tmp_path: Path, version: ssl.TLSVersion
) -> None:
    users = Authority(tmp_path, "users-ca")
    certificates = asking(tmp_path, **{CLIENT_CA_FILE.name: str(save(users, tmp_path))})
    stand = make_stand(certificates=certificates)
    late = users.user(("CN", "alice"), begins=-48 * HOUR, ends=-HOUR)
    client = secure(stand.connect(tls=True), with_certificate(late, version))
    assert client.line() == b"hello"
    assert stand.service.conversations[0].peer.certificate is None
    assert stand.log.texts("Notice") == ["badlogin: [192.0.2.1] certificate cn=alice it has expired"]


def test_where_a_certificate_is_required_a_session_without_one_ends(
    make_stand: Callable[..., Stand], tmp_path: Path
) -> None:
    users = Authority(tmp_path, "users-ca")
    logins = IMAP.certificates
    assert logins is not None
    values = {CLIENT_CA_FILE.name: str(save(users, tmp_path)), logins.require.name: True}
    stand = make_stand(certificates=asking(tmp_path, **values))
    late = users.user(("CN", "alice"), begins=-48 * HOUR, ends=-HOUR)
    for context in (client_context(), with_certificate(late)):
        client = secure(stand.connect(tls=True), context)
        assert client.rest() == b"farewell: A client certificate is required here\n"
    client = stand.greeted()
    client.send(b"tls\n")
    assert client.line() == b"begin tls"
    assert secure(client).rest() == b"farewell: A client certificate is required here\n"
    stand.settle(lambda: not stand.sessions)
    assert stand.log.reasons() == ["no acceptable client certificate"] * 3
    good = secure(stand.connect(tls=True), with_certificate(users.user(("CN", "alice"))))
    assert good.line() == b"hello"


def test_whoever_does_not_hold_the_key_of_a_certificate_is_nobody(
    make_stand: Callable[..., Stand], tmp_path: Path
) -> None:
    users = Authority(tmp_path, "users-ca")
    stand = make_stand(certificates=asking(tmp_path, **{CLIENT_CA_FILE.name: str(save(users, tmp_path))}))
    alice, mallory = users.user(("CN", "alice")), users.user(("CN", "malle"))
    while len(mallory.der) != len(alice.der):  # signatures differ in length by a byte or two
        mallory = users.user(("CN", "malle"))
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)  # which shows certificates in the clear
    context.use_certificate_file(str(mallory.certificate))
    context.use_privatekey_file(str(mallory.key))
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    client = stand.connect(tls=True)
    for change in (False, True):
        with pytest.raises(SSL.WantReadError):
            connection.do_handshake()
        said = connection.bio_read(1 << 16)
        assert (mallory.der in said) is change
        client.send(said.replace(mallory.der, alice.der))
        connection.bio_write(client.sock.recv(1 << 16))
    with pytest.raises(SSL.Error):
        connection.do_handshake()
    stand.settle(lambda: not stand.sessions)
    assert stand.log.reasons()[0].startswith("TLS handshake failed")


def test_new_authorities_and_lists_count_for_the_next_connection(
    make_stand: Callable[..., Stand], tmp_path: Path
) -> None:
    users = Authority(tmp_path, "users-ca")
    lists = users.write_list(tmp_path / "list")
    values = {CLIENT_CA_FILE.name: str(save(users, tmp_path)), CLIENT_CRL_FILES.name: (str(lists),)}
    certificates = asking(tmp_path, **values)
    stand = make_stand(certificates=certificates)
    pair = users.user(("CN", "alice"))

    def accepted() -> bool:
        client = secure(stand.connect(tls=True), with_certificate(pair))
        assert client.line() == b"hello"
        return stand.service.conversations[-1].peer.certificate is not None

    assert accepted()
    users.revoke(pair)
    users.write_list(tmp_path / "new").rename(lists)
    certificates.refresh()
    assert not accepted()
    lists.write_bytes(b"half a file")
    certificates.refresh()
    certificates.refresh()
    log = certificates._log
    assert isinstance(log, EventList)
    words = f"{lists}: no revocation list, or a damaged one; those in use stay"
    assert log.texts("Error") == [f"authorities of clients' certificates not loaded: {words}"]
    assert not accepted()
    write_certificate(tmp_path, "new.example")  # which is not kept from being used
    certificates.refresh()
    secure(shown := stand.connect(tls=True), with_certificate(pair))
    assert b"new.example" in shown.sock.getpeercert(binary_form=True)


def test_a_worker_that_begins_with_a_damaged_list_serves_without_certificates_until_it_is_mended(
    make_stand: Callable[..., Stand], tmp_path: Path
) -> None:
    users = Authority(tmp_path, "users-ca")
    lists = tmp_path / "list"
    lists.write_bytes(b"half a file")
    values = {CLIENT_CA_FILE.name: str(save(users, tmp_path)), CLIENT_CRL_FILES.name: (str(lists),)}
    certificates = asking(tmp_path, **values)
    log = certificates._log
    assert isinstance(log, EventList)
    assert log.texts("Error")[0].endswith("or a damaged one; clients are asked for no certificate")
    stand = make_stand(certificates=certificates)
    pair = users.user(("CN", "alice"))
    for is_accepted in (False, True):
        client = secure(stand.connect(tls=True), with_certificate(pair))
        assert client.line() == b"hello"
        assert (stand.service.conversations[-1].peer.certificate is not None) is is_accepted
        users.write_list(tmp_path / "new").rename(lists)
        certificates.refresh()


def test_the_end_of_a_list_is_told_once(tmp_path: Path) -> None:
    users = Authority(tmp_path, "users-ca")
    lists = users.write_list(tmp_path / "list", ends=HOUR)
    values = {CLIENT_CA_FILE.name: str(save(users, tmp_path)), CLIENT_CRL_FILES.name: (str(lists),)}
    write_certificate(tmp_path)
    log, now = EventList(), [time.time()]
    certificates = Certificates(Config(values, str(tmp_path)), log, lambda: now[0], IMAP.certificates)
    certificates.refresh()
    assert log.texts("Warning") == []
    now[0] += 3601
    for _ in range(2):
        certificates.refresh()
        assert log.texts("Warning") == ["the revocation list of cn=users-ca has expired"]


def test_a_service_without_certificate_logins_keeps_the_light_kind_of_tls(tmp_path: Path) -> None:
    users = Authority(tmp_path, "users-ca")
    logins = IMAP.certificates
    assert logins is not None
    write_certificate(tmp_path)
    for values, given in (
        ({CLIENT_CA_FILE.name: str(users.certificate)}, None),
        ({}, logins),
        ({CLIENT_CA_FILE.name: str(users.certificate), logins.allow.name: False}, logins),
    ):
        certificates = Certificates(Config(values, str(tmp_path)), EventList(), time.time, given)
        assert isinstance(certificates.context(), ssl.SSLContext)


def save(users: Authority, folder: Path) -> Path:
    """A copy of the authority's certificate that nobody writes over."""
    path = folder / "authorities.pem"
    path.write_bytes(users.certificate.read_bytes())
    return path


# Certificates


def test_a_new_certificate_on_disk_is_used_for_new_handshakes(tls_stand: Stand, tmp_path: Path) -> None:
    def shown(client: Client) -> Any:
        assert client.line() == b"hello"
        return client.sock.getpeercert(binary_form=True)

    old_client = secure(tls_stand.connect(tls=True))
    old = shown(old_client)
    write_certificate(tmp_path, "new.example")
    certificates = tls_stand.pump.certificates
    assert certificates is not None
    certificates.refresh()
    assert shown(secure(tls_stand.connect(tls=True))) != old
    old_client.send(b"noop\n")
    assert old_client.line() == b"ok"


def test_a_key_that_does_not_fit_is_told_of_and_the_old_one_stays(certificates: Certificates, tmp_path: Path) -> None:
    before = certificates.context()
    write_certificate(tmp_path, key_only=True)
    certificates.refresh()
    log = certificates._log
    assert isinstance(log, EventList)
    assert log.texts("Error") == []  # the other file may be about to follow
    certificates.refresh()
    assert certificates.context() is before
    assert "does not fit the certificate" in log.texts("Error")[0]
    certificates.refresh()
    assert len(log.texts("Error")) == 1


@pytest.mark.parametrize(("days", "told"), [(22, []), (20, ["the TLS certificate expires soon"]), (-1, None)])
def test_the_end_of_a_certificate_is_warned_of(tmp_path: Path, days: int, told: list[str] | None) -> None:
    write_certificate(tmp_path, days=days)
    log = EventList()
    assert Certificates(Config({}, str(tmp_path)), log, time.time).available()
    assert log.texts("Warning") == (["the TLS certificate has expired"] if told is None else told)


def test_without_a_certificate_there_is_no_tls(tmp_path: Path) -> None:
    for config in (Config({CERTIFICATE.name: ""}, str(tmp_path)), Config({}, str(tmp_path))):
        certificates = Certificates(config, EventList(), time.time)
        assert not certificates.available()
        with pytest.raises(TlsUnavailable):
            certificates.context()


def test_an_encrypted_key_is_refused_without_a_question(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    write_certificate(tmp_path)
    path = tmp_path / "etc" / "tls" / "key.pem"
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert "under a pass phrase" in certificate_problem(str(path.parent / "cert.pem"), str(path))


def test_version_and_ciphers_are_settings(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    config = Config({TLS_MIN_VERSION.name: "1.3", TLS_CIPHERS.name: "ECDHE+AESGCM"}, str(tmp_path))
    context = Certificates(config, EventList(), time.time).context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    log = EventList()
    bad = Certificates(Config({TLS_CIPHERS.name: "NO-SUCH"}, str(tmp_path)), log, time.time)
    assert not bad.available()
    assert len(log.texts("Error")) == 1
