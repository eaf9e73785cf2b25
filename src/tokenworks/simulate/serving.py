"""Discrete-event serving: requests in, latencies out. Step times are handed in; no performance model here.

With constant steps it reproduces textbook queues (tests/oracles/test_queues.py).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.records import Floats
from tokenworks.simulate.core import Engine, Replica, StepTime, admit, cut, finish, plan
from tokenworks.simulate.requests import Requests

ROUTERS = ("round_robin", "least_loaded", "shared")
_OVERLOAD = 2.0  # times that waiting in the last quarter exceeds the second, where waits are called growing
_FULL = 1.0  # busy share of the time in which requests came
_FEWEST = 8  # requests from which a trend is read


class Farm(NamedTuple):
    """The machines: equal replicas behind a router. "shared" is one queue in front of all of them."""

    replicas: int
    engine: Engine
    router: str = "round_robin"


class Level(NamedTuple):
    """Service level that a good request keeps, s."""

    ttft: float = float("inf")
    tpot: float = float("inf")


@dataclass(frozen=True)
class Result:
    """What happened to each request (s since the start; NaN where it was rejected), and to the machines.

    busy: seconds that replicas ran steps, summed. area: the integral of the number of requests in the system
    over time, request-seconds. end: when the last request left, s.
    """

    requests: Requests
    first: Floats
    done: Floats
    busy: float
    area: float
    end: float
    replicas: int

    @property
    def finished(self) -> Any:
        """Mask of the requests that got all their tokens."""
        return np.isfinite(self.done)


class _System:
    """All that moves during one simulation."""

    def __init__(self, requests: Requests, farm: Farm, step: StepTime) -> None:
        self.farm, self.step = farm, step
        self.inputs: list[int] = requests.input.tolist()
        self.outputs: list[int] = requests.output.tolist()
        self.needs = [i + o for i, o in zip(self.inputs, self.outputs, strict=True)]
        self.replicas = [Replica() for _ in range(farm.replicas)]
        self.shared: deque[int] = deque()
        self.events: list[tuple[float, int, int]] = []  # (time, replica, version)
        self.first = [float("nan")] * len(self.inputs)
        self.done = [float("nan")] * len(self.inputs)
        self.turn = 0
        self.inside = 0  # requests in the system
        self.area = 0.0
        self.clock = 0.0

    def tick(self, now: float) -> None:
        self.area += self.inside * (now - self.clock)
        self.clock = now

    def queue(self, number: int) -> deque[int]:
        return self.shared if self.farm.router == "shared" else self.replicas[number].waiting

    def start(self, number: int, now: float) -> None:
        """Admit what fits and plan the replica's next steps."""
        replica = self.replicas[number]
        admit(replica, self.queue(number), self.farm.engine, self.needs, self.inputs)
        end = plan(replica, self.farm.engine, self.step, now)
        if replica.steps:
            heapq.heappush(self.events, (end, number, replica.version))

    def route(self) -> tuple[int, ...]:
        """The replicas that may take the next request, best first."""
        if self.farm.router == "round_robin":
            self.turn = (self.turn + 1) % self.farm.replicas
            return (self.turn,)
        loads = [(r.running + len(r.waiting), n) for n, r in enumerate(self.replicas)]
        if self.farm.router == "least_loaded":
            return (min(loads)[1],)
        return tuple(n for _, n in sorted(loads))

    def arrive(self, request: int, now: float) -> None:
        """A request comes in: queue it, and wake or interrupt a replica that can take it now."""
        self.tick(now)
        if self.needs[request] > self.farm.engine.cache:
            return
        self.inside += 1
        order = self.route()
        self.queue(order[0]).append(request)
        for number in order:
            replica = self.replicas[number]
            if replica.steps == 0:
                self.start(number, now)
                return
        if len(self.queue(order[0])) > 1:
            return  # first come, first served: those before it are still blocked
        for number in order:
            replica = self.replicas[number]
            fits = replica.held + self.needs[request] <= self.farm.engine.cache
            if fits and replica.running < self.farm.engine.slots:
                end = cut(replica, now)
                if end is not None:
                    heapq.heappush(self.events, (end, number, replica.version))
                return

    def complete(self, number: int, now: float) -> None:
        """A replica ends its planned steps."""
        self.tick(now)
        first, ended = finish(self.replicas[number], self.farm.engine, self.inputs, self.outputs)
        for request in first:
            self.first[request] = now
        for request in ended:
            self.done[request] = now
        self.inside -= len(ended)
        self.start(number, now)


def simulate(requests: Requests, farm: Farm, step: StepTime) -> Result:
    """Run all requests through the farm to the end.

    `step(decoding sequences, their cached tokens, prompt tokens)` gives the seconds of one step. The same
    requests give the same result. Raises BadRequest for impossible machines or an unknown router.
    """
    if farm.router not in ROUTERS:
        raise BadRequest("expected round_robin, least_loaded or shared", field="router", value=farm.router)
    if min(farm.replicas, farm.engine.slots, farm.engine.cache, farm.engine.chunk) < 1:
        raise BadRequest("expected at least one replica, slot, cached token and token a step", field="farm")
    system = _System(requests, farm, step)
    events = system.events
    for request, now in enumerate(requests.arrival.tolist()):
        while events and events[0][0] <= now:
            end, number, version = heapq.heappop(events)
            if version == system.replicas[number].version:
                system.complete(number, end)
        system.arrive(request, now)
    while events:
        end, number, version = heapq.heappop(events)
        if version == system.replicas[number].version:
            system.complete(number, end)
    busy = sum(r.busy for r in system.replicas)
    first, done = np.asarray(system.first, dtype=float), np.asarray(system.done, dtype=float)
    return Result(requests, first, done, busy, system.area, system.clock, farm.replicas)


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
