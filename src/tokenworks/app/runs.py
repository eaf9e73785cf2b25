"""Reads files of runs: a YAML or JSON list, {records: [...]}, or JSON lines. One bad line stops nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenworks import files
from tokenworks.errors import BadRequest, TokenworksError

BYTES_MAX = 64_000_000
LINE_MAX = 1_000_000


def read_answer(path: Path) -> Any:
    """An answer that a command gave as JSON. Raises BadRequest where the file cannot be read."""
    return files.parse(files.read_text(path, bytes_max=BYTES_MAX), str(path), bytes_max=BYTES_MAX)


def read_runs(path: Path) -> list[Any]:
    """The records of a file, in order; a line that cannot be read stands as its error.

    Raises BadRequest where the file as a whole cannot be read.
    """
    content = files.read_text(path, bytes_max=BYTES_MAX)
    if _is_lines(path, content):
        return list(_lines(content, str(path)))
    whole = files.parse(content, str(path), bytes_max=BYTES_MAX)
    records = whole.get("records") if isinstance(whole, dict) and "records" in whole else whole
    if isinstance(records, dict):
        return [records]
    if not isinstance(records, list):
        raise BadRequest("expected a list of records, or the field 'records'", field=str(path))
    return records


def _is_lines(path: Path, content: str) -> bool:
    if path.suffix in (".jsonl", ".ndjson"):
        return True
    lines = [line for line in content.splitlines() if line.strip()]
    return (
        len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines[:2]) and lines[0].rstrip().endswith("}")
    )


def _lines(content: str, name: str) -> Iterator[Any]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            yield _one(line, where)
        except TokenworksError as error:
            yield error


def _one(line: str, where: str) -> Any:
    """A JSON line, fast; whatever the fast reader does not like goes through the strict one for its message."""
    if len(line) > LINE_MAX:
        raise BadRequest("is {n} bytes long; at most {most} are read", field=where, n=len(line), most=LINE_MAX)
    try:
        return json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return files.parse(line, where)


def _refuse(name: str) -> Any:
    raise ValueError(name)
