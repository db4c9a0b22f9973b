"""Rules that code compiled by mypyc must keep beside the type checker's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmsd.mime.digest import digest
from nmsd.wire.framer import Framer

ROOT = Path(__file__).parents[2]


def _compiled() -> list[str]:
    """What setup.py says is compiled."""
    for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPILED":
            return list(ast.literal_eval(node.value))
    raise AssertionError("setup.py compiles nothing")


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """What is in a function, without what is in functions inside it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from _own_nodes(child)


@pytest.mark.parametrize("pattern", _compiled())
def test_each_kind_of_error_caught_in_a_function_has_a_name_of_its_own(pattern: str) -> None:
    """A compiled function's variable has one type: `except A as error` and then `except B as error` is a TypeError when
    B comes."""
    found: list[str] = []
    paths = sorted(ROOT.glob(pattern))
    assert paths
    for path in paths:
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            kinds: dict[str, set[str]] = {}
            for node in _own_nodes(function):
                if isinstance(node, ast.ExceptHandler) and node.name and node.type is not None:
                    kinds.setdefault(node.name, set()).add(ast.unparse(node.type))
            clashes = [name for name, types in kinds.items() if len(types) > 1]
            found.extend(f"{path.name}: {function.name}: {name}" for name in clashes)

    assert found == []


@pytest.mark.parametrize("pattern", _compiled())
def test_no_generator_yields_while_it_handles_an_error(pattern: str) -> None:
    """Whoever closes a compiled generator there has it put back the state of errors that was long ago; what comes of it
    may write where None is kept, and the process die of that later."""
    found: list[str] = []
    for path in sorted(ROOT.glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            handlers = [node] if isinstance(node, ast.ExceptHandler) else getattr(node, "finalbody", [])
            for handler in handlers:
                yields = [each for each in _own_nodes(handler) if isinstance(each, ast.Yield | ast.YieldFrom)]
                found.extend(f"{path.name}:{each.lineno}" for each in yields)

    assert found == []


_CHANGES_NOTHING = {"len", "min", "max", "start", "end", "rfind"}


@pytest.mark.parametrize("pattern", _compiled())
def test_the_bounds_of_a_slice_call_nothing_that_changes_anything(pattern: str) -> None:
    """Compiled, they may be worked out twice: what is read or sent there is read or sent twice."""
    found: list[str] = []
    for path in sorted(ROOT.glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            bounds = [node.lower, node.upper, node.step] if isinstance(node, ast.Slice) else []
            for call in (each for bound in bounds if bound is not None for each in ast.walk(bound)):
                if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] not in _CHANGES_NOTHING:
                    found.append(f"{path.name}:{call.lineno}")

    assert found == []


@pytest.mark.parametrize("value", [b"(", b"a (", b"(a", b"a@b (", b"<(", b"()", b"(\\", b"((", b'"', b"<", b":", b"a:"])
@pytest.mark.parametrize("name", [b"From", b"Date", b"Content-Type", b"Content-Disposition", b"Content-Language"])
def test_a_field_cut_short_is_taken_apart(name: bytes, value: bytes) -> None:
    """A compiled slice of bytes that ends before it begins is a SystemError, not empty."""
    assert digest(name + b": " + value + b"\r\n\r\ntext").header_size > 0


def test_an_empty_line_with_more_behind_it_is_a_line() -> None:
    framer = Framer(100)
    framer.feed(b"\nxyz\r\n")

    assert framer.take_line() == b""
    assert framer.take_line() == b"xyz"
