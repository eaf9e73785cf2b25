"""Step times as a small table, so that a simulation need not call a performance model millions of times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.simulate import structures
from tokenworks.simulate.columns import Steps

_PER_OCTAVE = 4  # grid points per doubling


@dataclass(frozen=True)
class StepTable:
    """Seconds of a step: base(batch, prompt tokens), bilinear between grid points, plus a slope per cached
    token that depends on the batch (decode steps are linear in the context they read)."""

    batches: tuple[float, ...]
    prompts: tuple[float, ...]
    base: tuple[tuple[float, ...], ...]
    slope: tuple[float, ...]

    def __call__(self, batch: int, context: float, prompt: int) -> float:
        """Seconds of one step."""
        return float(structures.step_time(stacked([self]), 0, batch, context, prompt))


def stacked(tables: Sequence[StepTable]) -> Steps:
    """The tables of several pools as the scheduler reads them, one above the other, padded to one size."""
    sizes = np.array([(len(t.batches), len(t.prompts)) for t in tables], np.int64)
    rows, columns = sizes.max(axis=0)
    n = len(tables)
    found = Steps(sizes, np.zeros((n, rows)), np.zeros((n, columns)), np.zeros((n, rows, columns)), np.zeros((n, rows)))
    for k, table in enumerate(tables):
        i, j = sizes[k]
        found.batches[k, :i], found.prompts[k, :j] = table.batches, table.prompts
        found.base[k, :i, :j], found.slope[k, :i] = table.base, table.slope
    return found


def tabulate(function: Callable[[Any, Any, Any], Any], batch_max: int, chunk: int, context: float) -> StepTable:
    """Sample `function(batch, context tokens in all, prompt tokens)`, which takes arrays, on a grid.

    `context` is the mean number of cached tokens of a sequence: the slope is taken from half to twice of it.
    Raises BadRequest for sizes below one.
    """
    if batch_max < 1 or chunk < 1 or context < 1:
        raise BadRequest("expected a batch, a chunk and a context of at least 1", field="table")
    batches, prompts = _grid(batch_max), _grid(chunk)
    rows, columns = np.meshgrid(batches, prompts, indexing="ij")
    low, high = 0.5 * context * rows, 2.0 * context * rows
    near = np.asarray(function(rows, low, columns), dtype=float)
    far = np.asarray(function(rows[:, :1], high[:, :1], columns[:, :1]), dtype=float)
    gap = np.maximum((high - low)[:, :1], 1.0)
    slope = np.where(rows[:, :1] > 0, (far - near[:, :1]) / gap, 0.0)
    base = near - slope * low
    return StepTable(
        tuple(batches.tolist()), tuple(prompts.tolist()), tuple(tuple(r) for r in base.tolist()),
        tuple(slope[:, 0].tolist()),
    )  # fmt: skip


def _grid(most: int) -> Any:
    count = max(int(np.ceil(np.log2(max(most, 2)) * _PER_OCTAVE)) + 1, 2)
    return np.unique(np.concatenate([[0.0], np.round(np.geomspace(1.0, max(most, 2), count))]))
