"""nmsd export: what was exported and imported again is what was there."""

from __future__ import annotations

import json
import mailbox
from pathlib import Path

import pytest

from nmsd.model.message import Instant, NewMessage
from tests.unit.cli.instance_stand import Instance

NAMES = ("INBOX", "Sent", "Lists/Python.org", "Grüße & Küsse", "INBOX/below")


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    found = Instance(tmp_path)
    found.add_user("alice")
    found.add_user("bob")
    account = found.account("alice")
    account.ensure()
    for place, name in enumerate(NAMES):
        if name not in found.mailboxes("alice"):
            account.create(name)
            account.subscribe(name, True)
        for number in range(3):
            data = b"Subject: %d %d\r\n\r\n.dot\r\nFrom x\r\n" % (place, number)
            message = NewMessage(data, Instant(1_600_000_000 + number), number * 9, ("$Forwarded", "Work")[:number])
            account.append(account.mailbox(name).id, [message])
    account.append(account.mailbox("INBOX").id, [NewMessage(b"Subject: bare\r\n\r\na\nb\r\n", Instant(1_700_000_000))])
    return found


def test_a_round_trip_changes_nothing(instance: Instance, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = instance.run("export", "alice", str(out), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["exported"] == 16
    assert instance.run("import", "bob", str(out)).exit_code == 0
    assert sorted(instance.mailboxes("bob")) == sorted(instance.mailboxes("alice"))
    for name in NAMES:
        assert instance.rows("bob", name) == instance.rows("alice", name)
    assert instance.messages("bob", "Sent") == instance.messages("alice", "Sent")
    assert sorted(instance.account("bob").subscriptions()) == sorted(instance.account("alice").subscriptions())


def test_the_tree_is_a_maildir_for_others(instance: Instance, tmp_path: Path) -> None:
    instance.run("export", "alice", str(tmp_path / "out"))
    box = mailbox.Maildir(str(tmp_path / "out"), create=False)
    assert sorted(box.list_folders()) == sorted(
        ["Drafts", "INBOX.below", "Gr&APwA3w-e &- K&APw-sse", "Junk", "Lists", "Lists.Python&AC4-org", "Sent", "Trash"]
    )
    found = sorted((str(item["Subject"]), item.get_flags()) for item in box.get_folder("Sent"))
    assert found == [("1 0", ""), ("1 1", "PST"), ("1 2", "DPRa")]


def test_a_second_run_exports_only_what_has_come_since(instance: Instance, tmp_path: Path) -> None:
    out = tmp_path / "out"
    instance.run("export", "alice", str(out))
    account = instance.account("alice")
    account.append(account.mailbox("Sent").id, [NewMessage(b"Subject: new\r\n\r\n", Instant(1))])
    done = instance.run("export", "alice", str(out))
    assert done.stdout == f"1 messages exported to {out}, 16 were there from an earlier run\n"


def test_one_mailbox_of_the_account(instance: Instance, tmp_path: Path) -> None:
    done = instance.run("export", "alice", str(tmp_path / "out"), "--mailbox", "Sent", "--json")
    assert json.loads(done.stdout)["mailboxes"] == {"Sent": 3}
    assert not (tmp_path / "out" / "cur").exists()
    missing = instance.run("export", "alice", str(tmp_path / "out"), "--mailbox", "Nowhere")
    assert missing.exit_code == 1
    assert "has no mailbox Nowhere" in missing.stderr
