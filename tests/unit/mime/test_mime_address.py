"""Address lists, proper and otherwise."""

from __future__ import annotations

import pytest

from nmsd.mime.address import Address, parse_addresses

END = (None, None, None, None)

CASES: list[tuple[bytes, list[Address]]] = [
    (b"", []),
    (b" \t", []),
    (b"a@b.c", [(None, None, b"a", b"b.c")]),
    (b"<a@b.c>", [(None, None, b"a", b"b.c")]),
    (b"Al <a@b.c>", [(b"Al", None, b"a", b"b.c")]),
    (b"Al<a@b.c>,b@c", [(b"Al", None, b"a", b"b.c"), (None, None, b"b", b"c")]),
    (b'"Q, A" <a@b.c> , "b"\t<b@c>', [(b"Q, A", None, b"a", b"b.c"), (b"b", None, b"b", b"c")]),
    (b'"" <a@b.c>', [(None, None, b"a", b"b.c")]),
    (b'"A \\"q\\" \\\\" <a@b>', [(b'A "q" \\', None, b"a", b"b")]),
    (b'Joe "The" Q. Public <a@b>', [(b"Joe The Q. Public", None, b"a", b"b")]),
    (b'Mary  Smith <"mary smith"@b>', [(b"Mary Smith", None, b"mary smith", b"b")]),
    (b'"john doe"@x', [(None, None, b"john doe", b"x")]),
    (b'john."q.x"@x', [(None, None, b"john.q.x", b"x")]),
    (b"a . b @ c . d", [(None, None, b"a.b", b"c.d")]),
    (b"a@[192.0.2.1]", [(None, None, b"a", b"[192.0.2.1]")]),
    (b"a@b (Al B)", [(b"Al B", None, b"a", b"b")]),
    (b"a@b (Al (nested) \\) B)", [(b"Al (nested) ) B", None, b"a", b"b")]),
    (b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", [(b"Pete", None, b"pete", b"silly.test")]),
    (b"<a@b> (Al)", [(b"Al", None, b"a", b"b")]),
    (b"<@r1,@r2:a@b>", [(None, b"@r1,@r2", b"a", b"b")]),
    (b"X <@r1:a@b>", [(b"X", b"@r1", b"a", b"b")]),
    (b"G:;", [(None, None, b"G", None), END]),
    (
        b"G: a@b, C <c@d>; e@f",
        [(None, None, b"G", None), (None, None, b"a", b"b"), (b"C", None, b"c", b"d"), END, (None, None, b"e", b"f")],
    ),
    (b'"G x": a@b', [(None, None, b"G x", None), (None, None, b"a", b"b"), END]),
    (b"G: H: a@b;", [(None, None, b"G", None), END, (None, None, b"H", None), (None, None, b"a", b"b"), END]),
    (b"a@b; c@d", [(None, None, b"a", b"b"), (None, None, b"c", b"d")]),
    (b";;,:;", [(None, None, b"", None), END]),
    (b"root", [(None, None, b"root", b"")]),
    (b"root (The Boss)", [(b"The Boss", None, b"root", b"")]),
    (b"Mail Delivery System", [(None, None, b"Mail Delivery System", b"")]),
    (b"MAILER-DAEMON <>", [(b"MAILER-DAEMON", None, b"", b"")]),
    (b"<>", [(None, None, b"", b"")]),
    (b"<root>", [(None, None, b"root", b"")]),
    (b"a@", [(None, None, b"a", b"")]),
    (b"@b", [(None, None, b"", b"b")]),
    (b"<a@b", [(None, None, b"a", b"b")]),
    (b"<a@b, c@d", [(None, None, b"a", b"b"), (None, None, b"c", b"d")]),
    (b"Al a@b", [(b"Al", None, b"a", b"b")]),
    (b"a@b Al", [(b"Al", None, b"a", b"b")]),
    (b"Al  B.\tC <a@b>", [(b"Al B. C", None, b"a", b"b")]),
    (b"a@b <a@b>, c@d (C) <c@d>", [(b"a@b", None, b"a", b"b"), (b"c@d (C)", None, b"c", b"d")]),
    (b'"a@b" <a@b>', [(b"a@b", None, b"a", b"b")]),
    (b"'a@b' <a@b>", [(b"'a@b'", None, b"a", b"b")]),
    (b"a@b@c", [(None, None, b"a", b"bc")]),
    (b"Al <<a@b>>", [(b"Al", None, b"a", b"b")]),
    (b"a@b>", [(None, None, b"a", b"b")]),
    (b"(only a comment)", []),
    (b"(open a@b", []),
    (b'"open a@b', [(None, None, b"open a@b", b"")]),
    (b"a@[open", [(None, None, b"a", b"[open")]),
    (b",a@b,,c@d,", [(None, None, b"a", b"b"), (None, None, b"c", b"d")]),
    (b"=?utf-8?q?J=C3=B6rg?= =?utf-8?q?x?= <j@x>", [(b"=?utf-8?q?J=C3=B6rg?= =?utf-8?q?x?=", None, b"j", b"x")]),
    (b"J\xc3\xb6rg <j\xc3\xb6@x\xff>", [(b"J\xc3\xb6rg", None, b"j\xc3\xb6", b"x\xff")]),
    (b"Al, Bert <a@b>", [(None, None, b"Al", b""), (b"Bert", None, b"a", b"b")]),
    (b"[tag] <a@b>", [(b"[tag]", None, b"a", b"b")]),
    (b"foo:bar@baz <a@b>;", [(None, None, b"foo", None), (b"bar@baz", None, b"a", b"b"), END]),
    (b"Al <mailto:a@b>", [(b"Al", None, b"mailtoa", b"b")]),
]


@pytest.mark.parametrize(("value", "expected"), CASES)
def test_parse_addresses(value: bytes, expected: list[Address]) -> None:
    """Each list gives just these addresses."""
    assert parse_addresses(value) == expected
