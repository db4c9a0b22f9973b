"""nmsd: a directory-backed IMAP4/POP3 mailbox server."""

from typing import Final

VERSION: Final = "0.1.0"
PRODUCT: Final = "nmsd"
