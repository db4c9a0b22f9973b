"""The SysV script runs a real server; what the systemd units and the OpenRC script say holds, as far as that can be
seen without being started by them."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.harness import ROOT, Instance, command, environment
from tests.conftest import Maker
from tests.server.public import USER, public_nmsd

INIT = ROOT / "init"
UNITS = ("nmsd.service", "nmsd@.service")
DEADLINE_S = 60

# Denies the process, and all that it starts, memory that it may both write and execute; then becomes its arguments.
DENY_EXECUTABLE_MEMORY = """
import ctypes, os, sys
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit(77)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Sysv:
    """The script as it is installed, and the file in /etc/default that tells it of an instance."""

    def __init__(self, place: Path, directory: Path) -> None:
        self.directory = directory
        self.program = place / "bin-nmsd"
        self._script = place / "nmsd"
        self._defaults = place / "default"
        shutil.copy(INIT / "nmsd.sysv", self._script)
        write_program(self.program, f'PYTHONPATH={ROOT} exec {" ".join(command())} "$@"')
        self.configure()

    def configure(self, **values: object) -> None:
        """Writes the file with the defaults."""
        all_values = {"NMSD": self.program, "NMSD_INSTANCE": self.directory, **values}
        self._defaults.write_text("".join(f"{name}='{value}'\n" for name, value in all_values.items()))

    def __call__(self, *arguments: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", str(self._script), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env=environment(DEFAULTS=str(self._defaults)),
            cwd="/",
            user=user,
        )

    def status(self, *arguments: str, user: str | None = None) -> int:
        """The exit status of a call."""
        return self(*arguments, user=user).returncode

    def pid(self) -> int:
        """The supervisor's."""
        return int((self.directory / "run/nmsd.pid").read_text())


def write_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.fixture
def server(make_instance: Maker) -> Instance:
    return make_instance(start=False)


@pytest.fixture
def sysv(server: Instance) -> Iterator[Sysv]:
    script = Sysv(server.directory.parent, server.directory)
    yield script
    script.configure()
    script("stop")


def test_the_sysv_script_starts_reloads_restarts_and_stops_a_server(sysv: Sysv, server: Instance) -> None:
    person = server.add_user()
    assert sysv.status("status") == 3
    assert sysv.status("start") == 0
    assert "running" in sysv("status").stdout
    assert sysv.status("status") == 0
    first = sysv.pid()
    with server.imap(person) as client:
        server.nmsd("config", "set", "service.imap.banner", "changed")
        assert sysv.status("reload") == 0
        assert sysv.status("force-reload") == 0
        assert client.noop()[0] == "OK"
        with server.imap() as newcomer:
            assert b"changed" in newcomer.welcome
    assert sysv.pid() == first
    assert sysv.status("restart") == 0
    assert sysv.pid() != first
    with server.imap(person) as client:
        assert client.select()[0] == "OK"
    assert sysv.status("stop") == 0
    assert sysv.status("status") == 3


def test_the_sysv_script_repeats_nothing(sysv: Sysv) -> None:
    assert sysv.status("stop") == 0
    assert sysv.status("try-restart") == 0
    assert sysv.status("status") == 3
    assert sysv.status("reload") == 7
    assert sysv.status("start") == 0
    pid = sysv.pid()
    assert sysv.status("start") == 0
    assert sysv.pid() == pid


def test_the_sysv_script_gives_options_and_a_limit_of_descriptors(sysv: Sysv, server: Instance) -> None:
    sysv.configure(OPTIONS="-o service.imap.banner=optional -o service.pop.banner=too", DESCRIPTORS=9000)
    assert sysv.status("start") == 0
    with server.imap() as client:
        assert b"optional" in client.welcome
    assert b"too" in server.pop().getwelcome()
    assert resource.prlimit(sysv.pid(), resource.RLIMIT_NOFILE) == (9000, 9000)


def test_the_sysv_script_tells_of_a_server_that_was_killed_and_starts_it_again(sysv: Sysv) -> None:
    assert sysv.status("start") == 0
    supervisor = os.pidfd_open(sysv.pid())
    signal.pidfd_send_signal(supervisor, signal.SIGKILL)
    assert select.select([supervisor], [], [], DEADLINE_S)[0]
    os.close(supervisor)
    result = sysv("status")
    assert result.returncode == 1
    assert "ended without being told to" in result.stdout
    assert sysv.status("start") == 0
    assert sysv.status("status") == 0


def test_the_sysv_script_stops_nothing_for_a_wrong_configuration(sysv: Sysv, server: Instance) -> None:
    assert sysv.status("start") == 0
    pid = sysv.pid()
    right = server.configuration.read_text()
    server.configuration.write_text(right + "service.imap.prot = 1\n")
    result = sysv("restart")
    assert result.returncode == 6
    assert "service.imap.prot" in result.stderr
    assert sysv.status("reload") == 6
    assert sysv.pid() == pid
    assert sysv.status("stop") == 0
    assert sysv.status("start") == 6
    server.configuration.write_text(right)
    assert sysv.status("start") == 0


def test_the_sysv_script_says_what_keeps_it_from_acting(sysv: Sysv, server: Instance) -> None:
    assert sysv.status() == 2
    assert "usage" in sysv("begin").stderr
    sysv.configure(NMSD="/nonexistent/nmsd")
    assert sysv.status("start") == 5
    assert sysv.status("status") == 4
    sysv.configure(NMSD_INSTANCE="/nonexistent")
    result = sysv("start")
    assert result.returncode == 6
    assert "init /nonexistent" in result.stderr
    sysv.configure(NMSD_INSTANCE=server.directory.parent)
    assert sysv.status("start") == 6


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_the_sysv_script_does_nothing_for_a_user_who_may_not(sysv: Sysv) -> None:
    with public_nmsd() as public:
        write_program(sysv.program, f'PYTHONPATH={public.place} exec {public.python} -m nmsd "$@"')
        for what in ("start", "status"):
            result = sysv(what, user=USER)
            assert result.returncode == 4, result


@pytest.mark.parametrize(
    ("line", "status"),
    [("echo imap failed; exit 1", 150), ("exit 1", 4), ("exit 2", 4)],
    ids=["a service has failed", "no answer", "no instance"],
)
def test_the_sysv_script_translates_what_status_says(sysv: Sysv, line: str, status: int) -> None:
    write_program(sysv.program, line)
    assert sysv.status("status") == status
    write_program(sysv.program, "exit 0")


@pytest.mark.parametrize("name", ["nmsd.sysv", "nmsd.openrc"])
def test_a_script_is_a_shell_script(name: str) -> None:
    subprocess.run(["/bin/sh", "-n", str(INIT / name)], check=True)
    assert os.access(INIT / name, os.X_OK)


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("name", ["nmsd.sysv", "nmsd.openrc"])
def test_shellcheck_finds_nothing_in_a_script(name: str) -> None:
    check = ["shellcheck", "--shell=sh", "--external-sources", name]
    result = subprocess.run(check, cwd=INIT, capture_output=True, text=True)
    assert result.stdout == ""
    assert result.returncode == 0


def test_the_sysv_header_is_what_insserv_reads() -> None:
    header = (INIT / "nmsd.sysv").read_text().partition("### BEGIN INIT INFO\n")[2].partition("### END INIT INFO")[0]
    fields = dict(re.fullmatch(r"# ([A-Z][A-Za-z-]+): +(.+)", line).groups() for line in header.splitlines())
    needed = {"Provides", "Required-Start", "Required-Stop", "Default-Start", "Default-Stop", "Short-Description"}
    assert fields["Provides"] == "nmsd"
    assert needed <= fields.keys()
    assert set(fields["Default-Start"].split()).isdisjoint(fields["Default-Stop"].split())


# systemd


def unit_values(name: str) -> dict[str, str]:
    lines = (INIT / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z][A-Za-z]+=", line))


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong_in_a_unit(name: str, tmp_path: Path) -> None:
    unit = tmp_path / name.replace("@", "@second")
    unit.write_text((INIT / name).read_text().replace("/usr/local/bin/nmsd", "/bin/sh"))  # it wants one that exists
    verify = ["systemd-analyze", "verify", "--man=no", str(unit)]
    result = subprocess.run(verify, capture_output=True, text=True, timeout=DEADLINE_S)
    assert result.stderr == ""
    assert result.returncode == 0
    exposure = ["systemd-analyze", "security", "--offline=true", "--threshold=35", "--no-pager", str(unit)]
    result = subprocess.run(exposure, capture_output=True, text=True, timeout=DEADLINE_S)
    assert result.returncode == 0, result.stdout


def test_the_unit_for_several_instances_is_the_unit_for_one_with_a_name() -> None:
    one, several = ((INIT / name).read_text().partition("\n") for name in UNITS)
    assert several[2].replace("-%i", "") == one[2]


def test_the_unit_waits_longer_for_a_stop_than_the_server(server: Instance) -> None:
    patience = int(server.nmsd("config", "get", "local.stoptimeout").stdout)
    assert int(unit_values("nmsd.service")["TimeoutStopSec"]) > patience + 5


@pytest.mark.needs("setpriv")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give rights away")
def test_the_server_works_with_the_rights_that_the_unit_leaves_it(sysv: Sysv, server: Instance) -> None:
    person = server.add_user()
    rights = [
        name.removeprefix("CAP_").lower() for name in unit_values("nmsd.service")["CapabilityBoundingSet"].split()
    ]
    bounds = ",".join(["-all", *(f"+{name}" for name in rights)])
    confined = ["setpriv", "--no-new-privs", "--bounding-set", bounds, sys.executable, "-c", DENY_EXECUTABLE_MEMORY]

    def nmsd(*arguments: str) -> None:
        run = [*confined, str(sysv.program), "-I", str(server.directory), *arguments]
        result = subprocess.run(run, capture_output=True, text=True, env=environment(), cwd="/", timeout=DEADLINE_S)
        if result.returncode == 77:
            pytest.skip("this kernel cannot deny executable memory")
        assert result.returncode == 0, result.stderr

    nmsd("start")
    status = Path(f"/proc/{sysv.pid()}/status").read_text()
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    found = int(re.search(r"^CapBnd:\s+(\w+)$", status, re.MULTILINE)[1], 16)
    assert found.bit_count() == len(rights)
    server.append(person, [b"Subject: confined\r\n\r\nbody\r\n"])
    with server.imap(person) as client:
        nmsd("reload")
        assert client.select() == ("OK", [b"1"])
    nmsd("restart")
    with server.imap(person) as client:
        assert client.select() == ("OK", [b"1"])
    assert server.pop(person).stat()[0] == 1
    nmsd("stop")
    assert sysv.status("status") == 3


def test_a_restart_is_no_stop_to_the_service_manager(sysv: Sysv, server: Instance, tmp_path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_S)
        run = [*command(), "-I", str(server.directory), "run", "--quiet"]
        process = subprocess.Popen(run, env=environment(NOTIFY_SOCKET=str(tmp_path / "notify")), cwd="/")
        try:
            assert manager.recv(4096) == b"READY=1"
            server.nmsd("restart")
            assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(4096) == b"READY=1"
            assert sysv.pid() == process.pid
            process.terminate()
            assert manager.recv(4096) == b"STOPPING=1"
            assert process.wait(DEADLINE_S) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def test_every_file_is_explained() -> None:
    read_me = (INIT / "README.md").read_text()
    for path in INIT.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in read_me
