"""The REST interface: what each operation does, which token may, and what the description says of it."""

from __future__ import annotations

import imaplib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from nmsd.console.tokens import SCOPES, Tokens
from tests.clients.harness import Instance, Line, Person, instance_directory, login
from tests.console.conftest import ADMIN
from tests.console.rest import Client, make_token

_numbers = count(1)


@pytest.fixture(scope="module")
def running() -> Iterator[Instance]:
    """A server that answers failures without delay."""
    with instance_directory() as directory:
        settings = {"store.admins": ADMIN.name, "service.console.enable": "yes", "service.badlogin.delay": 0}
        server = Instance.make(directory, settings)
        server.add_user(ADMIN.name)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def all_scopes(running: Instance) -> str:
    return make_token(running, "all", *SCOPES)


@pytest.fixture
def client(running: Instance, all_scopes: str) -> Client:
    """A client with a token for everything."""
    return Client(running, all_scopes)


def limited(server: Instance, *scopes: str) -> Client:
    """A client with a new token, made as the command makes it, but in a moment."""
    _, text = Tokens(str(server.directory)).add(f"limited{next(_numbers)}", frozenset(scopes), time.time())
    folder = (server.directory / "etc").stat()
    os.chown(server.directory / "etc/tokens", folder.st_uid, folder.st_gid)
    return Client(server, text)


# Tokens


@pytest.mark.parametrize("token", ["", "x", "nmsd_", "nmsd_00000000_AAAA", "nmsd_a_b_c", "é" * 10, "x" * 5000])
def test_without_a_good_token_nothing_is_told(running: Instance, token: str) -> None:
    reply = Client(running, token.encode().decode("latin-1")).ask("GET", "status")
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].lower() == "bearer"
    assert reply.json["message"]


def test_a_session_of_the_console_is_no_token(running: Instance) -> None:
    reply = Client(running).ask("GET", "status", Cookie="__Host-nmsd=x")
    assert reply.status == 401


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "status", {"read", "services"}),
        ("GET", "workers", {"read"}),
        ("GET", "settings", {"read", "settings"}),
        ("PATCH", "settings", {"settings"}),
        ("GET", "sessions", {"read", "sessions"}),
        ("DELETE", "sessions/none", {"sessions"}),
        ("GET", "users", {"read", "users"}),
        ("POST", "users", {"users"}),
        ("DELETE", "users/nobody", {"users"}),
        ("PUT", "users/nobody/password", {"users"}),
        ("POST", "services/pop/start", {"services"}),
        ("POST", "directory/flush", {"services"}),
        ("GET", "logs/nmsd", {"read"}),
        ("GET", "accounts", {"read"}),
        ("GET", "explain/login?login=root", {"read"}),
    ],
)
def test_a_token_is_good_for_its_scopes_alone(running: Instance, method: str, path: str, scopes: set[str]) -> None:
    without = limited(running, *(set(SCOPES) - scopes)).ask(method, path)
    assert without.status == 403
    assert "scope" in without.json["message"]
    for scope in scopes:
        assert limited(running, scope).ask(method, path).status != 403


def test_a_revoked_token_and_an_expired_one_are_refused_at_once(running: Instance, all_scopes: str) -> None:
    client = Client(running, make_token(running, "gone", "read", days=1))
    assert client.ask("GET", "status").status == 200
    path = running.directory / "etc/tokens"
    assert path.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert client.token.split("_", 2)[2] not in path.read_text(), "only hashes are kept"
    listed = {each["name"]: each for each in json.loads(running.nmsd("token", "list", "--json").stdout)}
    assert listed["gone"]["used"] is not None
    assert listed["all"]["expires"] is None
    expired = [{**each, "expires": 1.0} if each["name"] == "gone" else each for each in lines]
    path.write_text("".join(json.dumps(each) + "\n" for each in expired))
    assert client.ask("GET", "status").status == 401
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    assert client.ask("GET", "status").status == 200
    running.nmsd("token", "revoke", "gone")
    assert client.ask("GET", "status").status == 401


def test_who_guesses_tokens_is_held_back_as_who_guesses_passwords(running: Instance) -> None:
    log = running.directory / "log/nmsd.log"
    before = log.read_text().count("badlogin: [127.0.0.1] token")
    for _ in range(3):
        Client(running, "nmsd_00000000_wrong").ask("GET", "status")
    assert log.read_text().count("badlogin: [127.0.0.1] token") == before + 3


def test_names_and_scopes_of_tokens_are_checked(running: Instance) -> None:
    make_token(running, "twice", "read")
    for words in (("twice", "--scope", "read"), ("", "--scope", "read"), ("x\ny", "--scope", "read")):
        assert running.nmsd("token", "add", *words, check=False).returncode == 1
    for words in (("other",), ("other", "--scope", "all"), ("other", "--scope", "read", "--days", "0")):
        assert running.nmsd("token", "add", *words, check=False).returncode == 2
    assert running.nmsd("token", "revoke", "nobody", check=False).returncode == 1
    running.nmsd("config", "set", "service.console.maxtokens", "1")
    refused = running.nmsd("token", "add", "more", "--scope", "read", check=False)
    assert b"tokens already" in refused.stderr
    running.nmsd("config", "unset", "service.console.maxtokens")


# Operations


def test_status_workers_and_counters_are_those_of_the_command(running: Instance, client: Client) -> None:
    told = json.loads(running.nmsd("status", "--json").stdout)
    status = client.ask("GET", "status").json
    assert status["version"] == told["version"]
    assert [each["name"] for each in status["services"]] == [each["name"] for each in told["services"]]
    assert client.ask("GET", "services/imap").json["state"] == "running"
    assert client.ask("GET", "services/telnet").status == 404
    pids = {worker["pid"] for each in told["services"] for worker in each["workers"]}
    assert {each["pid"] for each in client.ask("GET", "workers").json} == pids
    with running.imap(running.add_user()):
        counted = {each["service"]: each for each in client.ask("GET", "counters").json}
    assert counted["imap"]["commands"]["LOGIN"]["OK"] >= 1


def test_a_session_is_listed_and_disconnected(running: Instance, client: Client) -> None:
    someone = running.add_user()
    with Line(running.port(993), running.tls()) as line:
        login(line, someone)
        line.ask(b"SELECT Drafts")
        found = client.ask("GET", f"sessions?user={someone.address}").json
        assert found["count"] == 1
        [session] = found["sessions"]
        assert (session["state"], session["mailbox"], session["tls"]) == ("selected", "Drafts", True)
        assert session["share"] > 0
        assert client.ask("GET", "sessions?service=pop").json["count"] == 0
        assert client.ask("DELETE", f"sessions/{session['id']}").status == 204
        assert b"* BYE" in line.rest()
    assert client.ask("DELETE", f"sessions/{session['id']}").status == 404
    assert "DELETE /api/v1/sessions/" in running.log(), "it is in the log who did"
    assert '"token all"' in running.log()


def test_a_setting_is_changed_at_its_version_and_a_late_change_is_told(running: Instance, client: Client) -> None:
    got = client.ask("GET", "settings?prefix=service.imap.idletimeout")
    version = got.json["version"]
    assert got.headers["ETag"] == f'"{version}"'
    assert [each["value"] for each in got.json["settings"]] == ["30"]
    changes = {"changes": {"service.imap.idletimeout": "43"}}
    changed = client.ask("PATCH", "settings", changes, If_Match=got.headers["ETag"])
    assert changed.status == 200
    assert changed.json["changed"] == ["service.imap.idletimeout"]
    assert running.nmsd("config", "get", "service.imap.idletimeout").stdout == b"43\n"
    assert client.ask("PATCH", "settings", changes, If_Match=got.headers["ETag"]).status == 412
    assert client.ask("PATCH", "settings", changes).status == 422, "a version is needed"
    back = client.ask(
        "PATCH", "settings", {"changes": {"service.imap.idletimeout": None}}, If_Match=changed.json["version"]
    )
    assert back.status == 200
    assert client.ask("GET", "settings/service.imap.idletimeout").json["origin"] == "default"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"service.imap.idletimeout": "0"}, "below what is allowed"),
        ({"service.imap.idletimeouts": "5"}, "no such setting"),
        ({"service.imap.idletimeout": "44", "service.imap.port": "many"}, "not a whole number"),
        ({"service.imap.banner": "a\nb"}, "Control characters"),
    ],
)
def test_a_value_that_is_wrong_changes_nothing(
    running: Instance, client: Client, changes: dict[str, str], told: str
) -> None:
    before = running.configuration.read_bytes()
    version = client.ask("GET", "settings?prefix=none").json["version"]
    reply = client.ask("PATCH", "settings", {"changes": changes}, If_Match=version)
    assert reply.status == 422
    assert told in json.dumps(reply.json["errors"])
    assert running.configuration.read_bytes() == before


def test_secrets_are_never_told(client: Client) -> None:
    found = {each["name"]: each for each in client.ask("GET", "settings").json["settings"]}
    assert found["local.ugldapbindcred"]["secret"]
    assert found["local.ugldapbindcred"]["value"] is None


def test_a_service_is_turned_off_and_on(running: Instance, client: Client) -> None:
    assert client.ask("POST", "services/pop/stop").json["name"] == "pop"
    with pytest.raises(OSError):
        running.pop()
    assert client.ask("POST", "services/pop/start").json["state"] == "running"
    assert running.pop().getwelcome().startswith(b"+OK")
    for path in ("services/console/stop", "services/pop/kill", "services/nmsd/stop"):
        assert client.ask("POST", path).status == 404
    assert client.ask("POST", "reload").json == {"restart_needed": []}


def test_a_user_is_added_changed_and_removed(running: Instance, client: Client) -> None:
    new = {"login": "dora", "password": "a good one 5", "aliases": ["d@example.com"], "quota": "2M"}
    made = client.ask("POST", "users", new)
    assert made.status == 201
    assert made.json["mail"] == "dora@example.com"
    assert made.json["quota"] == 2 << 20
    assert client.ask("POST", "users", new).status == 409
    with running.imap(Person("dora", new["password"])):
        pass
    changed = client.ask("PATCH", "users/dora", {"status": "inactive", "aliases": []})
    assert (changed.json["status"], changed.json["aliases"]) == ("inactive", [])
    with pytest.raises(imaplib.IMAP4.error):
        running.imap(Person("dora", new["password"]))
    client.ask("PATCH", "users/d@example.com", {"status": "active"})
    assert client.ask("PATCH", "users/dora", {"status": "active"}).status == 200
    assert client.ask("PUT", "users/dora/password", {"password": "another one 6"}).status == 204
    with running.imap(Person("dora", "another one 6")):
        pass
    assert client.ask("GET", "users/dora@example.com").json["login"] == "dora"
    assert [each["login"] for each in client.ask("GET", "users?q=dora").json] == ["dora"]
    assert "password" not in client.ask("GET", "users/dora").json
    assert client.ask("DELETE", "users/dora").status == 204
    assert client.ask("GET", "users/dora").status == 404
    assert client.ask("DELETE", "users/dora").status == 404


def test_a_token_for_users_makes_nobody_an_administrator(running: Instance) -> None:
    client = Client(running, make_token(running, "keeper", "users"))
    running.nmsd("config", "set", "store.admins", f"{ADMIN.name}, chief, boss@example.com")
    running.nmsd("reload")
    someone = running.add_user().name
    try:
        for name in (ADMIN.name, ADMIN.address, ADMIN.name.upper()):
            assert client.ask("PUT", f"users/{name}/password", {"password": "mine now 1"}).status == 403
            assert client.ask("PATCH", f"users/{name}", {"status": "inactive"}).status == 403
            assert client.ask("DELETE", f"users/{name}").status == 403
        for new in ({"login": "chief"}, {"login": "boss"}, {"login": "x", "aliases": ["boss@example.com"]}):
            assert client.ask("POST", "users", {"password": "mine now 1", **new}).status == 403
        assert (
            client.ask("PATCH", f"users/{someone}", {"aliases": ["Chief@example.com", "Boss@Example.com"]}).status
            == 403
        )
        assert client.ask("PATCH", f"users/{someone}", {"aliases": ["other@example.com"]}).status == 200
        both = Client(running, make_token(running, "both", "users", "settings"))
        assert both.ask("PATCH", f"users/{ADMIN.name}", {"name": "The Chief"}).status == 200
    finally:
        running.nmsd("config", "set", "store.admins", ADMIN.name)
        running.nmsd("reload")


def test_accounts_mailboxes_logins_directory_and_logs_are_told(running: Instance, client: Client) -> None:
    someone = running.add_user()
    running.append(someone, [b"Subject: x\r\n\r\n" + b"y" * 986])
    account = client.ask("GET", f"accounts/{someone.address}").json
    assert (account["messages"], account["size"]) == (1, 1000)
    assert someone.address in [each["name"] for each in client.ask("GET", "accounts").json["accounts"]]
    mailboxes = {each["name"]: each for each in client.ask("GET", f"accounts/{someone.address}/mailboxes").json}
    assert mailboxes["INBOX"]["unseen"] == 1
    assert client.ask("GET", "accounts/nobody@example.com").status == 404
    explained = client.ask("GET", f"explain/login?login={someone.name}&service=pops&from=192.0.2.1").json
    assert explained["admitted"]
    assert explained["steps"][-1]["what"] == "result"
    assert client.ask("GET", "explain/login?login=x&from=moon").status == 422
    assert client.ask("POST", "directory/test").json["good"]
    assert client.ask("POST", "directory/flush").status == 204
    lines = client.ask("GET", "logs/nmsd?lines=2").json["lines"]
    assert len(lines) == 2
    assert "POST /api/v1/directory/flush" in lines[-1]
    assert client.ask("GET", "logs/..%2f..%2fetc%2fnmsd.conf").status == 404


# The description


def test_the_description_is_openapi_31_and_open_to_all(running: Instance) -> None:
    description = Client(running).ask("GET", "openapi.json").json
    assert description["openapi"] == "3.1.0"
    operations = [
        (path, method) for path, each in description["paths"].items() for method in each if method != "parameters"
    ]
    assert len(operations) > 20
    for path, method in operations:
        found = description["paths"][path][method]
        assert found["security"] == [{"token": []}]
        assert found["summary"]
        assert {"401", "403", "429", "503"} <= set(found["responses"])


def test_requests_of_every_shape_get_answers_as_described(running: Instance, all_scopes: str, tmp_path: Path) -> None:
    """Schemathesis makes requests up from the description and checks each answer against it."""
    command = [sys.executable, "-m", "schemathesis.cli", "run"]
    url = f"https://localhost:{running.port(8443)}/api/v1/openapi.json"
    done = subprocess.run(
        [
            *command,
            url,
            *("--tls-verify", str(running.certificate)),
            *("--header", f"Authorization: Bearer {all_scopes}"),
            *("--max-examples", "5", "--seed", "1", "--request-timeout", "60", "--no-color"),
            # Each of these stops and starts workers; what a value has to be beyond its shape is in words.
            *("--exclude-path-regex", "/reload|/services/.*/"),
            *("--exclude-checks", "positive_data_acceptance"),
        ],
        cwd=tmp_path,  # where it keeps what it found
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    told = "\n".join(line[:300] for line in done.stdout.splitlines())
    assert done.returncode == 0, told + done.stderr
    assert "Test cases:" in told
    assert "Traceback" not in running.log()
    assert "a page failed" not in running.log()
