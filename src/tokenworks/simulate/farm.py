"""The machines of a simulation as values, and the empty columns that the scheduler starts from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.simulate import columns as at
from tokenworks.simulate.columns import Blocks, Policy, Rules, State, Steps
from tokenworks.simulate.tables import StepTable, stacked

ROUTERS = ("round_robin", "least_loaded", "shared", "prefix")
REPLICAS_MAX = 100_000
_GAPS = 4096  # times between failures that are drawn; a run with more uses them again


class Engine(NamedTuple):
    """What each replica may do. slots: sequences at once. cache: tokens that its cache holds. chunk: tokens
    of one step, decoding sequences included. prefill_first: prompts run in steps of their own, before
    decoding (else mixed into decode steps). paged: see columns.Rules. prefix: whole blocks of prompts stay in the
    cache for requests that begin alike, as far as the requests name their blocks."""

    slots: int
    cache: int
    chunk: int
    prefill_first: bool = False
    paged: bool = False
    prefix: bool = False


class Prefill(NamedTuple):
    """A pool of replicas that only prefill, and then send the cache to those that decode: after `latency` s plus
    `per_token` s for each token of it. step: seconds of their steps."""

    replicas: int
    engine: Engine
    step: StepTable
    latency: float = 0.0
    per_token: float = 0.0


class Scaling(NamedTuple):
    """Replicas that come and go. Every `interval` s: as many as give each `target` requests, at least `least`, at
    most the farm's; more at once (they are up after `startup` s), fewer when that was so for `patience` s."""

    least: int
    target: float
    interval: float = 15.0
    startup: float = 120.0
    patience: float = 300.0


class Failures(NamedTuple):
    """gaps: s that replicas are up between failures, used in turn by whichever comes up next. repair: s until a
    failed one is up again."""

    gaps: tuple[float, ...]
    repair: float


class Farm(NamedTuple):
    """The machines: equal replicas behind a router. "shared" is one queue in front of all of them; "prefix" weighs
    what a replica has cached. delay: seconds that a first token takes beyond its queue and its steps (tokenising,
    the way to the client). prefill: a pool before these, which then only decode. Scaling is of these."""

    replicas: int
    engine: Engine
    router: str = "round_robin"
    delay: float = 0.0
    prefill: Prefill | None = None
    scaling: Scaling | None = None
    failures: Failures | None = None


def exponential_failures(mean: float, repair: float, seed: int) -> Failures:
    """Failures of replicas whose time up is exponential with `mean` s. The same seed gives the same ones. Raises
    BadRequest for times that are not positive.

    >>> failures = exponential_failures(1000.0, 60.0, seed=0)
    >>> 900 < sum(failures.gaps) / len(failures.gaps) < 1100
    True
    """
    if not (0.0 < mean < 1e15 and repair >= 0.0):
        raise BadRequest("expected positive times", field="failures")
    random = np.random.Generator(np.random.PCG64(seed))
    return Failures(tuple(random.exponential(mean, _GAPS).tolist()), repair)


def check(farm: Farm) -> None:
    """Raises BadRequest for impossible machines or an unknown router."""
    if farm.router not in ROUTERS:
        raise BadRequest("expected round_robin, least_loaded, shared or prefix", field="router", value=farm.router)
    for pool in (farm, farm.prefill) if farm.prefill else (farm,):
        if min(pool.replicas, pool.engine.slots, pool.engine.cache, pool.engine.chunk) < 1:
            raise BadRequest("expected at least one replica, slot, cached token and token a step", field="farm")
        if pool.replicas > REPLICAS_MAX:
            raise BadRequest("'{value}' is out of range; allowed: {low} to {high}", field="replicas",
                             value=pool.replicas, low=1, high=REPLICAS_MAX)  # fmt: skip
    p, s, f = farm.prefill, farm.scaling, farm.failures
    if p and not (0.0 <= p.latency < np.inf and 0.0 <= p.per_token < np.inf):
        raise BadRequest("expected positive times", field="prefill")
    if s and not (1 <= s.least <= farm.replicas and s.target > 0.0 and s.interval > 0.0 and s.startup >= 0.0):
        raise BadRequest("expected 1 to all replicas at least, and positive times", field="scaling")
    if f and not (len(f.gaps) and min(f.gaps) > 0.0 and 0.0 <= f.repair < np.inf):
        raise BadRequest("expected positive times", field="failures")


def fronts(farm: Farm) -> int:
    """Replicas that only prefill; the first ones."""
    return farm.prefill.replicas if farm.prefill else 0


def rules_of(farm: Farm, block: int) -> Rules:
    """Each replica's rules; block: tokens of the blocks that the requests name."""
    first = fronts(farm)
    front = farm.prefill.engine if farm.prefill else farm.engine
    engines = [front] * first + [farm.engine] * farm.replicas
    hands = np.arange(len(engines)) < first
    prefix = np.array([e.prefix for e in engines]) & (hands | (first == 0))
    rows = [[int(getattr(e, name)) for e in engines] for name in ("slots", "cache", "chunk", "prefill_first", "paged")]
    return Rules(np.array([*rows, np.where(prefix, block, 0), hands, hands], np.int64))


def policy_of(farm: Farm) -> Policy:
    """How the farm is run."""
    p, s, f = farm.prefill, farm.scaling, farm.failures
    return Policy(
        router=ROUTERS.index(farm.router), fronts=fronts(farm),
        latency=float(p.latency) if p else 0.0, per_token=float(p.per_token) if p else 0.0,
        least=s.least if s else farm.replicas, target=float(s.target) if s else 1.0,
        interval=float(s.interval) if s else np.inf, startup=float(s.startup) if s else 0.0,
        patience=float(s.patience) if s else np.inf, repair=float(f.repair) if f else 0.0,
    )  # fmt: skip


def steps_of(farm: Farm, step: StepTable) -> Steps:
    """The step times of the farm's pools."""
    return stacked([step, farm.prefill.step] if farm.prefill else [step])


def empty_state(farm: Farm, start: float) -> State:
    """Replicas without work at the time of the first arrival."""
    first = fronts(farm)
    count = first + farm.replicas
    times, numbers = np.zeros((8, count)), np.zeros((15, count + 2), np.int64)
    numbers[at.MODE, :count] = at.UP
    if farm.scaling:
        numbers[at.MODE, first + farm.scaling.least : count] = at.OFF
    gaps = np.array(farm.failures.gaps if farm.failures else (np.inf,), dtype=float)
    times[at.END] = times[at.WAKE] = np.inf
    times[at.FAIL] = np.where(numbers[at.MODE, :count] == at.UP, start + np.resize(gaps, count), np.inf)
    times[at.SINCE] = start
    counts = np.zeros(at.COUNTS, np.int64)
    counts[at.GAPS] = count
    tick = start + farm.scaling.interval if farm.scaling else np.inf
    heap = np.zeros((count, 1), np.int64)
    return State(
        t=times, n=numbers, heap_step=heap, heap_request=heap.copy(), fly_time=np.zeros(1),
        fly_request=np.zeros(1, np.int64), gaps=gaps, counts=counts,
        next=np.array([min(float(times[at.FAIL].min()), tick), np.inf]),
    )  # fmt: skip


def empty_blocks(replicas: int) -> Blocks:
    """Prefix caches without a block."""
    ends = np.full((3, replicas), at.NOBODY, np.int64)
    ends[at.FREE] = 0
    return Blocks(np.zeros((3, replicas, 0), np.int32), ends)
