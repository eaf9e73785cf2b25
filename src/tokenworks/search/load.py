"""Serving under a service level: how much load a replica carries, how many it takes, together or in separate pools.

A replica is loaded until its 99th percentiles meet the service level, or to a share of that (space.LOADS). Replicas
that prefill and decode together are copied until they carry the rate. With separate pools a prefill worker is loaded
until first tokens come late, a decode worker until the others do, and the pools are matched in rate. Both kinds
stand side by side in what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tokenworks.perf import serving_open, serving_pools
from tokenworks.perf.serving import Replica, Steady
from tokenworks.records import Bools, Designs, Floats, Ints, RunOn, Serve
from tokenworks.search import bounds, serving
from tokenworks.search.front import pareto
from tokenworks.search.problem import Problem, State
from tokenworks.search.space import LOADS

SPLIT = ("tp", "pp", "dp", "ep")
STEADY = ("batch", "ttft", "tpot", "ttft_p99", "tpot_p99", "requests")
MISSES = "misses the service level"
HELD = "not the split that was asked about"
UNMATCHED = "a worker of the same pool does the same with fewer chips"
_MOST = 1e15  # chips: what is counted as a whole number
_DOUBLINGS = 50  # of the workers of a pool, when pools are matched within a number of chips


def time(state: State) -> State:
    """The load of every replica and the number of replicas; a product's chip answers one request at a time."""
    problem = state.problem
    if isinstance(problem.job, RunOn):
        return serving.alone(state)
    if not len(state.designs):
        return state
    plans = state.designs
    state = replace(state, designs=Designs({}), spanned=state.spanned - len(plans))
    state, together = _together(state, plans)
    state, apart = _apart(state, plans)
    found = [d for d in (together, apart) if len(d)]
    if not found:
        return replace(state, designs=plans.take(np.zeros(0, np.int64)), binding=(MISSES, ""))
    joined = Designs({k: np.concatenate([d[k] for d in found]) for k in found[0].columns})
    return _counted(replace(state, designs=joined))


def level(problem: Problem) -> tuple[float, float]:
    """The service level: 99th percentiles of TTFT and TPOT, s."""
    assert isinstance(problem.job, Serve)  # a contract between passes
    return problem.job.ttft_p99 or np.inf, problem.job.tpot_p99 or np.inf


def loads(problem: Problem) -> tuple[float, ...]:
    """Shares of the most load that are tried: all where a rate is asked for, the most where the most is."""
    return LOADS if _rate(problem) is not None else LOADS[:1]


def _rate(problem: Problem) -> float | None:
    assert isinstance(problem.job, Serve)  # a contract between passes
    return problem.job.requests_per_second


def held(problem: Problem, plans: Designs, prefix: str = "") -> Bools:
    """The plans that have the values at which a question holds the axes of the split."""
    rows = np.ones(len(plans), np.bool_)
    names = (*SPLIT, *(() if prefix else ("draft", "precision")))
    for name in names:
        if f"{prefix}{name}" in problem.fixed:
            rows &= plans[name] == problem.fixed[f"{prefix}{name}"]
    return rows


# ----------------------------------------------------------------------------- prefill and decode together


def _together(state: State, plans: Designs) -> tuple[State, Designs]:
    """Replicas that prefill and decode, at every share of the load that they carry within the service level."""
    problem, shares = state.problem, loads(state.problem)
    ttft, tpot = level(problem)
    state = replace(state, spanned=state.spanned + len(plans) * len(shares))
    wanted = held(problem, plans) & (problem.fixed.get("pool_replicas", 0) == 0)
    state = _cut(state, HELD, np.count_nonzero(~wanted) * len(shares))
    plans = plans.take(wanted)
    found: list[Designs] = []
    rates: list[Floats] = []
    lengths = serving.lengths(problem)
    table = _states(problem, plans, lambda r, rows: serving_open.within(r, lengths, ttft, tpot))
    good = _keeps(table, ttft, tpot)
    if len(plans) and not good.any():
        state = state.with_nearest("make.serve.ttft_p99", float(np.min(table["ttft_p99"])))
        state = state.with_nearest("make.serve.tpot_p99", float(np.min(table["tpot_p99"])))
    state = _cut(state, MISSES, np.count_nonzero(~good) * len(shares))
    kept, table = plans.take(good), {k: v[good] for k, v in table.items()}
    for share in shares:
        own = table if share == 1.0 else _at_share(problem, kept, table["batch"] * share)
        found.append(kept.with_(**{k: own[k] for k in STEADY if k != "requests"}))
        rates.append(own["requests"])
    whole = Designs({k: np.concatenate([d[k] for d in found]) for k in found[0].columns})
    return state, _copied(problem, whole, np.concatenate(rates))


def _keeps(table: dict[str, Floats], ttft: float, tpot: float) -> Bools:
    return (table["ttft_p99"] <= ttft) & (table["tpot_p99"] <= tpot) & (table["batch"] >= 1.0)


def _states(problem: Problem, plans: Designs, state_of: Callable[[Replica, Ints], Steady]) -> dict[str, Floats]:
    """A steady state for every plan, as columns. state_of: of some rows' replicas."""
    table = {name: np.zeros(len(plans)) for name in STEADY}
    for rows, r in serving.batches(State(problem, plans)):
        steady = state_of(r, rows)
        for name in STEADY:
            table[name][rows] = getattr(steady, name)
    return table


def _at_share(problem: Problem, plans: Designs, batch: Floats) -> dict[str, Floats]:
    """The steady state of replicas at a batch."""
    lengths = serving.lengths(problem)
    return _states(problem, plans, lambda r, rows: serving_open.at_batch(r, lengths, batch[rows]))


def _copied(problem: Problem, d: Designs, rate: Floats) -> Designs:
    """Copies for the asked rate, and what else fits into their nodes (whole nodes are bought); or as many as the
    limits allow."""
    assert isinstance(problem.job, Serve)  # a contract between passes
    node, size = nodes(problem, d["system"]), d["chips"].astype(np.float64)
    asked = _rate(problem)
    if asked is not None:
        copies = np.ceil(asked / np.maximum(rate, 1e-12))
    else:
        copies = np.maximum(1.0, np.floor(serving.most_chips(problem)[d["system"]] / size))
    chips = np.minimum(np.ceil(copies * size / node) * node, _MOST)
    copies = np.floor(chips / size)
    tokens = copies * rate if asked is None else np.full(len(d), asked)
    none = np.zeros(len(d), np.int64)
    return d.with_(
        chips=chips.astype(np.int64),
        replicas=copies.astype(np.int64),
        tokens_per_s=tokens * problem.job.output,
        pool_replicas=none,
        **{f"pool_{name}": none for name in SPLIT},
    )


def nodes(problem: Problem, systems: Ints) -> Floats:
    """Chips of a node of each design's offer."""
    found: Floats = np.array([o.node for o in problem.offers] or [1], np.float64)[systems]
    return found


# ------------------------------------------------------------------------------------------ separate pools


class Side(NamedTuple):
    """Workers of one pool, each at a share of its load. plan: row of the plans. size: chips of a worker. rate:
    requests per second of one, 0 where it misses the service level. workers, chips: of the pool that carries the
    asked rate (0 where none is asked).
    figures: ttft, ttft_p99, tpot, tpot_p99 (s; what the side adds) and batch."""

    plan: Ints
    size: Floats
    rate: Floats
    workers: Floats
    figures: dict[str, Floats]

    @property
    def chips(self) -> Floats:
        """Chips of the pool."""
        return self.workers * self.size

    def take(self, rows: Bools | Ints) -> Side:
        """Some of them."""
        own = {k: v[rows] for k, v in self.figures.items()}
        return Side(self.plan[rows], self.size[rows], self.rate[rows], self.workers[rows], own)


def _apart(state: State, plans: Designs) -> tuple[State, Designs]:
    """Pools matched in rate: every prefill worker with every decode worker of the same system and precision.

    What a pair does is a sum of what its sides do, so that a side that another one beats in chips and in all that it
    adds to a latency is in no pair that nothing beats: such sides go before they are paired. (Where the most is asked
    for, a pool's size depends on the other, and all are paired.)
    """
    problem = state.problem
    first = _prefill_side(state, plans)
    last = _decode_side(state, plans)
    wanted = bool(problem.fixed.get("pool_replicas", 1))
    ok = (first.rate > 0.0, last.rate > 0.0)
    asked = (held(problem, plans, "pool_")[first.plan], held(problem, plans)[last.plan])
    found: list[Designs] = []
    for rows in _kinds(plans):
        pair = [_of(side.plan, rows) for side in (first, last)]
        whole = int(pair[0].sum()) * int(pair[1].sum())
        state = replace(state, spanned=state.spanned + whole)
        here = [p & a for p, a in zip(pair, asked, strict=True)]
        left = int(here[0].sum()) * int(here[1].sum()) if wanted else 0
        state = _cut(state, HELD, whole - left)
        if not left:
            continue
        here = [h & k for h, k in zip(here, ok, strict=True)]
        good = int(here[0].sum()) * int(here[1].sum())
        state = _cut(state, MISSES, left - good)
        a, b = first.take(here[0]), last.take(here[1])
        if good and _rate(problem) is not None and not state.exhaustive:
            a, b = a.take(pareto(_beaten_by(a))), b.take(pareto(_beaten_by(b)))
            state = state.bound(UNMATCHED, good - len(a.plan) * len(b.plan))
        if good:
            state, pairs = _paired(state, plans, a, b)
            found.append(pairs)
    if not found:
        return state, Designs({})
    return state, Designs({k: np.concatenate([d[k] for d in found]) for k in found[0].columns})


def _kinds(plans: Designs) -> Iterator[Bools]:
    """The plans of each system and precision."""
    keys = plans["system"] * len(serving.PRECISIONS) + plans["precision"]
    for key in np.unique(keys):
        yield keys == key


def _of(plan: Ints, rows: Bools) -> Bools:
    """Which entries of a side are of the marked plans."""
    marked: Bools = rows[plan]
    return marked


def _prefill_side(state: State, plans: Designs) -> Side:
    """Prefill workers: nothing is drafted there. A first token also waits for the hand-over, at least the transfer."""
    problem = state.problem
    rows = np.flatnonzero(plans["draft"] == 0)
    some, shares = plans.take(rows), loads(problem)
    n = len(some)
    figures = {name: np.zeros(n * len(shares)) for name in ("ttft", "ttft_p99", "tpot", "tpot_p99", "batch")}
    rate = np.zeros(n * len(shares))
    ttft, tpot = level(problem)
    for at, r in serving.batches(replace(state, designs=some)):
        steps = serving_pools.prompts(r, serving.lengths(problem))
        reserve = r.constants.transfer + (tpot if np.isfinite(tpot) else 0.0)
        most = serving_pools.prefill_within(steps, ttft - reserve)
        for k, share in enumerate(shares):
            own = np.maximum(most * share, 1e-12)
            wait = serving_pools.prefill_at(steps, own)
            rate[k * n + at] = np.where(most > 0.0, own, 0.0)
            figures["ttft"][k * n + at], figures["ttft_p99"][k * n + at] = wait.mean, wait.tail
    return _side(problem, plans, np.tile(rows, len(shares)), rate, figures)


def _decode_side(state: State, plans: Designs) -> Side:
    """Decode workers."""
    problem, shares, n = state.problem, loads(state.problem), len(plans)
    figures = {name: np.zeros(n * len(shares)) for name in ("ttft", "ttft_p99", "tpot", "tpot_p99", "batch")}
    rate = np.zeros(n * len(shares))
    lengths = serving.lengths(problem)
    for at, r in serving.batches(replace(state, designs=plans)):
        most = serving_pools.decode_within(r, lengths, level(problem)[1])
        good = (most.tpot_p99 <= level(problem)[1]) & (most.batch >= 1.0)
        for k, share in enumerate(shares):
            own = most if share == 1.0 else serving_pools.decode_at(r, lengths, most.batch * share)
            rate[k * n + at] = np.where(good, own.requests, 0.0)
            for name in figures:
                figures[name][k * n + at] = getattr(own, name)
    return _side(problem, plans, np.tile(np.arange(n), len(shares)), rate, figures)


def _side(problem: Problem, plans: Designs, plan: Ints, rate: Floats, figures: dict[str, Floats]) -> Side:
    asked = _rate(problem)
    workers = np.zeros(len(plan)) if asked is None else np.ceil(asked / np.maximum(rate, 1e-12))
    return Side(plan, plans["chips"][plan].astype(np.float64), rate, workers, figures)


def _beaten_by(side: Side) -> Floats:
    """What a side is judged by, smaller is better: its pool's chips, and what it adds to the latencies."""
    return np.stack([side.chips, side.figures["ttft_p99"], side.figures["tpot_p99"]], axis=1)


def _paired(state: State, plans: Designs, a: Side, b: Side) -> tuple[State, Designs]:
    """Every prefill side with every decode side: sized, and cut where the first token comes late all the same."""
    problem = state.problem
    assert isinstance(problem.job, Serve)  # a contract between passes
    i, j = (x.ravel() for x in np.meshgrid(np.arange(len(a.plan)), np.arange(len(b.plan)), indexing="ij"))
    a, b = a.take(i), b.take(j)
    system = plans["system"][b.plan]
    asked = _rate(problem)
    counts = (a.workers, b.workers) if asked is not None else matched(a, b, serving.most_chips(problem)[system])
    rate = np.minimum(counts[0] * a.rate, counts[1] * b.rate) if asked is None else np.full(len(i), asked)
    node = nodes(problem, system)
    chips = np.minimum(np.ceil((counts[0] * a.size + counts[1] * b.size) / node) * node, _MOST)
    early, late = plans.take(a.plan), plans.take(b.plan)
    pairs = late.with_(
        chips=chips.astype(np.int64),
        replicas=np.minimum(counts[1], _MOST).astype(np.int64),
        pool_replicas=np.minimum(counts[0], _MOST).astype(np.int64),
        batch=b.figures["batch"],
        tpot=b.figures["tpot"],
        tpot_p99=b.figures["tpot_p99"],
        ttft=a.figures["ttft"] + b.figures["ttft"],
        ttft_p99=a.figures["ttft_p99"] + b.figures["ttft_p99"],
        tokens_per_s=rate * problem.job.output,
        **{f"pool_{name}": early[name] for name in SPLIT},
    )
    soon = pairs["ttft_p99"] <= level(problem)[0]
    return _cut(state, MISSES, np.count_nonzero(~soon)), pairs.take(soon)


def matched(a: Side, b: Side, most: Floats) -> tuple[Floats, Floats]:
    """Prefill and decode workers within `most` chips that carry the greatest rate, at least one of each: the prefill
    pool's rate rises and the decode pool's falls with the prefill workers, so the best is at their crossing."""

    def decoders(workers: Floats) -> Floats:
        return np.floor(np.maximum(most - workers * a.size, 0.0) / b.size)

    low, high = np.zeros(len(most)), np.floor(np.maximum(most, 0.0) / a.size)
    for _ in range(_DOUBLINGS):  # the most prefill workers that still carry no more than the decode workers left
        if np.all(low >= high):
            break
        middle = np.ceil(0.5 * (low + high))
        under = middle * a.rate <= decoders(middle) * b.rate
        low, high = np.where(under, middle, low), np.where(under, high, np.maximum(middle - 1.0, low))
    rates = [np.minimum(n * a.rate, decoders(n) * b.rate) for n in (low, low + 1.0)]
    workers = np.maximum(np.where(rates[1] > rates[0], low + 1.0, low), 1.0)
    return workers, np.maximum(decoders(workers), 1.0)


# --------------------------------------------------------------------------------------------------- both


def _cut(state: State, reason: str, n: Any) -> State:
    return state.count(reason, int(n))


def _counted(state: State) -> State:
    """What all sized designs have, and the limit on chips."""
    d, problem = state.designs, state.problem
    n = len(d)
    horizon = problem.request.horizon or float(problem.world.constants["serve_horizon"].value)
    designs = d.with_(
        step_time=d["tpot"], step_floor=np.zeros(n), step_ceiling=np.full(n, np.inf), time=np.full(n, horizon)
    )
    state = replace(state, designs=designs)
    for name in ("chips", "replicas", "pool_replicas"):
        if name in problem.fixed:
            state = state.keep(state.designs[name] == problem.fixed[name], HELD)
    state = bounds.fewest(state)
    limit, chips = problem.request.limits.chips_max, state.designs["chips"]
    if limit is None:
        return state
    values, reason = chips.astype(np.float64), "needs more chips than allowed"
    return state.within(values, float(limit), reason, ("limits.chips_max", 1.0))
