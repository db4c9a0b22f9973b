"""A command's bad ends, and the one table from the model's errors to IMAP's answers (RFC 5530)."""

from __future__ import annotations

from typing import Final

from nmsd.model import errors


class No(Exception):
    """The command fails: tagged NO, with a response code (without brackets; b'' for none)."""

    def __init__(self, text: str, code: bytes = b"") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Bye(Exception):
    """The session cannot go on: untagged BYE, then close."""

    def __init__(self, text: str, code: bytes = b"") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


# First match wins, so a base class comes after what derives from it.
_CODES: Final[tuple[tuple[type[errors.NmsdError], bytes], ...]] = (
    (errors.NoSuchMailbox, b"NONEXISTENT"),
    (errors.MailboxExists, b"ALREADYEXISTS"),
    (errors.MailboxHasChildren, b"HASCHILDREN"),
    (errors.CannotDo, b"CANNOT"),
    (errors.InvalidName, b"CANNOT"),
    (errors.LimitReached, b"LIMIT"),
    (errors.OverQuota, b"OVERQUOTA"),
    (errors.TooBig, b"TOOBIG"),
    (errors.MaildropInUse, b"INUSE"),
    (errors.StoreCorrupt, b"CORRUPTION"),
    (errors.StoreError, b"UNAVAILABLE"),
    (errors.BadCredentials, b"AUTHENTICATIONFAILED"),
    (errors.DirectoryError, b"UNAVAILABLE"),
)

# What befalls the server is told in full to the log; a client is not told where things are.
_TEXTS: Final[tuple[tuple[type[errors.NmsdError], str], ...]] = (
    (errors.StoreFull, "Storage is full, try again later"),
    (errors.StoreUnavailable, "The mailbox is unavailable just now, try again later"),
    (errors.StoreCorrupt, "The mailbox is damaged; tell the administrator"),
)


def is_servers_fault(error: errors.NmsdError) -> bool:
    """Whether an administrator should hear of it; anything else is the client's own affair."""
    return any(isinstance(error, kind) for kind, _ in _TEXTS)


def as_no(error: errors.NmsdError) -> No:
    """The NO for a model error."""
    if isinstance(error, errors.LoginRefused):
        return No(str(error), error.code.encode("ascii"))
    if isinstance(error, errors.BadCredentials):
        return No("Invalid user name or password", b"AUTHENTICATIONFAILED")  # the text says which; the client may not
    for kind, code in _CODES:
        if isinstance(error, kind):
            told = next((text for fault, text in _TEXTS if isinstance(error, fault)), str(error))
            return No(told or kind.__name__, code)
    return No(str(error) or "Server error", b"SERVERBUG")
