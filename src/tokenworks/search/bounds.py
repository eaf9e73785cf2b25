"""Bounds: what cannot be better than a design that stays is cut before everything is computed for it.

Each bound is admissible: it never cuts a design that is alone on the front. `--exhaustive` switches all of them
off, and tests/properties/test_search.py holds both ways against each other on random requests. Those on
the cluster size, on recomputation and on the layers' time stand in search/training.py, where what they rest on is
worked out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenworks.records import Bools, Ints
from tokenworks.search.problem import State
from tokenworks.search.shared import distinct_rows

NEAR = 1.08  # a design this much slower than the best of its kind may be the best one within its own error
RECOMPUTES = "computes more again than it needs to fit"
SLOWER = "slower than another design of the same bill"


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


def _cut(state: State, rows: Bools | Ints, reason: str) -> State:
    gone = len(state.designs) - int(np.count_nonzero(rows))
    return replace(state.bound(reason, gone), designs=state.designs.take(rows)) if gone else state
