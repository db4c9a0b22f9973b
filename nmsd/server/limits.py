"""The budget of file descriptors: what a worker's settings need, and what the system lets it have."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from nmsd.config.load import Origin, problem_of
from nmsd.config.problem import Problem
from nmsd.config.services import ServiceSettings
from nmsd.config.setting import Config
from nmsd.server.settings import DESCRIPTOR_RESERVE

LEAST: Final = 6  # one session, and the files of its account


@dataclass(frozen=True)
class Budget:
    """The outcome: `sessions` and `files` of the store are what fits, `wanted` the sessions that the settings ask for;
    `needed` descriptors would be wanted for all of it, `limit` is the soft limit now in force, of which `others` are
    for the rest."""

    sessions: int
    files: int
    wanted: int
    others: int
    needed: int
    limit: int

    @property
    def hopeless(self) -> bool:
        """Whether not even one session fits."""
        return self.limit - self.others < LEAST

    @property
    def lowered(self) -> bool:
        """Whether fewer sessions fit than the settings ask for."""
        return self.sessions < self.wanted


def _limits() -> tuple[int, int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    top = 1 << 30  # "unlimited"
    return (top if soft < 0 else soft), (top if hard < 0 else hard)


def _raise_soft(soft: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def fit(
    sessions: int,
    others: int,
    files: int = 0,
    *,
    limits: Callable[[], tuple[int, int]] = _limits,
    raise_soft: Callable[[int], None] = _raise_soft,
) -> Budget:
    """Makes room for `sessions` descriptors, `files` that the store would like to hold open, and `others` (reserve).

    Raises the soft limit as far as needed and allowed; if that is not enough, sessions and files may have half of the
    room each, and what the other leaves: at least one session.
    """
    needed = sessions + files + others
    soft, hard = limits()
    if soft < needed and soft < hard:
        try:
            raise_soft(min(needed, hard))
        except (OSError, ValueError):
            pass  # a container may forbid what the hard limit allows; what is in force is asked again
        soft, hard = limits()
    fitting = _most_sessions(soft - others, files)
    granted = max(1, min(sessions, fitting))
    return Budget(granted, max(0, min(files, soft - others - granted)), sessions, others, needed, soft)


def _most_sessions(room: int, files: int) -> int:
    return room - min(files, room // 2)


@dataclass(frozen=True)
class Shortage:
    """A maximum of sessions for which a process has too few descriptors.  One that leaves room for none keeps the
    service from starting; any other is lowered."""

    problem: Problem
    hopeless: bool


def shortages(
    config: Config, origins: Mapping[str, Origin], services: Mapping[ServiceSettings, int], limit: int
) -> Iterator[Shortage]:
    """What is short where a process may have `limit` descriptors at most; `services` says for each how many files its
    store and directory may hold open."""
    reserve = config[DESCRIPTOR_RESERVE]
    for service, files in services.items():
        fitting = _most_sessions(limit - reserve, files)
        if config[service.enable] and config[service.max_sessions] > fitting:
            hopeless = limit - reserve < LEAST
            told = f"with {files} files of the store and {reserve} in reserve a process needs"
            told += f" {config[service.max_sessions] + files + reserve} descriptors, and may have {limit}"
            told += "; raise its limit (LimitNOFILE= in the systemd unit, else ulimit -Hn)"
            if not hopeless:
                told += f", or set this to at most {fitting}"
            yield Shortage(problem_of(config, service.max_sessions, origins, told), hopeless)
