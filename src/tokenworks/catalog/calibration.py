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
    return {**fresh, "seen": fit["seen"], "fitted": fit}


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


def numbers(tree: Any, path: str = "") -> dict[str, float]:
    """All numbers of a calibration by path.

    >>> numbers({"a": {"b": 1.0, "name": "x"}, "c": [2.0]})
    {'a/b': 1.0, 'c/0': 2.0}
    """
    if isinstance(tree, Mapping | list):
        found: dict[str, float] = {}
        for key, value in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
            found |= numbers(value, f"{path}{SEPARATOR}{key}" if path else str(key))
        return found
    return {path: tree} if isinstance(tree, int | float) and not isinstance(tree, bool) else {}
