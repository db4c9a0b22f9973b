"""Where an account's files are.

Security: account names come from the directory and may hold anything.  Every byte but a few harmless ones is
percent-encoded, a first dot included, so a name can neither leave the store's directory nor hide in it, and two names
never share a file, not even where a file system ignores case.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from nmsd.model.errors import InvalidName

SUFFIX: Final = ".db"
LOCK_SUFFIX: Final = ".lock"
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789@.+-_=")
_AS_IT_IS: Final = re.compile(r"[a-z0-9@+_=-][a-z0-9@.+_=-]*")  # most names

# A file name has 255 bytes at most; "-journal" and the like go behind the suffix.
_MAX_STEM: Final = 200
_CUT: Final = "%~"


def stem(name: str) -> str:
    """The file name, without suffix, of an account.  Raises InvalidName for an empty name or one that is no Unicode."""
    if _AS_IT_IS.fullmatch(name) and len(name) <= _MAX_STEM:
        return name
    if not name:
        raise InvalidName("An account needs a name")
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raise InvalidName("The account's name is not valid Unicode") from None
    encoded = "".join([chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw])
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    if len(encoded) > _MAX_STEM:
        # The name itself is in the file; here it only has to be told from others.
        return encoded[:128].rpartition("%")[0] + _CUT + blake2b(raw, digest_size=20).hexdigest()
    return encoded


def name_of(stem_: str) -> str | None:
    """The account of a file's stem; None if it was too long to be kept in it.  Raises ValueError for a strange file."""
    if _CUT in stem_:
        return None
    pieces = stem_.split("%")
    raw = pieces[0].encode("ascii")
    for piece in pieces[1:]:
        raw += bytes.fromhex(piece[:2]) + piece[2:].encode("ascii")
    return raw.decode()


def database_path(root: Path, name: str) -> Path:
    """The account's database: ROOT/ab/NAME.db, where ab spreads the accounts over 256 directories."""
    return Path(database_file(root, name))


def database_file(root: Path, name: str) -> str:
    """The same as a string, which costs each login much less to make."""
    spread = blake2b(name.encode("utf-8", "replace"), digest_size=1).hexdigest()
    return f"{root}/{spread}/{stem(name)}{SUFFIX}"


def database_paths(root: Path) -> Iterator[Path]:
    """All databases there are, unsorted."""
    for directory in _listed(root):
        if len(directory.name) == 2 and directory.is_dir():
            for path in _listed(directory):
                if path.suffix == SUFFIX and not path.name.startswith("."):
                    yield path


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def make_directory(path: Path) -> None:
    """Makes a directory and those above it, for this user only, so that they outlast a power failure."""
    if path.is_dir():
        return
    make_directory(path.parent)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Writes a directory's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
