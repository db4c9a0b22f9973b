"""What a client is told of the model's errors."""

from __future__ import annotations

import pytest

from nmsd.imap.errors import as_no, is_servers_fault
from nmsd.model import errors


@pytest.mark.parametrize("kind", [errors.StoreFull, errors.StoreUnavailable, errors.StoreCorrupt])
def test_a_client_is_not_told_where_the_store_is(kind: type[errors.StoreError]) -> None:
    no = as_no(kind("No room to write to /var/lib/nmsd/store/48/alice.db"))
    assert "/" not in no.text
    assert no.text
    assert is_servers_fault(kind("x"))


def test_a_clients_own_mistake_is_told_in_full_and_no_alarm() -> None:
    no = as_no(errors.NoSuchMailbox("There is no mailbox 'One'"))
    assert (no.text, no.code) == ("There is no mailbox 'One'", b"NONEXISTENT")
    assert not is_servers_fault(errors.NoSuchMailbox("x"))
