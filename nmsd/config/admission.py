"""The settings of IMAP and POP that say which clients may connect, and how many sessions a user or an address may
have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from nmsd.config import kinds
from nmsd.config.clients import Rule, filters
from nmsd.config.setting import Section, Setting


@dataclass(frozen=True)
class AdmissionSettings:
    """One service's."""

    name: str
    allowed: Setting[tuple[Rule, ...]]
    not_allowed: Setting[tuple[Rule, ...]]
    per_user: Setting[int]
    per_address: Setting[int]
    retire_idle: Setting[int]
    exclusive: bool = False
    """Whether a user's second session is refused by what it opens, if the first cannot be retired."""

    def section(self) -> Section:
        """The settings under one heading."""
        return Section(
            f"{self.name.upper()} clients",
            (self.allowed, self.not_allowed, self.per_user, self.per_address, self.retire_idle),
        )


def admission_settings(
    name: str, *, per_user: int, why_per_user: str, retire_idle: int, why_retire_idle: str
) -> AdmissionSettings:
    """The settings of the service, with these defaults and their reasons."""
    prefix = f"service.{name}."
    title = name.upper()
    return AdmissionSettings(
        name,
        allowed=Setting(
            prefix + "domainallowed",
            filters(name, True),
            (),
            f"Filters that let clients in, `{name}: clients`, as TCP wrappers have them: names, .domain, addresses,"
            " network/mask, ALL, LOCAL, KNOWN, UNKNOWN, DNSSPOOFER, EXCEPT, user@client. They are read before"
            f" {prefix}domainnotallowed; the first that matches decides. Where none does, the client may enter, unless"
            " there are only filters that let in. Empty, as both are by default, lets in everybody.",
            label="Allow filters",
        ),
        not_allowed=Setting(
            prefix + "domainnotallowed",
            filters(name, False),
            (),
            f"Filters that keep clients out, in the same form; {name}s: is {title} over TLS on its own port. Names are"
            " looked up only where a filter has one in it.",
            label="Deny filters",
        ),
        per_user=Setting(
            prefix + "maxsessionsperuser",
            kinds.integer(0, 100_000),
            per_user,
            f"Most {title} sessions of one user, over all processes; 0 sets no limit. A new session ends the user's"
            f" dead or longest idle one instead of being refused, never one in the middle of a command. {why_per_user}",
            label="Maximum number of sessions per user",
        ),
        per_address=Setting(
            prefix + "maxsessionsperaddress",
            kinds.integer(0, 100_000),
            0,
            f"Most {title} sessions from one address, over all processes, logged in or not; 0 sets no limit. A new"
            " session ends a dead or the longest idle one from the same address; only where there is none it is"
            " refused. The default is 0, for behind one address may be an office or a web mailer with all its users;"
            " where every client has its own, 50 holds one machine back.",
            label="Maximum number of sessions per address",
        ),
        retire_idle=Setting(
            prefix + "retireidle",
            kinds.integer(0, 86_400, "seconds"),
            retire_idle,
            "How long a client must have been silent before a new session may take the place of its session; one whose"
            f" connection is dead never has to wait. {why_retire_idle}",
        ),
    )


IMAP: Final = admission_settings(
    "imap",
    per_user=1000,
    why_per_user="A mail program holds one to five, a mailbox that an office shares some hundreds; the default is a"
    " quarter of what a process serves, so that one program gone wild leaves room for others. 50 will do where"
    " mailboxes are not shared.",
    retire_idle=0,
    why_retire_idle="With many sessions the longest idle one is idle enough: the default is 0.",
)
POP: Final = replace(
    admission_settings(
        "pop",
        per_user=1,
        why_per_user="The default is 1, for a maildrop has one session at a time: one whose client is gone ends when"
        " the user comes back, where other servers answer that the maildrop is in use. 0 does so, too.",
        retire_idle=60,
        why_retire_idle="A client that downloads is silent between two commands while it writes to its disk: 60 seconds"
        " keep a second one from breaking in.",
    ),
    exclusive=True,
)

ADMISSION: Final = {"imap": IMAP, "pop": POP}


def filter_settings(service: str) -> AdmissionSettings | None:
    """The settings of a service; None where it has none (LMTP, the console)."""
    return ADMISSION.get(service)
