"""How to mend what keeps a user out: in words that name the setting or the attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nmsd.directory import ldap_settings, settings

if TYPE_CHECKING:
    from nmsd.config.setting import Config, Setting

_RULES: Final[dict[str, tuple[Setting[tuple[str, ...]], ...]]] = {
    "status": (settings.STATUS, settings.MAIL_STATUS),
    "denied services": (settings.DENIED,),
    "access rules": (settings.ACCESS,),
    "access domains": (settings.ACCESS_DOMAIN,),
}


def mend_of(rule: str, config: Config) -> str:
    """For a rule of admission (users.checks) that refuses."""
    if rule == "mail host":
        attribute = _names(config, settings.MAIL_HOST)
        return (
            f"correct {attribute} in the entry; or, if it means this server, add the name to {settings.HOST_NAMES.name}"
        )
    attributes = " and ".join(_names(config, setting) for setting in _RULES.get(rule, ()))
    return f"see {attributes} in the entry" if attributes else ""


def mend_of_connection(words: str) -> str:
    """For a connection that failed, by what was said of it."""
    said = words.lower()
    hosts = ldap_settings.HOSTS.name
    if "hostname mismatch" in said or "ip address mismatch" in said or "doesn't match" in said:
        return f"the name of the server in {hosts} must be one that is in its certificate"
    if "certificate has expired" in said:
        return "the server's certificate has expired; renew it there"
    if "certificate verify failed" in said:
        return f"name the certificate of the authority that signed the server's in {ldap_settings.TLS_CA.name}"
    if "name or service not known" in said or "invalid server address" in said:
        return f"there is no such host; correct {hosts}"
    if "start_tls" in said or "starttls" in said or "wrong version number" in said:
        return f"the server does not do TLS there; see {ldap_settings.START_TLS.name} and the scheme in {hosts}"
    return f"see that the server runs, and that host and port in {hosts} are right and not behind a firewall"


def mend_of_bind(config: Config) -> str:
    """For a bind as ourselves that was refused."""
    if config[ldap_settings.BIND_METHOD] == "external":
        names = f"{ldap_settings.TLS_CERTIFICATE.name} and {ldap_settings.TLS_KEY.name}"
        return f"the server takes our certificate, or our user, for nobody; see {names}, and the server's mapping"
    if not config[ldap_settings.BIND_DN]:
        return f"the server wants to know who asks: set {ldap_settings.BIND_DN.name} and its password"
    password, name = ldap_settings.BIND_CREDENTIALS.name, ldap_settings.BIND_DN.name
    return f"{password} is not the password of {name}; correct one of them"


def mend_of_base(config: Config) -> str:
    """For a base that is not shown to us."""
    who = config[ldap_settings.BIND_DN] or "everybody"
    return f"correct {ldap_settings.BASE.name}, or let {who} read and search there"


def mend_of_nobody(config: Config) -> str:
    """For a search for all users that found none."""
    attributes = _names(config, settings.UID)
    filter = ldap_settings.FILTER.name
    first = f"correct {filter}, " if config[ldap_settings.FILTER] else ""
    return f"{first}see that the users have {attributes} ({settings.UID.name}), and that we may read it"


def _names(config: Config, setting: Setting[tuple[str, ...]]) -> str:
    names: tuple[str, ...] = config[setting]
    return " or ".join(names)
