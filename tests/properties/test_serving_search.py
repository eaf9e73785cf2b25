"""Serving searches: bounds change nothing, tiling is never beaten per chip, more never hurts, network and law grow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenworks import catalog, law
from tokenworks.catalog import Catalog
from tokenworks.quote import read_request
from tokenworks.quote.story import problems, resolved
from tokenworks.records import World
from tokenworks.search import Found, search, shared
from tokenworks.search.choose import CRITERIA, LATENCIES, front, preference
from tokenworks.search.problem import Problem, State

CHIPS = ("h100", "h200", "a100", "h20", "ascend-910c", "mi300x", "gb200", "b200", "tpu-v6e", "l40s")
MODELS = ("llama-3.1-8b", "qwen2.5-72b", "qwen3-30b-a3b", "deepseek-r1")
QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "derandomize": True}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A serving request over few chips: a rate, or the most that the limits allow."""
    job: dict[str, Any] = {
        "model": draw(st.sampled_from(MODELS)),
        "input": draw(st.sampled_from([200, 2000, 16000])),
        "output": draw(st.sampled_from([50, 500, 2000])),
    }
    if draw(st.booleans()):
        job["ttft_p99"] = draw(st.sampled_from(["500 ms", "2 s", "10 s"]))
    if draw(st.booleans()):
        job["tpot_p99"] = draw(st.sampled_from(["20 ms", "50 ms", "150 ms"]))
    limits: dict[str, Any] = {"chips": draw(st.lists(st.sampled_from(CHIPS), min_size=1, max_size=2, unique=True))}
    if draw(st.booleans()):
        job["requests_per_second"] = draw(st.sampled_from([0.3, 7.0, 90.0]))
        if draw(st.booleans()):
            limits["budget"] = draw(st.sampled_from([1e6, 3e7]))
    else:
        limits["chips_max"] = draw(st.sampled_from([16, 72, 500]))
    return {
        "make": {"serve": job},
        "where": draw(st.sampled_from(["US", "JP", "AE", "CN", "TW"])),
        "when": draw(st.sampled_from(["2024-06-01", "2025-06-01", "2026-03-01"])),
        "limits": limits,
        "prefer": draw(st.sampled_from(["cost", "energy", "carbon"])),
        "acquire": draw(st.sampled_from(["buy", "rent", "either"])),
    }


def world_of(asked: Mapping[str, Any], facts: Catalog) -> World:
    """The world on the day of a request, with chips that are not launched yet: the law asks, not the shop."""
    read = read_request(asked)
    late = catalog.world(facts, dt.date(2026, 6, 1))
    return replace(late, date=read.when, prices=catalog.world(facts, read.when).prices | dict(late.prices))


def problem_of(asked: Mapping[str, Any], world: World) -> Problem:
    (problem,) = problems(resolved(read_request(asked), world), world)
    return problem


def points(found: Found) -> list[tuple[float, ...]]:
    """The front, to the twelfth digit."""
    d = found.state.designs
    if not len(d):
        return []
    rows = front(d, preference(found.state))
    names = (*CRITERIA.values(), *LATENCIES, "tokens_per_s")
    return sorted({tuple(float(f"{d[n][r]:.12g}") for n in names) for r in rows})


@pytest.mark.parametrize("examples", [12, pytest.param(300, marks=pytest.mark.long)])
def test_bounds_change_nothing(facts: Catalog, examples: int) -> None:
    answered: list[bool] = []

    @given(requests())
    @settings(max_examples=examples, **QUIET)
    def check(asked: dict[str, Any]) -> None:
        problem = problem_of(asked, world_of(asked, facts))
        bounded, everything = search(problem), search(problem, exhaustive=True)
        assert points(bounded) == points(everything)
        a, b = bounded.state, everything.state
        assert a.spanned == b.spanned
        assert not b.bounded
        assert a.scored <= b.scored
        answered.append(bool(points(everything)))

    check()
    assert sum(answered) > len(answered) / 4  # the others have nothing feasible, both ways


def per_chip(found: Found) -> float:
    """The most tokens per second and chip among designs, 0 where there is none."""
    d = found.state.designs
    return float(np.max(d["tokens_per_s"] / d["chips"])) if len(d) else 0.0


@given(requests(), st.sampled_from([2, 3, 7]))
@settings(max_examples=12, **QUIET)
def test_more_chips_are_never_worse_than_tiling_a_smaller_design(
    facts: Catalog, asked: dict[str, Any], times: int
) -> None:
    small = {**asked, "limits": {"chips": asked["limits"]["chips"][:1], "chips_max": 72}}
    small["make"] = {"serve": {k: v for k, v in asked["make"]["serve"].items() if k != "requests_per_second"}}
    large = {**small, "limits": {**small["limits"], "chips_max": 72 * times}}
    world = world_of(asked, facts)
    one, many = (search(problem_of(a, world)) for a in (small, large))
    if len(one.state.designs):  # tokens of the best design on 72 chips, so many times
        most = [float(f.state.designs["tokens_per_s"].max()) for f in (one, many)]
        assert most[1] >= times * most[0] * (1 - 1e-12)


@given(requests(), st.sampled_from([2, 5]))
@settings(max_examples=12, **QUIET)
def test_a_multiple_of_the_load_never_takes_more_chips_than_tiling(
    facts: Catalog, asked: dict[str, Any], times: int
) -> None:
    job = {**asked["make"]["serve"], "requests_per_second": 7.0}
    more = {**job, "requests_per_second": 7.0 * times}
    free = {**asked, "limits": {"chips": asked["limits"]["chips"]}}
    world = world_of(asked, facts)
    one, many = (search(problem_of({**free, "make": {"serve": j}}, world)) for j in (job, more))
    if not len(one.state.designs):
        return
    for system in np.unique(one.state.designs["system"]):
        fewest = [f.state.designs["chips"][f.state.designs["system"] == system] for f in (one, many)]
        if len(fewest[1]):  # a rule may bar the larger number
            assert fewest[1].min() <= times * fewest[0].min()


@given(requests(), st.sampled_from(["budget", "ttft_p99", "tpot_p99"]))
@settings(max_examples=12, **QUIET)
def test_looser_limits_never_hurt(facts: Catalog, asked: dict[str, Any], limit: str) -> None:
    job, limits = dict(asked["make"]["serve"]), dict(asked["limits"])
    job["requests_per_second"] = 7.0
    tight = {**asked, "make": {"serve": dict(job)}, "limits": dict(limits)}
    (limits if limit == "budget" else job).pop(limit, None)
    loose = {**asked, "make": {"serve": job}, "limits": limits}
    world = world_of(asked, facts)
    found = [search(problem_of(a, world)).state.designs for a in (tight, loose)]
    if len(found[0]):
        column = CRITERIA[asked["prefer"]]
        values = [d[column][np.isfinite(d[column])] for d in found]
        if len(values[0]):
            assert values[1].min() <= values[0].min() * (1 + 1e-12)


def test_a_network_never_costs_less_with_more_chips(facts: Catalog) -> None:
    """What bounds.fewest rests on: price and power of the network do not fall when a node is added."""
    asked = {
        "make": {"serve": {"model": "llama-3.1-8b", "requests_per_second": 1}},
        "where": "US",
        "when": "2026-03-01",
    }
    problem = problem_of(asked, catalog.world(facts, dt.date(2026, 3, 1)))
    for system, offer in enumerate(problem.offers):
        parts = shared.switches(problem, offer)
        full = shared.reach(parts.radix) // offer.node
        sizes = [*range(1, 130), *range(130, 3000, 37), *range(max(full - 2, 1), full + 3), 2 * full, 2 * full + 1]
        table = np.array([shared.wired(problem, (system, n * offer.node), 1, parts)[:2] for n in sorted(set(sizes))])
        grows = np.diff(np.nan_to_num(table, nan=0.0), axis=0)
        assert (grows >= -1e-6).all(), offer.system.id


@pytest.mark.parametrize("where", ["CN", "AE", "TW", "US", "SA", "IN"])
@pytest.mark.parametrize("when", ["2023-12-01", "2025-01-20", "2025-03-01", "2026-03-01"])
def test_no_rule_lets_more_of_a_chip_through_than_less(facts: Catalog, where: str, when: str) -> None:
    """What screening at one node and bounds.fewest rest on."""
    asked = {"make": {"serve": {"model": "llama-3.1-8b", "requests_per_second": 1}}, "where": where, "when": when}
    problem = problem_of(asked, world_of(asked, facts))
    order = ("lawful", "licence", "barred")
    followed = law.followed(where, None)
    for system, offer in enumerate(problem.offers):
        pairs = [(system, n) for n in (offer.node, 72, 500, 1700, 5000, 30_000, 200_000, 3_000_000)]
        found = shared.judged(problem, sorted(set(pairs), key=lambda p: p[1]))
        ranks = [order.index(s) for v in found.values() if (s := law.standing(v, followed)) in order]
        assert ranks == sorted(ranks), offer.system.id


def test_separate_pools_and_together_stand_side_by_side(facts: Catalog) -> None:
    asked = {
        "make": {"serve": {"model": "deepseek-r1", "requests_per_second": 20, "tpot_p99": "50 ms", "ttft_p99": "2 s"}},
        "where": "US",
        "when": "2025-06-01",
        "limits": {"chips": ["h200"]},
    }
    state: State = search(problem_of(asked, world_of(asked, facts)), exhaustive=True).state
    d = state.designs
    apart = d["pool_replicas"] > 0
    assert apart.any()
    assert (~apart).any()
    sizes = d["tp"] * d["pp"] * d["dp"]
    early = d["pool_replicas"] * d["pool_tp"] * d["pool_pp"] * d["pool_dp"]
    node = np.array([o.node for o in state.problem.offers])[d["system"]]
    least = d["replicas"] * sizes + np.where(apart, early, 0)
    assert ((d["chips"] >= least) & (d["chips"] - least < np.maximum(node, sizes))).all()
    assert (d["ttft_p99"] <= 2.0).all()
    assert (d["tpot_p99"] <= 0.05).all()
