"""Access filters, as the clients meet them that they let in and keep out."""

from __future__ import annotations

import json

import pytest

from tests.chapter.conftest import IMAP, POP, Chapter, Client, Service
from tests.clients.harness import Person


@pytest.fixture(scope="module")
def stranger(chapter: Chapter) -> Person:
    return chapter.instance.add_user("stranger")


def enters(chapter: Chapter, service: Service, source: str = "127.0.0.1", tls: bool = False) -> bool:
    """Whether a client is greeted; else it must have been told that it is not welcome."""
    client = chapter.connect(service, tls, source)
    line = client.readline()
    if line.startswith(service.good):
        client.close()
        return True
    assert line.startswith(service.unwelcome), line
    assert client.rest() == b""
    return False


def test_a_client_is_kept_out_by_its_address_before_the_greeting(chapter: Chapter) -> None:
    chapter.both(domainnotallowed="ALL: 127.0.0.8/30 EXCEPT 127.0.0.9")
    for service in (IMAP, POP):
        for tls in (False, True):
            assert enters(chapter, service, tls=tls)
            assert enters(chapter, service, "127.0.0.9", tls)
            assert not enters(chapter, service, "127.0.0.8", tls)
            assert not enters(chapter, service, "127.0.0.11", tls)
            assert enters(chapter, service, "127.0.0.12", tls)
    logged = (chapter.instance.directory / "log/imap.log").read_text()
    assert 'filter="service.imap.domainnotallowed: ALL: 127.0.0.8/30 EXCEPT 127.0.0.9"' in logged
    assert "client kept out" in logged
    assert "127.0.0.11" in logged


def test_with_allow_filters_alone_nobody_else_enters_and_tls_is_a_service_of_its_own(chapter: Chapter) -> None:
    chapter.change(
        {
            "service.imap.domainallowed": "imap: 127.0.0.9 $ imaps: ALL",
            "service.pop.domainallowed": "pop: 127.0.0.9 $ pops: ALL",
        }
    )
    for service in (IMAP, POP):
        assert enters(chapter, service, "127.0.0.9")
        assert not enters(chapter, service)
        assert enters(chapter, service, tls=True)
        client = chapter.connect(service, source="127.0.0.9").greeted()
        assert client.start_tls(chapter.instance.tls()).startswith((b"t1 OK", b"+OK"))
        assert client.login(chapter.person).works()  # by STARTTLS it is still the port of the plain service
        client.leave()


def test_allow_filters_are_read_first(chapter: Chapter) -> None:
    chapter.change(
        {
            "service.imap.domainallowed": "imap: 127.0.0.9",
            "service.imap.domainnotallowed": "imap: 127.0.0.0/8",
            "service.pop.domainallowed": "pop: .example.com",
            "service.pop.domainnotallowed": "pop: 127.0.0.9",
        }
    )
    assert enters(chapter, IMAP, "127.0.0.9")
    assert not enters(chapter, IMAP)
    assert not enters(chapter, POP, "127.0.0.9")
    assert enters(chapter, POP)  # no filter matches, and there are some that deny


@pytest.mark.parametrize(
    ("listed", "kept_out"),
    [
        ("localhost", {"127.0.0.1"}),
        ("LOCAL", {"127.0.0.1"}),
        ("KNOWN", {"127.0.0.1"}),
        ("UNKNOWN", {"127.0.0.9"}),
        ("ALL EXCEPT LOCAL", {"127.0.0.9"}),
        (".example.com", set()),
    ],
)
def test_a_client_is_kept_out_by_its_name(chapter: Chapter, listed: str, kept_out: set[str]) -> None:
    chapter.both(domainnotallowed=f"ALL: {listed}")
    for service in (IMAP, POP):
        for source in ("127.0.0.1", "127.0.0.9"):
            assert enters(chapter, service, source) is (source not in kept_out)


def test_a_user_is_kept_out_at_the_login_whatever_name_he_gives(chapter: Chapter, stranger: Person) -> None:
    chapter.both(domainnotallowed="ALL: stranger@127.0.0.9")
    for service in (IMAP, POP):
        for source, name, good in (
            ("127.0.0.9", stranger.name, False),
            ("127.0.0.9", stranger.address.upper(), False),
            ("127.0.0.1", stranger.name, True),
            ("127.0.0.9", chapter.person.name, True),
        ):
            client = chapter.connect(service, source=source).greeted()
            answer = client.try_login(Person(name))
            assert answer.startswith((b"t1 OK", b"+OK")) is good, answer
            assert good or b"from there" in answer
            client.leave()


def test_the_reason_is_explained(chapter: Chapter, stranger: Person) -> None:
    chapter.both(domainnotallowed="ALL: stranger@127.0.0.9 $ ALL: 127.0.0.8")
    told = {
        "127.0.0.8": "decided by service.{0}.domainnotallowed: ALL: 127.0.0.8",
        "127.0.0.9": "decided by service.{0}.domainnotallowed: ALL: stranger@127.0.0.9",
        "127.0.0.7": "none of service.{0}.domainallowed and service.{0}.domainnotallowed matches",
    }
    for service in (IMAP, POP):
        for address, words in told.items():
            done = chapter.instance.nmsd(
                "explain", "login", stranger.name, "--service", service.name, "--from", address, "--json", check=False
            )
            found = json.loads(done.stdout)
            assert found["admitted"] is (address == "127.0.0.7")
            steps = [step["found"] for step in found["steps"] if step["what"] == "access filters"]
            assert words.format(service) in steps[-1]


def test_a_filter_that_is_wrong_is_refused_with_its_line_and_the_mend(chapter: Chapter, service: Service) -> None:
    chapter.settings()
    client = chapter.connect(service).greeted()
    refused = chapter.nmsd("config", "set", f"service.{service}.domainallowed", f"{service}: @staff", check=False)
    assert refused.exit_code == 2
    assert "@staff is a netgroup, which is not known here: name its hosts or networks instead" in refused.output
    path = chapter.instance.configuration
    good = path.read_text()
    path.write_text(good.replace("# End of", f"service.{service}.domainallowed = smtp: ALL\n# End of"))
    number = path.read_text().splitlines().index(f"service.{service}.domainallowed = smtp: ALL") + 1
    refused = chapter.nmsd("reload", check=False)
    assert refused.exit_code == 2
    assert f"nmsd: {path}:{number}: service.{service}.domainallowed = smtp: ALL: smtp is none of" in refused.output
    path.write_text(good)
    assert client.login(chapter.person).works()
    client.leave()


def test_sessions_that_are_there_stay_when_a_filter_comes(chapter: Chapter, service: Service) -> None:
    chapter.settings()
    client: Client = chapter.connect(service).greeted().login(chapter.person)
    chapter.change({f"service.{service}.domainnotallowed": "ALL: ALL"})
    assert not enters(chapter, service)
    assert client.works()
    client.leave()
