"""Predictions against measurements: coverage, median, 90th percentile and bias per chip, framework, class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Score:
    """Errors of one set of runs: n measured, covered (share predicted), median and p90 of |predicted /
    measured - 1|, bias (median of predicted / measured - 1)."""

    n: int
    covered: float
    median: float
    p90: float
    bias: float


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


def score_pairs(pairs: Sequence[tuple[float | None, float]]) -> Score:
    """Score (predicted or None, measured) pairs.

    >>> score_pairs([(1.1, 1.0), (None, 1.0)]).covered
    0.5
    """
    ratios = np.array([p / m for p, m in pairs if p is not None], dtype=float)
    if not len(ratios):
        return Score(len(pairs), 0.0, float("nan"), float("nan"), float("nan"))
    error = np.abs(ratios - 1.0)
    return Score(
        n=len(pairs),
        covered=len(ratios) / len(pairs),
        median=float(np.median(error)),
        p90=float(np.quantile(error, 0.9)),
        bias=float(np.median(ratios) - 1.0),
    )


def score(
    records: Iterable[Mapping[str, Any]],
    predictions: Iterable[Mapping[str, Any]],
    metric: str,
    measured: Callable[[Mapping[str, Any]], float | None],
    keys: Mapping[str, Callable[[Mapping[str, Any]], str]],
) -> Mapping[str, Mapping[str, Score]]:
    """Score one metric over all records and by each key (name -> function of a record).

    Returns {"all": {"all": Score}, key: {value: Score}}; records without a measurement are left out.
    """
    groups: dict[str, dict[str, list[tuple[float | None, float]]]] = {"all": {"all": []}}
    for record, prediction in zip(records, predictions, strict=True):
        truth = measured(record)
        if truth is None:
            continue
        found = (prediction.get("metrics") or {}).get(metric)
        pair = (None if found is None else float(found["value"]), truth)
        groups["all"]["all"].append(pair)
        for key, function in keys.items():
            groups.setdefault(key, {}).setdefault(function(record), []).append(pair)
    return {key: {v: score_pairs(p) for v, p in sorted(of.items())} for key, of in groups.items()}


def training_class(record: Mapping[str, Any]) -> str:
    """dense | moe | hybrid."""
    kind = str((record.get("model") or {}).get("type") or "dense")
    return "hybrid" if "mamba" in kind else kind


TRAINING_KEYS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "chip": lambda r: str((r.get("hardware") or {}).get("chip")),
    "framework": lambda r: str(r.get("framework") or "not named").split(" 2")[0],
    "class": training_class,
    "precision": lambda r: str(r.get("precision")),
}
