"""The event log: one line an event, in Netscape's format or as JSON, in files that are renamed by size and age."""

from nmsd.log.event import EventLog, open_log
from nmsd.log.line import clean
from nmsd.log.settings import LEVELS, LOGS, SECTION, Limits, limits

__all__ = ["LEVELS", "LOGS", "SECTION", "EventLog", "Limits", "clean", "limits", "open_log"]
