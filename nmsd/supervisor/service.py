"""One service's workers: how many there should be, which are of the present settings, which are leaving.

A reload gives new orders.  The workers of the old ones serve until every worker of the new is ready, and only then
drain; if the new ones cannot start because of their settings, the old orders hold again.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

from nmsd.config.endpoints import Endpoint
from nmsd.config.launch import EX_CONFIG
from nmsd.log import EventLog
from nmsd.supervisor.child import Child
from nmsd.supervisor.reap import Backoff, reason
from nmsd.supervisor.spawn import Orders, Spawner


class Service:
    """A row of the table, alive.  `failed` says why it is not being started any more, '' while it is."""

    def __init__(self, name: str, log: EventLog) -> None:
        self.name = name
        self.orders: Orders | None = None
        self.children: dict[int, Child] = {}
        self.failed = ""
        self.refused = ""
        """Why the latest new orders could not be followed, '' if they could."""
        self.held = False
        """Turned off by the administrator: a reload does not turn it on."""
        self.enabled = False
        """Whether the settings want it."""
        self.restarts = 0
        self.early_deaths = 0
        """How many workers in a row died before they were ready."""
        self.last_death = ""
        self.backoff = Backoff()
        self._fallback: Orders | None = None
        self._log = log

    def current(self) -> list[Child]:
        """The workers of the present orders that stay."""
        wanted = self.orders.generation if self.orders else -1
        return [child for child in self.children.values() if child.generation == wanted and not child.leaving]

    def is_ready(self) -> bool:
        """Whether all wanted workers accept clients."""
        return self.orders is not None and sum(child.ready for child in self.current()) >= self.orders.row.processes

    def is_settled(self) -> bool:
        """Whether a start or reload has come to its end for this service, good or bad: clients that come now meet
        workers of the present orders."""
        is_decided = self.orders is None or bool(self.failed) or bool(self.refused) or self.is_ready()
        return is_decided and not any(child.takes_clients for child in self.children.values())

    def state(self) -> str:
        """A word for the status."""
        if self.failed:
            return "failed"
        if self.orders is None:
            return "stopping" if self.children else "stopped"
        if self.is_ready():
            return "running"
        return "degraded" if any(child.ready for child in self.children.values()) else "starting"

    def endpoints(self) -> Iterator[Endpoint]:
        """Where it listens, under old orders and new."""
        for orders in (self.orders, self._fallback):
            if orders is not None and not self.failed:
                yield from orders.row.endpoints

    def snapshots(self) -> Iterator[str]:
        """The files its workers are started from."""
        for orders in (self.orders, self._fallback):
            if orders is not None:
                yield orders.snapshot
        for child in self.children.values():
            yield child.snapshot

    # What the administrator wants

    def follow(self, orders: Orders, stop_at: float) -> None:
        """Takes new orders; the workers under the old ones go on until those of the new are ready."""
        if self._fallback is None and any(child.ready for child in self.current()):
            self._fallback = self.orders
        else:
            for child in self.current():
                if child.ready:
                    child.drain()
                else:
                    child.stop(stop_at)
        self.orders = orders
        self.failed = self.refused = ""
        self.backoff.reset()

    def halt(self, stop_at: float) -> None:
        """Stops all its workers."""
        self._leave()
        for child in self.children.values():
            child.stop(stop_at)

    def retire(self) -> None:
        """No longer wanted after a reload: its workers drain."""
        self._leave()
        for child in self.children.values():
            if not child.leaving:
                child.drain()

    def replace_now(self, stop_at: float) -> None:
        """Stops the workers, for others to start in their place at once."""
        self.failed = self.refused = ""
        self.backoff.reset()
        for child in self.children.values():
            child.stop(stop_at)

    def _leave(self) -> None:
        self.orders = self._fallback = None
        self.failed = self.refused = ""

    # What happens

    def bring(self, spawner: Spawner, now: float, adopt: Callable[[Child], None]) -> None:
        """Starts the workers that are missing, unless the back-off says to wait."""
        orders = self.orders
        if orders is None or self.failed or now < self.backoff.not_before:
            return
        for _ in range(orders.row.processes - len(self.current())):
            taken = {child.index for child in self.children.values()}
            index = next(number for number in range(len(taken) + 1) if number not in taken)
            try:
                child = spawner.spawn(orders, index, now)
            except OSError as error:
                wait = self.backoff.failed(now, 0.0)
                self.last_death = f"cannot be started ({error})"
                self.refused = self.refused or self.last_death
                self.early_deaths += 1
                self._log("Error", "General", "worker cannot be started", service=self.name, error=error, retry_s=wait)
                return
            self.children[child.pid] = child
            adopt(child)

    def has_spoken(self, child: Child) -> None:
        """A worker said its first word."""
        self.early_deaths = 0
        self._log("Information", "General", "worker is ready", service=self.name, pid=child.pid, index=child.index)
        if self.orders is not None and self.is_ready():
            self.refused = ""
            self._fallback = None
            for other in self.children.values():
                if other.generation < self.orders.generation and other.kill_at is None:
                    other.refresh(self.orders.snapshot)
                    if not other.draining:
                        other.drain()

    def has_ended(self, child: Child, code: int, now: float, stop_at: float) -> None:
        """A worker ended: decides whether another takes its place, and when."""
        del self.children[child.pid]
        child.ended(code)
        facts: dict[str, Any] = {"service": self.name, "pid": child.pid, "reason": child.killed_for or reason(code)}
        lived = now - child.started
        if child.leaving:
            clean = code in (0, -signal.SIGTERM)  # one that was told before it was ready has no farewell to say
            self._log("Information" if clean else "Warning", "General", "worker ended", **facts, lived_s=round(lived))
            return
        self.restarts += 1
        self.last_death = facts["reason"]
        is_current = self.orders is not None and child.generation == self.orders.generation
        if code == EX_CONFIG and is_current:
            self._give_up(stop_at)
            return
        if is_current and not child.report:
            self.early_deaths += 1
            self.refused = self.refused or f"a new worker {facts['reason']}"
        wait = self.backoff.failed(now, lived if child.report else 0.0) if is_current else 0.0
        self._log("Error", "General", "worker died", **facts, lived_s=round(lived), retry_s=wait)

    def _give_up(self, stop_at: float) -> None:
        what = "the workers do not start with these settings; their log says why"
        for other in self.current():
            other.stop(stop_at)
        if self._fallback is not None:
            self.refused = what
            self.orders, self._fallback = self._fallback, None
            self._log("Error", "General", "new settings refused, the old ones stay", service=self.name)
        else:
            self.failed = what
            self._log("Error", "General", "service stopped: configuration error", service=self.name)
