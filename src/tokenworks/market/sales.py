"""Who buys what from whom: the allocation of one draw as lines, and what each offer sells as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokenworks.market.allocate import Board, Solver
from tokenworks.market.lots import Lots
from tokenworks.records import Floats

KINDS = ("revenue_usd", "chips", "spend_usd", "tpp", "training_flops", "jobs", "time_s")
COLUMNS = ("chips", "total", "revenue", "time", "compute", "flops")
LEAST = 1e-9  # jobs: what the solver leaves below it is nothing


def columns(at: Board) -> Mapping[str, Floats]:
    """What one job takes of each offer, shape (offers,) each; a chip without a known price earns nothing known."""
    found = {n: np.array([getattr(b, n) for b in at.bids], np.float64) for n in COLUMNS}
    return {**found, "revenue": np.nan_to_num(found["revenue"])}


def sold_of(
    column: Mapping[str, Floats], jobs: Floats, cost: Floats, factors: tuple[Floats, Floats]
) -> tuple[Floats, ...]:
    """What `jobs` of each offer come to, in the order of KINDS. cost: factor on the total; factors: on price, time."""
    price, speed = factors
    return (
        jobs * column["revenue"] * price, jobs * column["chips"], jobs * column["total"] * cost,
        jobs * column["compute"], jobs * column["flops"] / speed, jobs, jobs * column["time"] * speed,
    )  # fmt: skip


def per_job(sold: Sequence[Mapping[str, Any]], buyer: str) -> Mapping[str, float | None]:
    """What a job of a group of buyers costs and takes on average, of those that are done; None where none is.

    >>> per_job([{"buyer": "x", "jobs": 2.0, "spend_usd": 10.0, "time_s": 6.0}], "x")
    {'cost_usd': 5.0, 'time_s': 3.0}
    """
    mine = [s for s in sold if s["buyer"] == buyer]
    jobs = sum(s["jobs"] for s in mine)
    if not jobs:
        return {"cost_usd": None, "time_s": None}
    return {"cost_usd": sum(s["spend_usd"] for s in mine) / jobs, "time_s": sum(s["time_s"] for s in mine) / jobs}


def sales(at: Board, lots: Lots) -> list[Mapping[str, Any]]:
    """A line for every offer that is taken in the first draw (the middle one: everything at its stated value)."""
    if not len(at.bids):
        return []
    one, solver = np.ones(len(at.bids)), Solver(at)
    granted = lots.granted_to(at, 0)
    jobs = solver.shares(one, granted, lots.supply_of(at, 0)) * solver.copies
    sold = dict(zip(KINDS, sold_of(columns(at), jobs, one, (one, one)), strict=True))
    found: list[Mapping[str, Any]] = []
    for k in np.flatnonzero(jobs > LEAST):
        bid, buyer, pool = at.bids[k], at.buyers[int(at.buyer[k])], int(at.pool[k])
        found.append({
            "buyer": buyer.name,
            "country": buyer.request.where,
            "chip": bid.chip,
            "vendor": bid.vendor,
            "design": bid.design,
            **{name: float(values[k]) for name, values in sold.items()},
            "policy": bid.policy,
            "granted": float(granted[k]),
            "supply": None if pool < 0 else at.pools[pool][0],
            "each": {"chips": bid.chips, "total_usd": bid.total, "time_s": bid.time,
                     "chip_price_usd": None if bid.priced is None else float(bid.priced.value)},
        })  # fmt: skip
    return found
