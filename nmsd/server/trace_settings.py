"""The settings of protocol traces."""

from __future__ import annotations

from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting

MAX_SIZE: Final = Setting(
    "trace.maxsize",
    kinds.size(65_536, 1 << 40),
    10 << 20,
    "How many bytes a worker writes for one `nmsd trace on`, all its files together and each counted as 4K at least;"
    " then that trace ends. 10M are an hour of a busy client.",
)
MAX_TIME: Final = Setting(
    "trace.maxtime",
    kinds.integer(1, 30 * 86_400, "seconds"),
    86_400,
    "The longest time that `nmsd trace on --for` takes. A trace shows what somebody reads and writes, so none goes on"
    " because it was forgotten.",
)
EXPIRY: Final = Setting(
    "trace.expirytime",
    kinds.integer(60, 100 * 366 * 86_400, "seconds"),
    604_800,
    "How long after its last line a trace's file is deleted, when the next trace begins. A week is enough to find a"
    " fault.",
)

SECTION: Final = Section("Protocol traces", (MAX_SIZE, MAX_TIME, EXPIRY))
