"""Charset labels to Python codecs, and bytes to text whatever the label says."""

from __future__ import annotations

import re
from encodings.aliases import aliases
from typing import Final

# Only these are looked up: a label comes from outside, and Python's registry also holds codecs that are no charsets
# (idna and punycode are slow, unicode_escape changes meaning) and remembers every unknown label it is asked for.
_CHARSETS: Final = re.compile(
    r"ascii|utf_(7|8|8_sig|16|16_be|16_le|32|32_be|32_le)|latin_1|iso8859_\d+|cp(?!65001)\d+\w*|koi8_[rtu]|gb\w+|hz"
    r"|big5\w*|euc_\w+|shift_jis\w*|iso2022_\w+|johab|mac_\w+|tis_620|ptcp154|kz1048|hp_roman8|palmos"
)

# Labels as mail uses them, without punctuation, that mean a larger or another codec than Python's table says.
_OURS: Final = {
    "gb2312": "gb18030",
    "gb231280": "gb18030",
    "gbk": "gb18030",
    "xgbk": "gb18030",
    "euccn": "gb18030",
    "euckr": "cp949",
    "ksc56011987": "cp949",
    "ksc56011989": "cp949",
    "ksc5601": "cp949",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "windows31j": "cp932",
    "big5": "cp950",
    "xbig5": "cp950",
    "xeucjp": "euc_jp",
    "iso88598i": "iso8859_8",
    "iso88598e": "iso8859_8",
    "iso88596i": "iso8859_6",
    "unicode11utf7": "utf_7",
    "unicode11utf8": "utf_8",
    "utf8mb4": "utf_8",
    "xmacroman": "mac_roman",
    "macintosh": "mac_roman",
    "xmaccyrillic": "mac_cyrillic",
    "xcp1250": "cp1250",
    "xcp1251": "cp1251",
    "xcp1252": "cp1252",
    "windows874": "cp874",
    "dos874": "cp874",
    "cp874": "cp874",
    "tis620": "cp874",
    "koi8r": "koi8_r",
    "koi8u": "koi8_u",
}

_PUNCTUATION: Final = re.compile(r"[^0-9a-z]+")


def _table() -> dict[str, str]:
    found: dict[str, str] = {}
    for alias, codec in aliases.items():
        if _CHARSETS.fullmatch(codec):
            found[_PUNCTUATION.sub("", alias)] = codec
            found[_PUNCTUATION.sub("", codec)] = codec
    found.update(_OURS)
    return found


_CODECS: Final = _table()


def codec_of(charset: str) -> str:
    """The Python codec for a charset label; '' for one that is not known."""
    return _CODECS.get(_PUNCTUATION.sub("", charset.lower()), "")


def guess(raw: bytes) -> str:
    """Bytes of no known charset: UTF-8 if they are that, else Windows-1252."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def decode_charset(raw: bytes, charset: str) -> str:
    """Bytes as text.  An unknown or missing charset, and ASCII that is none, is taken as UTF-8, else Windows-1252; what
    is wrong in any other charset becomes U+FFFD."""
    codec = codec_of(charset) if charset else ""
    if codec in ("", "ascii", "utf_8"):
        if codec == "utf_8":
            return raw.decode("utf-8", "replace")
        return guess(raw)
    try:
        return raw.decode(codec, "replace")
    except (UnicodeError, LookupError):
        return guess(raw)
