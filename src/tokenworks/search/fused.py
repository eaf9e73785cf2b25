"""Everything of every design in one compiled pass: what an exhaustive training search runs instead of columns.

The formulas are those of the column search, traced (search/trace.py), written as loops over the space (search/nest.py)
and compiled; the compiler is handed in. The pass scores every design, counts why the others went, and hands back the
few that can matter (the front of every system, standing and way of acquiring, and what is near its best); the passes
of the column search then work out their figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from tokenworks import cost, site
from tokenworks.perf import memory as perf_memory
from tokenworks.perf import training as perf
from tokenworks.perf.goodput import goodput, reliability
from tokenworks.perf.layout import Layout
from tokenworks.perf.training_network import Local, local_parameters
from tokenworks.records import Bools, Designs, Floats, Ints
from tokenworks.search import nest, shared, software, space, training
from tokenworks.search.bounds import NEAR
from tokenworks.search.choose import preference
from tokenworks.search.front import pareto
from tokenworks.search.nest import AXES, BUY_IN, BUY_OVER, COUNTS, DIVIDED, RENT_IN, RENT_OVER, RESULTS, SLACK
from tokenworks.search.problem import Offer, Problem, State
from tokenworks.search.run import Scorer
from tokenworks.search.trace import Trace

Kernel = Callable[..., int]
Compiler = Callable[[str], Kernel]
ROOM = 1 << 14  # designs that a first run has room to hand back

LAYERS = ("tp", "cp", "ep", "oversubscription", "micro_batch", "recompute")
KEPT = ("tp", "cp", "micro_batch", "recompute")
LOCAL = ("tp", "pp", "ep")
NETWORK = ("chips", "oversubscription")
BATCH = ("chips", "tp", "pp", "cp", "micro_batch")
# why a size of a network is left out whole, in order; the first says that there is no such network
OUT = (shared.UNTIERED, shared.SEVERAL, shared.BARRED, shared.LICENSED)


@dataclass(frozen=True)
class Ground:
    """What the designs of an offer have in common at one size and network; shape (sizes, networks)."""

    sizes: Ints
    standing: Ints
    halls: Bools
    tiered: Bools
    power: Floats
    bought: cost.Capital

    def of(self, sizes: Ints) -> Ground:
        """The same for some of the sizes."""
        at = np.isin(self.sizes, sizes)
        bought = cost.Capital(*(part[at] for part in self.bought))
        return Ground(sizes, self.standing[at], self.halls[at], self.tiered[at], self.power[at], bought)


def scorer(compile_: Compiler, each: Callable[..., Any] = map) -> Scorer:
    """How an exhaustive search scores: with a compiler that turns source into a compiled function, and a way to go
    over the blocks."""

    def blocks(problem: Problem) -> Iterator[Callable[[], State]]:
        spaces: dict[Any, Callable[[], Spanned]] = {}
        for index, parts in itertools.groupby(training.parts(problem, True), key=lambda part: part[1]):
            listed = list(parts)
            state, sizes = listed[0][0], listed[0][3].tried
            shape = training.shape_of(problem, problem.offers[index])
            key = (shape.domain, tuple(sizes.tolist()))  # offers that split alike share their space
            spaces.setdefault(key, cache(partial(spanned, shape, sizes)))
            ground = cache(partial(grounded, state, index, sizes))  # the same for all precisions
            for state, _, precision, _ in listed:
                yield partial(_score, state, (index, precision), spaces[key], ground, compile_)

    return Scorer(blocks, each)


def _score(
    state: State,
    block: tuple[int, str],
    space_of: Callable[[], Spanned],
    ground: Callable[[], Ground],
    compile_: Compiler,
) -> State:
    full, count, cut = space_of()
    state = replace(state, cut=cut, spanned=count, copies=1)
    if full is None:
        return replace(state, binding=(next(reversed(list(cut)), ""), ""))
    source, run = prepared(state, block, full, ground())
    kernel, room = compile_(source), ROOM
    while (rows := run.through(kernel, room)) is None:
        room = int(run.room[0])
    return _settled(state, run, rows, block)


def prepared(state: State, block: tuple[int, str], full: Space, ground: Ground) -> tuple[str, Run]:
    """The source of a block's scoring function and its arguments. block: place of the offer, precision."""
    problem, (index, precision) = state.problem, block
    offer = problem.offers[index]
    traced = _trace(problem, offer, precision)
    return traced.source, Run.of(state, traced, full, ground, training.constants(problem, offer))


# ------------------------------------------------------------------------------------------- the space


@dataclass(frozen=True)
class Space:
    """The block's space as the loops take it. axes: values that some design has. divides: over DIVIDED. batch: over
    BATCH."""

    axes: Mapping[str, Ints]
    divides: Bools
    batch: Floats

    @classmethod
    def of(cls, grid: space.Grid, networks: tuple[int, ...]) -> Space:
        """From a grid: values that no design has are left out."""
        names = list(grid.axes)
        axes = {**grid.axes, "oversubscription": np.array(networks, np.int64)}
        divides, batch = (
            np.broadcast_to(_over(array, names, wanted), tuple(len(axes[name]) for name in wanted))
            for array, wanted in ((grid.divides, DIVIDED), (grid.batch, BATCH))
        )
        some = {}
        for k, name in enumerate(DIVIDED):
            some[name] = np.flatnonzero(divides.any(axis=tuple(j for j in range(len(DIVIDED)) if j != k)))
            axes[name] = axes[name][some[name]]
        divides, batch = (
            np.ascontiguousarray(array[np.ix_(*(some[name] for name in wanted))])
            for array, wanted in ((divides, DIVIDED), (batch, BATCH))
        )
        return cls({name: axes[name] for name in AXES}, divides, batch)

    def column(self, name: str, names: tuple[str, ...]) -> Floats:
        """An axis shaped to broadcast over some axes."""
        shape = [-1 if other == name else 1 for other in names]
        return self.axes[name].astype(np.float64).reshape(shape)

    def table(self, value: Any, names: tuple[str, ...]) -> Floats:
        """A column over some axes in full."""
        shape = tuple(len(self.axes[name]) for name in names)
        return np.ascontiguousarray(np.broadcast_to(np.asarray(value, np.float64), shape))


class Spanned(NamedTuple):
    """A space (None: nothing divides), how many designs it spans, and how many each rule cuts."""

    space: Space | None
    size: int
    cut: Mapping[str, int]


def spanned(shape: space.TrainingShape, sizes: Ints) -> Spanned:
    """The space of the offers of a shape."""
    if not len(sizes):
        return Spanned(None, 0, {})
    grid = space.training_grid(shape, sizes)
    full = Space.of(grid, space.oversubscriptions(shape.fixed)) if grid.divides.any() else None
    return Spanned(full, *grid.totals())


def _over(array: Any, names: list[str], wanted: tuple[str, ...]) -> Any:
    """An array over all axes as one over some, which is all that it depends on."""
    at = tuple(slice(None) if name in wanted else 0 for name in names)
    left = [name for name in names if name in wanted]
    return array[at].transpose([left.index(name) for name in wanted])


def grounded(state: State, index: int, sizes: Ints) -> Ground:
    """Verdict, network, power and capital of every size and network of an offer."""
    problem, overs = state.problem, space.oversubscriptions(state.problem.fixed)
    parts = shared.switches(problem, problem.offers[index])
    keys = [(int(size), over) for size in sizes for over in overs]
    table = np.array([shared.wired(problem, (index, size), over, parts) for size, over in keys])
    base = Designs({
        "system": np.full(len(keys), index, np.int64), "chips": np.repeat(sizes, len(overs)),
        "time": np.ones(len(keys)), "fabric_price": table[:, 0], "fabric_power": table[:, 1],
    })  # fmt: skip
    free = replace(problem, request=replace(problem.request, limits=replace(problem.request.limits, power=None)))
    powered = shared.power(shared.judge_all(State(free, base, verdicts=state.verdicts)))
    bought, _ = shared.owning(powered)
    shape = (len(sizes), len(overs))
    over = np.tile(np.array(overs), len(sizes))
    return Ground(
        sizes=sizes,
        standing=powered.designs["standing"].reshape(shape),
        halls=(table[:, 3] == 1.0).reshape(shape),
        tiered=((table[:, 4] > 1.0) | (over == 1)).reshape(shape),
        power=powered.designs["power"].reshape(shape),
        bought=cost.Capital(*(np.broadcast_to(part, len(keys)).reshape(shape) for part in bought)),
    )


# ------------------------------------------------------------------------------------------- the kernel


class Traced(NamedTuple):
    """Source, parameters and tables of a scoring function, and the offer and precision that it is of."""

    source: str
    parameters: Floats
    tables: tuple[tuple[str, tuple[str, ...]], ...]
    offer: Offer
    precision: str


def _trace(problem: Problem, offer: Offer, precision: str) -> Traced:
    """The scoring of one design, written down from the column formulas."""
    arch, t, constants = problem.architecture, Trace(AXES), training.constants(problem, offer)
    job = training.job(problem)
    axis = {name: t.axis(name) for name in AXES}
    split = ("tp", "pp", "vpp", "cp", "ep", "micro_batch", "zero")
    layout = replace(
        _layout(problem, offer, precision, {name: axis[name] for name in split}),
        dp=axis["chips"] / (axis["tp"] * axis["pp"] * axis["cp"]),
        global_batch=t.gathered("batch", BATCH),
    )
    hardware = training.networked(offer, precision, axis["oversubscription"])
    local = Local(*(t.gathered(f"local.{f}", LOCAL) for f in Local._fields))
    times = perf.MicroTime(*(t.gathered(f"layers.{f}", LAYERS) for f in perf.MicroTime._fields))
    kept = perf_memory.Kept(*(t.gathered(f"kept.{f}", KEPT) for f in perf_memory.Kept._fields))
    parts = perf_memory.memory_parts(arch, hardware, layout, constants, kept, local)
    step = perf.step_time(arch, hardware, layout, constants, times, local)
    rate = layout.global_batch * float(job.sequence) / step
    time = job.tokens / rate / t.gathered("goodput", ("chips",))
    seconds = time if problem.request.horizon is None else problem.request.horizon + 0.0 * time
    load = float(problem.world.constants["mean_load"].value)
    joules = site.energy(t.gathered("power", NETWORK), load, seconds)
    bought = cost.Capital(*(t.gathered(f"bought.{f}", NETWORK) for f in cost.Capital._fields))
    results = {
        "memory": sum(parts.values()),
        "time": time,
        "energy": joules,
        "owned": shared.owned_for(problem, bought, seconds, joules).total,
        "rent": cost.renting(axis["chips"], shared.rent(problem, offer), seconds),
    }
    source = nest.source(t, results)
    return Traced(source, np.array(t.parameters or [0.0]), tuple(t.tables), offer, precision)


def _layout(problem: Problem, offer: Offer, precision: str, split: Mapping[str, Any]) -> Layout:
    _, runs = software.training(offer.chip, problem.world.date.year)
    sequence = float(training.job(problem).sequence)
    return Layout(**split, sequence=sequence, sequence_parallel=1.0, precision=precision, software=runs)


class Run(NamedTuple):
    """The arguments of a scoring function, and what it fills in."""

    parameters: Floats
    space: Space
    gates: Ints
    caps: Floats
    first: Floats
    tables: list[Floats]
    counts: Ints
    least: Floats  # of RESULTS, over every design scored
    nearest: Floats
    room: Ints

    @classmethod
    def of(cls, state: State, traced: Traced, full: Space, base: Ground, constants: Any) -> Run:
        """Tables and limits of a block."""
        problem, limits = state.problem, state.problem.request.limits
        usable = float(perf_memory.usable_memory(training.hardware(traced.offer, traced.precision), constants))
        most = np.array([
            usable,
            np.inf if (within := training.job(problem).within) is None else within,
            np.inf if limits.budget_total is None else limits.budget_total,
            min((b for b in (limits.budget, limits.budget_total) if b is not None), default=np.inf),
        ])  # fmt: skip
        first = np.zeros(3)
        first[{"cost": 0, "time": 1}.get(preference(state), 2)] = 1.0
        ground = base.of(full.axes["chips"])
        found = _tables(problem, traced, full, ground, constants)
        tables = [found[name] for name, _ in traced.tables]
        return cls(traced.parameters, full, _gates(problem, traced.offer, ground), most * (1 + SLACK), first, tables,
                   nest.tally(), np.empty(len(RESULTS)), np.empty(2), np.zeros(1, np.int64))  # fmt: skip

    def through(self, kernel: Kernel, room: int) -> tuple[Ints, Floats] | None:
        """Score everything: the designs handed back (places on AXES and what became of the ways of acquiring them)
        and their scores; None where there was no room for all, `room` says how much it takes."""
        rows, values = np.empty((room, len(AXES) + 1), np.int64), np.empty((room, len(RESULTS)))
        self.counts[:] = 0
        near = np.full(nest.GROUPS, np.inf)
        divides = self.space.divides
        any_of = divides.any(axis=tuple(range(AXES.index("oversubscription"), divides.ndim)))
        axes = [axis.astype(np.float64) for axis in self.space.axes.values()]
        best = nest.champions(self.gates.shape[1])
        self.room[0] = kernel(self.parameters, any_of, divides, self.gates, self.caps, self.first, self.counts,
                              self.least, self.nearest, near, best, rows, values, *axes, *self.tables)  # fmt: skip
        n = int(self.room[0])
        return None if n > room else (rows[:n], values[:n])


def _tables(problem: Problem, traced: Traced, full: Space, ground: Ground, constants: Any) -> Mapping[str, Floats]:
    """The small tables by name."""
    arch, offer, precision = problem.architecture, traced.offer, traced.precision

    def over(names: tuple[str, ...]) -> Layout:
        split = {name: full.column(name, names) for name in names if name != "oversubscription"}
        return _layout(problem, offer, precision, split)

    hardware = training.networked(offer, precision, full.column("oversubscription", LAYERS))
    parts: Mapping[str, tuple[Any, tuple[str, ...]]] = {
        "layers": (perf.micro_time(arch, hardware, over(LAYERS), constants), LAYERS),
        "kept": (perf_memory.layers_kept(arch, over(KEPT), constants), KEPT),
        "local": (local_parameters(arch, over(LOCAL)), LOCAL),
        "bought": (ground.bought, NETWORK),
    }
    chips = full.axes["chips"].astype(np.float64)
    found = {
        "batch": full.table(full.batch, BATCH),
        "power": full.table(ground.power, NETWORK),
        "goodput": full.table(goodput(chips, reliability(problem.world.calibration["goodput"])), ("chips",)),
    }
    for kind, (terms, names) in parts.items():
        found |= {f"{kind}.{f}": full.table(value, names) for f, value in terms._asdict().items()}
    return found


def _gates(problem: Problem, offer: Offer, ground: Ground) -> Ints:
    """What of the limits is known of a size and network before a split is made: nest.GATES."""
    limits, acquire = problem.request.limits, problem.request.acquire
    standing = ground.standing
    out = np.full(standing.shape, -1)
    if limits.licence == "none":
        out[standing == shared.STANDINGS.index("licence")] = OUT.index(shared.LICENSED)
    out[standing == shared.STANDINGS.index("barred")] = OUT.index(shared.BARRED)
    out[~ground.halls] = OUT.index(shared.SEVERAL)
    unpriced = np.isnan(ground.bought.total)
    capital: Any = np.where(unpriced, ground.bought.known, ground.bought.total)
    most = min((b for b in (limits.budget, limits.budget_capital) if b is not None), default=np.inf)
    buy = np.where(capital <= most * (1 + SLACK), 1, 2)
    if acquire == "rent" or offer.chip.vendor in software.CLOUD_ONLY:
        buy = np.zeros_like(buy)
    rent = acquire != "buy" and np.isfinite(shared.rent(problem, offer))
    powered = np.ones(standing.shape) if limits.power is None else ground.power <= limits.power
    gates = (ground.tiered, out, powered, buy, np.full(standing.shape, rent), standing * 2 + unpriced)
    return np.ascontiguousarray(np.stack(gates, axis=2).astype(np.int64))


# ------------------------------------------------------------------------------------------ the choice


def _settled(state: State, run: Run, found: tuple[Ints, Floats], block: tuple[int, str]) -> State:
    """The designs that can matter, and the state with all others counted."""
    problem, offer = state.problem, state.problem.offers[block[0]]
    counted = dict(zip(COUNTS, run.counts.tolist(), strict=False))
    out = dict(zip(OUT, run.counts[len(COUNTS) :].tolist(), strict=True))
    cuts = {**out, shared.MEMORY: counted["memory"], shared.DEADLINE: counted["slow"],
            shared.HUNGRY: counted["hungry"]}  # fmt: skip
    for reason, n in cuts.items():
        state = state.count(reason, n)
    state = replace(state, scored=counted["scored"])
    rows, values = found
    rows = rows[_matter(run, rows, values)]
    n, fate = len(rows), rows[:, -1]
    acquire = problem.request.acquire
    left = counted["alive"] - n  # those handed back are counted by the passes that follow
    if acquire != "rent" and offer.chip.vendor in software.CLOUD_ONLY:
        state = state.count(shared.UNSOLD, left)
    if acquire != "buy" and not np.isfinite(shared.rent(problem, offer)):
        state = state.count(shared.UNRENTED, left)
    gone, held = (
        counted[f"buy {what}"] + counted[f"rent {what}"] - sum(int(np.count_nonzero(fate & bit)) for bit in bits)
        for what, bits in (("over", (BUY_OVER, RENT_OVER)), ("in", (BUY_IN, RENT_IN)))
    )
    state = replace(state.count(shared.COSTS, gone), beaten=held)
    if not n:
        state = replace(state, binding=(next(reversed(list(state.cut)), ""), ""))
        if counted["slow"] and not counted["hungry"] + counted["alive"]:
            state = state.with_nearest("make.train.within", float(run.nearest[1]))
        return state
    # those handed back are counted as scored when they are priced
    designs = designs_of(run, rows, block)
    return replace(state, designs=designs, dead=np.zeros(n, np.bool_), scored=state.scored - n)


def designs_of(run: Run, rows: Ints, block: tuple[int, str]) -> Designs:
    """The designs that a scoring function hands back. block: place of the offer, precision."""
    axes, n = run.space.axes, len(rows)
    columns = {name: axes[name][rows[:, k]] for k, name in enumerate(AXES)}
    columns["dp"] = columns["chips"] // (columns["tp"] * columns["pp"] * columns["cp"])
    columns |= {"system": np.full(n, block[0], np.int64), "replicas": np.ones(n, np.int64),
                "precision": np.full(n, training.PRECISIONS.index(block[1]), np.int64)}  # fmt: skip
    return Designs(columns)


def _matter(run: Run, rows: Ints, values: Floats) -> Bools:
    """Marks what is on the front of its legal standing and way of acquiring, or near its best."""
    at = tuple(rows[:, AXES.index(name)] for name in NETWORK)
    group = run.gates[at[0], at[1], nest.GATES.index("group")]
    marked = np.zeros(len(rows), np.bool_)
    for bit, total, key in ((BUY_IN, "owned", group), (RENT_IN, "rent", group // 2 * 2)):
        points = values[:, [RESULTS.index(name) for name in (total, "time", "energy")]]
        points[:, 0] = np.nan_to_num(points[:, 0], nan=0.0)
        there = (rows[:, -1] & bit) > 0
        for one in np.unique(key[there]):
            some = np.flatnonzero(there & (key == one))
            wanted = points[some, int(run.first.argmax())]
            marked[some] |= wanted <= wanted.min() * NEAR * (1 + SLACK)
            left = some[_undominated(points[some])]
            marked[left] |= pareto(points[left])
    return marked


def _undominated(points: Floats) -> Ints:
    """Rows left after the clear winners have taken out what they beat; the rest is left to the exact front."""
    left = np.arange(len(points))
    for column in (None, 0, 1, 2):
        if len(left) < 64:
            break
        here = points[left]
        score = (here / np.maximum(here.mean(axis=0), 1e-300)).sum(axis=1) if column is None else here[:, column]
        best = here[score.argmin()]
        left = left[~(np.all(here > best * (1 + SLACK), axis=1))]
    return left
