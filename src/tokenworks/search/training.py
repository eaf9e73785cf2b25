"""Training: candidates, memory, time. The passes call the performance model once an offer and precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from tokenworks.perf import memory as perf_memory
from tokenworks.perf import training as perf
from tokenworks.perf.goodput import goodput, reliability
from tokenworks.perf.layout import Layout
from tokenworks.perf.training_constants import TrainingConstants, density
from tokenworks.perf.training_network import Local, local_parameters
from tokenworks.records import Designs, Floats, Hardware, Ints, Train
from tokenworks.search import shared, software, space
from tokenworks.search.factor import alike, gather
from tokenworks.search.problem import Offer, Problem, State
from tokenworks.search.shared import distinct_rows
from tokenworks.workload import flops_per_token

CHIPS_MAX = 131_072  # the largest cluster tried; what one network does not join is cut for that reason
PRECISIONS = ("bf16", "fp8")
SLOW = "too slow even at peak FLOP/s"
HUNGRY = "chips alone draw more than the power allowed"


def job(problem: Problem) -> Train:
    """The training job of a problem (the search of serving never calls this)."""
    assert isinstance(problem.job, Train)  # a contract between passes
    return problem.job


def blocks(problem: Problem, exhaustive: bool = False) -> Iterator[Callable[[], State]]:
    """The space in blocks of one offer and precision, each made when it is called for."""
    pairs = [
        (k, p)
        for k, offer in enumerate(problem.offers)
        for p in software.training_precisions(offer.chip)
        if problem.fixed.get("precision", PRECISIONS.index(p)) == PRECISIONS.index(p)
    ]
    sizes = [_sizes(problem, problem.offers[k], p, exhaustive) for k, p in pairs]
    every = sorted({(k, n) for (k, _), s in zip(pairs, sizes, strict=True) for n in s.tried.tolist()})
    verdicts = shared.judged(problem, every)
    for (k, precision), size in zip(pairs, sizes, strict=True):
        state = State(
            problem,
            Designs({}),
            verdicts=verdicts,
            exhaustive=exhaustive,
            copies=len(space.oversubscriptions(problem.fixed)),
        )
        yield partial(candidates, state, k, precision, size)


@dataclass(frozen=True)
class Sizes:
    """Cluster sizes of an offer that are tried, and how many a bound or a limit cut away, by reason."""

    tried: Ints
    bounded: Mapping[str, int]
    least: float  # s; the job's time at peak FLOP/s on the largest cluster


def candidates(state: State, index: int, precision: str, sizes: Sizes) -> State:
    """All splits of the cluster sizes of an offer in a precision; what does not divide is counted and left out."""
    problem, offer = state.problem, state.problem.offers[index]
    domain = int(offer.hardware.scaleup_domain)
    shape = space.TrainingShape(
        problem.architecture, job(problem).sequence, global_batch(problem), domain, problem.fixed
    )
    found = space.training(shape, sizes.tried)
    n = len(found.designs)
    designs = (
        Designs({})
        if not n
        else found.designs.with_(
            system=np.full(n, index, np.int64),
            replicas=np.ones(n, np.int64),
            precision=np.full(n, PRECISIONS.index(precision), np.int64),
        )
    )
    each = space.per_size(shape)
    gone = {reason: n * each for reason, n in sizes.bounded.items()}
    dead = np.zeros(n, np.bool_) if state.exhaustive else None
    binding = ("", "") if n else (next(iter([*reversed(list(found.cut)), *gone]), ""), "")
    spanned = found.spanned + sum(gone.values())
    state = replace(state, designs=designs, spanned=spanned, cut=found.cut, bounded=gone, dead=dead, binding=binding)
    return state if n or HUNGRY in gone else state.with_nearest("make.train.within", sizes.least)


def _sizes(problem: Problem, offer: Offer, precision: str, exhaustive: bool) -> Sizes:
    """All cluster sizes of the grid up to what one network joins and the request allows. Two bounds cut sizes
    before anything is computed: chips too slow at their peak FLOP/s, and chips that alone draw too much power."""
    train, limits = job(problem), problem.request.limits
    every = space.counts(1, min(limits.chips_max or CHIPS_MAX, CHIPS_MAX), offer.node)
    if "chips" in problem.fixed:
        every = np.array([problem.fixed["chips"]], np.int64)
    flops = train.tokens * flops_per_token(problem.architecture, train.sequence).training_causal
    peak = float(hardware(offer, precision).peak.get(precision) or 0.0)
    least = flops / (peak * every[-1]) if peak and len(every) else np.inf
    if exhaustive:
        return Sizes(every, {}, least)
    slow = every * peak * (np.inf if train.within is None else train.within) < flops
    hungry = ~slow & (every * float(offer.hardware.power or 0.0) > (limits.power or np.inf))
    gone = {SLOW: int(np.count_nonzero(slow)), HUNGRY: int(np.count_nonzero(hungry))}
    return Sizes(every[~slow & ~hungry], {k: n for k, n in gone.items() if n}, least)


def global_batch(problem: Problem) -> float:
    """Sequences in a step: the request's, else the planning constant's tokens over the sequence length."""
    train = job(problem)
    tokens = float(problem.world.constants["global_batch_tokens"].value)
    return float(train.global_batch or max(1.0, round(tokens / train.sequence)))


def batches(problem: Problem, designs: Designs) -> Floats:
    """The global batch of each design: the nearest multiple of dp x micro-batch to the wanted one."""
    return space.nearest_batch(global_batch(problem), designs["dp"] * designs["micro_batch"])


def layout(problem: Problem, designs: Designs, offer: Offer, precision: str) -> Layout:
    """The columns of the designs as the performance model names them."""
    _, runs = software.training(offer.chip, problem.world.date.year)
    f = {n: designs[n].astype(np.float64) for n in ("tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "zero")}
    return Layout(
        **f,
        global_batch=batches(problem, designs),
        sequence=float(job(problem).sequence),
        recompute=designs["recompute"].astype(np.float64),
        sequence_parallel=1.0,
        precision=precision,
        software=runs,
    )


def constants(problem: Problem, offer: Offer) -> TrainingConstants:
    """The calibration for an offer at the world's date."""
    _, runs = software.training(offer.chip, problem.world.date.year)
    table = problem.world.calibration["training"]
    return TrainingConstants.from_calibration(
        table,
        offer.chip.generation,
        offer.chip.vendor,
        runs,
        chip=offer.chip.id,
        domain=float(offer.hardware.scaleup_domain),
        density=density(hardware(offer, "bf16")),
    )


def hardware(offer: Offer, precision: str, fabric: Designs | None = None) -> Hardware:
    """The offer's hardware in the fabric of each design; a chip without bf16 computes in fp16 at that rate."""
    h = offer.hardware
    peak = dict(h.peak)
    peak.setdefault("bf16", peak.get("fp16", 0.0))
    h = replace(h, peak=peak)
    if fabric is None:
        return h
    over = fabric["oversubscription"].astype(np.float64)
    return replace(h, scaleout_bandwidth=fabric["scaleout_bandwidth"], oversubscription=over)


# What the layers' times, their activations and the parameters of a chip depend on, within an offer and precision.
LAYERS = ("tp", "cp", "ep", "micro_batch", "recompute", "oversubscription")
KEPT = ("tp", "cp", "micro_batch", "recompute")
LOCAL = ("tp", "pp", "ep")


@dataclass(frozen=True)
class Block:
    """Rows of one offer and precision as the performance model takes them."""

    problem: Problem
    designs: Designs
    offer: Offer
    precision: str

    def layout(self, rows: Ints | None = None) -> Layout:
        """All rows, or some of them."""
        some = self.designs if rows is None else self.designs.take(rows)
        return layout(self.problem, some, self.offer, self.precision)

    @property
    def constants(self) -> TrainingConstants:
        """The calibration of the offer."""
        return constants(self.problem, self.offer)

    def local(self) -> Local:
        """Parameters of a chip, per row."""
        heads, inverse = alike(self.designs, LOCAL)
        return gather(local_parameters(self.problem.architecture, self.layout(heads)), len(heads), inverse)

    def memory(self) -> Floats:
        """Peak bytes of a chip, per row."""
        arch, c = self.problem.architecture, constants(self.problem, self.offer)
        h = hardware(self.offer, self.precision)
        heads, inverse = alike(self.designs, KEPT)
        kept = gather(perf_memory.layers_kept(arch, self.layout(heads), c), len(heads), inverse)
        parts = perf_memory.memory_parts(arch, h, self.layout(), c, kept, self.local())
        total: Floats = np.zeros(len(self.designs))
        for part in parts.values():
            total += part
        return total

    def step(self) -> Floats:
        """Seconds of a step, per row."""
        arch, c = self.problem.architecture, constants(self.problem, self.offer)
        heads, inverse = alike(self.designs, LAYERS)
        few = hardware(self.offer, self.precision, self.designs.take(heads))
        times = gather(perf.micro_time(arch, few, self.layout(heads), c), len(heads), inverse)
        h = hardware(self.offer, self.precision, self.designs)
        seconds: Floats = perf.step_time(arch, h, self.layout(), c, times, self.local())
        return seconds


def _blocks(state: State) -> Iterator[tuple[Ints, Block]]:
    for rows, offer, precision in state.groups(PRECISIONS):
        whole = len(rows) == len(state.designs)
        yield rows, Block(state.problem, state.designs if whole else state.designs.take(rows), offer, precision)


def fit(state: State) -> State:
    """Cut what does not fit into memory (peak over the pipeline's stages against usable bytes)."""
    d = state.designs
    if not len(d):
        return state
    needed, usable = np.zeros(len(d)), np.zeros(len(d))
    for rows, block in _blocks(state):
        needed[rows] = block.memory()
        h = hardware(block.offer, block.precision)
        usable[rows] = perf_memory.usable_memory(h, constants(state.problem, block.offer))
    state = replace(state, designs=d.with_(memory_needed=needed, memory_usable=usable))
    return state.within(needed / usable, 1.0, "does not fit into memory", ("memory", 1.0))


def time(state: State) -> State:
    """Step time; wall time of the job with failures and checkpoints; the deadline."""
    d = state.designs
    if not len(d):
        return state
    step = np.zeros(len(d))
    for rows, block in _blocks(state):
        step[rows] = block.step()
    rate = batches(state.problem, d) * job(state.problem).sequence / step
    sizes, inverse = distinct_rows(d["chips"])
    share = goodput(np.array(sizes, np.float64).ravel(), reliability(state.problem.world.calibration["goodput"]))
    wall = job(state.problem).tokens / rate / share[inverse]
    state = replace(state, designs=d.with_(step_time=step, tokens_per_s=rate, time=wall))
    within = job(state.problem).within
    return state if within is None else state.within(wall, within, "is too slow", ("make.train.within", 1.0))
