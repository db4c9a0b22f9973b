"""The settings that every service has (the guide's Services chapter), made once for each service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Config, Section, Setting

BANNER: Final = "%h %p service (%P %V) ready on %d"


@dataclass(frozen=True)
class CertificateSettings:
    """What a service does with clients' certificates."""

    allow: Setting[bool]
    require: Setting[bool]
    preauth: Setting[bool]


@dataclass(frozen=True)
class ServiceSettings:
    """One service's settings.  `name` is the service's in setting names: imap, pop, lmtp."""

    name: str
    enable: Setting[bool]
    port: Setting[int]
    enable_ssl_port: Setting[bool]
    ssl_port: Setting[int]
    listen: Setting[tuple[str, ...]]
    banner: Setting[str]
    plaintext_min_cipher: Setting[int]
    max_sessions: Setting[int]
    max_threads: Setting[int]
    num_processes: Setting[int]
    idle_timeout: Setting[int]
    tls_only: bool = False
    """Whether `port` itself takes nothing but TLS, so that there is no service without a certificate."""
    certificates: CertificateSettings | None = None
    """None where users do not log in by certificate."""

    def section(self) -> Section:
        """The settings under one heading."""
        logins = self.certificates
        return Section(
            f"{self.name.upper()} service",
            (
                self.enable,
                self.port,
                self.enable_ssl_port,
                self.ssl_port,
                self.listen,
                self.banner,
                *((self.plaintext_min_cipher,) if logins is not None else ()),  # LMTP takes no passwords
                self.max_sessions,
                self.max_threads,
                self.num_processes,
                self.idle_timeout,
                *((logins.allow, logins.require, logins.preauth) if logins is not None else ()),
            ),
        )


def certificate_settings(name: str) -> CertificateSettings:
    """The settings `service.NAME.*certificate*`."""
    prefix = f"service.{name}."
    title = name.upper()
    return CertificateSettings(
        allow=Setting(
            prefix + "allowcertificatelogin",
            kinds.boolean(),
            True,
            f"Whether {title} clients are asked for a certificate and may log in with it. They are asked only once"
            " encryption.clientcafile names authorities to trust, so the default changes nothing by itself; no keeps"
            " this one service to passwords.",
            label="Allow certificate-based login",
        ),
        require=Setting(
            prefix + "requirecertificate",
            kinds.boolean(),
            False,
            f"Whether {title} is refused to clients without an acceptable certificate, passwords or not. A session"
            " without TLS cannot log in then. The default lets passwords and certificates stand side by side.",
            label="Require a client certificate",
        ),
        preauth=Setting(
            prefix + "certificatepreauth",
            kinds.boolean(),
            False,
            "Whether a client whose certificate stands for a user is logged in before its first command, on the port"
            " for TLS, as on Netscape's servers. The default waits for the client to ask (AUTHENTICATE EXTERNAL):"
            " a client that is set to log in by password is confused by finding itself logged in.",
            label="Log in by certificate before the first command",
        ),
    )


def service_settings(
    name: str, *, port: int, ssl_port: int, has_ssl_port: bool, max_sessions: int, idle_minutes: int, bind: str = ""
) -> ServiceSettings:
    """The family of settings `service.NAME.*` with these defaults."""
    prefix = f"service.{name}."
    title = name.upper()
    return ServiceSettings(
        name,
        enable=Setting(
            prefix + "enable",
            kinds.boolean(),
            True,
            f"Whether this server offers {title} at all.",
            label="Enable service",
            reload="worker",
        ),
        port=Setting(
            prefix + "port",
            kinds.port(),
            port,
            f"The port for {title}, plain and with STARTTLS. {port} is the registered one.",
            label=f"Enable {title} service at port",
            reload="worker",
        ),
        enable_ssl_port=Setting(
            prefix + "enablesslport",
            kinds.boolean(),
            has_ssl_port,
            f"Whether {title} is also offered with TLS from the first byte on a port of its own. RFC 8314 prefers it.",
            label=f"Use separate port for {title} over SSL",
            reload="worker",
        ),
        ssl_port=Setting(
            prefix + "sslport",
            kinds.port(),
            ssl_port,
            f"The port for {title} with TLS from the first byte. {ssl_port} is the registered one.",
            label=f"{title} over SSL port",
            reload="worker",
        ),
        listen=Setting(
            prefix + "listenaddr",
            kinds.addresses("addresses, with commas between; empty: those of service.listenaddr"),
            (bind,) if bind else (),
            f"The addresses {title} listens on. Empty follows service.listenaddr.",
            reload="worker",
        ),
        banner=Setting(
            prefix + "banner",
            kinds.text("text with %h host, %p protocol, %P product, %v short and %V full version, %d time, %% percent"),
            BANNER,
            "What the greeting says. Change it to tell less, or to show who runs the server.",
            label="Service banner",
            attribute="nsmsgBanner",
        ),
        plaintext_min_cipher=Setting(
            prefix + "plaintextmincipher",
            kinds.integer(-1, 4096, "bits"),
            0,
            "How many bits the session's cipher must have before a plain-text password is taken: -1 never takes one, 0"
            " always does, 128 wants TLS. The default is Netscape's; raise it once all clients use TLS.",
            label="Allow password login; minimum cipher length",
            attribute="nsmsgPlainTextMinCipher",
        ),
        max_sessions=Setting(
            prefix + "maxsessions",
            kinds.integer(1, 100_000),
            max_sessions,
            "Most sessions one process serves. Each takes a file descriptor; a process lowers the number to what its"
            " limit allows and says so.",
            label="Maximum number of network connections per process",
            attribute="nsmsgMaxSessions",
        ),
        max_threads=Setting(
            prefix + "maxthreads",
            kinds.integer(1, 10_000),
            1000,
            "Most commands one process executes at once. Further ones wait their turn; sessions stay open.",
            label="Maximum number of threads per process",
            attribute="nsmsgMaxThreads",
        ),
        num_processes=Setting(
            prefix + "numprocesses",
            kinds.integer(1, 64),
            1,
            "How many processes serve it. One for each processor core is the most that helps.",
            label="Number of processes",
            reload="worker",
            attribute="nsmsgNumProcesses",
        ),
        idle_timeout=Setting(
            prefix + "idletimeout",
            kinds.integer(1, 10_080, "minutes"),
            idle_minutes,
            f"After how many minutes without a word from the client a session is dropped. {idle_minutes} is the least"
            " the standard allows for a busy network's sake; lower it only for tests.",
            label="Drop client connections if idle for",
            attribute="nsmsgIdleTimeout",
        ),
    )


IMAP: Final = replace(
    service_settings("imap", port=143, ssl_port=993, has_ssl_port=True, max_sessions=4000, idle_minutes=30),
    certificates=certificate_settings("imap"),
)
POP: Final = replace(
    service_settings("pop", port=110, ssl_port=995, has_ssl_port=True, max_sessions=600, idle_minutes=10),
    certificates=certificate_settings("pop"),
)
LMTP: Final = service_settings(
    "lmtp", port=24, ssl_port=2424, has_ssl_port=False, max_sessions=600, idle_minutes=5, bind="127.0.0.1"
)

LISTEN: Final = Setting(
    "service.listenaddr",
    kinds.addresses("addresses, with commas between"),
    ("0.0.0.0", "::"),
    "The addresses the services listen on. The default is all, IPv4 and IPv6.",
    reload="worker",
    attribute="nsmsgListenAddr",
)
HOSTNAME: Final = Setting(
    "local.hostname",
    kinds.text("a host name"),
    "",
    "The name this server gives itself in greetings. Empty: what the system says.",
)
DEFAULT_DOMAIN: Final = Setting(
    "service.defaultdomain",
    kinds.text("a domain"),
    "",
    "The domain of users and recipients that are given without one.",
)

MAX_MESSAGE_SIZE: Final = Setting(
    "store.maxmessagesize",
    kinds.size(1 << 16, 1 << 30),
    50 << 20,
    "The largest message taken, by APPEND and by LMTP. 50M lets through what the large mail providers send.",
)


def host_name(config: Config) -> str:
    """The name this server gives itself."""
    return config[HOSTNAME] or _own_name()


@cache
def _own_name() -> str:
    return os.uname().nodename


CERTIFICATE: Final = Setting(
    "encryption.nscertfile",
    kinds.path(),
    "etc/tls/cert.pem",
    "The certificate shown to clients, in PEM, with the chain behind it. Put one here that your clients trust;"
    " `nmsd init` makes one that signs itself. Empty: no TLS at all.",
)
KEY: Final = Setting(
    "encryption.nskeyfile",
    kinds.path(),
    "etc/tls/key.pem",
    "The private key of the certificate, in PEM, readable by the server's user only.",
)
CLIENT_CA_FILE: Final = Setting(
    "encryption.clientcafile",
    kinds.path(),
    "",
    "The authorities whose certificates users may log in with, in PEM, one after the other; each is trusted as it"
    " stands, whoever signed it. Empty, the default: clients are asked for no certificate. Name your own authority"
    " here, and none that gives certificates to strangers. A changed file counts for the next connection.",
)
CLIENT_CRL_FILES: Final = Setting(
    "encryption.clientcrlfiles",
    kinds.words("paths with commas between, relative ones from the instance directory"),
    (),
    "Files with the revocation lists of those authorities, in PEM or DER. Empty, the default: nobody's certificate is"
    " looked up. Set it, and whatever fetches the lists only has to put new files in place of the old.",
)
LMTP_SOCKET: Final = Setting(
    "service.lmtp.socket",
    kinds.path(),
    "run/lmtp.sock",
    "The Unix socket on which LMTP also listens; empty: none. Move it to where the MTA may reach it, such as Postfix's"
    " private directory.",
    reload="worker",
)
LMTP_SOCKET_MODE: Final = Setting(
    "service.lmtp.socketmode",
    kinds.mode(),
    0o666,
    "The mode of the Unix socket. Every local process may deliver over the TCP port too, so the default lets all; who"
    " can reach it is decided by the directory it is in.",
    reload="worker",
)

CONSOLE: Final = replace(
    service_settings("console", port=8443, ssl_port=8443, has_ssl_port=False, max_sessions=100, idle_minutes=30),
    enable=Setting(
        "service.console.enable",
        kinds.boolean(),
        True,
        "Whether this server offers the console, its pages for administrators and its metrics. It needs a certificate;"
        " only users in store.admins are let in.",
        label="Enable console",
        reload="worker",
    ),
    port=Setting(
        "service.console.port",
        kinds.port(),
        8443,
        "The port for the console, with TLS from the first byte.",
        label="Console port",
        reload="worker",
    ),
    listen=Setting(
        "service.console.listenaddr",
        kinds.addresses("addresses, with commas between; empty: those of service.listenaddr"),
        (),
        "The addresses the console listens on. Empty follows service.listenaddr; 127.0.0.1 keeps it to this machine.",
        reload="worker",
    ),
    max_sessions=Setting(
        "service.console.maxsessions",
        kinds.integer(1, 10_000),
        100,
        "Most connections to the console at a time; further ones wait. A browser opens up to six.",
    ),
    idle_timeout=Setting(
        "service.console.idletimeout",
        kinds.integer(1, 1440, "minutes"),
        30,
        "After how many minutes without a click an administrator has to log in again.",
    ),
    tls_only=True,
)
CONSOLE_SECTION: Final = Section(
    "Console", (CONSOLE.enable, CONSOLE.port, CONSOLE.listen, CONSOLE.max_sessions, CONSOLE.idle_timeout)
)
"""What the console has of the family, which the supervisor knows services by; the rest keeps its default."""

MAIL_SERVICES: Final = (IMAP, POP, LMTP)
SERVICES: Final = (*MAIL_SERVICES, CONSOLE)
"""All services, in the order they are listed and started; the first of them have the whole family of settings."""


def is_offered(config: Config, service: ServiceSettings) -> bool:
    """Whether the settings want the service."""
    return config[service.enable] and not (service.tls_only and not config[CERTIFICATE])


def client_crl_paths(config: Config) -> tuple[str, ...]:
    """The files with revocation lists."""
    return tuple(os.path.join(config.instance, path) for path in config[CLIENT_CRL_FILES])


def _verify_tls(config: Config) -> Iterator[tuple[str, str]]:
    if not config[CERTIFICATE]:
        for service in SERVICES:
            if config[service.enable] and config[service.enable_ssl_port]:
                text = f"is yes, but {CERTIFICATE.name} names no certificate; set it, or say no"
                yield service.enable_ssl_port.name, text
        return
    if not any(config[service.enable] for service in SERVICES):
        return
    for setting, what in ((CERTIFICATE, "certificate"), (KEY, "private key")):
        path = config.path(setting)
        if not config[setting] or not os.path.isfile(path):
            yield setting.name, f"there is no {what} file {path}; put it there, or change the setting"


GENERAL_SECTION: Final = Section("Server", (HOSTNAME, DEFAULT_DOMAIN))
TLS_SECTION: Final = Section("TLS", (CERTIFICATE, KEY), _verify_tls)
LMTP_SOCKET_SECTION: Final = Section("LMTP socket", (LMTP_SOCKET, LMTP_SOCKET_MODE))
MESSAGE_SECTION: Final = Section("Messages", (MAX_MESSAGE_SIZE,))
