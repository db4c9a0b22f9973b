"""Runs the supervisor over an instance with stand-in workers: `supervise.py DIR [NAME=VALUE …]`."""

from __future__ import annotations

import os
import sys

from nmsd.cli.instance import Instance
from nmsd.cli.run import supervise
from nmsd.config.problem import ConfigError
from nmsd.model.errors import NmsdError

STANDIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "standin.py")


def main() -> int:
    try:
        status = supervise(Instance(sys.argv[1]), (sys.executable, STANDIN), sys.argv[2:])
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except NmsdError as error:
        print(error, file=sys.stderr)
        return 1
    if status is None:
        os.execv(sys.executable, [sys.executable, *sys.argv])
    return status


if __name__ == "__main__":
    sys.exit(main())
