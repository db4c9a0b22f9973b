"""Which reply each kind of failure gets."""

from __future__ import annotations

import pytest

from nmsd.lmtp.reply import Reply, as_refusal
from nmsd.model import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NmsdError)]


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (errors.StoreFull("x"), "452 4.3.1 Storage is full, try again later"),
        (errors.StoreUnavailable("x"), "451 4.3.0 Mailbox is not available now, try again later"),
        (errors.DirectoryUnavailable("x"), "451 4.4.3 Directory is not available now, try again later"),
        (errors.AmbiguousEntry("x"), "451 4.3.5 Several users have this address"),
        (errors.TooBig("x"), "552 5.3.4 Message too large"),
        (errors.OverQuota("x"), "552 5.2.2 Mailbox is full"),
    ],
)
def test_failures_that_will_pass_are_deferred_and_others_are_not(error: errors.NmsdError, reply: str) -> None:
    assert str(as_refusal(error).reply) == reply


def test_over_quota_is_deferred_by_a_setting() -> None:
    assert str(as_refusal(errors.OverQuota(), "defer").reply) == "452 4.2.2 Mailbox is full, try again later"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_failure_has_a_reply_that_tells_no_secrets(kind: type[errors.NmsdError]) -> None:
    reply = as_refusal(kind("uid=alice has the password x")).reply
    assert 400 <= reply.code < 600
    assert reply.enhanced.startswith(f"{reply.code // 100}.")
    assert "alice" not in reply.text


def test_a_reply_is_one_line_of_ascii_of_bounded_length() -> None:
    line = Reply(550, "5.1.1", "a\r\nb é" + "x" * 1000).line()
    assert line.startswith(b"550 5.1.1 a  b ?")
    assert len(line) == 512
    assert line.count(b"\n") == 1
