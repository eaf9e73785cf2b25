"""The space of designs, written down as one product and counted before anything is computed.

Training: offer x precision x count x tp x pp x vpp x cp x ep x micro-batch x recompute x ZeRO x oversubscription,
          each bought or rented; data parallel follows from the count.
Serving:  offer x precision x tp x pp x ep x attention data parallel x drafts, prefill and decode together or in
          separate pools (a split for each), x load; batch and replicas follow from the load.

Every list of values stands here as data; what does not divide is cut under its own reason. docs/search.md says why
each list ends where it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tokenworks.records import Bools, Designs, Floats, Ints
from tokenworks.workload.architecture import Architecture, Attention

TENSOR = (1, 2, 4, 8, 16)
PIPELINE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # and the divisors of the layers, to PIPELINE_MAX
PIPELINE_MAX = 64
VIRTUAL = (1, 2, 3, 4, 6)
CONTEXT = (1, 2, 4, 8)
EXPERT = (1, 4, 8, 16, 32, 64)
MICRO_BATCH = (1, 2, 4, 8)
RECOMPUTE = (0, 1, 2)
ZERO = (1, 2, 3)
OVERSUBSCRIPTION = (1, 2, 4)  # leaf ports down over up
SERVING_PIPELINE = (1, 2, 4)
SERVING_DATA = (1, 2, 4, 8, 16, 32)
LOADS = (1.0, 0.7, 0.4)  # of what the service level lets a replica carry: the less, the sooner its tokens come

CONTEXT_FROM = 16384  # sequence length from which context parallelism is tried
COUNTS_PER_OCTAVE = (4, 6)  # numerators over four: counts rise by 33 to 50 %
BATCH_TOLERANCE = 0.125  # how far the global batch may move to divide evenly
REPLICA_MAX = 64  # chips of one serving replica


@dataclass(frozen=True)
class TrainingShape:
    """What the splits of a training job depend on. domain: chips of the offer's scale-up domain. global_batch:
    the wanted one, sequences."""

    architecture: Architecture
    sequence: int
    global_batch: float
    domain: int
    fixed: Mapping[str, int] = field(default_factory=dict)  # axes held at a value, on its list or not


@dataclass(frozen=True)
class Spanned:
    """A space counted: the rows that divide, how many were spanned, and how many each rule cut. first: the place of
    the first row among the splits that it is part of."""

    designs: Designs
    spanned: int
    cut: Mapping[str, int]
    first: int = 0


def counts(least: float, most: float, node: int) -> Ints:
    """Cluster sizes to try: whole nodes, two to the octave, from `least` to `most` chips.

    The sizes are the same for every request, only the ends differ: looser limits never lose one.

    >>> counts(100, 700, 8).tolist()
    [128, 192, 256, 384, 512]
    """
    low, high = max(1, math.ceil(least / node)), int(most // node)
    if high < low:
        return np.zeros(0, np.int64)
    last = int(math.log2(high)) + 1
    nodes = {int(k * 2.0**e) for e in range(-2, last) for k in COUNTS_PER_OCTAVE if k * 2.0**e == int(k * 2.0**e)}
    return np.array(sorted(n for n in nodes if low <= n <= high), np.int64) * node


def nearest_batch(wanted: float, each: Ints) -> Floats:
    """The multiple of `each` that is nearest to the wanted global batch, at least one; sequences.

    >>> nearest_batch(100.0, np.array([16, 64])).tolist()
    [96.0, 128.0]
    """
    size = np.asarray(each, np.float64)
    whole: Floats = np.maximum(1.0, np.round(wanted / size)) * size
    return whole


def product(**axes: Sequence[int] | Ints) -> dict[str, Ints]:
    """The full product of the axes, one flat column each, the first axis slowest."""
    grids = np.meshgrid(*(np.asarray(a, np.int64) for a in axes.values()), indexing="ij")
    return {name: grid.ravel() for name, grid in zip(axes, grids, strict=True)}


def heads(architecture: Architecture) -> int:
    """Heads that tensor parallelism must divide: those of every attention that has some."""
    sizes = [a.heads for layer, _ in architecture.layers if (a := layer.attention) is not None]
    return math.gcd(*sizes) if sizes else 1


def experts(architecture: Architecture) -> int:
    """Routed experts of the widest mixture; 0 in a dense model."""
    return max((f.experts for layer, _ in architecture.layers if (f := layer.ffn) is not None), default=0)


def kinds(architecture: Architecture) -> frozenset[str]:
    """The kinds of attention in the model."""
    found: list[Attention] = [a for layer, _ in architecture.layers if (a := layer.attention) is not None]
    return frozenset(a.kind for a in found)


@dataclass(frozen=True)
class Grid:
    """A space before its rows are made: axes: name -> values, the cluster size first. divides: which combinations do,
    an axis that no rule asks of having length 1. batch: global batch, sequences, broadcast over the same axes. each:
    designs of a cluster size. cut: how many of each cluster size a rule cuts."""

    axes: Mapping[str, Ints]
    divides: Bools
    batch: Floats
    each: int
    cut: Mapping[str, Ints]

    def totals(self, sizes: slice = slice(None)) -> tuple[int, dict[str, int]]:
        """How many designs some of the cluster sizes span, and how many each rule cuts, where it cuts any."""
        cut = {reason: int(n[sizes].sum()) for reason, n in self.cut.items()}
        return self.each * len(self.axes["chips"][sizes]), {reason: n for reason, n in cut.items() if n}


@dataclass(frozen=True)
class Splits:
    """The rows of a grid, by cluster size; ends: where the rows of each cluster size end."""

    grid: Grid
    rows: Designs
    ends: Ints

    def of(self, sizes: Ints) -> Spanned:
        """The rows of some neighbouring cluster sizes, as views."""
        if not len(sizes):
            return Spanned(Designs({}), 0, {})
        first = int(np.searchsorted(self.grid.axes["chips"], sizes[0]))
        some = slice(first, first + len(sizes))
        rows = slice(int(self.ends[first - 1]) if first else 0, int(self.ends[some.stop - 1]))
        spanned, cut = self.grid.totals(some)
        return Spanned(self.rows.take(rows), spanned, cut, rows.start)


def pipelines(depth: int) -> Ints:
    """The numbers of stages that are tried: those of the list, and those that cut the layers evenly.

    >>> pipelines(105).tolist()
    [1, 2, 3, 4, 5, 6, 7, 8, 12, 15, 16, 21, 24, 32, 35]
    """
    even = {p for p in range(1, PIPELINE_MAX + 1) if depth % p == 0}
    return np.array(sorted(p for p in even.union(PIPELINE) if p <= depth), np.int64)


def _training_axes(shape: TrainingShape) -> dict[str, Ints]:
    """Every axis of the product but the cluster size."""
    routed, depth = experts(shape.architecture), shape.architecture.depth
    axes = {
        "tp": np.array([t for t in TENSOR if t <= shape.domain]),
        "pp": pipelines(depth),
        "vpp": np.array(VIRTUAL),
        "cp": np.array(CONTEXT if shape.sequence >= CONTEXT_FROM else (1,)),
        "ep": np.array([e for e in EXPERT if routed % e == 0] if routed else (1,)),
        "micro_batch": np.array(MICRO_BATCH),
        "recompute": np.array(RECOMPUTE),
        "zero": np.array(ZERO),
    }
    return {name: np.array([shape.fixed[name]]) if name in shape.fixed else axis for name, axis in axes.items()}


def oversubscriptions(fixed: Mapping[str, int]) -> tuple[int, ...]:
    """The networks that are tried."""
    return (fixed["oversubscription"],) if "oversubscription" in fixed else OVERSUBSCRIPTION


def recomputes(fixed: Mapping[str, int]) -> tuple[int, ...]:
    """The ways of recomputing that are tried, the least first."""
    return (fixed["recompute"],) if "recompute" in fixed else RECOMPUTE


def per_size(shape: TrainingShape) -> int:
    """How many designs the product has for one cluster size."""
    return len(oversubscriptions(shape.fixed)) * math.prod(len(axis) for axis in _training_axes(shape).values())


def training_grid(shape: TrainingShape, sizes: Ints) -> Grid:
    """Which splits of every cluster size of one offer divide, and how many each rule of divisibility cut.

    The rules are asked of the few axes that they depend on, never of the whole product. A combination stands for all
    its networks (OVERSUBSCRIPTION) until it is wired, and is counted so.
    """
    axes = {"chips": sizes, **_training_axes(shape)}
    routed, depth = experts(shape.architecture), shape.architecture.depth
    a = dict(zip(axes, np.ix_(*axes.values()), strict=True))
    model_parallel = a["tp"] * a["pp"] * a["cp"]
    dp = np.maximum(a["chips"] // model_parallel, 1)
    batch = nearest_batch(shape.global_batch, dp * a["micro_batch"])
    rules = {
        "chips are not a multiple of tp x pp x cp": dp * model_parallel == a["chips"],
        "attention heads are not a multiple of tp": heads(shape.architecture) % a["tp"] == 0,
        "tensor parallel does not reach beyond a scale-up domain": a["tp"] <= shape.domain,
        "a pipeline has no more stages than layers": a["pp"] <= depth,
        "experts are not a multiple of ep": (max(routed, 1) % a["ep"] == 0) if routed else (a["ep"] == 1),
        "expert parallel does not fit into data parallel": (dp * a["cp"]) % a["ep"] == 0,
        "virtual stages need a pipeline and enough layers": (a["vpp"] == 1)
        | ((a["pp"] > 1) & (a["pp"] * a["vpp"] <= depth)),
        "ZeRO 2 and 3 are not combined with a pipeline": (a["zero"] == 1) | (a["pp"] == 1),
        "global batch does not divide by dp x micro-batch": np.abs(batch / shape.global_batch - 1.0) <= BATCH_TOLERANCE,
    }
    networks = len(oversubscriptions(shape.fixed))
    rest = math.prod(len(axis) for name, axis in axes.items() if name != "chips")
    keep, cut, left = np.ones((1,) * len(axes), np.bool_), {}, np.full(len(sizes), networks * rest)
    for reason, allowed in rules.items():
        keep = keep & allowed
        stand_for = networks * (rest // math.prod(keep.shape[1:]))
        now = np.broadcast_to(stand_for * np.count_nonzero(keep, axis=tuple(range(1, keep.ndim))), len(sizes))
        cut[reason], left = left - now, now
    return Grid(axes, keep, batch, networks * rest, cut)


def training(shape: TrainingShape, sizes: Ints, open_axes: tuple[str, ...] = ()) -> Splits:
    """All splits of every cluster size of one offer that divide, one a row: see `training_grid`. open_axes: axes that
    no rule asks of and of which a row stands for all values."""
    grid = training_grid(shape, sizes)
    whole = tuple(1 if name in open_axes else len(axis) for name, axis in grid.axes.items())
    places = np.nonzero(np.broadcast_to(grid.divides, whole))
    listed = zip(grid.axes.items(), places, strict=True)
    columns: dict[str, Any] = {name: axis[at] for (name, axis), at in listed if name not in open_axes}
    columns["dp"] = columns["chips"] // (columns["tp"] * columns["pp"] * columns["cp"])
    return Splits(grid, Designs(columns), np.cumsum(np.bincount(places[0], minlength=len(sizes))))


def serving(
    architecture: Architecture, domain: int, systems: int, alone: bool, drafts: Sequence[int] = (0,)
) -> tuple[Designs, dict[str, Bools]]:
    """All splits of one serving replica of one offer, and which rows each divisibility rule lets through.

    A replica is tp x pp x dp chips; experts are spread over all of a stage (ep = tp x dp) or not at all. How
    many sequences it decodes together follows from the service level. `alone`: one chip only. drafts: tokens drafted
    per step.
    """
    routed = experts(architecture)
    axes = product(
        tp=[t for t in TENSOR if t <= domain],
        pp=(1,) if alone else SERVING_PIPELINE,
        dp=SERVING_DATA if routed and not alone else (1,),
        spread=(0, 1) if routed and not alone else (0,),
        draft=drafts,
    )
    ep = np.where(axes["spread"] == 1, axes["tp"] * axes["dp"], 1)
    size = axes["tp"] * axes["pp"] * axes["dp"]
    rules = {
        "attention heads are not a multiple of tp": heads(architecture) % axes["tp"] == 0,
        "a replica is larger than is searched": size <= max(REPLICA_MAX, domain),
        "experts are not a multiple of ep": (routed == 0) | (max(routed, 1) % ep == 0),
        "attention data parallel needs spread experts": (axes["dp"] == 1) | (axes["spread"] == 1),
        "one chip cannot spread experts": (axes["spread"] == 0) | (ep > 1),
    }
    n = len(ep)
    columns = {name: axis for name, axis in axes.items() if name != "spread"}
    more = {"ep": ep, "chips": size, "system": np.full(n, systems, np.int64), "cp": np.ones(n, np.int64)}
    return Designs({**columns, **more}), rules
