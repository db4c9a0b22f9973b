"""Fixtures: a supervised instance with stand-in workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.supervised import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(tmp_path / "instance")
    yield instance
    instance.close()
