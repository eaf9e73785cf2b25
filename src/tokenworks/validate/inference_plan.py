"""The plan of an inference run: as recorded, or the best that its submitter would have found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.language import text
from tokenworks.perf.serving import Replica, at_concurrency, decode_step, max_throughput, places, prompt_time
from tokenworks.perf.serving_open import within
from tokenworks.perf.serving_plan import ServingPlan
from tokenworks.validate.inference_figures import MS, Job
from tokenworks.validate.inference_record import Assumed, Run, mapping, whole, widths

_WIDEST = 256  # chips of one replica that a planner considers
_MATCHED = 8  # workers of one pool for one of the other
_USUAL_BATCH = 64.0  # sequences, where pools are matched and the record gives no load


def planned(run: Run, assumed: Assumed) -> Job:
    """A run with its plan. Raises BadRequest where a load has no value."""
    said = run.disaggregated
    if run.value is None and run.kind in ("batch", "concurrency"):
        raise BadRequest("is missing", field="load.value")
    if said is not None and ("decode_workers" in said or ("decode" in said and run.kind == "concurrency")):
        return _pools(run, said, assumed)
    if run.planned:
        return Job(run, run.replica.plan)
    run = _narrowed(run, run.chips or 8, assumed)
    return Job(run, _best(run, assumed))


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
    return replace(run.replica.plan, tp=tp, dp=dp, pp=1, ep=ep)


def _best(run: Run, assumed: Assumed) -> ServingPlan:
    """The plan a submitter would look for: most tokens per chip, or least latency for one request at a
    time, or the most requests per chip inside the service level."""
    chips = run.chips or 8
    plan = candidates(run, chips)
    replica = run.replica._replace(plan=plan)
    copies = np.maximum(chips // plan.chips, 1)
    if run.kind == "max_throughput":
        score = max_throughput(replica, run.lengths, run.batch_max * plan.dp).tokens * copies
    elif run.kind in ("concurrency", "batch"):
        value = run.value or 1.0
        score = at_concurrency(replica, run.lengths, np.maximum(value / copies, 1.0)).tokens
        score = score * np.minimum(copies, value)
    else:
        level = {k.split("_")[0]: v / MS for k, v in run.slo.items()}
        score = within(replica, run.lengths, level.get("ttft", np.inf), level.get("tpot", np.inf)).requests * copies
    row = int(np.argmax(np.where(places(replica, run.lengths) >= 1.0, score, -1.0)))
    chosen = replace(plan, tp=int(plan.tp[row]), dp=int(plan.dp[row]), ep=int(plan.ep[row]))
    said = {"tp": chosen.tp, "attention_dp": chosen.dp, "ep": chosen.ep}
    assumed.take("parallelism", said, text("the best plan on that hardware"))
    return chosen


def _narrowed(run: Run, chips: int, assumed: Assumed) -> Run:
    """A run whose 16-bit weights cannot lie on its chips was not run in 16 bits: 8 bits where the chip has them."""
    plan, peak = run.replica.plan, run.replica.hardware.peak
    if plan.weights not in ("bf16", "fp16") or "fp8" not in peak:
        return run
    if np.any(places(run.replica._replace(plan=candidates(run, chips)), run.lengths) >= 1.0):
        return run
    assumed.take("weight_precision", "fp8", text("the weights in 16 bits do not fit"))
    return replace(run, replica=run.replica._replace(plan=replace(plan, weights="fp8", kv="fp8")))


def _pools(run: Run, said: Mapping[str, object], assumed: Assumed) -> Job:
    """Separate prefill and decode pools, rate-matched where the record does not say how many workers."""
    base, shared = run.replica.plan, whole(said, "chips_per_worker")
    plans = []
    for role in ("prefill", "decode"):
        size = whole(said, f"{role}_chips_per_worker") or shared or int(np.max(base.chips))
        if isinstance(said.get(role), Mapping):
            plans.append(widths(mapping(said, role), None, base, assumed)[0])
        else:
            plans.append(base if run.planned else replace(base, tp=size, dp=1, pp=1, ep=1))
    first, last = (run.replica._replace(plan=p) for p in plans)
    counts = [whole(said, f"{role}_workers") for role in ("prefill", "decode")]
    if None in counts:
        counts = _matched(first, last, run)
        assumed.take("disaggregated.workers", counts, text("pools of equal rate"))
    elif run.batch_powers and math.isinf(run.batch_max) and run.kind == "concurrency":
        limit = overfilled((run.value or 1.0) / (counts[1] or 1) / float(plans[1].dp))
        if limit is not None:
            said_limit = int(limit * float(plans[1].dp))
            assumed.take("max_batch_size", said_limit, text("the load was chosen to overfill a limit in powers of two"))
            run = replace(run, batch_max=limit)
    return Job(run, plans[1], plans[0], (float(counts[0] or 1), float(counts[1] or 1)))


def overfilled(each: float) -> float | None:
    """The batch limit of a decode rank that `each` requests in flight per rank overfill; None where none shows.

    Decode workers of engines that compile their steps for a greatest batch have one that is a power of two. Loads
    are swept by doubling, from 1 or 3 per rank; a load that no such sweep gives was put a little above the limit, so
    that the batch stays full: its limit is the power of two below.

    >>> overfilled(9.0), overfilled(21.0), overfilled(12.0), overfilled(64.0)
    (8.0, 16.0, None, None)
    """
    if each <= 1.0:
        return None
    below = 2.0 ** math.floor(math.log2(each))
    return None if each in (below, 1.5 * below) else below


def _matched(first: Replica, last: Replica, run: Run) -> list[int | None]:
    """Workers of each pool so that both keep up with each other: the smallest such pair up to eight."""
    prompts = 1.0 / float(prompt_time(first, run.lengths.input))
    batch = max(min(float(places(last, run.lengths)), run.value or _USUAL_BATCH), 1.0)
    time = decode_step(*last[:3], batch, run.lengths.context, last.constants).time
    ratio = batch / (float(run.lengths.output) * float(time)) / prompts  # prefill workers per decode worker
    if ratio >= 1.0:
        return [min(round(ratio), _MATCHED), 1]
    return [1, min(max(round(1.0 / ratio), 1), _MATCHED)]
