"""POP3's own settings; the family every service has is config.services.POP."""

from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting

MIN_POLL: Final = Setting(
    "service.pop.popminpoll",
    kinds.integer(0, 86_400, "seconds"),
    0,
    "How long a user must wait after one login before the next is let in; told to clients as LOGIN-DELAY. Raise it"
    " where clients poll every few seconds; each process counts for itself. 0, Netscape's default, never makes"
    " anybody wait.",
    label="Minimum time between polls",
    attribute="nsmsgPOPMinPoll",
)
MARK_SEEN: Final = Setting(
    "service.pop.markseen",
    kinds.boolean(),
    False,
    r"Whether messages that were retrieved get \Seen when the session ends with QUIT. Off, so that what a POP client"
    " leaves on the server is still new for the IMAP client beside it; on for those who want one list of unread mail.",
)
UTF8_HEADERS: Final = Setting(
    "service.pop.utf8headers",
    kinds.choice("surrogate", "refuse", "asis"),
    "surrogate",
    "What a client that has not said UTF8 gets for a message whose header goes beyond ASCII (RFC 6856 §2.1): a"
    " surrogate of the same size with ? for each such byte, a refusal ([UTF8]), or the message as it is, against the"
    " standard. The default keeps clients of either kind going; a refused message would stop many of them at every"
    " poll.",
)
MAX_LINE: Final = Setting(
    "service.pop.maxline",
    kinds.size(255, 1 << 20),
    16_384,
    "The longest line taken. RFC 2449 §4 asks for 255, but for SASL RFC 5034 §4 for 12,288: tokens are long.",
)
MAX_BAD_COMMANDS: Final = Setting(
    "service.pop.maxbadcommands",
    kinds.integer(1, 1000),
    20,
    "After how many commands that make no sense, or failed logins, a session is ended. It stops programs that guess or"
    " speak another protocol; Dovecot and Cyrus stop at 20 or fewer too.",
)

SECTION: Final = Section("POP3 protocol", (MIN_POLL, MARK_SEEN, UTF8_HEADERS, MAX_LINE, MAX_BAD_COMMANDS))
