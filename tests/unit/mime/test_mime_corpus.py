"""The corpus of tools/corpus.py: what it is like, and that its messages are taken apart rightly."""

from __future__ import annotations

import email
import mailbox
from email.header import decode_header, make_header
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from statistics import mean

from nmsd.mime.digest import digest
from nmsd.mime.header import decode_words
from tests.unit.mime.mime_compare import check, compare
from tests.unit.mime.mime_forms import read, walk
from tools.corpus import generate, write_maildir, write_mbox

CORPUS = list(generate(300, 7))


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    """And a shorter one is the beginning of a longer one."""
    assert list(generate(20, 7)) == CORPUS[:20]
    assert list(generate(20, 8)) != CORPUS[:20]


def test_the_corpus_has_parts_as_the_email_package_finds_them() -> None:
    """Well-formed mail of every kind, attachments and charsets included."""
    kinds = set()
    for data in CORPUS:
        kinds.update(f"{part.type}/{part.subtype}" for part in walk(check(data)))
        compare(data)
    assert kinds >= {"text/plain", "text/html", "multipart/digest", "message/rfc822", "application/pdf", "image/png"}


def test_envelopes_of_the_corpus() -> None:
    """Date, subject, message id and all addresses agree with the email package."""
    for data in CORPUS:
        found = digest(data)
        message = email.message_from_bytes(data)
        envelope = read(found.envelope)
        assert envelope[0] == message["Date"].encode()
        date = parsedate_to_datetime(message["Date"])
        assert found.sent_date == date.toordinal() - 719163
        assert envelope[1] == message["Subject"].replace("\n", "").replace("\r", "").encode()
        assert envelope[9] == message["Message-ID"].encode()
        for index, name in ((2, "From"), (5, "To"), (6, "Cc")):
            expected = [
                (shown.encode() or None, *address.encode().split(b"@"))
                for shown, address in getaddresses([str(value) for value in message.get_all(name, [])])
            ]
            assert [(shown, mailbox, host) for shown, _, mailbox, host in envelope[index] or []] == expected
        assert decode_words(envelope[1]) == str(make_header(decode_header(message["Subject"])))


def test_sizes_are_those_of_real_mail() -> None:
    """About 15 KB on average, and none enormous."""
    sizes = [len(data) for data in generate(2000, 1)]
    assert 10_000 < mean(sizes) < 18_000
    assert max(sizes) < 8_000_000
    assert all(b"\r\n" in data and data.count(b"\n") == data.count(b"\r\n") for data in CORPUS)


def test_it_comes_as_maildir_and_mbox(tmp_path: Path) -> None:
    """Every message is in either, with Unix line ends and flags that the mailbox module understands."""
    assert write_maildir(tmp_path / "md", iter(CORPUS), 1) > 0
    assert write_mbox(tmp_path / "mbox", iter(CORPUS)) > 0
    maildir = mailbox.Maildir(tmp_path / "md", create=False)
    mbox = mailbox.mbox(tmp_path / "mbox", create=False)
    expected = sorted(read(digest(data).envelope)[9].decode() for data in CORPUS)
    assert sorted(message["Message-ID"] for message in maildir) == expected
    assert sorted(message["Message-ID"] for message in mbox) == expected
    assert {message.get_subdir() for message in maildir} == {"new", "cur"}
    assert {flag for message in maildir for flag in message.get_flags()} == {"F", "R", "S"}
    mbox.close()
