"""nmsd import: trees of mail into an account, once and for all."""

from __future__ import annotations

import json
import mailbox
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.instance_stand import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    found = Instance(tmp_path)
    found.add_user("alice")
    return found


def message(number: int) -> bytes:
    return b"From: bob@example.net\nSubject: number %d\nMessage-ID: <%d@x>\n\nbody %d\n" % (number, number, number)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A Maildir++ tree with flags and dates, as Python's mailbox module makes it."""
    root = mailbox.Maildir(str(tmp_path / "Maildir"))
    sent = root.add_folder("Sent")
    deep = root.add_folder("Lists.Python")
    for folder, numbers in ((root, range(3)), (sent, range(3, 5)), (deep, range(5, 6))):
        for number in numbers:
            item = mailbox.MaildirMessage(message(number))
            item.set_subdir("cur")
            item.set_flags("S" if number % 2 else "F")
            item.set_date(1_600_000_000 + number)
            folder.add(item)
    (tmp_path / "Maildir" / "subscriptions").write_text("Lists.Python\nGone\n")
    return tmp_path / "Maildir"


def imported(instance: Instance, *arguments: str, status: int = 0) -> dict[str, object]:
    done = instance.run("import", *arguments, "--json")
    assert done.exit_code == status, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_maildir_tree_comes_over_with_folders_flags_and_dates(instance: Instance, tree: Path) -> None:
    result = imported(instance, "alice", str(tree))
    assert (result["imported"], result["known"], result["refused"]) == (6, 0, [])
    assert result["mailboxes"] == {"INBOX": 3, "Sent": 2, "Lists/Python": 1}
    assert instance.messages("alice", "Lists/Python") == [message(5).replace(b"\n", b"\r\n")]
    assert instance.rows("alice", "INBOX") == [
        (1_600_000_000, ["\\Flagged"]),
        (1_600_000_001, ["\\Seen"]),
        (1_600_000_002, ["\\Flagged"]),
    ]
    assert "Lists/Python" in instance.account("alice").subscriptions()
    assert "Gone" not in instance.account("alice").subscriptions()


def test_a_second_run_imports_only_what_has_come_since(instance: Instance, tree: Path) -> None:
    imported(instance, "alice", str(tree))
    box = mailbox.Maildir(str(tree))
    box.add(mailbox.MaildirMessage(message(99)))
    key = next(iter(box.keys()))
    item = box[key]
    item.set_flags("RST")  # renames the file, and the message stays the same
    box[key] = item
    result = imported(instance, "alice", str(tree))
    assert (result["imported"], result["known"]) == (1, 6)
    assert len(instance.messages("alice")) == 4


def test_again_forgets_what_was_imported(instance: Instance, tree: Path) -> None:
    imported(instance, "alice", str(tree))
    assert imported(instance, "alice", str(tree), "--again")["imported"] == 6
    assert len(instance.messages("alice")) == 6


def test_into_puts_all_below_one_mailbox(instance: Instance, tree: Path) -> None:
    result = imported(instance, "alice", str(tree), "--into", "Old/")
    assert result["mailboxes"] == {"Old": 3, "Old/Sent": 2, "Old/Lists/Python": 1}


def test_an_mbox_file_comes_over_with_status_and_dates(instance: Instance, tmp_path: Path) -> None:
    box = mailbox.mbox(str(tmp_path / "Archive"))
    for number in range(3):
        item = mailbox.mboxMessage(message(number) + b"From now on\n")
        item.set_from("bob@example.net", (2024, 1, 1 + number, 12, 0, 0, 0, 1, 0))
        item.set_flags("RA" if number else "O")
        box.add(item)
    box.close()
    result = imported(instance, "alice", str(tmp_path / "Archive"))
    assert result["mailboxes"] == {"Archive": 3}
    assert instance.rows("alice", "Archive") == [
        (1704110400, []),
        (1704196800, ["\\Answered", "\\Seen"]),
        (1704283200, ["\\Answered", "\\Seen"]),
    ]
    first = instance.messages("alice", "Archive")[0]
    assert first == (message(0) + b"From now on\n").replace(b"\n", b"\r\n")
    assert imported(instance, "alice", str(tmp_path / "Archive"))["known"] == 3


def test_a_tree_of_mbox_files(instance: Instance, tmp_path: Path) -> None:
    mail = tmp_path / "Mail"
    (mail / "Lists").mkdir(parents=True)
    for name in ("inbox", "Lists/python"):
        box = mailbox.mbox(str(mail / name))
        box.add(mailbox.mboxMessage(message(1)))
        box.close()
    assert imported(instance, "alice", str(mail))["mailboxes"] == {"INBOX": 1, "Lists/python": 1}


def test_keywords_come_over(instance: Instance, tree: Path) -> None:
    (tree / "dovecot-keywords").write_text("0 $Junk\n1 Work\n")
    (name,) = [name for name in os.listdir(tree / "cur") if name.endswith(":2,S")]
    os.rename(tree / "cur" / name, tree / "cur" / name.replace(":2,S", ":2,PSab"))
    imported(instance, "alice", str(tree))
    assert instance.rows("alice", "INBOX")[1][1] == ["$Forwarded", "$Junk", "Work", "\\Seen"]


def test_what_is_refused_is_told_and_the_rest_comes(instance: Instance, tree: Path) -> None:
    instance.set("store.maxmessagesize", "64K")
    (tree / "cur" / "big:2,").write_bytes(b"Subject: big\n\n" + b"x" * 70_000)
    (tree / "cur" / "empty:2,").write_bytes(b"\n")
    (tree / "cur" / "folder").mkdir()
    result = imported(instance, "alice", str(tree), status=1)
    assert result["imported"] == 6
    assert isinstance(result["refused"], list)
    reasons = {Path(one["what"]).name: one["why"] for one in result["refused"]}
    assert reasons == {
        "big:2,": "70014 bytes, more than store.maxmessagesize allows",
        "empty:2,": "an empty message",
        "folder": "not a file",
    }
    done = instance.run("import", "alice", str(tree))
    assert done.exit_code == 1
    assert "0 messages imported, 0 bytes, 6 were there from an earlier run" in done.stdout
    assert "big:2,: 70014 bytes" in done.stderr


def test_more_keywords_than_a_mailbox_takes_cost_keywords_and_no_message(instance: Instance, tmp_path: Path) -> None:
    lines = [
        b"From x Mon Jan  1 12:00:00 2024\nX-Keywords: %s\nSubject: %d\n\n\n"
        % (b" ".join(b"k%d" % key for key in range(number * 20, number * 20 + 20)), number)
        for number in range(4)
    ]
    (tmp_path / "many").write_bytes(b"".join(lines))
    result = imported(instance, "alice", str(tmp_path / "many"))
    assert result["imported"] == 4
    assert isinstance(result["notes"], list)
    assert len(result["notes"]) == 2
    assert [len(flags) for _, flags in instance.rows("alice", "many")] == [20, 20, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("nobody", "."), 1, "there is no account nobody"),
        (("alice",), 2, "PATH"),
        (("alice", "/nonexistent"), 2, "does not exist"),
    ],
)
def test_what_cannot_be_done_is_told(instance: Instance, arguments: tuple[str, ...], status: int, told: str) -> None:
    done = instance.run("import", *arguments)
    assert done.exit_code == status
    assert told in done.stderr


def test_sources_of_no_known_format_are_told(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "text").write_text("hello\n")
    for name, told in (("nothing", "neither Maildirs nor mbox files"), ("text", "is no mbox file")):
        done = instance.run("import", "alice", str(tmp_path / name))
        assert done.exit_code == 1
        assert told in done.stderr
    assert instance.run("import", "alice", str(tmp_path / "text"), "--format", "maildir").exit_code == 1


def test_a_run_that_was_killed_goes_on_without_a_duplicate(instance: Instance, tmp_path: Path) -> None:
    count = 3000
    with open(tmp_path / "large", "wb") as file:
        for number in range(count):
            file.write(b"From x Mon Jan  1 12:00:00 2024\n" + message(number) + b"\n")
    command = [sys.executable, "-m", "nmsd", "-I", str(instance.path), "import", "alice", str(tmp_path / "large")]
    journals = instance.path / "run" / "import"
    runs = 0
    while runs < 3:
        runs += 1
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        before = sum(path.stat().st_size for path in journals.iterdir()) if journals.exists() else 0
        while process.poll() is None:
            if journals.exists() and sum(path.stat().st_size for path in journals.iterdir()) > before:
                process.send_signal(signal.SIGKILL)
                process.wait()
    result = imported(instance, "alice", str(tmp_path / "large"))
    assert result["refused"] == []
    found = instance.messages("alice", "large")
    assert [text.split(b"\r\n")[1] for text in found] == [b"Subject: number %d" % number for number in range(count)]
