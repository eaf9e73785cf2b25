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
    points, inverse = np.unique(criteria, axis=0, return_inverse=True)
    alive = np.arange(len(points))
    at = 0
    while at < len(alive):  # after step `at`, nothing that survives is dominated by survivor `at`
        kept = np.any(points[alive] < points[alive[at]], axis=1)
        kept[at] = True
        at = int(kept[:at].sum()) + 1
        alive = alive[kept]
    on_front = np.zeros(len(points), dtype=np.bool_)
    on_front[alive] = True
    return on_front[inverse.reshape(-1)]


def order(criteria: Floats) -> np.ndarray:
    """Indices that sort rows by the first criterion, then the second, ...: ties fall the same way always."""
    return np.lexsort(criteria.T[::-1])
