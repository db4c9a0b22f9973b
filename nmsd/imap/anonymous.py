"""What anybody may do who came in without saying who he is (RFC 4505): look, and change nothing.

Named are the commands that are allowed: one that is added some day is not, before it is named here.
"""

from __future__ import annotations

from typing import Final

from nmsd.imap.errors import No

_ALLOWED: Final = frozenset(
    (
        *(b"CAPABILITY", b"NOOP", b"LOGOUT", b"ID", b"ENABLE", b"NAMESPACE", b"IDLE"),
        *(b"SELECT", b"EXAMINE", b"CLOSE", b"UNSELECT", b"CHECK", b"LIST", b"LSUB", b"STATUS"),
        *(b"FETCH", b"UID FETCH", b"SEARCH", b"UID SEARCH", b"SORT", b"UID SORT", b"THREAD", b"UID THREAD"),
    )
)
REFUSAL: Final = "Anonymous users may look at mail, and no more"


def is_allowed(name: bytes) -> bool:
    """Whether a command is one that anybody may use."""
    return name in _ALLOWED


def check_allowed(name: bytes) -> None:
    """Raises No for one that is not."""
    if name not in _ALLOWED:
        raise No(REFUSAL, b"NOPERM")
