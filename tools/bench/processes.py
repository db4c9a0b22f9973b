"""What a server costs: processor time and memory of its whole process tree, read from /proc."""

from __future__ import annotations

import os
from typing import Final

_TICK: Final = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found, queue = [], [pid]
    while queue:
        found.append(queue[-1])
        queue.extend(children.get(queue.pop(), []))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree so far, that of its waited-for dead included (in units of the clock tick)."""
    ticks = 0
    for member in tree(pid):
        if fields := _stat(member):
            ticks += sum(int(value) for value in fields[11:15])  # utime, stime, cutime, cstime
    return ticks / _TICK


def pss_bytes(pid: int) -> int:
    """Proportional set size of the tree: shared pages divided among those who share them."""
    total = 0
    for member in tree(pid):
        try:
            with open(f"/proc/{member}/smaps_rollup", "rb") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def _stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat after the command's name, beginning with the state; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
