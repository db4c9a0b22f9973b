"""The local copy of the settings in the directory: what a start or reload uses while no directory server answers.

It is replaced whole, and only by what held together.  Security: mode 0600, for settings may be secrets.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from typing import Any, Final

from nmsd.config.directory import SERVER_DN, SHARED_DN
from nmsd.config.entries import PLACES, Entries, Entry
from nmsd.config.setting import Config

_NAME: Final = "directory-settings.json"


def copy_path(instance: str) -> str:
    """Where the copy is."""
    return os.path.join(instance, "run", _NAME)


def read_copy(config: Config) -> Entries | None:
    """The copy of the entries that `config` names; None if there is none, or one that cannot be read or used."""
    try:
        with open(copy_path(config.instance), encoding="utf-8") as file:
            found = _entries(json.load(file))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    names = (found.own.lower(), found.shared.lower())
    return found if names == (config[SERVER_DN].lower(), config[SHARED_DN].lower()) else None


def write_copy(instance: str, entries: Entries) -> None:
    """Puts a new copy in place, as a file of the user whose the folder is.  Raises OSError."""
    path = copy_path(instance)
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".nmsd-", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(entries), file, ensure_ascii=False, indent=1)
            there = os.stat(folder)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), there.st_uid, there.st_gid)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _entries(data: dict[str, Any]) -> Entries:
    found = []
    for each in data["found"]:
        if each["place"] not in PLACES:
            raise ValueError(each["place"])
        attributes = {str(name): tuple(map(str, values)) for name, values in each["attributes"].items()}
        found.append(Entry(each["place"], str(each["dn"]), tuple(map(str, each["classes"])), attributes))
    return Entries(str(data["own"]), str(data["shared"]), float(data["time"]), tuple(found))
