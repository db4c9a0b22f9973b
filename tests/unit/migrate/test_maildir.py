"""Maildir trees: which mailboxes they are, and what file names say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nmsd.migrate.maildir import find_maildirs, is_maildir, read_info, subscribed_names
from nmsd.migrate.source import Found, Refused
from nmsd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN


def maildir(path: Path) -> Path:
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    return path


def put(path: Path, name: str, data: bytes = b"Subject: x\n\n", mtime: int = 1_700_000_000) -> None:
    file = path / name
    file.write_bytes(data)
    os.utime(file, (mtime, mtime))


def names(root: Path) -> list[str]:
    return [folder.name for folder in find_maildirs(str(root))]


def messages(root: Path) -> list[Found]:
    (folder,) = find_maildirs(str(root))
    return [found for found in folder.messages() if isinstance(found, Found)]


def test_maildir_plus_plus_names_are_levels(tmp_path: Path) -> None:
    root = maildir(tmp_path / "Maildir")
    for name in (".Sent", ".Lists.Python", ".B&APw-cher", ".Größe", ".a&AC8-b"):
        maildir(root / name)
    (root / ".nothing").mkdir()
    assert sorted(names(root)) == ["Bücher", "Größe", "INBOX", "Lists/Python", "Sent", "a_b"]


def test_folders_within_folders_are_levels_too(tmp_path: Path) -> None:
    root = maildir(tmp_path / "Maildir")
    maildir(root / "Lists" / "Python")
    maildir(root / "Sent")
    assert names(root) == ["INBOX", "Lists/Python", "Sent"]


def test_a_directory_of_maildirs_gives_them_their_names(tmp_path: Path) -> None:
    maildir(tmp_path / "inbox")
    maildir(tmp_path / "Work" / "Plans")
    (tmp_path / "other").mkdir()
    assert names(tmp_path) == ["Work/Plans", "INBOX"]
    assert not is_maildir(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "flags", "keywords"),
    [
        ("1.x.host:2,", 0, ()),
        ("1.x.host", 0, ()),
        ("1.x.host:2,S", SEEN, ()),
        ("1.x.host,S=12,W=13:2,DFRT", DRAFT | FLAGGED | ANSWERED | DELETED, ()),
        ("1.x.host!2,PS", SEEN, ("$Forwarded",)),
        ("1.x.host;2,Sab", SEEN, ("$Junk", "Work_x")),
        ("1.x.host:2,z", 0, ()),
        ("1.x.host:1,S", 0, ()),
    ],
)
def test_file_names_tell_flags_and_keywords(tmp_path: Path, name: str, flags: int, keywords: tuple[str, ...]) -> None:
    root = maildir(tmp_path / "Maildir")
    (root / "dovecot-keywords").write_text("0 $Junk\n1 Work%x\nnonsense\n")
    put(root / "cur", name)
    (found,) = messages(root)
    assert (found.system_flags, found.keywords) == (flags, keywords)


def test_the_key_is_what_flags_do_not_change() -> None:
    assert read_info("1.x:2,")[0] == read_info("1.x:2,RS")[0] == read_info("1.x")[0] == "1.x"


def test_messages_come_in_the_order_of_their_times_with_crlf(tmp_path: Path) -> None:
    root = maildir(tmp_path / "Maildir")
    put(root / "cur", "b:2,S", b"Subject: second\n\nb\n", 2000)
    put(root / "new", "c", b"Subject: third\r\n\r\n", 3000)
    put(root / "cur", "a:2,", b"Subject: first\n\n", 1000)
    put(root / "cur", ".hidden", b"x")
    put(root / "tmp", "unfinished", b"x")
    found = messages(root)
    assert [one.read() for one in found] == [
        b"Subject: first\r\n\r\n",
        b"Subject: second\r\n\r\nb\r\n",
        b"Subject: third\r\n\r\n",
    ]
    assert [one.internal_date.epoch for one in found] == [1000, 2000, 3000]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    root = maildir(tmp_path / "Maildir")
    (root / "cur" / "folder").mkdir()
    (root / "new" / "dangling").symlink_to("nowhere")
    (folder,) = find_maildirs(str(root))
    found = list(folder.messages())
    assert sorted(one.reason for one in found if isinstance(one, Refused)) == [
        "No such file or directory",
        "not a file",
    ]


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("subscriptions", "INBOX\nLists.Python\nB&APw-cher\n", ["INBOX", "Lists/Python", "Bücher"]),
        ("subscriptions", "V\t2\n\nLists\tPython\n", ["Lists/Python"]),
        ("subscriptions", "Lists/Py.thon\n", ["Lists/Py.thon"]),
        ("courierimapsubscribed", "INBOX\nINBOX.Lists.Python\n", ["INBOX", "Lists/Python"]),
    ],
)
def test_subscriptions_are_read(tmp_path: Path, file: str, text: str, expected: list[str]) -> None:
    (tmp_path / file).write_text(text)
    assert subscribed_names(str(tmp_path)) == expected


def test_without_a_subscription_file_there_are_none(tmp_path: Path) -> None:
    assert subscribed_names(str(tmp_path)) == []
