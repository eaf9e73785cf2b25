"""A national build-out: a budget, a country and years -> factories, sites, power, chips, jobs and tokens by quarter."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from tokenworks import catalog
from tokenworks.errors import UnknownFact
from tokenworks.quote import facts as ground
from tokenworks.quote.design import design
from tokenworks.quote.porting import launched
from tokenworks.quote.story import problems, resolved
from tokenworks.records import Buyer, Limits, Request, Serve, Train, World
from tokenworks.search.problem import Problem, State
from tokenworks.search.run import search

SCHEMA = "tokenworks/buildout/1"
QUARTERS = 4  # a year
YEAR = 365.25 * 86400.0
QUARTER = YEAR / QUARTERS
FACTORY = 4096  # chips of the factory that is designed once and built many times
LAWFUL = (0, 1)  # places of lawful and licence in the search's standings


@dataclass(frozen=True, slots=True)
class Plan:
    """What a country asks: spend `budget` USD of capital evenly over `years` from the first world's date, to serve
    `model` (`input` and `output` tokens a request) or train it on `tokens`. chips: empty for any."""

    where: str
    budget: float
    years: int
    model: Any = "deepseek-r1"
    tokens: float = 15e12
    input: int = 2000
    output: int = 1000
    ttft_p99: float = 2.0
    tpot_p99: float = 0.1
    chips: tuple[str, ...] = ()
    buyer: Buyer = field(default_factory=Buyer)


@dataclass(frozen=True, slots=True)
class Unit:
    """The factory of a year, per chip: what it costs, draws, emits a second, and makes. `cap`: chips a quarter that
    the plan can get, None where nobody has published the vendor's supply."""

    chip: str
    capital: float  # USD
    power: float  # facility, W
    tokens: float  # served a second
    train: float | None  # seconds x chips of one training run; None where it cannot be trained
    running: float  # USD a second: energy and operation
    carbon: float  # kg a second
    cap: float | None
    shown: Mapping[str, Any]


def buildout(plan: Plan, worlds: Sequence[World]) -> Mapping[str, Any]:
    """The plan by quarters. worlds: one a year, at the year's first day; its factory is the one that serves a token
    most cheaply among those that may be had then. Raises UnknownFact where the catalog lacks the country's
    generation, or nothing may be had in the first year.

    The rule: each quarter as much opens as the money released so far, the power that the grid has added so far and
    the chips that the vendor delivers in the quarter allow, from the building time on; what is paid for opens.
    """
    first = worlds[0]
    place = first.sites[catalog.resolve(first, "sites", plan.where, "--where")]
    ratio = {k: float(v["value"]) for k, v in first.market["buildout"].items()}
    growth = _growth(place.facts, ratio, plan.where)
    units = [_unit(plan, world, ratio["supply_share"]) for world in worlds]
    quarters = _quarters(plan, units, growth, ratio, first.date)
    return {
        "schema": SCHEMA,
        "where": place.id,
        "from": first.date.isoformat(),
        "years": plan.years,
        "budget_usd": plan.budget,
        "scenarios": list(first.scenarios),
        "factories": [None if u is None else u.shown for u in units],
        "quarters": quarters,
        "total": _total(plan, quarters),
        "limits": {"power_w_a_quarter": growth, "chips_a_quarter": [None if u is None else u.cap for u in units]},
        "asked": {
            "tokens": plan.tokens,
            "input": plan.input,
            "output": plan.output,
            "ttft_p99": plan.ttft_p99,
            "tpot_p99": plan.tpot_p99,
        },
        "generation": ground.plain(place.facts["generation"]),
        "supply": {k: {**v, "chips": list(v["chips"])} for k, v in sorted(first.market.get("supply", {}).items())},
        "assumptions": [
            {"name": k, "low": None, "high": None, "note": "", **v} for k, v in sorted(first.market["buildout"].items())
        ],
    }


def _growth(facts: Mapping[str, Any], ratio: Mapping[str, float], where: str) -> float:
    """Facility power that the country's grid adds for data centres a quarter, W."""
    made = facts.get("generation")
    if made is None:
        raise UnknownFact(
            "'{value}' has no known generation: what its grid can add is unknown", field="--where", value=where
        )
    return ratio["power_growth_share"] * float(made.value) / YEAR


def _request(plan: Plan, world: World, chip: str | None) -> Request:
    job: Serve | Train
    if chip is None:
        job = Serve(plan.model, None, plan.input, plan.output, plan.ttft_p99, plan.tpot_p99)
    else:
        job = Train(plan.model, plan.tokens, within=100 * YEAR)
    limits = Limits(chips=plan.chips if chip is None else (chip,), chips_max=FACTORY)
    return Request((job,), plan.where, world.date, plan.buyer, limits, acquire="buy", horizon=5 * YEAR)


def _unit(plan: Plan, world: World, share: float) -> Unit | None:
    """The factory of a year; None where the law or the market leaves none."""
    present, _ = launched(world, plan.chips, "--chip")
    if plan.chips and not present:
        return None
    plan = replace(plan, chips=tuple(present))
    (problem,) = problems(resolved(_request(plan, world, None), world), world)
    state = search(problem).state
    row = _cheapest(state)
    if row is None:
        return None
    one = design(state, row)
    chips, cost = one["chips"], one["cost"]
    running = (cost["parts"]["energy_usd"] + cost["parts"]["operation_usd"]) / cost["horizon_s"] / chips
    capital, power = cost["capital_usd"] / chips, one["power_w"] / chips
    tokens = one["predicted"]["tokens_per_s"]["value"] / chips
    train, carbon = _run(plan, world, one["chip"], chips), one["carbon_kg"] / cost["horizon_s"] / chips
    return Unit(
        one["chip"],
        capital,
        power,
        tokens,
        train,
        running,
        carbon,
        _cap(world, one["chip"], share),
        {
            "date": world.date.isoformat(),
            **one,
            "capital_usd": cost["capital_usd"],
            "per_million_tokens_usd": cost["per_million_tokens_usd"],
            "per_chip": {
                "capital_usd": capital, "power_w": power, "tokens_per_s": tokens, "running_usd_per_s": running,
                "carbon_kg_per_s": carbon, "training_chip_seconds": train,
            },
            "facts": _facts(problem, one["system"]),
        },
    )  # fmt: skip


def _facts(problem: Problem, system: str) -> Mapping[str, Any]:
    """The facts that a year's factory rests on, as a quote carries them."""
    world, offer = problem.world, next(o for o in problem.offers if o.system.id == system)
    facts = {**ground.of_place(world, problem.request.where), **ground.of_acquired(world, offer)}
    return {key: ground.plain(facts[key]) for key in sorted(facts)}


def _cheapest(state: State) -> int | None:
    d = state.designs
    if not len(d):
        return None
    each = np.where(np.isin(d["standing"], LAWFUL), d["total"] / d["tokens_per_s"], np.nan)
    return int(np.nanargmin(each)) if np.isfinite(each).any() else None


def _run(plan: Plan, world: World, chip: str, chips: int) -> float | None:
    """Chip-seconds of one training run in the fastest design of so many of this chip."""
    (problem,) = problems(resolved(_request(plan, world, chip), world), world)
    d = search(replace(problem, fixed={"chips": chips})).state.designs
    if not len(d):
        return None
    return float(np.min(d["time"] * d["chips"]))


def _cap(world: World, chip: str, share: float) -> float | None:
    for row in world.market.get("supply", {}).values():
        if any(fnmatchcase(chip, pattern) for pattern in row.get("chips", ())):
            return float(row["value"]) * share
    return None


# ---------------------------------------------------------------------------------------------- quarters


def _quarters(
    plan: Plan, units: Sequence[Unit | None], growth: float, ratio: Mapping[str, float], start: dt.date
) -> list[Mapping[str, Any]]:
    """The plan quarter by quarter: what opens, and what stands since."""
    lag, count = math.ceil(ratio["construction_time"] / QUARTER), plan.years * QUARTERS
    chips, capital, power = [0] * len(units), 0.0, 0.0
    rows: list[dict[str, Any]] = []
    for q in range(count):
        unit = units[q // QUARTERS]
        left = {"budget": plan.budget * (q + 1) / count - capital, "power": growth * (q + 1) - power}
        more, binding = (0, "construction") if q < lag else opened(unit, left)
        if unit is not None:
            capital, power = capital + more * unit.capital, power + more * unit.power
        chips[q // QUARTERS] += more
        rows.append({
            "quarter": q + 1,
            "from": _day(start, q),
            "chip": None if unit is None else unit.chip,
            "opened": {"chips": more, "power_w": more * unit.power if unit else 0.0,
                       "capital_usd": more * unit.capital if unit else 0.0},
            "standing": _standing(units, chips, capital, power, ratio),
            "binding": binding,
        })  # fmt: skip
    return [{**r, "construction_jobs": _builders(rows, q, lag, ratio)} for q, r in enumerate(rows)]


def opened(unit: Unit | None, left: Mapping[str, float]) -> tuple[int, str]:
    """Chips that open in a quarter, and what limits them: the budget and power left, or what the vendor delivers."""
    if unit is None:
        return 0, "law"
    room: dict[str, float] = {"budget": left["budget"] / unit.capital, "power": left["power"] / unit.power}
    if unit.cap is not None:
        room["supply"] = unit.cap
    binding, least = min(room.items(), key=lambda item: item[1])
    return max(0, math.floor(least)), binding


def _standing(
    units: Sequence[Unit | None], chips: Sequence[int], capital: float, power: float, ratio: Mapping[str, float]
) -> Mapping[str, Any]:
    """Everything that stands at the end of a quarter and makes tokens in the next, or training runs instead."""
    known = [(n, u) for n, u in zip(chips, units, strict=True) if u is not None and n]
    return {
        "chips": sum(chips),
        "capital_usd": capital,
        "power_w": power,
        "sites": math.ceil(power / ratio["site_power"]),
        "factories": math.ceil(sum(chips) / FACTORY),
        "operation_jobs": round(power * ratio["operation_jobs_per_w"]),
        "tokens_a_quarter": sum(n * u.tokens for n, u in known) * QUARTER,
        "training_runs_a_quarter": sum(n / u.train for n, u in known if u.train) * QUARTER,
        "running_usd_a_quarter": sum(n * u.running for n, u in known) * QUARTER,
        "carbon_kg_a_quarter": sum(n * u.carbon for n, u in known) * QUARTER,
    }


def _builders(rows: Sequence[Mapping[str, Any]], q: int, lag: int, ratio: Mapping[str, float]) -> int:
    """People building in a quarter: in proportion to the power that opens within the building time from it on. What
    would open after the plan's last quarter is not in it, so the last quarters tail off."""
    under: float = sum(r["opened"]["power_w"] for r in rows[q : q + lag])
    return round(under * ratio["construction_jobs_per_w"])


def _day(start: dt.date, quarter: int) -> str:
    month = start.month - 1 + 3 * quarter
    return dt.date(start.year + month // 12, month % 12 + 1, 1).isoformat()


def _total(plan: Plan, quarters: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    last = quarters[-1]["standing"]
    return {
        "chips": last["chips"],
        "capital_usd": last["capital_usd"],
        "unspent_usd": plan.budget - last["capital_usd"],
        "power_w": last["power_w"],
        "sites": last["sites"],
        "tokens": sum(r["standing"]["tokens_a_quarter"] for r in quarters[:-1]),
        "training_runs": sum(r["standing"]["training_runs_a_quarter"] for r in quarters[:-1]),
        "tokens_a_year_then": last["tokens_a_quarter"] * QUARTERS,
        "training_runs_a_year_then": last["training_runs_a_quarter"] * QUARTERS,
        "construction_jobs_peak": max(r["construction_jobs"] for r in quarters),
        "operation_jobs": last["operation_jobs"],
        "usd_a_watt": last["capital_usd"] / last["power_w"] if last["power_w"] else None,
    }
