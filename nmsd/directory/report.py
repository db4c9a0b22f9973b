"""What an administrator asks of the directory as a whole, whichever back end it is: a trial, its links, a flush.

Imports ldap3 only where the users are in LDAP, for that takes memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nmsd.config.setting import Config
from nmsd.directory.api import Directory
from nmsd.directory.ldap_settings import HOSTS
from nmsd.directory.settings import LDIF_FILE
from nmsd.directory.step import Step
from nmsd.model.errors import DirectoryError

if TYPE_CHECKING:
    from nmsd.directory.ldap_servers import Servers


def try_servers(directory: Directory, config: Config) -> Iterator[tuple[str, Sequence[Step]]]:
    """Each server with the steps of its trial: connection, TLS, bind, base, a search; the embedded directory is one."""
    if config[HOSTS]:
        from nmsd.directory.ldap import LdapDirectory
        from nmsd.directory.ldap_report import probe

        assert isinstance(directory, LdapDirectory)
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
    servers: Servers | None = getattr(directory, "servers", None)
    return [
        {"server": state.address.url, "down": state.is_down, "used": state.used, "idle": state.idle}
        for state in (servers.states() if servers is not None else ())
    ]


def flush(instance: str) -> None:
    """Has all processes forget what they learnt from the directory, before they look anything up again."""
    from nmsd.directory.ldap import FLUSH_FILE

    path = os.path.join(instance, FLUSH_FILE)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.utime(path)
