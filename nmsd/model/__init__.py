"""The words every part shares: accounts, mailboxes, messages, flags, UID sets, searches, errors.  Pure."""
