"""The supervisor starts workers, watches them, replaces them and stops them; here with stand-in workers."""

from __future__ import annotations

import os
import pwd
import resource
import signal
import socket
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.server.supervised import Client, Instance, free_port, is_alive, python_for, until


def test_every_enabled_service_gets_its_workers(instance: Instance) -> None:
    instance.write(service__imap__numprocesses=2, service__pop__enable="no")
    instance.start()
    assert len(instance.workers("imap")) == 2
    assert instance.workers("pop") == []
    assert instance.client("lmtp").hello["service"] == "lmtp"
    assert Client(str(instance.directory / "run/lmtp.sock")).hello["service"] == "lmtp"
    with pytest.raises(ConnectionRefusedError):
        instance.client("pop")


def test_a_worker_finds_its_sockets_its_board_and_a_process_group_of_its_own(instance: Instance) -> None:
    instance.start()
    hello = instance.client().hello
    assert hello["nodelay"] == 1
    assert hello["board"] == 1 << 20
    assert hello["group"] == hello["pid"]
    assert (instance.directory / "run/control.sock").stat().st_mode & 0o777 == 0o600


def test_a_dead_worker_is_replaced_and_its_death_logged_with_the_reason(instance: Instance) -> None:
    instance.start()
    (before,) = instance.workers("imap")
    instance.client().say("abort")
    (after,) = until(lambda: [pid for pid in instance.workers("imap") if pid != before], "a new worker")
    assert instance.client().hello["pid"] == after
    assert instance.service("imap")["restarts"] == 1
    assert f'worker died service=imap pid={before} reason="killed by signal 6 (SIGABRT)"' in instance.log()


def test_a_client_that_comes_between_two_workers_waits_and_is_served(instance: Instance) -> None:
    instance.start()
    instance.client().say("exit 3")
    assert instance.client().hello["service"] == "imap"
    assert "exited with status 3" in instance.service("imap")["last_death"]


def test_a_worker_that_dies_again_and_again_is_started_ever_less_often(instance: Instance) -> None:
    instance.start()
    for _ in range(2):
        instance.client().say("exit 1")
        until(lambda: instance.workers("imap"), "a worker")
    instance.client().say("exit 1")
    until(lambda: "retry_s=4.000" in instance.log(), "a wait of four seconds")
    waits = [line.rpartition("retry_s=")[2] for line in instance.log().splitlines() if "worker died" in line]
    assert waits == ["1.000", "2.000", "4.000"]


def test_a_worker_that_says_nothing_for_long_tells_where_it_hangs_is_killed_and_replaced(instance: Instance) -> None:
    instance.write(local__workertimeout=15)
    instance.start()
    (before,) = instance.workers("imap")
    assert instance.client().say("hang") is not None
    until(lambda: [pid for pid in instance.workers("imap") if pid != before], "a new worker")
    assert "said nothing for 15 s" in instance.log()
    instance.signal(signal.SIGTERM)
    _, errors = instance.wait()
    assert "standin.py" in errors.partition("(most recent call first):")[2]


def test_wrong_settings_of_one_service_keep_all_from_starting(instance: Instance) -> None:
    instance.write(service__pop__banner="exit 78")
    instance.start(wait=False)
    status, errors = instance.wait()
    assert status == 2
    assert "service=pop" in errors


def test_a_service_whose_first_workers_die_keeps_all_from_starting(instance: Instance) -> None:
    instance.write(service__pop__banner="exit 1")
    instance.start(wait=False)
    status, errors = instance.wait()
    assert status == 1
    assert "pop cannot be started" in errors


def test_a_worker_that_meets_wrong_settings_later_stops_its_service_only(instance: Instance) -> None:
    instance.start()
    instance.client("pop").say("exit 78")
    until(lambda: instance.service("pop")["state"] == "failed", "pop to fail")
    assert instance.client("imap").say("hello") == b"hello\r\n"
    assert instance.ask("start", service="pop")["ok"]
    assert instance.client("pop").hello["service"] == "pop"


def test_a_stop_tells_every_client_and_ends_with_status_0(instance: Instance) -> None:
    instance.start()
    client = instance.client()
    instance.signal(signal.SIGTERM)
    assert client.line() == b"* BYE\r\n"
    assert instance.wait()[0] == 0
    assert (instance.directory / "run/nmsd.pid").read_text() == ""
    assert sorted(os.listdir(instance.directory / "run")) == ["board", "nmsd.pid"]


def test_ctrl_c_is_a_stop(instance: Instance) -> None:
    instance.start()
    instance.signal(signal.SIGINT)
    assert instance.wait()[0] == 0


def test_a_worker_that_does_not_stop_in_time_is_killed(instance: Instance) -> None:
    instance.write(local__stoptimeout=1)
    instance.start()
    instance.client().say("ignore")
    instance.signal(signal.SIGTERM)
    status, errors = instance.wait()
    assert status == 0
    assert "did not stop in time" in errors


def test_a_second_stop_kills_at_once(instance: Instance) -> None:
    instance.write(local__stoptimeout=3600)
    instance.start()
    (pid,) = instance.workers("imap")
    instance.client().say("ignore")
    instance.signal(signal.SIGTERM)
    until(lambda: "stopping" in instance.log(), "the stop to begin")
    instance.signal(signal.SIGTERM)
    assert instance.wait()[0] == 0
    assert not is_alive(pid)


def test_workers_end_when_the_supervisor_is_killed_and_the_next_one_can_bind(instance: Instance) -> None:
    instance.start()
    pids = instance.workers("imap") + instance.workers("pop")
    client = instance.client()
    instance.signal(signal.SIGKILL)
    instance.wait()
    instance.start()
    assert client.line() == b""
    assert instance.client().hello["pid"] not in pids
    until(lambda: not any(is_alive(pid) for pid in pids), "the old workers to end")


def test_a_second_supervisor_says_that_one_runs(instance: Instance) -> None:
    instance.start()
    assert instance.process is not None
    first, pid = instance.process, instance.process.pid
    instance.start(wait=False)
    status, errors = instance.wait()
    instance.process = first
    assert status == 1
    assert f"already runs on {instance.directory} (pid {pid})" in errors


def test_everything_wrong_is_told_at_once_and_nothing_is_started(instance: Instance) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        instance.write(
            service__imap__port=port,
            service__pop__port=70_000,
            local__serveruid="nobody-of-this-name",
            service__lmtp__prot=24,
        )
        instance.start(wait=False)
        status, errors = instance.wait()
    assert status == 2
    told = errors.splitlines()
    expected = [
        "service.lmtp.prot: there is no such setting; did you mean service.lmtp.port?",
        "service.pop.port = 70000: above what is allowed; allowed: a whole number from 1 to 65535; correct it",
        f"service.imap.port = {port}: 127.0.0.1:{port} is in use by another program",
    ]
    if os.geteuid() == 0:
        expected.append("local.serveruid = nobody-of-this-name: there is no such user")
    for text in expected:
        assert any(text in line for line in told), (text, told)
    assert len(told) == len(expected)
    assert os.listdir(instance.directory / "run") == ["nmsd.pid"]


def test_the_service_manager_is_told_and_workers_do_not_see_its_socket(instance: Instance) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(instance.directory / "notify"))
        manager.settimeout(20)
        instance.start(NOTIFY_SOCKET=str(instance.directory / "notify"), WATCHDOG_USEC="400000")
        words = set()
        while not {b"READY=1", b"WATCHDOG=1"} <= words:
            words |= set(manager.recv(4096).split(b"\n"))
        assert instance.client().hello["notify"] == ""
        instance.signal(signal.SIGHUP)
        while b"RELOADING=1" not in words:
            words |= set(manager.recv(4096).split(b"\n"))
        instance.signal(signal.SIGTERM)
        while b"STOPPING=1" not in words:
            words |= set(manager.recv(4096).split(b"\n"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_workers_of_root_run_as_the_servers_user() -> None:
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        instance = Instance(Path(place) / "instance")
        instance.write(local__serveruid="nobody")
        try:
            instance.start(wait=False, python=python_for(nobody.pw_uid))
            hello = until(lambda: instance.try_client("imap"), "a worker").hello
            assert (hello["uid"], hello["gid"]) == (nobody.pw_uid, nobody.pw_gid)
            assert 0 not in hello["groups"]
            assert (instance.directory / "store").stat().st_uid == nobody.pw_uid
            assert (instance.directory / "log/nmsd.log").stat().st_uid == nobody.pw_uid
        finally:
            instance.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_user_who_cannot_reach_the_instance_keeps_all_from_starting(instance: Instance) -> None:
    # The directories that pytest makes are closed to others.
    instance.write(local__serveruid="nobody")
    instance.start(wait=False)
    status, errors = instance.wait()
    assert status == 2
    assert "local.serveruid = nobody: nobody cannot" in errors
    assert errors.count("\n") == len(errors.splitlines()) <= 3


def test_a_reload_starts_new_workers_and_keeps_every_session(instance: Instance) -> None:
    instance.start()
    old = instance.client()
    (before,) = instance.workers("imap")
    instance.write(service__imap__banner="new")
    answer = instance.ask("reload")
    assert answer == {"ok": True, "services": {}, "restart_needed": []}
    assert instance.workers("imap", "draining") == [before]
    until(lambda: instance.client().hello["pid"] != before, "the old worker to take no more clients")
    fresh = instance.client()
    assert fresh.hello["banner"] == "new"
    assert fresh.hello["pid"] != before
    assert old.say("still there?") == b"still there?\r\n"
    assert old.say("banner") == b"new\r\n"  # the live settings reach the old worker
    old.close()
    until(lambda: not is_alive(before), "the old worker to end with its last session")


def test_a_reload_names_what_waits_for_a_restart_members_of_families_too(instance: Instance) -> None:
    instance.start()
    instance.write(store__partition__archive__path="archive", store__defaultpartition="archive")
    answer = instance.ask("reload")
    assert answer["restart_needed"] == ["store.defaultpartition", "store.partition.archive.path"]


def test_a_reload_moves_a_service_to_its_new_port(instance: Instance) -> None:
    instance.start()
    old = instance.client()
    before, instance.ports["imap"] = instance.ports["imap"], free_port()
    instance.write(service__imap__port=instance.ports["imap"])
    instance.signal(signal.SIGHUP)
    until(lambda: "reloading" in instance.log() and instance.status().get("state") == "running", "the reload")
    assert instance.client().hello["service"] == "imap"
    with pytest.raises(ConnectionRefusedError):
        Client(before)
    assert old.say("still there?") == b"still there?\r\n"


def test_a_reload_starts_and_retires_services(instance: Instance) -> None:
    instance.write(service__pop__enable="no")
    instance.start()
    old = instance.client("imap")
    instance.write(service__pop__enable="yes", service__imap__enable="no")
    assert instance.ask("reload")["ok"]
    assert instance.client("pop").hello["service"] == "pop"
    with pytest.raises(ConnectionRefusedError):
        instance.client("imap")
    assert old.say("still there?") == b"still there?\r\n"


def test_a_reload_with_anything_wrong_changes_nothing_and_tells_all(instance: Instance) -> None:
    instance.start()
    (before,) = instance.workers("imap")
    instance.write(service__imap__port=0, service__pop__port="x")
    answer = instance.ask("reload")
    assert not answer["ok"]
    assert {problem["name"] for problem in answer["problems"]} == {"service.imap.port", "service.pop.port"}
    assert instance.workers("imap") == [before]
    assert "reload refused" in instance.log()


def test_a_reload_on_a_full_disk_is_refused_and_harms_nobody(instance: Instance) -> None:
    """Tried with files that may not grow, which every file system has."""
    instance.start()
    assert instance.process is not None
    (before,) = instance.workers("imap")
    instance.write(service__imap__banner="new")
    old = resource.prlimit(instance.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    answer = instance.ask("reload")
    assert not answer["ok"]
    assert "cannot be written" in answer["error"]
    assert instance.workers("imap") == [before]
    resource.prlimit(instance.process.pid, resource.RLIMIT_FSIZE, old)
    assert instance.ask("reload")["ok"]
    until(lambda: instance.client().hello["banner"] == "new", "the new settings")


def test_a_reload_after_somebody_tidied_up_in_run_keeps_the_sessions(instance: Instance) -> None:
    instance.start()
    old = instance.client()
    for path in (instance.directory / "run").glob("config-*"):
        path.unlink()
    instance.write(service__imap__banner="new")
    assert instance.ask("reload")["ok"]
    until(lambda: instance.client().hello["banner"] == "new", "the new settings")
    assert old.say("still there?") == b"still there?\r\n"


def test_new_workers_that_refuse_the_settings_leave_the_old_ones_serving(instance: Instance) -> None:
    instance.start()
    (before,) = instance.workers("imap")
    instance.write(service__imap__banner="exit 78")
    answer = instance.ask("reload")
    assert not answer["ok"]
    assert list(answer["services"]) == ["imap"]
    assert instance.workers("imap") == [before]
    instance.client().say("exit 1")
    assert instance.client().hello["banner"] != "exit 78"  # a later one starts from the settings that worked


def test_new_workers_that_die_leave_the_old_ones_serving(instance: Instance) -> None:
    instance.start()
    (before,) = instance.workers("imap")
    instance.write(service__imap__banner="exit 1")
    assert not instance.ask("reload")["ok"]
    assert instance.client().hello["pid"] == before
    instance.write(service__imap__banner="good")
    assert instance.ask("reload")["ok"]
    assert instance.client().hello["banner"] == "good"


def test_one_service_is_stopped_and_started_in_a_running_server(instance: Instance) -> None:
    instance.start()
    client = instance.client("pop")
    assert instance.ask("stop", service="pop")["ok"]
    assert client.line() == b"* BYE\r\n"
    until(lambda: instance.service("pop")["state"] == "stopped", "pop to stop")
    with pytest.raises(ConnectionRefusedError):
        instance.client("pop")
    assert instance.ask("reload")["ok"]
    assert instance.service("pop")["state"] == "stopped"
    assert instance.ask("start", service="pop")["ok"]
    assert instance.client("pop").hello["service"] == "pop"
    assert not instance.ask("start", service="smtp")["ok"]


def test_a_service_is_restarted_alone(instance: Instance) -> None:
    instance.start()
    (imap,), (pop,) = instance.workers("imap"), instance.workers("pop")
    assert instance.ask("restart", service="pop")["ok"]
    assert instance.workers("imap") == [imap]
    assert instance.client("pop").hello["pid"] != pop


def test_a_restart_executes_the_server_anew_under_its_process_number(instance: Instance) -> None:
    instance.start()
    before = instance.status()
    assert instance.ask("restart")["ok"]
    after = until(lambda: (s := instance.status()) and s["started"] != before["started"] and s, "the restart")
    assert after["pid"] == before["pid"]
    until(lambda: instance.status().get("state") == "running", "the server to run")


def test_a_stop_in_the_middle_of_a_restart_stops_for_good_and_still_waits_for_the_workers(instance: Instance) -> None:
    instance.write(local__stoptimeout=1)
    instance.start()
    instance.client().say("ignore")
    assert instance.ask("restart")["ok"]
    instance.signal(signal.SIGTERM)
    assert instance.wait()[0] == 0
    assert "stopping for good" in instance.log()
    assert "killed: did not stop in time" in instance.log()
    assert "told to stop twice" not in instance.log()


def test_a_directory_too_deep_for_unix_sockets_does(tmp_path_factory: pytest.TempPathFactory) -> None:
    deep = tmp_path_factory.mktemp("deep") / ("d" * 100)
    instance = Instance(deep)
    try:
        instance.start()
        assert instance.ask("stop")["ok"]
        assert instance.wait()[0] == 0
    finally:
        instance.close()


def test_garbage_on_the_control_socket_is_answered(instance: Instance) -> None:
    instance.start()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(instance.directory / "run/control.sock"))
        sock.sendall(b"\xff\xfe not json\n")
        assert b"not a request" in sock.recv(4096)
    assert not instance.ask("dance")["ok"]
    assert instance.status()["state"] == "running"


def test_descriptor_limits_are_raised_for_the_workers(instance: Instance) -> None:
    import resource

    instance.start()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert resource.prlimit(instance.workers("imap")[0], resource.RLIMIT_NOFILE)[0] == hard


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a process namespace")
def test_as_process_1_it_reaps_orphans_and_heeds_signals(instance: Instance) -> None:
    instance.start(wait=False, wrap=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"))
    until(lambda: instance.status().get("state") == "running", "the server to run")
    assert instance.status()["pid"] == 1
    assert instance.process is not None
    (supervisor,) = psutil.Process(instance.process.pid).children()
    orphan = int(instance.client().say("orphan"))
    assert orphan > 1
    until(lambda: len(supervisor.children()) == 3, "the orphan to be reaped")
    supervisor.send_signal(signal.SIGTERM)
    assert instance.wait()[0] == 0


def test_the_port_of_a_service_that_is_turned_off_may_be_another_programs(instance: Instance) -> None:
    instance.start()
    assert instance.ask("stop", service="pop")["ok"]
    until(lambda: instance.service("pop")["state"] == "stopped", "pop to stop")
    found = instance.service("pop")
    assert (found["enabled"], found["turned_off"]) == (True, True)
    with socket.create_server(("127.0.0.1", instance.ports["pop"])):
        assert instance.ask("reload")["ok"]
        assert instance.client("imap").hello["service"] == "imap"
        for command, arguments in (("start", {"service": "pop"}), ("restart", {})):
            answer = instance.ask(command, **arguments)
            assert not answer["ok"]
            (problem,) = answer["problems"]
            assert problem["name"] == "service.pop.port"
            assert "is in use by another program" in problem["what"]
    assert instance.ask("start", service="pop")["ok"]
    assert instance.client("pop").hello["service"] == "pop"
    assert not instance.service("pop")["turned_off"]


def test_a_port_taken_between_check_and_bind_keeps_the_old_one_at_a_reload(instance: Instance) -> None:
    instance.start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        instance.write(service__imap__port=port)
        answer = instance.ask("reload")
        assert not answer["ok"]
        (problem,) = answer["problems"]
        assert f"{port} is in use by another program" in problem["what"]
        assert instance.client("imap").hello["service"] == "imap"
    assert instance.ask("reload")["ok"]


def test_a_restart_turns_on_what_is_enabled(instance: Instance) -> None:
    instance.start()
    assert instance.ask("stop", service="pop")["ok"]
    until(lambda: instance.service("pop")["state"] == "stopped", "pop to stop")
    before = instance.status()["started"]
    assert instance.ask("restart")["ok"]
    until(lambda: instance.status().get("started", before) != before, "the server to be back")
    until(lambda: instance.status().get("state") == "running", "the server to run")
    assert instance.client("pop").hello["service"] == "pop"
