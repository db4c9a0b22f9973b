"""How far a message's structure is followed."""

from __future__ import annotations

from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting
from nmsd.mime.address import MAX_ADDRESSES
from nmsd.mime.parts import MAX_DEPTH, MAX_HEADER, MAX_PARTS

MAX_MIME_DEPTH: Final = Setting(
    "store.maxmimedepth",
    kinds.integer(1, 1000, "levels"),
    MAX_DEPTH,
    "How many levels of multiparts and forwarded messages are taken apart; what lies deeper is shown to clients as one"
    " opaque attachment. Lower it if clients choke on deep structures; real mail stays below ten levels. It counts for"
    " messages that arrive after the change.",
)

MAX_MIME_PARTS: Final = Setting(
    "store.maxmimeparts",
    kinds.integer(1, 65_000, "parts"),
    MAX_PARTS,
    "How many parts of one message are told apart; the rest is shown as belonging to the last one. Raise it for mail"
    " that carries huge digests; lower it to bound the memory a hostile message can take. It counts for messages that"
    " arrive after the change.",
)

MAX_MIME_HEADER: Final = Setting(
    "store.maxmimeheader",
    kinds.size(16 << 10, 64 << 20),
    MAX_HEADER,
    "How much of each header, the message's and every part's, is read for the summaries that clients list mailboxes"
    " with. The whole header is stored and sent whatever this says. The default is far above real mail; it bounds what"
    " a hostile message costs. It counts for messages that arrive after the change.",
)

MAX_MIME_ADDRESSES: Final = Setting(
    "store.maxmimeaddresses",
    kinds.integer(1, 1_000_000, "addresses"),
    MAX_ADDRESSES,
    "How many addresses of one field (From, To, Cc, ...) go into the summary of a message. The summary of the shortest"
    " addresses takes sixty times their room, hence the bound; the default is more than people are written to at"
    " once. It counts for messages that arrive after the change.",
)

SECTION: Final = Section("MIME", (MAX_MIME_DEPTH, MAX_MIME_PARTS, MAX_MIME_HEADER, MAX_MIME_ADDRESSES))
