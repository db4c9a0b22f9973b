"""An HTTP client for the console: cookies, TLS, forms as they are in the page."""

from __future__ import annotations

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from html.parser import HTMLParser

from tests.clients.harness import Instance, Person


@dataclass
class Form:
    """A form of a page, with the values it would be sent with."""

    action: str
    values: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._select = ""
        self._chosen = False
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "input" and self.forms and "disabled" not in given:
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.forms[-1].values[given["name"]] = given.get("value", "")
        elif tag == "textarea":
            self._text = given["name"]
            self.forms[-1].values[self._text] = ""
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option":
            self._chosen = "selected" in given

    def handle_endtag(self, tag: str) -> None:
        if tag == "option":
            self._chosen = False
        elif tag == "textarea":
            self._text = ""

    def handle_data(self, data: str) -> None:
        if self._chosen and self._select:
            self.forms[-1].values[self._select] = data
        if self._text:
            self.forms[-1].values[self._text] += data
        self.words.append(data)


@dataclass
class Answer:
    """What came back, redirects followed."""

    status: int
    url: str
    headers: Message
    body: str

    def form(self, action: str = "") -> Form:
        """The form whose action ends so; the last of the page, if nothing is said."""
        parser = _Forms()
        parser.feed(self.body)
        return [form for form in parser.forms if form.action.endswith(action)][-1]

    @property
    def text(self) -> str:
        """The page's words, as a reader sees them."""
        parser = _Forms()
        parser.feed(self.body)
        return " ".join(" ".join(parser.words).split())


class Browser:
    """One browser with its cookies."""

    def __init__(self, server: Instance) -> None:
        self.server = server
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=server.tls()), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    @property
    def base(self) -> str:
        return f"https://localhost:{self.server.port(8443)}"

    def get(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(self.base + path))

    def post(self, path: str, values: Mapping[str, str], **headers: str) -> Answer:
        data = urllib.parse.urlencode(values).encode()
        return self._ask(urllib.request.Request(self.base + path, data, headers))

    def send(self, form: Form, **changes: str) -> Answer:
        """Sends a form; `service__imap__port="1"` is what was typed into service.imap.port."""
        typed = {name.replace("__", "."): value for name, value in changes.items()}
        return self.post(form.action, {**form.values, **typed})

    def log_in(self, person: Person, password: str = "") -> Answer:
        form = self.get("/login").form("/login")
        return self.send(form, login=person.name, password=password or person.password)

    def _ask(self, request: urllib.request.Request) -> Answer:
        try:
            answer = self._opener.open(request, timeout=90)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Answer(answer.status, answer.url, answer.headers, answer.read().decode())
