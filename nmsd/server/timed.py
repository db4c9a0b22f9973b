"""How long the directory takes to answer, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from nmsd.directory.api import Directory

_TIMED: Final = frozenset(("authenticate", "find", "find_entries", "find_recipient", "scram_keys"))


class _Timed:
    """A directory with its questions timed; all else is as it was."""

    def __init__(self, directory: Directory, observe: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._directory: Any = directory
        self._observe = observe
        self._clock = clock

    @property
    def generation(self) -> int:
        """As the directory has it, if it has one."""
        return int(self._directory.generation)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._directory, name)
        if name not in _TIMED:
            if callable(found):
                setattr(self, name, found)  # found at once from now on
            return found

        def ask(*arguments: Any, **named: Any) -> Any:
            begun = self._clock()
            try:
                return found(*arguments, **named)
            finally:
                self._observe(self._clock() - begun)

        setattr(self, name, ask)
        return ask


def timed(directory: Directory, observe: Callable[[float], None], clock: Callable[[], float]) -> Directory:
    """The same directory; `observe` is told how many seconds by `clock` each question took."""
    return cast("Directory", _Timed(directory, observe, clock))
