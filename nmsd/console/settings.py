"""The console's own settings, beside those it has in common with other services (config.services)."""

from __future__ import annotations

from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting

MAX_PER_ADDRESS: Final = Setting(
    "service.console.maxperaddress",
    kinds.integer(1, 10_000),
    30,
    "Most connections to the console at a time from one address; further ones are closed at once. It keeps one client"
    " from taking all of service.console.maxsessions. The default is enough for five browsers; raise it where many come"
    " through one proxy.",
)
MAX_TOKENS: Final = Setting(
    "service.console.maxtokens",
    kinds.integer(1, 10_000),
    100,
    "Most access tokens there may be. Each program that uses the REST interface or reads the metrics from another"
    " machine has one; the default is far more than anybody can keep an eye on.",
)

SECTION: Final = Section("Console's limits", (MAX_PER_ADDRESS, MAX_TOKENS))
