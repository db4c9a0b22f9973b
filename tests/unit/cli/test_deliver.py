"""nmsd deliver: a message from standard input, with the exit statuses of sysexits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.instance_stand import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    found = Instance(tmp_path)
    found.add_user("alice", "--alias", "info@example.com")
    return found


def body(message: bytes) -> bytes:
    """What comes after the three fields of the trace."""
    assert message.startswith(b"Return-Path: ")
    return message.split(b"\r\n\t", 1)[1].split(b"\r\n", 1)[1]


@pytest.mark.parametrize("recipient", ["alice", "alice@example.com", "<Info@Example.com>"])
def test_a_message_with_unix_line_ends_is_stored_with_crlf(instance: Instance, recipient: str) -> None:
    done = instance.run("deliver", "-f", "bob@example.net", recipient, stdin=b"Subject: hi\n\nb\xf6dy\r\n.\n..\nlast")
    assert (done.exit_code, done.output) == (0, "")
    (message,) = instance.messages("alice")
    assert message.startswith(b"Return-Path: <bob@example.net>\r\nDelivered-To: ")
    assert b"Received: from uid " in message
    assert body(message) == b"Subject: hi\r\n\r\nb\xf6dy\r\n.\r\n..\r\nlast\r\n"


def test_a_from_line_is_taken_off_and_names_the_sender(instance: Instance) -> None:
    text = b"From carol@example.org Mon Jan  1 00:00:00 2024\nSubject: x\n\nFrom here\n"
    assert instance.run("deliver", "alice", stdin=text).exit_code == 0
    assert instance.run("deliver", "-f", "<>", "alice", stdin=text).exit_code == 0
    assert instance.run("deliver", "alice", stdin=b"Subject: x\n\n").exit_code == 0
    first, second, third = instance.messages("alice")
    assert first.startswith(b"Return-Path: <carol@example.org>\r\n")
    assert body(first) == b"Subject: x\r\n\r\nFrom here\r\n"
    assert second.startswith(b"Return-Path: <>\r\n")
    assert third.startswith(b"Return-Path: <>\r\n")


def test_several_recipients_get_the_message_and_do_not_see_each_other(instance: Instance) -> None:
    instance.add_user("bob")
    assert instance.run("deliver", "alice", "bob", stdin=b"Subject: x\n\n").exit_code == 0
    assert instance.messages("alice") == instance.messages("bob")
    assert b"Delivered-To" not in instance.messages("bob")[0]


def test_a_mailbox_is_named_by_option_or_subaddress_and_else_it_is_inbox(instance: Instance) -> None:
    assert instance.run("deliver", "-m", "Sent", "alice", stdin=b"x: y\n\n").exit_code == 0
    assert instance.run("deliver", "alice+junk@example.com", stdin=b"x: y\n\n").exit_code == 0
    assert instance.run("deliver", "-m", "Nowhere", "alice", stdin=b"x: y\n\n").exit_code == 0
    assert [len(instance.messages("alice", name)) for name in ("Sent", "Junk", "INBOX")] == [1, 1, 1]


def test_a_large_message_arrives_whole(instance: Instance) -> None:
    text = b"Subject: large\n\n" + b"0123456789abcdef" * 4 * (1 << 15)
    assert instance.run("deliver", "alice", stdin=text).exit_code == 0
    assert body(instance.messages("alice")[0]) == text.replace(b"\n", b"\r\n") + b"\r\n"


def test_nobody_is_ex_nouser(instance: Instance) -> None:
    for name in ("nobody", "alice@elsewhere.org", "a b"):
        done = instance.run("deliver", name, stdin=b"x: y\n\n")
        assert done.exit_code == 67
        assert done.stderr.startswith(f"nmsd: {name}: ")


def test_those_who_are_there_get_it_though_others_are_not(instance: Instance) -> None:
    done = instance.run("deliver", "nobody", "alice", stdin=b"x: y\n\n")
    assert done.exit_code == 67
    assert len(instance.messages("alice")) == 1


def test_wrong_usage_is_ex_usage(instance: Instance) -> None:
    for arguments in ((), ("--nonsense", "alice"), ("-f",)):
        assert instance.run("deliver", *arguments, stdin=b"x: y\n\n").exit_code == 64


def test_no_message_and_too_large_a_message_are_ex_dataerr(instance: Instance) -> None:
    assert instance.run("deliver", "alice").exit_code == 65
    instance.set("store.maxmessagesize", "64K")
    assert instance.run("deliver", "alice", stdin=b"x: y\n\n" + b"z" * (1 << 16)).exit_code == 65
    assert instance.messages("alice") == []


def test_no_room_is_ex_cantcreat_or_by_a_setting_ex_tempfail(instance: Instance) -> None:
    instance.add_user("bob", "--quota", "10")
    assert instance.run("deliver", "bob", stdin=b"Subject: much\n\n").exit_code == 73
    instance.set("lmtp.overquota", "defer")
    assert instance.run("deliver", "bob", stdin=b"Subject: much\n\n").exit_code == 75
    assert instance.messages("bob") == []


def test_a_directory_that_cannot_be_read_is_ex_tempfail(instance: Instance) -> None:
    (instance.path / "etc" / "directory.ldif").write_text("nonsense")
    assert instance.run("deliver", "alice", stdin=b"x: y\n\n").exit_code == 75


def test_a_store_that_cannot_be_written_is_ex_tempfail(instance: Instance) -> None:
    store = instance.path / "store"
    store.rmdir()
    store.write_text("in the way")
    assert instance.run("deliver", "alice", stdin=b"x: y\n\n").exit_code == 75


def test_a_faulty_configuration_is_ex_config(instance: Instance) -> None:
    instance.set("service.imap.port", "0")
    assert instance.run("deliver", "alice", stdin=b"x: y\n\n").exit_code == 78
    instance.path.joinpath("etc", "nmsd.conf").unlink()
    assert instance.run("deliver", "alice", stdin=b"x: y\n\n").exit_code == 78
