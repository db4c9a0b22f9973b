"""Builds and installs nmsd; the hot modules are compiled by mypyc where that is possible.

Compiled or pure is decided here, for the whole build, so that a wheel's tag always tells the truth: pure when NMSD_PURE
is set, for editable installs, without a C compiler, or when mypyc or the compiler fails.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import find_packages, setup

# What a profile names as hot.  All of it runs uncompiled, too.
COMPILED = (
    "nmsd/model/*.py",
    "nmsd/wire/**/*.py",
    "nmsd/mime/*.py",
    "nmsd/imap/**/*.py",
    "nmsd/pop3/**/*.py",
    "nmsd/lmtp/**/*.py",
    "nmsd/directory/entrance.py",
    "nmsd/directory/users.py",
    "nmsd/directory/access.py",
    "nmsd/server/session.py",
    "nmsd/server/gate.py",
    "nmsd/server/admission.py",
    "nmsd/server/crowd.py",
    "nmsd/server/pump.py",
    "nmsd/server/turns.py",
    "nmsd/server/throttle.py",
    "nmsd/server/board.py",
    "nmsd/server/bus.py",
    "nmsd/server/commands.py",
    "nmsd/server/worker.py",
    "nmsd/server/sessionlog.py",
    "nmsd/server/stream.py",
    "nmsd/server/oust.py",
    "nmsd/log/event.py",
    "nmsd/store/sqlite/paths.py",
    "nmsd/store/sqlite/partitions.py",
)
NOT_COMPILED = (
    "settings.py",  # declarations, read once
)
BUILDING = {"bdist_wheel", "build", "build_ext", "install"}

REQUIRES = [
    "gevent>=24.2",
    "ldap3>=2.9",
    "configobj>=5.0.9",
    "psutil>=5.9",
    "pyOpenSSL>=24.0",
    "cryptography>=42",
    "click>=8.1",
    "rich>=13",
    "argon2-cffi>=23.1",
    "PyJWT>=2.8",
    "flask>=2.3",
    "flask-smorest>=0.44",
]
TESTS = [
    "pytest>=8",
    "pytest-xdist>=3.5",
    "pytest-timeout>=2.3",
    "hypothesis>=6.100",
    "mypy>=1.10",
    "ruff>=0.5",
    "types-psutil",
    "IMAPClient>=3",
    "getmail6>=6.18",
    "py-spy>=0.3",
    "selenium>=4.10",
    "prometheus-client>=0.20",
    "schemathesis>=4",
]


def version() -> str:
    found = re.search(r'VERSION: Final = "(.+)"', Path("nmsd/__init__.py").read_text())
    assert found is not None
    return found[1]


def has_compiler() -> bool:
    """Whether an extension module can be compiled here: a compiler, and Python's headers."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    with tempfile.TemporaryDirectory() as place:
        source = os.path.join(place, "probe.c")
        Path(source).write_text("#include <Python.h>\nint probe(void) { return PY_MAJOR_VERSION; }\n")
        include = sysconfig.get_paths()["include"]
        command = [*compiler, f"-I{include}", "-c", source, "-o", os.path.join(place, "probe.o")]
        try:
            return subprocess.run(command, capture_output=True).returncode == 0
        except OSError:
            return False


def compiled_modules() -> list:
    """The extension modules, or none for a pure build."""
    if os.environ.get("NMSD_PURE") or not BUILDING & set(sys.argv) or not has_compiler():
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        return []
    paths = sorted({path for pattern in COMPILED for path in glob.glob(pattern, recursive=True)})
    paths = [path for path in paths if os.path.basename(path) not in NOT_COMPILED]
    try:
        return mypycify(["--config-file=", "--ignore-missing-imports", *paths], opt_level="1", debug_level="0")
    except (SystemExit, Exception) as error:  # mypycify exits where mypy finds an error
        print(f"mypyc failed ({error}); building pure Python", file=sys.stderr)
        return []


def manual() -> list:
    """The man pages, written by tools/man; none where it lacks what it needs, for the program does without."""
    if not BUILDING & set(sys.argv):
        return []
    place = Path("build/man")
    shutil.rmtree(place, ignore_errors=True)
    if subprocess.run([sys.executable, "tools/man", str(place)]).returncode:
        print("tools/man failed; building without man pages", file=sys.stderr)
        return []
    return [(f"share/man/{folder.name}", sorted(map(str, folder.iterdir()))) for folder in sorted(place.iterdir())]


def build(modules: list) -> None:
    setup(
        name="nmsd",
        version=version(),
        description="A directory-backed IMAP4/POP3 mailbox server",
        python_requires=">=3.11",
        packages=find_packages(include=["nmsd", "nmsd.*"]),
        package_data={"nmsd": ["py.typed", "**/*.html", "**/*.css", "**/*.js", "**/*.svg", "**/*.sql"]},
        data_files=manual(),
        ext_modules=modules,
        install_requires=REQUIRES,
        extras_require={"test": TESTS},
        entry_points={"console_scripts": ["nmsd = nmsd.cli.main:main"]},
        zip_safe=False,
    )


def main() -> None:
    modules = compiled_modules()
    if not modules:
        build([])
        return
    try:
        build(modules)
    except (SystemExit, Exception) as error:
        if isinstance(error, SystemExit) and not error.code:
            raise
        print(f"compiling failed ({error}); building pure Python", file=sys.stderr)
        build([])


main()
