"""The last passes: money and time side by side, the exact front, and which designs a quote shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenworks.records import Designs, Floats, Ints
from tokenworks.search.front import order, pareto
from tokenworks.search.problem import State

CRITERIA = {"cost": "total", "time": "time", "energy": "energy", "carbon": "carbon"}
# What breaks a tie, in this order, so that the same question always has the same answer.
TIES = (
    "total",
    "time",
    "energy",
    "chips",
    "tp",
    "pp",
    "vpp",
    "cp",
    "ep",
    "dp",
    "micro_batch",
    "recompute",
    "system",
)


def criteria(designs: Designs, prefer: str) -> Floats:
    """The criteria as columns, the preferred one first; shape (designs, 4)."""
    names = [CRITERIA[prefer], *(c for k, c in CRITERIA.items() if k != prefer)]
    return np.stack([designs[n].astype(np.float64) for n in names if n in designs.columns], axis=1)


def ranked(designs: Designs, prefer: str) -> Ints:
    """Rows from best to worst on the preferred criterion; unpriced designs last, ties by TIES."""
    names = [CRITERIA[prefer], *TIES]
    keys = [np.nan_to_num(designs[n].astype(np.float64), nan=np.inf) for n in names if n in designs.columns]
    return order(np.stack(keys, axis=1))


def best_of_each(designs: Designs, prefer: str, by: str) -> Ints:
    """The best row of every distinct value of the column `by`, best first."""
    rows = ranked(designs, prefer)
    _, first = np.unique(designs[by][rows], return_index=True)
    return rows[np.sort(first)]


def front(designs: Designs, prefer: str) -> Ints:
    """Rows of the exact Pareto front over cost, time, energy and carbon, best first.

    A design without a known total is never on it: it cannot be compared on cost.
    """
    priced = np.flatnonzero(np.isfinite(designs["total"]))
    if not len(priced):
        return priced
    points = criteria(designs.take(priced), prefer)
    chosen = priced[pareto(points)]
    rows = ranked(designs.take(chosen), prefer)
    return np.asarray(chosen[rows], np.int64)


def distinct(state: State) -> State:
    """Keep, of designs equal in everything a buyer sees, the first: same offer, size, money, time, energy."""
    d = state.designs
    if not len(d):
        return state
    seen = np.stack([d[n].astype(np.float64) for n in ("system", "chips", "total", "time", "energy")], axis=1)
    rows = ranked(d, state.problem.request.prefer)
    _, first = np.unique(np.nan_to_num(seen[rows], nan=-1.0), axis=0, return_index=True)
    return replace(state, designs=d.take(rows[np.sort(first)]))
