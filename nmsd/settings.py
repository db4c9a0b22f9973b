"""All settings: every Section, in the order the sample file and the reference list them.

A part that declares settings adds its SECTION here, one line.
"""

from typing import Final

from nmsd import log
from nmsd.config import admission, endpoints, services
from nmsd.config import directory as configuration
from nmsd.config.setting import Section
from nmsd.console import settings as console
from nmsd.directory import certmap
from nmsd.directory import group_settings as groups
from nmsd.directory import ldap_settings as ldap
from nmsd.directory import sasl_settings as sasl
from nmsd.directory import settings as directory
from nmsd.imap import settings as imap
from nmsd.lmtp import settings as lmtp
from nmsd.mime import settings as mime
from nmsd.pop3 import settings as pop3
from nmsd.server import settings as server
from nmsd.server import trace_settings
from nmsd.store.sqlite import settings as sqlite
from nmsd.supervisor import settings as supervisor

SECTIONS: Final[tuple[Section, ...]] = (
    services.GENERAL_SECTION,
    supervisor.SECTION,
    configuration.SECTION,
    endpoints.LISTEN_SECTION,
    services.TLS_SECTION,
    services.MESSAGE_SECTION,
    *(service.section() for service in services.MAIL_SERVICES),
    *(clients.section() for clients in admission.ADMISSION.values()),
    services.CONSOLE_SECTION,
    console.SECTION,
    imap.SECTION,
    pop3.SECTION,
    services.LMTP_SOCKET_SECTION,
    lmtp.SECTION,
    *server.SECTIONS,
    sqlite.SECTION,
    mime.SECTION,
    directory.SECTION,
    ldap.SECTION,
    directory.USER_SECTION,
    groups.SECTION,
    sasl.SECTION,
    certmap.SECTION,
    log.SECTION,
    trace_settings.SECTION,
)
