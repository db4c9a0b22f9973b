"""Part trees: where boundaries are found, what broken messages come to, limits."""

from __future__ import annotations

import tempfile
from mmap import ACCESS_READ, mmap

import pytest

from nmsd.config.setting import Config
from nmsd.mime.digest import digest
from nmsd.mime.parts import Part, pack, parse, unpack
from nmsd.mime.settings import MAX_MIME_ADDRESSES, MAX_MIME_DEPTH, MAX_MIME_HEADER, MAX_MIME_PARTS, SECTION
from nmsd.mime.source import WINDOW
from tests.unit.mime.mime_forms import check_body, check_envelope, crlf, read, same, walk

MULTIPART = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def bodies(message: bytes) -> list[bytes]:
    """The bodies of the root's children."""
    return [body(message, part) for part in parse(message).children]


def body(message: bytes, part: Part) -> bytes:
    return message[part.body_offset : part.body_offset + part.body_size]


def header(message: bytes, part: Part) -> bytes:
    return message[part.header_offset : part.header_offset + part.header_size]


def mapped(data: bytes) -> mmap:
    """The data as a mapped file."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return mmap(file.fileno(), 0, access=ACCESS_READ)


BODIES = [
    pytest.param(b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", [b"one", b"two"], id="well-formed"),
    pytest.param(b"--b\n\none\n--b\n\ntwo\n--b--\n", [b"one", b"two"], id="bare line feeds"),
    pytest.param(b"--b\n\r\none\r\n--b\r\n\ntwo\n--b--", [b"one", b"two"], id="mixed line ends"),
    pytest.param(b"before\r\n--b\r\n\r\none\r\n--b--\r\nafter\r\n--b\r\n\r\nx", [b"one"], id="preamble and epilogue"),
    pytest.param(b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n", [b"one", b"two\r\n"], id="no closing boundary"),
    pytest.param(b"--b\r\n\r\none\r\n--b", [b"one", b""], id="cut off after a boundary"),
    pytest.param(b"--b\r\n\r\none\r\n--b--", [b"one"], id="cut off after the closing boundary"),
    pytest.param(b"--b \t\r\n\r\none\r\n--b-- \r\n", [b"one"], id="white space behind a boundary"),
    pytest.param(
        b"--b\r\n\r\none --b\r\n--bb\r\n--b--x\r\n-- b\r\n--b--", [b"one --b\r\n--bb\r\n--b--x\r\n-- b"], id="alike"
    ),
    pytest.param(b"--b\r\n\r\n\r\n--b--", [b""], id="empty part"),
    pytest.param(b"--b\r\n\r\n--b--", [b""], id="empty part without a line of its own"),
    pytest.param(b"--b\r\n--b--", [b""], id="no header, no body"),
    pytest.param(b"--b\r\n\r\n\r\n\r\n--b--", [b"\r\n"], id="a part of one line end"),
    pytest.param(b"--b\r\nA: b\r\n--b--", [b""], id="a boundary in a header ends it"),
    pytest.param(b"--b--\r\n\r\ntext", [b"--b--\r\n\r\ntext"], id="closed before it opened"),
    pytest.param(b"no boundary\r\n", [b"no boundary\r\n"], id="its boundary never comes"),
    pytest.param(b"", [b""], id="nothing"),
    pytest.param(b"-\r\n--\r\n---b\r\n--b\r\n\r\none\r\n--", [b"one\r\n--"], id="dashes"),
    pytest.param(b"--b\r\n\r\n" + b"-" * 5000 + b"\r\n--b--", [b"-" * 5000], id="a long line of dashes"),
    pytest.param(b"--b\r\n\r\none\r--b\r\n--b--", [b"one\r--b"], id="a bare CR begins no line"),
    pytest.param(b"--b\r\n\r\none\0\r\n--b\0\r\n--b--", [b"one\0\r\n--b\0"], id="NULs"),
]


@pytest.mark.parametrize(("text", "expected"), BODIES)
def test_bodies_of_a_multipart(text: bytes, expected: list[bytes]) -> None:
    """Each body is found just so, without the line end that belongs to the boundary; mapped files give the same."""
    message = MULTIPART + text
    assert bodies(message) == expected
    assert pack(parse(mapped(message))) == pack(parse(message))


def test_a_header_cut_by_a_boundary_keeps_its_fields() -> None:
    """The header is there without its empty line, and says what the part is."""
    message = MULTIPART + b"--b\r\nContent-Type: image/png\r\n--b--"
    (part,) = parse(message).children
    assert header(message, part) == b"Content-Type: image/png\r\n"
    assert (part.type, part.subtype) == ("image", "png")


def test_a_multipart_at_the_very_start() -> None:
    """A boundary may be the first line of a nested body and the message may have no other header."""
    message = b"Content-Type: multipart/x; boundary=b\n\n--b\n\n1\n--b--\n"
    assert bodies(message) == [b"1"]


@pytest.mark.parametrize(("outer", "inner"), [("a", "ab"), ("ab", "a"), ("a", "a--"), ("a--", "a"), ("a", "a b")])
def test_a_nested_boundary_may_look_like_the_outer_one(outer: str, inner: str) -> None:
    """One a prefix of the other, or ending in dashes: lines are compared whole."""
    message = crlf(f"""
Content-Type: multipart/mixed; boundary="{outer}"

--{outer}
Content-Type: multipart/alternative; boundary="{inner}"

--{inner}

one
--{inner}

two
--{inner}--

--{outer}

three
--{outer}--
""")
    first, last = parse(message).children
    assert [body(message, part) for part in first.children] == [b"one", b"two"]
    assert body(message, last) == b"three"


def test_a_nested_multipart_with_the_same_boundary() -> None:
    """The inner one takes the lines until it is closed."""
    message = crlf("""
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/alternative; boundary=b

--b

one
--b--

--b

two
--b--
""")
    first, last = parse(message).children
    assert [body(message, part) for part in first.children] == [b"one"]
    assert body(message, last) == b"two"


def test_an_outer_boundary_ends_all_that_is_open_within() -> None:
    """Missing closing boundaries of a multipart and of a message in it."""
    message = crlf("""
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: message/rfc822

Subject: x
Content-Type: multipart/mixed; boundary=inner

--inner

one
--outer

two
--outer--
""")
    first, last = parse(message).children
    assert first.message is not None
    assert [body(message, part) for part in first.message.children] == [b"one"]
    assert body(message, first).endswith(b"\r\n--inner\r\n\r\none")
    assert body(message, last) == b"two"


@pytest.mark.parametrize(
    "boundary", [b"boundary=b", b'BOUNDARY="b"', b"boundary*=us-ascii''%62", b'boundary*0=""; boundary*1=b']
)
def test_ways_to_name_a_boundary(boundary: bytes) -> None:
    """Quoted or not, RFC 2231 forms too."""
    message = b"Content-Type: multipart/mixed; " + boundary + b"\r\n\r\n--b\r\n\r\none\r\n--b--"
    assert bodies(message) == [b"one"]


def test_what_a_part_tells() -> None:
    """Type, charset and encoding in lower case, with their defaults."""
    part = parse(b"Content-Type: Text/HTML; Charset=UTF-8\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n")
    assert (part.type, part.subtype, part.charset, part.encoding) == ("text", "html", "utf-8", "quoted-printable")
    part = parse(b"")
    assert (part.type, part.subtype, part.charset, part.encoding) == ("text", "plain", "", "7bit")


def nested(levels: int) -> bytes:
    """A text inside so many multiparts."""
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(levels)
    )
    closing = b"".join(b"\r\n--b%d--" % level for level in reversed(range(levels)))
    return opening + b"\r\ninnermost" + closing + b"\r\n"


def depth(root: Part) -> int:
    """How many multiparts deep the first parts go."""
    levels = 0
    while root.children:
        root = root.children[0]
        levels += 1
    return levels


def check(message: bytes, max_depth: int = 100, max_parts: int = 10_000) -> Part:
    """Digests a message and checks the forms; gives its root."""
    found = digest(message, max_depth, max_parts)
    check_envelope(read(found.envelope))
    check_body(read(found.body), extended=False)
    check_body(read(found.bodystructure), extended=True)
    return unpack(found.parts)


def test_fifty_levels_are_all_there() -> None:
    """Real nesting is followed to its end."""
    message = nested(50)
    root = check(message)
    assert depth(root) == 50
    assert body(message, list(walk(root))[-1]) == b"innermost"


def test_ten_thousand_levels_end_in_an_opaque_part() -> None:
    """Deeper than the limit is one attachment; no stack is exhausted."""
    root = check(nested(10_000))
    parts = list(walk(root))
    assert len(parts) == 100
    assert (parts[-1].type, parts[-1].subtype) == ("application", "octet-stream")


def test_ten_thousand_nested_messages() -> None:
    """The same for messages in messages."""
    root = check(b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + b"Subject: x\r\n\r\nhi")
    parts = list(walk(root))
    assert len(parts) == 100
    assert (parts[-1].type, parts[-1].subtype) == ("application", "octet-stream")


def test_no_limit_within_a_thousand_levels_strains_the_stack() -> None:
    """The highest limit one can set."""
    assert depth(check(nested(999), max_depth=1000)) == 999


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_depth_at_its_limit(limit: int) -> None:
    """As many levels as allowed are taken apart; one more is opaque."""
    assert depth(check(nested(limit - 1), max_depth=limit)) == limit - 1
    innermost = list(walk(check(nested(limit), max_depth=limit)))[-1]
    assert (innermost.type, innermost.subtype) == ("application", "octet-stream")


@pytest.mark.parametrize("limit", [2, 3, 10])
def test_parts_at_their_limit(limit: int) -> None:
    """The root and its children fill the limit; what is more belongs to the last one."""
    message = MULTIPART + b"--b\r\n\r\nx\r\n" * (limit - 1) + b"--b--"
    root = check(message, max_parts=limit)
    assert len(root.children) == limit - 1
    assert body(message, root.children[-1]) == b"x"
    message = MULTIPART + b"--b\r\n\r\nx\r\n" * limit + b"--b--"
    root = check(message, max_parts=limit)
    assert len(root.children) == limit - 1
    assert body(message, root.children[-1]) == b"x\r\n--b\r\n\r\nx"


def test_one_part_only() -> None:
    """Where a multipart may have no parts it is opaque."""
    assert parse(nested(1), max_parts=1).type == "application"
    assert parse(b"Content-Type: message/rfc822\r\n\r\nx", max_parts=1).type == "application"


def test_twenty_thousand_parts_without_a_body() -> None:
    """Headers that never end are found in linear time."""
    root = check(MULTIPART + b"--b\r\nA: b\r\n" * 20_000 + b"--b--")
    assert len(root.children) == 9_999


def test_the_settings_have_these_defaults() -> None:
    """What the functions take as defaults is what the settings say."""
    config = Config({})
    assert (config[MAX_MIME_DEPTH], config[MAX_MIME_PARTS]) == (100, 10_000)
    assert (config[MAX_MIME_HEADER], config[MAX_MIME_ADDRESSES]) == (1 << 20, 10_000)
    assert set(SECTION.settings) == {MAX_MIME_DEPTH, MAX_MIME_PARTS, MAX_MIME_HEADER, MAX_MIME_ADDRESSES}
    assert MAX_MIME_DEPTH.kind.parse("1000") == 1000
    with pytest.raises(ValueError):
        MAX_MIME_DEPTH.kind.parse("1001")
    assert MAX_MIME_PARTS.kind.parse("65000") == 65_000
    with pytest.raises(ValueError):
        MAX_MIME_PARTS.kind.parse("65001")


def test_a_header_at_its_limit() -> None:
    """A field that ends within the limit counts; what is cut off there does not hide the body."""
    header = b"X: " + b"x" * 93 + b"\r\n" + b"Subject: 12345\r\nDate: never\r\n\r\nbody"
    assert read(digest(header, max_header=112).envelope)[:2] == [None, b"12345"]
    assert read(digest(header, max_header=111).envelope)[:2] == [None, b"1234"]
    assert read(digest(header, max_header=98).envelope)[:2] == [None, None]
    assert read(digest(header).envelope)[:2] == [b"never", b"12345"]
    assert parse(header, max_header=98).body_size == 4


def test_addresses_at_their_limit() -> None:
    """The first so many are shown; a group that is cut is closed."""
    header = b"To: a@x, b@x, c@x\r\nCc: g: a@x, b@x;\r\n\r\n"
    envelope = read(digest(header, max_addresses=3).envelope)
    assert [address[2] for address in envelope[5]] == [b"a", b"b", b"c"]
    assert [address[2] for address in envelope[6]] == [b"g", b"a", b"b", None]
    envelope = read(digest(header, max_addresses=2).envelope)
    assert [address[2] for address in envelope[5]] == [b"a", b"b"]
    assert [address[2] for address in envelope[6]] == [b"g", b"a", None]


HEADERS = [
    pytest.param(b"To: " + b", ".join(b"person%d <p%d@x.test>" % (i, i) for i in range(7000)), id="recipients"),
    pytest.param(b"Subject: x" + b"\r\n y" * 50_000, id="folds"),
    pytest.param(b"Subject: " + b"x" * 200_000, id="one line"),
    pytest.param(b"To: a@b\r\n" * 100_000, id="many To fields"),
    pytest.param(b"To: " + b"<@a," * 50_000, id="routes"),
    pytest.param(b"To: a" + b" " * 400_000 + b"b; <c@d>", id="spaces in a name"),
    pytest.param(b"To: " + b"(" * 200_000, id="open comments"),
    pytest.param(b"To: " + b'"' * 200_001, id="quotes"),
    pytest.param(b"To: " + b"<" * 200_000, id="angles"),
    pytest.param(b"To: " + b"a:" * 100_000, id="groups"),
    pytest.param(b"To: " + b"a@" * 100_000, id="ats"),
    pytest.param(b"To: " + b"a " * 100_000, id="words"),
    pytest.param(b"To: " + b"\\" * 200_000, id="backslashes"),
    pytest.param(b"To: " + b" " * 200_000 + b"x", id="spaces"),
    pytest.param(b"To: " + b"[" * 200_000, id="brackets"),
    pytest.param(b"Content-Type: a/b" + b"; x=y" * 40_000, id="parameters"),
    pytest.param(b"Content-Type: a/b" + b"; x" * 70_000, id="parameters without values"),
    pytest.param(b"Content-Type: a/b;" + b" " * 200_000, id="parameter of spaces"),
    pytest.param(b"Content-Type: a/b" + b"".join(b"; x*%d=y" % i for i in range(20_000)), id="pieces"),
    pytest.param(b'Content-Type: a/b; x="' + b"\\" * 200_000, id="open quoted parameter"),
    pytest.param(b"Content-Disposition: " + b"x" * 200_000, id="long token"),
    pytest.param(b"Content-Language: " + b"x " * 100_000, id="languages"),
    pytest.param(b"Date: " + b"(" * 200_000, id="date of comments"),
    pytest.param(b"Date: " + b" " * 200_000, id="date of spaces"),
    pytest.param(b"Date: " + b"1" * 200_000, id="date of digits"),
    pytest.param(b"x" * 200_000, id="no colon"),
    pytest.param(b":" * 200_000, id="only colons"),
    pytest.param(b"x:\r\n" * 50_000, id="many fields"),
    pytest.param(b"\0" * 200_000, id="NULs"),
]


@pytest.mark.parametrize("field", HEADERS)
def test_headers_of_200_kb(field: bytes) -> None:
    """Whatever fills it, a large header is done with at once (a test that is not linear runs into its time-out)."""
    for end in (b"\r\n\r\nbody", b"", b"\n\n"):
        check(field + end)


def test_a_mapped_file_is_searched_across_its_windows() -> None:
    """A boundary on any edge of a window is found, and lines are counted over all of them."""
    opening = MULTIPART + b"--b\r\nContent-Type: text/plain\r\n\r\n"
    for shift in range(-8, 9):
        filler = b"x" * (WINDOW - len(opening) - 5 + shift) + b"\r\n\r\n\r\n"
        message = opening + filler + b"\r\n--b\r\n\r\n" + b"y-\n" * WINDOW + b"\r\n--b--\r\n"
        root = parse(mapped(message))
        assert pack(root) == pack(parse(message))
        assert [part.lines for part in root.children] == [3, WINDOW]


def test_a_long_attachment_is_one_part() -> None:
    """Three megabytes of text with dashes in it, and the boundary at their end."""
    text = b"a line - with -- dashes\r\n-not a boundary\r\n--nor this\r\n" * 60_000
    message = MULTIPART + b"--b\r\n\r\n" + text + b"\r\n--b\r\n\r\nend\r\n--b--"
    assert bodies(message) == [text, b"end"]
    assert parse(message).children[0].lines == 180_000


@pytest.mark.parametrize("message", [b"", nested(3), b"Content-Type: message/rfc822\r\n\r\n" + nested(2)])
def test_a_packed_tree_unpacks_to_itself(message: bytes) -> None:
    """pack and unpack are inverse."""
    root = parse(message)
    again = unpack(pack(root))
    for part, other in zip(walk(root), walk(again), strict=True):
        assert same(part, other)


def test_a_tree_of_more_than_four_gigabytes_packs() -> None:
    """Offsets past 32 bits have a form of their own."""
    root = Part(0, 10, 10, 5 << 32)
    root.lines = 6 << 32
    again = unpack(pack(root))
    assert (again.body_size, again.lines) == (5 << 32, 6 << 32)


def test_what_is_no_packed_tree_is_refused() -> None:
    """Damage in the store shows as ValueError."""
    packed = pack(parse(nested(2)))
    for damaged in (b"", b"\x03" + packed[1:], packed[:-1], packed + b"\0", packed[:40]):
        with pytest.raises(ValueError):
            unpack(damaged)
