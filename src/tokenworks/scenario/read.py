"""A scenario document -> Scenario, with every error naming the change it is about."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.scenario import energy

ACTUAL = "actual"
KINDS = ("fact", "price", "constant", "rule", "market", "energy")
FIELDS = frozenset(
    {*KINDS, "value", "scale", "set", "add", "remove", "lose", "only", "from", "to", "source", "assumed", "note"}
)
TOP = frozenset({"scenario", "says", "changes"})
ONLY = frozenset({"vendor", "country", "kind"})
ACTIONS = ("value", "scale", "set", "add", "remove", "lose")
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "fact": ("value", "scale"),
    "price": ("value", "scale"),
    "constant": ("value", "scale"),
    "market": ("value", "scale"),
    "rule": ("set", "add", "remove"),
    "energy": ("lose",),
}
LANGUAGES = ("en", "zh-Hant")


@dataclass(frozen=True)
class Change:
    """One change of facts or rules. `target` is a path whose parts may hold wildcards: fact
    `sites/JP/carbon_intensity`, price `nvidia-*/purchase`, constant `capital_charge_rate`, market
    `supply/huawei-ascend-910c`, rule `letters/letters/L4-*`, energy: a country (energy.py). It holds from `since` to
    `until`, both inclusive."""

    kind: str
    target: str
    action: str
    value: Any
    source: str
    assumed: bool = False
    since: dt.date | None = None
    until: dt.date | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    def holds(self, on: dt.date) -> bool:
        """Whether the change is in force on a day."""
        return (self.since is None or self.since <= on) and (self.until is None or on <= self.until)


@dataclass(frozen=True)
class Scenario:
    """A named what-if: what it says in each language, and its changes in order. An empty one is the actual world."""

    name: str
    says: Mapping[str, str]
    changes: tuple[Change, ...]
    document: Mapping[str, Any] = field(default_factory=dict)


def read(document: Any, name: str) -> Scenario:
    """Read a scenario. Raises BadRequest naming the field where it is malformed, contradicts itself or overlaps
    in time with itself.

    >>> dear = {"scenario": "dear", "changes": [{"constant": "pue", "scale": 2, "source": "ours", "assumed": True}]}
    >>> read(dear, "dear").changes[0].value
    2.0
    """
    if not isinstance(document, Mapping):
        raise BadRequest("expected the fields 'scenario', 'says' and 'changes'", field=name)
    for key in document:
        if key not in TOP:
            raise not_allowed(f"{name}.{key}", key, TOP)
    rows = document.get("changes")
    if not isinstance(rows, list) or not rows:
        raise BadRequest("expected a list of changes", field=f"{name}.changes")
    changes = tuple(_change(row, f"{name}.changes.{i}") for i, row in enumerate(rows))
    _no_overlap(changes)
    stated = document.get("scenario", name)
    if not isinstance(stated, str) or not stated:
        raise BadRequest("expected a word, read '{value}'", field=f"{name}.scenario", value=stated)
    return Scenario(stated, _says(document.get("says"), stated, name), changes, document)


def _says(value: Any, stated: str, name: str) -> Mapping[str, str]:
    if value is None:
        return dict.fromkeys(LANGUAGES, stated)
    if isinstance(value, str):
        return dict.fromkeys(LANGUAGES, value)
    if not isinstance(value, Mapping) or not all(isinstance(value.get(k), str) for k in value) or "en" not in value:
        raise BadRequest("expected a sentence, or one for each of {languages}", field=f"{name}.says",
                         languages=", ".join(LANGUAGES))  # fmt: skip
    return {k: str(value.get(k, value["en"])) for k in LANGUAGES}


def _change(row: Any, where: str) -> Change:
    if not isinstance(row, Mapping):
        raise BadRequest(
            "expected a change such as {{price: 'nvidia-*/purchase', scale: 0.7, source: ...}}", field=where
        )
    for key in row:
        if key not in FIELDS:
            raise not_allowed(f"{where}.{key}", key, FIELDS)
    kinds = [k for k in KINDS if k in row]
    if len(kinds) != 1:
        raise BadRequest("expected exactly one of {allowed}", field=where, allowed=", ".join(KINDS))
    kind = kinds[0]
    actions = [a for a in ACTIONS if a in row]
    if len(actions) != 1 or actions[0] not in ALLOWED[kind]:
        raise BadRequest("expected exactly one of {allowed}", field=where, allowed=", ".join(ALLOWED[kind]))
    target = row[kind]
    if not isinstance(target, str) or not target:
        raise BadRequest("expected a path, read '{value}'", field=f"{where}.{kind}", value=target)
    source = row.get("source")
    if not isinstance(source, str) or not source:
        raise BadRequest("a fact needs a value and a source", field=f"{where}.source")
    since, until = _day(row.get("from"), f"{where}.from"), _day(row.get("to"), f"{where}.to")
    if kind == "energy" and since is None:
        raise BadRequest("needs {names}", field=where, names="from")
    if since is not None and until is not None and until < since:
        raise BadRequest("'{value}' is before '{first}'", field=f"{where}.to", value=until, first=since)
    return Change(
        kind, target, actions[0], _value(row[actions[0]], actions[0], f"{where}.{actions[0]}"), source,
        bool(row.get("assumed", False)), since, until, _only(row.get("only"), where), where,
    )  # fmt: skip


def _value(value: Any, action: str, where: str) -> Any:
    if action == "scale":
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            raise BadRequest("expected a number above 0, read '{value}'", field=where, value=value)
        return float(value)
    if action == "value":
        if isinstance(value, float) and not math.isfinite(value):
            raise BadRequest("expected a number, read '{value}'", field=where, value=value)
        return value
    if action == "lose":
        return energy.read(value, where)
    if action in ("set", "add") and not isinstance(value, Mapping):
        raise BadRequest("expected fields by name, read '{value}'", field=where, value=value)
    if action == "remove" and value is not True:
        raise BadRequest("expected true, read '{value}'", field=where, value=value)
    return value


def _only(value: Any, where: str) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadRequest("expected fields by name, read '{value}'", field=f"{where}.only", value=value)
    for key in value:
        if key not in ONLY:
            raise not_allowed(f"{where}.only.{key}", key, ONLY)
    return {str(k): str(v) for k, v in value.items()}


def _day(value: Any, where: str) -> dt.date | None:
    if value is None:
        return None
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError as error:
        raise BadRequest("expected a date such as 2025-05-02, read '{value}'", field=where, value=value) from error


def _no_overlap(changes: tuple[Change, ...]) -> None:
    """Two changes of the same thing may not hold on the same day, unless they set different fields of a rule."""
    for i, one in enumerate(changes):
        for other in changes[i + 1 :]:
            if one.kind == other.kind and one.action != "add" and _meet(one, other) and same_days(one, other):
                raise BadRequest("changes the same as {other} on the same days", field=other.where, other=one.where)


def _meet(one: Change, other: Change) -> bool:
    if one.only != other.only:
        return False
    both_set = one.action == other.action == "set"
    if both_set and not set(one.value) & set(other.value):
        return False
    return fnmatchcase(one.target, other.target) or fnmatchcase(other.target, one.target)


def same_days(one: Change, other: Change) -> bool:
    """Whether two changes hold on a day together."""
    last, first = dt.date.max, dt.date.min
    return (one.since or first) <= (other.until or last) and (other.since or first) <= (one.until or last)
