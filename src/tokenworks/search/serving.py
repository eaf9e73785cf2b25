"""Serving, and running on one chip: the splits of a replica, what fits, and one request at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tokenworks.perf import serving as perf
from tokenworks.perf import serving_memory as perf_memory
from tokenworks.perf.serving_columns import constants_columns, gathered, hardware_columns
from tokenworks.perf.serving_constants import ServingConstants, watts_per_teraflop
from tokenworks.perf.serving_plan import ServingPlan, rates_used
from tokenworks.records import Designs, Floats, Hardware, Ints, RunOn, Serve
from tokenworks.search import shared, software, space
from tokenworks.search.problem import Offer, Problem, State
from tokenworks.search.training import hardware

PRECISIONS = ("bf16", "fp16", "fp8", "fp8_block", "mxfp8", "int8", "nvfp4", "mxfp4", "int4", "fp32")
CHIPS_MAX = 20_000_000  # of one answer to "the most that the limits allow"
ROUNDING = 0.97  # of a limit is filled at first: whole nodes, switches and the network take the rest
CACHE = "fp8"
WIDE_CACHE = "bf16"


def lengths(problem: Problem) -> perf.Lengths:
    """Tokens of a request."""
    assert isinstance(problem.job, Serve | RunOn)  # a contract between passes
    return perf.Lengths(float(problem.job.input), float(problem.job.output))


def candidates(problem: Problem, exhaustive: bool = False) -> State:
    """All splits of one replica on every offer; what does not divide is counted and left out."""
    state = State(problem, Designs({}), exhaustive=exhaustive)
    found: list[Designs] = []
    alone = isinstance(problem.job, RunOn)
    for index, offer in enumerate(problem.offers):
        for precision in _precisions(problem, offer):
            domain = 1 if alone else int(offer.hardware.scaleup_domain)
            drafts = (0,) if alone else software.drafts(offer.chip, problem.architecture.mtp_layers)
            designs, rules = space.serving(problem.architecture, domain, index, alone, drafts)
            n = len(designs)
            designs = designs.with_(precision=np.full(n, PRECISIONS.index(precision), np.int64))
            cut, keep = dict(state.cut), np.ones(n, dtype=np.bool_)
            for reason, allowed in rules.items():
                gone = int(np.count_nonzero(keep & ~allowed))
                if gone:
                    cut[reason] = cut.get(reason, 0) + gone
                keep &= allowed
            state = replace(state, spanned=state.spanned + n, cut=cut)
            found.append(designs.take(keep))
    joined = {k: np.concatenate([d[k] for d in found]) for k in found[0].columns} if found else {}
    return replace(state, designs=Designs(joined))


def _precisions(problem: Problem, offer: Offer) -> tuple[str, ...]:
    """Weight precisions to try; one chip by itself also runs copies quantised to 8 bits."""
    usual = software.serving_precisions(offer.chip, problem.architecture.weight_precision)
    if isinstance(problem.job, RunOn) and offer.chip.get("peak_fp8"):
        return tuple(dict.fromkeys((*usual, "fp8")))
    return usual


def replica(problem: Problem, designs: Designs, offer: Offer, precision: str) -> perf.Replica:
    """The columns of the designs of one offer as the performance model names them."""
    own = constants(problem, offer)
    return perf.Replica(problem.architecture, hardware(offer, precision), plan_columns(designs, precision, own), own)


def prefill_worker(problem: Problem, designs: Designs, offer: Offer, precision: str) -> perf.Replica:
    """The prefill workers of designs with separate pools, as `replica` gives the decode workers."""
    own = {name: designs[f"pool_{name}"] for name in ("tp", "pp", "dp", "ep")}
    return replica(problem, Designs(own), offer, precision)


def plan_columns(designs: Designs, precision: str, constants: ServingConstants) -> ServingPlan:
    """The designs' splits, at one precision. A drafted token is kept with the assumed chance of the calibration."""
    cache = CACHE if precision.startswith(("fp8", "mxfp8", "nvfp4")) else WIDE_CACHE
    draft = designs["draft"] if "draft" in designs.columns else 0
    return ServingPlan(
        tp=designs["tp"], dp=designs["dp"], pp=designs["pp"], ep=designs["ep"], weights=precision, kv=cache,
        draft=draft, accept=1.0 + np.asarray(draft) * constants.accept,
    )  # fmt: skip


def constants(problem: Problem, offer: Offer) -> ServingConstants:
    """The calibration of the offer's chip under the engine that runs on it."""
    table = problem.world.calibration["serving"]
    return ServingConstants.from_calibration(
        table,
        offer.chip.generation,
        offer.chip.vendor,
        software.serving(offer.chip),
        power=watts_per_teraflop(offer.hardware),
    )


def batches(state: State) -> Iterator[tuple[Ints, perf.Replica]]:
    """Rows that the performance model takes in one call: one precision, of all offers whose chips have rates
    of the same precisions."""
    d, problem = state.designs, state.problem
    kinds: dict[tuple[int, frozenset[str]], dict[int, Hardware]] = {}
    pairs = np.unique(np.stack([d["system"], d["precision"]]), axis=1)
    for system, precision in pairs.T.tolist():
        box = hardware(problem.offers[system], PRECISIONS[precision])
        used = rates_used(problem.architecture, PRECISIONS[precision]) - ({"fp16"} if "bf16" in box.peak else set())
        box = replace(box, peak={p: rate for p, rate in box.peak.items() if p in used})
        kinds.setdefault((precision, frozenset(box.peak)), {})[system] = box
    known = {system: constants(problem, problem.offers[system]) for system in np.unique(pairs[0]).tolist()}
    for (precision, _), boxes in kinds.items():
        rows = np.flatnonzero((d["precision"] == precision) & np.isin(d["system"], list(boxes)))
        place = np.searchsorted(list(boxes), d["system"][rows])
        fitted = gathered(constants_columns([known[s] for s in boxes]), place)
        box = hardware_columns([boxes[s] for s in d["system"][rows].tolist()])
        plan = plan_columns(d.take(rows), PRECISIONS[precision], fitted)
        yield rows, perf.Replica(problem.architecture, box, plan, fitted)


def fit(state: State) -> State:
    """Cut replicas that cannot hold the weights and one sequence."""
    d = state.designs
    if not len(d):
        return state
    needed, usable = np.zeros(len(d)), np.zeros(len(d))
    for rows, r in batches(state):
        one = (1.0, lengths(state.problem).context)
        parts = perf_memory.memory_parts(r.arch, r.hardware, r.plan, one, r.constants)
        needed[rows] = sum(np.broadcast_to(p, rows.shape) for p in parts.values())
        usable[rows] = perf_memory.usable_memory(r.hardware, r.constants)
    if not (needed <= usable).any():
        state = state.with_nearest("memory", float((needed / usable).min()))
    state = replace(state, designs=d.with_(memory_needed=needed, memory_usable=usable))
    return state.keep(needed <= usable, shared.MEMORY)


def most_chips(problem: Problem) -> Floats:
    """The most chips of every offer that power, count and the chips' bare price allow."""
    if "most chips" not in problem.known:
        problem.known["most chips"] = _most_chips(problem)
    found: Floats = problem.known["most chips"]
    return found


def _most_chips(problem: Problem) -> Floats:
    limits, most = problem.request.limits, []
    pue = float(shared.local(problem.world, problem.request.where, "pue").value)
    pue *= 1.0 + float(problem.world.constants["storage_power_share"].value)
    for offer in problem.offers:
        bound = float(min(limits.chips_max or CHIPS_MAX, CHIPS_MAX))
        size, draw = shared.units(offer)
        each = draw / size
        if limits.power is not None:
            bound = min(bound, limits.power * ROUNDING / (_power_each(problem, offer, each) * pue))
        money = limits.budget_capital or limits.budget
        if money is not None:
            bound = min(bound, money / _capital_each(problem, offer, each))
        most.append(bound)
    return np.array(most or [0.0])


def _power_each(problem: Problem, offer: Offer, power: float) -> float:
    """IT power a chip with its share of the network of a full hall, W; storage apart."""
    hall = shared.reach(shared.wiring(problem, offer, 1).parts.radix) // offer.node * offer.node
    share = 1.0 + float(problem.world.constants["storage_power_share"].value)
    return power + (shared.wiring(problem, offer, hall).bill.power or 0.0) / hall / share


def _capital_each(problem: Problem, offer: Offer, power: float) -> float:
    """Capital a chip of a factory of full halls: server, network, storage, building; infinite where unpriced."""
    c = problem.world.constants
    hall = shared.reach(shared.wiring(problem, offer, 1).parts.radix) // offer.node * offer.node
    bill = shared.wiring(problem, offer, hall).bill
    _, server, _ = shared.server_price(problem, offer)
    if bill.cost is None or not np.isfinite(server):
        return np.inf
    equipment = (server + bill.cost / hall) * (1.0 + float(c["storage_share"].value))
    draw = power * (1.0 + float(c["storage_power_share"].value)) + (bill.power or 0.0) / hall
    house = draw * float(shared.local(problem.world, problem.request.where, "building_cost").value)
    return (equipment + house) / ROUNDING


def alone(state: State) -> State:
    """One request at a time on one chip: does a decision finish within its period?"""
    d, problem = state.designs, state.problem
    if not len(d):
        return state
    assert isinstance(problem.job, RunOn)  # a contract between passes
    n = len(d)
    first, each = np.zeros(n), np.zeros(n)
    for rows, r in batches(state):
        first[rows] = perf.prefill_time(r, lengths(problem).input)
        each[rows] = perf.token_time(r, 1.0, lengths(problem).context)
    period = first + each * problem.job.output
    horizon = problem.request.horizon or float(problem.world.constants["serve_horizon"].value)
    designs = d.with_(
        batch=np.ones(n),
        ttft=first,
        tpot=each,
        replicas=np.ones(n, np.int64),
        step_time=period,
        step_floor=np.zeros(n),
        step_ceiling=np.full(n, np.inf),
        tokens_per_s=np.full(n, problem.job.rate * problem.job.output),
        time=np.full(n, horizon),
    )
    state = replace(state, designs=designs, scored=state.scored + n)
    fast = period <= 1.0 / problem.job.rate
    if not fast.any():
        state = state.with_nearest("make.run_on.rate", float((1.0 / period).max()))
    return state.keep(fast, "misses the rate")
