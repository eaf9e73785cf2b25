"""How sure the choice is: the search's best designs drawn again and again within error bars and price ranges.

One error factor for all designs of a chip, framework and kind of model together; a small one of its own for each
design; one for each price and rate. Draws are common: a lever has the same random numbers in every search.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tokenworks.records import Bools, Designs, Floats, Ints, Train
from tokenworks.search.choose import preference, ranked
from tokenworks.search.levers import NINETY, SPEED, Costed, Lever, Levers
from tokenworks.search.problem import State

DRAWS = 10_000
CONSIDERED = 150  # designs, the best ones first; the best of every system comes on top
CHUNK = 500  # draws at a time: what they need stays in the processor's cache


@dataclass(frozen=True)
class Chances:
    """rows: designs that were drawn, best first. share: of the draws in which each is the best that is allowed.
    none: share of draws in which no design is. totals: of every draw and design, USD. winner: the
    row that wins each draw, -1 where none is allowed. values: the winner's figures that were asked for (0 where there
    is none)."""

    rows: Ints
    share: Floats
    none: float
    totals: Floats
    winner: Ints
    values: Mapping[str, Floats]

    def quantiles(self, place: int) -> tuple[float, float, float]:
        """10, 50 and 90 % quantiles of the total of the design at a place of `rows`."""
        low, middle, high = np.quantile(self.totals[:, place], (0.1, 0.5, 0.9)).tolist()
        return low, middle, high


def normals(name: str, count: int) -> Floats:
    """Standard normal draws that belong to a name: always the same ones.

    >>> bool((normals("a", 3) == normals("a", 3)).all()), bool((normals("a", 3) == normals("b", 3)).any())
    (True, False)
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(count)


def factors(levers: tuple[Lever, ...], own: float, draws: int) -> Floats:
    """(draws, levers): each lever drawn within its range, log-normal with 80 % between low and high. A speed is
    centred in its interval, less the part (`own`, one standard deviation of the logarithm) that is each design's; a
    price keeps its present value as the median, with two half-widths."""
    drawn = np.ones((draws, len(levers)))
    for k, lever in enumerate(levers):
        if lever.low == lever.high:
            continue
        z = normals(lever.name, draws)
        low, high = np.log(lever.low), np.log(lever.high)
        if lever.kind == SPEED:
            width = np.sqrt(max(((high - low) / (2.0 * NINETY)) ** 2 - own**2, 0.0))
            drawn[:, k] = np.exp((low + high) / 2.0 + width * z)
        else:
            drawn[:, k] = np.exp(z / NINETY * np.where(z > 0.0, high, -low))
    return drawn


def chances(state: State, found: Levers, own: float, draws: int = DRAWS, figures: Sequence[str] = ()) -> Chances:
    """Draw the best designs of a state. own: standard deviation (of the logarithm) of a design's own error; it is
    drawn only where its speed has an interval at all. figures: those of the winners that are wanted."""
    rows = _considered(state, found.designs)
    some = _of(found, rows)
    all_factors = factors(found.levers, own, draws)
    known = np.array([lever.low < lever.high for lever in found.levers])[some.speed]
    place, totals = np.full(draws, -1, np.int64), np.empty((draws, len(rows)))
    values = {name: np.zeros(draws) for name in figures}
    names = [_name(state, some.designs, k) for k in range(len(rows))]
    each = np.stack([normals(name, draws) for name in names], axis=1) if len(rows) else np.empty((draws, 0))
    lawful = some.designs["standing"] == 0
    for at in range(0, draws if len(rows) else 0, CHUNK):
        here = slice(at, at + CHUNK)
        costed = Costed(state, some, all_factors[here], np.exp(own * each[here] * known))
        value = np.where(allowed(state, some.designs, costed), costed.wanted, np.inf)
        best = np.where(lawful, value, np.inf).argmin(axis=1)
        draw = np.arange(len(value))
        best = np.where(lawful[best] & np.isfinite(value[draw, best]), best, value.argmin(axis=1))
        there = np.isfinite(value[draw, best])
        place[here] = np.where(there, best, -1)
        for name, column in values.items():
            column[here] = np.where(there, np.broadcast_to(costed[name], value.shape)[draw, best], 0.0)
        totals[here] = costed.total
    won = place[place >= 0]
    share = np.bincount(won, minlength=len(rows)) / draws
    winner = np.where(place >= 0, rows[place], -1) if len(rows) else place
    return Chances(rows, share, 1.0 - len(won) / draws, totals, winner, values)


def _considered(state: State, d: Designs) -> Ints:
    """The best designs that may be offered, lawful ones first, and the best of every system."""
    order = ranked(d, preference(state))
    offered = order[np.isin(d["standing"][order], (0, 1)) & np.isfinite(d["total"][order])]
    offered = offered[np.argsort(d["standing"][offered], kind="stable")]
    _, first = np.unique(d["system"][offered], return_index=True)
    there = np.zeros(len(offered), np.bool_)
    there[:CONSIDERED] = True
    there[first] = True
    return np.asarray(offered[there], np.int64)


def _name(state: State, d: Designs, row: int) -> str:
    """What a design's own draws hang on: its system and split."""
    split = [f"{n}{int(d[n][row])}" for n in ("chips", "tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "recompute",
                                              "zero", "oversubscription", "precision") if n in d.columns]  # fmt: skip
    return f"design/{state.problem.offers[int(d['system'][row])].system.id}/" + "/".join(split)


def _of(found: Levers, rows: Ints) -> Levers:
    return Levers(
        found.levers, found.speed[rows], found.server[rows], found.rent[rows], found.designs.take(rows),
        {name: column[rows] for name, column in found.parts.items()},
    )  # fmt: skip


def allowed(state: State, designs: Designs, costed: Costed) -> Bools:
    """Which designs keep the deadline and the budgets under each setting; power does not move."""
    limits, job = state.problem.request.limits, state.problem.job
    keep = np.ones((len(costed.factors), len(designs)), np.bool_)
    if isinstance(job, Train) and job.within is not None:
        keep &= costed.time <= job.within
    if limits.budget is not None:
        keep &= np.where(designs["acquire"] == 0, costed.capital, costed.total) <= limits.budget
    if limits.budget_capital is not None:
        keep &= costed.capital <= limits.budget_capital
    if limits.budget_total is not None:
        keep &= costed.total <= limits.budget_total
    return keep
