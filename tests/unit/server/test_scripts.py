"""What traces show of conversations, and that no secret is in it."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmsd.server.pieces import LINE_MAX
from nmsd.server.scripts import ImapScript, LmtpScript, PopScript, Script, open_script

SECRET = "correct-horse-7"
TOKEN = base64.b64encode(b"\0alice\0" + SECRET.encode()).decode()


def play(script: Script, dialogue: str, known: bool = False, one_by_one: bool = False) -> list[str]:
    """What is shown of lines `C: …` and `S: …`; a line of the client's that ends with + is followed by no line end.

    After a good answer to LOGIN, PASS, AUTH or AUTHENTICATE the client is known.
    """
    shown: list[str] = []
    for line in dialogue.strip().splitlines():
        who, _, text = line.strip().partition(": ")
        data = text.encode() + b"\r\n"
        chunks: Iterable[bytes] = (data[at : at + 1] for at in range(len(data))) if one_by_one else (data,)
        for chunk in chunks:
            said = script.client(chunk, known) if who == "C" else script.server(chunk)
            shown += [f"{who}: {each}" for each in said]
        known = known or (who == "S" and "logged in" in text.lower())
    return shown


IMAP_LOGIN = f"""
S: * OK ready
C: a CAPABILITY
S: * CAPABILITY IMAP4rev1
S: a OK done
C: b LOGIN alice {SECRET}
S: b OK Logged in
C: c SELECT INBOX
S: * 3 EXISTS
S: c OK done
"""


@pytest.mark.parametrize("one_by_one", [False, True])
def test_an_imap_session_is_shown_but_for_its_password(one_by_one: bool) -> None:
    assert play(ImapScript(0, False), IMAP_LOGIN, one_by_one=one_by_one) == [
        "S: * OK ready",
        "C: a CAPABILITY",
        "S: * CAPABILITY IMAP4rev1",
        "S: a OK done",
        "C: b LOGIN ***",
        "S: b OK Logged in",
        "C: c SELECT INBOX",
        "S: * 3 EXISTS",
        "S: c OK done",
    ]


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize(
    "dialogue",
    [
        f"C: b LOGIN {{5}}\nS: + OK\nC: alice {{{len(SECRET)}}}\nS: + OK\nC: {SECRET}\nS: b OK Logged in",
        f"C: b LOGIN {{5+}}\nC: alice {{{len(SECRET)}+}}\nC: {SECRET}\nS: b OK Logged in",
        f'C: b login "alice" "{SECRET}"\nS: b NO wrong',
        f"C: b AUTHENTICATE PLAIN\nS: + \nC: {TOKEN}\nS: b OK Logged in",
        f"C: b AUTHENTICATE PLAIN {TOKEN}\nS: b OK Logged in",
        f"C: b authenticate scram-sha-256 {TOKEN}\nS: + {TOKEN}\nC: {TOKEN}\nS: + {TOKEN}\nC: \nS: b OK Logged in",
        f"C: b AUTHENTICATE PLAIN\nS: + \nC: {TOKEN}\nC: {SECRET}\nS: b NO wrong",
        f"C: LOGIN alice {SECRET}\nS: * BAD no tag",
        f"C: b LOGIM alice {SECRET}\nS: b BAD unknown",
        f"C: {SECRET}\nS: * BAD what",
        f"C: PASS {SECRET}\nS: PASS BAD what",
        f"C: b {SECRET}\nS: b BAD what",
        f"C: b XLOGIN {{{len(SECRET)}+}}\nC: {SECRET}\nS: b BAD what",
        f"C:  LOGIN alice {SECRET}\nS: * BAD what",
        f"C: b\tLOGIN\talice\t{SECRET}\nS: b BAD what",
        f"C: {SECRET} LOGIN{SECRET}\nS: b BAD what",
    ],
)
def test_a_password_in_whatever_place_before_the_login_is_not_shown(dialogue: str, one_by_one: bool) -> None:
    text = "\n".join(play(ImapScript(1000, False), dialogue, one_by_one=one_by_one))
    assert SECRET not in text
    assert TOKEN not in text
    assert "***" in text


@pytest.mark.parametrize(
    "dialogue",
    [f"C: b LOGIN alice {SECRET}\nS: b BAD now", f"C: b AUTHENTICATE PLAIN\nS: + \nC: {TOKEN}\nS: b BAD now"],
)
def test_a_login_is_not_shown_when_the_client_is_known_already(dialogue: str) -> None:
    text = "\n".join(play(ImapScript(1000, False), dialogue, known=True))
    assert SECRET not in text
    assert TOKEN not in text


def test_after_a_login_everything_is_shown_again() -> None:
    dialogue = f"C: b AUTHENTICATE PLAIN\nS: + \nC: {TOKEN}\nS: b OK Logged in\nC: c NOOP\nS: c OK done"
    assert play(ImapScript(0, False), dialogue)[-2:] == ["C: c NOOP", "S: c OK done"]


def test_a_script_that_begins_within_a_command_shows_nothing_before_its_answer() -> None:
    dialogue = f"C: {TOKEN}\nS: + more\nC: {SECRET}\nS: b OK Logged in\nC: c NOOP"
    assert play(ImapScript(0, True), dialogue) == ["C: ***", "S: + ***", "C: ***", "S: b OK Logged in", "C: c NOOP"]


@pytest.mark.parametrize(
    ("keep", "shown"),
    [(0, "(16 bytes)"), (7, "(16 bytes) Subject"), (100, "(16 bytes) Subject: one\\r\\n")],
)
def test_a_message_is_cut_as_short_as_wanted_both_ways(keep: int, shown: str) -> None:
    script = ImapScript(keep, False)
    said = [*script.client(b"a APPEND INBOX {16}\r\n", True), *script.server(b"+ OK\r\n")]
    said += script.client(b"Subject: one\r\n\r", True)
    said += script.client(b"\n\r\nb NOOP\r\n", True)
    assert said == ["a APPEND INBOX {16}", "+ OK", shown, "", "b NOOP"]
    answer = script.server(b"* 1 FETCH (BODY[] {16}\r\nSubject: one\r\n\r\n FLAGS ())\r\na OK done\r\n")
    assert list(answer) == ["* 1 FETCH (BODY[] {16}", shown, " FLAGS ())", "a OK done"]


def test_a_literal_that_was_refused_is_not_waited_for() -> None:
    script = ImapScript(0, False)
    list(script.client(b"a APPEND INBOX {1000}\r\n", True))
    list(script.server(b"a NO too big\r\n"))
    assert list(script.client(b"b NOOP\r\n", True)) == ["b NOOP"]


def test_a_tagged_answer_within_a_literal_ends_no_exchange() -> None:
    script = ImapScript(0, True)
    list(script.server(b"* 1 FETCH (BODY[] {12}\r\na OK done \r\n UID 3)\r\n"))
    assert list(script.client(SECRET.encode() + b"\r\n", True)) == ["***"]


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_pop_session_is_shown_but_for_passwords_and_messages(one_by_one: bool) -> None:
    dialogue = f"""
        S: +OK ready
        C: USER alice
        S: +OK
        C: PASS {SECRET}
        S: +OK logged in
        C: RETR 1
        S: +OK 20 octets
        S: Subject: one
        S: .
        C: LIST
        S: +OK
        S: 1 20
        S: .
        C: QUIT
        S: +OK
    """
    assert play(PopScript(0, False), dialogue, one_by_one=one_by_one) == [
        "S: +OK ready", "C: USER alice", "S: +OK", "C: PASS ***", "S: +OK logged in", "C: RETR 1", "S: +OK 20 octets",
        "S: (14 bytes)", "S: .", "C: LIST", "S: +OK", "S: 1 20", "S: .", "C: QUIT", "S: +OK",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "dialogue",
    [
        f"C: PASS {SECRET}\nS: -ERR wrong",
        f"C: pass {SECRET}\nS: -ERR wrong",
        f"C: APOP alice {SECRET}\nS: -ERR wrong",
        f"C: AUTH PLAIN {TOKEN}\nS: +OK logged in",
        f"C: AUTH PLAIN\nS: + \nC: {TOKEN}\nS: +OK logged in",
        f"C: AUTH PLAIN\nS: + {TOKEN}\nC: {TOKEN}\nC: {SECRET}\nS: -ERR wrong",
        f"C: PASSS {SECRET}\nS: -ERR what",
        f"C: {SECRET}\nS: -ERR what",
    ],
)
def test_no_secret_of_a_pop_login_is_shown(dialogue: str) -> None:
    for one_by_one in (False, True):
        text = "\n".join(play(PopScript(1000, False), dialogue, one_by_one=one_by_one))
        assert SECRET not in text
        assert TOKEN not in text


def test_an_lmtp_session_is_shown_with_its_messages_cut_short() -> None:
    dialogue = """
        S: 220 ready
        C: LHLO mta
        S: 250 hello
        C: DATA
        S: 354 go on
        C: Subject: one
        C: .
        S: 250 delivered
        C: BDAT 14 LAST
        C: Subject: two
        S: 250 delivered
        C: DATA
        S: 503 no recipients
        C: QUIT
    """
    assert play(LmtpScript(7), dialogue) == [
        "S: 220 ready", "C: LHLO mta", "S: 250 hello", "C: DATA", "S: 354 go on", "C: (14 bytes) Subject", "C: .",
        "S: 250 delivered", "C: BDAT 14 LAST", "C: (14 bytes) Subject", "S: 250 delivered", "C: DATA",
        "S: 503 no recipients", "C: QUIT",
    ]  # fmt: skip


def test_long_lines_are_cut_and_keep_no_memory() -> None:
    script = ImapScript(0, False)
    for _ in range(40):
        assert list(script.server(b"x" * (LINE_MAX // 8))) == []
    [line] = script.server(b"\r\n")
    assert len(line) < 3000
    assert line.endswith(f"({40 * (LINE_MAX // 8) + 2} bytes)")


@given(st.sampled_from(["imap", "pop", "lmtp"]), st.lists(st.binary(max_size=60), max_size=10), st.booleans())
@settings(max_examples=200)
def test_any_bytes_are_shown_as_single_lines(service: str, chunks: list[bytes], known: bool) -> None:
    script = open_script(service, 10, False)
    for chunk in chunks:
        for line in (*script.client(chunk, known), *script.server(chunk)):
            assert len(line.splitlines()) <= 1


@given(st.lists(st.sampled_from([b"a ", b"LOGIN ", b"AUTHENTICATE PLAIN", b"{15}", b"{15+}", b"\r\n", b" ", b"NOOP"])))
def test_a_secret_among_anything_before_the_login_is_never_shown(words: list[bytes]) -> None:
    """The secret as a word of its own, behind whatever comes before it in a login."""
    script = ImapScript(100, False)
    data = b"".join(words) + b"\r\nb LOGIN x " + SECRET.encode() + b"\r\n"
    shown = [*script.client(data, False)]
    assert not any(SECRET in line for line in shown)
