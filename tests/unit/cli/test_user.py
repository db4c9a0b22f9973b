"""nmsd user: the users of the embedded directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmsd.directory.ldif_file import parse_ldif
from nmsd.directory.password import verify_password
from tests.unit.cli.instance_stand import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


def password_of(instance: Instance, uid: str) -> str:
    for entry in parse_ldif(instance.ldif.encode()).entries():
        attributes = entry.attributes()
        if attributes.get("uid") == [uid]:
            return attributes["userpassword"][0]
    raise AssertionError(uid)


def test_a_user_is_added_with_netscapes_attributes_and_a_hashed_password(instance: Instance) -> None:
    done = instance.run(
        *("user", "add", "Alice", "--password-stdin", "--name", "Alice Adams", "--alias", "Postmaster@example.com"),
        *("--alias", "@lists.example.com", "--quota", "10M"),
        stdin="sesame öffne\n",
    )
    assert (done.exit_code, done.stdout) == (0, "added alice, mail for alice@example.com\n")
    assert "secret" not in instance.ldif
    assert verify_password(password_of(instance, "alice"), "sesame öffne")
    entry = list(parse_ldif(instance.ldif.encode()).entries())[-1]
    attributes = entry.attributes()
    assert entry.dn == "uid=alice,ou=People,dc=example,dc=com"
    del attributes["userpassword"]
    assert attributes == {
        "objectclass": [
            *("top", "person", "organizationalPerson", "inetOrgPerson", "mailRecipient", "nsMessagingServerUser")
        ],
        "uid": ["alice"],
        "cn": ["Alice Adams"],
        "sn": ["Adams"],
        "mail": ["alice@example.com"],
        "mailalternateaddress": ["postmaster@example.com", "@lists.example.com"],
        "mailquota": ["10485760"],
    }


def test_without_password_stdin_it_asks_twice(instance: Instance) -> None:
    done = instance.run("user", "add", "alice", stdin="one\ntwo\nsame\nsame\n")
    assert done.exit_code == 0
    assert verify_password(password_of(instance, "alice"), "same")


def test_a_name_with_the_domain_is_the_same_user(instance: Instance) -> None:
    instance.add_user("alice@example.com")
    done = instance.run("user", "add", "alice", "--password-stdin", stdin="x\n")
    assert done.exit_code == 1
    assert "there is a user alice already" in done.stderr
    for name in ("alice", "ALICE", "alice@example.com"):
        assert json.loads(instance.run("user", "show", name, "--json").stdout)["login"] == "alice"


def test_a_user_of_another_domain_logs_in_with_the_whole_address(instance: Instance) -> None:
    instance.add_user("bob@other.org")
    shown = json.loads(instance.run("user", "show", "bob@other.org", "--json").stdout)
    assert (shown["login"], shown["mail"]) == ("bob@other.org", "bob@other.org")
    assert instance.run("user", "show", "bob").exit_code == 1


def test_an_address_belongs_to_one_user(instance: Instance) -> None:
    instance.add_user("alice", "--alias", "info@example.com")
    for options in (("--alias", "INFO@example.com"), ("--mail", "info@example.com"), ("--mail", "alice@example.com")):
        done = instance.run("user", "add", "bob", "--password-stdin", *options, stdin="x\n")
        assert done.exit_code == 1
        assert "is alice's already" in done.stderr
    assert "bob" not in instance.ldif


@pytest.mark.parametrize(
    ("arguments", "password", "told"),
    [
        (("al ice",), "x\n", "give one such as alice@example.com"),
        (("alice", "--mail", "alice"), "x\n", "not an address such as alice@example.com"),
        (("alice", "--alias", "@"), "x\n", "give one such as alice@example.com"),
        (("alice", "--quota", "lots"), "x\n", "not a size"),
        (("alice", "--quota", "0"), "x\n", "store.zeroquota says what 0 means"),
        (("alice",), "\n", "the password is empty"),
        (("alice",), "", "the password is empty"),
        (("alice",), "x" * 1025 + "\n", "at most 1024 characters"),
        (("alice",), "a\tb\n", "none of them a control character"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(
    instance: Instance, arguments: tuple[str, ...], password: str, told: str
) -> None:
    before = instance.ldif
    done = instance.run("user", "add", *arguments, "--password-stdin", stdin=password)
    assert done.exit_code == 1
    assert told in done.stderr
    assert instance.ldif == before


def test_passwd_changes_the_password_only(instance: Instance) -> None:
    instance.add_user("alice")
    before = instance.ldif
    done = instance.run("user", "passwd", "alice@example.com", "--password-stdin", stdin="new one\n")
    assert done.exit_code == 0
    assert verify_password(password_of(instance, "alice"), "new one")
    changed = [line for line in instance.ldif.splitlines() if line not in before.splitlines()]
    assert all(line.startswith(("userPassword: ", " ")) for line in changed)


def test_remove_takes_the_entry_and_nothing_else(instance: Instance) -> None:
    before = instance.ldif
    instance.add_user("alice")
    instance.add_user("bob")
    assert instance.run("user", "remove", "alice").exit_code == 0
    assert "uid=alice" not in instance.ldif
    assert instance.run("user", "remove", "bob").exit_code == 0
    assert instance.ldif.rstrip("\n") == before.rstrip("\n")
    gone = instance.run("user", "remove", "bob")
    assert gone.exit_code == 1
    assert "there is no user bob" in gone.stderr


def test_list_shows_all_users_as_a_table_and_as_json(instance: Instance) -> None:
    instance.add_user("alice", "--name", "Alice Ädams", "--quota", "1G")
    instance.add_user("bob")
    table = instance.run("user", "list").stdout.splitlines()
    assert table == [
        "LOGIN  MAIL               STATUS  QUOTA  NAME",
        "alice  alice@example.com  active  1G     Alice Ädams",
        "bob    bob@example.com    active  -      bob",
    ]
    users = json.loads(instance.run("user", "list", "--json").stdout)
    assert [(user["login"], user["quota"]) for user in users] == [("alice", 1 << 30), ("bob", None)]


def test_show_tells_all_but_the_password(instance: Instance) -> None:
    instance.add_user("alice", "--alias", "info@example.com")
    shown = instance.run("user", "show", "info").stdout
    assert "aliases:   info@example.com\n" in shown
    assert "argon2" not in shown.lower()


def test_a_broken_file_is_told_with_its_line_and_left_alone(instance: Instance) -> None:
    path = instance.path / "etc" / "directory.ldif"
    path.write_text("dn: cn=a\nnonsense\n")
    for arguments in (("list",), ("show", "a"), ("add", "a", "--password-stdin"), ("remove", "a")):
        done = instance.run("user", *arguments, stdin="x\n")
        assert done.exit_code == 1
        assert "directory.ldif: line 2: no attribute name" in done.stderr
    assert path.read_text() == "dn: cn=a\nnonsense\n"


def test_users_in_ldap_are_not_its_business(instance: Instance) -> None:
    instance.set("local.ugldaphost", "ldap.example.com")
    instance.set("local.ugldapbasedn", "dc=example,dc=com")
    for arguments in (("list",), ("add", "alice", "--password-stdin")):
        done = instance.run("user", *arguments, stdin="x\n")
        assert done.exit_code == 1
        assert "the users are in the directory at" in done.stderr


def test_passwords_are_kept_for_scram_too_where_the_settings_say_so(instance: Instance) -> None:
    assert instance.run("user", "add", "early", "--password-stdin", stdin="sesame\n").exit_code == 0
    assert instance.run("config", "set", "password.scram", "yes").exit_code == 0
    assert instance.run("config", "set", "password.scramiterations", "4096").exit_code == 0
    assert instance.run("user", "add", "alice", "--password-stdin", stdin="sesame\n").exit_code == 0
    assert [kinds_of(instance, name) for name in ("early", "alice")] == [["ARGON2"], ["ARGON2", "SCRAM-SHA-256"]]

    told = instance.run("explain", "login", "early").stdout
    assert "none: a client that chooses SCRAM is told that the password is wrong" in told
    assert "`nmsd user passwd early` makes them" in told
    assert "there are some" in instance.run("explain", "login", "alice").stdout

    assert instance.run("user", "passwd", "early", "--password-stdin", stdin="open\n").exit_code == 0
    assert kinds_of(instance, "early") == ["ARGON2", "SCRAM-SHA-256"]
    for entry in parse_ldif(instance.ldif.encode()).entries():
        if entry.attributes().get("uid") == ["early"]:
            assert all(verify_password(value, "open") for value in entry.attributes()["userpassword"])

    assert instance.run("user", "add", "bell", "--password-stdin", stdin="ding\u202e\n").exit_code != 0
    assert instance.run("config", "set", "password.scramiterations", "4095").exit_code != 0


def kinds_of(instance: Instance, uid: str) -> list[str]:
    for entry in parse_ldif(instance.ldif.encode()).entries():
        attributes = entry.attributes()
        if attributes.get("uid") == [uid]:
            return [value.partition("}")[0].lstrip("{") for value in attributes["userpassword"]]
    raise AssertionError(uid)
