"""LIST (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154) and LSUB (RFC 3501 §6.3.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nmsd.imap.commands.status import parse_items, status_line
from nmsd.imap.pattern import Patterns, whole_patterns
from nmsd.imap.registry import Answer, Command, StatusItem
from nmsd.imap.session import Session
from nmsd.imap.state import LOGGED_IN
from nmsd.model.mailbox import INBOX, SEPARATOR, Mailbox, canonical_name, composed, parents
from nmsd.wire.errors import BadSyntax
from nmsd.wire.mailboxname import decode_name
from nmsd.wire.reader import Reader

_SELECTIONS: Final = (b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE")
_RETURNS: Final = (b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE", b"STATUS")
_NO_NAME: Final = SEPARATOR
"""A pattern that no mailbox can match."""


@dataclass(frozen=True)
class Arguments:
    """`patterns` are whole (reference included), none where the hierarchy's root is asked for; `returns` holds the
    return options but STATUS, which is `status`."""

    patterns: tuple[str, ...]
    selections: frozenset[bytes]
    returns: frozenset[bytes]
    status: list[StatusItem]


class Tree:
    """The account's names, as LIST sees them: mailboxes, levels that exist only above others, subscriptions."""

    def __init__(self, mailboxes: list[Mailbox], subscriptions: list[str]) -> None:
        self.mailboxes: dict[str, Mailbox] = {mailbox.name: mailbox for mailbox in mailboxes}
        self.subscribed: frozenset[str] = frozenset(subscriptions)
        self.with_children: set[str] = set()
        for mailbox in mailboxes:
            self.with_children.update(parents(mailbox.name))

    def names(self) -> list[str]:
        """Mailboxes and the levels above them, INBOX first, then sorted."""
        return _sorted(set(self.mailboxes) | self.with_children)

    def attributes(self, name: str) -> list[str]:
        """What is so of a name: existence, children, special use."""
        mailbox = self.mailboxes.get(name)
        found = [] if mailbox is not None else ["\\NonExistent", "\\Noselect"]
        found.append("\\HasChildren" if name in self.with_children else "\\HasNoChildren")
        if mailbox is not None:
            found.extend(mailbox.special_use)
        return found


def _sorted(names: set[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != INBOX, name))


def _parse_list(reader: Reader, session: Session) -> Arguments:
    reader.space()
    selections: frozenset[bytes] = frozenset()
    is_extended = reader.maybe(b"(")
    if is_extended:
        selections = _parse_selections(reader)
        reader.space()
    reference = decode_name(reader.astring(), session.utf8)
    reader.space()
    patterns: list[str] = []
    if reader.maybe(b"("):
        is_extended = True
        while True:
            patterns.append(decode_name(reader.list_mailbox(), session.utf8))
            if reader.maybe(b")"):
                break
            reader.space()
    else:
        patterns.append(decode_name(reader.list_mailbox(), session.utf8))
    returns: set[bytes] = set()
    status: list[StatusItem] = []
    if reader.maybe_space():
        is_extended = True
        if reader.keyword() != b"RETURN":
            raise BadSyntax("Expected RETURN")
        reader.expect(b" (")
        status = _parse_returns(reader, returns)
    reader.end()
    # An empty pattern asks for the hierarchy's root, but in an extended LIST it matches nothing (RFC 5258 §3).
    whole = whole_patterns(reference, patterns)
    return Arguments(whole or ((_NO_NAME,) if is_extended else ()), selections, frozenset(returns), status)


def _parse_selections(reader: Reader) -> frozenset[bytes]:
    found: set[bytes] = set()
    while not reader.maybe(b")"):
        if found:
            reader.space()
        option = reader.keyword()
        if option not in _SELECTIONS:
            raise BadSyntax("Unknown selection option " + option.decode("ascii"))
        found.add(option)
    if b"RECURSIVEMATCH" in found and not found & {b"SUBSCRIBED", b"SPECIAL-USE"}:
        raise BadSyntax("RECURSIVEMATCH needs another selection option")  # RFC 5258 §3.1
    return frozenset(found)


def _parse_returns(reader: Reader, found: set[bytes]) -> list[StatusItem]:
    status: list[StatusItem] = []
    while not reader.maybe(b")"):
        if found:
            reader.space()
        option = reader.keyword()
        if option not in _RETURNS:
            raise BadSyntax("Unknown return option " + option.decode("ascii"))
        found.add(option)
        if option == b"STATUS":
            reader.space()
            status = parse_items(reader)
    return status


def _run_list(session: Session, arguments: Arguments) -> Answer:
    if not arguments.patterns:
        yield b'* LIST (\\Noselect) "/" ""\r\n'
        return None
    account = session.mail()
    tree = Tree(account.mailboxes(), account.subscriptions())
    matches = Patterns(arguments.patterns)
    lines: list[bytes] = []
    for name, child_info in _selected(tree, arguments.selections, matches):
        attributes = tree.attributes(name)
        asked = b"SUBSCRIBED" in arguments.selections or b"SUBSCRIBED" in arguments.returns
        if asked and name in tree.subscribed:
            attributes.append("\\Subscribed")
        lines.append(list_line(session, b"LIST", name, attributes, child_info))
        mailbox = tree.mailboxes.get(name)
        if arguments.status and mailbox is not None:
            lines.append(status_line(session, mailbox, arguments.status))
    yield b"".join(lines)
    return None


def _selected(tree: Tree, selections: frozenset[bytes], matches: Patterns) -> list[tuple[str, tuple[str, ...]]]:
    """The names that match and that the selection options choose, each with what CHILDINFO says of it."""
    wanted = selections & {b"SUBSCRIBED", b"SPECIAL-USE"}
    if not wanted:
        return [(name, ()) for name in tree.names() if matches.match(name)]
    chosen: set[str] = set(tree.mailboxes) | tree.subscribed
    if b"SUBSCRIBED" in wanted:
        chosen &= tree.subscribed
    if b"SPECIAL-USE" in wanted:
        chosen = {name for name in chosen if name in tree.mailboxes and tree.mailboxes[name].special_use}
    told = {name for name in chosen if matches.match(name)}
    above: set[str] = set()
    if b"RECURSIVEMATCH" in selections:
        for name in chosen:
            above.update(parents(name))
            # What is not chosen itself is told only for the sake of one that would not be told (RFC 5258 §3.5).
            if name not in told:
                told.update(parent for parent in parents(name) if matches.match(parent))
    options = tuple(option.decode("ascii") for option in sorted(wanted))
    return [(name, options if name in above else ()) for name in _sorted(told)]


def read_both_names(session: Session, reader: Reader) -> tuple[str, str]:
    """A mailbox argument, as its canonical name, and as the client wrote it if its characters were not composed, else
    ''.  Raises BadSyntax."""
    written = decode_name(reader.astring(), session.utf8)
    return canonical_name(written), written if composed(written) != written else ""


def list_line(
    session: Session,
    command: bytes,
    name: str,
    attributes: list[str],
    child_info: tuple[str, ...] = (),
    old_name: str = "",
) -> bytes:
    """An untagged LIST or LSUB.  `child_info` names the selection options that inferiors meet; `old_name` is what the
    client has called the mailbox, where that was not its name (RFC 9051 §6.3.9.7)."""
    text = " ".join(attributes).encode("ascii")
    line = b"* " + command + b" (" + text + b') "/" ' + session.write_mailbox(name)
    if old_name:
        line += b' ("OLDNAME" (' + session.write_mailbox(old_name) + b"))"
    if child_info:
        line += b' ("CHILDINFO" (' + " ".join(f'"{option}"' for option in child_info).encode("ascii") + b"))"
    return line + b"\r\n"


def _parse_lsub(reader: Reader, session: Session) -> tuple[str, ...]:
    reader.space()
    reference = decode_name(reader.astring(), session.utf8)
    reader.space()
    pattern = decode_name(reader.list_mailbox(), session.utf8)
    reader.end()
    return whole_patterns(reference, (pattern,))


def _run_lsub(session: Session, patterns: tuple[str, ...]) -> Answer:
    if not patterns:
        yield b'* LSUB (\\Noselect) "/" ""\r\n'
        return None
    account = session.mail()
    tree = Tree(account.mailboxes(), account.subscriptions())
    matches = Patterns(patterns)
    above: set[str] = set()
    if patterns[0].endswith("%"):
        # A name above a subscribed one that "%" stops short of is told as \Noselect (RFC 3501 §6.3.9).
        for name in tree.subscribed:
            above.update(parents(name))
    lines: list[bytes] = []
    for name in _sorted(set(tree.subscribed) | above):
        if matches.match(name):
            attributes = [] if name in tree.subscribed else ["\\Noselect"]
            lines.append(list_line(session, b"LSUB", name, attributes))
    yield b"".join(lines)
    return None


LIST: Final = Command(b"LIST", LOGGED_IN, _parse_list, _run_list)
LSUB: Final = Command(b"LSUB", LOGGED_IN, _parse_lsub, _run_lsub)
