"""One connection to one directory server, over ldap3: open, TLS, bind, search.

Invariants: an operation ends within its time, however slowly the other side drips its bytes; a link that failed in any
way is not used again.  ldap3's SAFE_SYNC strategy reads and writes in the caller's greenlet or thread; one caller at a
time has a link.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ldap3 import (
    ANONYMOUS,
    BASE,
    DEREF_NEVER,
    LEVEL,
    MODIFY_ADD,
    MODIFY_DELETE,
    NONE,
    SAFE_SYNC,
    SASL,
    SUBTREE,
    Connection,
    Server,
)
from ldap3.core.exceptions import LDAPExceptionError, LDAPInvalidFilterError
from ldap3.core.results import (
    RESULT_BUSY,
    RESULT_CODES,
    RESULT_INVALID_DN_SYNTAX,
    RESULT_NO_SUCH_OBJECT,
    RESULT_REFERRAL,
    RESULT_SIZE_LIMIT_EXCEEDED,
    RESULT_SUCCESS,
    RESULT_UNAVAILABLE,
)
from ldap3.operation.search import search_operation
from ldap3.utils.asn1 import decode_message_fast

from nmsd.config.ldap_address import Address
from nmsd.directory.ldap_ber import (
    BIND_RESPONSE,
    SEARCH_DONE,
    SEARCH_ENTRY,
    SEARCH_REFERENCE,
    BadFilter,
    Message,
    bind_request,
    read_message,
    search_request,
    whole,
)
from nmsd.directory.ldap_socket import TimedSocket, ldap3_tls
from nmsd.model.errors import DirectoryUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCOPES: Final = {"subtree": SUBTREE, "onelevel": LEVEL, "base": BASE}
_PAGED_RESULTS: Final = "1.2.840.113556.1.4.319"
_READ_BYTES: Final = 64 * 1024
_MOST_BYTES: Final = 64 << 20


class Failure(Exception):
    """The server could not be used; another may serve.  `timed_out`: it merely took too long.  Without `counts` it had
    no chance: nothing is known of it."""

    def __init__(self, text: str, timed_out: bool = False, counts: bool = True) -> None:
        super().__init__(text)
        self.timed_out = timed_out
        self.counts = counts


class Refusal(DirectoryUnavailable):
    """The server is there, but does not do what it was asked; no other is any likelier to."""


class Referred(Refusal):
    """The server holds nothing of what is asked for, and refers to others."""

    def __init__(self, text: str, urls: tuple[str, ...]) -> None:
        super().__init__(text)
        self.urls = urls


class NoEntry(Refusal):
    """There is no such entry, or it is not shown to us."""


@dataclass(frozen=True)
class Entry:
    """What a search found.  Attribute names are in lower case, without options; values that are no UTF-8 are left
    out.  `at`: the server it was found on, if that is one that we were referred to."""

    dn: str
    attributes: dict[str, list[str]]
    at: Address | None = None


@dataclass(frozen=True)
class Found:
    """The entries of a search; `cut`: there were more than asked for; `references`: URLs where there may be others."""

    entries: tuple[Entry, ...]
    cut: bool = False
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a server said to a bind or a change: LDAP's result code, its name and the server's own words."""

    code: int
    name: str
    text: str
    controls: frozenset[str] = frozenset()

    @property
    def is_success(self) -> bool:
        """Whether it did what it was asked."""
        return self.code == int(RESULT_SUCCESS)

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" if self.text else self.name


@dataclass(frozen=True)
class Account:
    """As whom the server itself binds."""

    method: str = "simple"
    dn: str = ""
    password: str = ""


class Link:
    """A connection, open and with TLS where asked for, bound as nobody yet.

    `tls` is the context for ldaps:// and StartTLS, which needs one; `start_tls` asks for the latter.  Raises Failure.
    """

    def __init__(self, address: Address, tls: ssl.SSLContext | None, start_tls: bool, seconds: float) -> None:
        self.address = address
        # A Server object of its own: ldap3 keeps the address in use on it, and of two connections that share one, the
        # second does not notice that it could not connect.
        server = Server(
            address.url if address.scheme == "ldapi" else address.host,
            port=address.port or None,
            use_ssl=address.scheme == "ldaps",
            get_info=NONE,
            tls=None if tls is None else ldap3_tls(tls),
            connect_timeout=seconds,
        )
        self._connection = Connection(
            server,
            client_strategy=SAFE_SYNC,
            auto_referrals=False,
            auto_escape=False,
            check_names=False,
            return_empty_attributes=False,
        )
        try:
            self._connection.open(read_server_info=False)
            if start_tls:
                self._connection.start_tls(read_server_info=False)
        except (LDAPExceptionError, OSError) as error:
            words = _reason(self._connection, error)
            self._drop()
            raise Failure(words) from None
        self._socket = TimedSocket(self._connection.socket, seconds)
        self._connection.socket = self._socket

    def bind_account(self, account: Account, seconds: float) -> Outcome:
        """Binds as the server itself.  Raises Failure."""
        connection = self._connection
        if account.method == "external":
            connection.authentication, connection.sasl_mechanism, connection.sasl_credentials = SASL, "EXTERNAL", ""
            connection.user = connection.password = None
            return self._bind(seconds)
        if account.dn:
            return self.bind(account.dn, account.password, seconds)
        connection.authentication, connection.user, connection.password = ANONYMOUS, None, None
        return self._bind(seconds)

    def bind(self, dn: str, password: str, seconds: float) -> Outcome:
        """Binds as an entry by its password, which may not be empty: without one, RFC 4513 §5.1.2 has servers accept
        anybody.  Raises Failure."""
        if not dn or not password:
            raise ValueError("a bind without name or password proves nothing")
        # The password as it is, as every other client sends it; ldap3 would normalise it.
        secret = password.encode("utf-8", "surrogateescape")
        *_, said = self._ask(lambda number: bind_request(number, dn, secret), BIND_RESPONSE, seconds)
        return Outcome(said.code, RESULT_CODES.get(said.code, str(said.code)), said.text, said.controls)

    def search(
        self, base: str, scope: str, filter: str, attributes: Sequence[str], limit: int, seconds: float
    ) -> Found:
        """At most `limit` entries.  Raises Failure, Refusal."""
        *found, said = self._look(base, scope, filter, attributes, limit, seconds)
        if said.code not in (RESULT_SUCCESS, RESULT_SIZE_LIMIT_EXCEEDED):
            raise _refusal(self.address, base, said)
        entries = tuple([_entry(message) for message in found if message.kind == SEARCH_ENTRY])
        urls = tuple([url for message in found if message.kind == SEARCH_REFERENCE for url in message.urls])
        return Found(entries, said.code == RESULT_SIZE_LIMIT_EXCEEDED, urls)

    def pages(
        self, base: str, scope: str, filter: str, attributes: Sequence[str], size: int, seconds: float
    ) -> Iterator[tuple[Entry, ...]]:
        """All entries, `size` at a time (RFC 2696).  Raises as `search`."""
        cookie: Any = None
        while True:
            with self._operation(seconds):
                _, result, response, _ = self._connection.search(
                    base,
                    filter,
                    _SCOPES[scope],
                    DEREF_NEVER,
                    list(attributes),
                    time_limit=max(1, int(seconds)),
                    paged_size=size,
                    paged_cookie=cookie,
                )
            said = _said(result)
            self._check_busy(said)
            if said.code != RESULT_SUCCESS:
                raise _refusal(self.address, base, said)
            yield tuple(_entry(_message(item)) for item in response or () if item["type"] == "searchResEntry")
            control = result.get("controls", {}).get(_PAGED_RESULTS)
            cookie = control["value"]["cookie"] if control else None
            if not cookie:
                return

    def entry(self, dn: str, filter: str, attributes: Sequence[str], seconds: float) -> Entry | None:
        """The entry of this name, if it matches; values that are no UTF-8 are kept (surrogateescape).  None also where
        there is none that we may see.  Raises as `search`."""
        *found, said = self._look(dn, "base", filter, attributes, 1, seconds)
        if said.code == RESULT_NO_SUCH_OBJECT:
            return None
        if said.code != RESULT_SUCCESS:
            raise _refusal(self.address, dn, said)
        return next((_entry(each, "surrogateescape") for each in found if each.kind == SEARCH_ENTRY), None)

    def entries(
        self, base: str, scope: str, filter: str, attributes: Sequence[str], limit: int, seconds: float, is_guess: bool
    ) -> Found:
        """As `search`, but values that are no UTF-8 are kept (surrogateescape); and below a base that is a guess there
        is nothing to be found if there is no such entry, or can be none."""
        *found, said = self._look(base, scope, filter, attributes, limit, seconds)
        if is_guess and said.code in (RESULT_NO_SUCH_OBJECT, RESULT_INVALID_DN_SYNTAX):
            return Found(())
        if said.code not in (RESULT_SUCCESS, RESULT_SIZE_LIMIT_EXCEEDED):
            raise _refusal(self.address, base, said)
        entries = tuple([_entry(each, "surrogateescape") for each in found if each.kind == SEARCH_ENTRY])
        return Found(entries, said.code == RESULT_SIZE_LIMIT_EXCEEDED)

    def add(self, dn: str, attributes: Mapping[str, Sequence[str]], seconds: float) -> Outcome:
        """Adds an entry.  Raises Failure."""
        with self._operation(seconds):
            _, result, _, _ = self._connection.add(dn, attributes={name: list(v) for name, v in attributes.items()})
        return Outcome(result["result"], result["description"], result["message"])

    def modify(self, dn: str, changes: Mapping[str, tuple[Sequence[str], Sequence[str]]], seconds: float) -> Outcome:
        """Takes values from an entry's attributes and adds others, all of it or nothing.  Raises Failure."""
        steps = {
            name: [(kind, list(values)) for kind, values in ((MODIFY_DELETE, old), (MODIFY_ADD, new)) if values]
            for name, (old, new) in changes.items()
        }
        with self._operation(seconds):
            _, result, _, _ = self._connection.modify(dn, steps)
        return Outcome(result["result"], result["description"], result["message"])

    def root(self, attribute: str, seconds: float) -> list[str]:
        """What the server says of itself (RFC 4512 §5.1).  Raises as `search`."""
        return self.values("", attribute, seconds)

    def values(self, dn: str, attribute: str, seconds: float) -> list[str]:
        """An attribute of an entry; nothing, if we may not see it.  Raises Failure."""
        try:
            found = self.search(dn, "base", "(objectClass=*)", (attribute,), 1, seconds)
        except Refusal:
            return []
        return [value for entry in found.entries for value in entry.attributes.get(attribute.lower(), ())]

    def stream(
        self, base: str, scope: str, filter: str, attributes: Sequence[str], controls: list[Any], seconds: float
    ) -> Iterator[Any]:
        """The answers to a search that does not end, as they come, in ldap3's form.  Raises Failure when the connection
        ends, Refusal when the search does.  `seconds` is for sending it."""
        strategy = self._connection.strategy
        with self._operation(seconds):
            request = search_operation(
                base, filter, _SCOPES[scope], DEREF_NEVER, list(attributes), 0, 0, False, False, False
            )
            self._connection.send("searchRequest", request, controls)
        self._socket.listen()
        return self._answers(base, strategy)

    def _answers(self, base: str, strategy: Any) -> Iterator[Any]:
        while True:
            with self._operation(math.inf):
                answers = [strategy.decode_response_fast(decode_message_fast(raw)) for raw in strategy.receiving()]
            if not answers:
                raise Failure("the server ended the connection")
            for answer in answers:
                if answer["type"] == "searchResDone":
                    raise _refusal(self.address, base, _said(answer))
                yield answer

    def abort(self) -> None:
        """Ends it under the hands of whoever waits for an answer, who gets a Failure."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """Ends it."""
        self._socket.deadline = time.monotonic() + 1.0
        try:
            self._connection.unbind()
        except (LDAPExceptionError, OSError):
            pass
        self._drop()

    @property
    def cipher(self) -> str:
        """TLS version and cipher; '' for none."""
        inner = self._socket.inner
        if not isinstance(inner, ssl.SSLSocket):
            return ""
        cipher = inner.cipher()
        return f"{inner.version()} {cipher[0] if cipher else ''}".strip()

    def _bind(self, seconds: float) -> Outcome:
        with self._operation(seconds):
            _, result, _, _ = self._connection.bind(read_server_info=False)
        self._check_busy(_said(result))
        controls = frozenset(result.get("controls") or ())
        return Outcome(result["result"], result["description"], result["message"], controls)

    def _look(
        self, base: str, scope: str, filter: str, attributes: Sequence[str], limit: int, seconds: float
    ) -> list[Message]:
        def request(number: int) -> bytes:
            return search_request(number, base, scope, filter, attributes, limit, max(1, int(seconds)))

        return self._ask(request, SEARCH_DONE, seconds)

    def _ask(self, request: Callable[[int], bytes], last: int, seconds: float) -> list[Message]:
        """All that the server answers to a request, which gets a number; of kind `last` is what ends it."""
        self._connection.last_error = None
        with self._operation(seconds):
            number = self._connection.server.next_message_id()
            self._socket.sendall(request(number))
            found: list[Message] = []
            data = b""
            while not found or found[-1].kind != last:
                size = whole(data)
                if not size or len(data) < size:
                    if size > _MOST_BYTES:
                        raise ValueError("it is too long")
                    more = self._socket.recv(_READ_BYTES)
                    if not more:
                        raise OSError("the server ended the connection")
                    data += more
                    continue
                message = read_message(data[:size])
                data = data[size:]
                if message.message_id != number:  # 0: the server says farewell (RFC 4511 §4.4.1)
                    raise OSError(f"the server ends the connection: {message.text}")
                found.append(message)
            if data:
                raise ValueError("something follows it")
        self._check_busy(found[-1])
        return found

    def _check_busy(self, said: Message) -> None:
        if said.code in (RESULT_BUSY, RESULT_UNAVAILABLE):
            raise Failure(f"{RESULT_CODES[said.code]}: {said.text}", timed_out=True)

    @contextmanager
    def _operation(self, seconds: float) -> Iterator[None]:
        self._socket.deadline = time.monotonic() + seconds
        try:
            yield
        except (BadFilter, LDAPInvalidFilterError) as error:
            raise Refusal(f"the search filter is wrong: {error}") from None
        except (LDAPExceptionError, OSError) as error:
            raise Failure(_reason(self._connection, error), self._socket.timed_out) from None
        except (IndexError, KeyError, TypeError, ValueError) as error:
            # What decodes, here and in ldap3, on bytes that are no LDAP.
            raise Failure(f"the answer cannot be read: {error}") from None

    def _drop(self) -> None:
        inner = self._connection.socket
        if inner is not None:
            inner.close()


def _said(result: Any) -> Message:
    """ldap3's result of an operation."""
    urls = tuple(result.get("referrals") or ())
    return Message(0, SEARCH_DONE, urls=urls, code=result["result"], text=result["message"])


def _message(item: Any) -> Message:
    """An entry as ldap3 has it."""
    attributes = tuple((name, [bytes(value) for value in raw]) for name, raw in item["raw_attributes"].items())
    return Message(0, SEARCH_ENTRY, item["dn"], attributes)


def _entry(message: Message, errors: str = "strict") -> Entry:
    attributes: dict[str, list[str]] = {}
    for name, raw in message.attributes:
        values = attributes.setdefault(name.partition(";")[0].lower(), [])
        for value in raw:
            try:
                values.append(value.decode("utf-8", errors))
            except UnicodeDecodeError:
                continue
    return Entry(message.dn, attributes)


def _refusal(address: Address, base: str, said: Message) -> Refusal:
    words = f"{RESULT_CODES.get(said.code, said.code)} {said.text}".strip()
    if said.code == RESULT_NO_SUCH_OBJECT:
        return NoEntry(f"{address.url} shows no entry {base} to search below; it is missing or forbidden")
    if said.code == RESULT_REFERRAL:
        others = ", ".join(said.urls) or "nowhere"
        words = f"{address.url} refers to {others}, where we do not go (local.ugldapreferrals)"
        return Referred(words, said.urls)
    return Refusal(f"{address.url} refuses the search: {words}")


def _reason(connection: Any, error: Exception) -> str:
    """ldap3's words, shortened; it repeats itself."""
    words = str(connection.last_error or error) or type(error).__name__
    return " ".join(words.split()).removeprefix("socket connection error while opening: ")
