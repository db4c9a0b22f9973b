"""Changes as a server pushes them: persistent search (389 Directory Server) or content synchronisation (RFC 4533).

Both are a search that does not end: each change of an entry below the base comes as an entry with a control that says
what became of it.  Only names are asked for, and whether there are entries below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from ldap3.protocol.controls import build_control
from ldap3.protocol.persistentSearch import persistent_search_control
from ldap3.utils.asn1 import decode_sequence

from nmsd.directory.ldap_link import Failure, Refusal
from nmsd.directory.ldap_names import is_below, normal

if TYPE_CHECKING:
    from nmsd.directory.ldap_link import Link

PERSISTENT_SEARCH: Final = "2.16.840.1.113730.3.4.3"
SYNC_REQUEST: Final = "1.3.6.1.4.1.4203.1.9.1.1"
_ENTRY_CHANGED: Final = "2.16.840.1.113730.3.4.7"
_SYNC_STATE: Final = "1.3.6.1.4.1.4203.1.9.1.2"
_SYNC_INFO: Final = "1.3.6.1.4.1.4203.1.9.1.4"

_HAS_CHILDREN: Final = "hasSubordinates"

_ANY_CHANGE: Final = 1 | 2 | 4 | 8  # add, delete, modify, modDN
_ADDED: Final = 1  # in both protocols
_MOVED: Final = 8
_REFRESH_AND_PERSIST: Final = 3
_PRESENT: Final = 0
_MODIFIED: Final = 2
_SEQUENCE: Final = 0x30
_OCTET_STRING: Final = 0x04
_ENUMERATED: Final = 0x0A
_ID_SET: Final = 3  # the tag of a set of entries that are gone, without their names


@dataclass(frozen=True)
class Change:
    """An entry changed, was made, or is gone; of a moved one there are two, for its old name and its new, or its
    `identity` tells that the name is new.  Without a name, anything may have.  `is_made`: nothing of this name was
    there before."""

    dn: str = ""
    identity: str = ""
    is_made: bool = False


def watch(link: Link, base: str, scope: str, seconds: float) -> Iterator[Change | None]:
    """Changes below `base` as they come, for ever; None once the watch is set up, and then for what is none.  Raises
    Failure when the connection ends, Refusal.  `seconds` is for setting up.

    Where we are let, all of the naming context is watched, for an entry that is moved away from below the base is no
    change to 389: the changes are then of entries elsewhere, too.
    """
    supported = link.root("supportedControl", seconds)
    contexts = _contexts(link, base, seconds)
    if PERSISTENT_SEARCH in supported:
        control: Any = persistent_search_control(_ANY_CHANGE, changes_only=True, return_ecs=True, criticality=True)
    elif SYNC_REQUEST in supported:
        control = _sync_request(_cookie(link, contexts, seconds))
    else:
        raise NotPushed("it offers neither persistent search nor content synchronisation")
    for context in contexts[:1]:
        if normal(context) == normal(base):
            continue
        try:
            yield from _listen(link, context, "subtree", control, seconds)
        except Refusal:
            yield Change()  # what came between is not heard of
    yield from _listen(link, base, scope, control, seconds)


def _listen(link: Link, base: str, scope: str, control: Any, seconds: float) -> Iterator[Change | None]:
    answers = link.stream(base, scope, "(objectClass=*)", (_HAS_CHILDREN,), [control], seconds)
    yield None
    for answer in answers:
        yield from _changes(answer)


def describe(link: Link, base: str, seconds: float) -> tuple[str, str]:
    """How the server would push changes, '' if it does not; and what hinders it, '' for nothing.  Raises Failure."""
    supported = link.root("supportedControl", seconds)
    if PERSISTENT_SEARCH in supported:
        return "persistent search", ""
    if SYNC_REQUEST not in supported:
        return "", ""
    contexts = _contexts(link, base, seconds)
    if _cookie(link, contexts, seconds):
        return "content synchronisation", ""
    where = contexts[0] if contexts else "the suffix"
    return (
        "content synchronisation",
        f"contextCSN of {where} is not shown to us: a watch begins with all names there are",
    )


class NotPushed(Failure):
    """The server does not push changes."""


def _changes(answer: Any) -> Iterator[Change | None]:
    controls = answer.get("controls") or {}
    if answer["type"] == "intermediateResponse":
        value = answer.get("responseValue") or b""
        gone = answer.get("responseName") == _SYNC_INFO and value[:1] and value[0] & 0x1F == _ID_SET
        yield Change() if gone else None
    elif answer["type"] != "searchResEntry":
        yield None
    elif _SYNC_STATE in controls:
        state = decode_sequence(*_bounds(controls[_SYNC_STATE]["value"]))[0][3]
        kind, identity = _number(state[0][3]), str(UUID(bytes=bytes(state[1][3])))
        if kind == _PRESENT:
            yield None
        elif kind == _MODIFIED and _has_children(answer):
            yield Change()  # it may have another name now, and with it all below it
        else:
            yield Change(answer["dn"], identity, is_made=kind == _ADDED)
    else:
        kind, previous = _what_changed(controls.get(_ENTRY_CHANGED))
        if previous and _has_children(answer):
            yield Change()
        else:
            yield Change(answer["dn"], is_made=kind == _ADDED)
            if previous:
                yield Change(previous)


def _has_children(answer: Any) -> bool:
    return any(
        name.lower() == _HAS_CHILDREN.lower() and bytes(value).upper() == b"TRUE"
        for name, found in (answer.get("raw_attributes") or {}).items()
        for value in found
    )


def _what_changed(control: Any) -> tuple[int, str]:
    """The kind of the change, 0 for an unknown one, and the name that a moved entry had."""
    if not control or not control["value"]:
        return 0, ""
    parts = decode_sequence(*_bounds(control["value"]))[0][3]
    kind = _number(parts[0][3])
    if kind != _MOVED or len(parts) < 2 or parts[1][2] != _OCTET_STRING:
        return kind, ""
    return kind, bytes(parts[1][3]).decode("utf-8", "replace")


def _bounds(value: Any) -> tuple[bytes, int, int]:
    data = bytes(value)
    return data, 0, len(data)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else int.from_bytes(bytes(value), "big")


def _contexts(link: Link, base: str, seconds: float) -> list[str]:
    """The naming contexts that the base is in, the nearest first."""
    contexts = [name for name in link.root("namingContexts", seconds) if name and is_below(base, name)]
    return sorted(contexts, key=len, reverse=True)


def _cookie(link: Link, contexts: list[str], seconds: float) -> bytes:
    """One that means "from now on": without it, the server begins with all there is."""
    for context in contexts:
        stamps = link.values(context, "contextCSN", seconds)
        if stamps:
            return f"rid=000,csn={';'.join(stamps)}".encode()
    return b""


def _sync_request(cookie: bytes) -> Any:
    """RFC 4533 §2.2: the mode, and a cookie if there is one."""
    mode = _ber(_ENUMERATED, bytes((_REFRESH_AND_PERSIST,)))
    value = _ber(_SEQUENCE, mode + (_ber(_OCTET_STRING, cookie) if cookie else b""))
    return build_control(SYNC_REQUEST, True, value, encode_control_value=False)


def _ber(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
