"""Training: candidates, memory, time. The passes call the performance model once an offer and precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from tokenworks.perf import memory as perf_memory
from tokenworks.perf import training as perf
from tokenworks.perf.goodput import goodput, reliability
from tokenworks.perf.layout import Layout
from tokenworks.perf.training_constants import TrainingConstants, density
from tokenworks.perf.training_network import Local, local_parameters
from tokenworks.records import Designs, Floats, Hardware, Ints, Train
from tokenworks.search import shared, software, space
from tokenworks.search.bounds import NEAR, RECOMPUTES, SLOWER
from tokenworks.search.factor import alike, gather
from tokenworks.search.offers import scaleout
from tokenworks.search.problem import Offer, Problem, State
from tokenworks.search.shared import distinct_rows
from tokenworks.workload import flops_per_token

CHIPS_MAX = 131_072  # the largest cluster tried; what one network does not join is cut for that reason
PRECISIONS = ("bf16", "fp8")
LAYERS_TIME, HEAD_TIME = "layers_time", "head_time"  # columns that travel from the bound to the step
SPLIT = "split"  # a column that travels from the candidates to what fits
TRIED = 16  # designs of a size that are timed before a bound is drawn
SLOW = "too slow even at peak FLOP/s"
HUNGRY = "chips alone draw more than the power allowed"


def job(problem: Problem) -> Train:
    """The training job of a problem (the search of serving never calls this)."""
    assert isinstance(problem.job, Train)  # a contract between passes
    return problem.job


def blocks(problem: Problem, exhaustive: bool = False) -> Iterator[Callable[[], State]]:
    """The space in blocks of one offer and precision, each made when it is called for."""
    for state, k, precision, size in parts(problem, exhaustive):
        yield partial(candidates, state, k, precision, size)


def parts(problem: Problem, exhaustive: bool) -> Iterator[tuple[State, int, str, Sizes]]:
    """What every block is made from: the verdicts, an offer, a precision, and the cluster sizes that are tried."""
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
            copies=len(space.oversubscriptions(problem.fixed))
            * (1 if exhaustive else len(space.recomputes(problem.fixed))),
        )
        yield state, k, precision, size


@dataclass(frozen=True)
class Sizes:
    """Cluster sizes of an offer that are tried, and how many a bound or a limit cut away, by reason."""

    tried: Ints
    bounded: Mapping[str, int]
    least: float  # s; the job's time at peak FLOP/s on the largest cluster


def candidates(state: State, index: int, precision: str, sizes: Sizes) -> State:
    """All splits of the cluster sizes of an offer in a precision; what does not divide is counted and left out. With
    bounds a row stands for all ways of recomputing until `fit` chooses one."""
    offer = state.problem.offers[index]
    shape = shape_of(state.problem, offer)
    found = _splits(state.problem, offer, state.exhaustive).of(sizes.tried)
    n = len(found.designs)
    open_rows = {} if state.exhaustive else {SPLIT: np.arange(found.first, found.first + n)}
    designs = (
        Designs({})
        if not n
        else found.designs.with_(
            **open_rows,
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


def _splits(problem: Problem, offer: Offer, exhaustive: bool) -> space.Splits:
    """All splits of the offers of a scale-up domain and node, worked out for the first and kept for the others."""
    shape = shape_of(problem, offer)
    key = ("splits", shape.domain, offer.node, exhaustive)
    if key not in problem.known:
        problem.known[key] = space.training(shape, _counts(problem, offer.node), () if exhaustive else ("recompute",))
    found: space.Splits = problem.known[key]
    return found


def _counts(problem: Problem, node: int) -> Ints:
    """All cluster sizes of nodes of so many chips that the request allows."""
    if "chips" in problem.fixed:
        return np.array([problem.fixed["chips"]], np.int64)
    return space.counts(1, min(problem.request.limits.chips_max or CHIPS_MAX, CHIPS_MAX), node)


def shape_of(problem: Problem, offer: Offer) -> space.TrainingShape:
    """What the splits of an offer depend on."""
    train, domain = job(problem), int(offer.hardware.scaleup_domain)
    return space.TrainingShape(problem.architecture, train.sequence, global_batch(problem), domain, problem.fixed)


def _sizes(problem: Problem, offer: Offer, precision: str, exhaustive: bool) -> Sizes:
    """All cluster sizes of the grid up to what one network joins and the request allows. Two bounds cut sizes
    before anything is computed: chips too slow at their peak FLOP/s, and chips that alone draw too much power."""
    train, limits = job(problem), problem.request.limits
    every = _counts(problem, offer.node)
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
    return Layout(
        **{name: designs[name].astype(np.float64) for name in LAID if name in designs.columns},
        global_batch=batches(problem, designs),
        sequence=float(job(problem).sequence),
        sequence_parallel=1.0,
        precision=precision,
        software=runs,
    )


def spread(layout: Layout, **axis: Floats) -> Layout:
    """Rows against an axis: every column standing, shape (rows, 1), and some new ones lying."""
    stood: dict[str, Any] = {f.name: v[:, None] for f in fields(layout) if np.ndim(v := getattr(layout, f.name)) == 1}
    lying: dict[str, Any] = {name: column[None, :] for name, column in axis.items()}
    return replace(layout, **stood, **lying)


def constants(problem: Problem, offer: Offer) -> TrainingConstants:
    """The calibration for an offer at the world's date."""
    key = ("training", offer.system.id)
    if key not in problem.known:
        _, runs = software.training(offer.chip, problem.world.date.year)
        problem.known[key] = TrainingConstants.from_calibration(
            problem.world.calibration["training"],
            offer.chip.generation,
            offer.chip.vendor,
            runs,
            chip=offer.chip.id,
            domain=float(offer.hardware.scaleup_domain),
            density=density(hardware(offer, "bf16")),
        )
    found: TrainingConstants = problem.known[key]
    return found


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


def networked(offer: Offer, precision: str, oversubscription: Any) -> Hardware:
    """The performance model's view of a chip in networks of some oversubscriptions, of any shape."""
    out = scaleout(offer.chip, offer.system) or 0.0
    return replace(hardware(offer, precision), scaleout_bandwidth=out, oversubscription=oversubscription)


# What the layers' times, their activations and the parameters of a chip depend on, within an offer and precision.
LAYERS = ("tp", "cp", "ep", "micro_batch", "recompute", "oversubscription")
KEPT = ("tp", "cp", "micro_batch", "recompute")
KEPT_OPEN = KEPT[:-1]  # with recomputation as an axis of its own
LAYERS_OPEN = LAYERS[:-1]  # with the network as an axis of its own
LOCAL = ("tp", "pp", "ep")


LAID = ("tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "zero", "recompute")  # what a layout is made from


@dataclass(frozen=True)
class Block:
    """Rows of one offer and precision as the performance model takes them."""

    problem: Problem
    designs: Designs
    offer: Offer
    precision: str

    def layout(self, rows: Ints | None = None) -> Layout:
        """All rows, or some of them."""
        d = self.designs
        some = d if rows is None else Designs({name: d[name][rows] for name in LAID if name in d.columns})
        return layout(self.problem, some, self.offer, self.precision)

    @cached_property
    def constants(self) -> TrainingConstants:
        """The calibration of the offer."""
        return constants(self.problem, self.offer)

    @property
    def usable(self) -> float:
        """Bytes of a chip that a job can have."""
        return float(perf_memory.usable_memory(hardware(self.offer, self.precision), self.constants))

    def local(self) -> Local:
        """Parameters of a chip, per row."""
        heads, inverse = alike(self.designs, LOCAL)
        return gather(local_parameters(self.problem.architecture, self.layout(heads)), len(heads), inverse)

    def memory(self) -> Floats:
        """Peak bytes of a chip, per row."""
        arch, c = self.problem.architecture, self.constants
        h = hardware(self.offer, self.precision)
        heads, inverse = alike(self.designs, KEPT)
        kept = gather(perf_memory.layers_kept(arch, self.layout(heads), c), len(heads), inverse)
        parts = perf_memory.memory_parts(arch, h, self.layout(), c, kept, self.local())
        total: Floats = np.zeros(len(self.designs))
        for part in parts.values():
            total += part
        return total

    def memory_by(self, ways: tuple[int, ...]) -> Floats:
        """Peak bytes of a chip but for the process itself, per row and way of recomputing."""
        arch, c = self.problem.architecture, self.constants
        heads, inverse = alike(self.designs, KEPT_OPEN)
        axis = np.array(ways, np.float64)
        kept = perf_memory.layers_kept(arch, spread(self.layout(heads), recompute=axis), c)
        shape = (len(heads), len(ways))
        kept = perf_memory.Kept(*(np.broadcast_to(column, shape)[inverse] for column in kept))
        local = Local(*(column[:, None] for column in self.local()))
        bare = replace(hardware(self.offer, self.precision), memory=0.0)
        parts = perf_memory.memory_parts(arch, bare, spread(self.layout(), recompute=axis), c, kept, local)
        fixed = sum(part for name, part in parts.items() if name != "activations")  # the same however it is recomputed
        total: Floats = fixed + parts["activations"]
        return total

    def memory_of_splits(self, ways: tuple[int, ...]) -> Floats:
        """`memory_by` of rows that still say which split they are: worked out once for all splits of offers that run
        the same software, and kept."""
        problem, offer = self.problem, self.offer
        _, runs = software.training(offer.chip, problem.world.date.year)
        key = ("memory", int(offer.hardware.scaleup_domain), offer.node, self.precision, runs)
        if key not in problem.known:
            problem.known[key] = replace(self, designs=_splits(problem, offer, False).rows).memory_by(ways)
        found: Floats = problem.known[key][self.designs[SPLIT]]
        return found

    def micro_by(self, overs: tuple[int, ...]) -> tuple[perf.MicroTime, Ints]:
        """Layers' times of the combinations that occur, per combination and network, and which one each row has."""
        heads, inverse = alike(self.designs, LAYERS_OPEN)
        lying = self.over(overs)
        found = perf.micro_time(self.problem.architecture, lying, spread(self.layout(heads)), self.constants)
        shape = (len(heads), len(overs))
        return perf.MicroTime(*(np.broadcast_to(column, shape) for column in found)), inverse

    def over(self, overs: tuple[int, ...]) -> Hardware:
        """The hardware in each of some networks, shape (1, networks)."""
        return networked(self.offer, self.precision, np.array(overs, np.float64)[None, :])

    def step(self) -> Floats:
        """Seconds of a step, per row."""
        arch, c = self.problem.architecture, self.constants
        times = self.times()
        h = hardware(self.offer, self.precision, self.designs)
        seconds: Floats = perf.step_time(arch, h, self.layout(), c, times, self.local())
        return seconds

    def times(self) -> perf.MicroTime:
        """Layers' times, per row: those that came with the rows, or worked out now."""
        d = self.designs
        if LAYERS_TIME in d.columns:
            return perf.MicroTime(d[LAYERS_TIME], d[HEAD_TIME])
        heads, inverse = alike(d, LAYERS)
        few = hardware(self.offer, self.precision, d.take(heads))
        found = perf.micro_time(self.problem.architecture, few, self.layout(heads), self.constants)
        return gather(found, len(heads), inverse)


def _blocks(state: State) -> Iterator[tuple[Ints | slice, Block]]:
    for rows, offer, precision in state.groups(PRECISIONS):
        yield rows, Block(state.problem, state.designs.take(rows), offer, precision)


def fit(state: State) -> State:
    """Cut what does not fit into memory (peak over the pipeline's stages against usable bytes)."""
    d = state.designs
    if not len(d):
        return state
    if "recompute" not in d.columns:
        return _fit_least(state)
    needed, usable = np.zeros(len(d)), np.zeros(len(d))
    for rows, block in _blocks(state):
        needed[rows] = block.memory()
        usable[rows] = block.usable
    state = replace(state, designs=d.with_(memory_needed=needed, memory_usable=usable))
    return state.within(needed / usable, 1.0, shared.MEMORY, ("memory", 1.0))


def _fit_least(state: State) -> State:
    """Rows that stand for all ways of recomputing: cut those that fit in none, and a bound: of those in which a row
    fits keep the least. Work done twice never makes a step shorter, and the bill is the same, so what goes is beaten
    or equalled in every criterion by what stays."""
    d, ways = state.designs, space.recomputes(state.problem.fixed)
    needed, usable = np.empty((len(d), len(ways))), np.empty(len(d))
    for rows, block in _blocks(state):
        process = perf_memory.process(hardware(block.offer, block.precision), block.constants)
        needed[rows] = block.memory_of_splits(ways) + process
        usable[rows] = block.usable
    fits = needed <= usable[:, None]
    kept, least = fits.any(axis=1), fits.argmax(axis=1)
    state = replace(state, copies=state.copies // len(ways))
    state = state.count(shared.MEMORY, int(fits.size - np.count_nonzero(fits)))
    state = state.bound(RECOMPUTES, int(np.count_nonzero(fits) - np.count_nonzero(kept)))
    if not kept.any():
        state = replace(state, binding=(shared.MEMORY, "memory"))
        state = state.with_nearest("memory", float(np.min(needed / usable[:, None])))
    at = np.flatnonzero(kept)
    d = Designs({name: column for name, column in d.columns.items() if name != SPLIT})
    chosen = {"recompute": np.array(ways, np.int64)[least[at]], "memory_needed": needed[at, least[at]]}
    return replace(state, designs=d.take(at).with_(**chosen, memory_usable=usable[at]))


def hopeful(state: State) -> State:
    """A bound before the networks are built: a row is kept in the networks in which its pipeline alone takes no longer
    than the whole step of one design of the same bill, and what is near it. See `bounds.fastest`."""
    d, overs = state.designs, space.oversubscriptions(state.problem.fixed)
    if state.exhaustive or not len(d):
        return state
    parts = [_hopeful(block, overs) for _, block in _blocks(state)]
    designs = Designs({k: np.concatenate([p[k] for p in parts]) for k in parts[0].columns})
    gone = len(d) * len(overs) - len(designs)
    return replace(replace(state, copies=1).bound(SLOWER, gone), designs=designs)


def _hopeful(block: Block, overs: tuple[int, ...]) -> Designs:
    """First by the shortest time in any network, then network by network."""
    arch, c = block.problem.architecture, block.constants
    table, inverse = block.micro_by(overs)
    lowest = perf.MicroTime(*(column.min(axis=1)[inverse] for column in table))
    # per sequence: the job's time is in proportion
    least = perf.pipeline_time(arch, block.layout(), c, lowest) / batches(block.problem, block.designs)
    chips = block.designs["chips"]
    ends = np.append(np.flatnonzero(chips[1:] != chips[:-1]) + 1, len(chips))  # rows of a size follow one another
    starts = np.append(0, ends[:-1])
    size = np.repeat(np.arange(len(ends)), ends - starts)
    tried = [at + _most_hopeful(least[at:end]) for at, end in zip(starts, ends, strict=True)]
    whole = _whole(block, np.concatenate(tried), overs, (table, inverse))
    best = np.minimum.reduceat(whole, np.cumsum([0, *(len(rows) for rows in tried[:-1])]))
    left = np.flatnonzero(least <= NEAR * best.max(axis=1)[size])
    times = perf.MicroTime(*(column[inverse[left]] for column in table))
    least = perf.pipeline_time(arch, spread(block.layout(left)), c, times)
    least /= batches(block.problem, block.designs)[left][:, None]
    network, row = np.nonzero((least <= NEAR * best[size[left]]).T)
    return block.designs.take(left[row]).with_(**{
        "oversubscription": np.array(overs, np.int64)[network],
        LAYERS_TIME: times.layers[row, network], HEAD_TIME: times.head[row, network],
    })  # fmt: skip


def _most_hopeful(least: Floats) -> Ints:
    """Rows of the least values, TRIED of them at most."""
    return np.argpartition(least, TRIED)[:TRIED] if len(least) > TRIED else np.arange(len(least))


def _whole(block: Block, rows: Ints, overs: tuple[int, ...], micro: tuple[perf.MicroTime, Ints]) -> Floats:
    """Seconds of a whole step per sequence, of some rows in each network."""
    some, (table, inverse) = replace(block, designs=block.designs.take(rows)), micro
    times = perf.MicroTime(*(column[inverse[rows]] for column in table))
    local = Local(*(column[:, None] for column in some.local()))
    arch, lying, standing = block.problem.architecture, block.over(overs), spread(some.layout())
    step: Floats = perf.step_time(arch, lying, standing, block.constants, times, local)
    return step / batches(block.problem, some.designs)[:, None]


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
    plain = Designs({k: v for k, v in d.columns.items() if k not in (LAYERS_TIME, HEAD_TIME)})
    state = replace(state, designs=plain.with_(step_time=step, tokens_per_s=rate, time=wall))
    within = job(state.problem).within
    return state if within is None else state.within(wall, within, shared.DEADLINE, ("make.train.within", 1.0))
