"""The strict reader of JSON bodies, and what is not taken from the web.

Closed here: NaN and infinities, numbers that overflow, lone surrogates, duplicate keys, deep nesting, numbers of
thousands of digits, and names of files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from tokenworks.errors import BadRequest
from tokenworks.quote.request import is_path

DEPTH_MAX = 50
DIGITS_MAX = 400


def read_json(raw: bytes) -> Any:
    """A JSON body as plain values. Raises BadRequest saying what is wrong, never repeating the body."""
    try:
        value = json.loads(
            raw.decode("utf-8"),
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
            object_pairs_hook=_pairs,
        )
    except UnicodeDecodeError as error:
        raise BadRequest("is not UTF-8 text (byte {at})", field="body", at=error.start) from error
    except json.JSONDecodeError as error:
        raise BadRequest("cannot be read: {why}", field=f"body:{error.lineno}", why=error.msg) from error
    except RecursionError as error:
        raise BadRequest("is nested too deeply", field="body") from error
    _check(value)
    return value


def _constant(name: str) -> float:
    raise BadRequest("'{value}' is not a finite number", field="body", value=name)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadRequest("'{value}' is too large a number", field="body", value=text)
    return value


def _int(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise BadRequest("a number of {n} digits; at most {most} are read", field="body", n=len(text), most=DIGITS_MAX)
    return int(text)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise BadRequest("the key '{key}' stands twice", field="body", key=key)
            seen.add(key)
    return found


def _check(value: Any) -> None:
    """Depth and text of a read value, without recursion."""
    level, depth = [value], 0
    while level:
        if depth > DEPTH_MAX:
            raise BadRequest("is nested deeper than {most} levels", field="body", most=DEPTH_MAX)
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                for key in node:
                    check_text(key)
                below += node.values()
            elif isinstance(node, list):
                below += node
            elif isinstance(node, str):
                check_text(node)
        level, depth = below, depth + 1


def check_text(value: str, field: str = "body") -> None:
    """Refuse text that no file, database or answer can hold. Raises BadRequest."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRequest("is not valid Unicode text", field=field) from error
    if "\0" in value:
        raise BadRequest("is not valid Unicode text", field=field)


def refuse_files(request: Any) -> None:
    """Refuse a request that names a file: nothing on the server's disk is read for the web.

    Raises BadRequest naming the field.
    """
    made = request.get("make") if isinstance(request, Mapping) else None
    if not isinstance(made, Mapping):
        return
    for kind, job in made.items():
        if not isinstance(job, Mapping):
            continue
        if isinstance(job.get("trace"), str):
            raise BadRequest("no file is read for the web; give a rate", field=f"make.{str(kind)[:20]}.trace")
        if isinstance(job.get("model"), str) and is_path(job["model"]):
            raise BadRequest(
                "no file is read for the web; give a catalog id or the content of its config.json as 'config'",
                field=f"make.{str(kind)[:20]}.model",
            )
