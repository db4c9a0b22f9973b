"""What is behind the console, given to it by the composition root: it opens no store and no directory itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nmsd.directory.api import Directory, Gate
from nmsd.directory.ldif_users import LdifUsers
from nmsd.directory.step import Step
from nmsd.server.throttle import Throttle
from nmsd.store.api import Store


@dataclass(frozen=True)
class Back:
    """The parts.

    `users` changes the embedded directory, and is None where the users are in LDAP; `addresses` counts failures by
    address, for all workers; `explain` walks a login (name, service, client's address) as `nmsd explain login` does;
    `probe` tries the directory's servers as `nmsd directory test`; `links` tells of the connections to them, one
    server a line; `flush` has all workers forget what they learnt; `close` is called at the end.
    """

    gate: Gate
    directory: Directory
    store: Store
    users: LdifUsers | None
    addresses: Throttle
    explain: Callable[[str, str, str], Iterable[Step]]
    probe: Callable[[], Iterable[tuple[str, Sequence[Step]]]]
    links: Callable[[], Sequence[dict[str, object]]]
    flush: Callable[[], None]
    close: Callable[[], None]
