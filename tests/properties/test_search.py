"""What holds for every search: bounds change nothing, looser limits never hurt, money scales, better chips win."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenworks import catalog
from tokenworks.catalog import Catalog
from tokenworks.quote import quote, read_request
from tokenworks.quote.story import architecture, problems, resolved
from tokenworks.records import Chip, Fact, World
from tokenworks.search import Found, search
from tokenworks.search.choose import CRITERIA, front, preference, ranked
from tokenworks.search.front import pareto
from tokenworks.search.shared import COSTS, LIMITS, UNRENTED, UNSOLD
from tokenworks.search.space import BATCH_TOLERANCE, TrainingShape, counts, nearest_batch, training

CHIPS = ("h100", "h200", "a100", "h800", "h20", "ascend-910b", "ascend-910c", "mi300x", "gb200", "b200", "tpu-v5p")
MODELS = ("llama-3.1-8b", "qwen2.5-72b", "qwen3-30b-a3b", "deepseek-v3")
QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "derandomize": True}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A training request over few chips, so that even the exhaustive search of it is short."""
    job: dict[str, Any] = {
        "model": draw(st.sampled_from(MODELS)),
        "tokens": draw(st.sampled_from([1e9, 1e10, 1e11])),
        "sequence": draw(st.sampled_from([4096, 32768])),
    }
    if draw(st.booleans()):
        job["within"] = draw(st.sampled_from(["2 days", "20 days", "200 days"]))
    limits: dict[str, Any] = {
        "chips": draw(st.lists(st.sampled_from(CHIPS), min_size=1, max_size=2, unique=True)),
        "chips_max": draw(st.sampled_from([16, 48, 128, 384])),
    }
    if draw(st.booleans()):
        limits["power"] = draw(st.sampled_from([3e4, 3e5, 3e6]))
    if draw(st.booleans()):
        limits["budget"] = draw(st.sampled_from([1e6, 1e7, 1e8]))
    return {
        "make": {"train": job},
        "where": draw(st.sampled_from(["US", "JP", "AE", "CN", "TW"])),
        "when": draw(st.sampled_from(["2023-06-01", "2024-06-01", "2025-06-01", "2026-03-01"])),
        "limits": limits,
        "prefer": draw(st.sampled_from(["cost", "time", "energy", "carbon"])),
        "acquire": draw(st.sampled_from(["buy", "rent", "either"])),
    }


def world_of(asked: Mapping[str, Any], facts: Catalog) -> World:
    """The world on the day of a request, with chips that are not launched yet: the law asks, not the shop."""
    read = read_request(asked)
    late = catalog.world(facts, dt.date(2026, 6, 1))
    return replace(late, date=read.when, prices=catalog.world(facts, read.when).prices | dict(late.prices))


def searched(asked: Mapping[str, Any], world: World, exhaustive: bool = False) -> Found:
    (problem,) = problems(resolved(read_request(asked), world), world)
    return search(problem, exhaustive)


def best(found: Found) -> float:
    """The best value of what the request prefers among priced designs that may be offered; inf without any."""
    d = found.state.designs
    if not len(d):
        return np.inf
    column = {"most": "total"}.get(preference(found.state), CRITERIA.get(preference(found.state), "total"))
    offered = np.isin(d["standing"], (0, 1)) & np.isfinite(d["total"])
    return float(d[column][offered].min()) if offered.any() else np.inf


def points(found: Found) -> list[tuple[float, ...]]:
    d = found.state.designs
    if not len(d):
        return []
    rows = front(d, preference(found.state))
    names = ("total", "time", "energy", "carbon")
    return sorted({tuple(float(f"{d[n][r]:.12g}") for n in names) for r in rows})


# ------------------------------------------------------------------------------------- bounds are admissible


def _same(asked: Mapping[str, Any], facts: Catalog) -> bool:
    world = world_of(asked, facts)
    bounded, everything = searched(asked, world), searched(asked, world, exhaustive=True)
    assert points(bounded) == points(everything)
    assert best(bounded) == pytest.approx(best(everything), rel=1e-12)
    a, b = bounded.state, everything.state
    assert a.spanned == b.spanned
    assert not b.bounded
    assert a.scored <= b.scored
    # counted to the last design, also where limits cut: each is scored once, or is no design
    assert b.scored == b.spanned - sum(n for reason, n in b.cut.items() if reason not in LIMITS)
    late = sum(b.cut.get(reason, 0) for reason in (UNSOLD, UNRENTED, COSTS))
    ways = 2 if asked["acquire"] == "either" else 1
    alive = b.spanned - (sum(b.cut.values()) - late)
    assert ways * alive == late + b.beaten + len(b.designs)
    return bool(points(everything))


@pytest.mark.parametrize("examples", [25, pytest.param(400, marks=pytest.mark.long)])
def test_bounds_change_nothing(facts: Catalog, examples: int) -> None:
    answered: list[bool] = []

    @given(requests())
    @settings(max_examples=examples, **QUIET)
    def check(asked: dict[str, Any]) -> None:
        answered.append(_same(asked, facts))

    check()
    assert sum(answered) > len(answered) / 4  # the others have nothing feasible, both ways


# --------------------------------------------------------------------------------------------- monotone


@given(requests(), st.sampled_from(["power", "budget", "chips_max", "within"]))
@settings(max_examples=40, **QUIET)
def test_looser_limits_never_hurt(facts: Catalog, asked: dict[str, Any], limit: str) -> None:
    looser = {**asked, "limits": dict(asked["limits"]), "make": {"train": dict(asked["make"]["train"])}}
    if limit == "within":
        if "within" not in looser["make"]["train"]:
            return
        looser["make"]["train"]["within"] = "400 days"
    elif limit in looser["limits"]:
        looser["limits"][limit] *= 2.7 if limit != "chips_max" else 3
    world = world_of(asked, facts)
    assert best(searched(looser, world)) <= best(searched(asked, world)) * (1 + 1e-12)


def scaled(world: World, by: float) -> World:
    """Every price and rate in USD times `by`."""

    def dearer(fact: Fact) -> Fact:
        return replace(fact, value=fact.value * by)

    def place(facts: Mapping[str, Fact]) -> Mapping[str, Fact]:
        return {k: dearer(f) if k in ("electricity_price", "building_cost") else f for k, f in facts.items()}

    return replace(
        world,
        prices={k: dearer(f) for k, f in world.prices.items()},
        constants=place(world.constants),
        sites={k: replace(s, facts=place(s.facts)) for k, s in world.sites.items()},
    )


@given(requests(), st.sampled_from([0.25, 3.0]))
@settings(max_examples=20, **QUIET)
def test_scaling_all_prices_and_the_budget_scales_the_cost(facts: Catalog, asked: dict[str, Any], by: float) -> None:
    asked = {**asked, "prefer": "cost"}
    dear = {**asked, "limits": dict(asked["limits"])}
    if "budget" in dear["limits"]:
        dear["limits"]["budget"] *= by
    world = world_of(asked, facts)
    before, after = searched(asked, world), searched(dear, scaled(world, by))
    if "within" in asked["make"]["train"]:
        assert best(after) == pytest.approx(by * best(before), rel=1e-9)
    assert len(points(before)) == len(points(after))


def better(world: World, fact: str, by: float) -> World:
    """Every chip with one fact times `by`, at the price and with the verdict it had (the law reads other facts)."""

    def chip(c: Chip) -> Chip:
        if fact not in c.facts:
            return c
        return replace(c, facts={**c.facts, fact: replace(c.facts[fact], value=c.facts[fact].value * by)})

    return replace(world, chips={k: chip(c) for k, c in world.chips.items()})


@given(requests(), st.sampled_from(["memory", "scaleup_bandwidth"]))
@settings(max_examples=25, **QUIET)
def test_a_better_chip_at_its_price_and_verdict_never_hurts(facts: Catalog, asked: dict[str, Any], fact: str) -> None:
    asked = {**asked, "where": "US", "buyer": {"headquarters": "US"}}  # no verdict hangs on the chip at home
    world = world_of(asked, facts)
    assert best(searched(asked, better(world, fact, 1.5))) <= best(searched(asked, world)) * (1 + 1e-9)


@given(requests())
@settings(max_examples=20, **QUIET)
def test_a_cheaper_chip_never_hurts(facts: Catalog, asked: dict[str, Any]) -> None:
    asked = {**asked, "prefer": "cost"}
    world = world_of(asked, facts)
    cheap = replace(world, prices={k: replace(f, value=0.8 * f.value) for k, f in world.prices.items()})
    if "within" in asked["make"]["train"]:
        assert best(searched(asked, cheap)) <= best(searched(asked, world)) * (1 + 1e-12)


def test_the_faster_link_loses_where_the_law_forbids_it(facts: Catalog) -> None:
    """The counter-example: in China in mid 2023 the H100's faster link is what bars it; the H800 is sold."""
    asked = {
        "make": {"train": {"model": "llama-3.1-8b", "tokens": 1e12, "within": "60 days"}},
        "where": "CN",
        "when": "2023-06-01",
        "limits": {"chips": ["h100", "h800"]},
        "acquire": "buy",
    }
    world = world_of(asked, facts)
    content = quote(read_request(asked), world).content
    assert {d["chip"] for d in content["designs"]} == {"nvidia-h800-sxm"}
    assert "nvidia-h100-sxm" in {b["chip"] for b in content["barred"]}
    faster, slower = world.chips["nvidia-h100-sxm"], world.chips["nvidia-h800-sxm"]
    assert faster.get("scaleup_bandwidth") > slower.get("scaleup_bandwidth")
    at_home = quote(read_request({**asked, "where": "US"}), world).content
    assert next(d for d in at_home["designs"] if d["id"] == at_home["best"]["train"])["chip"] == "nvidia-h100-sxm"


# ------------------------------------------------------------------------------------------- space, front


@given(
    st.sampled_from(MODELS),
    st.sampled_from([8, 16, 24, 32, 48, 64, 96, 256]),
    st.sampled_from([4096, 32768]),
    st.sampled_from([1.0, 8.0, 72.0]),
    st.sampled_from([2, 4]),
)
@settings(max_examples=25, **QUIET)
def test_tiling_a_design_is_in_the_space(
    facts: Catalog, model: str, chips: int, sequence: int, domain: float, times: int
) -> None:
    """So many times the chips at so many times the data parallel degree: every split comes again, unless the batch
    forbids it."""
    shape = TrainingShape(architecture(model, catalog.world(facts, dt.date(2026, 1, 1)), "model"), sequence, 4096.0,
                          int(domain))  # fmt: skip
    names = ("chips", "tp", "pp", "vpp", "cp", "ep", "micro_batch", "recompute", "zero", "dp")
    assert chips * times in counts(1, 10_000, 8)
    once, tiled = (
        {tuple(row) for row in np.stack([training(shape, np.array([n])).rows[k] for k in names], axis=1).tolist()}
        for n in (chips, times * chips)
    )
    assert once
    for row in once:
        whole = times * row[-1] * row[names.index("micro_batch")]
        if abs(nearest_batch(4096.0, np.array([whole]))[0] / 4096.0 - 1.0) <= BATCH_TOLERANCE:
            assert (times * row[0], *row[1:-1], times * row[-1]) in tiled


def test_fewer_chips_than_a_node_are_no_design(facts: Catalog) -> None:
    """Systems that are sold in larger nodes than the request allows have no cluster size at all."""
    asked = {"make": {"train": {"model": "llama-3.1-8b", "tokens": 1e9, "within": "90 days"}}, "where": "US",
             "when": "2026-01-01", "limits": {"chips_max": 8}}  # fmt: skip
    world = catalog.world(facts, dt.date(2026, 1, 1))
    content = quote(read_request(asked), world).content
    assert content["designs"]
    assert max(d["chips"] for d in content["designs"]) <= 8
    none = quote(read_request({**asked, "limits": {"chips": ["trainium2"], "chips_max": 8}}), world).content
    assert not none["designs"]
    assert none["infeasible"] is not None


def test_the_quote_says_how_many_finalists_were_simulated(facts: Catalog) -> None:
    asked = {"make": {"serve": {"model": "qwen3-30b-a3b", "requests_per_second": 5, "input": 1000, "output": 200,
                                "ttft_p99": "2 s", "tpot_p99": "50 ms"}}, "where": "US", "when": "2026-01-01",
             "limits": {"chips": ["h100", "h200"]}}  # fmt: skip
    content = quote(read_request(asked), catalog.world(facts, dt.date(2026, 1, 1))).content
    tried = [d for d in content["designs"] if "simulated" in d]
    assert content["search"]["simulated"] == len(tried) >= 1
    assert [d["simulated"]["holds"] for d in tried[:-1]] == [False] * (len(tried) - 1)


def test_the_space_is_counted_to_the_last_design(facts: Catalog) -> None:
    asked = {"make": {"train": {"model": "qwen3-30b-a3b", "tokens": 1e10, "within": "20 days"}}, "where": "US",
             "when": "2026-01-01", "limits": {"chips": ["h100"], "chips_max": 64}, "acquire": "rent"}  # fmt: skip
    world = catalog.world(facts, dt.date(2026, 1, 1))
    s = searched(asked, world).state
    late = {k: n for k, n in s.cut.items() if k in ("has no known rent", "costs more than the budget")}
    assert s.scored == s.spanned - (sum(s.cut.values()) - sum(late.values())) - sum(s.bounded.values())
    s = searched(asked, world, exhaustive=True).state
    # what does not divide and what is no network is no design; every design is scored, then cut, beaten or left
    none = sum(n for reason, n in s.cut.items() if reason not in LIMITS)
    assert not s.bounded
    assert s.scored == s.spanned - none
    assert s.spanned == sum(s.cut.values()) + s.beaten + len(s.designs)


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=40), st.randoms())
@settings(max_examples=200, **QUIET)
def test_the_front_is_exact_and_does_not_hang_on_the_order(rows: list[tuple[int, ...]], pick: Any) -> None:
    array = np.array(rows, float)
    marked = pareto(array)
    for i, row in enumerate(array):
        beaten = any(np.all(other <= row) and np.any(other < row) for other in array)
        assert marked[i] == (not beaten)
    order = list(range(len(rows)))
    pick.shuffle(order)
    assert pareto(array[order]).tolist() == marked[order].tolist()


@given(requests(), st.randoms())
@settings(max_examples=10, **QUIET)
def test_ranks_do_not_hang_on_the_order(facts: Catalog, asked: dict[str, Any], pick: Any) -> None:
    found = searched(asked, world_of(asked, facts))
    d, prefer = found.state.designs, preference(found.state)
    if len(d) < 2:
        return
    order = list(range(len(d)))
    pick.shuffle(order)
    other = d.take(np.array(order))
    for name in d.columns:
        a, b = d[name][ranked(d, prefer)], other[name][ranked(other, prefer)]
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
