"""What an administrator asks of the directory as a whole, whichever back end it is: a trial, its links, a flush."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from nmsd.config.setting import Config
from nmsd.directory.api import Directory
from nmsd.directory.ldap import FLUSH_FILE, LdapDirectory
from nmsd.directory.ldap_report import probe
from nmsd.directory.settings import LDIF_FILE
from nmsd.directory.step import Step
from nmsd.model.errors import DirectoryError


def try_servers(directory: Directory, config: Config) -> Iterator[tuple[str, Sequence[Step]]]:
    """Each server with the steps of its trial: connection, TLS, bind, base, a search; the embedded directory is one."""
    if isinstance(directory, LdapDirectory):
        for address in directory.servers.addresses:
            yield address.url, list(probe(directory, config, address))
        return
    try:
        users = sum(1 for _ in directory.accounts())
        step = Step("read", True, f"{users} user{'' if users == 1 else 's'}")
    except DirectoryError as error:
        step = Step("read", False, str(error))
    yield config.path(LDIF_FILE), [step]


def links(directory: Directory) -> list[dict[str, object]]:
    """The servers of an LDAP directory as this process knows them: `server`, `down`, and the connections `used` and
    `idle`; none for the embedded one."""
    if not isinstance(directory, LdapDirectory):
        return []
    return [
        {"server": state.address.url, "down": state.is_down, "used": state.used, "idle": state.idle}
        for state in directory.servers.states()
    ]


def flush(instance: str) -> None:
    """Has all processes forget what they learnt from the directory, before they look anything up again."""
    path = os.path.join(instance, FLUSH_FILE)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.utime(path)
