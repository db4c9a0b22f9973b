"""A client of the REST interface."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import Any

from tests.clients.harness import Instance


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: Message
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class Client:
    """A program with a token, or without one."""

    def __init__(self, server: Instance, token: str = "") -> None:
        self.server = server
        self.token = token
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=server.tls()))

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """`path` is below /api/v1 unless it begins with a slash."""
        url = f"https://localhost:{self.server.port(8443)}" + (path if path.startswith("/") else f"/api/v1/{path}")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            given["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            given["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data, given, method=method)
        try:
            answer = self._opener.open(request, timeout=90)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Reply(answer.status, answer.headers, answer.read())


def make_token(server: Instance, name: str, *scopes: str, days: int = 0) -> str:
    """The text of a new token."""
    words = [word for scope in scopes for word in ("--scope", scope)]
    words += ["--days", str(days)] if days else []
    return server.nmsd("token", "add", name, *words).stdout.decode().strip()
