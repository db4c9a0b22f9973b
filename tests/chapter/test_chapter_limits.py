"""The limits of a process against what the system lets it have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.harness import Instance, Line
from tests.conftest import require

Maker = Callable[..., Instance]


def limited(descriptors: int) -> list[str]:
    """What makes a program that may have so many descriptors."""
    return [require("prlimit"), f"--nofile={descriptors}:{descriptors}"]


def test_too_few_descriptors_are_warned_of_and_fewer_sessions_served(make_instance: Maker) -> None:
    instance = make_instance(start=False, **{"service.lmtp.enable": "no", "service.pop.enable": "no"})
    instance.start(limited(200))
    checked = instance.nmsd("config", "check")
    (warning,) = checked.stderr.decode().splitlines()
    assert "nmsd: warning: " in warning
    found = re.search(r"may have 200; .*LimitNOFILE.*, or set this to at most (\d+)$", warning)
    assert found, warning
    fitting = int(found[1])
    assert checked.stdout == b"all else is well\n"
    status: dict[str, Any] = json.loads(instance.nmsd("status", "--json").stdout)
    [worker] = next(each["workers"] for each in status["services"] if each["name"] == "imap")
    assert (worker["max_sessions"], worker["wanted_sessions"]) == (fitting, 4000)
    assert f"{fitting} of 4000 sessions per process fit into 200 descriptors" in instance.nmsd("status").stdout.decode()
    assert "too few file descriptors: fewer sessions than configured" in instance.log()
    lines = [Line(instance.port(143)) for _ in range(fitting)]
    for line in lines:
        assert line.readline().startswith(b"* OK")
    assert Line(instance.port(143)).readline().startswith(b"* BYE [UNAVAILABLE]")

    instance.nmsd("config", "set", "service.imap.maxsessions", str(fitting))
    assert instance.nmsd("config", "check").stdout == b"all is well\n"


def test_where_not_one_session_fits_nothing_starts(make_instance: Maker) -> None:
    settings = {"service.lmtp.enable": "no", "service.pop.enable": "no", "service.descriptorreserve": 250}
    instance = make_instance(start=False, **settings)
    with pytest.raises(AssertionError, match="nmsd ended"):
        instance.start(limited(255))
    assert instance.process is not None
    assert instance.process.wait(30) == 2
    assert "service.imap.maxsessions = 4000" in instance.log()
    assert "and may have 255" in instance.log()
    assert "LimitNOFILE" in instance.log()
