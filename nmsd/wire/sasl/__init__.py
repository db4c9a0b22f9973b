"""SASL (RFC 4422), without I/O: the mechanisms, listed by hand in the order they are offered, and the exchange that
IMAP's AUTHENTICATE and POP3's AUTH drive."""

from typing import Final

from nmsd.wire.sasl.anonymous import ANONYMOUS
from nmsd.wire.sasl.exchange import Exchange
from nmsd.wire.sasl.external import EXTERNAL
from nmsd.wire.sasl.mechanism import Mechanism, Need
from nmsd.wire.sasl.oauth import OAUTHBEARER, XOAUTH2
from nmsd.wire.sasl.plain import LOGIN, PLAIN
from nmsd.wire.sasl.scram import SCRAM_SHA_256, SCRAM_SHA_256_PLUS
from nmsd.wire.sasl.verifier import Verifier

MECHANISMS: Final[tuple[Mechanism, ...]] = (
    EXTERNAL,
    SCRAM_SHA_256_PLUS,
    SCRAM_SHA_256,
    OAUTHBEARER,
    XOAUTH2,
    PLAIN,
    LOGIN,
    ANONYMOUS,
)

__all__ = ["MECHANISMS", "Exchange", "Mechanism", "Need", "Verifier"]
