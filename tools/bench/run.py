"""Measures nmsd beside Dovecot on this machine: `tools/bench/run.py --help`."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cases  # noqa: E402
from cases import CASES, HIBERNATION_CASES, Figure, Options  # noqa: E402
from corpus import generate  # noqa: E402
from servers import KINDS, Server, free_offset  # noqa: E402

Results = dict[str, dict[str, Figure]]


def chosen(text: str, known: list[str]) -> list[str]:
    """The names that `text` (with commas between) asks for: exact, or as the beginning of several."""
    words = [word for word in text.split(",") if word]
    for word in words:
        if not any(name.startswith(word) for name in known):
            raise click.BadParameter(f"{word!r} is none of {', '.join(known)}")
    return [name for name in known if not words or any(name.startswith(word) for word in words)]


def fill(server: Server, names: list[str], options: Options, progress: Progress) -> None:
    """Puts in the mail that the cases named need."""
    if any(name.startswith(("fetch", "search", "store")) for name in names):
        _fill(server, cases.BIG, options.messages, progress)
    if any(name.startswith(("idle", "memory")) for name in names):
        for user in cases.SLEEPERS:
            _fill(server, user, cases.SLEEPER_MESSAGES, progress)


def _fill(server: Server, user: str, count: int, progress: Progress) -> None:
    task = progress.add_task(f"{server.name}: {count} messages for {user}", total=count)
    messages: Iterator[bytes] = iter(generate(count, 1)) if user == cases.BIG else small_messages(count)
    cases.fill(server, user, messages, lambda: progress.advance(task, 50))
    progress.remove_task(task)


def small_messages(count: int) -> Iterator[bytes]:
    """Short messages, for mailboxes of which only the size in messages matters."""
    for number in range(count):
        yield (
            f"From: a@{cases.DOMAIN}\r\nTo: b@{cases.DOMAIN}\r\nSubject: number {number}\r\n"
            f"Message-ID: <{number}@{cases.DOMAIN}>\r\n\r\nShort.\r\n"
        ).encode()


def cell(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    if figure.is_rate:
        return f"{figure.value:,.0f}/s  {figure.cpu_us:,.1f} µs"
    cpu = f"  {figure.cpu_us / 1000:,.1f} ms CPU" if figure.cpu_us else ""
    return f"{figure.value:,.2f} {figure.unit}{cpu}"


def ratio(ours: Figure | None, theirs: Figure | None) -> str:
    """How many times better ours is (by the figure; then by CPU)."""
    if ours is None or theirs is None:
        return "–"
    times = ours.value / theirs.value if ours.is_rate else theirs.value / max(ours.value, 1e-9)
    text = f"{times:,.1f}×"
    if ours.cpu_us and theirs.cpu_us:
        text += f"  CPU {theirs.cpu_us / ours.cpu_us:,.1f}×"
    return text


def table(results: Results, servers: list[str]) -> Table:
    grid = Table(title="nmsd beside Dovecot")
    grid.add_column("work")
    for name in servers:
        grid.add_column(name, justify="right")
    peers = [name for name in servers if name != "nmsd"] if "nmsd" in servers else []
    for name in peers:
        grid.add_column(f"nmsd : {name}", justify="right")
    for case, figures in results.items():
        row = [CASES[case][0], *(cell(figures.get(name)) for name in servers)]
        row += [ratio(figures.get("nmsd"), figures.get(name)) for name in peers]
        grid.add_row(*row)
    return grid


def machine() -> dict[str, object]:
    """Where this was measured."""
    versions = {}
    if shutil.which("dovecot"):
        versions["dovecot"] = subprocess.run(["dovecot", "--version"], capture_output=True, text=True).stdout.strip()
    return {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version(), **versions}


@click.command()
@click.option("--only", default="", help="Cases, with commas between (beginnings will do); else all.")
@click.option("--servers", "server_names", default="", help=f"Of {', '.join(KINDS)}; else all.")
@click.option("--seconds", default=4.0, show_default=True, help="How long each rate is measured.")
@click.option("--messages", default=10_000, show_default=True, help="Messages in the big mailbox.")
@click.option("--sessions", default=1000, show_default=True, help="Idle sessions for nmsd's memory row.")
@click.option("--process-sessions", default=40, show_default=True, help="The same for the others.")
@click.option("--idle-wait", default=75.0, show_default=True, help="Seconds after login when memory is read.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option("--directory", type=click.Path(path_type=Path), default=None, help="Where the servers' data go.")
def main(
    only: str,
    server_names: str,
    seconds: float,
    messages: int,
    sessions: int,
    process_sessions: int,
    idle_wait: float,
    as_json: bool,
    directory: Path | None,
) -> None:
    """Measures nmsd beside Dovecot and prints figures, server CPU per operation, and ratios."""
    names = chosen(only, list(CASES))
    wanted = [name for name in server_names.split(",") if name] or list(KINDS)
    for name in wanted:
        if name not in KINDS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(KINDS)}", param_hint="--servers")
    options = Options(seconds, messages, sessions, process_sessions, idle_wait)
    console = Console(stderr=True)
    results: Results = {name: {} for name in names}
    offsets: set[int] = set()
    with (
        tempfile.TemporaryDirectory(prefix="nmsd-bench-", dir=directory) as root,
        Progress(console=console) as progress,
    ):
        os.chmod(root, 0o755)
        running: list[Server] = []
        try:
            for kind in wanted:
                mine = [name for name in names if kind != "dovecot-hibernate" or name in HIBERNATION_CASES]
                if not mine:
                    continue
                offset = free_offset(offsets)
                offsets.add(offset)
                server = KINDS[kind](kind, Path(root) / kind, offset, cases.USERS)
                running.append(server)
                server.start()
                fill(server, mine, options, progress)
            task = progress.add_task("measuring", total=len(names))
            for name in names:
                for server in running:
                    if server.name == "dovecot-hibernate" and name not in HIBERNATION_CASES:
                        continue
                    progress.update(task, description=f"{server.name}: {CASES[name][0]}")
                    try:
                        results[name][server.name] = CASES[name][1](server, options)
                    except Exception as error:
                        console.print(f"[red]{server.name}: {name} failed: {error!r}[/]")
                progress.advance(task)
        finally:
            for server in running:
                server.stop()
    shown = [server.name for server in running]
    if as_json:
        figures = {case: {name: figure.as_dict() for name, figure in row.items()} for case, row in results.items()}
        click.echo(json.dumps({"machine": machine(), "results": figures}, indent=2))
    else:
        Console(width=200 if not sys.stdout.isatty() else None).print(table(results, shown))


if __name__ == "__main__":
    main()
