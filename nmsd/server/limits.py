"""The budget of file descriptors: what a worker's settings need, and what the system lets it have."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nmsd.config.load import Origin, problem_of
from nmsd.config.problem import Problem
from nmsd.config.services import ServiceSettings
from nmsd.config.setting import Config
from nmsd.server.settings import DESCRIPTOR_RESERVE


@dataclass(frozen=True)
class Budget:
    """The outcome: `sessions` is what fits, `wanted` what the settings ask for; `needed` descriptors would be wanted
    for all of it, `limit` is the soft limit now in force."""

    sessions: int
    wanted: int
    needed: int
    limit: int

    @property
    def hopeless(self) -> bool:
        """Whether not even one session fits."""
        return self.limit <= self.needed - self.wanted

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
    *,
    limits: Callable[[], tuple[int, int]] = _limits,
    raise_soft: Callable[[int], None] = _raise_soft,
) -> Budget:
    """Makes room for `sessions` descriptors and `others` (store, directory, reserve).

    Raises the soft limit as far as needed and allowed; if that is not enough, fewer sessions fit, at least one.
    """
    needed = sessions + others
    soft, hard = limits()
    if soft < needed and soft < hard:
        try:
            raise_soft(min(needed, hard))
        except (OSError, ValueError):
            pass  # a container may forbid what the hard limit allows; what is in force is asked again
        soft, hard = limits()
    return Budget(max(1, min(sessions, soft - others)), sessions, needed, soft)


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
    for service, files in services.items():
        if not config[service.enable]:
            continue
        sessions, others = config[service.max_sessions], files + config[DESCRIPTOR_RESERVE]
        if sessions + others > limit:
            yield Shortage(_shortage(config, origins, service, others, limit), limit <= others)


def _shortage(
    config: Config, origins: Mapping[str, Origin], service: ServiceSettings, others: int, limit: int
) -> Problem:
    sessions = config[service.max_sessions]
    fitting = limit - others
    what = f"with {others} files of store and reserve that is {sessions + others} descriptors, and a process may have"
    mend = "raise its limit (LimitNOFILE= in the systemd unit, else ulimit -Hn)"
    if fitting > 0:
        mend += f", or set this to at most {fitting}"
    return problem_of(config, service.max_sessions, origins, f"{what} {limit}; {mend}")
