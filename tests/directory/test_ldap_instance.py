"""A running server whose users are in a real directory: logins, delivery, first use, outages, flush."""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from ldap3 import MODIFY_REPLACE

from tests.clients.harness import Instance, Person, instance_directory
from tests.conftest import Maker
from tests.directory.people import PEOPLE, SECRET, SERVICE_DN, password, person
from tests.directory.relay import SILENT, Relay
from tests.directory.servers import DirectoryServer


@pytest.fixture(scope="module")
def relay(server: DirectoryServer) -> Iterator[Relay]:
    """The way to the preferred server."""
    made = Relay(server.port)
    yield made
    made.die()


def settings(url: str) -> dict[str, object]:
    """The settings of a server that asks the directory there; what it learns it would remember all day."""
    return {
        "local.ugldapbasedn": PEOPLE,
        "local.ugldapbinddn": SERVICE_DN,
        "local.ugldapbindcred": SECRET,
        "local.ugldaptimeout": 2,
        "local.ugldapretry": 1,
        "local.ugldapcachettl": 86_400,
        "local.ugldaphost": url,
        "service.authcachettl": 86_400,
        "service.badlogin.delay": 0,
    }


@pytest.fixture(scope="module")
def instance(server: DirectoryServer, relay: Relay) -> Iterator[Instance]:
    """A server that asks the relay, and that alone."""
    with instance_directory() as directory:
        made = Instance.make(directory, settings(relay.url))
        made.start()
        yield made
        made.stop()


def who(uid: str) -> Person:
    """A user of the directory."""
    return Person(uid, password(uid))


def refusal(instance: Instance, uid: str, word: str) -> str:
    """What an IMAP client is told."""
    with pytest.raises(imaplib.IMAP4.error) as refused:
        instance.imap(Person(uid, word))
    return str(refused.value)


def imap_log(instance: Instance) -> str:
    """What IMAP workers logged."""
    path = instance.directory / "log/imap.log"
    return path.read_text() if path.exists() else ""


def until(condition: Callable[[], bool]) -> None:
    """Waits for it."""
    beat = threading.Event()
    for _ in range(1000):
        if condition():
            return
        beat.wait(0.02)
    raise AssertionError("it never came true")


def test_users_log_in_by_imap_and_pop_and_get_their_account_with_first_use(instance: Instance) -> None:
    with instance.imap(who("user1")) as client:
        assert client.select("INBOX")[0] == "OK"
    client = instance.pop(Person("alias2@example.com", password("user2")))
    assert client.stat() == (0, 0)
    client.quit()


def test_the_first_use_of_an_account_brings_its_special_mailboxes(instance: Instance) -> None:
    with instance.imap(who("user120")) as client:
        _, lines = client.list()
    found = {match[2]: match[1] for line in lines if (match := re.fullmatch(rb'\(([^)]*)\) \S+ "?([^" ]+)"?', line))}
    for name, use in ((b"Drafts", b"\\Drafts"), (b"Sent", b"\\Sent"), (b"Junk", b"\\Junk"), (b"Trash", b"\\Trash")):
        assert use in found[name].split()
    assert b"INBOX" in found
    # So does a message, and what it brings is subscribed.
    with smtplib.LMTP("127.0.0.1", instance.port(24)) as lmtp:
        lmtp.sendmail("a@example.org", ["user121@example.com"], b"Subject: first\r\n\r\nfirst\r\n")
    with instance.imap(who("user121")) as client:
        assert len([line for line in client.lsub()[1] if line]) == len(lines)


def test_an_unknown_partition_is_a_temporary_failure_and_told_in_the_log(
    instance: Instance, server: DirectoryServer
) -> None:
    server.add(person("misplaced", "mailMessageStore: fast"))
    try:
        assert "UNAVAILABLE" in refusal(instance, "misplaced", password("misplaced"))
        assert "store.partition.fast.path" in imap_log(instance)
        with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
            instance.pop(who("misplaced"))
        with smtplib.LMTP("127.0.0.1", instance.port(24)) as client:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("a@example.org", ["misplaced@example.com"], b"Subject: lost\r\n\r\nlost\r\n")
            assert refused.value.smtp_code == 451
    finally:
        server.delete("misplaced")


def test_mail_is_delivered_to_alias_and_catch_all_and_refused_for_others(instance: Instance) -> None:
    letter = b"From: a@example.org\r\nTo: b@example.com\r\nSubject: hello\r\n\r\nhello\r\n"
    with smtplib.LMTP("127.0.0.1", instance.port(24)) as client:
        client.sendmail("a@example.org", ["alias3@example.com"], letter)
        client.sendmail("a@example.org", ["whoever@other.org"], letter)
        for address, code in (("nobody@example.com", 550), ("twin@example.com", 451), ("faraway@example.com", 551)):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                client.sendmail("a@example.org", [address], letter)
            assert refused.value.recipients[address][0] == code
    for uid in ("user3", "bob"):
        [(message, _)] = instance.messages(who(uid))
        assert b"Subject: hello" in message


def test_refusals_say_what_the_client_may_know(instance: Instance) -> None:
    assert "AUTHENTICATIONFAILED" in refusal(instance, "user4", "wrong")
    assert refusal(instance, "carol", "wrong") == refusal(instance, "user4", "wrong")
    assert "REFERRAL imap://faraway@mail2.example.net/" in refusal(instance, "faraway", password("faraway"))
    assert "is hold" in refusal(instance, "held", password("held"))
    with instance.imap(who("imapsonly")) as client:
        assert client.state == "AUTH"
    with pytest.raises(imaplib.IMAP4.error, match="may not use this service"):
        imaplib.IMAP4("127.0.0.1", instance.port(143)).login("imapsonly", password("imapsonly"))


def test_a_changed_password_counts_after_a_flush_at_once(slapd: DirectoryServer, make_instance: Maker) -> None:
    instance = make_instance(**settings(slapd.url), **{"local.ugldappush": "no"})
    slapd.add(person("fickle"))
    try:
        instance.imap(who("fickle")).logout()
        slapd.replace("fickle", "userPassword", "new password 1")
        instance.imap(Person("fickle", "new password 1")).logout()
        instance.imap(who("fickle")).logout()  # remembered
        instance.nmsd("directory", "flush")
        assert "AUTHENTICATIONFAILED" in refusal(instance, "fickle", password("fickle"))
    finally:
        slapd.delete("fickle")


def test_a_disabled_user_is_kept_out_at_once_because_the_directory_says_so(
    instance: Instance, server: DirectoryServer
) -> None:
    server.add(person("fired"))
    try:
        instance.imap(who("fired")).logout()
        server.replace("fired", "mailUserStatus", "disabled")

        def is_out() -> bool:
            try:
                instance.imap(who("fired")).logout()
            except imaplib.IMAP4.error as error:
                return "is disabled" in str(error)
            return False

        until(is_out)
    finally:
        server.delete("fired")


def test_sessions_end_when_the_user_is_disabled_or_deleted_and_no_others(
    instance: Instance, server: DirectoryServer
) -> None:
    for uid in ("fired", "leaver"):
        server.add(person(uid))
    stays = instance.imap(who("user7"))
    fired, leaver = instance.imap(who("fired")), instance.pop(who("leaver"))
    for client in (stays, fired):
        client.select("INBOX")
    server.replace("user7", "cn", "Another Name")
    server.replace("fired", "mailUserStatus", "inactive")
    server.delete("leaver")
    try:
        assert fired.readline().startswith(b"* BYE")
        assert leaver.file.readline().startswith(b"-ERR")
        assert leaver.file.readline() == b""
        assert stays.noop()[0] == "OK"
        stays.logout()
    finally:
        server.delete("fired")


def test_who_logs_in_as_soon_as_the_entry_is_made_is_not_taken_for_one_with_a_new_password(
    instance: Instance, server: DirectoryServer
) -> None:
    names = [f"new{number}" for number in range(4)]
    clients = []
    for uid in (*names, "goes"):
        server.add(person(uid))
        clients.append(instance.imap(who(uid)))
    server.delete("goes")  # whoever hears of this has heard of all that was before
    try:
        assert clients.pop().readline().startswith(b"* BYE")
        for client in clients:
            assert client.noop()[0] == "OK"
            client.logout()
    finally:
        for uid in names:
            server.delete(uid)


def test_sessions_end_when_the_password_is_changed_and_the_old_one_is_good_no_more(
    instance: Instance, server: DirectoryServer
) -> None:
    server.add(person("renewed", secret="first word 1"))
    reader, collector = (
        instance.imap(Person("renewed", "first word 1")),
        instance.pop(Person("renewed", "first word 1")),
    )
    reader.select("INBOX")
    settled(instance, server, "renewed")
    try:
        server.replace("renewed", "userPassword", "second word 2")
        began = time.monotonic()
        assert reader.readline() == b"* BYE The password was changed\r\n"
        assert time.monotonic() - began < 10  # seconds; it takes milliseconds on a machine that is not busy
        assert collector.file.readline().startswith(b"-ERR")
        assert "AUTHENTICATIONFAILED" in refusal(instance, "renewed", "first word 1")
        instance.imap(Person("renewed", "second word 2")).logout()
    finally:
        server.delete("renewed")


def test_a_password_changed_with_something_else_ends_sessions_where_every_change_may_be_one(
    instance: Instance, server: DirectoryServer
) -> None:
    instance.nmsd("config", "set", "local.ugldapunseen", "any")
    instance.nmsd("reload")
    server.add(person("doubtful", secret="first word 1"))
    try:
        reader = instance.imap(Person("doubtful", "first word 1"))
        reader.select("INBOX")
        time.sleep(1.6)  # as `settled` does
        changes = {"userPassword": [(MODIFY_REPLACE, ["second word 2"])], "cn": [(MODIFY_REPLACE, ["Another Name"])]}
        with server.admin() as connection:
            connection.modify(f"uid=doubtful,{PEOPLE}", changes)
        assert reader.readline() == b"* BYE The password was changed\r\n"
    finally:
        server.delete("doubtful")
        instance.nmsd("config", "set", "local.ugldapunseen", "password")
        instance.nmsd("reload")


def settled(instance: Instance, server: DirectoryServer, uid: str) -> None:
    """Changes something else in the entry, which ends no session, and lets a while pass: news at once after a login may
    be of what was before it (389's time stamps have whole seconds)."""
    with instance.imap(who("user8")) as client:
        server.replace(uid, "telephoneNumber", "+1 555 0100")
        client.noop()
    time.sleep(1.6)


def test_changes_that_were_missed_are_found_when_the_directory_is_back(
    instance: Instance, server: DirectoryServer, relay: Relay
) -> None:
    for uid in ("missed1", "missed2", "missed3"):
        server.add(person(uid))
    clients = [instance.imap(who(uid)) for uid in ("missed1", "missed2", "missed3", "user9")]
    relay.die()
    server.replace("missed1", "mailUserStatus", "inactive")
    server.delete("missed2")
    server.replace("missed3", "cn", "Another Name")
    relay.revive()
    try:
        for client in clients[:2]:
            assert client.readline().startswith(b"* BYE")
        for client in clients[2:]:
            assert client.noop()[0] == "OK"
            client.logout()
    finally:
        for uid in ("missed1", "missed3"):
            server.delete(uid)


def test_sessions_go_on_while_the_directory_hangs_and_new_logins_are_put_off(instance: Instance, relay: Relay) -> None:
    client = instance.imap(who("user5"))
    client.select("INBOX")
    relay.mode = SILENT
    outcomes: list[str] = []
    try:
        threads = [
            threading.Thread(target=lambda uid=f"user{number}": outcomes.append(refusal(instance, uid, password(uid))))
            for number in range(10, 30)
        ]
        for thread in threads:
            thread.start()
        for _ in range(50):
            assert client.noop()[0] == "OK"
        for thread in threads:
            thread.join(60)
    finally:
        relay.mode = "pass"
    assert len(outcomes) == 20
    assert all("UNAVAILABLE" in words for words in outcomes), outcomes
    assert not any(str(relay.port) in words for words in outcomes)
    relay.drop()
    instance.imap(who("user5")).logout()  # remembered
    client.logout()


def may_log_in(instance: Instance, uid: str) -> bool:
    """Whether the directory can be asked, as far as the server knows."""
    try:
        instance.imap(who(uid)).logout()
    except imaplib.IMAP4.error as error:
        if "UNAVAILABLE" in str(error):
            return False
        raise
    return True


def test_an_outage_is_logged_once_and_ends_by_itself(instance: Instance, relay: Relay) -> None:
    until(lambda: may_log_in(instance, "user40"))
    before = imap_log(instance).count("directory server is down")
    relay.die()
    for number in range(41, 46):
        assert "UNAVAILABLE" in refusal(instance, f"user{number}", password(f"user{number}"))
    assert imap_log(instance).count("directory server is down") == before + 1
    relay.revive()

    until(lambda: may_log_in(instance, "user41"))
    assert imap_log(instance).rindex("directory server answers again") > imap_log(instance).rindex("server is down")
    assert "not available" not in imap_log(instance)
