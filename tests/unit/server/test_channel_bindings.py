"""What a login can be bound to: what both ends of a TLS connection know, and nobody between."""

from __future__ import annotations

import datetime
import hashlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from nmsd.config.services import IMAP
from nmsd.config.setting import Config
from nmsd.server.client_tls import end_point
from nmsd.server.tls import Certificates
from tests.unit.server.server_stand import EventList, Stand, write_certificate
from tests.unit.server.test_server_tls import asking, client_context, secure

SCRAM = {"password.scram": True}


def binding(folder: Path, **values: object) -> Certificates:
    """Certificates of a service that offers SCRAM, and asks nobody for a certificate."""
    write_certificate(folder)
    return Certificates(Config({**SCRAM, **values}, str(folder)), EventList(), time.time, IMAP.certificates)


@pytest.mark.parametrize("asks", [False, True], ids=["asks for nothing", "asks for a certificate"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_knows_what_its_client_knows(
    make_stand: Callable[..., Stand], tmp_path: Path, version: ssl.TLSVersion, asks: bool
) -> None:
    stand = make_stand(certificates=asking(tmp_path) if asks else binding(tmp_path))
    client = secure(stand.connect(tls=True), client_context(version))
    assert client.line() == b"hello"
    known = dict(stand.service.conversations[0].peer.bindings)

    shown = client.sock.getpeercert(binary_form=True)
    assert known.pop(b"tls-server-end-point") == hashlib.sha256(shown).digest()
    if version is ssl.TLSVersion.TLSv1_2:
        assert known == {b"tls-unique": client.sock.get_channel_binding("tls-unique")}
    else:
        [(name, exported)] = known.items()
        assert (name, len(exported)) == (b"tls-exporter", 32)


def test_each_connection_has_bindings_of_its_own(make_stand: Callable[..., Stand], tmp_path: Path) -> None:
    stand = make_stand(certificates=binding(tmp_path))
    for _ in range(2):
        assert secure(stand.connect(tls=True)).line() == b"hello"
    one, other = (dict(conversation.peer.bindings) for conversation in stand.service.conversations)
    assert one[b"tls-exporter"] != other[b"tls-exporter"]
    assert one[b"tls-server-end-point"] == other[b"tls-server-end-point"]


def test_who_offers_no_bound_logins_pays_for_none(make_stand: Callable[..., Stand], tmp_path: Path) -> None:
    without = binding(tmp_path, **{"sasl.default.mech_list": ("SCRAM-SHA-256",)})
    assert isinstance(without.context(), ssl.SSLContext)
    stand = make_stand(certificates=without)
    assert secure(stand.connect(tls=True)).line() == b"hello"
    assert stand.service.conversations[0].peer.bindings == ()


def test_a_reload_that_offers_scram_counts_for_the_next_connection(
    make_stand: Callable[..., Stand], tmp_path: Path
) -> None:
    write_certificate(tmp_path)
    config = Config({}, str(tmp_path))
    certificates = Certificates(config, EventList(), time.time, IMAP.certificates)
    stand = make_stand(certificates=certificates)
    assert secure(stand.connect(tls=True)).line() == b"hello"
    config.adopt(Config(SCRAM, str(tmp_path)))
    certificates.refresh()
    assert secure(stand.connect(tls=True)).line() == b"hello"
    assert [bool(conversation.peer.bindings) for conversation in stand.service.conversations] == [False, True]


def certificate(folder: Path, key: Any, algorithm: Any) -> tuple[str, bytes]:
    """A certificate that signs itself: its file, and it in DER."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 5, now, now + datetime.timedelta(1))
    made = builder.sign(key, algorithm)
    path = folder / "made.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return str(path), made.public_bytes(Encoding.DER)


def test_the_end_point_is_hashed_as_its_signature_is(tmp_path: Path) -> None:
    """RFC 5929 §4.1."""
    curve = ec.generate_private_key(ec.SECP256R1())
    path, raw = certificate(tmp_path, curve, SHA256())
    assert end_point(path) == hashlib.sha256(raw).digest()
    path, raw = certificate(tmp_path, curve, SHA384())
    assert end_point(path) == hashlib.sha384(raw).digest()
    path, _ = certificate(tmp_path, ed25519.Ed25519PrivateKey.generate(), None)
    assert end_point(path) == b""
