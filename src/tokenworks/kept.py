"""Things worked out once and kept in the user's cache folder, so that the next command reads them.

A thing is kept under the hash of all that it comes from, this program's own files included; nothing is ever
read that was made from something else. Where the cache cannot be read or written, things are worked out anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from tokenworks import files
from tokenworks.errors import BadRequest

FOLDER, OFF = "TOKENWORKS_CACHE", "off"  # the variable that names another folder, or switches the cache off
MOST = 300  # things of one kind; the oldest go


def folder() -> Path | None:
    """Where things are kept (XDG base directories; LOCALAPPDATA on Windows); None where nothing is to be kept."""
    named = os.environ.get(FOLDER)
    if named:
        return None if named == OFF else Path(named)
    return files.user_folder(("XDG_CACHE_HOME", "LOCALAPPDATA"), ".cache")


def program() -> str:
    """A hash that changes with any file of the installed program: names, sizes and times of change."""
    found = hashlib.sha256()
    for place, folders, names in os.walk(Path(__file__).parent):
        folders[:] = sorted(name for name in folders if name not in ("__pycache__", "static"))
        for name in sorted(names):
            stat = os.stat(os.path.join(place, name))
            found.update(f"{place}/{name}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return found.hexdigest()


def kept(kind: str, sources: Iterable[bytes], make: Callable[[], bytes]) -> bytes:
    """What `make` gives for these sources: read where it was kept, else made and kept.

    kind: a word, the folder in the cache. sources: everything besides the program that the thing comes from.
    """
    home = folder()
    if home is None:
        return make()
    name = hashlib.sha256(program().encode())
    for source in sources:
        name.update(hashlib.sha256(source).digest())
    path = home / kind / name.hexdigest()
    with contextlib.suppress(OSError):
        seal, _, body = path.read_bytes().partition(b"\n")
        if seal == hashlib.sha256(body).hexdigest().encode():  # else cut short or changed by someone
            return body
    body = make()
    with contextlib.suppress(BadRequest, OSError):
        files.write(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        _prune(path.parent)
    return body


def _prune(place: Path) -> None:
    by_age = sorted(place.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in by_age[:-MOST]:
        path.unlink(missing_ok=True)
