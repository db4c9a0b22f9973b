"""How the directory is reached: TLS of both kinds, Unix sockets, certificates, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmsd.model.errors import DirectoryUnavailable
from tests.directory.authority import Authority
from tests.directory.conftest import MakeStand
from tests.directory.people import password
from tests.directory.servers import DirectoryServer

START = {"local.ugldapstarttls": "yes"}


def trusting(authority: Authority) -> dict[str, str]:
    """The setting that trusts the authority."""
    return {"local.ugldaptlscafile": str(authority.certificate)}


def test_tls_from_the_first_byte_and_starttls(
    server: DirectoryServer, authority: Authority, make_stand: MakeStand
) -> None:
    for url, more in ((server.tls_url, {}), (server.url, START)):
        stand = make_stand(url, **trusting(authority), **more)
        assert stand.directory.authenticate("alice", password("alice")).uid == "alice"
        cipher = stand.directory.servers.search(lambda link: link.cipher)
        assert cipher.startswith("TLSv1.")


def test_a_server_on_another_machine_is_spoken_to_with_starttls_unless_told_otherwise(make_stand: MakeStand) -> None:
    stand = make_stand("ldap://127.0.0.1", "ldap://directory.example.com", "ldaps://directory.example.com")
    starts = [stand.directory.servers.opener.starts_tls(address) for address in stand.directory.servers.addresses]
    assert starts == [False, True, False]


def test_a_certificate_nobody_vouches_for_is_refused(server: DirectoryServer, make_stand: MakeStand) -> None:
    for url, more in ((server.tls_url, {}), (server.url, START)):
        stand = make_stand(url, **more)
        with pytest.raises(DirectoryUnavailable, match=r"(?i)certificate verify failed"):
            stand.directory.authenticate("alice", password("alice"))
        assert "directory server is down" in stand.events.lines[0]
        assert "certificate" in stand.events.lines[0]


def test_a_certificate_of_another_authority_is_refused(
    server: DirectoryServer, tmp_path: Path, make_stand: MakeStand
) -> None:
    stand = make_stand(server.tls_url, **trusting(Authority(tmp_path, "other-ca")))
    with pytest.raises(DirectoryUnavailable, match=r"(?i)certificate verify failed"):
        stand.directory.find("alice")


def test_a_certificate_for_another_name_is_refused(
    server: DirectoryServer, authority: Authority, make_stand: MakeStand
) -> None:
    # The certificate is for localhost and 127.0.0.1; this address is the same machine's.
    for url in (f"ldaps://127.0.0.1.nip.invalid:{server.tls_port}", f"ldaps://127.1:{server.tls_port}"):
        stand = make_stand(url, **trusting(authority))
        with pytest.raises(DirectoryUnavailable):
            stand.directory.find("alice")
    assert "mismatch" in stand.events.lines[0].lower()


def test_verification_can_be_switched_off(server: DirectoryServer, make_stand: MakeStand) -> None:
    stand = make_stand(f"ldaps://127.1:{server.tls_port}", **{"local.ugldaptlsverify": False})
    assert stand.directory.find("alice") is not None


def test_a_missing_file_of_authorities_is_told_by_name(
    server: DirectoryServer, tmp_path: Path, make_stand: MakeStand
) -> None:
    stand = make_stand(server.tls_url, **{"local.ugldaptlscafile": str(tmp_path / "none.pem")})
    with pytest.raises(DirectoryUnavailable, match=r"none\.pem"):
        stand.directory.find("alice")


def test_a_unix_socket_and_sasl_external_as_who_the_process_is(server: DirectoryServer, make_stand: MakeStand) -> None:
    external = {"local.ugldapbindmethod": "external", "local.ugldapbinddn": "", "local.ugldapbindcred": ""}
    stand = make_stand(server.ldapi_url, **external)
    assert stand.directory.authenticate("alice", password("alice")).uid == "alice"


def test_sasl_external_by_certificate(slapd: DirectoryServer, authority: Authority, make_stand: MakeStand) -> None:
    pair = authority.issue("nmsd-service")
    external = {"local.ugldapbindmethod": "external", "local.ugldapbinddn": "", "local.ugldapbindcred": ""}
    files = {"local.ugldaptlscertfile": str(pair.certificate), "local.ugldaptlskeyfile": str(pair.key)}
    stand = make_stand(slapd.tls_url, **external, **files, **trusting(authority))
    assert stand.directory.find("alice") is not None
    without = make_stand(slapd.tls_url, **external, **trusting(authority))
    with pytest.raises(DirectoryUnavailable, match="SASL EXTERNAL"):
        without.directory.find("alice")


def test_host_and_port_take_their_kind_from_the_settings(
    server: DirectoryServer, authority: Authority, make_stand: MakeStand
) -> None:
    use_ssl = {"local.ugldapusessl": True, "local.ugldapport": server.tls_port}
    stand = make_stand("localhost", **use_ssl, **trusting(authority))
    assert stand.directory.find("alice") is not None
    assert [address.url for address in stand.directory.servers.addresses] == [server.tls_url]
