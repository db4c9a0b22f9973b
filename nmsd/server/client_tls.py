"""TLS in which the client is asked for its certificate, or that SCRAM is to be bound to: pyOpenSSL's connection behind
the face of a plain socket.

The standard library's TLS ends the handshake when it does not like a client's certificate, and tells nobody why.  Here
the handshake proves that the client holds the key of what it shows, and no more; whether that is accepted is decided by
server.authorities afterwards, so that a client with an expired certificate may still give a password, and the log says
what is wrong with it.  Nor does it tell what TLS 1.3's channels are bound to.  Such a connection takes some 9 KB more,
which services that want neither do not pay.

Security: a session that is resumed shows its certificate no more, and might outlive it; so none is resumed.
"""

from __future__ import annotations

import os
from _socket import socket
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL, crypto

from nmsd.server.authorities import Authorities

if TYPE_CHECKING:
    import ssl
else:
    from nmsd.server.patch import plain_ssl as ssl

_RELEASE_BUFFERS: Final = 0x10  # OpenSSL's SSL_MODE_RELEASE_BUFFERS: an idle connection holds none
_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_TICKET


class ClientContext:
    """What the server's side of such connections shares.  Raises OSError (ssl.SSLError is one) for files or ciphers
    that are no good.  `end_point` is what channels are bound to by the server's certificate (RFC 5929 §4)."""

    def __init__(
        self, certificate: str, key: str, minimum: str, ciphers: str, authorities: Authorities | None = None
    ) -> None:
        """Clients are asked for a certificate if there are `authorities`."""
        self.authorities = authorities
        try:
            self.end_point = end_point(certificate)
            self.context = _make(certificate, key, minimum, ciphers, "" if authorities is None else authorities.path)
        except SSL.Error as error:
            raise ssl.SSLError(_words(error)) from None


class ClientSocket(socket):
    """The server's end of a connection, made of a connected non-blocking socket, which then belongs to this one.

    It behaves as the standard library's non-blocking SSLSocket, exceptions included.  Once hands are shaken,
    `certificate` is what the client may log in with, in DER, or None; `refusal` says whose certificate was not accepted
    and why.
    """

    __slots__ = ("_authorities", "_connection", "_end_point", "certificate", "refusal")

    def __init__(self, sock: socket, context: ClientContext) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.setblocking(False)
        self.certificate: bytes | None = None
        self.refusal = ""
        self._authorities: Authorities | None = context.authorities
        self._end_point = context.end_point
        # The descriptor's number, and not this object, which would make a cycle.
        self._connection: Any = SSL.Connection(context.context, self.fileno())  # type: ignore[arg-type]
        self._connection.set_accept_state()

    def do_handshake(self) -> None:
        """Goes on with the handshake; at its end looks at the certificate."""
        try:
            self._connection.do_handshake()
        except SSL.Error as error:
            raise _as_os_error(error) from None
        self._look()

    def _look(self) -> None:
        authorities, self._authorities = self._authorities, None
        shown: crypto.X509 | None = self._connection.get_peer_certificate()
        if shown is None or authorities is None:
            return
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, shown)
        verdict = authorities.check(shown, self._connection.get_peer_cert_chain() or ())
        if verdict.refusal:
            self.refusal = f"{verdict.chain[0] if verdict.chain else '(unreadable)'} {verdict.refusal}"
        else:
            self.certificate = der

    def cipher_bits(self) -> int:
        """The length of the cipher's key."""
        return self._connection.get_cipher_bits() or 0

    def bindings(self) -> tuple[tuple[bytes, bytes], ...]:
        """What the channel can be bound to (RFC 5929, RFC 9266), once hands are shaken."""
        found = ((b"tls-server-end-point", self._end_point),) if self._end_point else ()
        if self._connection.get_protocol_version() < SSL.TLS1_3_VERSION:
            # The first Finished message is the client's, for no session is resumed.  There is no telling whether the
            # extended master secret is in use, without which RFC 9266 §4.2 allows no tls-exporter.
            return (*found, (b"tls-unique", self._connection.get_peer_finished() or b""))
        exported: bytes = self._connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        return (*found, (b"tls-exporter", exported))

    def pending(self) -> int:
        """How many bytes can be read without the kernel."""
        return int(self._connection.pending())

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """As a socket's."""
        try:
            return int(self._connection.recv_into(buffer, size or None))
        except SSL.Error as error:
            if _is_end(error):
                return 0
            raise _as_os_error(error) from None

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As a socket's."""
        try:
            data: bytes = self._connection.recv(size)
            return data
        except SSL.Error as error:
            if _is_end(error):
                return b""
            raise _as_os_error(error) from None

    def send(self, data: Any, flags: int = 0) -> int:
        """As a socket's."""
        if not len(data):
            return 0
        try:
            return int(self._connection.send(data))
        except SSL.Error as error:
            raise _as_os_error(error) from None

    def say_goodbye(self) -> None:
        """Sends close_notify, if the kernel takes it."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            pass

    def close(self) -> None:
        """As a socket's."""
        self._connection = None
        super().close()


def _make(certificate: str, key: str, minimum: str, ciphers: str, authorities: str) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION if minimum == "1.3" else SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_mode(_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"nmsd")
    context.set_cipher_list(ciphers.encode())
    context.use_certificate_chain_file(certificate)
    context.use_privatekey_file(key)
    if authorities:
        context.load_client_ca(authorities.encode())
        context.set_verify(SSL.VERIFY_PEER, _let_pass)
    return context


def end_point(path: str) -> bytes:
    """The hash of the server's certificate that the binding tls-server-end-point is (RFC 5929 §4.1); b'' for one whose
    signature has no hash of its own.  Raises OSError."""
    with open(path, "rb") as file:
        certificate = crypto.load_certificate(crypto.FILETYPE_PEM, file.read()).to_cryptography()
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        return b""
    return certificate.fingerprint(SHA256() if algorithm.name in ("md5", "sha1") else algorithm)


def _let_pass(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, good: int) -> bool:
    """The handshake's own verdict is nobody's business."""
    return True


def _is_end(error: SSL.Error) -> bool:
    """Whether the peer has closed the connection, with or without a word."""
    return isinstance(error, SSL.ZeroReturnError) or (isinstance(error, SSL.SysCallError) and error.args[0] == -1)


def _as_os_error(error: SSL.Error) -> OSError:
    """What the standard library would raise."""
    if isinstance(error, SSL.WantReadError):
        return ssl.SSLWantReadError()
    if isinstance(error, SSL.WantWriteError):
        return ssl.SSLWantWriteError()
    if isinstance(error, SSL.SysCallError):
        number = error.args[0]
        if number > 0:
            return OSError(number, os.strerror(number))
        return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the client closed the connection")
    if isinstance(error, SSL.ZeroReturnError):
        return ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "the client closed the connection")
    return ssl.SSLError(ssl.SSL_ERROR_SSL, _words(error))


def _words(error: SSL.Error) -> str:
    details = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(detail[-1]) for detail in details if detail[-1]) or "TLS failed"
