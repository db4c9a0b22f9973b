"""nmsd for tests of unprivileged workers: run by a Python, and from a place, that every user may use.

The tests' own Python may lie in root's home, where no other user gets at it.  The system's of the same version, with
nmsd and no more than it declares to need copied to where all may read, does as well.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packaging.requirements import Requirement

from tests.clients.harness import ROOT, Instance, environment
from tests.conftest import missing

USER = "nobody"


class PublicInstance(Instance):
    """An instance whose program every user may run."""

    python = ""
    place = ""

    def command(self) -> list[str]:
        return [self.python, "-m", "nmsd"]

    def command_becomes_another_user(self) -> bool:
        return True

    def nmsd_as(self, user: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Runs `nmsd -I` this instance as another user."""
        return subprocess.run(
            [*self.command(), "-I", str(self.directory), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.environment(),
            cwd="/",
            user=user,
            group="nogroup",
            extra_groups=(),
            timeout=110,
            check=False,
        )

    def environment(self, **more: str) -> dict[str, str]:
        return {**environment(**more), "PYTHONPATH": self.place, "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def public_nmsd() -> Iterator[type[PublicInstance]]:
    """PublicInstance, ready for use; the test is skipped (in CI: fails) where there is no such Python."""
    with tempfile.TemporaryDirectory(prefix="nmsd-public-") as name:
        place = Path(name)
        place.chmod(0o755)
        shutil.copytree(ROOT / "nmsd", place / "nmsd", ignore=shutil.ignore_patterns("__pycache__"))
        for distribution in needed():
            copy_distribution(distribution, place)
        subprocess.run(["chmod", "-R", "a+rX", str(place)], check=True)
        PublicInstance.place = str(place)
        PublicInstance.python = public_python(place)
        yield PublicInstance


def needed() -> list[importlib.metadata.Distribution]:
    """What nmsd needs at run time, and what that needs."""
    [declared] = [
        node.value
        for node in ast.parse((ROOT / "setup.py").read_text()).body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and "REQUIRES" in ast.unparse(node).partition("=")[0]
    ]
    assert declared is not None
    todo = list(ast.literal_eval(declared))
    found: dict[str, importlib.metadata.Distribution] = {}
    while todo:
        requirement = Requirement(todo.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        found[name] = importlib.metadata.distribution(name)
        todo += found[name].requires or []
    return list(found.values())


def copy_distribution(distribution: importlib.metadata.Distribution, place: Path) -> None:
    """Copies its files, but for programs and caches."""
    for file in distribution.files or ():
        source = Path(str(distribution.locate_file(file)))
        if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
            continue
        target = place / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def public_python(place: Path) -> str:
    """A Python of this version that USER may run."""
    version = f"python3.{sys.version_info.minor}"
    candidates = (sys.executable, *(f"{folder}/{version}" for folder in ("/usr/bin", "/usr/local/bin")))
    for python in candidates:
        try:
            tried = subprocess.run(
                [python, "-c", "import gevent, nmsd.settings"],
                user=USER,
                group="nogroup",
                extra_groups=(),
                env={**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd="/",
                capture_output=True,
            )
        except OSError:
            continue
        if tried.returncode == 0:
            return python
    missing(f"a {version} that other users than root may run")
    raise AssertionError
