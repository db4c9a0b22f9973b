"""What is behind the console, given to it by the composition root: it opens no store and no directory itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nmsd.directory.api import Directory
from nmsd.directory.ldif_users import LdifUsers
from nmsd.directory.step import Step
from nmsd.server.gate import DirectoryGate
from nmsd.server.oust import Ousting
from nmsd.server.throttle import Throttle
from nmsd.store.api import Store


@dataclass(frozen=True)
class Back:
    """The parts.

    `ousting` ends the logins of users whom the directory lets in no more.
    `users` changes the embedded directory, and is None where the users are in LDAP; `addresses` counts failures by
    address, for all workers; `explain` walks a login (name, service, client's address) as `nmsd explain login` does;
    `probe` tries the directory's servers as `nmsd directory test`; `links` tells of the connections to them, one
    server a line; `flush` has all workers forget what they learnt; `close` is called at the end.
    """

    gate: DirectoryGate
    directory: Directory
    store: Store
    ousting: Ousting
    users: LdifUsers | None
    addresses: Throttle
    explain: Callable[[str, str, str], Iterable[Step]]
    probe: Callable[[], Iterable[tuple[str, Sequence[Step]]]]
    links: Callable[[], Sequence[dict[str, object]]]
    flush: Callable[[], None]
    close: Callable[[], None]

    def recall(self, account: str) -> bool:
        """Looks up whose login this worker has not seen, to know what becomes of him; False if he is gone.  Raises
        DirectoryError."""
        user = self.directory.find(account)
        if user is None or user.account != account:
            return False
        self.gate.know(user)
        self.ousting.entered(user)
        return True
