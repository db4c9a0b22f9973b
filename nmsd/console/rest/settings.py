"""Settings: read, and changed with the version they were read at."""

from __future__ import annotations

from typing import Any, Final

from flask import g
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from nmsd.config.edit import FileChanged
from nmsd.config.load import DEFAULT
from nmsd.config.problem import ConfigError
from nmsd.console.forms import make_field
from nmsd.console.render import desk
from nmsd.console.rest.operation import fail, operation
from nmsd.console.rest.words import Line

BLUEPRINT: Final = Blueprint("Settings", __name__, description="The configuration, etc/nmsd.conf.")

_ETAG: Final = {"ETag": {"schema": {"type": "string"}, "description": "the version, for If-Match"}}


class Setting(Schema):
    """A setting and its value; a secret's is never told."""

    name = fields.String(required=True)
    value = fields.String(required=True, allow_none=True)
    default = fields.String(required=True)
    allowed = fields.String(required=True, metadata={"description": "what it may be, in words"})
    help = fields.String(required=True)
    label = fields.String(required=True)
    effect = fields.String(required=True, metadata={"description": "when a change takes effect"})
    origin = fields.String(required=True, metadata={"description": "where the value comes from"})
    secret = fields.Boolean(required=True)


class SettingList(Schema):
    """Settings, as of one version of the file."""

    version = fields.String(required=True, metadata={"description": "for If-Match"})
    settings = fields.List(fields.Nested(Setting), required=True)


class SettingQuery(Schema):
    """Which settings."""

    prefix = Line(load_default="", metadata={"description": "how their names begin"})


class Version(Schema):
    """The version that the changes are made from."""

    if_match = Line(data_key="If-Match", required=True, metadata={"description": "a version, as in ETag"})


class Change(Schema):
    """New values by name; null takes the setting out of the file, so that it has its default."""

    changes = fields.Dict(
        keys=Line(),
        values=Line(allow_none=True, most=8192),
        required=True,
        validate=validate.Length(1, 200),
        metadata={"example": {"service.imap.idletimeout": "45"}},
    )


class Changed(Schema):
    """What became of it."""

    version = fields.String(required=True)
    changed = fields.List(fields.String(), required=True)
    restart_needed = fields.List(fields.String(), required=True)


@operation(BLUEPRINT, "GET", "/settings", scopes=["read", "settings"], query=SettingQuery, answer=SettingList)
def settings(query: dict[str, Any]) -> Any:
    """The settings with their values"""
    version = desk().version()
    loaded = desk().read()
    found = [_facts(each, loaded) for name, each in desk().settings().items() if name.startswith(query["prefix"])]
    return {"version": version, "settings": found}, 200, {"ETag": f'"{version}"'}


@operation(BLUEPRINT, "GET", "/settings/<name>", scopes=["read", "settings"], answer=Setting, errors=[404])
def setting(name: str) -> Any:
    """One setting"""
    found = desk().settings().get(name)
    if found is None:
        fail(404, "There is no such setting.")
    return _facts(found, desk().read()), 200, {"ETag": f'"{desk().version()}"'}


@operation(
    BLUEPRINT, "PATCH", "/settings", scopes=["settings"],
    headers=Version, body=Change, answer=Changed, errors=[409, 412],
)  # fmt: skip
def change(version: dict[str, Any], body: dict[str, Any]) -> Any:
    """Change settings and have the server take them; all of them or none"""
    known, changes = desk().settings(), body["changes"]
    wrong: dict[str, Any] = {}
    for name, text in changes.items():
        try:
            if name not in known:
                raise ValueError("there is no such setting")
            if text is not None:
                known[name].kind.parse(text)
        except ValueError as error:
            wrong[name] = [str(error)]
    if wrong:
        fail(422, "Nothing was changed.", wrong)
    loaded = desk().read()
    fixed = {
        name: [f"set by the {field.fixed}"] for name in changes if (field := make_field(known[name], loaded)).fixed
    }
    if fixed:
        fail(409, "Something stronger than the file sets these.", fixed)
    try:
        late = desk().save(changes, version["if_match"].removeprefix("W/").strip('"') or "none", g.user)
    except FileChanged:
        fail(412, "The settings have been changed since that version; read them again.")
    except ConfigError as error:
        told = {problem.name: [f"{problem.what}; {problem.mend}"] for problem in error.problems}
        fail(422, "Nothing was changed: the server refuses these settings.", told)
    now = desk().version()
    return {"version": now, "changed": sorted(changes), "restart_needed": late}, 200, {"ETag": f'"{now}"'}


def _facts(found: Any, loaded: Any) -> dict[str, Any]:
    field = make_field(found, loaded)
    return {
        "name": field.name,
        "value": None if field.secret else field.text,
        "default": field.default,
        "allowed": field.allowed,
        "help": field.help,
        "label": field.label,
        "effect": field.effect,
        "origin": str(loaded.origins.get(field.name, DEFAULT)),
        "secret": field.secret,
    }
