"""Bearer tokens: which are taken, and which are not, and why."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from nmsd.config.setting import Config
from nmsd.directory.token import TokenKeys
from nmsd.model.errors import BadCredentials, DirectoryUnavailable

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
ISSUER = "https://id.example.com/"


def published(kind: Any, key: Any, **said: str) -> dict[str, Any]:
    """A key as an identity provider publishes it."""
    return {**json.loads(kind.to_jwk(key.public_key())), **said}


KEYS = [
    published(RSAAlgorithm, RSA, kid="r1", use="sig", alg="RS256"),
    published(ECAlgorithm, CURVE, kid="e1"),
    published(OKPAlgorithm, EDWARDS, kid="o1"),
    published(RSAAlgorithm, OTHER, kid="encryption", use="enc"),
    {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "shared"},
    {"kty": "of the future", "kid": "f1"},
]


class Office:
    """Keys in a file, and what judges tokens by them."""

    def __init__(self, folder: Path, **values: Any) -> None:
        self.path = folder / "keys.json"
        self.write({"keys": KEYS})
        self.logged: list[str] = []
        plain = {
            "sasl.oauth.keyset": "keys.json",
            "sasl.oauth.issuer": ISSUER,
            "sasl.oauth.audience": ("mail.example.com", "imap"),
        }
        self.config = Config(
            {**plain, **{name.replace("__", "."): value for name, value in values.items()}}, str(folder)
        )
        self.tokens = TokenKeys(self.config, lambda level, category, text, **fields: self.logged.append(text))

    def write(self, content: Any) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        self.path.with_suffix(".new").write_text(text)
        self.path.with_suffix(".new").replace(self.path)

    def refusal(self, token: str) -> str:
        with pytest.raises(BadCredentials) as refused:
            self.tokens.user_name(token)
        return str(refused.value)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def claims(**changed: Any) -> dict[str, Any]:
    """A good token's claims, with changes; None takes one out."""
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": "imap", "exp": now + 300, "iat": now, "email": "alice@example.com"}
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "r1", **changed: Any) -> str:
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers=headers)


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA, "RS256", "r1"), (CURVE, "ES256", "e1"), (EDWARDS, "EdDSA", "o1")]
)
def test_a_token_that_a_key_of_the_set_signed_names_its_user(
    office: Office, key: Any, algorithm: str, kid: str
) -> None:
    assert office.tokens.user_name(token(key, algorithm, kid)) == "alice@example.com"
    assert office.tokens.user_name(token(key, algorithm, None)) == "alice@example.com"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: token(OTHER), "signature"),
        (lambda: token(kid="another"), "not in the key set"),
        (lambda: token(OTHER, kid="encryption"), "not in the key set"),
        (lambda: token(algorithm="PS256"), "not in the key set"),  # the key says that it is for RS256
        (lambda: token(algorithm="RS512"), "'RS512', which is not allowed"),
        (lambda: token("secret-secret-secret-secret-secret", "HS256", "shared"), "'HS256', which is not allowed"),
        (lambda: token(None, "none"), "'none', which is not allowed"),
        (lambda: token(exp=int(time.time()) - 60), "expired"),
        (lambda: token(exp=None), "exp"),
        (lambda: token(nbf=int(time.time()) + 600), "not yet valid"),
        (lambda: token(iss="https://other.example.com/"), "issuer"),
        (lambda: token(iss=None), "iss"),
        (lambda: token(aud="web"), "udience"),
        (lambda: token(aud=None), "aud"),
        (lambda: token(email=None), "names no user"),
        (lambda: token(email=["alice@example.com"]), "names no user"),
        (lambda: token(email=" "), "names no user"),
        (lambda: token(email_verified=False), "not verified the address"),
        (lambda: "", "no token"),
        (lambda: "a.b.c", "cannot be read"),
        (lambda: "x" * 40_000, "no token"),
        (lambda: token()[:-21], ""),
    ],
)
def test_a_token_that_is_no_good_is_refused_with_the_reason(office: Office, made: Any, words: str) -> None:
    assert words in office.refusal(made())


def test_a_token_whose_claims_were_changed_is_refused(office: Office) -> None:
    head, _, signature = token().split(".")
    forged = base64.urlsafe_b64encode(json.dumps(claims(email="root@example.com")).encode()).rstrip(b"=").decode()
    assert "signature" in office.refusal(f"{head}.{forged}.{signature}")


def test_a_public_key_is_no_shared_secret(office: Office) -> None:
    """The oldest trick: an RSA key's text as the secret of a token signed with HS256."""
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"r1"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=").decode()
    assert "not allowed" in office.refusal(f"{header}.{body}.AAAA")


def test_clocks_may_differ_by_the_leeway(office: Office) -> None:
    assert office.tokens.user_name(token(exp=int(time.time()) - 10))
    office.config.adopt(Config({**office.config._values, "sasl.oauth.leeway": 0}))
    assert "expired" in office.refusal(token(exp=int(time.time()) - 10))


def test_a_token_may_be_meant_for_several(office: Office) -> None:
    assert office.tokens.user_name(token(aud=["web", "mail.example.com"]))


def test_the_claim_the_scope_and_the_algorithms_are_settings(tmp_path: Path) -> None:
    office = Office(
        tmp_path,
        sasl__oauth__userclaim="preferred_username",
        sasl__oauth__scope="mail",
        sasl__oauth__algorithms=("ES256",),
    )
    for scopes in ({"scope": "openid mail"}, {"scp": ["mail"]}, {"scp": "mail"}):
        good = token(CURVE, "ES256", "e1", preferred_username="alice", **scopes)
        assert office.tokens.user_name(good) == "alice"
    assert "no scope mail" in office.refusal(token(CURVE, "ES256", "e1", preferred_username="alice", scope="mailing"))
    assert "not allowed" in office.refusal(token(preferred_username="alice", scope="mail"))


def test_a_new_key_set_counts_at_once(office: Office) -> None:
    fresh = token(OTHER, kid="r2")
    assert "not in the key set" in office.refusal(fresh)
    office.write({"keys": [published(RSAAlgorithm, OTHER, kid="r2")]})
    assert office.tokens.user_name(fresh)
    assert "not in the key set" in office.refusal(token())


@pytest.mark.parametrize("content", ["", "[]", '{"keys": 5}', '{"keys": []}', '{"keys": [1, {"kty": "oct"}]}', "{"])
def test_a_key_set_that_cannot_be_read_leaves_the_keys_there_were(office: Office, content: str) -> None:
    assert office.tokens.user_name(token())
    office.write(content)
    assert office.tokens.user_name(token())
    assert office.tokens.user_name(token())
    assert len(office.logged) == 1
    assert "the keys before the change stay" in office.logged[0]


def test_without_any_keys_logins_are_temporarily_impossible(tmp_path: Path) -> None:
    office = Office(tmp_path)
    os.remove(office.path)
    for _ in range(2):
        with pytest.raises(DirectoryUnavailable):
            office.tokens.user_name(token())
    assert len(office.logged) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=60), st.lists(st.binary(max_size=30), min_size=3, max_size=3)))
def test_any_text_is_refused_and_none_raises(office: Office, text: str | list[bytes]) -> None:
    if not isinstance(text, str):
        text = ".".join(base64.urlsafe_b64encode(piece).decode() for piece in text)
    office.refusal(text)
