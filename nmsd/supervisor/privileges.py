"""Who the workers run as when root started the server, and that this user can reach what it needs.

Security: only the supervisor stays root, to bind ports; it reads nothing that comes from a client.  A worker is run as
the server's user from its first instruction.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from nmsd.config.load import Loaded, Origin, problem_of
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.services import CERTIFICATE, CLIENT_CA_FILE, CLIENT_CRL_FILES, KEY, client_crl_paths
from nmsd.config.setting import Config, Setting
from nmsd.supervisor.settings import SERVER_GID, SERVER_UID

# What the workers write to, below the instance's directory; and etc, whose files they read and replace.
WRITTEN: Final = ("store", "run", "log", "etc")


@dataclass(frozen=True)
class Identity:
    """A user to run workers as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def find_identity(config: Config, origins: Mapping[str, Origin]) -> Identity | None:
    """The user for the workers; None when this process is not root, and they run as it does.  Raises ConfigError, also
    where a file that is not root's wants them to be root."""
    if os.geteuid() != 0:
        return None
    wanted = config[SERVER_UID]
    try:
        user = pwd.getpwuid(int(wanted)) if wanted.isdigit() else pwd.getpwnam(wanted)
    except KeyError:
        make = "create it" if wanted.isdigit() else f"create it (useradd --system --user-group {wanted})"
        text = f"there is no such user to run workers as; {make} or set {SERVER_UID.name} to one that there is"
        raise ConfigError([problem_of(config, SERVER_UID, origins, text)]) from None
    origin = origins.get(SERVER_UID.name)
    if user.pw_uid == 0 and origin is not None and origin.line and os.stat(origin.source).st_uid != 0:
        # The file is the server's user's while workers run as that one: a worker that was taken over could write this.
        text = f"the file is not root's, so workers are not root's either; to have that, `chown root {origin.source}`"
        raise ConfigError([problem_of(config, SERVER_UID, origins, text)])
    group_name = config[SERVER_GID]
    try:
        gid = user.pw_gid
        if group_name:
            gid = int(group_name) if group_name.isdigit() else grp.getgrnam(group_name).gr_gid
    except KeyError:
        text = "there is no such group; create it or leave the setting empty for the user's own"
        raise ConfigError([problem_of(config, SERVER_GID, origins, text)]) from None
    return Identity(user.pw_name, user.pw_uid, gid, tuple(os.getgrouplist(user.pw_name, gid)))


def hand_over(instance: str, identity: Identity) -> None:
    """Gives the instance's directories to the user.  What is in them already belongs to it, save after an `init`, a
    restore or a change of user: then the directory itself belongs to another, too, and all of it is gone through."""
    _give(instance, identity)
    for name in WRITTEN:
        top = os.path.join(instance, name)
        if not os.path.isdir(top) or os.path.islink(top):
            continue
        if name != "store" or os.lstat(top).st_uid != identity.uid:
            # The user may change these directories meanwhile: fwalk is not led astray by links put in their place.
            for _, directories, files, folder in os.fwalk(top):
                for each in (*directories, *files):
                    _give(each, identity, folder)
        _give(top, identity)


def become_server_user(loaded: Loaded) -> None:
    """Makes this process, if it is root's, the server's user.  Where that does not exist yet it stays root: at its
    start the server will ask for the user, and give it what is there."""
    try:
        identity = find_identity(loaded.config, loaded.origins)
    except ConfigError:
        return
    if identity is None or identity.uid == 0:
        return
    if os.lstat(loaded.config.instance).st_uid != identity.uid:
        hand_over(loaded.config.instance, identity)
    os.setgroups(identity.groups)
    os.setgid(identity.gid)
    os.setuid(identity.uid)


@contextmanager
def as_server_user(loaded: Loaded) -> Iterator[None]:
    """Meanwhile this process, if it is root's, acts as the server's user: for what others answer is no business of
    root's.  Where that user does not exist yet it stays root."""
    try:
        identity = find_identity(loaded.config, loaded.origins)
    except ConfigError:
        identity = None
    if identity is None or identity.uid == 0:
        yield
        return
    if os.lstat(loaded.config.instance).st_uid != identity.uid:
        hand_over(loaded.config.instance, identity)
    before = os.getegid(), os.getgroups()
    os.setgroups(identity.groups)
    os.setegid(identity.gid)
    os.seteuid(identity.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(before[0])
        os.setgroups(before[1])


def _give(path: str, identity: Identity, folder: int | None = None) -> None:
    try:
        there = os.stat(path, dir_fd=folder, follow_symlinks=False)
        if (there.st_uid, there.st_gid) == (identity.uid, identity.gid):
            return
        if stat.S_ISREG(there.st_mode) and there.st_nlink > 1:
            return  # its other name may be anywhere
        os.chown(path, identity.uid, identity.gid, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        pass  # a passing file


_PROBE: Final = """
import json, os, sys
write, read = json.loads(sys.argv[1])
found = [(path, "write to") for path in write if not os.access(path, os.W_OK | os.X_OK)]
found += [(path, "read") for path in read if os.path.exists(path) and not os.access(path, os.R_OK)]
try:
    import nmsd.config.launch
except ImportError:
    found.append(("the nmsd package", "read"))
print(json.dumps(found))
"""


def reach_problems(loaded: Loaded, identity: Identity, environ: Mapping[str, str]) -> list[Problem]:
    """What the user cannot reach, found out by becoming it for a moment.  `environ` is what workers will have."""
    config, origins = loaded.config, loaded.origins
    write = [os.path.join(config.instance, name) for name in ("store", "run", "log")]
    files: dict[str, Setting[Any]] = {
        config.path(setting): setting for setting in (CERTIFICATE, KEY, CLIENT_CA_FILE) if config[setting]
    }
    files |= dict.fromkeys(client_crl_paths(config), CLIENT_CRL_FILES)
    try:
        probe = subprocess.run(
            [sys.executable, "-P", "-c", _PROBE, json.dumps([write, list(files)])],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            cwd="/",
            env=dict(environ),
            user=identity.uid,
            group=identity.gid,
            extra_groups=identity.groups,
        )
    except (OSError, subprocess.CalledProcessError):
        mend = f"install it where {identity.name} can read it"
        text = f"{identity.name} cannot run {sys.executable}; {mend} or set {SERVER_UID.name}"
        return [problem_of(config, SERVER_UID, origins, text)]
    mend = f"let that user through the directories above it, move it, or set {SERVER_UID.name}"
    return [
        problem_of(config, files.get(path, SERVER_UID), origins, f"{identity.name} cannot {verb} {path}; {mend}")
        for path, verb in json.loads(probe.stdout)
    ]
