"""Factored evaluation: what depends on few columns is worked out once for each of their combinations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from tokenworks.records import Designs, Ints

Terms = TypeVar("Terms", bound=tuple)  # type: ignore[type-arg]


def alike(designs: Designs, names: Sequence[str]) -> tuple[Ints, Ints]:
    """For the combinations of some columns that occur: a row of each, and which one every row has.

    The columns hold small counts (degrees of parallelism, choices), so places in a table do it without sorting.

    >>> d = Designs({"tp": np.array([8, 1, 8]), "pp": np.array([2, 2, 2])})
    >>> [x.tolist() for x in alike(d, ("tp", "pp"))]
    [[1, 0], [1, 0, 1]]
    """
    n = len(designs)
    code, size = np.zeros(n, np.int64), 1
    for name in names:
        column = designs[name]
        seen = np.zeros(int(column.max()) + 1 if n else 1, np.bool_)
        seen[column] = True
        place = np.cumsum(seen) - 1
        code = code * int(seen.sum()) + place[column]
        size *= int(seen.sum())
    first = np.full(size, -1, np.int64)
    first[code[::-1]] = np.arange(n - 1, -1, -1)
    there = first >= 0
    return first[there], (np.cumsum(there) - 1)[code]


def gather(terms: Terms, rows: int, inverse: Ints) -> Terms:
    """A tuple of columns over the combinations, spread over all rows."""
    return type(terms)(*(np.broadcast_to(np.asarray(t, np.float64), (rows,))[inverse] for t in terms))
