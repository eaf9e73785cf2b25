"""Error bars: residuals of unseen runs -> the 80 % interval of each evidence class, and whether it holds.

Weights: a group with many like runs, and a chip or framework with many groups, count less than in proportion.
Intervals are quantiles of log(measured / predicted) with the finite-sample step of split conformal prediction (Vovk et
al. 2005; Lei et al. 2018, eq. 2.2): the rank (n + 1) q instead of n q. Where the chip or the software was not seen
the interval is symmetric, the quantile of the absolute logarithm: to which side a new one errs is not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import exp
from typing import NamedTuple

import numpy as np

from tokenworks.perf.evidence import NO_SOFTWARE, UNSEEN, bar, chain
from tokenworks.records import Floats
from tokenworks.validate.study import Residual

COVERED = 0.80  # share of unseen measurements that an interval is to contain (DESIGN.md, honest numbers)
LEAST = 30  # groups that a class must have to speak for itself


class Held(NamedTuple):
    """How an interval held on unseen runs: share of the group-weighted runs inside, its binomial 95 %
    interval (Wilson 1927), groups and runs."""

    share: float
    low: float
    high: float
    groups: int
    runs: int


def known(found: Iterable[Residual], metric: str) -> list[Residual]:
    """The residuals of one metric that have a prediction."""
    return [r for r in found if r.metric == metric and r.ratio is not None]


def weights(found: Sequence[Residual]) -> Floats:
    """Of each group the square root of its configurations, shared among them and among the runs of each; and the
    groups of what was left out together (a chip, a framework, a fold) share the square root of their number. So a
    configuration published many times counts once, a long sweep more than one run but not in proportion, and no chip
    with many groups speaks for all. The weights add up to the number of groups."""
    runs: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for r in found:
        runs[r.split, r.left, r.group, r.configuration] += 1
    sizes: dict[tuple[str, str, str], int] = defaultdict(int)
    for split, left, group, _ in runs:
        sizes[split, left, group] += 1
    whole: dict[tuple[str, str], float] = defaultdict(float)
    for (split, left, _), size in sizes.items():
        whole[split, left] += size**0.5
    weight = np.array([
        1.0
        / runs[r.split, r.left, r.group, r.configuration]
        / (sizes[r.split, r.left, r.group] * whole[r.split, r.left]) ** 0.5
        for r in found
    ])  # fmt: skip
    every = len({r.group for r in found})
    return weight * (every / weight.sum()) if len(weight) else weight


def quantile(values: Floats, weight: Floats, q: float) -> float:
    """The weighted quantile of values at q, at the conformal rank: q (n + 1) / n towards the tail.

    >>> quantile(np.arange(9.0), np.ones(9), 0.9)
    8.0
    """
    n = float(weight.sum())
    tail = min((max(q, 1.0 - q)) * (n + 1.0) / n, 1.0)
    order = np.argsort(values if q >= 0.5 else -values, kind="stable")
    share = np.cumsum(weight[order]) / n
    return float(values[order][min(int(np.searchsorted(share, tail - 1e-12)), len(values) - 1)])


def classes(found: Sequence[Residual], least: float = LEAST) -> Mapping[str, Mapping[str, float | int]]:
    """Class name -> {runs, groups, low, high} for every chain of labels with at least `least` groups.

    low, high: factors on the predicted value.
    """
    members: dict[tuple[str, ...], list[Residual]] = defaultdict(list)
    for r in found:
        for length in range(1, len(r.labels) + 1):
            members[r.labels[:length]].append(r)
    made: dict[str, Mapping[str, float | int]] = {}
    for labels, inside in sorted(members.items()):
        groups = len({r.group for r in inside})
        if groups < least and len(labels) > 1:
            continue
        ratio, weight = np.array([r.ratio for r in inside], dtype=float), weights(inside)
        low, high = _ends(ratio, weight, {UNSEEN, NO_SOFTWARE}.isdisjoint(labels))
        made[chain(labels)] = {
            "runs": len(inside),
            "groups": groups,
            "low": round(exp(low), 4),
            "high": round(exp(high), 4),
        }
    return made


def _ends(ratio: Floats, weight: Floats, known: bool) -> tuple[float, float]:
    """The ends of an interval, logarithms; symmetric where the chip or the software is not known."""
    if not known:
        wide = quantile(np.abs(ratio), weight, COVERED)
        return -wide, wide
    edge = (1.0 - COVERED) / 2.0
    return quantile(ratio, weight, edge), quantile(ratio, weight, 1.0 - edge)


def cross_checked(found: Sequence[Residual], parts: int = 5) -> Mapping[str, Held]:
    """Whether the intervals hold: each part of the groups is judged by intervals made from the others. A class speaks
    for itself there where it would with all groups (its least number shrinks with them): else the runs of a small
    class would be judged by the wider class that they are not answered by.

    Returns "all" and every class that judged something -> how it held.
    """
    place = {g: i % parts for i, g in enumerate(sorted({r.group for r in found}))}
    inside: dict[str, list[tuple[bool, float, str]]] = defaultdict(list)
    for k in range(parts):
        made = classes([r for r in found if place[r.group] != k], LEAST * (parts - 1) / parts)
        held = [r for r in found if place[r.group] == k]
        for r, weight in zip(held, weights(held), strict=True):
            judge = bar(made, r.labels)
            if judge is None or r.ratio is None:
                continue
            ok = judge.low <= exp(r.ratio) <= judge.high
            for name in ("all", judge.name):
                inside[name].append((ok, float(weight), r.group))
    return {name: _held(rows) for name, rows in sorted(inside.items())}


def _held(rows: Sequence[tuple[bool, float, str]]) -> Held:
    n = sum(w for _, w, _ in rows)
    share = sum(w for ok, w, _ in rows if ok) / n
    low, high = wilson(share, n)
    return Held(share, low, high, len({g for _, _, g in rows}), len(rows))


def wilson(share: float, n: float, z: float = 1.96) -> tuple[float, float]:
    """The 95 % score interval of a share of n trials (Wilson 1927).

    >>> [round(x, 3) for x in wilson(0.8, 30)]
    [0.627, 0.905]
    """
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * ((share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5)
    return middle - half, middle + half
