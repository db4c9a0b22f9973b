"""Access filters: how they are read, which of them decides, and what hangs on the login."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.config.admission import ADMISSION, IMAP, filter_settings
from nmsd.config.clients import SPOOFED, BadRule, Client, Verdict, filters, is_among, judge, parse_clients

NAMES = {
    "192.0.2.1": "desk.example.com",
    "192.0.2.3": "printer",
    "203.0.113.66": SPOOFED,
}
HERE = "198.51.100.1"


def name_of(address: str) -> str:
    return NAMES.get(address, "")


def verdict(
    allow: str = "", deny: str = "", service: str = "imap", address: str = "192.0.2.1", users: set[str] | None = None
) -> Verdict:
    """What the filters of IMAP say; without `users`, before the login."""
    rules = (*IMAP.allowed.kind.parse(allow), *IMAP.not_allowed.kind.parse(deny))
    client = Client(address, name_of, None if users is None else frozenset(users))
    return judge(rules, service, client, HERE)


@pytest.mark.parametrize(
    ("allow", "deny", "service", "allowed"),
    [
        ("", "", "imap", True),
        ("imap: ALL", "", "imap", True),
        ("imap: ALL", "", "imaps", False),
        ("", "imap: ALL", "imap", False),
        ("", "imap: ALL", "imaps", True),
        ("", "ALL: .example.com", "imaps", False),
        ("imap: .example.com", "ALL: ALL", "imap", True),
        ("imap: .example.com", "ALL: ALL", "imaps", False),
        ("imap: .example.org", "", "imap", False),
        ("imap: .example.org", "imap: .example.net", "imap", True),
        ("imap: .example.org $ imaps, imap: 192.0.2.0/24", "", "imap", True),
        ("", f"imap@{HERE}: ALL", "imap", False),
        ("", "imap@198.51.100.2: ALL", "imap", True),
        ("", "imap@198.51.100.0/24, imaps: ALL", "imap", False),
        ("", "imap@[2001:db8::1]: ALL", "imap", True),
        ("IMAP4 : DESK.example.COM", "ALL:ALL", "imap", True),
    ],
)
def test_allow_filters_come_first_then_deny_and_the_first_match_decides(
    allow: str, deny: str, service: str, allowed: bool
) -> None:
    assert verdict(allow, deny, service).allowed is allowed


@pytest.mark.parametrize(
    ("clients", "address", "matched"),
    [
        ("DNSSPOOFER", "203.0.113.66", True),
        ("PARANOID", "203.0.113.66", True),
        ("DNSSPOOFER", "192.0.2.1", False),
        ("DNSSPOOFER", "203.0.113.9", False),
        ("UNKNOWN", "203.0.113.66", True),
        ("KNOWN", "203.0.113.66", False),
        ("LOCAL", "203.0.113.66", False),
        (".example.com", "203.0.113.66", False),
        ("fe80::/10", "fe80::1%eth0", True),
    ],
)
def test_a_name_that_leads_elsewhere_is_no_name(clients: str, address: str, matched: bool) -> None:
    assert is_among(parse_clients(clients), Client(address, name_of)) is matched


@pytest.mark.parametrize(
    ("allow", "deny", "before", "alice", "bob"),
    [
        ("", "imap: alice@ALL", None, False, True),
        ("", "imap: alice@192.0.2.9", True, True, True),
        ("imap: alice@ALL", "imap: ALL", None, True, False),
        ("imap: alice@ALL $ imap: 192.0.2.1", "imap: ALL", True, True, True),
        ("imap: alice@ALL", "", None, True, False),
        ("", "imap: ALL EXCEPT alice@.example.com", None, True, False),
        ("", "imap: alice@example.com@192.0.2.0/24", None, False, True),
        ("", "imap: ALL@ALL", False, False, False),
    ],
)
def test_what_hangs_on_the_user_is_decided_at_the_login(
    allow: str, deny: str, before: bool | None, alice: bool, bob: bool
) -> None:
    assert verdict(allow, deny).allowed is before
    assert verdict(allow, deny, users={"alice", "alice@example.com"}).allowed is alice
    assert verdict(allow, deny, users={"bob", "bob@example.com"}).allowed is bob


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ALL", "not of the form `imap: clients`"),
        ("imap:", "not of the form"),
        (":ALL", "not of the form"),
        ("imap ALL", "not of the form"),
        ("pop: ALL", "pop is none of imap, imaps and ALL"),
        ("smtp, imap: ALL", "smtp is none of"),
        ("imap: @staff", "@staff is a netgroup, which is not known here"),
        ("imap: alice@", "has no host behind the @"),
        ("imap: *.example.com", "write .example.com for all below a domain"),
        ("imap: /etc/hosts", "/etc/hosts is no client"),
        ("imap: some_thing!", "is no client"),
        ("imap: 10.0.0.0/99", "10.0.0.0/99 is no network"),
        ("imap: 10.0.0.300", "is no address"),
        ("imap: ALL EXCEPT", "has an empty list of clients"),
        ("imap@mail.example.com: ALL", "behind the @ stands an address of this server"),
        ("imap: ALL\nimaps: ALL", "must be one line"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_mend(text: str, told: str) -> None:
    with pytest.raises(ValueError, match="(?i)" + told.replace("*", r"\*")) as refused:
        IMAP.allowed.kind.parse(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "imap: ALL", "imap, imaps: .example.com, 192.0.2.0/24 EXCEPT 192.0.2.7 $ imaps: alice@ALL"]
)
def test_filters_are_written_as_they_were_read(text: str) -> None:
    kind = IMAP.allowed.kind
    assert kind.write(kind.parse(text)) == text
    assert kind.parse(kind.write(kind.parse(text))) == kind.parse(text)


_TEXT = st.text(alphabet="imaplsALXCEPTKNOWbob@.:,$/ 0129[]", max_size=50)


@given(_TEXT, _TEXT, st.sampled_from(("imap", "imaps")))
def test_what_is_decided_before_the_login_holds_for_whoever_logs_in(allow: str, deny: str, service: str) -> None:
    with contextlib.suppress(BadRule):
        before = verdict(allow, deny, service).allowed
        after = [verdict(allow, deny, service, users=users).allowed for users in ({"bob"}, {"ann"}, set[str]())]
        assert None not in after
        assert before is None or set(after) == {before}


def test_only_the_services_for_users_have_filters() -> None:
    assert set(ADMISSION) == {"imap", "pop"}
    assert filter_settings("lmtp") is None
    with pytest.raises(BadRule, match="imap is none of pop, pops and ALL"):
        filters("pop", True).parse("imap: ALL")
