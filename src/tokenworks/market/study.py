"""Two worlds of the same demand side by side: vendors, countries, who goes without, and the price of the difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tokenworks import scenario
from tokenworks.market.allocate import Board, Solver, board
from tokenworks.market.bids import bids
from tokenworks.market.demand import BuyerGroup, Demand
from tokenworks.market.lots import Lots, drawn, middle
from tokenworks.market.published import compared
from tokenworks.market.sales import KINDS, columns, per_job, sales, sold_of
from tokenworks.quote import facts as ground
from tokenworks.records import Floats, World
from tokenworks.scenario import Scenario

SCHEMA = "tokenworks/market/1"
DRAWS = 10_000
TENTH, NINETIETH = 0.1, 0.9
PER_VENDOR = ("revenue_usd", "chips")  # and per chip
PER_COUNTRY = ("spend_usd", "chips", "tpp", "training_flops")
TOTALS = ("jobs", "spend_usd", "time_s")
RULE = "serve the most demand, each job weighing its cheapest offer; then at the least total cost"

Name = tuple[str, str, str]  # vendor | country | unmet | total, whose, what
Worlds = Callable[[BuyerGroup], World]
Say = Callable[[str], None]


def compare(
    demand: Demand, worlds: Worlds, chains: tuple[Sequence[Scenario], Sequence[Scenario]], progress: Say,
    draws: int = DRAWS,
) -> Mapping[str, Any]:  # fmt: skip
    """Let every buyer buy in the world of the scenarios chains[0] (a) and in that of chains[1] (b).

    worlds: the actual world on a buyer's day. Every figure is {a, b, low, high}: `low` and `high` are the 80 % interval
    of b - a over `draws` draws of prices, speeds, supplies and shares of licences granted, the same draws for both.
    """
    boards = [_board(demand, worlds, chain, label, progress) for chain, label in zip(chains, ("a", "b"), strict=True)]
    names = _names(boards)
    figures = _figures(boards, names, draws, progress)
    sold = [sales(at, middle(boards)) for at in boards]
    silent = {b.chip for at in boards for b, pool in zip(at.bids, at.pool, strict=True) if pool < 0}
    return {
        "schema": SCHEMA,
        "title": demand.title,
        "title_zh": demand.title_zh,
        "source": demand.source,
        "assumed": demand.assumed,
        "rule": RULE,
        "demand": [_asked(b) for b in demand.buyers],
        "a": _side(boards[0], chains[0], sold[0]),
        "b": _side(boards[1], chains[1], sold[1]),
        "draws": draws,
        "vendors": _grouped(figures, "vendor"),
        "chips": _grouped(figures, "chip"),
        "countries": _grouped(figures, "country"),
        "unmet": _grouped(figures, "unmet"),
        "price_of_rule": {what: v for (kind, _, what), v in figures.items() if kind == "total"},
        "per_job": {b.name: _per_job(b.name, sold) for b in demand.buyers},
        "supply_unknown": sorted(silent),
        "published": compared(boards[0].market.get("published", {}), figures, demand, boards[0].market["supply"]),
    }


def _per_job(buyer: str, sold: Sequence[Sequence[Mapping[str, Any]]]) -> Mapping[str, Any]:
    """What the rule makes of a job's cost and time, for those that are done in either world."""
    a, b = (per_job(lines, buyer) for lines in sold)
    return {what: {"a": a[what], "b": b[what]} for what in a}


def _asked(group: BuyerGroup) -> Mapping[str, Any]:
    """What one group of buyers asks."""
    request = group.request
    return {
        "name": group.name,
        "name_zh": group.name_zh,
        "copies": group.copies,
        "where": request.where,
        "when": request.when.isoformat(),
        "jobs": [type(job).__name__.lower() for job in request.jobs],
        "request": request.source,
    }


def _side(at: Board, chain: Sequence[Scenario], sold: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A world: its scenarios, who finds no offer, who buys what from whom, and the parameters behind it."""
    prices = {b.chip: {"chip": b.chip, "vendor": b.vendor, **ground.plain(b.priced)} for b in at.bids if b.priced}
    return {
        "scenarios": [s.name for s in chain],
        "without_offers": _empty(at),
        "sales": sold,
        "prices": [prices[key] for key in sorted(prices)],
        "supply": _rows(at.market["supply"], "group"),
        "licences": _rows(at.market["licences"], "policy"),
        "buying": _rows(at.market["buying"], "name"),
    }


def _rows(section: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [{name: key, **row} for key, row in sorted(section.items())]


def _board(demand: Demand, worlds: Worlds, chain: Sequence[Scenario], label: str, progress: Say) -> Board:
    offers = []
    market: Mapping[str, Any] = {}
    for i, group in enumerate(demand.buyers):
        world = worlds(group)
        for each in chain:
            world = scenario.apply(world, each)
        market = world.market
        offers.append(bids(group.request, world))
        progress(f"{label}: {i + 1}/{len(demand.buyers)} {group.name}")
    return board(demand.buyers, offers, market)


def _empty(at: Board) -> list[str]:
    """Buyers to whom nothing may be sold, or nothing does the job."""
    return [g.name for i, g in enumerate(at.buyers) if i not in at.buyer]


# ------------------------------------------------------------------------------------------ figures


def _names(boards: Sequence[Board]) -> list[Name]:
    """What the figures are, in order."""
    vendors = sorted({b.vendor for at in boards for b in at.bids})
    chips = sorted({b.chip for at in boards for b in at.bids})
    countries = sorted({b.request.where for b in boards[0].buyers})
    found: list[Name] = [("vendor", v, n) for v in vendors for n in PER_VENDOR]
    found += [("chip", c, n) for c in chips for n in PER_VENDOR]
    found += [("country", c, n) for c in countries for n in PER_COUNTRY]
    found += [("unmet", b.name, "jobs") for b in boards[0].buyers]
    return [*found, *(("total", "", n) for n in TOTALS)]


def _weights(at: Board, names: Sequence[Name]) -> tuple[Floats, Floats]:
    """Rows that turn what each offer sells into the figures, shape (figures, kinds x offers), and what to add."""
    n = len(at.bids)
    weights, constant = np.zeros((len(names), len(KINDS), n)), np.zeros(len(names))
    vendor = np.array([b.vendor for b in at.bids])
    chip = np.array([b.chip for b in at.bids])
    country = np.array([at.buyers[i].request.where for i in at.buyer])
    buyer = np.array([at.buyers[i].name for i in at.buyer])
    for row, (kind, whose, what) in enumerate(names):
        columns = {"vendor": vendor, "chip": chip, "country": country, "unmet": buyer}
        mine = columns[kind] == whose if kind in columns else True
        weights[row, KINDS.index(what)] = np.where(mine, 1.0, 0.0) if n else 0.0
        if kind == "unmet":
            weights[row] *= -1.0
            constant[row] = next(b.copies for b in at.buyers if b.name == whose)
    return weights.reshape(len(names), -1), constant


def _outcomes(at: Board, names: Sequence[Name], lots: Lots, progress: Say) -> Floats:
    """The figures of every draw, shape (draws, figures)."""
    solver, (weights, constant) = Solver(at), _weights(at, names)
    prices, speeds = lots.of(at)
    column = columns(at)
    weight = np.minimum(1.0, column["revenue"] / column["total"])
    found = np.zeros((len(lots), len(names)))
    for i in range(len(lots)):
        cost = speeds[i] * (weight * prices[i] + 1.0 - weight)
        jobs = solver.shares(cost, lots.granted_to(at, i), lots.supply_of(at, i)) * solver.copies
        found[i] = weights @ np.concatenate(sold_of(column, jobs, cost, (prices[i], speeds[i]))) + constant
        if (i + 1) % 2000 == 0:
            progress(f"{i + 1}/{len(lots)}")
    return found


def _figures(boards: Sequence[Board], names: list[Name], draws: int, progress: Say) -> Mapping[Name, Any]:
    points = [_outcomes(at, names, middle(boards), progress)[0] for at in boards]
    one, other = (_outcomes(at, names, drawn(boards, draws), progress) for at in boards)
    low, high = np.quantile(other - one, (TENTH, NINETIETH), axis=0)
    found = {
        name: {"a": float(points[0][k]), "b": float(points[1][k]), "low": float(low[k]), "high": float(high[k])}
        for k, name in enumerate(names)
    }
    return {**found, ("total", "", "revenue_moved_usd"): _moved(points, (one, other), names)}


def _moved(points: Sequence[Floats], spread: tuple[Floats, Floats], names: Sequence[Name]) -> Mapping[str, float]:
    """Half of what the vendors' revenues differ by in all: what has gone from one to another, or has gone."""
    rows = np.array([k for k, (kind, _, what) in enumerate(names) if kind == "vendor" and what == "revenue_usd"], int)
    each = np.abs(spread[1][:, rows] - spread[0][:, rows]).sum(axis=1) / 2.0
    low, high = np.quantile(each, (TENTH, NINETIETH))
    now = float(np.abs(points[1][rows] - points[0][rows]).sum() / 2.0)
    return {"a": 0.0, "b": now, "low": float(low), "high": float(high)}


def _grouped(figures: Mapping[Name, Any], kind: str) -> Mapping[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for (group, name, what), value in figures.items():
        if group == kind:
            found.setdefault(name, {})[what] = value
    return found
