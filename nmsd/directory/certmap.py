"""certmap.conf: which entry a certificate stands for, issuer by issuer, in Netscape's format.

certmap NAME ISSUER-DN
NAME:DNComps      parts of the subject that make the base of the search
NAME:FilterComps  parts of the subject that the entry must have
NAME:verifycert   on, off
NAME:CmapLdapAttr an attribute that holds the subject
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from nmsd.config import kinds
from nmsd.config.file import did_you_mean
from nmsd.config.problem import Problem
from nmsd.config.setting import Config, Section, Setting
from nmsd.directory.dn import SHORT_NAMES, Dn, normal, parse_dn, short_name

DEFAULT: Final = "default"

CERTMAP_FILE: Final = Setting(
    "local.certmapfile",
    kinds.path(),
    "etc/certmap.conf",
    "The rules by which users' certificates stand for their entries, in the format of Netscape's certmap.conf. They"
    " count for the next login after a change; a file with mistakes in it leaves those that were good before, and"
    " without a file the ones that nmsd comes with hold.",
)

SHIPPED: Final = """\
# certmap.conf: which user a certificate stands for.  `nmsd config check` tells of mistakes in it, and
# `nmsd explain login --cert FILE` what it makes of a certificate.
#
#   certmap NAME ISSUER
#       begins the rules for certificates of one issuer, given by its whole name as in the certificate:
#       certmap ours CN=Example CA, O=Example, C=US
#       The rules named default hold for all other issuers, and must be there.
#   NAME:DNComps PARTS
#       the parts of the certificate's subject that make the name of the entry to search below, such as o, c.
#       Without parts behind it: all users are searched.  Without the line: the subject is the entry's own name.
#   NAME:FilterComps PARTS
#       the parts of the subject that the entry must have, such as e, uid.  Those that the subject lacks are left out,
#       but one must be there.  e is the e-mail address, in the subject or beside it (subjectAltName), and is compared
#       with the user's mail attribute.
#   NAME:verifycert on
#       the very certificate must be in the entry as well (userCertificate;binary); off, unless said.
#   NAME:CmapLdapAttr ATTRIBUTE
#       an attribute of the entry that holds the whole subject; looked for first.
#
# Exactly one entry must be found; else nobody is logged in.

certmap default         default
default:DNComps
default:FilterComps     e, uid
#default:verifycert     on
#default:CmapLdapAttr   certSubjectDN
"""

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+")
_PROPERTIES: Final = {
    name.lower(): name for name in ("DNComps", "FilterComps", "verifycert", "CmapLdapAttr", "library", "InitFn")
}
_FOREIGN: Final = frozenset(("library", "initfn"))


@dataclass(frozen=True)
class Rule:
    """What holds for the certificates of an issuer, None for all that have no rule.  `dn_comps` and `filter_comps` are
    None where there is no such line."""

    name: str
    issuer: Dn | None = None
    dn_comps: tuple[str, ...] | None = None
    filter_comps: tuple[str, ...] | None = None
    verify: bool = False
    attribute: str = ""


@dataclass(frozen=True)
class CertificateMap:
    """All rules."""

    rules: tuple[Rule, ...]

    def rule_for(self, issuer: Dn) -> Rule:
        """The rule for certificates of this issuer."""
        for rule in self.rules:
            if rule.issuer == issuer:
                return rule
        return next(rule for rule in self.rules if rule.issuer is None)


@dataclass
class _Draft:
    """A rule as far as it was read."""

    name: str
    line: int
    issuer: Dn | None = None
    is_begun: bool = False
    properties: dict[str, tuple[str, int]] = field(default_factory=dict)


def read_certmap(path: str, text: str) -> tuple[CertificateMap | None, list[Problem]]:
    """The rules in a file, and all that is wrong with it; no rules if anything is.  `path` is for the problems."""
    reader = _Reader(path)
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if words and not words.startswith("#"):
            reader.take(number, words)
    rules = reader.rules()
    return (None, reader.problems) if reader.problems else (CertificateMap(rules), [])


class _Reader:
    """Takes the lines of a file."""

    def __init__(self, path: str) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._drafts: dict[str, _Draft] = {}

    def take(self, line: int, words: str) -> None:
        """One line that is no comment."""
        head, rest = (words.split(None, 1) + [""])[:2]
        if head.lower() == "certmap":
            self._begin(line, rest)
            return
        name, colon, key = head.partition(":")
        if not colon or not _NAME.fullmatch(name):
            mend = "write certmap NAME ISSUER, or NAME:DNComps, NAME:FilterComps and so on"
            self._problem(f"not a line of certmap.conf: {words[:60]}", mend, line)
            return
        known = _PROPERTIES.get(key.lower())
        if known is None:
            mend = did_you_mean(key, _PROPERTIES.values()) if key else "name one after the colon"
            mend = mend if mend.startswith("did") else "there are " + ", ".join(_PROPERTIES.values())
            self._problem("there is no such property", mend, line, head, rest)
            return
        draft = self._drafts.setdefault(name.lower(), _Draft(name, line))
        if key.lower() in draft.properties:
            first = draft.properties[key.lower()][1]
            self._problem(f"stands twice, first on line {first}", "keep one of the two", line, head, rest)
            return
        draft.properties[key.lower()] = rest, line

    def _begin(self, line: int, rest: str) -> None:
        name, issuer = (rest.split(None, 1) + ["", ""])[:2]
        if not _NAME.fullmatch(name) or not issuer:
            self._problem("no name, or no issuer", "write certmap NAME ISSUER", line, "certmap", rest)
            return
        draft = self._drafts.setdefault(name.lower(), _Draft(name, line))
        if draft.is_begun:
            mend = f"keep one of the two, the first is on line {draft.line}"
            self._problem("a second certmap line of this name", mend, line, "certmap", rest)
            return
        draft.is_begun, draft.line = True, line
        is_default = name.lower() == DEFAULT
        if is_default != (issuer.lower() == DEFAULT):
            mend = "write `certmap default default` for all issuers without rules of their own"
            self._problem("default is a name and an issuer for one line", mend, line, "certmap", rest)
            return
        if is_default:
            return
        try:
            draft.issuer = normal(parse_dn(issuer))
        except ValueError as error:
            mend = "write it as in `nmsd explain login --cert FILE`, such as CN=Example CA, O=Example, C=US"
            self._problem(f"the issuer cannot be read, {error}", mend, line, "certmap", rest)
            return
        for other in self._drafts.values():
            if other is not draft and other.issuer == draft.issuer:
                mend = f"keep one of the two, the first is {other.name} on line {other.line}"
                self._problem("a second name for this issuer", mend, line, "certmap", rest)

    def rules(self) -> tuple[Rule, ...]:
        """What was read, when all lines were taken."""
        default = self._drafts.get(DEFAULT)
        if default is None or not default.is_begun:
            mend = "add it, with its DNComps and FilterComps, for all issuers without rules of their own"
            self._problem("there is no line `certmap default default`", mend, 0)
        return tuple(self._rule(draft) for draft in self._drafts.values())

    def _rule(self, draft: _Draft) -> Rule:
        if not draft.is_begun and draft.name.lower() != DEFAULT:
            mend = f"add certmap {draft.name} ISSUER before it"
            self._problem("no certmap line has this name", mend, draft.line, draft.name)
        for key in sorted(_FOREIGN & draft.properties.keys()):
            self._complain(draft, key, "code of other programs is not run", "remove the line")
        rule = Rule(
            draft.name,
            draft.issuer,
            self._parts(draft, "dncomps"),
            self._parts(draft, "filtercomps"),
            self._switch(draft, "verifycert"),
            self._attribute(draft, "cmapldapattr"),
        )
        if draft.is_begun and rule.dn_comps == () and not rule.filter_comps and not rule.attribute:
            mend = (
                f"name parts of the subject in {draft.name}:FilterComps, or an attribute in {draft.name}:CmapLdapAttr"
            )
            self._problem("these rules find every user, so none", mend, draft.line, draft.name)
        return rule

    def _parts(self, draft: _Draft, key: str) -> tuple[str, ...] | None:
        if key not in draft.properties:
            return None
        names = [part.strip() for part in draft.properties[key][0].replace(",", " ").split()]
        for name in names:
            if short_name(name) not in SHORT_NAMES:
                mend = did_you_mean(name.lower(), SHORT_NAMES)
                mend = mend if mend.startswith("did") else "there are " + ", ".join(sorted(SHORT_NAMES))
                self._complain(draft, key, f"{name} is no part of a subject", mend)
        found = dict.fromkeys(short_name(name) for name in names)
        return tuple("e" if name == "mail" else name for name in found)

    def _switch(self, draft: _Draft, key: str) -> bool:
        word = draft.properties.get(key, ("off", 0))[0].lower()
        if word not in ("on", "off"):
            self._complain(draft, key, "neither on nor off", "write one of the two")
        return word == "on"

    def _attribute(self, draft: _Draft, key: str) -> str:
        name = draft.properties.get(key, ("", 0))[0]
        if name and not _ATTRIBUTE.fullmatch(name):
            self._complain(draft, key, "no name of an attribute", "give one, such as certSubjectDN")
        return name

    def _complain(self, draft: _Draft, key: str, what: str, mend: str) -> None:
        text, line = draft.properties[key]
        self._problem(what, mend, line, f"{draft.name}:{_PROPERTIES[key]}", text)

    def _problem(self, what: str, mend: str, line: int, name: str = "", value: str | None = None) -> None:
        self.problems.append(Problem(what, mend, self._path, line, name, value))


def load_certmap(path: str) -> tuple[CertificateMap | None, list[Problem]]:
    """The rules in a file, the shipped ones where there is none; and all that is wrong with it."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return read_certmap(path, SHIPPED)
    except OSError as error:
        return None, [Problem(f"cannot be read ({error.strerror})", "make it readable", path)]
    try:
        return read_certmap(path, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, [Problem("is not UTF-8 text", "save it as UTF-8", path, line)]


def _verify(config: Config) -> Iterator[tuple[str, str] | Problem]:
    path = config.path(CERTMAP_FILE)
    if config.is_set(CERTMAP_FILE) and not os.path.exists(path):
        yield CERTMAP_FILE.name, f"there is no file {path}; make one, or remove the line for the default"
    yield from load_certmap(path)[1]


SECTION: Final = Section("Certificate mapping", (CERTMAP_FILE,), _verify)
