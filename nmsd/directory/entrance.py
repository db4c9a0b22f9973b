"""One client at the gate: which mechanisms it is offered, and what it claims by them.

The one place where a protocol's login commands and SASL's mechanisms meet the gate.
"""

from __future__ import annotations

import secrets
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Final

from nmsd.config.services import ServiceSettings
from nmsd.config.setting import Config
from nmsd.directory.api import Gate, User
from nmsd.directory.ldap_settings import HOSTS
from nmsd.directory.sasl_settings import ALLOW_ANONYMOUS, ANONYMOUS_USER, DISCOVERY, KEY_SET, MECH_LIST, SCOPE
from nmsd.directory.settings import SCRAM, STORE_SCRAM
from nmsd.wire.protocol import Peer
from nmsd.wire.sasl import MECHANISMS, Exchange, Mechanism, Need

if TYPE_CHECKING:
    from nmsd.model.scram import ScramKeys

_BY_NAME: Final = {mechanism.name: mechanism for mechanism in MECHANISMS}
_ANONYMOUS: Final = "anonymous"
_MOST_TRACE: Final = 255  # as in RFC 4505 §2


class Offer(Enum):
    """Whether a mechanism is offered."""

    YES = "yes"
    NO = "no"
    NOT_PRIVATE = "not private"  # it would be on a connection that nobody can listen in on


class Entrance:
    """A client's way in.  `user` is who came in by it, None before.

    Claims are judged by the gate, and raise what it raises.
    """

    __slots__ = ("_config", "_gate", "_peer", "_service", "user")

    def __init__(self, gate: Gate, config: Config, service: ServiceSettings, peer: Peer) -> None:
        self.user: User | None = None
        self._gate = gate
        self._config = config
        self._service = service
        self._peer = peer

    # What is offered

    def offered(self) -> list[bytes]:
        """The names of the mechanisms that may be used here and now, in the order of the setting."""
        met = self._met()
        return [mechanism.name for mechanism in _listed(self._config[MECH_LIST]) if mechanism.need in met]

    def offer(self, name: bytes) -> Offer:
        """Whether this one is; `name` in upper case."""
        mechanism = _BY_NAME.get(name)
        if mechanism is None or mechanism not in _listed(self._config[MECH_LIST]):
            return Offer.NO
        if mechanism.need in self._met():
            return Offer.YES
        private = mechanism.need is Need.PASSWORDS or (mechanism.need is Need.TOKENS and self._config[KEY_SET])
        return Offer.NOT_PRIVATE if private else Offer.NO

    def exchange(self, name: bytes) -> Exchange:
        """The beginning of an exchange by a mechanism that is offered."""
        return Exchange(_BY_NAME[name], self)

    def takes_passwords(self) -> bool:
        """Whether plain-text passwords are taken on this connection: service.NAME.plaintextmincipher (-1 never, else
        the least bits the cipher must have), and a certificate first where one is required.  A Unix socket counts as
        private."""
        logins = self._service.certificates
        if logins is not None and self._config[logins.require] and self._peer.certificate is None:
            return False
        least = self._config[self._service.plaintext_min_cipher]
        return least >= 0 and (self._peer.local or self._peer.cipher_bits >= least)

    def _met(self) -> list[Need]:
        """What there is here of what mechanisms need.  Each greeting asks, so it looks at nothing twice."""
        config, peer = self._config, self._peer
        met: list[Need] = []
        if self.takes_passwords():
            met.append(Need.PASSWORDS)
        if holds_scram(config):
            met.append(Need.SCRAM)
            if peer.bindings:
                met.append(Need.SCRAM_BINDING)
        if peer.certificate is not None:
            met.append(Need.CERTIFICATE)
        if (peer.tls or peer.local) and config[KEY_SET]:
            met.append(Need.TOKENS)
        if self._is_open():
            met.append(Need.ANONYMOUS)
        return met

    def _is_open(self) -> bool:
        allowed = ALLOW_ANONYMOUS.get(self._service.name)
        return allowed is not None and self._config[allowed] and bool(self._config[ANONYMOUS_USER])

    def is_known(self) -> bool:
        """Whether the client is to be logged in by its certificate before it says anything."""
        logins = self._service.certificates
        return self._peer.certificate is not None and logins is not None and self._config[logins.preauth]

    def greet(self) -> None:
        """Logs it in so."""
        assert self._peer.certificate is not None
        self.user = self._gate.login_certificate(self._name, self._peer.certificate, self._peer.address, greeting=True)

    # Claims: wire.sasl.Verifier

    def login(self, login: str, password: str) -> None:
        """A login command's name and password.  Netscape's servers take "anonymous" with an e-mail address for one,
        too, where a service is open to anybody."""
        if login.lower() == _ANONYMOUS and self._is_open():
            self.anonymous(password[:_MOST_TRACE])
        else:
            self.user = self._gate.login(self._name, login, password, self._peer.address)

    def password(self, login: str, password: str, authorize: str, method: str) -> None:
        """As the verifier's."""
        self.user = self._gate.login(self._name, login, password, self._peer.address, authorize, method)

    def certificate(self, authorize: str) -> None:
        """As the verifier's."""
        assert self._peer.certificate is not None
        self.user = self._gate.login_certificate(self._name, self._peer.certificate, self._peer.address, authorize)

    def anonymous(self, trace: str) -> None:
        """As the verifier's."""
        self.user = self._gate.login_anonymous(self._name, trace, self._peer.address)

    def token(self, token: str, authorize: str, method: str) -> None:
        """As the verifier's."""
        self.user = self._gate.login_token(self._name, token, self._peer.address, authorize, method)

    def scram_keys(self, login: str) -> ScramKeys:
        """As the verifier's."""
        return self._gate.scram_keys(login)

    def scram(self, login: str, is_proven: bool, authorize: str, method: str) -> None:
        """As the verifier's."""
        self.user = self._gate.login_scram(self._name, login, is_proven, self._peer.address, authorize, method)

    def nonce(self) -> bytes:
        """As the verifier's."""
        return secrets.token_urlsafe(18).encode("ascii")

    def bindings(self) -> dict[bytes, bytes]:
        """As the verifier's."""
        return dict(self._peer.bindings) if binds_logins(self._config) else {}

    def token_failure(self) -> dict[str, str]:
        """As the verifier's."""
        said = {"scope": self._config[SCOPE], "openid-configuration": self._config[DISCOVERY]}
        return {name: value for name, value in said.items() if value}

    @property
    def _name(self) -> str:
        """The service's name in access rules, which tell sessions with TLS apart."""
        return self._service.name + ("s" if self._peer.tls else "")


@cache
def _listed(names: tuple[str, ...]) -> tuple[Mechanism, ...]:
    return tuple(_BY_NAME[name.encode("ascii")] for name in names)


def binds_logins(config: Config) -> bool:
    """Whether there may be logins that are bound to their TLS channel."""
    return holds_scram(config) and any(row.need is Need.SCRAM_BINDING for row in _listed(config[MECH_LIST]))


def holds_scram(config: Config) -> bool:
    """Whether the directory in use is one that users' SCRAM keys are expected in."""
    return bool(config[SCRAM]) if config[HOSTS] else config[STORE_SCRAM]
