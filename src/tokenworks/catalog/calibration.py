"""Calibration: the models' constants with their priors and meanings, and the fitted values laid over them.

Two kinds of file: `<study>.yaml` is written by hand (what a constant means, its prior, where that comes from);
`fitted.yaml` and `bars.yaml` are written by `tokenworks validate --refit` and never by hand.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

FITTED = "fitted"
SEPARATOR = "/"


def with_fitted(calibration: Mapping[str, Any]) -> Mapping[str, Any]:
    """The calibration of every study with its fitted values in place of the priors."""
    found = {name: content for name, content in calibration.items() if name != FITTED}
    fits = (calibration.get(FITTED) or {}).get("studies", {})
    return {name: overlaid(content, fits[name]) if name in fits else content for name, content in found.items()}


def overlaid(calibration: Mapping[str, Any], fit: Mapping[str, Any]) -> Mapping[str, Any]:
    """One study's calibration with the values of a fit {seen, values: {path: value}} laid over it."""
    fresh = copy.deepcopy(dict(calibration))
    for path, value in fit["values"].items():
        put(fresh, path, value)
    return {**fresh, "seen": fit["seen"], "fit": fit}


def put(tree: Any, path: str, value: float) -> None:
    """Replace the number at a path such as `globals/bubble/value` (list items by their place).

    Raises KeyError or IndexError where the tree has no such place.
    """
    way, _, last = path.rpartition(SEPARATOR)
    at(tree, path)
    at(tree, way)[last] = value


def at(tree: Any, path: str) -> Any:
    """What stands at a path. Raises KeyError or IndexError where there is no such place."""
    for key in path.split(SEPARATOR) if path else ():
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    return tree


def differences(before: Any, after: Any, path: str = "") -> dict[str, float]:
    """The numbers of `after` that stand otherwise in `before`, by path; what only one of them has is left out.

    >>> differences({"a": {"b": 1.0, "c": 2.0}}, {"a": {"b": 1.5, "c": 2.0}})
    {'a/b': 1.5}
    """
    found: dict[str, float] = {}
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before:
            if key in after:
                found |= differences(before[key], after[key], f"{path}{SEPARATOR}{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, (one, other) in enumerate(zip(before, after, strict=True)):
            found |= differences(one, other, f"{path}{SEPARATOR}{i}")
    elif _number(before) and _number(after) and before != after:
        found[path] = after
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
