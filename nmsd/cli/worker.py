"""nmsd worker: one process of one service; the supervisor starts it (config.launch says how)."""

from __future__ import annotations

import faulthandler
import signal
import sys
import traceback
from collections.abc import Sequence

import click

from nmsd.cli.instance import Instance, pass_instance


@click.command(hidden=True)
@click.argument("service")
@click.option("--index", type=int, default=0)
@click.option("--listen", "listeners", multiple=True, metavar="FD:KIND")
@click.option("--status", "status_fd", type=int, required=True)
@click.option("--config", "snapshot", required=True)
@click.option("--board", required=True)
@click.option("--echo", is_flag=True)
@pass_instance
def worker(
    instance: Instance,
    service: str,
    index: int,
    listeners: Sequence[str],
    status_fd: int,
    snapshot: str,
    board: str,
    echo: bool,
) -> int:
    """Serve one service on inherited sockets."""
    faulthandler.enable()
    faulthandler.register(signal.SIGQUIT)
    from nmsd.config.launch import EX_CONFIG, Launch, parse_listener
    from nmsd.config.load import read_snapshot
    from nmsd.config.problem import ConfigError
    from nmsd.log import open_log
    from nmsd.settings import SECTIONS

    launch = Launch(
        instance=instance.directory,
        service=service,
        index=index,
        listeners=tuple(parse_listener(text) for text in listeners),
        status_fd=status_fd,
        config=snapshot,
        board=board,
        echo=echo,
    )
    config = read_snapshot(snapshot, SECTIONS)
    log = open_log(config, service, sys.stderr if echo else None)
    try:
        from nmsd.app import run_worker  # last: it makes the process cooperative

        return run_worker(launch, config, log)
    except ConfigError as error:
        for problem in error.problems:
            log("Error", "General", "cannot start with these settings", problem=problem)
        return EX_CONFIG
    except Exception as error:
        log("Critical", "General", "worker failed", error=repr(error), where=traceback.format_exc(limit=-8))
        raise
