"""Many replicas of one model as columns of one: hardware and constants element by element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from tokenworks.perf.serving_constants import ServingConstants
from tokenworks.records import Hardware

_MEASURES = (
    "memory",
    "memory_bandwidth",
    "scaleup_domain",
    "scaleup_bandwidth",
    "scaleout_bandwidth",
    "oversubscription",
)


def hardware_columns(boxes: Sequence[Hardware]) -> Hardware:
    """One Hardware whose measures hold an element a box. All must have rates of the same precisions."""
    first = boxes[0]
    peak: dict[str, Any] = {p: np.array([b.peak[p] for b in boxes], dtype=float) for p in first.peak}
    own: dict[str, Any] = {n: np.array([getattr(b, n) for b in boxes], dtype=float) for n in _MEASURES}
    return replace(first, peak=peak, **own)


def constants_columns(constants: Sequence[ServingConstants]) -> ServingConstants:
    """Constants as columns, one element each."""
    names = [f.name for f in fields(ServingConstants)]
    return ServingConstants(**{n: np.array([getattr(c, n) for c in constants]) for n in names})


def gathered(constants: ServingConstants, rows: Any) -> ServingConstants:
    """The constants of the given places of a column."""
    return ServingConstants(**{f.name: getattr(constants, f.name)[rows] for f in fields(ServingConstants)})
