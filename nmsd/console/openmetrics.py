"""The figures of a server as OpenMetrics text (version 1.0.0 of the format)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

_DELIVERY: Final = "DELIVERY"

# Metric, kind, unit, what the worker calls it, help.
_WORKERS: Final = (
    ("nmsd_sessions", "gauge", "", "sessions", "Sessions there are."),
    ("nmsd_sessions_max", "gauge", "", "max_sessions", "Most sessions the worker serves."),
    ("nmsd_sessions_most", "gauge", "", "most", "Most sessions there were at a time since the worker's start."),
    ("nmsd_threads", "gauge", "", "threads", "Commands in execution."),
    ("nmsd_threads_max", "gauge", "", "max_threads", "Most commands in execution at once."),
    ("nmsd_connections", "counter", "", "connections", "Connections taken."),
    ("nmsd_connections_refused", "counter", "", "rejected", "Connections refused for want of room."),
)
_PROCESSES: Final = (
    ("nmsd_descriptors", "gauge", "", "descriptors", "File descriptors open."),
    ("nmsd_descriptors_max", "gauge", "", "descriptor_limit", "Limit of file descriptors."),
    ("nmsd_memory_bytes", "gauge", "bytes", "memory", "Resident memory."),
    ("nmsd_cpu_seconds", "counter", "seconds", "cpu", "Processor time used."),
)

Sample = tuple[Mapping[str, str], float]


def render(status: dict[str, Any], counters: Sequence[dict[str, Any]]) -> str:
    """`status` is the supervisor's answer, `counters` those of the workers.

    Counters are the workers' own: they begin at 0 with each, and the label `pid` tells one worker from the next.
    """
    return "".join(_lines(status, counters)) + "# EOF\n"


def _lines(status: dict[str, Any], counters: Sequence[dict[str, Any]]) -> Iterator[str]:
    running = [({"version": str(status["version"])}, 1.0)]
    yield from _family("nmsd_build", "info", "", "The version that runs.", running)
    yield from _family("nmsd_start_time_seconds", "gauge", "seconds", "Start of the server.", [({}, status["started"])])
    services = [({"service": each["name"]}, float(each["state"] == "running")) for each in status["services"]]
    yield from _family("nmsd_service_up", "gauge", "", "Whether all workers of the service accept clients.", services)
    restarts = [({"service": each["name"]}, float(each["restarts"])) for each in status["services"]]
    yield from _family("nmsd_worker_deaths", "counter", "", "Workers that died and were replaced.", restarts)
    processes = [(_labels(worker, each["name"]), worker) for each in status["services"] for worker in each["workers"]]
    for name, kind, unit, key, told in _PROCESSES:
        yield from _family(name, kind, unit, told, [(labels, w[key]) for labels, w in processes if key in w])
    workers = [(_labels(worker, worker["service"]), worker) for worker in counters]
    for name, kind, unit, key, told in _WORKERS:
        yield from _family(name, kind, unit, told, [(labels, w[key]) for labels, w in workers if key in w])
    logins = [
        ({**labels, "outcome": outcome}, worker[key])
        for labels, worker in workers
        for outcome, key in (("good", "logins"), ("failed", "bad_logins"))
        if key in worker
    ]
    yield from _family("nmsd_logins", "counter", "", "Logins by outcome.", logins)
    commands, deliveries = [], []
    for labels, worker in workers:
        for name, outcomes in sorted(worker.get("commands", {}).items()):
            for outcome, count in sorted(outcomes.items()):
                if name == _DELIVERY:
                    deliveries.append(({**labels, "outcome": outcome}, count))
                else:
                    commands.append(({**labels, "command": name, "outcome": outcome}, count))
    yield from _family("nmsd_commands", "counter", "", "Commands by name and outcome.", commands)
    yield from _family("nmsd_deliveries", "counter", "", "Messages by recipient and outcome.", deliveries)


def _labels(worker: dict[str, Any], service: str) -> dict[str, str]:
    return {"service": service, "worker": str(worker["index"]), "pid": str(worker["pid"])}


def _family(name: str, kind: str, unit: str, told: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}\n"
    if unit:
        yield f"# UNIT {name} {unit}\n"
    yield f"# HELP {name} {_escape(told)}\n"
    suffix = {"counter": "_total", "info": "_info"}.get(kind, "")
    for labels, value in samples:
        listed = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        yield f"{name}{suffix}{{{listed}}} {value}\n" if listed else f"{name}{suffix} {value}\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
