"""The figures of a server as OpenMetrics text (version 1.0.0 of the format), or as Prometheus' older text.

Counters and histograms are the workers' own: they begin at 0 with each, and the labels `worker` and `pid` tell one from
the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_DELIVERY: Final = "DELIVERY"

_WORKER: Final = ("service", "worker", "pid")

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]
"""What comes behind the family's name, labels, value."""


@dataclass(frozen=True)
class Figures:
    """What is exported: the supervisor's answer, those of the workers to `counters`, the settings that are numbers."""

    status: dict[str, Any]
    workers: Sequence[dict[str, Any]]
    settings: Mapping[str, float]


@dataclass(frozen=True)
class Family:
    """One metric: its name as it is defined, without what the samples of its kind have behind it; `labels` are those of
    its samples, but for `le` of histograms."""

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    help: str
    collect: Callable[[Figures], Iterable[Sample]]

    def samples(self) -> tuple[str, ...]:
        """The names of its samples."""
        endings = {"counter": ("_total",), "info": ("_info",), "histogram": ("_bucket", "_count", "_sum")}
        return tuple(self.name + ending for ending in endings.get(self.kind, ("",)))


def render(
    status: dict[str, Any],
    workers: Sequence[dict[str, Any]],
    settings: Mapping[str, float] | None = None,
    openmetrics: bool = True,
) -> str:
    """`status` is the supervisor's answer, `workers` those of the workers to `counters`, `settings` numbers by name."""
    figures = Figures(status, workers, settings or {})
    lines = [line for family in FAMILIES for line in _family(family, figures, openmetrics)]
    return "".join(lines) + ("# EOF\n" if openmetrics else "")


def _family(family: Family, figures: Figures, openmetrics: bool) -> Iterator[str]:
    name, kind = family.name, family.kind
    if not openmetrics:  # the older text names what the samples are called, and has fewer kinds
        name = name if kind == "histogram" else family.samples()[0]
        kind = "gauge" if kind == "info" else kind
    yield f"# TYPE {name} {kind}\n"
    if family.unit and openmetrics:
        yield f"# UNIT {name} {family.unit}\n"
    yield f"# HELP {name} {_escape(family.help)}\n"
    for ending, labels, value in family.collect(figures):
        listed = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        yield f"{family.name}{ending}{{{listed}}} {value}\n" if listed else f"{family.name}{ending} {value}\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


# Where the figures are


def _labels(worker: Mapping[str, Any], service: str) -> dict[str, str]:
    return {"service": service, "worker": str(worker["index"]), "pid": str(worker["pid"])}


def _workers(figures: Figures) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Labels and facts of the workers that answered, and of others, as the console's, what the supervisor knows."""
    for worker in figures.workers:
        yield _labels(worker, worker["service"]), worker
    answered = {worker["pid"] for worker in figures.workers}
    yield from ((labels, facts) for labels, facts in _processes(figures) if facts["pid"] not in answered)


def _processes(figures: Figures) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Labels and facts of all processes there are, as the supervisor knows them."""
    for service in figures.status["services"]:
        for worker in service["workers"]:
            yield _labels(worker, service["name"]), worker


def _services(ending: str, value: Callable[[dict[str, Any]], float]) -> Callable[[Figures], Iterator[Sample]]:
    return lambda figures: ((ending, {"service": each["name"]}, value(each)) for each in figures.status["services"])


def _worker_fact(key: str, ending: str = "") -> Callable[[Figures], Iterator[Sample]]:
    return lambda figures: ((ending, labels, facts[key]) for labels, facts in _workers(figures) if key in facts)


def _process_fact(key: str, ending: str = "") -> Callable[[Figures], Iterator[Sample]]:
    return lambda figures: ((ending, labels, facts[key]) for labels, facts in _processes(figures) if key in facts)


def _split(label: str, keys: Mapping[str, str], ending: str = "") -> Callable[[Figures], Iterator[Sample]]:
    """One sample for each of several facts of a worker, told apart by a label: its value for each key."""

    def collect(figures: Figures) -> Iterator[Sample]:
        for labels, facts in _workers(figures):
            for key, value in keys.items():
                if key in facts:
                    yield ending, {**labels, label: value}, facts[key]

    return collect


def _within(key: str, label: str) -> Callable[[Figures], Iterator[Sample]]:
    """One sample for each member of a fact that is an object."""

    def collect(figures: Figures) -> Iterator[Sample]:
        for labels, facts in _workers(figures):
            for name, value in sorted(facts.get(key, {}).items()):
                yield "", {**labels, label: name}, value

    return collect


def _commands(figures: Figures) -> Iterator[Sample]:
    for labels, facts in _workers(figures):
        for name, outcomes in sorted(facts.get("commands", {}).items()):
            for outcome, count in sorted(outcomes.items()):
                if name != _DELIVERY:
                    yield "_total", {**labels, "command": name, "outcome": outcome.lower()}, count


def _deliveries(figures: Figures) -> Iterator[Sample]:
    for labels, facts in _workers(figures):
        for outcome, count in sorted(facts.get("commands", {}).get(_DELIVERY, {}).items()):
            yield "_total", {**labels, "outcome": outcome.lower()}, count


def _latency(key: str) -> Callable[[Figures], Iterator[Sample]]:
    """A histogram of the workers', its buckets added up as the format wants them."""

    def collect(figures: Figures) -> Iterator[Sample]:
        for labels, facts in _workers(figures):
            found = facts.get("latency", {}).get(key)
            if found is None:
                continue
            count = 0
            for bound, more in zip((*map(str, found["bounds"]), "+Inf"), found["counts"], strict=True):
                count += more
                yield "_bucket", {**labels, "le": bound}, count
            yield "_count", labels, count
            yield "_sum", labels, found["sum"]

    return collect


FAMILIES: Final = (
    Family(
        "nmsd_build",
        "info",
        "",
        ("version",),
        "The version that runs.",
        lambda figures: [("_info", {"version": str(figures.status["version"])}, 1)],
    ),
    Family(
        "nmsd_start_time_seconds",
        "gauge",
        "seconds",
        (),
        "Start of the server, in seconds since the epoch.",
        lambda figures: [("", {}, figures.status["started"])],
    ),
    Family(
        "nmsd_service_up",
        "gauge",
        "",
        ("service",),
        "Whether all workers of the service accept clients.",
        _services("", lambda each: int(each["state"] == "running")),
    ),
    Family(
        "nmsd_worker_deaths",
        "counter",
        "",
        ("service",),
        "Workers that died and were replaced.",
        _services("_total", lambda each: each["restarts"]),
    ),
    Family(
        "nmsd_workers_max",
        "gauge",
        "",
        ("service",),
        "Workers that the service should have.",
        _services("", lambda each: each.get("processes", 0)),
    ),
    Family(
        "nmsd_worker_silence_seconds",
        "gauge",
        "seconds",
        _WORKER,
        "Time since the worker last reported to the supervisor, which it does every ten seconds at least.",
        _process_fact("heard"),
    ),
    Family("nmsd_descriptors", "gauge", "", _WORKER, "File descriptors open.", _process_fact("descriptors")),
    Family(
        "nmsd_descriptors_max", "gauge", "", _WORKER, "Limit of file descriptors.", _process_fact("descriptor_limit")
    ),
    Family("nmsd_memory_bytes", "gauge", "bytes", _WORKER, "Resident memory.", _process_fact("memory")),
    Family("nmsd_cpu_seconds", "counter", "seconds", _WORKER, "Processor time used.", _process_fact("cpu", "_total")),
    Family("nmsd_sessions", "gauge", "", _WORKER, "Sessions there are.", _worker_fact("sessions")),
    Family("nmsd_sessions_max", "gauge", "", _WORKER, "Most sessions the worker serves.", _worker_fact("max_sessions")),
    Family(
        "nmsd_sessions_most",
        "gauge",
        "",
        _WORKER,
        "Most sessions there were at a time since the worker's start.",
        _worker_fact("most"),
    ),
    Family("nmsd_sessions_idle", "gauge", "", _WORKER, "Sessions that wait for their client.", _worker_fact("idle")),
    Family("nmsd_sessions_watching", "gauge", "", _WORKER, "Sessions in IMAP's IDLE.", _worker_fact("watching")),
    Family(
        "nmsd_sessions_retired",
        "counter",
        "",
        _WORKER,
        "Sessions ended for a newer one of the same user or address at the maximum.",
        _worker_fact("retired", "_total"),
    ),
    Family("nmsd_threads", "gauge", "", _WORKER, "Commands in execution.", _worker_fact("threads")),
    Family(
        "nmsd_threads_max", "gauge", "", _WORKER, "Most commands in execution at once.", _worker_fact("max_threads")
    ),
    Family("nmsd_threads_waiting", "gauge", "", _WORKER, "Commands that wait for their turn.", _worker_fact("waiting")),
    Family(
        "nmsd_native_work",
        "gauge",
        "",
        (*_WORKER, "kind"),
        "Work that native threads do or have before them, by kind (work: writes, passwords, directory; commit).",
        _within("native", "kind"),
    ),
    Family(
        "nmsd_native_threads_max",
        "gauge",
        "",
        _WORKER,
        "Most native threads for each kind of work.",
        _worker_fact("max_native"),
    ),
    Family("nmsd_connections", "counter", "", _WORKER, "Connections taken.", _worker_fact("connections", "_total")),
    Family(
        "nmsd_connections_refused",
        "counter",
        "",
        (*_WORKER, "reason"),
        "Connections refused, by reason (full: no room for more sessions; filter: an access filter).",
        _split("reason", {"rejected": "full", "kept_out": "filter"}, "_total"),
    ),
    Family(
        "nmsd_traffic_bytes",
        "counter",
        "bytes",
        (*_WORKER, "direction"),
        "Bytes of clients' sessions, under TLS as they were before encryption, by direction (in: from clients).",
        _split("direction", {"received": "in", "sent": "out"}, "_total"),
    ),
    Family(
        "nmsd_logins",
        "counter",
        "",
        (*_WORKER, "outcome"),
        "Logins by outcome (good, failed).",
        _split("outcome", {"logins": "good", "bad_logins": "failed"}, "_total"),
    ),
    Family(
        "nmsd_commands",
        "counter",
        "",
        (*_WORKER, "command", "outcome"),
        "Commands by name and outcome (ok, no, bad; ok, err; ok, 4xx, 5xx).",
        _commands,
    ),
    Family(
        "nmsd_deliveries",
        "counter",
        "",
        (*_WORKER, "outcome"),
        "Messages by recipient and outcome (ok, 4xx, 5xx).",
        _deliveries,
    ),
    Family(
        "nmsd_command_duration_seconds",
        "histogram",
        "seconds",
        _WORKER,
        "Time from when a command was there until its answer was made, waiting for its turn included.",
        _latency("command"),
    ),
    Family(
        "nmsd_delivery_duration_seconds",
        "histogram",
        "seconds",
        _WORKER,
        "Time from the end of a message until it was stored for a recipient, or could not be.",
        _latency("delivery"),
    ),
    Family(
        "nmsd_directory_duration_seconds",
        "histogram",
        "seconds",
        _WORKER,
        "Time until the users' directory had answered a question, from its cache or not.",
        _latency("directory"),
    ),
    Family(
        "nmsd_commit_duration_seconds",
        "histogram",
        "seconds",
        _WORKER,
        "Time until a write was on the disk, the wait for its account's commit included.",
        _latency("commit"),
    ),
    Family(
        "nmsd_directory_server_up",
        "gauge",
        "",
        (*_WORKER, "server"),
        "Whether a directory server is asked: 0 while it is left alone because it does not answer.",
        _within("directory_servers", "server"),
    ),
    Family(
        "nmsd_store_writes",
        "gauge",
        "",
        _WORKER,
        "Writes under way or waiting for their account's next commit.",
        _worker_fact("store_writes"),
    ),
    Family(
        "nmsd_store_open_accounts", "gauge", "", _WORKER, "Accounts whose files are open.", _worker_fact("store_open")
    ),
    Family(
        "nmsd_store_open_accounts_max",
        "gauge",
        "",
        _WORKER,
        "Most accounts whose files are kept open.",
        _worker_fact("max_store_open"),
    ),
    Family(
        "nmsd_log_events_lost",
        "counter",
        "",
        _WORKER,
        "Events that could not be written to the log.",
        _worker_fact("lost_events", "_total"),
    ),
    Family(
        "nmsd_setting",
        "gauge",
        "",
        ("name",),
        "Every setting that is a number, and with it every limit, in its own unit.",
        lambda figures: [("", {"name": name}, value) for name, value in sorted(figures.settings.items())],
    ),
)
"""All metrics, in the order they are told in."""
