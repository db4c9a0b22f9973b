"""What is wrong with a configuration, in one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Problem:
    """One thing wrong: where (a file and line, or the source's name), which setting and value, what, and the mend."""

    what: str
    mend: str
    source: str = ""
    line: int = 0
    name: str = ""
    value: str | None = None
    allowed: str = ""

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        setting = self.name if self.value is None else f"{self.name} = {self.value}"
        told = ": ".join(part for part in (place, setting.strip(), self.what) if part)
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        return " ".join(f"{told}{allowed}; {self.mend}".splitlines())

    def as_dict(self) -> dict[str, str | int | None]:
        """For --json."""
        return asdict(self)


class ConfigError(Exception):
    """A configuration that cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
