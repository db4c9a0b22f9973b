"""SASL's mechanisms: what they take, what they claim, and that nothing a client sends gets past them."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.model.errors import BadCredentials, DirectoryUnavailable, LoginRefused
from nmsd.model.scram import ScramKeys
from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl import MECHANISMS, Exchange, Mechanism

BY_NAME = {mechanism.name: mechanism for mechanism in MECHANISMS}
SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
NONCE = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"


def keys_of(password: bytes, iterations: int = 4096, salt: bytes = SALT) -> ScramKeys:
    """RFC 5802 §3, once more."""
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return ScramKeys(
        salt, iterations, hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256")
    )


class Doorman:
    """A verifier that notes what it is told, and then raises `refusal`, if there is one."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.told: list[tuple[object, ...]] = []
        self.bound: dict[bytes, bytes] = {}

    def _note(self, *claim: object) -> None:
        self.told.append(claim)
        if self.refusal is not None:
            raise self.refusal

    def password(self, login: str, password: str, authorize: str, method: str) -> None:
        self._note(method, login, password, authorize)

    def certificate(self, authorize: str) -> None:
        self._note("EXTERNAL", authorize)

    def anonymous(self, trace: str) -> None:
        self._note("ANONYMOUS", trace)

    def token(self, token: str, authorize: str, method: str) -> None:
        self._note(method, token, authorize)

    def scram_keys(self, login: str) -> ScramKeys:
        return keys_of(b"pencil")

    def scram(self, login: str, is_proven: bool, authorize: str, method: str) -> None:
        self.told.append((method, login, is_proven, authorize))
        if self.refusal is not None or not is_proven:
            raise self.refusal or BadCredentials("wrong proof")

    def nonce(self) -> bytes:
        return NONCE

    def bindings(self) -> dict[bytes, bytes]:
        return self.bound

    def token_failure(self) -> dict[str, str]:
        return {"scope": "mail"}


class Talk:
    """A client's side of an exchange, without the base64."""

    def __init__(self, name: bytes, doorman: Doorman | None = None) -> None:
        self.doorman = doorman or Doorman()
        self.exchange = Exchange(BY_NAME[name], self.doorman)

    def begin(self, initial: bytes | None = None) -> bytes | None:
        return self._challenge(self.exchange.begin(None if initial is None else b64encode(initial) or b"="))

    def say(self, response: bytes) -> bytes | None:
        return self._challenge(self.exchange.respond(b64encode(response)))

    def _challenge(self, line: bytes | None) -> bytes | None:
        return None if line is None else b64decode(line, validate=True)


# PLAIN and LOGIN


@pytest.mark.parametrize(
    ("response", "claim"),
    [
        (b"\0tim\0tanstaaftanstaaf", ("PLAIN", "tim", "tanstaaftanstaaf", "")),  # RFC 4616 §4
        (b"Ursel\0Kurt\0xipj3plmq", ("PLAIN", "Kurt", "xipj3plmq", "Ursel")),
        ("\0I\u00adX\0pass word".encode(), ("PLAIN", "IX", "pass word", "")),  # the name is prepared
    ],
)
def test_plain_claims_a_password_with_and_without_an_initial_response(
    response: bytes, claim: tuple[object, ...]
) -> None:
    at_once, later = Talk(b"PLAIN"), Talk(b"PLAIN")

    assert at_once.begin(response) is None
    assert (later.begin(), later.say(response)) == (b"", None)
    assert at_once.doorman.told == later.doorman.told == [claim]


@pytest.mark.parametrize("response", [b"", b"tim", b"\0tim", b"\0\0secret", b"a\0b\0c\0d", b"\0t\xffm\0secret"])
def test_a_plain_response_that_is_none_is_bad(response: bytes) -> None:
    talk = Talk(b"PLAIN")
    with pytest.raises(BadSyntax):
        talk.begin(response)
    assert talk.doorman.told == []


def test_login_asks_for_name_and_password_and_takes_the_name_as_an_initial_response() -> None:
    talk, short = Talk(b"LOGIN"), Talk(b"LOGIN")

    assert [talk.begin(), talk.say(b"tim"), talk.say(b"secret")] == [b"Username:", b"Password:", None]
    assert [short.begin(b"tim"), short.say(b"secret")] == [b"Password:", None]
    assert talk.doorman.told == short.doorman.told == [("LOGIN", "tim", "secret", "")]


# EXTERNAL and ANONYMOUS


def test_external_claims_the_certificate_with_or_without_another_identity() -> None:
    for response, authorize in ((b"", ""), ("jörg".encode(), "jörg")):
        talk = Talk(b"EXTERNAL")
        assert talk.begin(response) is None
        assert talk.doorman.told == [("EXTERNAL", authorize)]
    for bad in (b"\xff", b"a\0b"):
        with pytest.raises(BadSyntax):
            Talk(b"EXTERNAL").begin(bad)


def test_anonymous_tells_its_trace() -> None:
    for trace in ("sirhc@example.com", "", "x" * 255):
        talk = Talk(b"ANONYMOUS")
        assert talk.begin(trace.encode()) is None
        assert talk.doorman.told == [("ANONYMOUS", trace)]


@pytest.mark.parametrize("trace", [b"x" * 256, b"a\r\nb", b"\xff", "a\u202eb".encode()])
def test_a_trace_that_could_confuse_who_reads_the_log_is_bad(trace: bytes) -> None:
    with pytest.raises(BadSyntax):
        Talk(b"ANONYMOUS").begin(trace)


# SCRAM

FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SIGNATURE = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def final(first: bytes, challenge: bytes, password: bytes, bound: bytes = b"", extra: bytes = b"") -> bytes:
    """A client's final message."""
    fields = dict(field.split(b"=", 1) for field in challenge.split(b","))
    header, bare = first.rsplit(b"n=", 1)
    salted = hashlib.pbkdf2_hmac("sha256", password, b64decode(fields[b"s"]), int(fields[b"i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    proofless = b"c=" + b64encode(header + bound) + b",r=" + fields[b"r"] + extra
    signed = b",".join((b"n=" + bare, challenge, proofless))
    signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
    proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
    return proofless + b",p=" + b64encode(proof)


def test_scram_answers_as_in_the_standards_example() -> None:
    talk = Talk(b"SCRAM-SHA-256")

    assert [talk.begin(FIRST), talk.say(FINAL), talk.say(b"")] == [CHALLENGE, SIGNATURE, None]
    assert talk.doorman.told == [("SCRAM-SHA-256", "user", True, "")]


def test_scram_takes_an_authorization_identity_escapes_and_extensions() -> None:
    first = b"n,a==3Dx=2Cy,n=us=2Cer,r=abc,x=ignored"
    talk = Talk(b"SCRAM-SHA-256")

    challenge = talk.begin(first)

    assert challenge is not None
    talk.say(final(first, challenge, b"pencil", extra=b",y=too"))
    talk.say(b"")
    assert talk.doorman.told == [("SCRAM-SHA-256", "us,er", True, "=x,y")]


def test_an_empty_authorization_identity_is_none() -> None:
    first = b"n,a=,n=user,r=abc"
    talk = Talk(b"SCRAM-SHA-256")
    challenge = talk.begin(first)
    assert challenge is not None
    talk.say(final(first, challenge, b"pencil"))
    talk.say(b"")
    assert talk.doorman.told == [("SCRAM-SHA-256", "user", True, "")]


def test_a_wrong_proof_is_told_to_the_verifier_and_gets_no_signature() -> None:
    talk = Talk(b"SCRAM-SHA-256")
    challenge = talk.begin(FIRST)
    assert challenge is not None

    with pytest.raises(BadCredentials):
        talk.say(final(FIRST, challenge, b"pen"))

    assert talk.doorman.told == [("SCRAM-SHA-256", "user", False, "")]


def test_nobody_is_in_before_the_server_has_proven_itself_too() -> None:
    talk = Talk(b"SCRAM-SHA-256")
    talk.begin(FIRST)
    talk.say(FINAL)
    with pytest.raises(BadSyntax, match="cancelled"):
        talk.exchange.respond(b"*")
    assert talk.doorman.told == []


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,",
        b"n,,n=,r=abc",
        b"n,,n=user,r=",
        b"n,,n=user,r=a,b",
        b"n,,n=us=2cer,r=abc",  # RFC 5802 §5.1: upper case only
        b"n,,n=us=er,r=abc",
        b"n,,n=us\0er,r=abc",
        b"n,,n=us\xffer,r=abc",
        b"n,,m=ext,n=user,r=abc",  # a mandatory extension
        b"p=tls-unique,,n=user,r=abc",  # without -PLUS
        b"x,,n=user,r=abc",
        "n,,n=us\ue000er,r=abc".encode(),
    ],
)
def test_a_first_message_that_is_none_is_bad(message: bytes) -> None:
    with pytest.raises(BadSyntax):
        Talk(b"SCRAM-SHA-256").begin(message)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        FINAL.replace(b"c=biws", b"c=eSws"),  # another header than the first message's
        FINAL.replace(b"c=biws", b"c=bi"),
        FINAL.replace(b"$k0", b"$k1"),
        FINAL.rpartition(b",")[0],
        FINAL + b"!",
        FINAL.replace(b"VQ=", b"VQ"),
    ],
)
def test_a_final_message_that_is_none_is_bad(message: bytes) -> None:
    talk = Talk(b"SCRAM-SHA-256")
    talk.begin(FIRST)
    with pytest.raises(BadSyntax):
        talk.say(message)
    assert talk.doorman.told == []


def test_a_proof_of_another_length_is_wrong() -> None:
    talk = Talk(b"SCRAM-SHA-256")
    talk.begin(FIRST)
    with pytest.raises(BadCredentials):
        talk.say(FINAL.rpartition(b"p=")[0] + b"p=AAAA")


@pytest.mark.parametrize("name", [b"tls-server-end-point", b"tls-exporter"])
def test_plus_binds_to_the_channel(name: bytes) -> None:
    doorman = Doorman()
    doorman.bound = {name: b"\0\1\2, the channel"}
    first = b"p=" + name + b",,n=user,r=abc"
    talk = Talk(b"SCRAM-SHA-256-PLUS", doorman)
    challenge = talk.begin(first)
    assert challenge is not None

    assert talk.say(final(first, challenge, b"pencil", bound=doorman.bound[name])) is not None
    assert talk.say(b"") is None
    assert doorman.told == [("SCRAM-SHA-256-PLUS", "user", True, "")]


def test_a_client_that_speaks_to_somebody_in_the_middle_does_not_get_in() -> None:
    doorman = Doorman()
    doorman.bound = {b"tls-server-end-point": b"ours"}
    first = b"p=tls-server-end-point,,n=user,r=abc"
    talk = Talk(b"SCRAM-SHA-256-PLUS", doorman)
    challenge = talk.begin(first)
    assert challenge is not None

    with pytest.raises(BadSyntax, match="do not match"):
        talk.say(final(first, challenge, b"pencil", bound=b"theirs"))


def test_plus_refuses_other_bindings_and_none() -> None:
    doorman = Doorman()
    doorman.bound = {b"tls-server-end-point": b"ours"}
    for first in (b"p=tls-unique,,n=user,r=abc", b"n,,n=user,r=abc", b"y,,n=user,r=abc"):
        with pytest.raises(BadSyntax):
            Talk(b"SCRAM-SHA-256-PLUS", doorman).begin(first)


def test_a_client_that_was_kept_from_seeing_plus_is_told() -> None:
    doorman = Doorman()
    doorman.bound = {b"tls-server-end-point": b"ours"}
    with pytest.raises(BadSyntax, match="tampered"):
        Talk(b"SCRAM-SHA-256", doorman).begin(b"y,,n=user,r=abc")
    assert Talk(b"SCRAM-SHA-256", doorman).begin(b"n,,n=user,r=abc")
    assert Talk(b"SCRAM-SHA-256").begin(b"y,,n=user,r=abc")


# Tokens

BEARER = b"n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer vF9dft4qmT==\1\1"  # RFC 7628 §4.1
XOAUTH2 = b"user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmT\1\1"


@pytest.mark.parametrize(
    ("name", "response", "claim"),
    [
        (b"OAUTHBEARER", BEARER, ("OAUTHBEARER", "vF9dft4qmT==", "user@example.com")),
        (b"OAUTHBEARER", b"n,,\1auth=bearer  a.b-c\1\1", ("OAUTHBEARER", "a.b-c", "")),
        (b"OAUTHBEARER", b"y,a=a=2Cb=3Dc,\1auth=Bearer x\1\1", ("OAUTHBEARER", "x", "a,b=c")),
        (b"OAUTHBEARER", b"n,,\1auth=Basic abc\1\1", ("OAUTHBEARER", "", "")),
        (b"OAUTHBEARER", b"n,,\1\1", ("OAUTHBEARER", "", "")),
        (b"XOAUTH2", XOAUTH2, ("XOAUTH2", "ya29.vF9dft4qmT", "someuser@example.com")),
    ],
)
def test_a_token_is_claimed(name: bytes, response: bytes, claim: tuple[object, ...]) -> None:
    talk = Talk(name)
    assert talk.begin(response) is None
    assert talk.doorman.told == [claim]


@pytest.mark.parametrize("answer", [b"\1", b"", b"whatever"])
@pytest.mark.parametrize("refusal", [BadCredentials("expired"), LoginRefused("on hold")])
@pytest.mark.parametrize(
    ("name", "response", "status"),
    [(b"OAUTHBEARER", BEARER, "invalid_token"), (b"XOAUTH2", XOAUTH2, "401")],
)
def test_a_client_without_a_good_token_is_told_in_json_and_then_fails(
    name: bytes, response: bytes, status: str, refusal: Exception, answer: bytes
) -> None:
    talk = Talk(name, Doorman(refusal))
    said = talk.begin(response)
    assert said is not None
    failure = json.loads(said)
    assert (failure["status"], failure["scope"]) == (status, "mail")

    with pytest.raises(type(refusal)) as raised:
        talk.say(answer)
    assert raised.value is refusal


def test_a_directory_that_is_down_says_nothing_of_the_token() -> None:
    with pytest.raises(DirectoryUnavailable):
        Talk(b"OAUTHBEARER", Doorman(DirectoryUnavailable("down"))).begin(BEARER)


@pytest.mark.parametrize(
    ("name", "response"),
    [
        (b"OAUTHBEARER", b""),
        (b"OAUTHBEARER", b"\1"),
        (b"OAUTHBEARER", b"n,,auth=Bearer x\1\1"),
        (b"OAUTHBEARER", b"n,,\1auth=Bearer x\1"),
        (b"OAUTHBEARER", b"p=tls-unique,,\1auth=Bearer x\1\1"),
        (b"OAUTHBEARER", b"n,a=\xff,\1auth=Bearer x\1\1"),
        (b"XOAUTH2", b"auth=Bearer x\1\1"),
        (b"XOAUTH2", b"user=\xff\1auth=Bearer x\1\1"),
    ],
)
def test_a_token_response_that_is_none_is_bad(name: bytes, response: bytes) -> None:
    with pytest.raises(BadSyntax):
        Talk(name).begin(response)


# Every mechanism


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.name.decode())
def test_a_client_may_cancel_and_must_speak_base64(mechanism: Mechanism) -> None:
    exchange = Exchange(mechanism, Doorman())
    exchange.begin(None)
    with pytest.raises(BadSyntax, match="cancelled"):
        exchange.respond(b"*")
    for nonsense in (b"!!!", b"=a", b"YQ", b"YQ==YQ==", b" YQ=="):
        exchange = Exchange(mechanism, Doorman())
        with pytest.raises(BadSyntax):
            exchange.begin(nonsense)


def test_a_lone_equals_sign_is_the_empty_response() -> None:
    doorman = Doorman()
    assert Exchange(BY_NAME[b"EXTERNAL"], doorman).begin(b"=") is None
    assert doorman.told == [("EXTERNAL", "")]


@given(
    st.sampled_from(MECHANISMS),
    st.lists(st.one_of(st.binary(max_size=60), st.text("nyp=,ar\1\0 x", max_size=30).map(str.encode)), max_size=4),
)
def test_whatever_a_client_says_is_a_claim_or_bad(mechanism: Mechanism, said: list[bytes]) -> None:
    doorman = Doorman()
    exchange = Exchange(mechanism, doorman)
    try:
        challenge = exchange.begin(None)
        for response in said:
            if challenge is None:
                break
            assert binascii.a2b_base64(challenge, strict_mode=True) is not None
            challenge = exchange.respond(b64encode(response))
    except (BadSyntax, BadCredentials):
        return
    assert challenge is not None or doorman.told
