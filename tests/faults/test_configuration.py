"""A configuration that is wrong: all of it said at once, a line each that names file, line, value, what is allowed and
the mend; exit status 2, and nothing half started."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.clients.harness import HOST, Instance, instance_directory

pytestmark = pytest.mark.xdist_group("configuration")  # one instance for all

PORTS = (24, 110, 143, 993, 995)
ANY_PORT = "a whole number from 1 to 65535"
CUT = "the file is cut off; restore it from a backup, or see that it is whole and add the line `# End of nmsd.conf`"


@pytest.fixture(scope="module")
def made() -> Iterator[Instance]:
    with instance_directory() as directory:
        yield Instance.make(directory)


@pytest.fixture
def stopped(made: Instance) -> Iterator[Instance]:
    """A server that does not run; its file is put back after the test."""
    good = made.configuration.read_text()
    yield made
    made.configuration.write_text(good)


def edit(instance: Instance, change: Callable[[str], str]) -> list[str]:
    """Changes the file; gives its lines."""
    instance.configuration.write_text(change(instance.configuration.read_text()))
    return instance.configuration.read_text().splitlines()


def line_of(lines: list[str], start: str) -> int:
    """The number of the last line that begins so."""
    return max(number for number, line in enumerate(lines, 1) if line.startswith(start))


def refused(instance: Instance, command: str = "run") -> list[str]:
    """Starts the server, which refuses; the lines of its complaint without the file's name, which begins them all."""
    done = instance.nmsd(command, check=False)
    assert done.returncode == 2, done
    head = f"nmsd: {instance.configuration}:"
    lines = done.stderr.decode().splitlines()
    for line in lines:
        assert line.startswith(head), line
    assert_nothing_started(instance)
    return [line.removeprefix(head) for line in lines]


def assert_nothing_started(instance: Instance) -> None:
    for port in PORTS:
        with socket.socket() as probe:
            assert probe.connect_ex((HOST, instance.port(port))) != 0
    # The pid file is there to be locked, and tells of nobody.
    assert {path.name: path.read_text() for path in (instance.directory / "run").iterdir()} in ({}, {"nmsd.pid": ""})
    assert instance.nmsd("status", check=False).returncode == 3


@pytest.mark.parametrize(
    "end",
    ["service.ima", "service.imap.port = 1", "service.imap.port =", "# The por", "\n"],
    ids=["in a name", "in a number", "before a value", "in a comment", "between lines"],
)
def test_a_file_cut_off_anywhere_is_refused(stopped: Instance, end: str) -> None:
    def cut(text: str) -> str:
        middle = text.index(end, text.index("local.serveruid = "))
        return text[: middle + len(end)]

    lines = edit(stopped, cut)

    assert refused(stopped)[0] == f"{len(lines)}: {CUT}"


@pytest.mark.parametrize("command", ["run", "start"])
def test_a_file_cut_in_half_is_refused(stopped: Instance, command: str) -> None:
    edit(stopped, lambda text: text[: len(text) // 2])
    assert refused(stopped, command)[0].endswith(f": {CUT}")


def test_all_that_is_wrong_is_told_at_once(stopped: Instance) -> None:
    wrong = [
        "service.imap.maxsessions = many",
        "service.imap.maxthread = 5",
        "service.pop.idletimeout = 0",
        "imap.maxline = 17M",
        "imap.nonsyncliterals = none",
        "service.lmtp.enable = maybe",
        "service.listenaddr = 127.0.0.300",
        "local.serveruid = nobody-of-that-name",
        "just words",
    ]
    lines = edit(stopped, lambda text: re.sub("(?m)^(service.listenaddr|local.serveruid) .*$", "", text))
    lines = edit(stopped, lambda text: text + "\n" + "\n".join(wrong) + "\n")

    told = refused(stopped)

    at = [f"{line_of(lines, line)}: {line}" for line in wrong]
    addresses = "addresses, with commas between"
    user = "(useradd --system --user-group nobody-of-that-name) or set local.serveruid to one that there is"
    line = line_of(lines, "just words")
    quotes = "write `name = value`, with quotes around a value that has # or quotes in it"
    assert told == [
        wrong_value(at[0], "not a whole number", "a whole number from 1 to 100000", "4000"),
        f"{at[1].removesuffix(' = 5')}: there is no such setting; did you mean service.imap.maxthreads?",
        wrong_value(at[2], "below what is allowed", "a whole number from 1 to 10080 (minutes)", "10"),
        wrong_value(at[3], "above what is allowed", "a size from 1K to 16M", "64K"),
        wrong_value(at[4], "not one of the words allowed", "one of any, small", "any"),
        wrong_value(at[5], "neither yes nor no", "yes or no", "yes"),
        wrong_value(at[6], "127.0.0.300 is no address", addresses, "0.0.0.0, ::"),
        f"{line}: not a setting: just words; {quotes}",
        f"{at[7]}: there is no such user to run workers as; allowed: a user's name or number; create it {user}",
    ]


def wrong_value(setting: str, what: str, allowed: str, default: str) -> str:
    return f"{setting}: {what}; allowed: {allowed}; correct it, or remove it for the default {default}"


def test_what_stands_below_a_section_is_checked_as_well(stopped: Instance) -> None:
    lines = edit(stopped, lambda text: text + "\n[imap]\nimap.maxlin = 5\nimap.maxliterals = 0\n")
    section = line_of(lines, "[imap]")
    mend = "write every setting as a line `name = value` with its whole dotted name"
    below = f"{section + 2}: imap.maxliterals = 0"
    assert refused(stopped) == [
        f"{section}: [imap] begins a section, and there are none here; {mend}",
        f"{section + 1}: imap.maxlin: there is no such setting; did you mean imap.maxline?",
        wrong_value(below, "below what is allowed", "a whole number from 1 to 100000", "1000"),
    ]


@pytest.mark.parametrize(
    ("port", "what"),
    [
        ("0", "below what is allowed"),
        ("65536", "above what is allowed"),
        ("-1", "below what is allowed"),
        ("imap", "not a whole number"),
    ],
)
def test_a_port_that_is_none_is_refused(stopped: Instance, port: str, what: str) -> None:
    mine = f"service.imap.port = {stopped.port(143)}"
    lines = edit(stopped, lambda text: text.replace(mine, f"service.imap.port = {port}"))
    line = line_of(lines, "service.imap.port = ")
    assert refused(stopped) == [wrong_value(f"{line}: service.imap.port = {port}", what, ANY_PORT, "143")]


def test_two_services_on_one_port_are_refused(stopped: Instance) -> None:
    port = stopped.port(143)
    lines = edit(stopped, lambda text: text.replace(str(stopped.port(110)), str(port)))
    place = f"{line_of(lines, 'service.pop.port = ')}: service.pop.port = {port}"
    mend = "give each its own, or disable one of the two"
    assert refused(stopped) == [f"{place}: is the same port as service.imap.port; allowed: {ANY_PORT}; {mend}"]


def test_ports_in_use_are_refused(stopped: Instance) -> None:
    lines = stopped.configuration.read_text().splitlines()
    ports = {"service.imap.port": stopped.port(143), "service.pop.sslport": stopped.port(995)}
    with socket.create_server((HOST, stopped.port(143))), socket.create_server((HOST, stopped.port(995))):
        status = stopped.nmsd("run", check=False)
    assert status.returncode == 2
    told = status.stderr.decode().splitlines()
    assert len(told) == len(ports)
    for line, (name, port), kind in zip(told, ports.items(), ("", " (TLS)"), strict=True):
        place = f"nmsd: {stopped.configuration}:{line_of(lines, name)}: {name} = {port}"
        what = f"{HOST}:{port}{kind} is in use by another program"
        assert line == f"{place}: {what}; allowed: {ANY_PORT}; stop that one, or choose another"
    assert_nothing_started(stopped)


def test_a_missing_file_is_told(stopped: Instance) -> None:
    stopped.configuration.rename(stopped.configuration.with_suffix(".away"))
    try:
        done = stopped.nmsd("run", check=False)
    finally:
        stopped.configuration.with_suffix(".away").rename(stopped.configuration)

    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert line == (
        f"nmsd: {stopped.directory} is no instance: it has no etc/nmsd.conf; `nmsd init {stopped.directory}` makes one"
    )
    assert_nothing_started(stopped)
