"""Which way imports go: the arrows of the architecture, held."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "nmsd"

# What each part may import of ours, by the longest prefix that fits.  Every part may import itself, `config` (where
# settings are declared beside their users) and the package's own two words, product and version.
ARROWS: dict[str, tuple[str, ...]] = {
    "model": (),
    "config": (),
    "log": ("wire.protocol",),
    "wire": ("model",),
    "mime": ("model", "wire"),
    "imap": ("model", "wire", "mime", "store.api", "directory.api", "directory.entrance"),
    "pop3": ("model", "wire", "mime", "store.api", "directory.api", "directory.entrance"),
    "lmtp": ("model", "wire", "mime", "store.api", "directory.api"),
    "store": ("model", "mime"),
    "directory": ("model", "store.api", "wire.protocol", "wire.errors", "wire.sasl"),
    "migrate": ("model", "wire", "mime", "store.api"),
    "server": (
        *("model", "wire", "imap", "pop3", "lmtp", "store.api"),
        *("directory.api", "directory.users", "directory.access", "directory.certificate_name"),
        *("directory.entrance", "directory.scram", "directory.sasl_settings", "directory.settings"),
    ),
    "supervisor": ("model", "wire.protocol", "log"),
    "settings": ("",),
    "app": ("",),
    "cli": ("",),
    "console": (
        *("model", "wire", "store.api", "server", "log", "supervisor"),
        *("directory.api", "directory.ldif_users", "directory.step"),
    ),
    "__main__": ("cli",),
    "": (),
}

# Outside the standard library's harmless part: what pure packages may not touch, however indirectly it is spelled.
PURE = ("model", "wire", "mime", "imap", "pop3", "lmtp")
IMPURE = (
    "gevent",
    "socket",
    "ssl",
    "threading",
    "_thread",
    "sqlite3",
    "ldap3",
    "psutil",
    "select",
    "subprocess",
    "time",
)


def modules() -> list[str]:
    names = (".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py"))
    return sorted(name.removesuffix(".__init__") for name in names)


def source(module: str) -> ast.Module:
    if module == "__init__":
        path = PACKAGE / "__init__.py"
    else:
        path = PACKAGE.joinpath(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text())


def imports(module: str) -> Iterator[str]:
    """The absolute names a module imports, wherever in it; ours without the package's name in front."""
    for node in ast.walk(source(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            yield node.module or ""
            if node.module and node.module.startswith("nmsd"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, part: str) -> bool:
    return part == "" or name == part or name.startswith(part + ".")


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    part = max((part for part in ARROWS if is_within(module, part)), key=len)
    allowed = (*ARROWS[part], part, "config")
    known = set(modules())
    for name in imports(module):
        if not name.startswith("nmsd."):
            continue
        target = name.removeprefix("nmsd.")
        if target in known:
            assert any(is_within(target, each) for each in allowed), f"{module} may not import {target}"


@pytest.mark.parametrize("module", [name for name in modules() if name.split(".")[0] in PURE])
def test_pure_packages_touch_no_clock_no_socket_and_no_thread(module: str) -> None:
    touched = {name.split(".")[0] for name in imports(module)} & set(IMPURE)
    assert not touched, f"{module} is pure and may not import {sorted(touched)}"


def test_engines_and_back_ends_know_nothing_of_each_other() -> None:
    for module in modules():
        if is_within(module, "store"):
            assert not any(name.startswith("nmsd.directory") for name in imports(module)), module
        if is_within(module, "directory"):
            assert not any(name.startswith("nmsd.store.sqlite") for name in imports(module)), module
