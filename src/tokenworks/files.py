"""The two doors to the disk: one strict reader for texts from outside, one atomic writer.

The reader takes YAML 1.2 scalars (NO is Norway, 1e15 a number), refuses aliases, duplicate keys, tags,
deep nesting and big input; the traps it closes are rows 8, 9 and 12 of the reliability study that this
project started from. JSON is read by the same door (YAML 1.2 contains JSON), TOML by the standard library.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tokenworks.errors import BadRequest

BYTES_MAX = 1_000_000  # of a request, a config.json, an overlay file
DEPTH_MAX = 50
DIGITS_MAX = 400  # of one number; Python itself refuses over 4,300 with a bare ValueError

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


def _scalar(text: str, where: str) -> Any:
    """Resolve a plain scalar by the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/, 10.3.2)."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.fullmatch(text):
        if len(text) > DIGITS_MAX:
            raise BadRequest(
                "a number of {n} digits; at most {most} are read", field=where, n=len(text), most=DIGITS_MAX
            )
        return int(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise BadRequest("'{value}' is too large a number", field=where, value=text)
        return value
    return text


class _Builder:
    """Builds plain values from parser events, without recursion and without references."""

    def __init__(self, name: str, depth_max: int) -> None:
        self.name, self.depth_max = name, depth_max

    def error(self, event: yaml.Event, template: str, **values: object) -> BadRequest:
        mark = event.start_mark
        line = mark.line + 1 if mark else 0
        return BadRequest(template, field=f"{self.name}:{line}", **values)

    def build(self, text: str) -> Any:
        root: list[Any] = []
        stack: list[tuple[Any, list[Any]]] = [(root, [])]  # (container, pending key)
        documents = 0
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.error(event, "holds more than one document")
            elif isinstance(event, yaml.AliasEvent):
                raise self.error(event, "aliases (*{name}) are not read", name=event.anchor)
            elif isinstance(event, yaml.ScalarEvent):
                if event.tag and not event.implicit[0] and not event.implicit[1]:
                    raise self.error(event, "tags ({tag}) are not read", tag=event.tag)
                plain = event.style is None or event.style == ""
                where = f"{self.name}:{event.start_mark.line + 1}" if event.start_mark else self.name
                self._put(stack[-1], _scalar(event.value, where) if plain else event.value, event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                if event.tag and not event.implicit:
                    raise self.error(event, "tags ({tag}) are not read", tag=event.tag)
                if len(stack) > self.depth_max:
                    raise self.error(event, "is nested deeper than {most} levels", most=self.depth_max)
                child: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                self._put(stack[-1], child, event)
                stack.append((child, []))
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                stack.pop()
        return root[0] if root else None

    def _put(self, top: tuple[Any, list[Any]], value: Any, event: yaml.Event) -> None:
        container, pending = top
        if isinstance(container, list):
            container.append(value)
        elif not pending:
            if not isinstance(value, str | int | float | bool) and value is not None:
                raise self.error(event, "a key must be a name")
            key = value if isinstance(value, str) else json.dumps(value)
            if key in container:
                raise self.error(event, "the key '{key}' stands twice", key=key)
            pending.append(key)
        else:
            container[pending.pop()] = value


def line_of(text: str, path: Sequence[str]) -> int | None:
    """The line (from 1) on which the part of a YAML text starts that the path names: keys, and numbers of list
    elements; the nearest part above it where the path leads nowhere. None where the text is no YAML.

    >>> line_of("a: 1\\nb:\\n- c: 2\\n- d: 3\\n", ["b", "1"])
    4
    """
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return None
    line = None if node is None else node.start_mark.line + 1
    for part in path:
        inner: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            inner = next((v for k, v in node.value if k.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            inner = node.value[int(part)]
        if inner is None:
            break
        node, line = inner, inner.start_mark.line + 1
    return line


def parse(text: str, name: str = "input", *, bytes_max: int = BYTES_MAX, depth_max: int = DEPTH_MAX) -> Any:
    """Read YAML 1.2 or JSON text into plain values.

    Raises BadRequest (naming `name` and the line) for aliases, tags, duplicate keys, several documents,
    numbers that overflow, nesting deeper than `depth_max` or more than `bytes_max` bytes.

    >>> parse("{where: NO, tokens: 1e15, at: 1:30}")
    {'where': 'NO', 'tokens': 1000000000000000.0, 'at': '1:30'}
    """
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise BadRequest("is not valid Unicode text", field=name) from error
    if size > bytes_max:
        raise BadRequest("is {n} bytes long; at most {most} are read", field=name, n=size, most=bytes_max)
    try:
        return _Builder(name, depth_max).build(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise BadRequest("cannot be read: {why}", field=where, why=getattr(error, "problem", None) or error) from error
    except RecursionError as error:
        raise BadRequest("is nested too deeply", field=name) from error


def why(error: Exception) -> object:
    """What the system says of a file that cannot be read or written, without the file's name."""
    return getattr(error, "strerror", None) or error


def user_folder(variables: Sequence[str], usual: str) -> Path:
    """This program's folder below what the first of the variables that is set names (XDG base directories, or those of
    Windows), else below the usual place in the user's home."""
    home = next((os.environ[name] for name in variables if os.environ.get(name)), None)
    return (Path(home) if home else Path.home() / usual) / "tokenworks"


def read_text(path: Path, *, bytes_max: int = BYTES_MAX) -> str:
    """Read a UTF-8 file of at most `bytes_max` bytes. Raises BadRequest naming the path."""
    try:
        with path.open("rb") as file:
            raw = file.read(bytes_max + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise BadRequest("cannot be opened: {why}", field=str(path), why=why(error)) from error
    if len(raw) > bytes_max:
        raise BadRequest("is larger than the {most} bytes that are read", field=str(path), most=bytes_max)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest("is not UTF-8 text (byte {at})", field=str(path), at=error.start) from error


def lines(path: Path, *, line_max: int = BYTES_MAX) -> Iterator[str]:
    """The lines of a UTF-8 file, read as they are asked for; what is no UTF-8 shows as U+FFFD. Raises BadRequest naming
    the path, also for a line longer than `line_max` bytes."""
    try:
        with path.open("rb") as file:
            while raw := file.readline(line_max + 1):
                if len(raw) > line_max:
                    raise BadRequest("holds a line of more than {most} bytes", field=str(path), most=line_max)
                yield raw.decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise BadRequest("cannot be opened: {why}", field=str(path), why=why(error)) from error


def load(path: Path, *, bytes_max: int = BYTES_MAX) -> Any:
    """Read a YAML, JSON or TOML file (by its ending) into plain values. Raises BadRequest."""
    content = read_text(path, bytes_max=bytes_max)
    if path.suffix.lower() == ".toml":
        try:
            return _finite(tomllib.loads(content), str(path))
        except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
            raise BadRequest("cannot be read: {why}", field=str(path), why=error) from error
    return parse(content, str(path), bytes_max=bytes_max)


def _finite(value: Any, name: str, depth: int = 0) -> Any:
    """Refuse the infinities that TOML allows; turn its dates into ISO text as YAML 1.2 has them."""
    if depth > DEPTH_MAX:
        raise BadRequest("is nested deeper than {most} levels", field=name, most=DEPTH_MAX)
    if isinstance(value, dict):
        return {k: _finite(v, name, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v, name, depth + 1) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise BadRequest("'{value}' is not a finite number", field=name, value=value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def writable(path: Path) -> None:
    """Find out before long work that a file could not be written there: its nearest folder that stands must be one
    that may be written to, and no folder may bear its name. Makes nothing.

    Raises BadRequest naming the path, as `write` would in the end.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        folder = next(each for each in path.absolute().parents if os.path.lexists(each))
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise BadRequest("cannot be written: {why}", field=str(path), why=why(error)) from error


def write(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: temporary file, fsync, rename, fsync of the folder.

    Raises BadRequest naming the path where the folder cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, ValueError) as error:
        raise BadRequest("cannot be written: {why}", field=str(path), why=why(error)) from error
    finally:
        if temporary is not None:
            os.unlink(temporary)


def write_folder(folder: Path, contents: Mapping[str, str | bytes]) -> list[Path]:
    """Write many files into a folder, all or none: they are made beside it and then moved in by their first name.

    What stands in the folder under the same first names is replaced whole (a `launch` folder of yesterday does
    not keep stale files); everything else in it is left alone. Raises BadRequest and leaves the folder as it was.
    """
    stage: Path | None = None
    moved: list[str] = []
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        for name, content in contents.items():
            write(stage / "new" / name, content)
        folder.mkdir(exist_ok=True)
        (stage / "old").mkdir()
        firsts = sorted({Path(name).parts[0] for name in contents})
        for first in firsts:
            if (folder / first).exists() and (folder / first).is_dir() != (stage / "new" / first).is_dir():
                raise BadRequest("is in the way: a file where a folder is to stand, or the reverse",
                                 field=str(folder / first))  # fmt: skip
        for first in firsts:
            if (folder / first).exists():
                os.replace(folder / first, stage / "old" / first)
            moved.append(first)
            os.replace(stage / "new" / first, folder / first)
    except (OSError, ValueError) as error:
        if stage is not None:
            _put_back(folder, stage, moved)
        raise BadRequest("cannot be written: {why}", field=str(folder), why=why(error)) from error
    finally:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
    return [folder / name for name in contents]


def _put_back(folder: Path, stage: Path, moved: list[str]) -> None:
    """Undo the moves of a write that failed half-way."""
    for first in moved:
        if (stage / "old" / first).exists():
            if (folder / first).exists():
                os.replace(folder / first, stage / f"failed-{first}")
            os.replace(stage / "old" / first, folder / first)


def dump_json(value: Any) -> str:
    """Canonical JSON: no NaN, sorted only where the caller sorted, UTF-8, two spaces, closing newline."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
