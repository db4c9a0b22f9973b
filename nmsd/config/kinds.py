"""The kinds of setting values."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

from nmsd.config.setting import Kind

_YES: Final = {"yes", "true", "on", "1"}
_NO: Final = {"no", "false", "off", "0"}
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def _text(value: Any) -> str:
    # configobj hands a value with commas over as a list.
    return ", ".join(value) if isinstance(value, list) else str(value).strip()


def integer(low: int, high: int, unit: str = "") -> Kind[int]:
    """A whole number from `low` to `high`; `unit` is only told."""
    allowed = f"a whole number from {low} to {high}" + (f" ({unit})" if unit else "")

    def parse(value: Any) -> int:
        try:
            number = int(_text(value))
        except ValueError:
            raise ValueError("not a whole number") from None
        if not low <= number <= high:
            raise ValueError(f"{'below' if number < low else 'above'} what is allowed")
        return number

    return Kind(parse, str, allowed, f"integer(min={low}, max={high})")


def port() -> Kind[int]:
    """A TCP port."""
    return integer(1, 65535)


def size(low: int, high: int) -> Kind[int]:
    """A number of bytes; written plain or with K, M, G or T behind it (powers of 1024)."""

    def parse(value: Any) -> int:
        text = _text(value).lower().removesuffix("b")
        number, unit = (text[:-1], text[-1:]) if text[-1:] in ("k", "m", "g", "t") else (text, "")
        try:
            count = int(number.strip()) * _UNITS[unit]
        except ValueError:
            raise ValueError("not a size such as 4096, 64K or 100M") from None
        if not low <= count <= high:
            raise ValueError(f"{'below' if count < low else 'above'} what is allowed")
        return count

    return Kind(parse, _write_size, f"a size from {_write_size(low)} to {_write_size(high)}", "string")


def _write_size(count: int) -> str:
    for unit in ("T", "G", "M", "K"):
        if count and count % _UNITS[unit.lower()] == 0:
            return f"{count // _UNITS[unit.lower()]}{unit}"
    return str(count)


def boolean() -> Kind[bool]:
    """yes or no."""

    def parse(value: Any) -> bool:
        word = _text(value).lower()
        if word in _YES:
            return True
        if word in _NO:
            return False
        raise ValueError("neither yes nor no")

    return Kind(parse, lambda value: "yes" if value else "no", "yes or no", "boolean")


def text(allowed: str = "any text", required: bool = False) -> Kind[str]:
    """Free text, one line."""

    def parse(value: Any) -> str:
        words = _text(value)
        if required and not words:
            raise ValueError("may not be empty")
        if "\n" in words or "\r" in words:
            raise ValueError("must be one line")
        return words

    return Kind(parse, str, allowed, "string")


def path() -> Kind[str]:
    """A path; a relative one counts from the instance's directory."""
    return text("a path, relative ones from the instance directory")


def choice(*words: str) -> Kind[str]:
    """One of some words, in any case."""
    known = {word.lower(): word for word in words}

    def parse(value: Any) -> str:
        found = known.get(_text(value).lower())
        if found is None:
            raise ValueError("not one of the words allowed")
        return found

    quoted = ", ".join(f'"{word}"' for word in words)
    return Kind(parse, str, "one of " + ", ".join(words), f"option({quoted})")


def words(allowed: str = "words with commas between") -> Kind[tuple[str, ...]]:
    """A list of words."""

    def parse(value: Any) -> tuple[str, ...]:
        pieces = value if isinstance(value, list) else str(value).split(",")
        return tuple(piece.strip() for piece in pieces if str(piece).strip())

    return Kind(parse, ", ".join, allowed, "force_list")


def mode() -> Kind[int]:
    """The permission bits of a file, in octal."""

    def parse(value: Any) -> int:
        try:
            bits = int(_text(value), 8)
        except ValueError:
            raise ValueError("not a mode in octal such as 0660") from None
        if not 0 <= bits <= 0o777:
            raise ValueError("outside what is allowed")
        return bits

    return Kind(parse, lambda bits: f"{bits:04o}", "a mode in octal from 0000 to 0777", "string")


_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


def addresses(allowed: str) -> Kind[tuple[str, ...]]:
    """Addresses to listen on: IPv4 and IPv6 ones, or host names."""
    listed = words(allowed)

    def parse(value: Any) -> tuple[str, ...]:
        found = listed.parse(value)
        for address in found:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                # What is made of digits and dots, or has a colon, was meant to be an address.
                if re.fullmatch(r"[0-9.]+", address) or not _HOST.fullmatch(address):
                    raise ValueError(f"{address} is no address") from None
        return found

    return Kind(parse, listed.write, allowed, "force_list")
