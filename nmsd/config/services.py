"""The settings that every service has (the guide's Services chapter), made once for each service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting

BANNER: Final = "%h %p service (%P %V) ready on %d"


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

    def section(self) -> Section:
        """The settings under one heading."""
        return Section(
            f"{self.name.upper()} service",
            (
                self.enable,
                self.port,
                self.enable_ssl_port,
                self.ssl_port,
                self.listen,
                self.banner,
                self.plaintext_min_cipher,
                self.max_sessions,
                self.max_threads,
                self.num_processes,
                self.idle_timeout,
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
            kinds.words("addresses, with commas between; empty: those of service.listenaddr"),
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
        ),
        plaintext_min_cipher=Setting(
            prefix + "plaintextmincipher",
            kinds.integer(-1, 4096, "bits"),
            0,
            "How many bits the session's cipher must have before a plain-text password is taken: -1 never takes one, 0"
            " always does, 128 wants TLS. The default is Netscape's; raise it once all clients use TLS.",
            label="Allow password login; minimum cipher length",
        ),
        max_sessions=Setting(
            prefix + "maxsessions",
            kinds.integer(1, 100_000),
            max_sessions,
            "Most sessions one process serves. Each takes a file descriptor; a process lowers the number to what its"
            " limit allows and says so.",
            label="Maximum number of network connections per process",
        ),
        max_threads=Setting(
            prefix + "maxthreads",
            kinds.integer(1, 10_000),
            1000,
            "Most commands one process executes at once. Further ones wait their turn; sessions stay open.",
            label="Maximum number of threads per process",
        ),
        num_processes=Setting(
            prefix + "numprocesses",
            kinds.integer(1, 64),
            1,
            "How many processes serve it. One for each processor core is the most that helps.",
            label="Number of processes",
            reload="worker",
        ),
        idle_timeout=Setting(
            prefix + "idletimeout",
            kinds.integer(1, 10_080, "minutes"),
            idle_minutes,
            f"After how many minutes without a word from the client a session is dropped. {idle_minutes} is the least"
            " the standard allows for a busy network's sake; lower it only for tests.",
            label="Drop client connections if idle for",
        ),
    )


IMAP: Final = service_settings("imap", port=143, ssl_port=993, has_ssl_port=True, max_sessions=4000, idle_minutes=30)
POP: Final = service_settings("pop", port=110, ssl_port=995, has_ssl_port=True, max_sessions=600, idle_minutes=10)
LMTP: Final = service_settings(
    "lmtp", port=24, ssl_port=2424, has_ssl_port=False, max_sessions=600, idle_minutes=5, bind="127.0.0.1"
)

LISTEN: Final = Setting(
    "service.listenaddr",
    kinds.words("addresses, with commas between"),
    ("0.0.0.0", "::"),
    "The addresses the services listen on. The default is all, IPv4 and IPv6.",
    reload="worker",
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
