"""Everything of every design in one compiled pass: what an exhaustive training search runs instead of columns.

The formulas are those of the column search, traced (search/trace.py) and compiled; the compiler is handed in. The
pass picks the designs that can matter (the front of every system, standing and way of acquiring, and what is near its
best) and counts why the others went; the passes of the column search then work out their figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tokenworks import cost, fabric, site
from tokenworks.perf import memory as perf_memory
from tokenworks.perf import training as perf
from tokenworks.perf.goodput import goodput, reliability
from tokenworks.perf.layout import Layout
from tokenworks.perf.training_network import Local, local_parameters
from tokenworks.records import Bools, Designs, Floats, Ints
from tokenworks.search import shared, software, training
from tokenworks.search.bounds import NEAR
from tokenworks.search.choose import preference
from tokenworks.search.factor import alike
from tokenworks.search.front import pareto
from tokenworks.search.offers import scaleout
from tokenworks.search.problem import Offer, State
from tokenworks.search.run import Scorer
from tokenworks.search.space import oversubscriptions
from tokenworks.search.trace import Trace

Kernel = Callable[..., None]
Compiler = Callable[[str], Kernel]
COLUMNS = ("tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "global_batch", "zero")
RESULTS = ("memory", "time", "energy", "owned", "rent")
SLACK = 1e-9  # relative; what is so near to being beaten is left to the exact front


@dataclass(frozen=True)
class Ground:
    """What the rows of one size have in common, for one network: shape (sizes,)."""

    standing: Ints
    halls: Bools
    tiered: Bools
    power: Floats
    bought: cost.Capital
    chips: Floats
    goodput: Floats


def scorer(compile_: Compiler, each: Callable[..., Any] = map) -> Scorer:
    """How an exhaustive search scores: with a compiler that turns source into a compiled function, and a way to go
    over the blocks."""

    def score(state: State) -> State:
        return _score(state, compile_) if len(state.designs) else state

    return Scorer(score, each)


def _score(state: State, compile_: Compiler) -> State:
    problem, d = state.problem, state.designs
    offer, precision = problem.offers[int(d["system"][0])], training.PRECISIONS[int(d["precision"][0])]
    block = training.Block(problem, d.with_(oversubscription=np.ones(len(d), np.int64)), offer, precision)
    sizes, size_of = _sizes(d["chips"])
    kept, layers, local = (alike(block.designs, names) for names in (training.KEPT, training.LAYERS, training.LOCAL))
    batch = training.batches(problem, d)
    columns = np.stack([batch if n == "global_batch" else d[n].astype(np.float64) for n in COLUMNS])
    memory_terms = perf_memory.layers_kept(problem.architecture, block.layout(kept[0]), block.constants)
    parameters = local_parameters(problem.architecture, block.layout(local[0]))
    traced = _trace(block, offer, precision)
    kernel = compile_(traced.source)
    places = {"size": size_of, "layers": layers[1], "kept": kept[1], "local": local[1]}
    index = np.stack([places[name] for name in traced.indices]).astype(np.int32)
    state = replace(state, copies=1)
    chosen: list[Designs] = []
    scored = 0
    overs = oversubscriptions(problem.fixed)
    micro = _micro_times(block, layers[0], overs)
    parts = shared.switches(problem, offer)
    out = np.empty((len(RESULTS), len(d)))
    for k, over in enumerate(overs):
        ground = _ground(state, sizes, over, parts)
        times = perf.MicroTime(*(column[k] for column in micro))
        terms = {
            "layers": (times, len(layers[0])),
            "kept": (memory_terms, len(kept[0])),
            "local": (parameters, len(local[0])),
        }
        tables = _tables(traced.tables, ground, over, terms)
        kernel(traced.parameters, columns, index, out, *tables)
        scored += int(np.count_nonzero(ground.tiered[size_of]))
        state, rows = _picked(state, ground, size_of, dict(zip(RESULTS, out, strict=True)), block)
        chosen.append(d.take(rows).with_(oversubscription=np.full(len(rows), over, np.int64)))
    designs = Designs({k: np.concatenate([c[k] for c in chosen]) for k in chosen[0].columns})
    return replace(state, designs=designs, dead=None, scored=scored - len(designs))  # those left count when priced


def _micro_times(block: training.Block, heads: Ints, overs: tuple[int, ...]) -> perf.MicroTime:
    """The layers' times for every combination under every network, in one call; shape (networks, combinations)."""
    n, offer = len(heads), block.offer
    every = np.concatenate([heads] * len(overs))
    fabrics = block.designs.take(every).with_(
        oversubscription=np.repeat(np.array(overs, np.int64), n),
        scaleout_bandwidth=np.full(len(every), scaleout(offer.chip, offer.system) or 0.0),
    )
    hardware = training.hardware(offer, block.precision, fabrics)
    found = perf.micro_time(block.problem.architecture, hardware, block.layout(every), block.constants)
    return perf.MicroTime(*(np.broadcast_to(np.asarray(c), (len(every),)).reshape(len(overs), n) for c in found))


def _sizes(chips: Ints) -> tuple[Ints, Ints]:
    found, inverse = shared.distinct_rows(chips)
    return np.array(found, np.int64).ravel(), inverse


def _ground(state: State, sizes: Ints, over: int, parts: fabric.Parts) -> Ground:
    """Verdict, network, power and capital of every size."""
    problem, n = state.problem, len(sizes)
    system = int(state.designs["system"][0])
    table = np.array([shared.wired(problem, (system, size), over, parts) for size in sizes.tolist()])
    base = Designs({
        "system": np.full(n, system, np.int64), "chips": sizes, "time": np.ones(n),
        "fabric_price": table[:, 0], "fabric_power": table[:, 1],
    })  # fmt: skip
    free = replace(problem, request=replace(problem.request, limits=replace(problem.request.limits, power=None)))
    powered = shared.power(shared.judge_all(State(free, base, verdicts=state.verdicts)))
    bought, _ = shared.owning(powered)
    return Ground(
        standing=powered.designs["standing"],
        halls=table[:, 3] == 1.0,
        tiered=(table[:, 4] > 1.0) | (over == 1),
        power=powered.designs["power"],
        bought=bought,
        chips=sizes.astype(np.float64),
        goodput=goodput(sizes.astype(np.float64), reliability(problem.world.calibration["goodput"])),
    )


# ------------------------------------------------------------------------------------------- the kernel


class Traced(NamedTuple):
    """Source, parameters and tables of a scoring function."""

    source: str
    parameters: Floats
    tables: tuple[str, ...]
    indices: tuple[str, ...]


def _trace(block: training.Block, offer: Offer, precision: str) -> Traced:
    """The scoring of one row, written down from the column formulas."""
    problem, constants = block.problem, block.constants
    arch, t = problem.architecture, Trace()
    job = training.job(problem)
    _, runs = software.training(offer.chip, problem.world.date.year)
    column = {name: t.column(name) for name in COLUMNS}
    layout = Layout(**column, sequence=float(job.sequence), sequence_parallel=1.0, precision=precision, software=runs)
    out = scaleout(offer.chip, offer.system) or 0.0
    hardware = replace(training.hardware(offer, precision), scaleout_bandwidth=out,
                       oversubscription=t.gathered("over", "size"))  # fmt: skip
    local = Local(*(t.gathered(f"local.{f}", "local") for f in Local._fields))
    times = perf.MicroTime(*(t.gathered(f"layers.{f}", "layers") for f in perf.MicroTime._fields))
    kept = perf_memory.Kept(*(t.gathered(f"kept.{f}", "kept") for f in perf_memory.Kept._fields))
    parts = perf_memory.memory_parts(arch, hardware, layout, constants, kept, local)
    step = perf.step_time(arch, hardware, layout, constants, times, local)
    rate = column["global_batch"] * float(job.sequence) / step
    time = job.tokens / rate / t.gathered("goodput", "size")
    seconds = time if problem.request.horizon is None else problem.request.horizon + 0.0 * time
    load = float(problem.world.constants["mean_load"].value)
    joules = site.energy(t.gathered("power", "size"), load, seconds)
    bought = cost.Capital(*(t.gathered(f"bought.{f}", "size") for f in cost.Capital._fields))
    fact = problem.world.prices.get(f"{offer.chip.id}/rent")
    price = float("nan") if fact is None else float(fact.value)
    results = {
        "memory": sum(parts.values()),
        "time": time,
        "energy": joules,
        "owned": shared.owned_for(problem, bought, seconds, joules).total,
        "rent": cost.renting(t.gathered("chips", "size"), price, seconds),
    }
    source = t.source(results)
    return Traced(source, np.array(t.parameters or [0.0]), tuple(name for name, _ in t.tables), tuple(t.indices))


def _tables(names: tuple[str, ...], ground: Ground, over: int, terms: Mapping[str, tuple[Any, int]]) -> list[Floats]:
    """The small tables in the order that the function takes them."""
    n = len(ground.chips)
    plain: dict[str, Any] = {
        "over": float(over),
        "goodput": ground.goodput,
        "power": ground.power,
        "chips": ground.chips,
    }
    found = []
    for name in names:
        kind, _, part = name.partition(".")
        if kind == "bought":
            value, size = getattr(ground.bought, part), n
        elif part:
            value, size = getattr(terms[kind][0], part), terms[kind][1]
        else:
            value, size = plain[name], n
        found.append(np.ascontiguousarray(np.broadcast_to(np.asarray(value, np.float64), (size,))))
    return found


# ------------------------------------------------------------------------------------------ the choice


def _picked(
    state: State, ground: Ground, size: Ints, scores: Mapping[str, Floats], block: training.Block
) -> tuple[State, Ints]:
    """Rows that can matter, and the state with the others counted."""
    problem = state.problem
    limits, within = problem.request.limits, training.job(problem).within
    barred, licence = (shared.STANDINGS.index(name) for name in ("barred", "licence"))
    usable = perf_memory.usable_memory(training.hardware(block.offer, block.precision), block.constants)
    rules: list[tuple[Bools, str]] = [
        ((ground.standing != barred)[size], "barred by export rules"),
        (scores["memory"] <= usable * (1 + SLACK), "does not fit into memory"),
        (ground.tiered[size], "one tier of switches has no ports up to save on"),
        (ground.halls[size], "one network does not reach so many chips"),
    ]
    if limits.licence == "none":
        rules.insert(1, ((ground.standing != licence)[size], "needs a licence"))
    if within is not None:
        rules.append((scores["time"] <= within * (1 + SLACK), "is too slow"))
    if limits.power is not None:
        rules.append(((ground.power <= limits.power)[size], "needs more power than allowed"))
    alive = np.ones(len(size), np.bool_)
    for keep, reason in rules:
        left = alive & keep
        state = state.count(reason, int(np.count_nonzero(alive)) - int(np.count_nonzero(left)))
        alive = left
    rows = np.flatnonzero(alive)
    size = size[rows]
    chosen = np.zeros(len(rows), np.bool_)
    for way in (shared.BUY, shared.RENT):
        state, mine = _of_way(state, ground, size, {k: v[rows] for k, v in scores.items()}, way)
        chosen |= mine
    return state, np.asarray(rows[chosen], np.int64)


def _of_way(state: State, ground: Ground, size: Ints, scores: Mapping[str, Floats], way: int) -> tuple[State, Bools]:
    """Marks the rows on the front of their class and near its best, acquired in one way."""
    limits, request = state.problem.request.limits, state.problem.request
    total = scores["owned"] if way == shared.BUY else scores["rent"]
    if request.acquire not in ("either", ("buy", "rent")[way]) or not len(size):
        return state, np.zeros(len(size), np.bool_)
    ok = np.ones(len(size), np.bool_) if way == shared.BUY else np.isfinite(total)
    capital = np.where(np.isnan(ground.bought.total), ground.bought.known, ground.bought.total)[size]
    spent = capital if way == shared.BUY else total
    slack = 1 + SLACK
    if limits.budget is not None:
        ok &= spent <= limits.budget * slack
    if limits.budget_capital is not None and way == shared.BUY:
        ok &= capital <= limits.budget_capital * slack
    if limits.budget_total is not None:
        ok &= ~(total > limits.budget_total * slack)
    points = np.stack([np.nan_to_num(total, nan=0.0), scores["time"], scores["energy"]], axis=1)
    first = {"cost": 0, "time": 1}.get(preference(state), 2)
    group = ground.standing[size] * 2 + np.isnan(total)
    marked = np.zeros(len(size), np.bool_)
    for key in np.unique(group[ok]):
        rows = np.flatnonzero(ok & (group == key))
        some = points[rows]
        near = some[:, first] <= some[:, first].min() * NEAR * slack
        left = _undominated(some)
        edge = np.zeros(len(rows), np.bool_)
        edge[left] = pareto(some[left])
        marked[rows] = near | edge
    return state, marked


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
