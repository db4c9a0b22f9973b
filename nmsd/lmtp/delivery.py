"""Delivery: from an address to a user's mailbox, and a message into it.  LMTP and `nmsd deliver` are its callers."""

from __future__ import annotations

from typing import Final

from nmsd.config.services import DEFAULT_DOMAIN
from nmsd.config.setting import Config
from nmsd.directory.api import Directory, User
from nmsd.lmtp.envelope import Address
from nmsd.lmtp.reply import Refusal
from nmsd.lmtp.settings import CREATE_FOLDERS, SEPARATOR
from nmsd.model.changes import Appended
from nmsd.model.errors import InvalidName, LimitReached, MailboxExists, NoSuchMailbox, OverQuota
from nmsd.model.mailbox import INBOX, Mailbox, canonical_name
from nmsd.model.message import NO_QUOTA, NewMessage
from nmsd.store.api import Account, Store

# What a user's status means for mail, where it is not "active" (netscape.md: the schema's inetUserStatus and
# mailUserStatus).  Inactive and held accounts may come back, so the MTA keeps their mail.
_STATUS: Final[dict[str, tuple[int, str, str]]] = {
    "inactive": (450, "4.2.1", "Mailbox is inactive"),
    "hold": (450, "4.2.1", "Mailbox is on hold"),
    "disabled": (550, "5.2.1", "Mailbox is disabled"),
    "deleted": (550, "5.1.1", "No such user"),
    "removed": (550, "5.1.1", "No such user"),
}


class Recipient:
    """Where a message is to go.  `folder` is what the subaddress names, '' for none."""

    __slots__ = ("address", "folder", "user")

    def __init__(self, address: Address, user: User, folder: str) -> None:
        self.address = address
        self.user = user
        self.folder = folder


class Delivery:
    """Delivers into a store for the users of a directory, by the settings in force at the time."""

    def __init__(self, config: Config, store: Store, directory: Directory) -> None:
        self._config = config
        self._store = store
        self._directory = directory

    def recipient(self, address: Address) -> Recipient:
        """Who gets mail for the address.  Raises Refusal, OverQuota (there is no room already), DirectoryError,
        StoreError."""
        config = self._config
        local, folder = address.local, ""
        separator = config[SEPARATOR]
        if separator and separator in local[1:]:
            head, _, folder = local[1:].partition(separator)
            local = local[0] + head
        domain = address.domain or config[DEFAULT_DOMAIN]
        user = self._directory.find_recipient(f"{local}@{domain}" if domain else local)
        if user is None:
            raise Refusal(550, "5.1.1", "No such user")
        if user.status == "overquota":
            raise OverQuota("The account is marked as over quota")
        if user.status in _STATUS:
            raise Refusal(*_STATUS[user.status])
        if user.mail_host:
            raise Refusal(551, "5.1.6", f"User not local; the mailbox is on {user.mail_host}")
        if user.delivery and "mailbox" not in user.delivery:
            if "hold" in user.delivery:
                raise Refusal(*_STATUS["hold"])
            raise Refusal(550, "5.3.3", f"No mailbox here, and delivery by {', '.join(user.delivery)} is not done")
        self._check_room(user)
        return Recipient(address, user, folder)

    def _check_room(self, user: User) -> None:
        quota = user.quota
        if quota == NO_QUOTA:
            return
        account = self._store.account(user.account)
        if not account.exists():
            return
        usage = account.usage()
        if (quota.size is not None and usage.size >= quota.size) or (
            quota.messages is not None and usage.messages >= quota.messages
        ):
            raise OverQuota("The account has no room")

    def deliver(self, recipient: Recipient, message: NewMessage) -> tuple[Mailbox, Appended]:
        """Puts the message into the recipient's mailbox; when it returns it is on disk.  Raises StoreError."""
        account = self._store.account(recipient.user.account)
        account.ensure(partition=recipient.user.partition)
        mailbox = self._mailbox(account, recipient.folder)
        try:
            return mailbox, account.append(mailbox.id, (message,), recipient.user.quota)
        except NoSuchMailbox:  # deleted this moment
            mailbox = account.mailbox(INBOX)
            return mailbox, account.append(mailbox.id, (message,), recipient.user.quota)

    def _mailbox(self, account: Account, folder: str) -> Mailbox:
        if folder:
            found = self._folder(account, canonical_name(folder))
            if found is not None:
                return found
        return account.mailbox(INBOX)

    def _folder(self, account: Account, name: str) -> Mailbox | None:
        try:
            return account.mailbox(name)
        except NoSuchMailbox:
            pass
        # MTAs and address books change the case of addresses.
        likely = [mailbox for mailbox in account.mailboxes() if mailbox.name.lower() == name.lower()]
        if len(likely) == 1:
            return likely[0]
        if not self._config[CREATE_FOLDERS]:
            return None
        try:
            account.create(name)
            account.subscribe(name, True)
            return account.mailbox(name)
        except (InvalidName, LimitReached, MailboxExists, NoSuchMailbox):
            return None
