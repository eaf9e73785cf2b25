"""The exact Pareto front: who is not beaten on every count at once."""

from __future__ import annotations

import numpy as np

from tokenworks.records import Bools, Floats


def pareto(criteria: Floats) -> Bools:
    """Mark the rows of `criteria` (n, k; smaller is better, finite) that no other row dominates.

    A row dominates another when it is nowhere larger and somewhere smaller; equal rows all stay. Exact and
    independent of the order of rows.

    >>> pareto(np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0], [2.0, 2.0]])).tolist()
    [True, True, False, True]
    """
    on_front = np.zeros(len(criteria), dtype=np.bool_)
    if not len(criteria):
        return on_front
    low = criteria.min(axis=0)
    span = criteria.max(axis=0) - low
    score = ((criteria - low) / np.where(span > 0.0, span, 1.0)).sum(axis=1)
    left = np.argsort(score, kind="stable")
    while len(left):  # a row with the least sum is dominated by none that is left, nor by any that was taken
        first = criteria[left[0]]
        points = criteria[left]
        equal = np.all(points == first, axis=1)
        better = np.any(points < first, axis=1)
        # Rounding of the sums may put a row before one that dominates it: then it is that one's turn.
        above = better & np.all(points <= first, axis=1)
        if above.any():
            left = left[np.argsort(~above, kind="stable")]
            continue
        on_front[left[equal]] = True
        left = left[better]
    return on_front


def order(criteria: Floats) -> np.ndarray:
    """Indices that sort rows by the first criterion, then the second, ...: ties fall the same way always."""
    return np.lexsort(criteria.T[::-1])
