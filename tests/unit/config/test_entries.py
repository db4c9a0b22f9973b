"""Settings in entries of a directory: what they say, what is wrong in them, and what has to change for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.config import directory, kinds
from nmsd.config.entries import SERVER_ENTRY, SHARED_ENTRY, Entries, Entry, interpret, locate
from nmsd.config.file import known_settings
from nmsd.config.load import Loaded, read
from nmsd.config.local_copy import copy_path, read_copy, write_copy
from nmsd.config.publish import base_entry, edits, plan
from nmsd.config.schema import schema_files
from nmsd.config.setting import Config, Section, Setting

PORT = Setting("service.imap.port", kinds.port(), 143, "A port.")
SESSIONS = Setting("service.imap.maxsessions", kinds.integer(1, 9), 4, "A number.", attribute="nsmsgMaxSessions")
POP_SESSIONS = Setting("service.pop.maxsessions", kinds.integer(1, 9), 4, "A number.", attribute="nsmsgMaxSessions")
ADMINS = Setting("store.admins", kinds.words(), (), "Names.", attribute="nsmsgAdmins")
BANNER = Setting("service.imap.banner", kinds.text(), "hello", "Words.", attribute="nsmsgBanner")
NOWHERE = Setting("service.lmtp.banner", kinds.text(), "hello", "Words.", attribute="nsmsgBanner")
SETTINGS = (PORT, SESSIONS, POP_SESSIONS, ADMINS, BANNER, NOWHERE)
SECTIONS = (Section("Some", SETTINGS), directory.SECTION)
KNOWN = known_settings(SECTIONS)
OWN, SHARED = "cn=mx1,dc=example", "cn=all,dc=example"


def entry(*settings: str, place: str = SERVER_ENTRY, dn: str = "", classes: str = "", **attributes: str) -> Entry:
    """An entry; several values of an attribute have | between."""
    values = {name.lower(): tuple(text.split("|")) for name, text in attributes.items()}
    if settings:
        values["nmsdsetting"] = settings
    name = dn or (OWN if place == SERVER_ENTRY else SHARED)
    return Entry(place, name, ("nmsdConfig", *classes.split()), values)  # type: ignore[arg-type]


def entries(*found: Entry) -> Entries:
    return Entries(OWN, SHARED, 1000.0, found)


def loaded(tmp_path: Path, found: Entries | None, text: str = "", **environ: str) -> Loaded:
    (tmp_path / "etc").mkdir(exist_ok=True)
    leads = f"local.ldaphost = ldap://ds\nlocal.ldapsiedn = {OWN}\nlocal.ldapshareddn = {SHARED}\n"
    (tmp_path / "etc/nmsd.conf").write_text(leads + text)
    return read(str(tmp_path), SECTIONS, environ=environ, entries=found)


def test_file_own_entry_shared_entry_and_default_in_this_order(tmp_path: Path) -> None:
    shared = entry("service.imap.port=1", "service.imap.maxsessions=1", "service.imap.banner=x", place=SHARED_ENTRY)
    own = entry("service.imap.port=2", "service.imap.maxsessions=2")
    found = loaded(tmp_path, entries(shared, own), "service.imap.port = 3\n")
    assert (found.config[PORT], found.config[SESSIONS], found.config[BANNER]) == (3, 2, "x")
    assert found.config[POP_SESSIONS] == 4
    assert str(found.origins[SESSIONS.name]) == f"server entry {OWN}"
    assert str(found.origins[BANNER.name]) == f"shared entry {SHARED}"
    assert found.origins[BANNER.name].note == (
        f"from the shared entry {SHARED}; a value saved here holds for this server, and is stronger"
    )
    assert not any(found.origins[setting.name].beats_file for setting in (PORT, SESSIONS, BANNER))
    assert loaded(tmp_path, None, NMSD_SERVICE_IMAP_PORT="7").origins[PORT.name].beats_file


def test_entries_count_only_where_the_file_names_a_directory(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nmsd.conf").write_text("")
    found = read(str(tmp_path), SECTIONS, environ={}, entries=entries(entry("service.imap.port=2")))
    assert found.config[PORT] == 143
    assert found.entries is None
    assert not found.lacks_entries
    assert loaded(tmp_path, None).lacks_entries


def test_an_attribute_of_netscapes_is_the_setting_that_the_entrys_class_says() -> None:
    attributes = {"nsmsgMaxSessions": "7", "nsmsgBanner": "b", "nsmsgAdmins": "alice|bob"}

    def names(classes: str) -> dict[str, str]:
        found = interpret(entries(entry(classes=classes, **attributes)), KNOWN)
        assert found.problems == []
        return {name: value.text for name, value in found.values[SERVER_ENTRY].items()}

    assert names("") == {}
    assert names("NSMSGCFGIMAP") == {SESSIONS.name: "7", BANNER.name: "b"}
    assert names("nsmsgCfgPOP") == {POP_SESSIONS.name: "7"}
    assert names("nsmsgCfgIMAP nsmsgCfgPOP") == {SESSIONS.name: "7", POP_SESSIONS.name: "7", BANNER.name: "b"}
    assert names("nsmsgCfgStore nsmsgCfgService") == {ADMINS.name: "alice, bob"}


def test_one_setting_in_two_places_of_one_server_is_told() -> None:
    child = entry(dn=f"cn=imap,{OWN}", classes="nsmsgCfgIMAP", nsmsgMaxSessions="7|8")
    found = interpret(entries(entry("service.imap.maxsessions=5"), child), KNOWN)
    where = f"cn=imap,{OWN}: nsmsgMaxSessions: service.imap.maxsessions"
    told = f"{where}: is set twice, also in {OWN}: nmsdSetting; keep one of the two"
    assert [str(problem) for problem in found.problems] == [told, told]


def test_a_secret_that_is_wrong_is_not_repeated(tmp_path: Path) -> None:
    secret = Setting("local.secret", kinds.integer(1, 2), 1, "A secret.", secret=True)
    found = interpret(entries(entry("local.secret=12345")), known_settings((Section("", (secret,)),)))
    assert "12345" not in str(found.problems[0])
    assert "(secret)" in str(found.problems[0])


@given(st.lists(st.tuples(st.sampled_from([s.name for s in SETTINGS] + ["x.y", "", "local.ldaphost"]), st.text())))
def test_whatever_is_in_an_entry_every_value_is_taken_or_told(values: list[tuple[str, str]]) -> None:
    found = interpret(entries(entry(*(f"{name}={text}" for name, text in values))), KNOWN)
    assert len(found.values[SERVER_ENTRY]) + len(found.problems) == len(values)


# What has to change


def apply(before: Entries, changes: dict[str, dict[str, tuple[list[str], list[str]]]]) -> Entries:
    """What a directory makes of it: values to delete must be there, values to add must not."""
    found = {each.dn: each for each in before.found}
    for dn, attributes in changes.items():
        for attribute, (old, new) in attributes.items():
            values = list(found[dn].attributes.get(attribute.lower(), ()))
            for value in old:
                values.remove(value)
            assert not set(values) & set(new)
            assert len(set(new)) == len(new)
            after = {**found[dn].attributes, attribute.lower(): (*values, *new)}
            found[dn] = replace(found[dn], attributes=after)
    return replace(before, found=tuple(found.values()))


_TEXTS = {PORT.name: ["1", "2", "x"], SESSIONS.name: ["1", "2", "50"], ADMINS.name: ["a", "a, b", "b,a"]}


@given(
    st.lists(st.sampled_from([f"{name}={text}" for name, texts in _TEXTS.items() for text in texts]), unique=True),
    st.sampled_from(["", "1", "2|3"]),
    st.dictionaries(st.sampled_from([PORT.name, SESSIONS.name]), st.sampled_from(["1", "2"]), min_size=1),
    st.booleans(),
)
def test_after_the_changes_the_entry_says_what_was_asked_once(
    there: list[str], attribute: str, texts: dict[str, str], with_admins: bool
) -> None:
    wanted = {**texts, **({ADMINS.name: "a, b"} if with_admins else {})}
    child = entry(dn=f"cn=imap,{OWN}", classes="nsmsgCfgIMAP", **({"nsmsgMaxSessions": attribute} if attribute else {}))
    before = entries(entry(*there), child, entry("service.imap.port=9", place=SHARED_ENTRY))
    after = apply(before, edits(plan(before, SERVER_ENTRY, wanted, KNOWN)))
    said: dict[str, list[str]] = {}
    for value in locate(after, KNOWN):
        if value.place == SERVER_ENTRY:
            said.setdefault(value.name, []).append(value.text)
    for name, text in wanted.items():
        [found] = said[name]
        assert KNOWN[name].kind.parse(found) == KNOWN[name].kind.parse(text)
    assert plan(after, SERVER_ENTRY, wanted, KNOWN) == []
    untouched = [value for value in there if value.partition("=")[0] not in wanted]
    base = base_entry(after, SERVER_ENTRY)
    assert base is not None
    assert set(untouched) <= set(base.attributes.get("nmsdsetting", ()))


def test_a_setting_stays_in_the_attribute_it_stands_in() -> None:
    child = entry(dn=f"cn=imap,{OWN}", classes="nsmsgCfgIMAP", nsmsgMaxSessions="7")
    before = entries(entry(), child)
    assert edits(plan(before, SERVER_ENTRY, {SESSIONS.name: "8", PORT.name: "9"}, KNOWN)) == {
        f"cn=imap,{OWN}": {"nsmsgMaxSessions": (["7"], ["8"])},
        OWN: {"nmsdSetting": ([], ["service.imap.port=9"])},
    }


# The copy


def config(tmp_path: Path, own: str = OWN, shared: str = SHARED) -> Config:
    return Config({directory.SERVER_DN.name: own, directory.SHARED_DN.name: shared}, str(tmp_path))


def test_the_copy_gives_back_what_was_read_to_those_who_have_the_same_entries(tmp_path: Path) -> None:
    found = entries(entry("a=ü", "b=\x01"), entry(place=SHARED_ENTRY, nsmsgAdmins="x|y"))
    assert read_copy(config(tmp_path)) is None
    write_copy(str(tmp_path), found)
    write_copy(str(tmp_path), found)
    assert read_copy(config(tmp_path)) == found
    assert read_copy(config(tmp_path, own=OWN.upper())) == found
    assert read_copy(config(tmp_path, shared="")) is None
    assert read_copy(config(tmp_path, own="cn=other")) is None
    path = Path(copy_path(str(tmp_path)))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_reader_takes_the_copy_where_no_entries_are_given(tmp_path: Path) -> None:
    write_copy(str(tmp_path), entries(entry("service.imap.port=2")))
    assert loaded(tmp_path, None).config[PORT] == 2
    assert loaded(tmp_path, entries(entry("service.imap.port=3"))).config[PORT] == 3


@pytest.mark.parametrize("size", [0, 1, 40, 200])
def test_a_copy_that_was_cut_off_is_none(tmp_path: Path, size: int) -> None:
    write_copy(str(tmp_path), entries(entry("service.imap.port=2")))
    path = Path(copy_path(str(tmp_path)))
    path.write_bytes(path.read_bytes()[:size])
    assert loaded(tmp_path, None).lacks_entries


@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"own": 1}', "\x00\xff", '{"own":"cn=mx1,dc=example","shared":"","time":0,"found":[1]}']
)
def test_a_copy_that_is_none_is_not_taken(tmp_path: Path, content: str) -> None:
    write_copy(str(tmp_path), entries())
    Path(copy_path(str(tmp_path))).write_bytes(content.encode("latin-1"))
    assert loaded(tmp_path, None).lacks_entries


# The schema


def test_the_schema_has_every_attribute_in_its_classes_and_numbers_that_stay() -> None:
    files = schema_files(SECTIONS)
    plain = {name: " ".join(text.replace("\n ", "").split()) for name, text in files.items() if name.endswith("ldif")}
    for text in plain.values():
        assert "NAME 'nsmsgCfgIMAP'" in text
        assert "MAY ( nsmsgBanner $ nsmsgMaxSessions ) )" in text
        assert "DESC 'service.imap.maxsessions, service.pop.maxsessions'" in text
        assert "2.25.76055068443912899942271472562285130255 NAME 'nmsdSetting'" in text
        assert text.count("SINGLE-VALUE") == 2  # a list may have several values, and so may nmsdSetting
        assert "lmtp" not in text
    assert all(len(line) <= 78 for name in plain for line in files[name].splitlines() if not line.startswith("#"))
