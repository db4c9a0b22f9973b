"""nmsd status: services, workers, sessions against their maxima, and what the processes use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import click

from nmsd.cli.control import ask
from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import duration, json_option, print_json, print_table
from nmsd.supervisor.control import NotRunning

_NOT_RUNNING: Final = 3  # as init scripts are to answer, by the Linux Standard Base


@click.command()
@click.argument("service", required=False)
@json_option
@pass_instance
def status(instance: Instance, service: str | None, as_json: bool) -> int:
    """Show what runs. The exit status is 0 if all of it does, 1 if a part of it does not, 3 if none does."""
    directory = instance.directory
    try:
        answer = ask(directory, "status", service)
    except NotRunning as error:
        if not as_json:
            raise Failed([str(error)], _NOT_RUNNING) from None
        answer = {"ok": True, "instance": directory, "state": "stopped", "services": []}
    answer.pop("ok")
    if answer["state"] == "stopped":
        print_json(answer)
        return _NOT_RUNNING
    if service:
        answer["services"] = [found for found in answer["services"] if found["name"] == service]
    answer.update(_use(answer["pid"]))
    for found in answer["services"]:
        for worker in found["workers"]:
            worker.update(_use(worker["pid"]))
    if as_json:
        print_json(answer)
    else:
        _print(answer)
    healthy = all(found["state"] in ("running", "stopped") for found in answer["services"])
    return 0 if healthy and answer["state"] == "running" else 1


def _use(pid: int) -> dict[str, Any]:
    """Memory in bytes, processor seconds, descriptors and their limit, native threads of a process."""
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return {
                "memory": process.memory_info().rss,
                "cpu": round(times.user + times.system, 2),
                "native_threads": process.num_threads(),
                "descriptors": process.num_fds(),
                "descriptor_limit": process.rlimit(psutil.RLIMIT_NOFILE)[0],
            }
    except psutil.Error:
        return {}


def _print(answer: dict[str, Any]) -> None:
    click.echo(
        f"nmsd {answer['version']} (pid {answer['pid']}) {answer['state']} for {duration(answer['uptime'])}:"
        f" {answer['instance']}"
    )
    rows = []
    for service in answer["services"]:
        endpoints = ", ".join(service["endpoints"])
        rows.append((service["name"], _state(service), _sessions(service), str(service["restarts"]), endpoints))
    click.echo()
    print_table(("SERVICE", "STATE", "SESSIONS", "RESTARTS", "LISTENS ON"), rows)
    workers = [(service["name"], worker) for service in answer["services"] for worker in service["workers"]]
    if workers:
        click.echo()
        head = ("WORKER", "PID", "STATE", "SESSIONS", "COMMANDS", "DESCRIPTORS", "MEMORY", "CPU", "UP")
        print_table(head, [_worker_row(name, worker) for name, worker in workers])
    for service in answer["services"]:
        for text in _remarks(service):
            click.echo(f"\n{service['name']}: {text}")
    directory = answer.get("directory") or {}
    if directory.get("away"):
        age = duration(time.time() - directory["read"])
        click.echo(
            f"\nsettings in the directory: as they were {age} ago, for it could not be asked: {directory['away']}"
        )


def _state(service: dict[str, Any]) -> str:
    """The state in words: a service that is stopped is either turned off or not enabled."""
    if service["state"] != "stopped":
        return str(service["state"])
    if service.get("turned_off"):
        return "turned off"
    return "stopped" if service.get("enabled") else "not enabled"


def _remarks(service: dict[str, Any]) -> Iterator[str]:
    if service["reason"]:
        yield service["reason"]
    if service["last_death"]:
        yield f"last death: {service['last_death']}"
    if service.get("turned_off"):
        yield f"`nmsd start {service['name']}` turns it on; so does a restart of the server, if it is enabled then"
    for worker in service["workers"]:
        fitting, wanted = worker.get("max_sessions", 0), worker.get("wanted_sessions", 0)
        if fitting < wanted:
            limit = worker.get("descriptor_limit", "its")
            mend = "`nmsd config check` tells the mend"
            yield f"{fitting} of {wanted} sessions per process fit into {limit} descriptors; {mend}"
            return


def _sessions(service: dict[str, Any]) -> str:
    workers = service["workers"]
    if not workers:
        return "-"
    return f"{_total(workers, 'sessions')}/{_total(workers, 'max_sessions')}"


def _total(workers: list[dict[str, Any]], name: str) -> int:
    return sum(int(worker.get(name, 0)) for worker in workers)


def _worker_row(name: str, worker: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{name}/{worker['index']}",
        str(worker["pid"]),
        worker["state"],
        _of(worker, "sessions", "max_sessions"),
        _of(worker, "threads", "max_threads"),
        _of(worker, "descriptors", "descriptor_limit"),
        f"{worker['memory'] / (1 << 20):.0f}M" if "memory" in worker else "-",
        f"{worker['cpu']:.1f}s" if "cpu" in worker else "-",
        duration(worker["uptime"]),
    )


def _of(worker: dict[str, Any], used: str, most: str) -> str:
    return f"{worker[used]}/{worker[most]}" if used in worker and most in worker else "-"
