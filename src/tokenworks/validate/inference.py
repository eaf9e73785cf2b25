"""Inference records -> predictions (DESIGN.md section 3, `predict`). Answers in a record are never read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tokenworks.errors import BadRequest, TokenworksError, UnknownFact
from tokenworks.language import text
from tokenworks.perf.roofline import Column
from tokenworks.perf.serving import (
    Lengths,
    Pools,
    Replica,
    Steady,
    at_concurrency,
    at_rate,
    decode_step,
    disaggregated,
    max_throughput,
    mixed_step,
    prompt_time,
    token_time,
    within,
)
from tokenworks.perf.serving_memory import capacity, memory_parts
from tokenworks.perf.serving_plan import ServingPlan
from tokenworks.perf.serving_step import BOUNDS, Load
from tokenworks.records import World
from tokenworks.validate.inference_record import Assumed, Run, mapping, read, whole, widths

_MS = 1e3  # milliseconds per second: the record format's unit
_WIDEST = 256  # chips of one replica that a planner considers
_KINDS = ((UnknownFact, "unknown_fact"), (BadRequest, "bad_value"), (TokenworksError, "unsupported"))


class Answer(NamedTuple):
    """Metrics by name in the record format's units, and what the run's memory holds."""

    metrics: Mapping[str, float]
    plan: ServingPlan
    batch: float
    capacity: float


def predict(record: Mapping[str, Any], world: World) -> Mapping[str, Any]:
    """Predict one record; whatever is wrong with it becomes `error`, never an exception."""
    identity = record.get("id")
    assumed = Assumed()
    try:
        run = read(record, world, assumed)
        answer = _answer(run, assumed)
    except TokenworksError as error:
        return _unanswered(identity, error)
    finite = {k: v for k, v in answer.metrics.items() if np.isfinite(v) and v > 0.0}
    if not finite:
        return _unanswered(identity, BadRequest("no figure can be given for this run", field="load"))
    memory, bound = _memory(run, answer)
    return {
        "id": identity,
        "metrics": {k: {"value": v, "low": None, "high": None} for k, v in finite.items()},
        "fits": bool(answer.capacity >= 1.0),
        "memory": memory,
        "bound": bound,
        "bars": {"class": "chip and engine in the fit" if run.seen else "engine outside the fit", "runs": 0},
        "assumed": [{"field": f, "value": v, "why": str(why)} for f, v, why in assumed.found],
        "error": None,
    }


def _unanswered(identity: object, error: TokenworksError) -> Mapping[str, Any]:
    kind = next(name for known, name in _KINDS if isinstance(error, known))
    if kind == "bad_value" and error.text.template == "is missing":
        kind = "missing_field"
    nothing: Mapping[str, Any] = {"id": identity, "metrics": {}, "fits": None, "memory": {}, "bound": None}
    return {**nothing, "bars": None, "assumed": [], "error": {"kind": kind, "message": str(error)}}


def _answer(run: Run, assumed: Assumed) -> Answer:
    if run.disaggregated is not None and "decode" in run.disaggregated and run.kind == "concurrency":
        return _pools(run, assumed)
    if run.disaggregated is not None and "decode_workers" in run.disaggregated:
        return _pools(run, assumed)
    if run.planned:
        return _measure(run, run.replica.plan)
    return _measure(run, _best(run, assumed))


def _copies(run: Run, plan: ServingPlan) -> float:
    """Independent replicas on the run's chips."""
    return max(float((run.chips or int(plan.chips)) // int(plan.chips)), 1.0)


def _value(run: Run) -> float:
    if run.value is None:
        raise BadRequest("is missing", field="load.value")
    return run.value


def _measure(run: Run, plan: ServingPlan) -> Answer:
    """Metrics of a run under one plan."""
    replica = run.replica._replace(plan=plan)
    if run.prefill_only:
        return _prefill_only(run, replica)
    if run.kind == "batch" or run.decode_only:
        return _static(run, replica)
    copies, chips = _copies(run, plan), float(run.chips or plan.chips)
    if run.kind == "max_throughput" or (run.kind == "request_rate" and run.value is None):
        state = max_throughput(replica, run.lengths, run.batch_max)
    elif run.kind == "concurrency":
        state = at_concurrency(replica, run.lengths, max(_value(run) / copies, 1.0))
    else:
        state = at_rate(replica, run.lengths, _value(run) / copies)
        if run.slo:
            state = _kept(run, replica, state)
    return _metrics(run, state, plan, float(state.tokens) * copies / chips)


def _kept(run: Run, replica: Replica, state: Steady) -> Steady:
    """A run under a service level is published because it kept it: where the model says that the rate drives
    the tail beyond the level, the run is at the level itself; the rate stands."""
    level = {k.split("_")[0]: v / _MS for k, v in run.slo.items()}
    bound = within(replica, run.lengths, level.get("ttft", np.inf), level.get("tpot", np.inf))
    if float(state.batch) <= float(bound.batch) or float(bound.batch) < 1.0:
        return state
    rate = _value(run) / _copies(run, replica.plan)
    return bound._replace(requests=rate, tokens=rate * float(run.lengths.output), capacity=state.capacity)


def _metrics(run: Run, state: Steady, plan: ServingPlan, per_chip: float) -> Answer:
    figures = {
        "output_tokens_per_s_per_chip": per_chip,
        "ttft_ms": float(state.ttft) * _MS,
        "ttft_p99_ms": float(state.ttft_p99) * _MS,
        "tpot_ms": float(state.tpot) * _MS,
        "tpot_p99_ms": float(state.tpot_p99) * _MS,
        "itl_ms": float(state.tpot) * _MS * float(np.max(plan.accept)),
    }
    if run.kind == "max_throughput":
        share = float(run.lengths.input) / float(run.lengths.output)
        figures["prefill_tokens_per_s_per_chip"] = per_chip * share
    return Answer(figures, plan, float(state.batch), float(state.capacity))


def _prefill_only(run: Run, replica: Replica) -> Answer:
    """Only prompts: a static batch of them in steps of their own, or an endless queue."""
    copies, chips = _copies(run, replica.plan), float(run.chips or replica.plan.chips)
    prompt = float(run.lengths.input)
    if run.kind == "batch":
        batch = max(_value(run) / copies, 1.0)
        time = float(_burst(replica, batch, prompt))
        rate = batch * prompt / time
        figures = {"ttft_ms": time * _MS, "prefill_tokens_per_s_per_chip": rate * copies / chips}
        return Answer(figures, replica.plan, batch, _fits(replica, run.lengths))
    time = float(prompt_time(replica, prompt))
    figures = {"prefill_tokens_per_s_per_chip": prompt / time * copies / chips}
    return Answer(figures, replica.plan, 1.0, _fits(replica, run.lengths))


def _fits(replica: Replica, lengths: Lengths) -> float:
    return float(capacity(*replica[:3], lengths.context, replica.constants))


def _burst(replica: Replica, batch: Column, prompt: Column) -> Column:
    """Seconds to prefill `batch` prompts that arrive together, in full chunks."""
    ranks = np.minimum(np.asarray(replica.plan.dp, dtype=float), batch)
    tokens = np.asarray(batch) * prompt * (1.0 - np.asarray(replica.plan.prefix))
    chunks = np.maximum(np.ceil(tokens / (replica.constants.chunk * ranks)), 1.0)
    return chunks * mixed_step(replica, Load(prefill=tokens / chunks, prompt=prompt, spread=ranks)).time


def _static(run: Run, replica: Replica) -> Answer:
    """A static batch: all prompts first, then all sequences decode together to the end."""
    copies, chips = _copies(run, replica.plan), float(run.chips or replica.plan.chips)
    room = _fits(replica, run.lengths)
    batch = max(min(room, run.batch_max), 1.0) if run.kind == "max_throughput" else max(_value(run) / copies, 1.0)
    output = float(run.lengths.output)
    first = float(_burst(replica, batch, run.lengths.input))
    gap = float(token_time(replica, batch, run.lengths.context))
    whole_run = (0.0 if run.decode_only else first) + max(output - 1.0, 1.0) * gap
    per_chip = batch * output / whole_run * copies / chips
    figures = {
        "output_tokens_per_s_per_chip": per_chip,
        "itl_ms": gap * _MS,
        "tpot_ms": gap * _MS,
        "ttft_ms": (first + replica.constants.ttft_fixed) * _MS,
        "prefill_tokens_per_s_per_chip": batch * float(run.lengths.input) / first * copies / chips,
    }
    return Answer(figures, replica.plan, batch, room)


# ----------------------------------------------------------------------------------------------- plans


def candidates(run: Run, chips: int) -> ServingPlan:
    """Every plan of one replica on at most `chips` chips: powers of two of tensor and attention data
    parallel, experts split or spread."""
    moe = any(layer.ffn is not None and layer.ffn.experts for layer, _ in run.replica.arch.layers)
    powers = [2**i for i in range(10) if 2**i <= min(chips, _WIDEST)]
    if run.width is not None and run.width not in powers:
        powers.append(run.width)
    rows = [
        (tp, dp, ep)
        for tp in powers
        for dp in (powers if moe else [1])
        if tp * dp <= chips and run.width in (None, tp * dp)
        for ep in ({1, tp * dp} if moe else {1})
        if dp == 1 or ep == tp * dp
    ]
    tp, dp, ep = (np.asarray(column) for column in zip(*rows, strict=True))
    base = run.replica.plan
    return ServingPlan(
        tp=tp,
        dp=dp,
        ep=ep,
        weights=base.weights,
        kv=base.kv,
        draft=base.draft,
        accept=base.accept,
        prefix=base.prefix,
    )


def _best(run: Run, assumed: Assumed) -> ServingPlan:
    """The plan a submitter would look for: most tokens per chip, or least latency for one request at a
    time, or the most requests per chip inside the service level."""
    chips = run.chips or 8
    plan = candidates(run, chips)
    replica = run.replica._replace(plan=plan)
    copies = np.maximum(chips // plan.chips, 1)
    if run.kind == "max_throughput":
        score = max_throughput(replica, run.lengths, run.batch_max).tokens * copies
    elif run.kind in ("concurrency", "batch"):
        load = np.maximum(_value(run) / copies, 1.0)
        state = at_concurrency(replica, run.lengths, load)
        score = state.tokens * np.minimum(copies, _value(run))
    else:
        level = {k.split("_")[0]: v / _MS for k, v in run.slo.items()}
        state = within(replica, run.lengths, level.get("ttft", np.inf), level.get("tpot", np.inf))
        score = state.requests * copies
    room = capacity(*replica[:3], run.lengths.context, run.replica.constants)
    row = int(np.argmax(np.where(room >= 1.0, score, -1.0)))
    chosen = ServingPlan(
        tp=int(plan.tp[row]), dp=int(plan.dp[row]), ep=int(plan.ep[row]), weights=plan.weights, kv=plan.kv,
        draft=plan.draft, accept=plan.accept, prefix=plan.prefix,
    )  # fmt: skip
    said = {"tp": chosen.tp, "attention_dp": chosen.dp, "ep": chosen.ep}
    assumed.take("parallelism", said, text("the best plan on that hardware"))
    return chosen


def _pools(run: Run, assumed: Assumed) -> Answer:
    """Separate prefill and decode pools, rate-matched where the record does not say how many workers."""
    said = run.disaggregated or {}
    base, shared = run.replica.plan, whole(said, "chips_per_worker")
    plans = []
    for role in ("prefill", "decode"):
        size = whole(said, f"{role}_chips_per_worker") or shared or int(np.max(base.chips))
        split = said.get(role)
        if isinstance(split, Mapping):
            plan, _ = widths(mapping(said, role), None, base, assumed)
        else:
            plan = (
                base
                if run.planned
                else ServingPlan(
                    tp=size,
                    weights=base.weights,
                    kv=base.kv,
                    draft=base.draft,
                    accept=base.accept,
                    prefix=base.prefix,
                )
            )
        plans.append(plan)
    first, last = (run.replica._replace(plan=p) for p in plans)
    counts = [whole(said, f"{role}_workers") for role in ("prefill", "decode")]
    if None in counts:
        counts = _matched(first, last, run)
        assumed.take("disaggregated.workers", counts, text("pools of equal rate"))
    workers = [float(c or 1) for c in counts]
    pools = Pools(first, last, workers[0], workers[1])
    concurrency = _value(run) if run.kind == "concurrency" else workers[1] * _fits(last, run.lengths)
    state = disaggregated(pools, run.lengths, max(concurrency, 1.0))
    chips = workers[0] * float(first.plan.chips) + workers[1] * float(last.plan.chips)
    return _metrics(run, state, last.plan, float(state.tokens) / chips)


def _matched(first: Replica, last: Replica, run: Run) -> list[int | None]:
    """Workers of each pool so that both keep up with each other: the smallest such pair up to eight."""
    prompts = 1.0 / float(prompt_time(first, run.lengths.input))
    state = decode_step(*last[:3], max(min(_fits(last, run.lengths), run.value or 64.0), 1.0),
                        run.lengths.context, last.constants)  # fmt: skip
    batch = max(min(_fits(last, run.lengths), run.value or 64.0), 1.0)
    finished = batch / (float(run.lengths.output) * float(state.time))
    ratio = finished / prompts  # prefill workers per decode worker
    if ratio >= 1.0:
        return [min(round(ratio), 8), 1]
    return [1, min(max(round(1.0 / ratio), 1), 8)]


def _memory(run: Run, answer: Answer) -> tuple[Mapping[str, float], str]:
    """Bytes per chip by kind, and what bounds the run."""
    replica = run.replica._replace(plan=answer.plan)
    load = (min(answer.batch, max(answer.capacity, 1.0)), run.lengths.context)
    parts = memory_parts(*replica[:3], load, replica.constants)
    memory = {k: float(v) for k, v in parts.items()}
    memory |= {"gradients": 0.0, "optimizer": 0.0}
    if run.prefill_only:
        time = mixed_step(replica, Load(prefill=run.lengths.input, prompt=run.lengths.input))
    else:
        time = decode_step(*replica[:3], max(answer.batch, 1.0), run.lengths.context, replica.constants)
    full = answer.batch >= 0.99 * answer.capacity and run.kind == "concurrency"
    return memory, "capacity" if full else BOUNDS[int(time.bound)]
