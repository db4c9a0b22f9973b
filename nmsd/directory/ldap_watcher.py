"""The watcher: listens to a server's changes in the background and has the back end forget what changed.

While nobody pushes, what is remembered has its time as without a watcher.  Whenever a watch begins, everything is
forgotten: changes before it went unheard.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from nmsd.directory import ldap_settings as settings
from nmsd.directory.ldap_changes import Change, NotPushed, watch
from nmsd.directory.ldap_link import Failure
from nmsd.model.errors import DirectoryUnavailable

if TYPE_CHECKING:
    from nmsd.config.ldap_address import Address
    from nmsd.config.setting import Config
    from nmsd.directory.ldap_link import Link
    from nmsd.directory.ldap_servers import Servers
    from nmsd.directory.runtime import Log

_AGAIN_S: Final = 1.0  # after a watch that ended
_NOT_PUSHED_S: Final = 600.0  # how long a server is left alone that does not push changes


class Watcher:
    """`changed` is called for each entry that changed, `unknown` when any may have."""

    def __init__(
        self,
        config: Config,
        servers: Servers,
        log: Log,
        changed: Callable[[Change], None],
        unknown: Callable[[], None],
    ) -> None:
        self._config = config
        self._servers = servers
        self._log = log
        self._changed = changed
        self._unknown = unknown
        self._stopped = threading.Event()
        self._link: Link | None = None
        self._told = ""
        self.watching: Address | None = None
        """The server that pushes its changes to us now."""
        threading.Thread(target=self._run, name="directory watcher", daemon=True).start()

    def stop(self) -> None:
        """Ends it; does not wait."""
        self._stopped.set()
        link = self._link
        if link is not None:
            link.abort()

    def _run(self) -> None:
        while not self._stopped.is_set():
            pause = self._watch_one()
            self.watching = None
            self._stopped.wait(pause)

    def _watch_one(self) -> float:
        """Watches the first server that lets us, as long as it does; gives the seconds until another attempt."""
        up = self._servers.up()
        silent = 0
        for address in up:
            try:
                self._listen(address)
            except NotPushed as error:
                silent += 1
                self._tell(address, error)
            except (Failure, DirectoryUnavailable) as error:
                if self.watching is not None or self._stopped.is_set():
                    return _AGAIN_S
                self._tell(address, error)
        return _NOT_PUSHED_S if up and silent == len(up) else float(self._config[settings.RETRY])

    def _listen(self, address: Address) -> None:
        link = self._servers.opener.bound_link(address)
        self._link = link
        try:
            if self._stopped.is_set():
                return
            config = self._config
            for change in watch(link, config[settings.BASE], config[settings.SCOPE], config[settings.TIMEOUT]):
                if self.watching is None:
                    self.watching = address
                    self._told = ""
                    self._unknown()
                    self._log("Information", "LDAP", "directory server pushes its changes", server=address.url)
                elif change is not None and change.dn:
                    self._changed(change)
                elif change is not None:
                    self._unknown()
        finally:
            self._link = None
            link.close()

    def _tell(self, address: Address, error: Exception) -> None:
        """Logs why there is no watch, once as long as the reason is the same."""
        words = f"{address.url}: {error}"
        if words != self._told:
            self._told = words
            self._log("Notice", "LDAP", "changes are not pushed, and count when what is remembered is old", why=words)
