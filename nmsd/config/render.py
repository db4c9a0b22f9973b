"""The settings, written out: the specification, the sample file, the reference page."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nmsd.config.entries import attribute_class
from nmsd.config.file import END_LINE, FIRST_LINE, quote, spec_lines
from nmsd.config.schema import schema_files
from nmsd.config.setting import Family, Section, Setting

_WIDTH: Final = 100
_OWN_NAME: Final = "NAME stands for a name of small letters, digits and hyphens"
_EFFECT: Final = {
    "live": "at `nmsd reload`",
    "worker": "at `nmsd reload`, for new sessions",
    "restart": "at `nmsd restart`",
}
_HEAD: Final = """#
# Every setting is below, commented out, with its default.  To change one, write a line without the "#", or let
# `nmsd config set NAME VALUE` do it; `nmsd config check` tells what is wrong, `nmsd reload` makes it so.
# A value with a "#" in it, or with spaces at its ends, needs quotes.  The environment (NMSD_SERVICE_IMAP_PORT=10143)
# and the command line (`nmsd run -o service.imap.port=10143`) are stronger than this file.
"""


def specification(sections: Sequence[Section]) -> str:
    """etc/nmsd.spec: what configobj's validation takes."""
    return "# The specification of nmsd.conf for configobj's validation.\n" + "\n".join(spec_lines(sections)) + "\n"


def sample_file(sections: Sequence[Section], values: Mapping[str, str] | None = None) -> str:
    """etc/nmsd.conf: every setting commented out with its help; those in `values` (as text) set."""
    set_here = values or {}
    parts = [FIRST_LINE + "\n" + _HEAD]
    for section in sections:
        parts.append(f"\n# == {section.title} ==\n")
        parts += [_sample(setting, set_here.get(setting.name)) for setting in section.settings]
        parts += [_sample_of_many(family) for family in section.families]
    return "".join(parts) + f"\n{END_LINE}\n"


def _sample(setting: Setting[Any], value: str | None) -> str:
    told = f"{setting.help} Allowed: {setting.kind.allowed}."
    lines = textwrap.wrap(told, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    lines.append(f"# {setting.name} = {quote(setting.kind.write(setting.default))}".rstrip())
    if value is not None:
        lines.append(f"{setting.name} = {quote(value)}".rstrip())
    return "\n" + "\n".join(lines) + "\n"


def _sample_of_many(family: Family[Any]) -> str:
    told = f"{family.help} Allowed: {family.kind.allowed}; {_OWN_NAME}."
    lines = textwrap.wrap(told, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return "\n" + "\n".join([*lines, f"# {family.name} ="]) + "\n"


def reference(sections: Sequence[Section]) -> str:
    """docs/settings.md."""
    head = (
        "# Settings\n\n"
        "All settings of `etc/nmsd.conf`, in its order. The strongest source of a value wins: the command line"
        " (`nmsd run -o NAME=VALUE`), the environment (`service.imap.port` is `NMSD_SERVICE_IMAP_PORT`), the file, the"
        " server's entry in a directory and the one it shares with others"
        " ([configuration-in-the-directory.md](configuration-in-the-directory.md)), the default. `nmsd config describe"
        " NAME` tells the same of one setting, and the value in force.\n"
    )
    parts = [head]
    for section in sections:
        parts.append(f"\n## {section.title}\n")
        parts += [_entry(setting) for setting in section.settings]
        parts += [_entry_of_many(family) for family in section.families]
    return "".join(parts)


def _entry(setting: Setting[Any]) -> str:
    default = setting.kind.write(setting.default)
    facts = [
        f"Allowed: {setting.kind.allowed}.",
        f"Default: {f'`{default}`' if default else 'empty'}.",
        f"Takes effect {effect(setting)}.",
    ]
    if setting.label:
        facts.append(f"In the console: {setting.label}.")
    if attribute_class(setting):
        facts.append(f"In the directory also: `{setting.attribute}` of `{attribute_class(setting)}`.")
    if setting.secret:
        facts.append("It is a secret: shown nowhere.")
    return f"\n### {setting.name}\n\n{setting.help}\n\n" + "\n".join(f"- {fact}" for fact in facts) + "\n"


def _entry_of_many(family: Family[Any]) -> str:
    facts = [
        f"Allowed: {family.kind.allowed}; any number of them. {_OWN_NAME}.",
        f"Takes effect {_EFFECT[family.reload]}.",
    ]
    return f"\n### {family.name}\n\n{family.help}\n\n" + "\n".join(f"- {fact}" for fact in facts) + "\n"


def effect(setting: Setting[Any]) -> str:
    """When a change takes effect, in words."""
    return _EFFECT[setting.reload]


def generated(sections: Sequence[Section]) -> dict[str, str]:
    """All files that are written from the settings, by path from the project's root."""
    return {
        "etc/nmsd.conf": sample_file(sections),
        "etc/nmsd.spec": specification(sections),
        "docs/settings.md": reference(sections),
        **schema_files(sections),
    }
