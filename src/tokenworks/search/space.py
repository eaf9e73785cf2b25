"""The space of designs, written down as one product and counted before anything is computed.

Training: offer x count x tp x pp x vpp x cp x ep x micro-batch x recompute x ZeRO x precision.
Serving:  offer x precision x tp x pp x ep x attention data parallel; batch and replicas follow from the load.

Every list of values stands here as data; what does not divide is cut under its own reason.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tokenworks.records import Bools, Designs, Ints
from tokenworks.workload.architecture import Architecture, Attention

TENSOR = (1, 2, 4, 8, 16)
PIPELINE = (1, 2, 3, 4, 6, 8, 12, 16)
VIRTUAL = (1, 2, 4)
CONTEXT = (1, 2, 4, 8)
EXPERT = (1, 4, 8, 16, 32, 64)
MICRO_BATCH = (1, 2)
RECOMPUTE = (0, 1, 2)
ZERO = (1, 3)
SERVING_PIPELINE = (1, 2, 4)
SERVING_DATA = (1, 2, 4, 8, 16, 32)

CONTEXT_FROM = 16384  # sequence length from which context parallelism is tried
COUNTS_PER_OCTAVE = (4, 5, 6, 7)  # numerators over four: counts rise by 14 to 25 %
REPLICA_MAX = 64  # chips of one serving replica


def counts(least: float, most: float, node: int, limit: int) -> Ints:
    """Cluster sizes to try: whole nodes, four to the octave, from `least` up to `most` chips.

    At most `limit` sizes: the smallest ones, since a larger cluster is never needed for a smaller job.

    >>> counts(100, 300, 8, 9).tolist()
    [112, 128, 160, 192, 224, 256]
    """
    low, high = max(1, math.ceil(least / node)), int(most // node)
    if high < low:
        return np.zeros(0, np.int64)
    first, last = int(math.log2(low)) - 3, int(math.log2(high)) + 1
    nodes = {k * 2.0**e for e in range(first, last) for k in COUNTS_PER_OCTAVE}
    whole = sorted(int(n) for n in nodes if n == int(n) and low <= n <= high)
    return np.array(whole[:limit] or [low], np.int64) * node


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


def training(
    architecture: Architecture, sequence: int, sizes: Ints, domain: int, systems: int
) -> tuple[Designs, dict[str, Bools]]:
    """All splits of every cluster size of one offer, and which rows each divisibility rule lets through."""
    routed = experts(architecture)
    axes = product(
        chips=sizes,
        tp=[t for t in TENSOR if t <= domain],
        pp=[p for p in PIPELINE if p <= architecture.depth],
        vpp=VIRTUAL,
        cp=CONTEXT if sequence >= CONTEXT_FROM else (1,),
        ep=[e for e in EXPERT if routed % e == 0] if routed else (1,),
        micro_batch=MICRO_BATCH,
        recompute=RECOMPUTE,
        zero=ZERO,
    )
    model_parallel = axes["tp"] * axes["pp"] * axes["cp"]
    dp = axes["chips"] // model_parallel
    rules = {
        "chips are not a multiple of tp x pp x cp": (dp >= 1) & (dp * model_parallel == axes["chips"]),
        "attention heads are not a multiple of tp": heads(architecture) % axes["tp"] == 0,
        "expert parallel does not fit into data parallel": (dp * axes["cp"]) % axes["ep"] == 0,
        "virtual stages need a pipeline and enough layers": (axes["vpp"] == 1)
        | ((axes["pp"] > 1) & (axes["pp"] * axes["vpp"] <= architecture.depth)),
        "ZeRO 3 is not combined with a pipeline": (axes["zero"] == 1) | (axes["pp"] == 1),
    }
    n = len(dp)
    designs = Designs({**axes, "dp": dp, "system": np.full(n, systems, np.int64), "replicas": np.ones(n, np.int64)})
    return designs, rules


def serving(architecture: Architecture, domain: int, systems: int, alone: bool) -> tuple[Designs, dict[str, Bools]]:
    """All splits of one serving replica of one offer, and which rows each divisibility rule lets through.

    A replica is tp x pp x dp chips; experts are spread over all of a stage (ep = tp x dp) or not at all. How
    many sequences it decodes together follows from the service level. `alone`: one chip only.
    """
    routed = experts(architecture)
    axes = product(
        tp=[t for t in TENSOR if t <= domain],
        pp=(1,) if alone else SERVING_PIPELINE,
        dp=SERVING_DATA if routed and not alone else (1,),
        spread=(0, 1) if routed and not alone else (0,),
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
