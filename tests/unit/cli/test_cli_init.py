"""nmsd init makes an instance that is whole, private and valid."""

from __future__ import annotations

import json
import os
import ssl
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from nmsd.cli.main import cli
from nmsd.config.load import read
from nmsd.config.services import DEFAULT_DOMAIN, IMAP, LISTEN, LMTP, POP
from nmsd.settings import SECTIONS


def nmsd(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="nmsd", env={"NMSD_INSTANCE": None})


def test_an_instance_has_all_its_parts_and_is_private(tmp_path: Path) -> None:
    place = tmp_path / "a" / "instance"
    result = nmsd("init", str(place), "--domain", "Example.ORG")
    assert result.exit_code == 0, result.output
    files = {str(path.relative_to(place)): stat.S_IMODE(path.stat().st_mode) for path in place.rglob("*")}
    assert files == {
        "etc": 0o700,
        "etc/nmsd.conf": 0o600,
        "etc/certmap.conf": 0o600,
        "etc/directory.ldif": 0o600,
        "etc/tls": 0o700,
        "etc/tls/cert.pem": 0o600,
        "etc/tls/key.pem": 0o600,
        "store": 0o700,
        "run": 0o700,
        "log": 0o700,
    }
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    loaded = read(str(place), SECTIONS, environ={})
    assert loaded.problems == ()
    assert loaded.config[DEFAULT_DOMAIN] == "example.org"
    assert "dn: dc=example,dc=org\n" in (place / "etc/directory.ldif").read_text()


def test_the_offset_moves_every_port_and_bind_the_addresses(tmp_path: Path) -> None:
    result = nmsd("init", str(tmp_path), "--port-offset", "10000", "--bind", "127.0.0.1", "--json")
    settings = json.loads(result.stdout)["settings"]
    config = read(str(tmp_path), SECTIONS, environ={}).config
    ports = [config[port] for service in (IMAP, POP, LMTP) for port in (service.port, service.ssl_port)]
    assert ports[:5] == [10143, 10993, 10110, 10995, 10024]
    assert config[LISTEN] == ("127.0.0.1",)
    assert settings["service.imap.port"] == "10143"


def test_lmtp_stays_on_this_machine_whatever_the_others_bind(tmp_path: Path) -> None:
    assert nmsd("init", str(tmp_path), "--bind", "0.0.0.0").exit_code == 0
    assert read(str(tmp_path), SECTIONS, environ={}).config[LMTP.listen] == ("127.0.0.1",)


def test_the_certificate_names_the_host_the_domain_and_the_address(tmp_path: Path) -> None:
    assert nmsd("init", str(tmp_path), "--bind", "192.0.2.7", "--domain", "example.org").exit_code == 0
    certificate = x509.load_pem_x509_certificate((tmp_path / "etc/tls/cert.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "example.org", "mail.example.org"} <= set(names.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "192.0.2.7"} <= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "etc/tls/cert.pem", tmp_path / "etc/tls/key.pem")


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    result = nmsd("init", str(tmp_path))
    assert result.exit_code == 1
    assert "is not empty" in result.stderr
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--domain", "no domain"), "is no domain name"),
        (("--bind", "nowhere"), "is no address"),
        (("--port-offset", "60000"), "60000 is not in the range"),
        (("--port-offset", "x"), "not a valid integer"),
    ],
)
def test_wrong_options_make_nothing(tmp_path: Path, arguments: tuple[str, str], told: str) -> None:
    result = nmsd("init", str(tmp_path / "i"), *arguments)
    assert result.exit_code != 0
    assert told in result.stderr
    assert not (tmp_path / "i").exists()


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    assert "is a file" in nmsd("init", str(tmp_path / "f")).stderr
    assert "is no directory" in nmsd("init", str(tmp_path / "f" / "i")).stderr
