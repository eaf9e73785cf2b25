"""Discrete-event serving: requests in, latencies out. Step times are handed in; no performance model here.

With constant steps it reproduces textbook queues (tests/oracles/test_queues.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tokenworks.deferred import Deferred
from tokenworks.errors import BadRequest
from tokenworks.records import Floats
from tokenworks.simulate.requests import Requests
from tokenworks.simulate.tables import StepTable

if TYPE_CHECKING:
    from tokenworks.simulate import engine
else:
    engine = Deferred("tokenworks.simulate.engine")  # numba takes half a second to load

WATCHED = 64  # times at which the queue and the cache are looked at
FEW = 5000  # requests up to which the plain function is as quick as loading the compiled one
ROUTERS = ("round_robin", "least_loaded", "shared")
_OVERLOAD = 2.0  # times that waiting in the last quarter exceeds the second, where waits are called growing
_FULL = 1.0  # busy share of the time in which requests came
_FEWEST = 8  # requests from which a trend is read


class Engine(NamedTuple):
    """What each replica may do. slots: sequences at once. cache: tokens that its cache holds. chunk: tokens
    of one step, decoding sequences included. prefill_first: prompts run in steps of their own, before
    decoding (else mixed into decode steps). paged: see engine.Rules."""

    slots: int
    cache: int
    chunk: int
    prefill_first: bool = False
    paged: bool = False


class Farm(NamedTuple):
    """The machines: equal replicas behind a router. "shared" is one queue in front of all of them. delay:
    seconds that a first token takes beyond its queue and its steps (tokenising, the way to the client)."""

    replicas: int
    engine: Engine
    router: str = "round_robin"
    delay: float = 0.0


class Level(NamedTuple):
    """Service level that a good request keeps, s."""

    ttft: float = float("inf")
    tpot: float = float("inf")


@dataclass(frozen=True)
class Result:
    """What happened to each request (s since the start; NaN where it was rejected), and to the machines.

    busy: seconds that replicas ran steps, summed. area: the integral of the number of requests in the system
    over time, request-seconds. end: when the last request left, s. preempted: sequences that had to give up their
    cache. watch: (4, n) times (s), requests waiting, tokens of cache in use, sequences running.
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

    @property
    def finished(self) -> Any:
        """Mask of the requests that got all their tokens."""
        return np.isfinite(self.done)


def simulate(requests: Requests, farm: Farm, step: StepTable) -> Result:
    """Run all requests through the farm to the end.

    `step` gives the seconds of one step by decoding sequences, their cached tokens and prompt tokens. The same
    requests give the same result. Raises BadRequest for impossible machines or an unknown router.
    """
    if farm.router not in ROUTERS:
        raise BadRequest("expected round_robin, least_loaded or shared", field="router", value=farm.router)
    if min(farm.replicas, farm.engine.slots, farm.engine.cache, farm.engine.chunk) < 1:
        raise BadRequest("expected at least one replica, slot, cached token and token a step", field="farm")
    count, most = len(requests), min(farm.engine.slots, max(len(requests), 1))
    rules = engine.Rules(
        slots=most,
        cache=farm.engine.cache,
        chunk=farm.engine.chunk,
        alone=farm.engine.prefill_first,
        paged=farm.engine.paged,
        router=ROUTERS.index(farm.router),
    )
    work = engine.Work(
        requests.arrival, requests.input.copy(), np.zeros(count, np.int64), requests.output.copy(),
        np.full(count, np.nan), np.full(count, np.nan), np.full(count, engine.NOBODY, np.int64),
    )  # fmt: skip
    watch = np.zeros((4, WATCHED))
    watch[0] = np.linspace(0.0, float(requests.arrival[-1]) if count else 0.0, WATCHED)
    run = engine.compiled if count > FEW else engine.run
    state = _state(farm.replicas, most)
    area, end, gone = run(work, state, rules, step.grids(), watch)
    busy = float(np.sum(state.busy))
    first, done = work.first + farm.delay, work.done + farm.delay
    inside = float(area) + farm.delay * int(np.count_nonzero(np.isfinite(done)))
    return Result(requests, first, done, busy, inside, float(end) + farm.delay, farm.replicas, int(gone), watch)


def _state(replicas: int, slots: int) -> engine.State:
    """Empty replicas."""

    def ints(n: int = replicas) -> Any:
        return np.zeros(n, np.int64)

    heap = (replicas, slots + 1)
    return engine.State(
        head=ints(replicas + 1), tail=ints(replicas + 1), length=ints(replicas + 1), fill_head=ints(),
        fill_tail=ints(), filling=ints(), to_fill=ints(), decoding=ints(),
        heap_step=np.zeros(heap, np.int64), heap_request=np.zeros(heap, np.int64), held=ints(), context=ints(),
        counter=ints(), busy=np.zeros(replicas), started=np.zeros(replicas), steps=ints(),
        each=np.zeros(replicas), taken=ints(), end=np.full(replicas, np.inf),
    )  # fmt: skip


def summary(result: Result, level: Level | None = None) -> Mapping[str, Any]:
    """The answer of `tokenworks simulate` (DESIGN.md): counts, latency statistics in s, goodput, state."""
    level = level or Level()
    kept = result.finished
    arrival, output = result.requests.arrival[kept], result.requests.output[kept]
    ttft, e2e = result.first[kept] - arrival, result.done[kept] - arrival
    more = output > 1
    tpot = (result.done[kept] - result.first[kept])[more] / (output[more] - 1)
    each = np.zeros(len(ttft))
    each[more] = tpot
    span = result.end - float(result.requests.arrival[0]) if len(result.requests) else 0.0
    good = int(np.count_nonzero((ttft <= level.ttft) & (each <= level.tpot)))
    arrived, finished = len(result.requests), int(np.count_nonzero(kept))
    return {
        "requests": {
            "arrived": arrived,
            "finished": finished,
            "rejected": arrived - finished,
            "bad_lines": result.requests.bad_lines,
        },
        "ttft_s": spread(ttft),
        "tpot_s": spread(tpot),
        "e2e_s": spread(e2e),
        "goodput_per_s": good / span if span > 0 else None,
        "output_tokens_per_s": float(np.sum(output)) / span if span > 0 else None,
        "utilisation": result.busy / (result.replicas * span) if span > 0 else None,
        "mean_in_system": result.area / span if span > 0 else None,
        "preempted": result.preempted,
        "over_time": {
            name: [float(v) for v in row]
            for name, row in zip(("time_s", "waiting", "cache_tokens", "running"), result.watch, strict=True)
        },
        "state": state(result),
    }


def spread(values: Floats) -> Mapping[str, float | None]:
    """Mean and percentiles; None where there is nothing.

    >>> spread(np.array([1.0, 3.0]))["mean"]
    2.0
    """
    if not len(values):
        return dict.fromkeys(("mean", "p50", "p90", "p99"))
    p50, p90, p99 = (float(v) for v in np.percentile(values, (50, 90, 99)))
    return {"mean": float(np.mean(values)), "p50": p50, "p90": p90, "p99": p99}


def state(result: Result) -> str:
    """stable | backlogged | overloaded.

    Overloaded: first tokens take ever longer (the last quarter of the requests waits over twice as long as
    the second, by more than a request takes) and the machines worked longer than requests came, so that
    the queue has no end; or nothing could be served. Backlogged: waits grew as much, or half the last quarter
    still waited when no more arrived, but the machines can catch up.
    """
    kept = result.finished
    if not np.any(kept):
        return "overloaded" if len(result.requests) else "stable"
    arrival, first, done = result.requests.arrival[kept], result.first[kept], result.done[kept]
    if len(arrival) < _FEWEST:
        return "stable"
    quarter = len(arrival) // 4
    wait = first - arrival
    early, late = float(np.mean(wait[quarter : 2 * quarter])), float(np.mean(wait[-quarter:]))
    service = float(np.median(done - first)) + float(np.min(wait))
    growing = late > _OVERLOAD * early and late - early > service
    if growing and result.busy > _FULL * result.replicas * float(arrival[-1] - arrival[0]):
        return "overloaded"
    pending = np.count_nonzero(first[-quarter:] > arrival[-1])
    return "backlogged" if growing or (pending > quarter / 2 and late > service) else "stable"
