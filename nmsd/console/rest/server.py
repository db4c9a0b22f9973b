"""Services, workers, counters, sessions and logs."""

from __future__ import annotations

from typing import Any, Final

from flask import g
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from nmsd.config.problem import ConfigError
from nmsd.config.services import MAIL_SERVICES, SERVICES
from nmsd.console.pages.logs import LINES, tail
from nmsd.console.pages.sessions import described
from nmsd.console.render import desk
from nmsd.console.rest.operation import fail, operation
from nmsd.console.rest.words import Line
from nmsd.log import LOGS
from nmsd.supervisor.counters import add_up

BLUEPRINT: Final = Blueprint("Server", __name__, description="Services, workers, counters, sessions, logs.")

_ONE_OF: Final = ",".join(each.name for each in MAIL_SERVICES)
_COMMANDS: Final = "start,stop,restart"


class Service(Schema):
    """A service and how it is."""

    name = fields.String(required=True)
    state = fields.String(required=True, metadata={"description": "running, degraded, starting, stopped, failed"})
    reason = fields.String(required=True)
    processes = fields.Integer(required=True)
    endpoints = fields.List(fields.String(), required=True)
    restarts = fields.Integer(required=True)


class Status(Schema):
    """The server as a whole."""

    version = fields.String(required=True)
    state = fields.String(required=True)
    started = fields.Float(required=True, metadata={"description": "seconds since the epoch"})
    uptime = fields.Float(required=True, metadata={"description": "seconds"})
    services = fields.List(fields.Nested(Service), required=True)


class Worker(Schema):
    """A worker against its limits; what one that is starting has not told yet is not there."""

    service = fields.String(required=True)
    index = fields.Integer(required=True)
    pid = fields.Integer(required=True)
    state = fields.String(required=True)
    uptime = fields.Float(required=True, metadata={"description": "seconds"})
    sessions = fields.Integer()
    max_sessions = fields.Integer()
    threads = fields.Integer(metadata={"description": "commands in execution"})
    max_threads = fields.Integer()
    descriptors = fields.Integer()
    descriptor_limit = fields.Integer()
    memory = fields.Integer(metadata={"description": "resident, in bytes"})
    cpu = fields.Float(metadata={"description": "processor seconds"})


class ServiceCounters(Schema):
    """What the workers of a service have counted since they were started."""

    service = fields.String(required=True)
    sessions = fields.Integer(required=True)
    most = fields.Integer(required=True, metadata={"description": "most sessions at a time in one worker"})
    connections = fields.Integer(required=True)
    rejected = fields.Integer(required=True)
    logins = fields.Integer(required=True)
    bad_logins = fields.Integer(required=True)
    commands = fields.Dict(
        keys=fields.String(), values=fields.Dict(keys=fields.String(), values=fields.Integer()), required=True
    )


class Session(Schema):
    """A session."""

    id = fields.String(required=True)
    service = fields.String(required=True)
    worker = fields.String(required=True)
    user = fields.String(required=True, metadata={"description": "the account, empty before the login"})
    address = fields.String(required=True)
    port = fields.Integer(required=True)
    tls = fields.Boolean(required=True)
    cipher_bits = fields.Integer(required=True)
    state = fields.String(required=True)
    mailbox = fields.String(required=True, metadata={"description": "the one that is open, or empty"})
    idle = fields.Float(required=True, metadata={"description": "seconds since the client was heard"})
    age = fields.Float(required=True, metadata={"description": "seconds since it was opened"})
    received = fields.Integer(required=True)
    sent = fields.Integer(required=True)
    share = fields.Integer(
        required=True, metadata={"description": "resident memory of the worker, divided by its sessions, in bytes"}
    )


class SessionQuery(Schema):
    """Which sessions."""

    user = Line(load_default="", metadata={"description": "the account"})
    service = fields.String(load_default="", validate=validate.OneOf(["", *(each.name for each in MAIL_SERVICES)]))
    limit = fields.Integer(load_default=1000, validate=validate.Range(1, 10_000))


class SessionList(Schema):
    """Sessions, those heard of last first."""

    count = fields.Integer(required=True, metadata={"description": "how many there are, shown or not"})
    sessions = fields.List(fields.Nested(Session), required=True)
    silent = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "workers that did not answer, so that theirs are missing"},
    )


class Reload(Schema):
    """What a reload left undone."""

    restart_needed = fields.List(fields.String(), required=True)


class LogQuery(Schema):
    """How much of it."""

    lines = fields.Integer(load_default=LINES, validate=validate.Range(1, LINES))


class Log(Schema):
    """The end of a log, the newest line last."""

    name = fields.String(required=True)
    lines = fields.List(fields.String(), required=True)


@operation(BLUEPRINT, "GET", "/status", scopes=["read", "services"], answer=Status)
def status() -> Any:
    """The server and its services"""
    return desk().status()


@operation(BLUEPRINT, "GET", "/services", scopes=["read", "services"], answer=Service(many=True))
def services() -> Any:
    """The services"""
    return desk().status()["services"]


@operation(
    BLUEPRINT, "GET", f"/services/<any({','.join(each.name for each in SERVICES)}):service>",
    scopes=["read", "services"], answer=Service, errors=[404],
)  # fmt: skip
def service(service: str) -> Any:
    """One service"""
    return next(each for each in desk().status()["services"] if each["name"] == service)


@operation(
    BLUEPRINT, "POST", f"/services/<any({_ONE_OF}):service>/<any({_COMMANDS}):command>",
    scopes=["services"], answer=Service, errors=[404, 409],
)  # fmt: skip
def switch(service: str, command: str) -> Any:
    """Turn a mail service on or off, or start it anew"""
    try:
        desk().switch(command, service, g.user)
    except ConfigError as error:
        fail(409, str(error))
    return next(each for each in desk().status()["services"] if each["name"] == service)


@operation(BLUEPRINT, "POST", "/reload", scopes=["services", "settings"], answer=Reload, errors=[409])
def reload() -> Any:
    """Have the server take its settings again"""
    try:
        return {"restart_needed": desk().reload(g.user)}
    except ConfigError as error:
        fail(409, str(error))


@operation(BLUEPRINT, "GET", "/workers", scopes=["read"], answer=Worker(many=True))
def workers() -> Any:
    """The workers against their limits"""
    return [{**worker, "service": each["name"]} for each in desk().status()["services"] for worker in each["workers"]]


@operation(BLUEPRINT, "GET", "/counters", scopes=["read"], answer=ServiceCounters(many=True))
def counters() -> Any:
    """What the mail services have counted"""
    found = add_up(desk().counters())
    return [{**facts, "service": name} for name, facts in found.items()]


@operation(BLUEPRINT, "GET", "/sessions", scopes=["read", "sessions"], query=SessionQuery, answer=SessionList)
def sessions(query: dict[str, Any]) -> Any:
    """The sessions there are"""
    user, wanted = query["user"].lower(), query["service"]
    there, silent = desk().sessions()
    found = [
        each
        for each in there
        if (not user or each["user"].lower() == user) and (not wanted or each["service"] == wanted)
    ]
    found.sort(key=lambda each: float(each["idle"]))
    shown = [described(each) for each in found[: query["limit"]]]
    return {"count": len(found), "sessions": shown, "silent": silent}


@operation(BLUEPRINT, "DELETE", "/sessions/<session>", scopes=["sessions"], status=204, errors=[404])
def disconnect(session: str) -> None:
    """Disconnect a session; its client is told"""
    if not desk().kick(session, g.user):
        fail(404, "There is no such session.")


@operation(
    BLUEPRINT, "GET", f"/logs/<any({','.join(LOGS)}):name>", scopes=["read"], query=LogQuery, answer=Log, errors=[404]
)
def log(query: dict[str, Any], name: str) -> Any:
    """The last lines of a log"""
    return {"name": name, "lines": tail(desk().instance, name)[-query["lines"] :]}
