"""The 80 % interval of a design's figures: what its evidence class has earned, carried to what follows from it.

Training and serving share these functions. A rate r has the interval (r low, r high) of its class; a time that goes
as 1/r, and money, energy and carbon that go as that time, have its inverse (`Bar.inverted`). What a design costs per
second is known far better than how fast it is, so nothing is added for it; prices have ranges of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokenworks.perf import evidence
from tokenworks.perf.evidence import Bar
from tokenworks.records import World


def bar_of(world: World, study: str, metric: str, labels: Sequence[str]) -> Bar | None:
    """The interval that runs like these have earned (calibration/bars.yaml); None where no residuals exist.

    study: training | serving. metric: as `predict` names it. labels: the evidence class, most telling first.
    """
    return evidence.bar(world.calibration["bars"].get(study, {}).get(metric, {}), labels)


def estimate(
    value: Any, found: Bar | None = None, *, floor: Any = None, ceiling: Any = None
) -> Mapping[str, float | Mapping[str, float | None] | None]:
    """A predicted figure: {value, low, high, limits}. found: its interval; without one low and high are null.
    limits stand apart from the interval.

    >>> found = estimate(10.0, Bar("a class", 40, 30, 0.5, 1.5), ceiling=40.0)
    >>> found["low"], found["high"]
    (5.0, 15.0)
    """
    known = _plain(value)
    low, high = (None, None) if known is None else evidence.interval(known, found)
    return {
        "value": known,
        "low": low,
        "high": high,
        "limits": {"floor": _plain(floor), "ceiling": _plain(ceiling)},
    }


def _plain(x: Any) -> float | None:
    return None if x is None or not np.isfinite(x) else float(x)


def derived(figures: Mapping[str, Any], found: Bar | None) -> Mapping[str, Mapping[str, float]]:
    """The intervals of figures that are plain numbers in the quote: pointer within the design -> {low, high}.
    Empty without an interval; a figure that is null is left out.

    >>> derived({"/energy_j": 4.0, "/cost/total_usd": None}, Bar("a class", 40, 30, 0.5, 2.0))
    {'/energy_j': {'low': 2.0, 'high': 8.0}}
    """
    if found is None:
        return {}
    return {
        pointer: {"low": value * found.low, "high": value * found.high}
        for pointer, value in figures.items()
        if value is not None
    }


def shown(found: Bar | None, labels: Sequence[str]) -> Mapping[str, Any]:
    """`bars` of a design: the evidence class used and what stands behind it."""
    if found is None:
        return {"class": evidence.chain(labels), "runs": 0, "groups": 0}
    return {"class": found.name, "runs": found.runs, "groups": found.groups}
