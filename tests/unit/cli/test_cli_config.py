"""nmsd config: settings are looked at, changed with comments kept, and checked."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nmsd.cli.main import cli
from tests.server.supervised import free_port

Nmsd = Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    result = CliRunner().invoke(cli, ["init", str(tmp_path / "i"), "--bind", "127.0.0.1"], prog_name="nmsd")
    assert result.exit_code == 0
    return tmp_path / "i"


@pytest.fixture
def config(place: Path) -> Nmsd:
    def run(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(cli, ["-I", str(place), "config", *arguments], prog_name="nmsd", env=environ)

    return run


def test_set_changes_one_line_and_get_reads_it(place: Path, config: Nmsd) -> None:
    before = (place / "etc/nmsd.conf").read_text().splitlines()
    result = config("set", "service.imap.maxsessions", "12")
    assert result.stdout == "takes effect at `nmsd reload`\n"
    after = (place / "etc/nmsd.conf").read_text().splitlines()
    assert [line for line in after if line not in before] == ["service.imap.maxsessions = 12"]
    assert len(after) == len(before) + 1
    assert config("get", "service.imap.maxsessions").stdout == "12\n"
    assert (place / "etc/nmsd.conf").stat().st_mode & 0o777 == 0o600
    assert config("unset", "service.imap.maxsessions").exit_code == 0
    assert (place / "etc/nmsd.conf").read_text().splitlines() == before


def test_a_value_is_written_as_it_is_meant(place: Path, config: Nmsd) -> None:
    config("set", "service.imap.banner", "hello # there")
    assert config("get", "service.imap.banner").stdout == "hello # there\n"
    config("set", "service.imap.enable", "ON")
    assert "\nservice.imap.enable = yes\n" in (place / "etc/nmsd.conf").read_text()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("service.imap.port", "0", "below what is allowed; allowed: a whole number from 1 to 65535"),
        ("service.imap.port", "65536", "above what is allowed; allowed: a whole number from 1 to 65535"),
        ("service.imap.enable", "maybe", "neither yes nor no"),
        ("service.imap.prt", "1", "did you mean service.imap.port?"),
        ("service.pop.port", "143", "is the same port as service.imap.port"),
        ("encryption.nscertfile", "none.pem", "there is no certificate file"),
        ("service.imap.banner", "a\nb", "must be one line"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_changes(
    place: Path, config: Nmsd, name: str, value: str, told: str
) -> None:
    before = (place / "etc/nmsd.conf").read_text()
    result = config("set", name, value)
    assert result.exit_code == 2
    assert told in result.stderr
    assert (place / "etc/nmsd.conf").read_text() == before


def test_a_value_may_begin_with_a_minus(config: Nmsd) -> None:
    assert config("set", "service.pop.plaintextmincipher", "-1").exit_code == 0
    assert config("get", "service.pop.plaintextmincipher").stdout == "-1\n"
    refused = config("set", "service.pop.plaintextmincipher", "-2")
    assert refused.exit_code == 2
    assert "-1 to 4096" in refused.stderr


def test_a_wrong_value_in_the_file_is_mended_by_set(place: Path, config: Nmsd) -> None:
    with open(place / "etc/nmsd.conf", "a") as file:
        file.write("service.imap.port = x\nservice.pop.port = y\n")
    assert "2 things are wrong" in config("get", "service.imap.banner").stderr
    assert config("set", "service.imap.port", "1143").exit_code == 0
    result = config("check")
    assert [line for line in result.stderr.splitlines() if "service.imap.port" in line] == []


def test_a_stronger_source_is_pointed_out(config: Nmsd) -> None:
    result = config("set", "service.imap.maxsessions", "12", NMSD_SERVICE_IMAP_MAXSESSIONS="13")
    assert "stronger than the file" in result.stderr
    got = config("get", "service.imap.maxsessions", NMSD_SERVICE_IMAP_MAXSESSIONS="13")
    assert got.stdout == "13\n"


def test_list_shows_values_and_where_they_come_from(config: Nmsd) -> None:
    lines = config("list", "service.imap.").stdout.splitlines()
    assert "service.imap.port = 143" in lines
    assert all(line.startswith("service.imap.") for line in lines)
    rows = json.loads(config("list", "--changed", "--json").stdout)
    (listen,) = [row for row in rows if row["name"] == "service.listenaddr"]
    assert listen["value"] == "127.0.0.1"
    assert "nmsd.conf:" in listen["origin"]


def test_describe_tells_all_about_a_setting(config: Nmsd) -> None:
    facts = json.loads(config("describe", "service.imap.port", "--json").stdout)
    assert facts["allowed"] == "a whole number from 1 to 65535"
    assert facts["default"] == facts["value"] == "143"
    assert facts["environment"] == "NMSD_SERVICE_IMAP_PORT"
    assert "Allowed" not in config("describe", "service.imap.port").stdout
    assert "allowed:     a whole number from 1 to 65535" in config("describe", "service.imap.port").stdout


def test_check_tells_everything_wrong_at_once_with_status_2(place: Path, config: Nmsd) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with open(place / "etc/nmsd.conf", "a") as file:
            file.write(f"service.imap.port = {port}\nservice.pop.port = 0\nservice.lmtp.prot = 1\n")
            file.write("local.serveruid = root\nservice.imap.enablesslport = no\nservice.pop.enablesslport = no\n")
            file.write(f"service.lmtp.port = {free_port()}\nservice.pop.enable = no\n")
        (place / "etc/tls/key.pem").unlink()
        result = config("check")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    expected = ("in use by another program", "service.pop.port = 0", "service.lmtp.prot", "no private key file")
    for told in expected:
        assert any(told in line for line in lines), told
    assert len(lines) == len(expected)


def test_check_of_a_good_configuration_says_so(place: Path, config: Nmsd) -> None:
    for name in ("imap.port", "imap.sslport", "pop.port", "pop.sslport", "lmtp.port"):
        assert config("set", f"service.{name}", str(free_port())).exit_code == 0
    assert config("set", "local.serveruid", "root").exit_code == 0
    result = config("check")
    assert (result.exit_code, result.stdout) == (0, "all is well\n"), result.stderr
    assert json.loads(config("check", "--json").stdout) == []
