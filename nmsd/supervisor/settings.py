"""The supervisor's settings."""

from __future__ import annotations

from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting

SERVER_UID: Final = Setting(
    "local.serveruid",
    kinds.text("a user's name or number", required=True),
    "nmsd",
    "The user the workers run as when the server is started by root. A user of its own keeps a fault in one server from"
    " reaching another's files; root must be named here to be taken.",
    reload="restart",
)
SERVER_GID: Final = Setting(
    "local.servergid",
    kinds.text("a group's name or number; empty: the user's own group"),
    "",
    "The group the workers run as when the server is started by root.",
    reload="restart",
)
STOP_TIMEOUT: Final = Setting(
    "local.stoptimeout",
    kinds.integer(1, 3600, "seconds"),
    10,
    "How long a worker may take to say farewell to its clients at a stop; then it is killed. Ten seconds are enough for"
    " thousands of sessions and less than init systems wait.",
)
WORKER_TIMEOUT: Final = Setting(
    "local.workertimeout",
    kinds.integer(15, 3600, "seconds"),
    60,
    "After how many seconds without a sign of life a worker is taken for hung, killed and replaced. Workers report"
    " every ten seconds; raise it for a machine that stalls longer than that.",
)

SECTION: Final = Section("Processes", (SERVER_UID, SERVER_GID, STOP_TIMEOUT, WORKER_TIMEOUT))
