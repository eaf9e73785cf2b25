"""Training: candidates, memory, time. The passes call the performance model once an offer and precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenworks.perf import memory as perf_memory
from tokenworks.perf import training as perf
from tokenworks.perf.goodput import reliability, time_to_train
from tokenworks.perf.layout import Layout
from tokenworks.perf.training_constants import TrainingConstants, density
from tokenworks.records import Designs, Floats, Hardware, Ints, Train
from tokenworks.search import software, space
from tokenworks.search.problem import Offer, Problem, State
from tokenworks.workload import flops_per_token

SIZES = 9  # cluster sizes tried an offer and precision
CHIPS_MAX = 65536  # three layers of 64-port switches
BATCH_TOLERANCE = 0.125  # how far the global batch may move to divide evenly
PRECISIONS = ("bf16", "fp8")
NEVER = 1e30  # s; stands in a table where nothing is possible


def job(problem: Problem) -> Train:
    """The training job of a problem (the search of serving never calls this)."""
    assert isinstance(problem.job, Train)  # a contract between passes
    return problem.job


def candidates(problem: Problem) -> State:
    """All splits of all cluster sizes of all offers; what does not divide is counted and left out."""
    state = State(problem, Designs({}))
    found: list[Designs] = []
    for index, offer in enumerate(problem.offers):
        for precision in software.training_precisions(offer.chip):
            sizes = _sizes(problem, offer, precision)
            if not len(sizes):
                state = _count(state, "no allowed number of chips is fast enough", 1)
                continue
            domain = int(offer.hardware.scaleup_domain)
            designs, rules = space.training(problem.architecture, job(problem).sequence, sizes, domain, index)
            n = len(designs)
            code = np.full(n, PRECISIONS.index(precision), np.int64)
            state = replace(state, designs=designs.with_(precision=code), spanned=state.spanned + n)
            keep = np.ones(n, dtype=np.bool_)
            for reason, allowed in rules.items():
                state = _count(state, reason, int(np.count_nonzero(keep & ~allowed)))
                keep &= allowed
            found.append(state.designs.take(keep))
    joined = {k: np.concatenate([d[k] for d in found]) for k in found[0].columns} if found else {}
    return _batches(replace(state, designs=Designs(joined)))


def _count(state: State, reason: str, n: int) -> State:
    return replace(state, cut={**state.cut, reason: state.cut.get(reason, 0) + n}) if n else state


def _sizes(problem: Problem, offer: Offer, precision: str) -> Ints:
    """Cluster sizes from the physical least (model FLOPs at peak within the time) to what the limits allow."""
    train, limits = job(problem), problem.request.limits
    flops = flops_per_token(problem.architecture, train.sequence).training_causal
    peak = offer.hardware.peak.get(precision) or offer.hardware.peak.get("fp16") or 0.0
    most = float(min(limits.chips_max or CHIPS_MAX, CHIPS_MAX))
    if limits.power is not None and offer.hardware.power:
        most = min(most, limits.power / float(offer.hardware.power))
    if train.within is None:
        return space.counts(most / 4.0, most, offer.node, SIZES)
    least = train.tokens * flops / (peak * train.within) if peak else np.inf
    return space.counts(least, min(most, 32.0 * least), offer.node, 4 * SIZES)[1::2][:SIZES]


def global_batch(problem: Problem) -> float:
    """Sequences in a step: the request's, else the planning constant's tokens over the sequence length."""
    train = job(problem)
    tokens = float(problem.world.constants["global_batch_tokens"].value)
    return float(train.global_batch or max(1.0, round(tokens / train.sequence)))


def batches(problem: Problem, designs: Designs) -> Floats:
    """The global batch of each design: the nearest multiple of dp x micro-batch to the wanted one."""
    each = (designs["dp"] * designs["micro_batch"]).astype(np.float64)
    whole: Floats = np.maximum(1.0, np.round(global_batch(problem) / each)) * each
    return whole


def _batches(state: State) -> State:
    if not len(state.designs):
        return state
    wanted = global_batch(state.problem)
    near = np.abs(batches(state.problem, state.designs) / wanted - 1.0) <= BATCH_TOLERANCE
    return state.keep(near, "global batch does not divide by dp x micro-batch")


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


def hardware(offer: Offer, precision: str, bandwidth: Floats | None = None) -> Hardware:
    """The offer's hardware; a chip without bf16 computes in fp16 at that rate."""
    h = offer.hardware
    peak = dict(h.peak)
    peak.setdefault("bf16", peak.get("fp16", 0.0))
    h = replace(h, peak=peak)
    return h if bandwidth is None else replace(h, scaleout_bandwidth=bandwidth)


def fit(state: State) -> State:
    """Cut what does not fit into memory (peak over the pipeline's stages against usable bytes)."""
    d = state.designs
    if not len(d):
        return state
    needed, usable = np.zeros(len(d)), np.zeros(len(d))
    for rows, offer, precision in state.groups(PRECISIONS):
        lay, c = (
            layout(state.problem, d.take(rows), offer, precision).floats(),
            constants(state.problem, offer),
        )
        h = hardware(offer, precision)
        parts = perf_memory.training_memory(state.problem.architecture, h, lay, c)
        needed[rows] = sum(np.broadcast_to(p, rows.shape) for p in parts.values())
        usable[rows] = perf_memory.usable_memory(h, c)
    state = replace(state, designs=d.with_(memory_needed=needed, memory_usable=usable))
    if not (needed <= usable).any():
        state = state.with_nearest("memory", float((needed / usable).min()))
    return _least_recompute(state.keep(needed <= usable, "does not fit into memory"))


KEY = (("system", 12), ("precision", 2), ("chips", 20), ("tp", 6), ("pp", 6), ("vpp", 3), ("cp", 4), ("ep", 7),
       ("micro_batch", 2), ("zero", 2))  # fmt: skip  # column and bits: together a row but for recomputation


def _least_recompute(state: State) -> State:
    """Of designs that differ only in recomputation keep the least that fits: doing work twice never makes a
    step shorter, cheaper or less hungry, so what goes is dominated by what stays."""
    d = state.designs
    key = np.zeros(len(d), np.int64)
    for name, bits in KEY:
        key = (key << bits) + d[name]
    order = np.lexsort((d["recompute"], key))
    first = np.ones(len(d), dtype=np.bool_)
    first[order[1:]] = key[order][1:] != key[order][:-1]
    return state.keep(first, "recomputes more than it needs")


def time(state: State) -> State:
    """Step time and its physical limits; wall time of the job with failures and checkpoints; the deadline."""
    d = state.designs
    if not len(d):
        return state
    step, floor, ceiling = np.zeros(len(d)), np.zeros(len(d)), np.zeros(len(d))
    for rows, offer, precision in state.groups(PRECISIONS):
        some = d.take(rows)
        lay, c = layout(state.problem, some, offer, precision), constants(state.problem, offer)
        h = hardware(offer, precision, some["scaleout_bandwidth"])
        answer = perf.step(state.problem.architecture, h, lay, c)
        step[rows], floor[rows], ceiling[rows] = answer.step_time, answer.floor, answer.ceiling
    tokens = batches(state.problem, d) * job(state.problem).sequence
    fleet = reliability(state.problem.world.calibration["goodput"])
    wall = time_to_train(job(state.problem).tokens, tokens / step, d["chips"].astype(np.float64), fleet)
    state = replace(
        state,
        designs=d.with_(step_time=step, step_floor=floor, step_ceiling=ceiling, tokens_per_s=tokens / step, time=wall),
        scored=state.scored + len(d),
    )
    within = job(state.problem).within
    if within is None:
        return state
    if not (wall <= within).any():
        state = state.with_nearest("make.train.within", float(wall.min()))
    return state.keep(wall <= within, "is too slow")
