"""LMTP's and delivery's own settings; the family every service has is config.services.LMTP."""

from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting

SEPARATOR: Final = Setting(
    "lmtp.separator",
    kinds.text("a character, or nothing"),
    "+",
    "What parts a user from a folder in an address: alice+lists@example.com goes to alice's folder lists. Set it to"
    " what your MTA uses (Postfix: recipient_delimiter); empty switches subaddresses off.",
)
CREATE_FOLDERS: Final = Setting(
    "lmtp.createfolders",
    kinds.boolean(),
    False,
    "Whether a subaddress makes the folder it names. Off, mail for a folder that is not there goes to INBOX: anybody"
    " who can send mail could otherwise fill an account with folders.",
)
OVER_QUOTA: Final = Setting(
    "lmtp.overquota",
    kinds.choice("refuse", "defer"),
    "refuse",
    "What happens to mail for an account without room: refused (552 5.2.2), so that the sender knows at once, or"
    " deferred (452 4.2.2), so that the MTA tries again for some days.",
)
BARE_LF: Final = Setting(
    "lmtp.barelf",
    kinds.choice("convert", "refuse"),
    "convert",
    "What happens to a message with line feeds that have no carriage return before them: they get one, or the message"
    " is refused. Never does such a line feed end a message, so nothing can be smuggled in by one.",
)
MAX_LINE: Final = Setting(
    "lmtp.maxline",
    kinds.size(512, 1 << 20),
    4096,
    "The longest command line taken. RFC 5321 §4.5.3.1.4 asks for 512 and more with extensions. Lines of messages may"
    " be of any length.",
)
MAX_RECIPIENTS: Final = Setting(
    "lmtp.maxrecipients",
    kinds.integer(100, 100_000),
    1000,
    "Most recipients of one transaction; the MTA brings the rest in a further one. RFC 5321 §4.5.3.1.8 asks for 100.",
)
MAX_BAD_COMMANDS: Final = Setting(
    "lmtp.maxbadcommands",
    kinds.integer(1, 1000),
    20,
    "After how many commands that make no sense a session is ended. It stops programs that speak another protocol.",
)

SECTION: Final = Section(
    "LMTP and delivery",
    (SEPARATOR, CREATE_FOLDERS, OVER_QUOTA, BARE_LF, MAX_LINE, MAX_RECIPIENTS, MAX_BAD_COMMANDS),
)
