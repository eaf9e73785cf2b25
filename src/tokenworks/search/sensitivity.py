"""What would change the winner: for each price, rate and speed the nearest value at which another design is best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from tokenworks.records import Bools, Floats, Train
from tokenworks.search.levers import Costed, Lever, Levers
from tokenworks.search.problem import State

SMALLEST, LARGEST = 0.05, 20.0  # factors on the present value that are looked at


class Turn(NamedTuple):
    """A lever's factor at which the winner changes, and the row that wins beyond it (None: nothing is left, or
    what is left is not among the designs compared)."""

    lever: Lever
    factor: float
    row: int | None


def turns(state: State, found: Levers, winner: int) -> list[Turn]:
    """The nearest change on either side of every lever, the nearest of all first. `winner`: a row of the designs.

    Costs are affine in each lever alone, so two settings give every design's line, and lines cross where they
    cross. Compared with designs of the winner's legal standing.
    """
    d = found.designs
    same = (d["standing"] == d["standing"][winner]) & np.isfinite(d["total"])
    settings = np.ones((1 + len(found.levers), len(found.levers)))  # as they are, then each lever doubled
    settings[1:][np.diag_indices(len(found.levers))] = 2.0
    costed = Costed(state, found, settings)
    turned: list[Turn] = []
    for k, lever in enumerate(found.levers):
        lines = tuple(partial(_under, costed, setting) for setting in (0, 1 + k))
        now, doubled = (line("total") for line in lines)
        if np.allclose(now, doubled, rtol=1e-12, equal_nan=True) and lever.kind != "rate":
            continue
        at, slope = _line(*(line("wanted") for line in lines))
        room = _room(state, d["acquire"] == 0, lines)
        turned += _of_lever(lever, (at, slope), room, same, winner)
    return sorted(turned, key=lambda t: (abs(np.log(t.factor)), t.lever.name))


def _under(costed: Costed, setting: int, name: str) -> Floats:
    """A figure of every design under one setting."""
    figure = costed[name]
    row: Floats = figure[setting if len(figure) > 1 else 0]
    return row


def _line(one: Floats, two: Floats) -> tuple[Floats, Floats]:
    """Value at factor 0 and slope, from the values at factors 1 and 2."""
    slope = two - one
    return one - slope, slope


def _room(state: State, bought: Bools, lines: Sequence[Callable[[str], Floats]]) -> tuple[Floats, Floats]:
    """Factors between which each design keeps the deadline and the budgets."""
    limits, job = state.problem.request.limits, state.problem.job
    low, high = np.zeros(len(bought)), np.full(len(bought), np.inf)
    within = job.within if isinstance(job, Train) else None
    for name, limit, some in (
        ("time", within, np.ones(len(bought), np.bool_)),
        ("capital", limits.budget, bought),
        ("total", limits.budget, ~bought),
        ("capital", limits.budget_capital, bought),
        ("total", limits.budget_total, np.ones(len(bought), np.bool_)),
    ):
        if limit is None:
            continue
        at, slope = _line(*(line(name) for line in lines))
        with np.errstate(divide="ignore", invalid="ignore"):
            edge = (limit - at) / slope
        high = np.where(some & (slope > 0.0), np.minimum(high, edge), high)
        low = np.where(some & (slope < 0.0), np.maximum(low, edge), low)
    return low, high


def _of_lever(
    lever: Lever, line: tuple[Floats, Floats], room: tuple[Floats, Floats], same: Bools, winner: int
) -> list[Turn]:
    """The first change above and below the present value."""
    at, slope = line
    low, high = room
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = (at - at[winner]) / (slope[winner] - slope)
    rival = same & np.isfinite(cross)
    rival[winner] = False
    turned = []
    for sign, end, edge in ((1.0, LARGEST, float(high[winner])), (-1.0, SMALLEST, float(low[winner]))):
        beyond = rival & (sign * (cross - 1.0) > 1e-9) & (cross >= low) & (cross <= high)
        # beyond the crossing the rival must be the better one
        beyond &= sign * (slope - slope[winner]) < 0.0
        first = float(cross[beyond].min() if sign > 0 else cross[beyond].max()) if beyond.any() else np.nan
        if np.isfinite(edge) and edge > 0.0 and (np.isnan(first) or sign * (edge - first) < 0.0):
            at_edge = np.where(same & (low <= edge) & (edge * (1 + 1e-9) <= high), at + slope * edge, np.inf)
            at_edge[winner] = np.inf
            first, row = edge, int(at_edge.argmin()) if np.isfinite(at_edge.min()) else None
        elif np.isnan(first):
            continue
        else:
            here = np.flatnonzero(beyond & (cross == first))
            row = int(here[np.argmin(sign * slope[here])])
        if SMALLEST <= first <= LARGEST and sign * (end - first) >= 0.0:
            turned.append(Turn(lever, first, row))
    return turned
