"""The last passes: money and time side by side, the exact front, and which designs a quote shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenworks.records import Designs, Floats, Ints, Serve, Train
from tokenworks.search.bounds import NEAR
from tokenworks.search.front import order, pareto
from tokenworks.search.problem import State
from tokenworks.search.shared import distinct_rows

CRITERIA = {"cost": "total", "time": "time", "energy": "energy", "carbon": "carbon"}
LATENCIES = ("ttft_p99", "tpot_p99")  # of a served load; criteria beside the four, never the preferred one
MOST = "most"  # asked for the most that the limits allow: tokens per second, and more is better
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
    "zero",
    "oversubscription",
    "system",
    "precision",
    "acquire",
    "draft",
    "pool_replicas",
    "replicas",
    "pool_tp",
    "pool_pp",
    "pool_dp",
    "pool_ep",
    "ttft_p99",
    "tpot_p99",
)


def criteria(designs: Designs, prefer: str) -> Floats:
    """The criteria as columns, the preferred one first; shape (designs, 4), or 6 with the latencies of a served
    load."""
    names = [c for k, c in CRITERIA.items() if k != prefer] + [c for c in LATENCIES if c in designs.columns]
    columns = [_wanted(designs, prefer), *(designs[n].astype(np.float64) for n in names)]
    return np.stack(columns, axis=1)


def _wanted(designs: Designs, prefer: str) -> Floats:
    """The preferred criterion, smaller is better."""
    if prefer == MOST:
        return np.asarray(-designs["tokens_per_s"], np.float64)
    return designs[CRITERIA[prefer]].astype(np.float64)


def ranked(designs: Designs, prefer: str) -> Ints:
    """Rows from best to worst on the preferred criterion; unpriced designs last, ties by TIES."""
    ties = [designs[n].astype(np.float64) for n in TIES if n in designs.columns]
    keys = [np.nan_to_num(k, nan=np.inf) for k in (_wanted(designs, prefer), *ties)]
    return order(np.stack(keys, axis=1))


def best_of_each(designs: Designs, prefer: str, by: str) -> Ints:
    """The best row of every distinct value of the column `by`, best first."""
    rows = ranked(designs, prefer)
    _, first = np.unique(designs[by][rows], return_index=True)
    return rows[np.sort(first)]


def front(designs: Designs, prefer: str) -> Ints:
    """Rows of the exact Pareto front over cost, time, energy and carbon (and the 99th percentiles of TTFT and TPOT of
    a served load), best first.

    A design without a known total is never on it: it cannot be compared on cost.
    """
    priced = np.flatnonzero(np.isfinite(designs["total"]))
    if not len(priced):
        return priced
    points = criteria(designs.take(priced), prefer)
    chosen = priced[pareto(points)]
    rows = ranked(designs.take(chosen), prefer)
    return np.asarray(chosen[rows], np.int64)


def preference(state: State) -> str:
    """What the request prefers; the most tokens per second where the job asks for what the limits allow, the
    shortest time where a training job does."""
    job = state.problem.job
    if isinstance(job, Serve) and job.requests_per_second is None:
        return MOST
    if isinstance(job, Train) and job.within is None:
        return "time"
    return state.problem.request.prefer


def contenders(state: State) -> State:
    """Keep of each system, legal standing and way of acquiring the exact front over all criteria, and what is so
    near to the best that its own error could make it the best. What goes is beaten by a design that stays."""
    d = state.designs
    if not len(d):
        return state
    prefer = preference(state)
    points = np.nan_to_num(criteria(d, prefer), nan=0.0)
    keys, inverse = distinct_rows(d["system"], d["standing"], d["acquire"], np.isnan(d["total"]).astype(np.int64))
    kept = np.zeros(len(d), np.bool_)
    for k in range(len(keys)):
        rows = np.flatnonzero(inverse == k)
        best = points[rows, 0].min()
        near = points[rows, 0] <= best + (NEAR - 1.0) * abs(best)
        kept[rows] = pareto(points[rows]) | (near & np.isfinite(_wanted(d, prefer)[rows]))
    return replace(state, designs=d.take(kept), beaten=state.beaten + int(len(d) - np.count_nonzero(kept)))


def distinct(state: State) -> State:
    """Keep, of designs equal in everything a buyer sees, the first: same offer, size, money, time, energy. The others
    are counted with those that are beaten."""
    d = state.designs
    if not len(d):
        return state
    names = ("system", "chips", "acquire", "total", "time", "energy", *LATENCIES)
    seen = np.stack([d[n].astype(np.float64) for n in names if n in d.columns], axis=1)
    rows = ranked(d, preference(state))
    _, first = np.unique(np.nan_to_num(seen[rows], nan=-1.0), axis=0, return_index=True)
    return replace(state, designs=d.take(rows[np.sort(first)]), beaten=state.beaten + len(d) - len(first))
