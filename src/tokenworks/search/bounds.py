"""Bounds: what cannot be better than a design that stays is cut before everything is computed for it.

Each bound is admissible: it never cuts a design that is alone on the front. `--exhaustive` switches all of them
off, and tests/properties/test_search.py holds both ways against each other on random requests. Those on
the cluster size, on recomputation and on the layers' time stand in search/training.py, where what they rest on is
worked out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenworks.records import Bools, Ints, Serve
from tokenworks.search.front import pareto
from tokenworks.search.problem import State
from tokenworks.search.shared import distinct_rows

NEAR = 1.08  # a design this much slower than the best of its kind may be the best one within its own error
RECOMPUTES = "computes more again than it needs to fit"
SLOWER = "slower than another design of the same bill"
MORE = "more chips of the same system than a design that answers as soon"


def fastest(state: State) -> State:
    """Of designs with the same bill (system, chips, network) keep the fastest and those near it: capital and
    power are equal, and energy, carbon, rent and every part of the cost grow with the time."""
    d = state.designs
    if state.exhaustive or not len(d):
        return state
    keys, inverse = distinct_rows(d["system"], d["chips"], d["oversubscription"])
    least = np.full(len(keys), np.inf)
    np.minimum.at(least, inverse, d["time"])
    return _cut(state, d["time"] <= NEAR * least[inverse], SLOWER)


def fewest(state: State) -> State:
    """Serving: of the designs of a system keep those that none beats in chips and in both latencies (and in tokens
    per second, where the most is asked for), and one of each size near the least. Servers, network, energy and the
    building grow with the chips, time is the horizon for all, and no rule lets more of a chip through than less
    (tests/properties/test_serving_search.py holds network and law to that)."""
    d = state.designs
    if state.exhaustive or not len(d):
        return state
    assert isinstance(state.problem.job, Serve)  # a contract between passes
    columns = ["chips", "ttft_p99", "tpot_p99"]
    points = np.stack([d[c].astype(np.float64) for c in columns], axis=1)
    if state.problem.job.requests_per_second is None:
        points = np.concatenate([points, -d["tokens_per_s"][:, None]], axis=1)
    kept = np.zeros(len(d), np.bool_)
    for system in np.unique(d["system"]):
        rows = np.flatnonzero(d["system"] == system)
        kept[rows] = pareto(points[rows])
        near = rows[d["chips"][rows] <= NEAR * d["chips"][rows].min()]
        order = near[np.lexsort((d["ttft_p99"][near], d["chips"][near]))]
        kept[order[np.unique(d["chips"][order], return_index=True)[1]]] = True
    return _cut(state, kept, MORE)


def _cut(state: State, rows: Bools | Ints, reason: str) -> State:
    gone = len(state.designs) - int(np.count_nonzero(rows))
    return replace(state.bound(reason, gone), designs=state.designs.take(rows)) if gone else state
