"""Status and access rules: who may use which service from where."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.directory.access import BadRule, host_name, judge, matches, parse_rules
from nmsd.directory.api import User
from nmsd.directory.users import admit, checks
from nmsd.model.errors import LoginRefused

NAMES = {"192.0.2.1": "desk.example.com", "192.0.2.2": "example.com", "192.0.2.3": "printer", "203.0.113.9": ""}


def name_of(address: str) -> str:
    """Names without a resolver."""
    return NAMES.get(address, "")


def allowed(rules: str, service: str, address: str = "192.0.2.1") -> bool:
    """Whether the rules let in."""
    return judge(parse_rules([rules]), service, address, name_of).allowed


@pytest.mark.parametrize(
    ("rules", "service", "verdict"),
    [
        ("", "imap", True),
        ("+imap:ALL", "imap", True),
        ("+imap:ALL", "pop", False),
        ("+imap:ALL", "imaps", False),
        ("imap,imaps:*", "imaps", True),
        ("+IMAP, POP3 : all", "pop", True),
        ("-imap:ALL", "imap", False),
        ("-imap:ALL", "imaps", True),
        ("-all:ALL", "pops", False),
        ("+all:*", "imap", True),
        ("+imap,pop:ALL$-imaps:.example.com", "imaps", False),
        ("+imap,pop:ALL$-imaps:.example.org", "imaps", True),
        ("-imap:ALL$+imap:.example.com", "imap", True),
        ("-imap:ALL$+imap:.example.org", "imap", False),
        ("+imap:.example.org", "imap", False),
        ("$+imap:ALL$$", "imap", True),
    ],
)
def test_rules_that_allow_come_first_then_those_that_deny_and_the_first_match_decides(
    rules: str, service: str, verdict: bool
) -> None:
    assert allowed(rules, service) is verdict


@pytest.mark.parametrize("rules", ["imap", "+imap", "+:ALL", "+imap:", "+ :ALL", "imap:ALL$nonsense", "+,:x"])
def test_a_rule_that_cannot_be_understood_is_told(rules: str) -> None:
    with pytest.raises(BadRule, match="of the form"):
        parse_rules([rules])


@pytest.mark.parametrize(
    ("clients", "address", "matched"),
    [
        ("ALL", "", True),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.11", False),
        ("192.0.2.", "192.0.2.200", True),
        ("192.0.2.", "192.0.20.1", False),
        ("192.0.2.0/24", "192.0.2.200", True),
        ("192.0.2.0/255.255.255.0", "192.0.2.200", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("192.0.2.0/24", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("[2001:db8::]/32", "2001:db8::1", True),
        ("192.0.2.0/24", "::ffff:192.0.2.9", True),
        (".example.com", "192.0.2.1", True),
        (".example.com", "192.0.2.2", False),
        ("example.com", "192.0.2.2", True),
        ("EXAMPLE.com", "192.0.2.2", True),
        (".example.com", "203.0.113.9", False),
        ("KNOWN", "192.0.2.1", True),
        ("KNOWN", "203.0.113.9", False),
        ("UNKNOWN", "203.0.113.9", True),
        ("LOCAL", "192.0.2.3", True),
        ("LOCAL", "192.0.2.1", False),
        ("LOCAL", "203.0.113.9", False),
        ("192.0.2.9, 192.0.2.1", "192.0.2.1", True),
        ("ALL EXCEPT 192.0.2.1", "192.0.2.1", False),
        ("ALL EXCEPT 192.0.2.1", "192.0.2.2", True),
        ("ALL EXCEPT 192.0.2.0/24 EXCEPT 192.0.2.1", "192.0.2.1", True),
        ("ALL EXCEPT 192.0.2.0/24 EXCEPT 192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "/run/socket", False),
    ],
)
def test_clients_are_addresses_networks_names_and_words(clients: str, address: str, matched: bool) -> None:
    assert matches(clients, address, name_of) is matched


@pytest.mark.parametrize("clients", ["", "EXCEPT", "ALL EXCEPT", "EXCEPT ALL", "10.0.0.0/99", "a/b"])
def test_a_list_of_clients_that_cannot_be_understood_is_told(clients: str) -> None:
    with pytest.raises(BadRule):
        matches(clients, "192.0.2.1", name_of)


@given(st.text(alphabet="+-$:,. /aEXCPTlimp0129", max_size=40))
def test_any_text_gives_a_verdict_or_is_told_to_be_wrong(text: str) -> None:
    with contextlib.suppress(BadRule):
        assert judge(parse_rules([text]), "imap", "192.0.2.1", name_of).allowed in (True, False)


def test_an_address_without_a_name_that_leads_back_has_none() -> None:
    assert host_name("not an address") == ""


def user(**fields: object) -> User:
    """A user with these fields."""
    return User("uid=u", "u ser", "u@example.com", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["inactive", "disabled", "deleted", "removed", "hold"])
def test_only_active_users_log_in_and_those_over_quota_who_must_be_able_to_delete(status: str) -> None:
    with pytest.raises(LoginRefused, match=status):
        admit(user(status=status), "imap", "192.0.2.1", name_of)
    for good in ("active", "overquota"):
        admit(user(status=good), "imap", "192.0.2.1", name_of)


def test_a_service_that_is_denied_is_denied_with_tls_as_well() -> None:
    denied = user(denied_services=frozenset({"pop"}))
    for service in ("pop", "pops"):
        with pytest.raises(LoginRefused, match="this service"):
            admit(denied, service, "192.0.2.1", name_of)
    admit(denied, "imaps", "192.0.2.1", name_of)


def test_a_user_of_another_server_is_sent_there() -> None:
    with pytest.raises(LoginRefused, match=r"on mail2\.example\.net") as refused:
        admit(user(mail_host="mail2.example.net"), "imap", "192.0.2.1", name_of)
    assert refused.value.code == "REFERRAL imap://u%20ser@mail2.example.net/"
    with pytest.raises(LoginRefused) as refused:
        admit(user(mail_host="a] b\r\n"), "imap", "192.0.2.1", name_of)
    assert refused.value.code == "AUTHORIZATIONFAILED"


def test_a_user_logs_in_from_his_domains_only() -> None:
    tied = user(access_domains=("198.51.100.0/24", ".example.com"))
    admit(tied, "imap", "192.0.2.1", name_of)
    admit(tied, "imap", "198.51.100.7", name_of)
    with pytest.raises(LoginRefused, match="from there"):
        admit(tied, "imap", "203.0.113.9", name_of)


@given(
    status=st.sampled_from(("active", "overquota", "disabled", "")),
    mail_host=st.sampled_from(("", "other.example.com")),
    denied=st.frozensets(st.sampled_from(("imap", "pop"))),
    rules=st.lists(st.sampled_from(("+imap:ALL", "-imap:ALL", "+pop:192.0.2.7", "", "nonsense")), max_size=2),
    domains=st.lists(st.sampled_from(("192.0.2.7", "192.0.2.8", "")), max_size=2),
    service=st.sampled_from(("imap", "imaps", "pop", "pops")),
)
def test_who_is_let_in_is_whom_no_check_refuses(
    status: str, mail_host: str, denied: frozenset[str], rules: list[str], domains: list[str], service: str
) -> None:
    somebody = user(
        status=status,
        mail_host=mail_host,
        denied_services=denied,
        access_rules=tuple(rules),
        access_domains=tuple(domains),
    )
    told = [check.refusal for check in checks(somebody, service, "192.0.2.7", name_of) if check.refusal]

    try:
        admit(somebody, service, "192.0.2.7", name_of)
        refused = ""
    except LoginRefused as error:
        refused = str(error)

    assert refused == (str(told[0]) if told else "")


def test_rules_that_are_wrong_let_nobody_in() -> None:
    for fields in ({"access_rules": ("imap",)}, {"access_domains": ("1.2.3.4/99",)}):
        with pytest.raises(LoginRefused, match="rules are wrong"):
            admit(user(**fields), "imap", "192.0.2.1", name_of)
