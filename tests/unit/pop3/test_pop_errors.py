"""What a POP3 client is told of the model's errors."""

from __future__ import annotations

import pytest

from nmsd.model import errors
from nmsd.pop3.errors import as_err


@pytest.mark.parametrize(
    ("kind", "code"),
    [(errors.StoreFull, b"SYS/TEMP"), (errors.StoreUnavailable, b"SYS/TEMP"), (errors.StoreCorrupt, b"SYS/PERM")],
)
def test_a_client_is_not_told_where_the_store_is(kind: type[errors.StoreError], code: bytes) -> None:
    err = as_err(kind("Cannot read /var/lib/nmsd/store/48/alice.db"))
    assert err.code == code
    assert err.text
    assert "/" not in err.text
