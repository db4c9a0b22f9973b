"""Fixtures: a pump with an echo service, and certificates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from nmsd.config.setting import Config
from nmsd.server.tls import Certificates
from tests.unit.server.server_stand import EventList, Stand, write_certificate


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    with gevent.Timeout(60):
        yield


@pytest.fixture
def make_stand(tmp_path: Path) -> Iterator[Callable[..., Stand]]:
    stands: list[Stand] = []

    def make(**arguments: Any) -> Stand:
        stand = Stand(tmp_path, **arguments)
        stands.append(stand)
        return stand

    yield make
    for stand in stands:
        stand.close()


@pytest.fixture
def stand(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    write_certificate(tmp_path)
    return Certificates(Config({}, str(tmp_path)), EventList(), time.time)
