"""What comes before the first worker: the lock, the ports, the user, the directories, the board.

Everything that can be wrong is found here, all of it at once, and nothing is left behind when something is.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nmsd.config.launch import BOARD_BYTES
from nmsd.config.load import Loaded, config_path
from nmsd.config.problem import ConfigError, Problem
from nmsd.supervisor import privileges
from nmsd.supervisor.listen import Listeners
from nmsd.supervisor.pidfile import PidFile
from nmsd.supervisor.privileges import Identity
from nmsd.supervisor.spawn import Spawner, make_board
from nmsd.supervisor.table import rows

# Workers of a supervisor that was killed notice at once, but say farewell before they let go of the ports.
_PATIENCE_S: Final = 5.0


@dataclass(frozen=True)
class Ground:
    """What the supervisor stands on."""

    loaded: Loaded
    pid_file: PidFile
    listeners: Listeners
    identity: Identity | None
    spawner: Spawner


def prepare(loaded: Loaded, *, command: Sequence[str], environ: Mapping[str, str], echo: bool) -> Ground:
    """Takes the instance.  `command` is the program for a worker up to nmsd's own arguments.  Raises ConfigError with
    everything that is wrong, AlreadyRuns."""
    instance = loaded.config.instance
    if not os.path.isfile(config_path(instance)):
        raise ConfigError(loaded.problems)
    os.umask(0o077)
    for name in privileges.WRITTEN:
        os.makedirs(os.path.join(instance, name), mode=0o700, exist_ok=True)
    _raise_descriptor_limit()
    pid_file = PidFile(instance)
    listeners = Listeners()
    try:
        problems, identity = check(loaded, listeners, environ, _PATIENCE_S if pid_file.was_left else 0.0)
        if problems:
            raise ConfigError(problems)
        board = os.path.join(instance, "run", "board")
        make_board(board, BOARD_BYTES, identity)
    except BaseException:
        listeners.keep_only(())
        pid_file.release()
        raise
    return Ground(
        loaded, pid_file, listeners, identity, Spawner(instance, command, board, listeners, identity, environ, echo)
    )


def check(
    loaded: Loaded,
    listeners: Listeners,
    environ: Mapping[str, str],
    patience: float = 0.0,
    held: Container[str] = (),
) -> tuple[list[Problem], Identity | None]:
    """Binds the ports and finds the workers' user; returns all that is wrong, with the configuration and beyond it.

    `environ` is what workers will have; `held` are endpoints, as they are written, that need not be bound.
    """
    problems = list(loaded.problems)
    identity = None
    try:
        identity = privileges.find_identity(loaded.config, loaded.origins)
    except ConfigError as error:
        problems += error.problems
    wanted = [
        replace(row, endpoints=tuple(endpoint for endpoint in row.endpoints if str(endpoint) not in held))
        for row in rows(loaded.config).values()
    ]
    problems += listeners.bind(loaded.config, loaded.origins, wanted, patience)
    if identity is not None and identity.uid != 0:
        privileges.hand_over(loaded.config.instance, identity)
        problems += privileges.reach_problems(loaded, identity, environ)
    return problems, identity


def _raise_descriptor_limit() -> None:
    """Workers inherit the limit; what they make of it is their own sum."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
