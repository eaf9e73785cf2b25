"""Reading of published-run records: strict about values, silent about what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tokenworks.errors import BadRequest


class Refusal(BadRequest):
    """A record cannot be predicted. kind: missing_field | bad_value | unsupported."""

    def __init__(self, kind: str, template: str, *, field: str, **values: object) -> None:
        super().__init__(template, field=field, **values)
        self.kind = kind


def part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A nested mapping; empty where it is missing. Raises Refusal where it is something else."""
    value = record.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Refusal("bad_value", "expected a mapping, read '{value}'", field=name, value=value)
    return value


def number(
    source: Mapping[str, Any], name: str, *, low: float = 0.0, high: float = 1e18, within: str = ""
) -> float | None:
    """A finite number in [low, high]; None where it is missing. Raises Refusal."""
    value = source.get(name)
    field = f"{within}.{name}" if within else name
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal("bad_value", "expected a number, read '{value}'", field=field, value=value)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found) or not low <= found <= high:
        raise Refusal(
            "bad_value",
            "'{value}' lies outside {low} to {high}",
            field=field,
            value=value,
            low=low,
            high=high,
        )
    return found


def count(
    source: Mapping[str, Any], name: str, *, high: float = 1e9, low: float = 1.0, within: str = ""
) -> float | None:
    """A whole number of at least `low`, as float; None where it is missing. Raises Refusal."""
    found = number(source, name, low=low, high=high, within=within)
    if found is not None and found != math.floor(found):
        field = f"{within}.{name}" if within else name
        raise Refusal("bad_value", "expected a whole number, read '{value}'", field=field, value=found)
    return found


def string(source: Mapping[str, Any], name: str, *, within: str = "") -> str:
    """A text; "" where it is missing. Raises Refusal."""
    value = source.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        field = f"{within}.{name}" if within else name
        raise Refusal("bad_value", "expected a text, read '{value}'", field=field, value=value)
    return value
