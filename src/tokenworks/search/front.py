"""The exact Pareto front: who is not beaten on every count at once."""

from __future__ import annotations

import numpy as np

from tokenworks.records import Bools, Floats, Ints

_STRONG = 12  # rows that are held against all others first
_BLOCK = 128  # rows that are held against the front at a time


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
    columns = np.ascontiguousarray(criteria.T)
    left = _left_by_strong(columns)
    order = np.lexsort(columns[::-1, left])  # a row that dominates another now stands before it
    points = columns[:, left[order]]
    new = np.ones(len(order), np.bool_)
    new[1:] = np.any(points[:, 1:] != points[:, :-1], axis=0)
    on_front[left[order]] = _undominated(points[:, new])[np.cumsum(new) - 1]
    return on_front


def _left_by_strong(columns: Floats) -> Ints:
    """Rows that none of a few strong ones dominates, those of the least sums of scaled criteria: most that goes goes
    by these. columns: (k, n)."""
    above = columns - columns.min(axis=1, keepdims=True)
    above /= np.maximum(above.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    mean = above.mean(axis=1, keepdims=True)
    score = (above / np.where(mean > 0.0, mean, 1.0)).sum(axis=0)
    left = np.arange(columns.shape[1])
    for _ in range(min(_STRONG, len(left))):
        strong = int(np.argmin(score))
        if score[strong] == np.inf:
            break  # each that is left was tried
        own = columns[:, [strong]]
        stays = np.any(columns < own, axis=0) | np.all(columns == own, axis=0)
        score[strong] = np.inf
        left, columns, score = left[stays], columns[:, stays], score[stays]
    return left


def _undominated(points: Floats) -> Bools:
    """The front of distinct rows that are sorted by the first criterion, then the second, ...: only one that stands
    before it dominates a row, and that it is no larger in the first is known. points: (k, n)."""
    kept = np.zeros(points.shape[1], np.bool_)
    rest = points[1:] if len(points) > 1 else points
    edge = rest[:, :0]
    for at in range(0, len(kept), _BLOCK):
        rows, own = np.arange(at, min(at + _BLOCK, len(kept))), rest[:, at : at + _BLOCK]
        free = ~_nowhere_larger(edge, own).any(axis=0)
        rows, own = rows[free], own[:, free]
        free = ~np.triu(_nowhere_larger(own, own), 1).any(axis=0)
        kept[rows[free]] = True
        edge = np.concatenate([edge, own[:, free]], axis=1)
    return kept


def _nowhere_larger(a: Floats, b: Floats) -> Bools:
    """Whether row i of `a` is nowhere larger than row j of `b`: (i, j), of (k, i) and (k, j)."""
    found: Bools = a[0][:, None] <= b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        found &= x[:, None] <= y
    return found


def order(criteria: Floats) -> np.ndarray:
    """Indices that sort rows by the first criterion, then the second, ...: ties fall the same way always."""
    return np.lexsort(criteria.T[::-1])
