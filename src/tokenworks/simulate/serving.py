"""Discrete-event serving: requests in, latencies out. Step times are handed in; no performance model here.

With constant steps it reproduces textbook queues (tests/oracles/test_queues.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.records import Floats, Ints
from tokenworks.simulate import columns as at
from tokenworks.simulate import loop, rare
from tokenworks.simulate.columns import Clock, Farmyard, State
from tokenworks.simulate.farm import (
    ROUTERS,
    Engine,
    Failures,
    Farm,
    Prefill,
    Scaling,
    check,
    empty_blocks,
    empty_state,
    exponential_failures,
    fronts,
    policy_of,
    rules_of,
    steps_of,
)  # fmt: skip
from tokenworks.simulate.requests import Requests
from tokenworks.simulate.rows import empty_work, refill, staying
from tokenworks.simulate.tables import StepTable
from tokenworks.simulate.tally import Level, Tally, spread

__all__ = [
    "ROUTERS", "Engine", "Failures", "Farm", "Level", "Machines", "Part", "Prefill", "Result", "Scaling", "Tally",
    "exponential_failures", "simulate", "spread", "stream", "summary",
]  # fmt: skip
WATCHED = 128  # times at which the queue and the cache are looked at; at least half of them are there
FAILURES_MAX = 100_000  # of one simulation
FEW = 1_000  # requests up to which the plain function is hardly slower than loading the compiled one
MANY = 50_000  # requests from which it pays to compile: the plain function takes a quarter of a minute for twice these


class Machines(NamedTuple):
    """What the machines did until a moment. busy, on: s that each replica ran steps and was powered. area: the
    integral of the number of requests in the system over time, request-seconds. end: the moment, s. pending: requests
    without a first token when the last one came. counts: how often and how many tokens. watch: (5, n) times (s),
    requests waiting, tokens of cache in use, sequences running, replicas powered."""

    busy: Floats
    on: Floats
    area: float
    end: float
    pending: int
    counts: dict[str, int]
    watch: Floats


@dataclass(frozen=True)
class Part:
    """Requests that left the system, in order of arrival: `number` counts all from 0; times are s since the start,
    NaN where a request was rejected; `replica` served it last (those that only prefill are counted first). machines:
    what these did until now. last: nothing more comes."""

    number: Ints
    arrival: Floats
    input: Ints
    output: Ints
    first: Floats
    done: Floats
    replica: Ints
    machines: Machines
    last: bool


@dataclass(frozen=True)
class Result:
    """What happened to each request (s since the start; NaN where it was rejected), and to the machines.

    busy: seconds that replicas ran steps, summed. area: the integral of the number of requests in the system
    over time, request-seconds. end: when the last request left, s. preempted: sequences that had to give up their
    cache. watch: see Machines. replica: which served each request last. part: all of it.
    """

    requests: Requests
    first: Floats
    done: Floats
    busy: float
    area: float
    end: float
    replicas: int
    preempted: int
    watch: Floats
    part: Part

    @property
    def finished(self) -> Any:
        """Mask of the requests that got all their tokens."""
        return np.isfinite(self.done)


def simulate(requests: Requests, farm: Farm, step: StepTable) -> Result:
    """Run all requests through the farm to the end.

    `step` gives the seconds of one step by decoding sequences, their cached tokens and prompt tokens. The same
    requests give the same result. Raises BadRequest for impossible machines or an unknown router.
    """
    part = list(stream([requests], farm, step))[-1]
    m = part.machines
    return Result(
        requests, part.first, part.done, float(np.sum(m.busy)), m.area, m.end, fronts(farm) + farm.replicas,
        m.counts["preempted"], m.watch, part,
    )  # fmt: skip


def summary(result: Result, level: Level | None = None) -> dict[str, Any]:
    """The answer of `tokenworks simulate` (DESIGN.md): counts, latency statistics in s, goodput, state."""
    tally = Tally(level)
    tally.add(result.part)
    return tally.summary(result.requests.bad_lines)


def stream(batches: Iterable[Requests], farm: Farm, step: StepTable) -> Iterator[Part]:
    """Run batches of requests, each later than the one before, through the farm; after each batch the requests that
    have left since. Memory is that of a batch and of what is in the system. Raises BadRequest as `simulate`."""
    check(farm)
    yard: Farmyard | None = None
    names, asked, seen, served = np.zeros(0, np.int64), _Asked.none(), 0, 0
    watch = np.zeros((5, WATCHED))
    for batch, more in _ahead(batches):
        if yard is None:
            yard, clock = _begin(batch, farm, step)
        kept = np.flatnonzero(staying(yard.w))
        asked = asked.refill(kept, batch, seen)
        seen += len(batch)
        yard, names = refill(yard, names, batch)
        fast = more or len(batch) > MANY or (len(batch) > FEW and loop.at_hand())
        run = loop.compiled() if fast else loop.run
        clock = _on(run, yard, clock._replace(upcoming=len(kept)), watch, True)
        pending = int(np.sum(yard.s.n[[at.LENGTH, at.FILLING]]) + yard.s.counts[at.FLYING])
        if not more:
            clock = _on(run, yard, clock, watch, False)
        served += int(np.count_nonzero(np.isfinite(yard.w.t[at.DONE])))
        clock_of = Clock(*clock)._replace(area=clock.area + farm.delay * served)
        yield _part(yard, asked, clock_of, (farm.delay, pending, watch), not more)


def _on(run: Any, yard: Farmyard, clock: Clock, watch: Any, more: bool) -> Clock:
    """Run on, through the rare events."""
    clock = run(yard, clock, watch, more)
    while clock.rare:
        clock = run(yard, rare.rare_event(yard, clock), watch, more)
        if yard.s.counts[at.FAILURES] > FAILURES_MAX:
            raise BadRequest("failures come faster than requests can be served", field="failures")
    return clock


class _Asked(NamedTuple):
    """What the rows in memory asked for; the scheduler changes its own columns."""

    number: Ints
    input: Ints
    output: Ints

    @staticmethod
    def none() -> _Asked:
        return _Asked(*(np.zeros(0, np.int64) for _ in range(3)))

    def refill(self, kept: Any, batch: Requests, seen: int) -> _Asked:
        fresh = (seen + np.arange(len(batch)), batch.input, batch.output)
        return _Asked(*(np.concatenate([old[kept], new]) for old, new in zip(self, fresh, strict=True)))


def _ahead(batches: Iterable[Requests]) -> Iterator[tuple[Requests, bool]]:
    """Each batch, and whether another follows."""
    before: Requests | None = None
    for batch in batches:
        if before is not None:
            yield before, True
        before = batch
    if before is not None:
        yield before, False


def _begin(batch: Requests, farm: Farm, step: StepTable) -> tuple[Farmyard, Clock]:
    start = float(batch.arrival[0]) if len(batch) else 0.0
    span = float(batch.arrival[-1]) - start if len(batch) else 0.0
    block = batch.prefixes.size if batch.prefixes else 0
    state = empty_state(farm, start)
    yard = Farmyard(
        empty_work(),
        state,
        empty_blocks(state.t.shape[1]),
        rules_of(farm, block),
        policy_of(farm),
        steps_of(farm, step),
    )
    every = max(2.0 * span / WATCHED, 1e-3)
    tick = start + farm.scaling.interval if farm.scaling else float("inf")
    return yard, Clock(start, 0.0, 0, 0, 0, 0, start, every, tick, start, False)


def _part(f: Farmyard, asked: _Asked, clock: Clock, more: tuple[float, int, Any], last: bool) -> Part:
    """The rows that left, or at the end all."""
    delay, pending, watch = more
    w, s = f.w, f.s
    gone = np.arange(w.t.shape[1]) if last else np.flatnonzero(~staying(w))
    arrival, first, done = w.t[:, gone]
    first, done = first + delay, done + delay
    machines = Machines(
        s.t[at.BUSY].copy(), s.t[at.ON] + np.where(_powered(s), clock.now - s.t[at.SINCE], 0.0), float(clock.area),
        float(clock.now) + delay, pending, _counts(s), watch[:, : clock.seen].copy(),
    )  # fmt: skip
    return Part(
        asked.number[gone], arrival, asked.input[gone], asked.output[gone], first, done,
        np.where(np.isfinite(done), w.n[at.REPLICA, gone], -1), machines, last,
    )  # fmt: skip


def _powered(s: State) -> Any:
    mode = s.n[at.MODE, : s.t.shape[1]]
    return (mode >= at.STARTING) & (mode <= at.DRAINING)


def _counts(s: State) -> dict[str, int]:
    names = {
        "preempted": at.PREEMPTED, "requeued": at.REQUEUED, "failures": at.FAILURES, "starts": at.STARTS,
        "prompt_tokens_computed": at.PREFILLED, "prompt_tokens_reused": at.REUSED, "tokens_made": at.MADE,
    }  # fmt: skip
    return {name: int(s.counts[k]) for name, k in names.items()}
