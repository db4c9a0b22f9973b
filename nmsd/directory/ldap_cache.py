"""What was learnt from the directory, for a while: entries by the name they were asked for, and names nobody has."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True)
class Answer(Generic[V]):
    """What is remembered: a value with the name of its entry, or None for nobody."""

    value: V | None
    dn: str
    until: float


class Cache(Generic[V]):
    """A bounded memory; the oldest goes first.  `size`, `seconds` and `negative_seconds` give the settings in force;
    `clock` gives seconds that only go forward."""

    def __init__(
        self,
        size: Callable[[], int],
        seconds: Callable[[], float],
        negative_seconds: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._size = size
        self._seconds = seconds
        self._negative_seconds = negative_seconds
        self._clock = clock
        self._answers: dict[Hashable, Answer[V]] = {}
        self._keys: dict[str, set[Hashable]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: Hashable) -> Answer[V] | None:
        """What is remembered for the key, if it is not too old."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        if self._clock() < answer.until:
            return answer
        self._forget(key)
        return None

    def put(self, key: Hashable, value: V | None, dn: str = "", brief: bool = False) -> None:
        """Remembers; `brief`ly, what is soon otherwise: that nobody has the name, or an entry is wrong."""
        self._forget(key)
        size = self._size()
        seconds = self._negative_seconds() if brief else self._seconds()
        if not size or not seconds:
            return
        while len(self._answers) >= size:
            self._forget(next(iter(self._answers)))
        self._answers[key] = Answer(value, dn, self._clock() + seconds)
        if dn:
            self._keys.setdefault(dn.lower(), set()).add(key)

    def drop_entry(self, dn: str) -> bool:
        """Forgets all that is known of an entry; whether there was anything."""
        keys = tuple(self._keys.get(dn.lower(), ()))
        for key in keys:
            self._forget(key)
        return bool(keys)

    def drop_nobody(self) -> None:
        """Forgets all that belongs to no one entry: names that nobody had, or several."""
        for key in [key for key, answer in self._answers.items() if not answer.dn]:
            self._forget(key)

    def clear(self) -> None:
        """Forgets everything."""
        self._answers.clear()
        self._keys.clear()

    def _forget(self, key: Hashable) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None and answer.dn:
            keys = self._keys.get(answer.dn.lower())
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._keys[answer.dn.lower()]
