"""Who gets what under scarce supply: a linear programme, solved by HiGHS.

Rule: serve as much of the demand as supply and licences allow, each job weighing what its cheapest offer costs; among
the ways to do that, the cheapest in all. A share of a group of equal buyers may take one chip and the rest another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import highspy
import numpy as np

from tokenworks.errors import Defect
from tokenworks.market.bids import Bid
from tokenworks.market.demand import BuyerGroup
from tokenworks.records import Floats, Ints

REWARD = 1_000.0  # times the cheapest offer: a job served beats any saving


@dataclass(frozen=True)
class Board:
    """All offers of all buyers as columns: the buyer of each, and which supply (group, quarter) it draws on (-1: none
    known). supplies, licences: (value, low, high) by name."""

    buyers: tuple[BuyerGroup, ...]
    bids: tuple[Bid, ...]
    buyer: Ints
    pools: tuple[tuple[str, str], ...]  # supply group, quarter
    pool: Ints
    supplies: Mapping[str, tuple[float, float, float]]  # chips a quarter
    licences: Mapping[str, tuple[float, float, float]]  # share granted, by review policy
    market: Mapping[str, Any]  # the world's market parameters, with their sources


def board(buyers: Sequence[BuyerGroup], offers: Sequence[Sequence[Bid]], market: Mapping[str, Any]) -> Board:
    """Lay the offers of every buyer side by side, under a world's supplies and shares of licences. What costs more
    than buyers are willing to pay (a multiple of their cheapest offer) is left out."""
    supply = market["supply"]
    most = float(market["buying"]["willingness"]["value"])
    offers = [[b for b in row if b.total <= most * min(o.total for o in row)] for row in offers]
    bids = tuple(b for row in offers for b in row)
    buyer = np.array([i for i, row in enumerate(offers) for _ in row], np.int64)
    keys = [_pool(b.chip, buyers[i].quarter, supply) for b, i in zip(bids, buyer, strict=True)]
    pools = tuple(sorted({k for k in keys if k is not None}))
    pool = np.array([-1 if k is None else pools.index(k) for k in keys], np.int64)
    supplies, licences = ({k: _range(row) for k, row in market[n].items()} for n in ("supply", "licences"))
    return Board(tuple(buyers), bids, buyer, pools, pool, supplies, licences, market)


def _range(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Value, low and high."""
    value = float(row["value"])
    return value, float(row.get("low", value)), float(row.get("high", value))


def _pool(chip: str, quarter: str, supply: Mapping[str, Any]) -> tuple[str, str] | None:
    for group, row in supply.items():
        if any(fnmatchcase(chip, pattern) for pattern in row["chips"]):
            return group, quarter
    return None


class _Quiet(highspy.Highs):
    """HiGHS that keeps its banner off the answer: registering callbacks prints it before it can be silenced."""

    def enableCallbacks(self) -> None:  # noqa: N802
        """None are used."""


class Solver:
    """The programme of one board, solved again and again for changed costs, licences and supplies."""

    def __init__(self, at: Board) -> None:
        self.board = at
        self.copies = np.array([b.copies for b in at.buyers])[at.buyer] if len(at.bids) else np.zeros(0)
        self.chips = np.array([b.chips for b in at.bids])
        self.total = np.array([b.total for b in at.bids])
        self.solver: Any = _Quiet()  # type: ignore[no-untyped-call]
        self.solver.silent()
        for option, value in (("presolve", "off"), ("solver", "simplex"), ("parallel", "off")):
            self.solver.setOptionValue(option, value)  # small, and solved again from the last basis
        self.columns = np.arange(len(at.bids), dtype=np.int32)
        self._rows()

    def _rows(self) -> None:
        """One row a buyer (shares add up to at most one), one a pool (chips at most the supply)."""
        at, n = self.board, len(self.board.bids)
        zero, one = np.zeros(n), np.ones(n)
        none = np.zeros(0, np.int32)
        self.solver.addCols(n, zero, zero, one, 0, none, none, np.zeros(0))
        for i in range(len(at.buyers)):
            mine = np.flatnonzero(at.buyer == i).astype(np.int32)
            if len(mine):
                self.solver.addRow(-highspy.kHighsInf, 1.0, len(mine), mine, np.ones(len(mine)))
        self.first_pool = self.solver.getNumRow()
        self.size: list[float] = []  # chips that a pool's rows are counted in, so that all coefficients are near one
        for k in range(len(at.pools)):
            mine = np.flatnonzero(at.pool == k).astype(np.int32)
            used = self.copies[mine] * self.chips[mine]
            self.size.append(float(np.max(used)))
            self.solver.addRow(-highspy.kHighsInf, highspy.kHighsInf, len(mine), mine, used / self.size[-1])

    def _solve(self) -> None:
        """From the last basis; where rounding leaves that astray, from none, then with presolve. Raises Defect where
        none of them finds the optimum, which a programme without lower bounds on shares always has."""
        for presolve in ("off", "off", "on"):
            self.solver.setOptionValue("presolve", presolve)
            self.solver.run()
            status = self.solver.getModelStatus()
            if status == highspy.HighsModelStatus.kOptimal:
                self.solver.setOptionValue("presolve", "off")
                return
            self.solver.clearSolver()
        raise Defect("the market's programme has no optimum: {status}", status=str(status))

    def shares(self, cost: Floats, granted: Floats, supply: Floats) -> Floats:
        """The share of each buyer group that takes each offer. cost: factor on an offer's total; granted: upper bound
        of each share; supply: chips of each pool. Raises Defect where the solver finds no optimum."""
        if not len(self.columns):
            return np.zeros(0)
        total = self.total * cost
        cheapest = np.full(len(self.board.buyers), np.inf)
        np.minimum.at(cheapest, self.board.buyer, total)
        worth = self.copies * (total - REWARD * cheapest[self.board.buyer])
        scale = float(np.max(np.abs(worth)))
        self.solver.changeColsCost(len(self.columns), self.columns, worth / scale)
        self.solver.changeColsBounds(len(self.columns), self.columns, np.zeros(len(self.columns)), granted)
        for k, chips in enumerate(supply):
            self.solver.changeRowBounds(self.first_pool + k, -highspy.kHighsInf, float(chips) / self.size[k])
        self._solve()
        found: Floats = np.clip(np.array(self.solver.getSolution().col_value, np.float64), 0.0, 1.0)
        return found
