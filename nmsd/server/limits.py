"""The budget of file descriptors: what a worker's settings need, and what the system lets it have."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """The outcome: `sessions` is what fits, `wanted` what the settings ask for; `needed` descriptors would be wanted
    for all of it, `limit` is the soft limit now in force."""

    sessions: int
    wanted: int
    needed: int
    limit: int

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
