"""ANONYMOUS (RFC 4505): anybody, who may say who he is."""

from __future__ import annotations

import stringprep
from typing import Final

from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl.mechanism import Mechanism, Need, Steps
from nmsd.wire.sasl.verifier import Verifier

_MOST_TRACE: Final = 255  # RFC 4505 §2, of tokens; an address has no more (RFC 5321 §4.5.3.1)


def _anonymous(verifier: Verifier, name: str) -> Steps:
    response = yield b""
    try:
        trace = response.decode()
    except UnicodeDecodeError:
        raise BadSyntax("The trace information is not UTF-8") from None
    if len(trace) > _MOST_TRACE or any(_is_forbidden(sign) for sign in trace):
        raise BadSyntax("Invalid trace information")
    verifier.anonymous(trace)


def _is_forbidden(sign: str) -> bool:
    """RFC 4505 §3's prohibited output, as far as it could confuse who reads a log."""
    return (
        stringprep.in_table_c21_c22(sign)
        or stringprep.in_table_c3(sign)
        or stringprep.in_table_c4(sign)
        or stringprep.in_table_c6(sign)
        or stringprep.in_table_c8(sign)
        or stringprep.in_table_c9(sign)
    )


ANONYMOUS: Final = Mechanism(b"ANONYMOUS", Need.ANONYMOUS, _anonymous)
