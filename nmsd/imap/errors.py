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


def as_no(error: errors.NmsdError) -> No:
    """The NO for a model error."""
    if isinstance(error, errors.LoginRefused):
        return No(str(error), error.code.encode("ascii"))
    if isinstance(error, errors.BadCredentials):
        return No("Invalid user name or password", b"AUTHENTICATIONFAILED")  # the text says which; the client may not
    for kind, code in _CODES:
        if isinstance(error, kind):
            return No(str(error) or kind.__name__, code)
    return No(str(error) or "Server error", b"SERVERBUG")
