"""The demo instance that tools/run makes: its users, its mail, and that what it says to try works as it stands."""

from __future__ import annotations

import imaplib
import ssl
import subprocess
from collections.abc import Iterator

import pytest

from tests.clients.harness import free_offset
from tools.demo import HOST, PASSWORDS, ROOT, Demo, create, hints, start
from tools.demo_mail import MAILS

pytestmark = pytest.mark.xdist_group("demo")  # one demo for all of them


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, running."""
    demo = Demo(tmp_path_factory.mktemp("demo") / "demo")
    create(demo.directory, free_offset())
    server = start(demo)
    yield demo
    server.terminate()
    assert server.wait(30) == 0


def log_in(demo: Demo) -> imaplib.IMAP4_SSL:
    context = ssl.create_default_context(cafile=str(demo.directory / "etc/tls/cert.pem"))
    client = imaplib.IMAP4_SSL(HOST, demo.ports()["service.imap.sslport"], ssl_context=context)
    client.login("alice", PASSWORDS["alice"])
    return client


def shell(line: str) -> str:
    return subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_mail_is_in_its_folder(demo: Demo) -> None:
    with log_in(demo) as client:
        for folder, name in {mail.folder: mail.folder.replace("ü", "&APw-") for mail in MAILS}.items():
            _, [count] = client.select(f'"{name}"', readonly=True)
            assert count is not None
            assert int(count) >= sum(mail.folder == folder for mail in MAILS), folder


def test_a_thread_is_linked_and_flags_are_kept(demo: Demo) -> None:
    with log_in(demo) as client:
        client.select("Projects/Report", readonly=True)
        _, [found] = client.search(None, "HEADER", "References", "demo")
        assert len(found.split()) == 2
        _, [flagged] = client.search(None, "FLAGGED")
        assert len(flagged.split()) == 1


def test_the_line_that_delivers_a_message_delivers_it(demo: Demo) -> None:
    lines = dict(hints(demo.directory, demo.ports(), has_console=False))
    shell(lines["a message"])
    with log_in(demo) as client:
        client.select("INBOX", readonly=True)
        _, [found] = client.search(None, "FROM", "me@example.org", "BODY", '"Hello Alice!"')
        assert len(found.split()) == 1


@pytest.mark.needs("curl")
def test_the_line_for_curl_lists_what_is_unseen(demo: Demo) -> None:
    lines = dict(hints(demo.directory, demo.ports(), has_console=False))
    assert shell(lines["curl"]).startswith("* SEARCH ")


def test_the_line_for_the_status_shows_a_running_server(demo: Demo) -> None:
    lines = dict(hints(demo.directory, demo.ports(), has_console=False))
    assert "running" in shell(lines["status"])


def test_the_demo_that_runs_is_found_to_run(demo: Demo) -> None:
    assert demo.running()
    assert not Demo(demo.directory.with_name("none")).running()
