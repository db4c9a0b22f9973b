"""Check and repair: each thing that can be wrong in a file is found, named, and mended where that is possible."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmsd.model.errors import StoreCorrupt
from nmsd.model.flags import DELETED, SEEN
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Field
from nmsd.store.api import Account, FlagChange, Store
from nmsd.store.runtime import PlainRuntime, unheard
from nmsd.store.sqlite.engine import open_store
from nmsd.store.sqlite.paths import database_path
from tests.contract.store_messages import EVERYTHING, fetch, letter, new, uids

ALICE = "alice@example.com"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path, PlainRuntime(), unheard, now=lambda: 1_700_000_000)
    yield made
    made.close()


@pytest.fixture
def account(store: Store) -> Account:
    """An account with some of everything: flags, keywords, copies, a large body, a log of expunges."""
    account = store.account(ALICE)
    account.ensure()
    inbox, trash = account.mailbox(INBOX).id, account.mailbox("Trash").id
    account.append(inbox, [new("one", SEEN, ("work",)), new("two", DELETED), new("three"), new("four", size=600_000)])
    account.append(inbox, [new(str(number)) for number in range(5, 11)])
    account.copy(inbox, uids(1, 4), trash)
    account.expunge(inbox, uids(2, 6, 8), only_deleted=False)
    return account


def damage(tmp_path: Path, *statements: str) -> None:
    """Changes the file behind the server's back."""
    connection = sqlite3.connect(database_path(tmp_path, ALICE), isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_sound_account_has_no_findings(store: Store, account: Account) -> None:
    assert list(store.check(ALICE)) == []
    assert list(store.check(ALICE, repair=True)) == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE mailbox SET messages = 99 WHERE name = 'INBOX'", "counts 99 for messages"),
        ("UPDATE mailbox SET unseen = unseen + 1 WHERE name = 'INBOX'", "for unseen"),
        ("UPDATE mailbox SET deleted = 5 WHERE name = 'Trash'", "for deleted"),
        ("UPDATE mailbox SET size = 0 WHERE name = 'Trash'", "for size"),
        ("UPDATE mailbox SET uidnext = 10 WHERE name = 'INBOX'", "UIDNEXT is 10"),
        ("UPDATE mailbox SET modseq = 1 WHERE name = 'INBOX'", "modseq is 1"),
        ("UPDATE mailbox SET recent_uid = 500 WHERE name = 'INBOX'", "first recent UID"),
        ("UPDATE mailbox SET log_entries = 0 WHERE name = 'INBOX'", "log of expunges"),
        ("UPDATE mailbox SET horizon = 100 WHERE name = 'INBOX'", "log of expunges"),
        ("UPDATE mailbox SET keywords = '' WHERE name = 'INBOX'", "keywords"),
        ("INSERT INTO expunged SELECT id, 3, 3, 4 FROM mailbox WHERE name = 'INBOX'", "UIDs 3 to 4 are gone"),
        ("UPDATE account SET size = 1", "counts"),
        ("UPDATE account SET messages = 0", "counts 0 messages"),
        ("UPDATE account SET modseq = 1", "last modseq"),
        ("UPDATE account SET uidvalidity = 1", "last UIDVALIDITY"),
        ("UPDATE account SET last_mailbox = 1", "last mailbox id"),
        ("UPDATE account SET last_body = 1", "last body id"),
        ("DELETE FROM mailbox WHERE name = 'Trash'", "belong to no mailbox"),
        ("UPDATE mailbox SET name = 'Elsewhere' WHERE name = 'INBOX'", "no INBOX"),
        ("INSERT INTO subscription VALUES ('a//b')", "can name no mailbox"),
        ("DELETE FROM digest WHERE body_id = 1", "worked out of UID 1 is missing"),
        ("DELETE FROM content WHERE body_id = 3", "body of UID 3 is lost"),
        ("DELETE FROM shared", "shown by more or fewer"),
        ("INSERT INTO shared VALUES (5, 7)", "shown by more or fewer"),
        ("INSERT INTO content VALUES (90, x'', x'', x'')", "1 bodies in content"),
        ("INSERT INTO rest VALUES (90, 1, x'')", "1 bodies in rest"),
        ("DELETE FROM message WHERE uid = 3", "counts"),
        ("UPDATE digest SET parts = x'ff' WHERE body_id = 1", "unreadable"),
        ("UPDATE digest SET header_size = 3 WHERE body_id = 4", "unreadable"),
    ],
)
def test_what_is_wrong_is_found_and_mended(
    store: Store, account: Account, tmp_path: Path, statement: str, expected: str
) -> None:
    store.close()
    damage(tmp_path, statement)
    found = list(store.check(ALICE))
    assert any(expected in finding.text for finding in found), found
    assert {(finding.account, finding.repaired) for finding in found} == {(ALICE, False)}
    assert list(store.check(ALICE)) == found
    assert all(finding.repaired for finding in store.check(ALICE, repair=True))
    assert list(store.check(ALICE)) == []
    inbox = account.mailbox(INBOX)
    there = dict(zip(account.uids(inbox.id), fetch(account, inbox.id, Field.ENVELOPE, Field.TEXT)))
    assert len(there) == inbox.messages
    appended = account.append(inbox.id, [new("after")])
    assert appended.uids == [inbox.uidnext]
    assert appended.modseq > inbox.modseq
    assert account.changes(inbox.id, inbox.modseq).vanished == uids()


def test_clients_learn_what_a_repair_removed(store: Store, account: Account, tmp_path: Path) -> None:
    before = account.mailbox(INBOX)
    told = set(account.uids(before.id))
    damage(tmp_path, "DELETE FROM content WHERE body_id = 3", "DELETE FROM message WHERE mailbox_id = 1 AND uid = 5")
    findings = list(store.check(ALICE, repair=True))
    assert ("INBOX", "The body of UID 3 is lost", True) in [
        (finding.mailbox, finding.text, finding.repaired) for finding in findings
    ]
    changes = account.changes(before.id, before.modseq)
    assert told - set(changes.vanished) == told - {3, 5} == set(account.uids(before.id))


def test_a_body_that_is_not_what_was_stored_is_told_and_left(store: Store, account: Account, tmp_path: Path) -> None:
    damage(tmp_path, "UPDATE content SET text = CAST(x'00' || substr(text, 2) AS BLOB) WHERE body_id IN (1, 7)")
    damage(tmp_path, "UPDATE rest SET data = CAST(substr(data, 2) || x'00' AS BLOB) WHERE body_id = 4 AND chunk = 2")
    found = list(store.check(ALICE))
    assert [(finding.mailbox, finding.text.partition("(")[2]) for finding in found] == [
        ("INBOX", "UID 1 in INBOX, UID 1 in Trash)"),
        ("INBOX", "UID 4 in INBOX, UID 2 in Trash)"),
        ("INBOX", "UID 7 in INBOX)"),
    ]
    assert list(store.check(ALICE, repair=True)) == found
    inbox = account.mailbox(INBOX).id
    assert len(fetch(account, inbox, Field.TEXT)) == 7


def test_bytes_missing_from_a_body_are_told(store: Store, account: Account, tmp_path: Path) -> None:
    damage(tmp_path, "DELETE FROM rest WHERE chunk = 2")
    texts = [finding.text for finding in store.check(ALICE)]
    assert any("600000 bytes, but" in text for text in texts)
    assert any("checksum" in text for text in texts)


def test_a_mended_digest_is_the_right_one_again(store: Store, account: Account, tmp_path: Path) -> None:
    inbox = account.mailbox(INBOX).id
    fields = (Field.ENVELOPE, Field.BODYSTRUCTURE, Field.PARTS, Field.HEADER, Field.TEXT, Field.SIZE)
    before = fetch(account, inbox, *fields)
    email_ids = fetch(account, inbox, Field.EMAIL_ID)
    damage(
        tmp_path,
        "UPDATE digest SET parts = x'', envelope = x'' WHERE body_id = 4",
        "DELETE FROM digest WHERE body_id = 1",
    )
    assert all(finding.repaired for finding in store.check(ALICE, repair=True))
    assert fetch(account, inbox, *fields) == before
    after = fetch(account, inbox, Field.EMAIL_ID)
    assert after[1:] == email_ids[1:]
    assert account.read(inbox, 4, 0, 700_000) == letter("four", 600_000)


def test_a_mailbox_that_lost_messages_forgets_its_log(store: Store, account: Account, tmp_path: Path) -> None:
    before = account.mailbox(INBOX)
    damage(tmp_path, "DELETE FROM message WHERE uid IN (3, 9)", "DELETE FROM expunged")
    list(store.check(ALICE, repair=True))
    assert account.changes(before.id, 0).vanished == uids(2, 3, 6, 8, 9)
    assert list(account.uids(before.id)) == [1, 4, 5, 7, 10]


@pytest.mark.parametrize("place", ["middle", "start", "cut"])
def test_a_damaged_file_is_said_to_be_damaged(store: Store, account: Account, tmp_path: Path, place: str) -> None:
    store.close()
    path = database_path(tmp_path, ALICE)
    data = bytearray(path.read_bytes())
    if place == "start":
        data[:4096] = b"x" * 4096
    elif place == "middle":
        for page in range(1, len(data) // 4096):
            data[page * 4096 : page * 4096 + 100] = b"\xee" * 100
    else:
        del data[8192:]
    path.write_bytes(data)
    found = list(store.check(ALICE, repair=True))
    assert found
    assert all("damaged" in finding.text and not finding.repaired for finding in found)

    def use() -> None:
        account.snapshot(1)
        fetch(account, 1, Field.TEXT)
        account.store_flags(1, EVERYTHING, FlagChange.ADD, SEEN)

    with pytest.raises(StoreCorrupt, match="nmsd check"):
        use()
    with pytest.raises(StoreCorrupt):
        account.append(1, [new()])
    store.remove_account(ALICE)
    assert not account.exists()


def test_a_file_under_another_accounts_name_is_found(store: Store, account: Account, tmp_path: Path) -> None:
    store.close()
    other = database_path(tmp_path, "bob@example.com")
    other.parent.mkdir(exist_ok=True)
    database_path(tmp_path, ALICE).rename(other)
    assert [finding.text for finding in store.check("bob@example.com")] == [
        "The file belongs to the account 'alice@example.com'"
    ]
