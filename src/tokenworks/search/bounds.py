"""Bounds: what cannot be better than a design that stays is cut before everything is computed for it.

Each bound is admissible: it never cuts a design that is alone on the front. `--exhaustive` switches all of them
off, and tests/properties/test_search.py holds both ways against each other on random requests. The bounds on the
cluster size stand in search/training.py, before the splits are made.
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

KEY = (("precision", 2), ("chips", 20), ("tp", 6), ("pp", 6), ("vpp", 4), ("cp", 5), ("ep", 8), ("micro_batch", 3),
       ("zero", 3))  # fmt: skip  # column and bits: together a row but for recomputation


def least_recompute(state: State) -> State:
    """Of designs that fit and differ only in recomputation keep the least: work done twice never makes a step
    shorter, and the bill is the same, so what goes is beaten or equalled in every criterion by what stays."""
    d = state.designs
    if state.exhaustive or not len(d):
        return state
    key = np.zeros(len(d), np.int64)
    for name, bits in KEY:
        key = (key << bits) + d[name]
    order = np.lexsort((d["recompute"], key))
    first = np.ones(len(d), dtype=np.bool_)
    first[order[1:]] = key[order][1:] != key[order][:-1]
    return _cut(state, first, RECOMPUTES)


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
