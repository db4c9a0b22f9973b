"""What the MIME fields of one part say (RFC 2045, 2183, 2231, 3282)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from nmsd.mime.address import strip_comments, unescape

Parameters: TypeAlias = list[tuple[bytes, bytes]]
"""(name, value) pairs, unquoted, as they came; values in RFC 2231 pieces are put together."""

FIELDS: Final = frozenset(
    (
        b"content-type",
        b"content-transfer-encoding",
        b"content-id",
        b"content-description",
        b"content-disposition",
        b"content-language",
        b"content-location",
        b"content-md5",
    )
)

MAX_TOKEN: Final = 200  # longer type, charset and encoding names are rubbish; the packed form has a byte for lengths

_TOKEN: Final = rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,200}+"
_TYPE: Final = re.compile(rb"\s*(" + _TOKEN + rb")\s*/\s*(" + _TOKEN + rb")")
_WORD: Final = re.compile(rb"\s*(" + _TOKEN + rb")")
_PARAMETER: Final = re.compile(rb';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]++|\\.)*+)|([^;"][^;]*|))', re.DOTALL)
_PIECE: Final = re.compile(rb"(.+?)\*(?:(\d{1,5})(\*?))?", re.DOTALL)
_LANGUAGE: Final = re.compile(rb"[^\s,;]+")
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_NOT_PLAIN: Final = re.compile(rb"[^!#$&+\-.0-9A-Z^_`a-z{|}~]")


class Content:
    """A part's MIME fields, with the defaults of RFC 2045 §5.2 and §6.1 filled in.

    Names are as the message has them.  `default_charset` says that text/plain came without a charset.
    """

    def __init__(self, fields: Mapping[bytes, bytes], default_message: bool = False) -> None:
        """`fields`: lower-case name to unfolded value.  `default_message`: what says nothing is message/rfc822, as in a
        multipart/digest (RFC 2046 §5.1.5)."""
        self.type = b"text"
        self.subtype = b"plain"
        self.parameters: Parameters = []
        self.id = fields.get(b"content-id")
        self.description = fields.get(b"content-description")
        self.encoding = b"7bit"
        self.md5 = fields.get(b"content-md5")
        self.disposition = fields.get(b"content-disposition")
        self.language = fields.get(b"content-language")
        self.location = fields.get(b"content-location")
        media = fields.get(b"content-type")
        if media is not None:
            media = strip_comments(media)
            match = _TYPE.match(media)
            if match is not None:
                self.type = match.group(1)
                self.subtype = match.group(2)
                self.parameters = parse_parameters(media, match.end())
        elif default_message:
            self.type = b"message"
            self.subtype = b"rfc822"
        encoding = fields.get(b"content-transfer-encoding")
        if encoding is not None:
            match = _WORD.match(strip_comments(encoding))
            if match is not None:
                self.encoding = match.group(1)

    def parameter(self, name: bytes) -> bytes | None:
        """The value of the first Content-Type parameter with this (lower-case) name; without one, that of NAME* decoded
        to bytes, its charset aside."""
        extended: bytes | None = None
        for found, value in self.parameters:
            found = found.lower()
            if found == name:
                return value
            if extended is None and found == name + b"*":
                extended = _PERCENT.sub(_unpercent, value[value.rfind(b"'") + 1 :])
        return extended

    def parsed_disposition(self) -> tuple[bytes, Parameters] | None:
        """Type and parameters of Content-Disposition; None where there is none."""
        if self.disposition is None:
            return None
        value = strip_comments(self.disposition)
        match = _WORD.match(value)
        if match is None:
            return None
        return match.group(1), parse_parameters(value, match.end())

    def languages(self) -> list[bytes]:
        """The tags of Content-Language."""
        return _LANGUAGE.findall(strip_comments(self.language)) if self.language is not None else []


def parse_parameters(value: bytes, start: int) -> Parameters:
    """The parameters in a field value from `start` on."""
    if value.find(b";", start) < 0:
        return []
    found: Parameters = []
    pieces = False
    for name, quoted, bare in _PARAMETER.findall(value, start):
        if quoted:
            text = unescape(quoted)
        else:
            text = bare.rstrip()
        found.append((name, text))
        if b"*" in name:
            pieces = True
    return join_pieces(found) if pieces else found


def join_pieces(parameters: Parameters) -> Parameters:
    """Parameters with the pieces of RFC 2231 §3 put together: NAME*0, NAME*1 become NAME; where a piece is extended
    (NAME*0*) the whole becomes NAME* in the form of §4, charset'language'percent-encoded."""
    done: Parameters = []
    pieces: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    for name, value in parameters:
        match = _PIECE.fullmatch(name)
        number = match.group(2) if match is not None else None
        if match is None or number is None:
            done.append((name, value))
            continue
        key = match.group(1)
        group = pieces.get(key)
        if group is None:
            group = pieces[key] = {}
            done.append((key, b""))  # keeps its place
        group.setdefault(int(number), (value, match.group(3) == b"*"))
    return [_joined(name, pieces[name]) if name in pieces and not value else (name, value) for name, value in done]


def _joined(name: bytes, group: dict[int, tuple[bytes, bool]]) -> tuple[bytes, bytes]:
    numbers = sorted(group)
    values: list[bytes] = []
    if not any(extended for _, extended in group.values()):
        return name, b"".join([group[number][0] for number in numbers])
    if not group[numbers[0]][1]:
        values.append(b"''")  # a charset was never named
    for number in numbers:
        value, extended = group[number]
        values.append(value if extended else _NOT_PLAIN.sub(_percent, value))
    return name + b"*", b"".join(values)


def _unpercent(match: re.Match[bytes]) -> bytes:
    return bytes((int(match.group(1), 16),))


def _percent(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match.group()[0]
