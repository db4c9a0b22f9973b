"""Asking the running supervisor, and what its answers mean to the user."""

from __future__ import annotations

from typing import Any, NoReturn

from nmsd.config.problem import ConfigError, Problem
from nmsd.model.errors import NmsdError
from nmsd.supervisor.control import request


def ask(directory: str, command: str, service: str | None = None, timeout: float = 30.0) -> dict[str, Any]:
    """Sends a request, and returns the answer if it is good.  Raises ConfigError, NotRunning, NmsdError."""
    message = {"command": command, **({"service": service} if service else {})}
    answer = request(directory, message, timeout)
    if not answer.get("ok"):
        refuse(answer)
    return answer


def refuse(answer: dict[str, Any]) -> NoReturn:
    """Raises what a bad answer tells."""
    if answer.get("problems"):
        raise ConfigError([Problem(**problem) for problem in answer["problems"]])
    services = answer.get("services") or {}
    if services:
        reasons = [Problem(what, "see log/nmsd.log and the service's own", name) for name, what in services.items()]
        raise ConfigError(reasons)
    raise NmsdError(str(answer.get("error", "the server refused")))
