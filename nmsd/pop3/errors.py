"""A command's bad end, and the one table from the model's errors to POP3's answers (RFC 2449 §8, RFC 3206)."""

from __future__ import annotations

from typing import Final

from nmsd.model import errors


class Err(Exception):
    """The command fails: -ERR, with a response code (without brackets; b'' for none).

    `counts`: it is one of the bad commands and failed logins of which a session may have only so many.  `limit`: the
    setting that was met, '' where none was.
    """

    def __init__(self, text: str, code: bytes = b"", counts: bool = False, limit: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.counts = counts
        self.limit = limit


# First match wins, so a base class comes after what derives from it.
_CODES: Final[tuple[tuple[type[errors.NmsdError], bytes], ...]] = (
    (errors.MaildropInUse, b"IN-USE"),
    (errors.StoreCorrupt, b"SYS/PERM"),
    (errors.NoSuchMailbox, b"SYS/PERM"),
    (errors.NoSuchAccount, b"SYS/PERM"),
    (errors.StoreError, b"SYS/TEMP"),
    (errors.LoginRefused, b"AUTH"),  # RFC 3206 §4: a disabled account or a violated policy is AUTH too
    (errors.BadCredentials, b"AUTH"),
    (errors.AmbiguousEntry, b"SYS/PERM"),
    (errors.DirectoryError, b"SYS/TEMP"),
)

# What befalls the server is told in full to the log; a client is not told where things are.
_TEXTS: Final[tuple[tuple[type[errors.NmsdError], str], ...]] = (
    (errors.StoreFull, "Storage is full, try again later"),
    (errors.StoreUnavailable, "The maildrop is unavailable just now, try again later"),
    (errors.StoreCorrupt, "The maildrop is damaged; tell the administrator"),
)


def is_servers_fault(error: errors.NmsdError) -> bool:
    """Whether an administrator should hear of it."""
    return any(isinstance(error, kind) for kind, _ in _TEXTS)


def as_err(error: errors.NmsdError) -> Err:
    """The -ERR for a model error."""
    if isinstance(error, errors.BadCredentials):
        return Err("Invalid user name or password", b"AUTH", True)  # the text says which; the client may not know
    if isinstance(error, errors.LoginRefused) and error.code == "UNAVAILABLE":
        return Err(str(error), b"SYS/TEMP")
    for kind, code in _CODES:
        if isinstance(error, kind):
            told = next((text for fault, text in _TEXTS if isinstance(error, fault)), str(error))
            return Err(told or kind.__name__, code)
    return Err(str(error) or "Server error", b"SYS/TEMP")
