"""Dated parameters: which row of a rule file is in force on a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from tokenworks.records import Citation

LISTED = ("parties", "military_users", "military_companies", "coverage", "meta")  # files without dated rules


def in_force(rule: Mapping[str, Any], on: dt.date) -> bool:
    """Whether a rule with ISO dates `from` and `to` (both inclusive, either may be absent) holds on a day.

    >>> in_force({"from": "2023-11-17", "to": None}, dt.date(2023, 11, 16))
    False
    """
    return _holds(rule, on.isoformat())


def _holds(rule: Mapping[str, Any], day: str) -> bool:
    since, until = rule.get("from"), rule.get("to")
    return (since is None or since <= day) and (until is None or day <= until)


def holding(rules: Iterable[Mapping[str, Any]], on: dt.date) -> tuple[Mapping[str, Any], ...]:
    """The rules of a sequence that hold on a day, in their order."""
    day = on.isoformat()
    return tuple(rule for rule in rules if _holds(rule, day))


def current(rules: Iterable[Mapping[str, Any]], on: dt.date) -> Mapping[str, Any] | None:
    """The one rule of a sequence of versions that holds on a day, or None."""
    found = holding(rules, on)
    return found[0] if found else None


def cite(rule: Mapping[str, Any]) -> Citation:
    """The citation that a rule carries."""
    return Citation(str(rule["cite"]), rule.get("from"), rule.get("to"), bool(rule.get("verified", False)))


def change_dates(law: Mapping[str, Any]) -> tuple[dt.date, ...]:
    """Every day on which some parameter of the law begins to hold or has just ceased to."""
    found: set[dt.date] = set()
    stack: list[Any] = [v for k, v in law.items() if k not in LISTED]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            if node.get("from"):
                found.add(dt.date.fromisoformat(node["from"]))
            if node.get("to"):
                found.add(dt.date.fromisoformat(node["to"]) + dt.timedelta(days=1))
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return tuple(sorted(found))
