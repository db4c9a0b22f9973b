"""The supervisor itself: one level-triggered loop over signals, status sockets and the control socket.

Invariants: nothing in the loop waits for anything but the selector; signal handlers only queue; each turn brings the
workers to what is wanted, whatever happened.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from nmsd.config.load import Loaded, write_snapshot
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.setting import Section
from nmsd.log import EventLog, limits
from nmsd.supervisor.child import Child
from nmsd.supervisor.control import CONSOLE, Control, Reply, is_for_console
from nmsd.supervisor.facts import server_facts, service_facts
from nmsd.supervisor.notify import Notify
from nmsd.supervisor.poll import Poll
from nmsd.supervisor.prepare import Ground
from nmsd.supervisor.privileges import find_identity
from nmsd.supervisor.reap import ended_children
from nmsd.supervisor.refresh import Outcome, Refresh
from nmsd.supervisor.service import Service
from nmsd.supervisor.settings import STOP_TIMEOUT, WORKER_TIMEOUT
from nmsd.supervisor.signals import Signals
from nmsd.supervisor.spawn import Orders
from nmsd.supervisor.table import Row, known_services, rows

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2

# A service whose first workers die so often will not start by more of the same.
_HOPELESS: Final = 3

_TURN_S: Final = 1.0
_SNAPSHOT: Final = "config-"
# A worker that has its own time-out for the farewell needs a moment more to end by itself.
_KILL_GRACE_S: Final = 2.0


class Supervisor:
    """Runs an instance on prepared ground.

    `outcome` is the configuration the ground was prepared with, `refresh` reads it anew; `notify` tells the service
    manager, and every `watchdog` seconds that all is well (0: never); `on_ready` is called with the status when all
    workers accept clients for the first time.
    """

    def __init__(
        self,
        ground: Ground,
        outcome: Outcome,
        refresh: Refresh,
        sections: Sequence[Section],
        log: EventLog,
        signals: Signals,
        *,
        notify: Notify,
        watchdog: float = 0.0,
        on_ready: Callable[[dict[str, Any]], None] = lambda facts: None,
    ) -> None:
        self.restart_wanted = False
        self._ground = ground
        self._loaded = ground.loaded
        self._instance = ground.loaded.config.instance
        self._outcome = outcome
        self._refresh = refresh
        self._poll = Poll(
            refresh,
            log,
            current=lambda: self._outcome,
            take=lambda outcome: self._take(outcome, lambda answer: None),
            now=time.monotonic(),
        )
        self._sections = sections
        self._log = log
        self._signals = signals
        self._notify = notify
        self._watchdog = watchdog
        self._watched = 0.0
        self._on_ready = on_ready
        self._selector = selectors.DefaultSelector()
        self._services = {name: Service(name, log) for name in known_services()}
        self._generation = 0
        self._state = "starting"
        self._exit_status = EXIT_OK
        self._started = time.time()
        self._waiting: list[Reply] = []
        self._kept: set[str] = set()

    def run(self) -> int:
        """Until the stop; gives the exit status.  With `restart_wanted`, the program is to be executed anew."""
        self._selector.register(self._signals.socket, selectors.EVENT_READ, lambda: None)
        control = Control(self._instance, self._selector, self._handle)
        who = self._ground.identity
        owner = (who.uid, who.gid) if who else None
        console = Control(self._instance, self._selector, self._handle_console, CONSOLE, owner)
        try:
            self._log("Notice", "General", "starting", instance=self._instance)
            for endpoint in self._ground.listeners.skipped:
                self._log("Notice", "Network", "no such address family here, not listening", endpoint=endpoint)
            self._outcome.tell(self._log)
            self._order(self._loaded)
            self._attend()
            while self._state != "stopping" or any(service.children for service in self._services.values()):
                self._turn()
            self._log("Notice", "General", "stopped")
        except Exception as error:
            self._log("Critical", "General", "the supervisor fails, its workers end", error=repr(error))
            raise
        finally:
            self._refresh.close()
            control.close()
            console.close()
            self._ground.listeners.keep_only(())
            self._remove_snapshots(set())
            self._ground.pid_file.release()
        return self._exit_status

    def _order(self, loaded: Loaded) -> None:
        """Gives every service its orders from newly loaded settings.  Raises OSError, and then all is as it was."""
        table = rows(loaded.config)
        self._generation += 1
        try:
            self._write_snapshot(loaded)
            orders = {name: self._orders(row) for name, row in table.items() if not self._services[name].held}
        except OSError:
            self._generation -= 1
            raise
        self._loaded = loaded
        for name, service in self._services.items():
            service.enabled = name in table
            if name in orders:
                service.follow(orders[name], self._stop_at())
            else:
                service.retire()

    def _write_snapshot(self, loaded: Loaded) -> None:
        snapshot = self._snapshot()
        if os.path.lexists(snapshot):
            os.unlink(snapshot)
        write_snapshot(snapshot, loaded, self._sections)
        who = self._ground.identity
        if who is not None:
            os.chown(snapshot, who.uid, who.gid, follow_symlinks=False)

    def _orders(self, row: Row) -> Orders:
        """A service has its own name of the snapshot: if its old workers must serve on, theirs stays as it was."""
        snapshot = f"{self._snapshot()}-{row.name}"
        if os.path.lexists(snapshot):
            os.unlink(snapshot)
        os.link(self._snapshot(), snapshot)
        return Orders(row, snapshot, self._generation)

    def _snapshot(self) -> str:
        return os.path.join(self._instance, "run", f"{_SNAPSHOT}{self._generation}")

    def _stop_at(self) -> float:
        return time.monotonic() + self._loaded.config[STOP_TIMEOUT] + _KILL_GRACE_S

    # One turn

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data()
        self._attend()

    def _attend(self) -> None:
        """Does all that is to be done now."""
        for number in self._signals.take():
            self._on_signal(number)
        self._reap()
        now = time.monotonic()
        self._kill_late(now)
        self._refresh.check(now)
        if self._state == "running":
            self._poll.turn(self._selector, now)
        for service in self._services.values():
            service.bring(self._ground.spawner, now, self._adopt)
        self._settle()
        self._tidy()
        if self._watchdog and now - self._watched >= self._watchdog:
            self._watched = now
            self._notify("WATCHDOG=1")

    def _patience(self) -> float:
        now = time.monotonic()
        waits = [_TURN_S, *([self._watchdog] if self._watchdog else [])]
        for service in self._services.values():
            if service.orders is not None and not service.failed and service.backoff.not_before > now:
                waits.append(service.backoff.not_before - now)
            waits += [child.kill_at - now for child in service.children.values() if child.kill_at is not None]
        return max(0.0, min(waits))

    def _adopt(self, child: Child) -> None:
        self._selector.register(child.status, selectors.EVENT_READ, lambda: self._hear(child))

    def _hear(self, child: Child) -> None:
        if child.listen(time.monotonic()):
            self._services[child.service].has_spoken(child)
        if child.silent:
            self._selector.unregister(child.status)  # waitpid will tell the rest

    def _reap(self) -> None:
        for pid, code in ended_children():
            for service in self._services.values():
                child = service.children.get(pid)
                if child is not None:
                    if not child.silent:
                        self._selector.unregister(child.status)
                    service.has_ended(child, code, time.monotonic(), self._stop_at())

    def _kill_late(self, now: float) -> None:
        silence = self._loaded.config[WORKER_TIMEOUT]
        for service in self._services.values():
            for child in service.children.values():
                if child.kill_at is not None and now >= child.kill_at:
                    child.kill("killed: did not stop in time", now)
                elif now - child.heard >= silence:
                    child.kill_hung(f"killed: said nothing for {silence} s", now)

    def _tidy(self) -> None:
        """Closes sockets and removes snapshots that nothing needs any more."""
        services = self._services.values()
        self._ground.listeners.keep_only(endpoint for service in services for endpoint in service.endpoints())
        kept = {self._snapshot(), *(snapshot for service in services for snapshot in service.snapshots())}
        if kept != self._kept:
            self._kept = kept
            self._remove_snapshots({os.path.basename(snapshot) for snapshot in kept})

    def _remove_snapshots(self, kept: set[str]) -> None:
        run = os.path.join(self._instance, "run")
        for name in os.listdir(run):
            if name.startswith(_SNAPSHOT) and name not in kept:
                os.unlink(os.path.join(run, name))

    def _settle(self) -> None:
        """Tells those who wait once every service has come to rest after a start or reload."""
        services = self._services.values()
        if self._state == "starting":
            # Nothing half started: what is wrong with one service is mended before any serves.
            failed = [service.name for service in services if service.failed]
            hopeless = [service.name for service in services if service.early_deaths >= _HOPELESS]
            if failed or hopeless:
                self._exit_status = EXIT_CONFIG if failed else EXIT_FAILED
                self._stop(f"{', '.join(failed or hopeless)} cannot be started")
                return
        if self._state == "stopping" or not all(service.is_settled() for service in services):
            return
        reasons = {s.name: s.failed or s.refused for s in services if s.failed or s.refused}
        if self._state == "reloading" or (self._state == "starting" and not reasons):
            if self._state == "starting":
                self._on_ready(self._facts())
            self._state = "running"
            self._notify("READY=1")
            self._log("Notice", "General", "running", services=",".join(s.name for s in services if s.orders))
        waiting, self._waiting = self._waiting, []
        for reply in waiting:
            reply({"ok": not reasons, "services": reasons})

    # What is asked

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload(lambda answer: None)
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._state != "stopping":
                self._stop("signal " + signal.Signals(number).name)
                return
            if self.restart_wanted:
                self.restart_wanted = False
                self._log("Notice", "General", "stopping for good", why="signal " + signal.Signals(number).name)
                self._notify("STOPPING=1")
                return
            self._log("Warning", "General", "told to stop again: killing what is left")
            for service in self._services.values():
                for child in service.children.values():
                    child.kill("killed: told to stop twice", time.monotonic())

    def _stop(self, why: str) -> None:
        self._log("Notice", "General", "stopping", why=why)
        # A restart comes back under this process number: told of a stop, the manager would kill what it finds later.
        self._notify(*(_reloading() if self.restart_wanted else ("STOPPING=1",)))
        self._state = "stopping"
        for service in self._services.values():
            service.halt(self._stop_at())
        waiting, self._waiting = self._waiting, []
        for reply in waiting:
            reply({"ok": False, "error": "the server is stopping"})

    def _reload(self, reply: Reply) -> None:
        self._log.reopen()
        self._refresh.begin(self._selector, lambda outcome: self._take(outcome, reply))

    def _take(self, outcome: Outcome, reply: Reply) -> None:
        """Newly read settings, if nothing is wrong with them."""
        if self._state == "stopping":
            reply({"ok": False, "error": "the server is stopping"})
            return
        loaded = outcome.loaded
        problems = list(loaded.problems)
        problems += self._ground.listeners.bind(loaded.config, loaded.origins, self._wanted(loaded))
        if problems:
            for problem in problems:
                self._log("Error", "General", "reload refused, the settings stay as they were", problem=problem)
            reply({"ok": False, "problems": [problem.as_dict() for problem in problems]})
            return
        try:
            self._order(loaded)
        except OSError as error:
            self._log("Error", "General", "reload refused, the settings stay as they were", error=error)
            reply(_unwritten(error))
            return
        self._log.adjust(limits(loaded.config, "nmsd"))
        self._notify(*_reloading())
        self._log("Notice", "General", "reloading")
        outcome.tell(self._log)
        if self._state == "running":
            self._state = "reloading"
        late = self._changed_for_restart(loaded)
        self._outcome = outcome
        self._waiting.append(lambda answer: reply({**answer, "restart_needed": late}))

    def _wanted(self, loaded: Loaded) -> list[Row]:
        """The services that are to run; the port of one that is turned off may be another program's."""
        return [row for name, row in rows(loaded.config).items() if not self._services[name].held]

    def _changed_for_restart(self, loaded: Loaded) -> list[str]:
        before, after = self._ground.loaded.config, loaded.config
        settings = [setting for section in self._sections for setting in section.settings]
        families = [family for section in self._sections for family in section.families]
        for family in families:
            names = sorted({*before.family(family), *after.family(family)})
            settings += [family.setting(name, family.kind.parse("")) for name in names]
        late = [each.name for each in settings if each.reload == "restart" and after[each] != before[each]]
        return list(dict.fromkeys(late))

    def _handle(self, message: dict[str, Any], reply: Reply) -> None:
        """One request from the control socket."""
        command = message.get("command")
        name = message.get("service")
        if name is not None and name not in self._services:
            reply({"ok": False, "error": f"there is no service {name}; there are {', '.join(self._services)}"})
        elif command == "status":
            reply({"ok": True, **self._facts()})
        elif self._state == "stopping":
            reply({"ok": False, "error": "the server is stopping"})
        elif command in ("start", "stop", "restart") and name is not None:
            self._switch(str(command), self._services[name], reply)
        elif command == "reload":
            self._reload(reply)
        elif command == "stop":
            self._stop("asked to")
            reply({"ok": True})
        elif command == "restart":
            self._restart(reply)
        else:
            reply({"ok": False, "error": "no such command"})

    def _handle_console(self, message: dict[str, Any], reply: Reply) -> None:
        """One request from the console's worker, which may not ask for everything."""
        if is_for_console(message):
            self._handle(message, reply)
        else:
            reply({"ok": False, "error": "not for the console"})

    def _restart(self, reply: Reply) -> None:
        """Everything anew, this program included, unless the settings would keep it from starting again."""

        def restart(outcome: Outcome) -> None:
            loaded = outcome.loaded
            problems = [*loaded.problems, *_identity_problems(loaded)]
            if not problems:  # services that are turned off will be on again, so that their ports are wanted
                wanted = rows(loaded.config).values()
                problems += self._ground.listeners.bind(loaded.config, loaded.origins, wanted)
            if self._state == "stopping":
                reply({"ok": False, "error": "the server is stopping"})
            elif problems:
                reply({"ok": False, "problems": [problem.as_dict() for problem in problems]})
            else:
                self.restart_wanted = True
                self._stop("asked to restart")
                reply({"ok": True})

        self._refresh.begin(self._selector, restart)

    def _switch(self, command: str, service: Service, reply: Reply) -> None:
        """Starts, stops or restarts one service."""
        if command == "stop":
            self._log("Notice", "General", "stopping a service", service=service.name)
            service.halt(self._stop_at())
            service.held = True
            reply({"ok": True})
            return
        config, origins = self._loaded.config, self._loaded.origins
        row = rows(config).get(service.name)
        if row is None:
            mend = f"`nmsd config set service.{service.name}.enable yes`, then `nmsd reload`"
            reply({"ok": False, "error": f"{service.name} is not enabled; {mend}"})
            return
        problems = self._ground.listeners.bind(config, origins, [row])
        if problems:
            reply({"ok": False, "problems": [problem.as_dict() for problem in problems]})
            return
        if service.orders is None or service.failed:
            try:
                orders = self._orders(row)
            except OSError as error:
                reply(_unwritten(error))
                return
            service.follow(orders, self._stop_at())
        elif command == "restart":
            service.replace_now(self._stop_at())
        service.held = False
        self._log("Notice", "General", f"{command}ing a service", service=service.name)
        self._waiting.append(reply)

    def _facts(self) -> dict[str, Any]:
        now = time.monotonic()
        return {
            **server_facts(),
            "instance": self._instance,
            "state": self._state,
            "started": round(self._started, 3),
            "uptime": round(time.time() - self._started, 1),
            **self._outcome.facts(),
            "services": [service_facts(service, self._ground.listeners, now) for service in self._services.values()],
        }


def _unwritten(error: OSError) -> dict[str, Any]:
    return {"ok": False, "error": f"what workers are started from cannot be written ({error.strerror or error})"}


def _identity_problems(loaded: Loaded) -> Sequence[Problem]:
    """Why no worker could be started after a restart: there is no user for them to be."""
    try:
        find_identity(loaded.config, loaded.origins)
    except ConfigError as error:
        return error.problems
    return ()


def _reloading() -> tuple[str, str]:
    """What the service manager is told: READY=1 will follow."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"
