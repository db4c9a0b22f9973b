"""What can go wrong, in the model's words.

Each protocol maps these to its own answers in one table (imap/errors.py, pop3/errors.py, lmtp/errors.py); engines and
directory back ends raise them and nothing else on purpose.
"""


class NmsdError(Exception):
    """Base of every error that a user or an administrator may be told about; its text is fit for both."""


class StoreError(NmsdError):
    """Base of what a store raises."""


class NoSuchAccount(StoreError):
    """The account has no store yet."""


class NoSuchMailbox(StoreError):
    """No mailbox has this name (or it was deleted while selected)."""


class MailboxExists(StoreError):
    """CREATE or RENAME to a name that is taken."""


class MailboxHasChildren(StoreError):
    """The mailbox is only a level of hierarchy: it has inferiors and no content of its own."""


class CannotDo(StoreError):
    """The operation is never possible on this object (deleting INBOX, renaming into oneself)."""


class InvalidName(StoreError):
    """A mailbox or keyword name that may not exist (empty level, control character, too long)."""


class LimitReached(StoreError):
    """A configured or inherent maximum: keywords in a mailbox, mailboxes in an account, depth of hierarchy."""


class OverQuota(StoreError):
    """The account's quota has no room for this."""


class TooBig(StoreError):
    """One message larger than the configured maximum."""


class MaildropInUse(StoreError):
    """Another POP3 session holds the maildrop (RFC 1939 §8, RFC 2449 IN-USE)."""


class StoreFull(StoreError):
    """The disk (or the engine's quota) is full; nothing was written, the account is intact."""


class StoreUnavailable(StoreError):
    """A passing fault: locked too long, I/O error, database away.  The client may try again."""


class UnknownPartition(StoreUnavailable):
    """A new account is to be made in a partition that is not there; the text names it.  An administrator's mistake."""


class StoreCorrupt(StoreError):
    """An invariant does not hold on disk; `nmsd check` tells more."""


class DirectoryError(NmsdError):
    """Base of what a directory raises."""


class BadCredentials(DirectoryError):
    """No such user, or the wrong password: the client is told the same for both; the text says which, for the log."""


class LoginRefused(DirectoryError):
    """The user exists and gave the right password but may not use this service now (status, access rules).

    `code` is the IMAP response code (RFC 5530) that says why, without brackets, or ''.
    """

    def __init__(self, text: str, code: str = "AUTHORIZATIONFAILED") -> None:
        super().__init__(text)
        self.code = code


class DirectoryUnavailable(DirectoryError):
    """The directory is down or too slow: a temporary failure, never a wrong-password answer."""


class AmbiguousEntry(DirectoryError):
    """Two entries claim one login or address: refused and logged, never a guess."""
