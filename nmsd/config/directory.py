"""The configuration directory: where the entries are that hold settings, and how they are read.

Its settings are Netscape's `local.ldap…`.  They lead to the entries, so they cannot be in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nmsd.config import kinds
from nmsd.config.ldap_address import LDAP_PORT, servers
from nmsd.config.setting import Config, Section, Setting

HOSTS: Final = Setting(
    "local.ldaphost",
    servers(),
    (),
    "The directory servers that hold this server's settings, in order of preference, given as in local.ugldaphost."
    " Empty, the default: settings are in the file alone.",
)
PORT: Final = Setting(
    "local.ldapport",
    kinds.port(),
    LDAP_PORT,
    "The port of the servers in local.ldaphost that are given without one. Where it is not set, the registered ones:"
    " 389, and 636 for TLS from the first byte.",
)
USE_SSL: Final = Setting(
    "local.ldapusessl",
    kinds.boolean(),
    False,
    "Whether servers in local.ldaphost given as host:port are spoken to with TLS from the first byte, as ldaps:// is.",
)
START_TLS: Final = Setting(
    "local.ldapstarttls",
    kinds.choice("auto", "yes", "no"),
    "auto",
    "Whether ldap:// connections for settings begin TLS before anything else is said: auto does so with servers on"
    " other machines, for whoever changes settings on the way changes who may log in.",
)
TLS_VERIFY: Final = Setting(
    "local.ldaptlsverify",
    kinds.boolean(),
    True,
    "Whether a server in local.ldaphost must show a certificate that a known authority signed for its name. Say no to"
    " find a fault only.",
)
TLS_CA: Final = Setting(
    "local.ldaptlscafile",
    kinds.path(),
    "",
    "The certificates of the authorities that servers in local.ldaphost are trusted by, in PEM. Empty: the system's.",
)
TLS_CERTIFICATE: Final = Setting(
    "local.ldaptlscertfile",
    kinds.path(),
    "",
    "The certificate shown to servers in local.ldaphost, in PEM, for those that want one and for local.ldapbindmethod"
    " external. Empty: none.",
)
TLS_KEY: Final = Setting(
    "local.ldaptlskeyfile",
    kinds.path(),
    "",
    "The private key of that certificate, in PEM. Empty: it is in the same file.",
)
BIND_METHOD: Final = Setting(
    "local.ldapbindmethod",
    kinds.choice("simple", "external"),
    "simple",
    "How the server binds to read its settings: as local.ldapbinddn with the password local.ldapsiecred, anonymously if"
    " that is empty; or by SASL EXTERNAL, as who the TLS certificate or the owner of the process is (ldapi://).",
)
BIND_DN: Final = Setting(
    "local.ldapbinddn",
    kinds.text("a distinguished name"),
    "",
    "The entry the server binds as to read its settings. Empty, the default: its own, local.ldapsiedn.",
)
SERVER_DN: Final = Setting(
    "local.ldapsiedn",
    kinds.text("a distinguished name"),
    "",
    "This server's own entry, with settings that hold for it alone, such as cn=mx1,ou=Servers,dc=example,dc=com.",
)
CREDENTIALS: Final = Setting(
    "local.ldapsiecred",
    kinds.text("a password"),
    "",
    "The password the server binds with to read its settings.",
    secret=True,
)
SHARED_DN: Final = Setting(
    "local.ldapshareddn",
    kinds.text("a distinguished name"),
    "",
    "An entry with settings for many servers; what a server's own entry says is stronger. Empty: there is none.",
)
CONNECT_TIMEOUT: Final = Setting(
    "local.ldapconnecttimeout",
    kinds.integer(1, 300, "seconds"),
    3,
    "How long a server in local.ldaphost may take to accept a connection, with TLS, before the next one is tried; after"
    " the last, the local copy of the settings is used. A start waits as long.",
)
TIMEOUT: Final = Setting(
    "local.ldaptimeout",
    kinds.integer(1, 300, "seconds"),
    5,
    "How long a server in local.ldaphost may take over one search or bind.",
)
POLL: Final = Setting(
    "local.ldappoll",
    kinds.integer(0, 86_400, "seconds"),
    0,
    "After how many seconds the directory is asked again whether settings there have changed; if so, they are taken as"
    " by `nmsd reload`. 0, the default: only a reload takes them, when the administrator says.",
)


def _verify(config: Config) -> Iterator[tuple[str, str]]:
    if not config[HOSTS]:
        return
    if not config[SERVER_DN]:
        yield SERVER_DN.name, f"is empty, but {HOSTS.name} is not; say which entry is this server's"
    if config[BIND_DN] and not config[CREDENTIALS] and config[BIND_METHOD] == "simple":
        yield CREDENTIALS.name, f"is empty, but {BIND_DN.name} is not; give the password, or bind anonymously"
    if config[TLS_KEY] and not config[TLS_CERTIFICATE]:
        yield TLS_CERTIFICATE.name, f"is empty, but {TLS_KEY.name} is not; give the certificate"


SECTION: Final = Section(
    "Configuration directory",
    (
        *(HOSTS, PORT, USE_SSL, START_TLS, TLS_VERIFY, TLS_CA, TLS_CERTIFICATE, TLS_KEY),
        *(BIND_METHOD, BIND_DN, SERVER_DN, CREDENTIALS, SHARED_DN, CONNECT_TIMEOUT, TIMEOUT, POLL),
    ),
    _verify,
)
LOCAL: Final = frozenset(setting.name for setting in SECTION.settings)
"""The names that may not be in the directory."""
