"""Ten thousand realistic messages, imported, then read by real clients."""

from __future__ import annotations

import imaplib
import importlib.util
import mailbox
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.clients.harness import ROOT, Instance, Person, instance_directory
from tests.clients.test_mbsync import Sync

COUNT = 10_000
SYNCED = 1_000


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corpus", ROOT / "tools/corpus.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["corpus"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reader(instance: Instance, corpus: ModuleType) -> Iterator[Person]:
    """A person with the whole corpus in INBOX, imported from mbox."""
    with instance_directory() as directory:
        corpus.write_mbox(directory / "INBOX", corpus.generate(COUNT, 1))
        person = instance.add_user()
        instance.nmsd("import", person.address, str(directory / "INBOX"))
        yield person


def test_all_are_there_and_nothing_was_changed(instance: Instance, reader: Person, corpus: ModuleType) -> None:
    expected = list(corpus.generate(COUNT, 1))
    with instance.imap(reader) as client:
        assert client.select(readonly=True) == ("OK", [str(COUNT).encode()])
        for first in range(1, COUNT, 2500):
            _, data = client.fetch(f"{first}:{first + 2499}", "(BODY.PEEK[])")
            bodies = [part[1] for part in data if isinstance(part, tuple)]
            wrong = [first + at for at, (got, sent) in enumerate(zip(bodies, expected[first - 1 :])) if got != sent]
            assert wrong == []
            assert len(bodies) == 2500


def test_metadata_of_all_can_be_fetched_and_searched(instance: Instance, reader: Person) -> None:
    imaplib._MAXLINE = max(imaplib._MAXLINE, 1 << 20)  # type: ignore[attr-defined]
    with instance.imap(reader) as client:
        client.select(readonly=True)
        _, data = client.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")
        assert len(data) == COUNT
        _, [found] = client.search(None, "SUBJECT", "throughput")
        assert 0 < len(found.split()) < COUNT
        _, [found] = client.search(None, "BODY", "lindqvist")
        assert 0 < len(found.split()) < COUNT


@pytest.mark.needs("mbsync")
def test_mbsync_takes_a_thousand(instance: Instance, person: Person, corpus: ModuleType, home: Path) -> None:
    with instance_directory() as directory:
        corpus.write_maildir(directory / "INBOX", corpus.generate(SYNCED, 2), 2)
        instance.nmsd("import", person.address, str(directory))
    sync = Sync(instance, person, home)

    sync()

    assert len(mailbox.Maildir(home / "mail/INBOX")) == SYNCED


def test_check_finds_nothing_wrong(instance: Instance, reader: Person) -> None:
    done: subprocess.CompletedProcess[bytes] = instance.nmsd("check", reader.address)
    assert done.returncode == 0
