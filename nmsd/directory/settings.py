"""The directory's settings: where the users are, what their attributes are called, and how passwords are kept."""

from __future__ import annotations

from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Section, Setting

LDIF_FILE: Final = Setting(
    "local.ugldiffile",
    kinds.path(),
    "etc/directory.ldif",
    "The file of the embedded directory, in LDIF; `nmsd user` edits it, and so may you. Running servers see a change at"
    " once; a file that cannot be read leaves them with the users they had.",
    reload="worker",
)
DEFAULT_SIZE: Final = Setting(
    "store.defaultmailboxquota",
    kinds.integer(-1, 1 << 50, "bytes"),
    -1,
    "How many bytes an account may hold whose entry does not say; -1, the default, as many as it likes.",
    attribute="nsmsgDefaultMailboxQuota",
)
DEFAULT_MESSAGES: Final = Setting(
    "store.defaultmessagequota",
    kinds.integer(-1, 1 << 40, "messages"),
    -1,
    "How many messages an account may hold whose entry does not say; -1, the default, as many as it likes.",
)
ZERO_QUOTA: Final = Setting(
    "store.zeroquota",
    kinds.choice("refuse", "unlimited", "nothing"),
    "refuse",
    "What a quota of 0 in a user's entry means: no limit (Messaging Server 4), or no room at all (version 6). The"
    " default guesses neither: such a user can get no mail and not log in until you say, and the log tells why.",
)
ARGON2_MEMORY: Final = Setting(
    "password.argon2memory",
    kinds.size(1 << 13, 1 << 32),
    19 << 20,
    "How much memory the hash of a new password takes, and each check of it. More makes guessing from a stolen file"
    " dearer, and logins too; the default is what OWASP recommends.",
)
ARGON2_TIME: Final = Setting(
    "password.argon2time",
    kinds.integer(1, 1000, "passes"),
    2,
    "How many passes over its memory the hash of a new password makes. The default goes with password.argon2memory's.",
)
STORE_SCRAM: Final = Setting(
    "password.scram",
    kinds.boolean(),
    False,
    "Whether new passwords in the embedded directory are kept for SCRAM-SHA-256 as well, and SCRAM is offered. It never"
    " sends the password; but its keys are easier to guess from than the other hash, should the file be stolen, and it"
    " shuts out users whose password is from before, whose clients try nothing else. Say yes, then renew passwords.",
)
SCRAM_ITERATIONS: Final = Setting(
    "password.scramiterations",
    kinds.integer(4096, 10_000_000),
    15_000,
    "How many rounds of PBKDF2 SCRAM keys of new passwords take, in the client at each login too. RFC 7677 asks for"
    " 4096 at least and counts 15,000 for a tenth of a second on a machine of its time; telephones feel more.",
)


def _attribute(name: str, default: tuple[str, ...], what: str) -> Setting[tuple[str, ...]]:
    return Setting(
        "local.ugattr." + name,
        kinds.words("attribute names, with commas between"),
        default,
        f"The attribute of a user's entry that holds {what}; of several the first that the entry has counts. Change it"
        " for a directory with another schema than Netscape's.",
        reload="worker",
    )


UID: Final = _attribute("uid", ("uid",), "the login name")
NAME: Final = _attribute("name", ("cn", "displayName"), "the person's name")
MAIL: Final = _attribute("mail", ("mail",), "the primary address, which also names the account in the store")
ALIAS: Final = _attribute(
    "alias", ("mailAlternateAddress",), "further addresses; one like @example.com takes all mail of a domain"
)
PASSWORD: Final = _attribute("password", ("userPassword",), "the password, hashed")
SCRAM: Final = Setting(
    "local.ugattr.scram",
    kinds.words("attribute names, with commas between"),
    (),
    "The attributes of an LDAP entry that may hold keys for SCRAM-SHA-256, as RFC 5803 writes them: authPassword, or"
    " userPassword with a value in {SCRAM-SHA-256}. local.ugldapbinddn must be allowed to read them. Empty, the"
    " default: SCRAM is not offered, for most directories hold no such keys, and clients that know it would try nothing"
    " else.",
    reload="worker",
)
SIZE_QUOTA: Final = _attribute("quota", ("mailQuota",), "the quota in bytes (-1 none, -2 the server's default)")
MESSAGE_QUOTA: Final = _attribute(
    "messagequota", ("nsmsgNumMsgQuota", "mailMsgQuota"), "the quota in messages (-1 none, -2 the server's default)"
)
STATUS: Final = _attribute("status", ("inetUserStatus",), "the user's status: active, inactive, deleted")
MAIL_STATUS: Final = _attribute(
    "mailstatus", ("mailUserStatus",), "the mail account's status, which counts where the user's is active"
)
DENIED: Final = _attribute("disallow", ("nsmsgDisallowAccess",), "the services the user may not use: imap, pop, smtp")
ACCESS: Final = _attribute(
    "access", ("mailAllowedServiceAccess",), "rules such as +imap,pop:ALL for services and clients the user may use"
)
ACCESS_DOMAIN: Final = _attribute(
    "accessdomain", ("mailAccessDomain",), "the domains and addresses from which the user may log in"
)
MAIL_HOST: Final = _attribute("mailhost", ("mailHost",), "the name of the server that has the user's mailbox")
DELIVERY: Final = _attribute("delivery", ("mailDeliveryOption",), "what becomes of the user's mail: mailbox, hold, ...")
STORE: Final = _attribute(
    "messagestore", ("mailMessageStore",), "the nickname of the partition a new account is made in"
)
PASSWORD_TIME: Final = _attribute(
    "passwordtime",
    ("pwdChangedTime", "pwdUpdateTime", "pwdLastSet", "krbLastPwdChange"),
    "when the password was changed, as the directory's password policy keeps it; a new time ends the user's sessions",
)
HOST_NAMES: Final = Setting(
    "local.mailhosts",
    kinds.words("host names, with commas between"),
    (),
    "Further names by which users' entries call this server as the one that has their mailbox (mailHost), besides"
    " local.hostname; * takes the users of all servers. Users of other servers are sent there.",
)

SECTION: Final = Section("Embedded directory", (LDIF_FILE, ARGON2_MEMORY, ARGON2_TIME, STORE_SCRAM, SCRAM_ITERATIONS))
USER_SECTION: Final = Section(
    "Users",
    (
        DEFAULT_SIZE,
        DEFAULT_MESSAGES,
        ZERO_QUOTA,
        UID,
        NAME,
        MAIL,
        ALIAS,
        PASSWORD,
        SCRAM,
        SIZE_QUOTA,
        MESSAGE_QUOTA,
        STATUS,
        MAIL_STATUS,
        DENIED,
        ACCESS,
        ACCESS_DOMAIN,
        MAIL_HOST,
        HOST_NAMES,
        DELIVERY,
        STORE,
        PASSWORD_TIME,
    ),
)
