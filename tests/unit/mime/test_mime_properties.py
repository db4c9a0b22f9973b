"""For any message whatever: nothing raises, offsets lie within it, forms are well-formed, packing is exact."""

from __future__ import annotations

import tempfile
from mmap import ACCESS_READ, mmap

from hypothesis import given, settings
from hypothesis import strategies as st

from nmsd.mime.address import parse_addresses
from nmsd.mime.content import parse_parameters
from nmsd.mime.digest import digest
from nmsd.mime.header import decode_words, field_texts, iter_fields, select_fields, unfold
from nmsd.mime.parts import pack, parse, unpack
from nmsd.mime.section import find, locate
from nmsd.mime.text import body_text, decode_transfer, header_text
from tests.unit.mime.mime_forms import check_body, check_envelope, read, same, walk

PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\n\n",
        b"\r",
        b"\0",
        b"--",
        b"--a\r\n",
        b"--a--\r\n",
        b"--b\n",
        b"--b--\n",
        b"\r\n--a--",
        b"--ab\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b'Content-Type: multipart/digest; boundary="b"\r\n',
        b"Content-Type: multipart/mixed;\r\n boundary=ab\r\n\r\n",
        b"Content-Type: multipart/x\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"content-type: Message/Global\n\n",
        b"Content-Type: text/html; charset=utf-8\r\n",
        b"Content-Type: image/png; name*0*=x''%41; name*1=\"\xff\"\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Disposition: attachment; filename=x\r\n",
        b"Content-Language: en, fr\r\n",
        b"From: A <a@b>, g: c@d;\r\n",
        b'To: (c) "q" <@r:x@y>, z\r\n',
        b"Subject: =?utf-8?q?=C3=A9?= \xe9\r\n",
        b"Date: 1 Jan 2024 00:00 +0100\r\n",
        b" folded\r\n",
        b"text\r\n",
        b"a=41 =\r\n",
        b"aGVsbG8=\r\n",
    ]
)
MESSAGES = st.one_of(
    st.binary(max_size=300),
    st.lists(PIECES, max_size=40).map(b"".join),
    st.lists(st.one_of(PIECES, st.binary(max_size=6)), max_size=40).map(b"".join),
)
HEADER_TEXT = st.one_of(
    st.binary(max_size=100),
    st.text(alphabet="ab@<>,:;\"\\()[]. \t=?*%\x00é'/", max_size=60).map(lambda text: text.encode()),
)


@settings(deadline=None, max_examples=500)
@given(MESSAGES)
def test_any_message_has_a_digest(message: bytes) -> None:
    """Forms follow the grammar of RFC 9051 §9; BODY is BODYSTRUCTURE without extension data; the header is found."""
    found = digest(message)
    check_envelope(read(found.envelope))
    body, structure = read(found.body), read(found.bodystructure)
    check_body(body, extended=False)
    check_body(structure, extended=True)
    assert isinstance(body[0], list) == isinstance(structure[0], list)
    header = message[: found.header_size]
    assert found.header_size == len(message) or header.endswith((b"\n\n", b"\n\r\n")) or header in (b"\n", b"\r\n")


@settings(deadline=None, max_examples=500)
@given(MESSAGES, st.integers(1, 6), st.integers(1, 8))
def test_parts_lie_within_the_message_and_within_each_other(message: bytes, max_depth: int, max_parts: int) -> None:
    """In order, without overlap, within the limits; lines are what is counted in the body."""
    root = parse(message, max_depth, max_parts)
    assert (root.header_offset, root.header_size + root.body_size) == (0, len(message))
    parts = list(walk(root))
    # A multipart has one part at least by IMAP's grammar: one that came without gets it beyond the limit.
    only_children = sum(len(part.children) == 1 for part in parts)
    assert len(parts) - only_children <= max_parts
    for part in parts:
        end = part.body_offset + part.body_size
        assert (
            0 <= part.header_offset <= part.body_offset == part.header_offset + part.header_size <= end <= len(message)
        )
        inner = [part.message] if part.message is not None else part.children
        assert bool(inner) == (part.type == "multipart" or part.message is not None)
        position = part.body_offset
        for child in inner:
            assert position <= child.header_offset
            position = child.body_offset + child.body_size
        if part.message is not None:
            assert (part.message.header_offset, position) == (part.body_offset, end)
        # A part that ends in its header's empty line may share that with the boundary of the multipart it lies in.
        assert position <= end or position == end + message[end:position].count(b"\n") + message[end:position].count(
            b"\r"
        )
        lines = message[part.body_offset : end].count(b"\n")
        assert part.lines == (lines if part.type in ("text", "message") else 0)


@settings(deadline=None, max_examples=300)
@given(MESSAGES)
def test_packing_keeps_everything(message: bytes) -> None:
    """unpack(pack(tree)) is the tree; a mapped file gives the same tree."""
    root = parse(message)
    packed = pack(root)
    assert all(same(part, other) for part, other in zip(walk(root), walk(unpack(packed)), strict=True))
    assert digest(message).parts == packed
    if message:
        with tempfile.TemporaryFile() as file:
            file.write(message)
            file.flush()
            with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                assert digest(data) == digest(message)
                assert list(body_text(data, parse(data))) == list(body_text(message, root))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_unpack_to_anything_but_a_tree_or_value_error(packed: bytes) -> None:
    """Damage is told, never worse."""
    for version in (b"", b"\x01", b"\x02"):
        try:
            unpack(version + packed)
        except ValueError:
            pass


@settings(deadline=None, max_examples=300)
@given(MESSAGES, st.lists(st.integers(0, 4), max_size=4).map(tuple))
def test_any_section_lies_within_the_message(message: bytes, path: tuple[int, ...]) -> None:
    """Or is None; HEADER and TEXT together are the message they belong to."""
    root = parse(message)
    for what in ("", "HEADER", "TEXT", "MIME"):
        found = locate(root, path, what)
        if found is not None:
            assert 0 <= found[0] <= found[0] + found[1] <= len(message)
    header, text, whole = (locate(root, path, what) for what in ("HEADER", "TEXT", ""))
    assert (header is None) == (text is None)
    if header is not None and text is not None and whole is not None:
        assert header[0] + header[1] == text[0]
        assert (header[0], header[1] + text[1]) == whole
    assert (find(root, path) is None) == (whole is None)


@settings(deadline=None, max_examples=300)
@given(MESSAGES)
def test_any_message_has_text(message: bytes) -> None:
    """Search text of header and body, and every part decoded."""
    root = parse(message)
    header_text(message[: root.header_size])
    list(body_text(message, root))
    for part in walk(root):
        decode_transfer(message[part.body_offset : part.body_offset + part.body_size], part.encoding)


@settings(deadline=None)
@given(MESSAGES, st.lists(st.sampled_from([b"from", b"TO", b"Content-Type", b"x"]), max_size=3))
def test_any_header_can_be_chosen_from(message: bytes, names: list[bytes]) -> None:
    """What is chosen and what is not make up the header; field by field they agree with iter_fields."""
    header = message[: parse(message).header_size]
    chosen, others = select_fields(header, names, False), select_fields(header, names, True)
    wanted = {name.lower() for name in names}
    fields = list(iter_fields(header))
    assert list(iter_fields(chosen)) == [field for field in fields if field[0].lower() in wanted]
    assert [field for field in iter_fields(others) if field in fields] == [
        field for field in fields if field[0].lower() not in wanted
    ]
    for name in names:
        assert len(field_texts(header, name)) == sum(field[0].lower() == name.lower() for field in fields)


@settings(deadline=None, max_examples=500)
@given(HEADER_TEXT)
def test_any_field_value_is_read(value: bytes) -> None:
    """Addresses, parameters and encoded words; groups are closed."""
    addresses = parse_addresses(value)
    starts = sum(host is None and mailbox is not None for _, _, mailbox, host in addresses)
    ends = sum(host is None and mailbox is None for _, _, mailbox, host in addresses)
    assert starts == ends
    parse_parameters(value, 0)
    parse_parameters(b";" + value, 0)
    decode_words(unfold(value))


LOCAL = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9]+)?", fullmatch=True)
PHRASE = st.lists(st.text(alphabet="abcXYZ019_-", min_size=1, max_size=6), min_size=1, max_size=3).map(" ".join)


@settings(deadline=None)
@given(st.lists(st.tuples(st.one_of(st.just(""), PHRASE), LOCAL, LOCAL, st.integers(0, 3)), min_size=1, max_size=5))
def test_proper_addresses_come_back(items: list[tuple[str, str, str, int]]) -> None:
    """However they are written: plain, quoted, folded, with comments."""
    written = []
    for name, local, host, style in items:
        address = f"{local}@{host}"
        if not name:
            written.append((address, f"<{address}>", f" {address} ", f"(x){address}")[style])
            continue
        written.append(
            (f"{name} <{address}>", f'"{name}"<{address}>', f"{name}\t<{address}> ", f"(c) {name} <{address}> (c)")[
                style
            ]
        )
    expected = [
        ((name or ("x" if style == 3 else "")).encode() or None, None, local.encode(), host.encode())
        for name, local, host, style in items
    ]
    assert parse_addresses(",".join(written).encode()) == expected
