"""The banner, plain-text logins by the strength of the cipher, and the time between polls."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest

from nmsd import PRODUCT, VERSION
from tests.chapter.conftest import IMAP, POP, Chapter, Client, Service
from tests.clients.harness import Person
from tests.clients.letters import letter
from tests.directory.authority import Authority

LOGIN_DELAY_S = 3600


def test_the_banner_is_a_template(chapter: Chapter, service: Service) -> None:
    chapter.both(banner="<%p> 100%% of %h, %P %v %V at %d; %x")
    greeting = chapter.connect(service).readline().decode()
    protocol = "IMAP4" if service is IMAP else "POP3"
    short = ".".join(VERSION.split(".")[:2])
    said = re.search(rf"{protocol}. 100% of mail\.example\.com, {PRODUCT} {short} {VERSION} at (.+); %x\r\n$", greeting)
    assert said, greeting
    assert re.search(r"\b20\d\d \d\d:\d\d:\d\d ", said[1])
    # POP3 clients would take angle brackets for APOP's time stamp
    assert ("<" in greeting) == (service is IMAP)


def test_the_banner_may_be_silent(chapter: Chapter, service: Service) -> None:
    chapter.both(banner="")
    greeting = chapter.connect(service).readline()
    assert re.fullmatch(rb"\* OK \[CAPABILITY [^]]+\] ?\r\n|\+OK ?\r\n", greeting), greeting


def weak(chapter: Chapter) -> ssl.SSLContext:
    """A client's TLS with ciphers of 128 bits only."""
    context = chapter.instance.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AES128:!SHA1")
    return context


def connections(chapter: Chapter, service: Service) -> dict[int, Client]:
    """A connection of each strength: none, 128 and 256 bits."""
    port = chapter.instance.port(service.ssl_port)
    strong = chapter.instance.tls()
    found = {
        0: chapter.connect(service).greeted(),
        128: Client(service, port, weak(chapter)).greeted(),
        256: Client(service, port, strong).greeted(),
    }
    for bits in (128, 256):
        cipher = found[bits].socket.cipher()  # type: ignore[attr-defined]
        assert cipher[2] == bits
    return found


@pytest.mark.parametrize(
    ("least", "taken"),
    [(-1, ()), (0, (0, 128, 256)), (40, (128, 256)), (128, (128, 256)), (129, (256,)), (256, (256,)), (257, ())],
)
def test_a_password_is_taken_with_enough_bits_only(chapter: Chapter, least: int, taken: tuple[int, ...]) -> None:
    chapter.both(plaintextmincipher=least)
    for service in (IMAP, POP):
        for bits, client in connections(chapter, service).items():
            offered = client.capabilities()
            assert (b"LOGINDISABLED" in offered) == (service is IMAP and bits not in taken)
            assert (b"AUTH=PLAIN" in offered) == (bits in taken)
            assert (b"USER" in offered) == (service is POP and bits in taken)
            answers = [client.answer(b"AUTHENTICATE PLAIN AGEAYg==" if service is IMAP else b"AUTH PLAIN AGEAYg==")]
            answers.append(client.try_login(chapter.person))
            if bits in taken:
                assert b"[AUTH" in answers[0], (answers, "the password was looked at, and is wrong")
                assert answers[1].startswith((b"t1 OK", b"+OK"))
            else:
                assert all(b"PRIVACYREQUIRED" in answer or b"-ERR" in answer for answer in answers), answers
                assert not client.try_login(chapter.person).startswith((b"t1 OK", b"+OK"))
            client.leave()


def test_a_user_of_pop3_waits_between_two_logins(chapter: Chapter) -> None:
    chapter.settings(service__pop__popminpoll=LOGIN_DELAY_S)
    person: Person = chapter.instance.add_user("poller")
    client = chapter.connect(POP).greeted()
    assert b"LOGIN-DELAY %d" % LOGIN_DELAY_S in client.capabilities()
    client.login(person).leave()
    answer = chapter.connect(POP).greeted().try_login(person)
    assert answer.startswith(b"-ERR [LOGIN-DELAY]"), answer
    chapter.connect(POP).greeted().login(chapter.person).leave()
    chapter.connect(IMAP).greeted().login(person).leave()
    chapter.settings()
    chapter.connect(POP).greeted().login(person).leave()


def test_anybody_reads_an_archive_and_changes_nothing(chapter: Chapter) -> None:
    chapter.settings()
    archive = chapter.instance.add_user("archive")
    chapter.instance.append(archive, [letter("to the list")])
    open_to_all = {"service.imap.allowanonymouslogin": "yes", "service.pop.allowanonymouslogin": "yes"}
    # Whoever comes so can neither end the sessions of the archive's owner nor call himself what he likes.
    limits = {"service.imap.maxsessionsperuser": "1", "service.imap.domainnotallowed": "ALL: visitor@ALL"}
    chapter.change({"service.anonymoususer": archive.name, **open_to_all, **limits})
    owner = chapter.connect(IMAP).greeted().login(archive)
    visitor = chapter.connect(IMAP).greeted()
    assert b"AUTH=ANONYMOUS" in visitor.capabilities()
    assert visitor.answer(b"AUTHENTICATE ANONYMOUS dmlzaXRvcg==").startswith(b"t1 OK")
    visitor.send(b"t1 SELECT INBOX\r\n")
    visitor.until(b"* 1 EXISTS")
    assert visitor.until(b"t1 ").startswith(b"t1 OK [READ-ONLY]")
    visitor.send(b"t2 FETCH 1 BODY.PEEK[TEXT]\r\n")
    assert visitor.until(b"* 1 FETCH")
    assert visitor.until(b"t2 ").startswith(b"t2 OK")
    for change in (b"STORE 1 +FLAGS (\\Deleted)", b"CREATE Mine", b"APPEND INBOX {1+}\r\nx"):
        assert visitor.ask(change).startswith(b"t1 NO"), change
    assert owner.works()
    owner.leave()
    visitor.leave()

    visitor = chapter.connect(POP).greeted()
    assert b"AUTH=ANONYMOUS" in visitor.capabilities()
    assert visitor.answer(b"AUTH ANONYMOUS dmlzaXRvcg==").startswith(b"+OK")
    assert visitor.answer(b"STAT").startswith(b"+OK 1 ")
    assert visitor.answer(b"DELE 1").startswith(b"-ERR")
    visitor.leave()
    chapter.change({"service.anonymoususer": archive.name})
    for service in (IMAP, POP):
        client = chapter.connect(service).greeted()
        assert b"AUTH=ANONYMOUS" not in client.capabilities()
        word = b"AUTHENTICATE" if service is IMAP else b"AUTH"
        assert client.answer(word + b" ANONYMOUS dmlzaXRvcg==").startswith((b"t1 NO", b"-ERR"))


def test_a_certificate_logs_in_where_the_service_lets_it(chapter: Chapter, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "clients-ca")
    tmp_path.chmod(0o755)
    pair = authority.user(("E", chapter.person.address))
    trust = {"encryption.clientcafile": str(authority.certificate)}
    for allowed in (True, False):
        chapter.change(
            {**trust, **{f"service.{each}.allowcertificatelogin": "yes" if allowed else "no" for each in (IMAP, POP)}}
        )
        for service in (IMAP, POP):
            context = chapter.instance.tls()
            context.load_cert_chain(pair.certificate, pair.key)
            client = Client(service, chapter.instance.port(service.ssl_port), context).greeted()
            assert (b"AUTH=EXTERNAL" in client.capabilities()) is allowed
            word = b"AUTHENTICATE" if service is IMAP else b"AUTH"
            answer = client.answer(word + b" EXTERNAL =")
            assert answer.startswith((b"t1 OK", b"+OK")) is allowed, answer
            if not allowed:
                client.login(chapter.person)
            assert client.works()
            client.leave()
