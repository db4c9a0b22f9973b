"""This program, as another process is to execute it."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from typing import Final

import nmsd

# -P: what lies in the current directory is not imported, whoever put it there.
PROGRAM: Final = (sys.executable, "-P", "-m", "nmsd")


def program_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for PROGRAM in any directory: names this package's place where it is not installed."""
    paths = [os.path.abspath(path) for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    root = os.path.dirname(os.path.dirname(os.path.abspath(nmsd.__file__)))
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    if root not in installed and root not in paths:
        paths.insert(0, root)
    found = dict(environ)
    if paths:
        found["PYTHONPATH"] = os.pathsep.join(paths)
    return found
