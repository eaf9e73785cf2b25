"""How far predictions are from measurements: coverage, median, 90th percentile, bias, and the interval's share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import exp
from typing import Any

import numpy as np

from tokenworks.perf.evidence import Bar, bar
from tokenworks.validate.study import Record, Residual


@dataclass(frozen=True)
class Score:
    """Errors of one set of runs. n: measured; groups: of like runs; covered: share predicted; median, p90: of
    |predicted / measured - 1|; bias: median of predicted / measured - 1; inside: share of those with an
    interval that it contains (None: no intervals)."""

    n: int
    groups: int
    covered: float
    median: float
    p90: float
    bias: float
    inside: float | None = None


def measured_rate(record: Mapping[str, Any]) -> float | None:
    """Tokens per second per chip of a training record, from its step time where only that is published."""
    measured = record.get("measured") or {}
    derived = record.get("derived") or {}
    rate = measured.get("tokens_per_s_per_chip") or derived.get("tokens_per_s_per_chip")
    if rate:
        return float(rate)
    tokens, chips = record.get("global_batch_tokens"), (record.get("hardware") or {}).get("n_chips")
    seconds = measured.get("step_time_s")
    return float(tokens) / seconds / chips if tokens and chips and seconds else None


def measured_memory(record: Mapping[str, Any]) -> float | None:
    """Peak memory in bytes of a training record, in whichever unit it is published."""
    measured = record.get("measured") or {}
    for name, unit in (("peak_memory_gb", 1e9), ("peak_memory_gib", 2.0**30), ("peak_memory_mb", 2.0**20)):
        if measured.get(name):
            return float(measured[name]) * unit
    share = measured.get("peak_memory_fraction")
    return float(share) * float(record["hardware"]["hbm_gb"]) * 1e9 if share else None


def score(found: Sequence[Residual], classes: Mapping[str, Any] | None = None, *, each_group: bool = False) -> Score:
    """Score residuals of one metric.

    classes: intervals by evidence class, judged where given. each_group: the median and 90th percentile are
    over groups, each standing with its median error, so that a much-repeated configuration counts once.
    """
    known = [r for r in found if r.ratio is not None]
    error = np.array([abs(exp(-r.ratio) - 1.0) for r in known if r.ratio is not None])
    if not len(error):
        nan = float("nan")
        return Score(len(found), len({r.group for r in found}), 0.0, nan, nan, nan)
    shown = error
    if each_group:
        by_group: dict[str, list[float]] = defaultdict(list)
        for r, e in zip(known, error, strict=True):
            by_group[r.group].append(float(e))
        shown = np.array([np.median(e) for e in by_group.values()])
    return Score(
        n=len(found),
        groups=len({r.group for r in found}),
        covered=len(known) / len(found),
        median=float(np.median(shown)),
        p90=float(np.quantile(shown, 0.9)),
        bias=float(np.median([exp(-r.ratio) - 1.0 for r in known if r.ratio is not None])),
        inside=_inside(known, classes) if classes else None,
    )


def _inside(known: Iterable[Residual], classes: Mapping[str, Any]) -> float | None:
    judged = [(r, judge) for r in known if (judge := bar(classes, r.labels)) is not None]
    return float(np.mean([_holds(r, judge) for r, judge in judged])) if judged else None


def _holds(residual: Residual, judge: Bar) -> bool:
    return residual.ratio is not None and judge.low <= exp(residual.ratio) <= judge.high


def by(
    found: Sequence[Residual],
    key: Callable[[Residual], str],
    classes: Mapping[str, Any] | None = None,
    *,
    each_group: bool = False,
) -> Mapping[str, Score]:
    """Scores by a key of the residuals, in the order of the keys."""
    ordered = sorted(found, key=key)
    return {k: score(list(rows), classes, each_group=each_group) for k, rows in groupby(ordered, key)}


def training_class(record: Record) -> str:
    """dense | moe | hybrid."""
    kind = str((record.get("model") or {}).get("type") or "dense")
    return "hybrid" if "mamba" in kind else kind


def size_class(chips: float) -> str:
    """A job's size by its chips.

    >>> size_class(8), size_class(4096)
    ('up to 8 chips', 'above 1024 chips')
    """
    bounds = (8, 64, 256, 1024)
    return next((f"up to {b} chips" for b in bounds if chips <= b), f"above {bounds[-1]} chips")


def noise_floor(
    records: Iterable[Record], truth: Callable[[Record], float | None], configuration: Callable[[Record], str]
) -> tuple[int, float, float] | None:
    """The spread of runs of one configuration (published again, other software releases): (configurations,
    median, 90th percentile) of the error that their own mean leaves, weighted by run. None without repeats.

    No model that is blind to the release can be better.
    """
    same: dict[str, list[float]] = defaultdict(list)
    for record in records:
        value = truth(record)
        if value:
            same[configuration(record)].append(float(np.log(value)))
    repeated = [v for v in same.values() if len(v) > 1]
    if not repeated:
        return None
    left = np.concatenate([np.abs(np.expm1(np.array(v) - np.mean(v))) for v in repeated])
    return len(repeated), float(np.median(left)), float(np.quantile(left, 0.9))
