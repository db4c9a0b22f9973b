"""Replies (RFC 5321 §4.2, with the enhanced codes of RFC 3463), and the one table from the model's errors to them."""

from __future__ import annotations

from typing import Final

from nmsd.model import errors


class Reply:
    """One line's reply: `code` 250, `enhanced` "2.1.5" ('' for the few without), and a text."""

    __slots__ = ("code", "enhanced", "text")

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        self.code = code
        self.enhanced = enhanced
        self.text = text

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}" if self.enhanced else f"{self.code} {self.text}"

    def line(self) -> bytes:
        """The reply as it is sent; text beyond ASCII is masked."""
        text = str(self).replace("\r", " ").replace("\n", " ")
        return text.encode("ascii", "replace")[:510] + b"\r\n"  # RFC 5321 §4.5.3.1.5


class Refusal(Exception):
    """A command or a delivery fails with this reply.  `counts`: it is one of the bad commands of which a session may
    have only so many.  `limit`: the setting that was met, '' where none was."""

    def __init__(self, code: int, enhanced: str, text: str, counts: bool = False, limit: str = "") -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced, text)
        self.counts = counts
        self.limit = limit


# First match wins, so a base class comes after what derives from it.
_REPLIES: Final[tuple[tuple[type[errors.NmsdError], int, str, str], ...]] = (
    (errors.TooBig, 552, "5.3.4", "Message too large"),
    (errors.StoreFull, 452, "4.3.1", "Storage is full, try again later"),
    (errors.StoreError, 451, "4.3.0", "Mailbox is not available now, try again later"),
    (errors.AmbiguousEntry, 451, "4.3.5", "Several users have this address"),
    (errors.DirectoryError, 451, "4.4.3", "Directory is not available now, try again later"),
    (errors.NmsdError, 451, "4.3.0", "Local error, try again later"),
)


def as_refusal(error: errors.NmsdError, over_quota: str = "refuse") -> Refusal:
    """The refusal for a model error; `over_quota` is lmtp.overquota."""
    if isinstance(error, errors.OverQuota):
        if over_quota == "defer":
            return Refusal(452, "4.2.2", "Mailbox is full, try again later")
        return Refusal(552, "5.2.2", "Mailbox is full")
    for kind, code, enhanced, text in _REPLIES:
        if isinstance(error, kind):
            return Refusal(code, enhanced, text)
    raise AssertionError(error)  # the last row takes all
