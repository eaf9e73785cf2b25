"""A serving design under simulated requests: does it hold its service level one request at a time?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tokenworks.perf import serving as perf
from tokenworks.perf import serving_memory, serving_pools
from tokenworks.perf import serving_open as perf_open
from tokenworks.quote.trace import requests_of
from tokenworks.records import Floats, Trace
from tokenworks.simulate import alike, tables
from tokenworks.simulate import requests as arrivals
from tokenworks.simulate import serving as simulate
from tokenworks.simulate.farm import Prefill

REQUESTS = 1500  # simulated to confirm a design; the same ones for all (seed 0)
REQUESTS_MOST = 20_000  # of a decode worker, which fills slowly
TRACED_MOST = 50_000  # of a trace that is repeated
STAYS = 4.0  # mean stays of a request that are simulated at least
WARM = 1.5  # mean stays until a worker is looked at
SLACK = 1.05  # a percentile of a finite sample may pass the asked one by this much


def confirm(
    design: Mapping[str, Any], replica: perf.Replica, prefill: perf.Replica | None = None, trace: Trace | None = None
) -> Mapping[str, Any]:
    """Simulate a design: {ttft_s, tpot_s, e2e_s, state, holds, ...}.

    At its share of the load, one replica, or one worker of each pool (`prefill` given): replicas behind a router that
    knows their load are each no worse off than one with its share alone. With a trace: the whole design at the trace.
    """
    job = design["job"]
    lengths = perf.Lengths(float(job["input"]), float(job["output"]))
    if trace is not None:
        found = _traced(design, replica, lengths, trace)
    else:
        found = _together(design, replica, lengths) if prefill is None else _apart(design, replica, prefill, lengths)
    holds = found["state"] != "overloaded"
    for name, asked in (("ttft_s", job["ttft_p99"]), ("tpot_s", job["tpot_p99"])):
        p99 = found[name]["p99"]
        holds = holds and (asked is None or (p99 is not None and p99 <= SLACK * asked))
    kept = ("ttft_s", "tpot_s", "e2e_s", "utilisation", "state")
    return {"requests": found["requests"], "seed": 0, "holds": bool(holds), **{k: found[k] for k in kept}}


def _traced(design: Mapping[str, Any], replica: perf.Replica, lengths: perf.Lengths, trace: Trace) -> Mapping[str, Any]:
    """All replicas at the trace, which is repeated until they are as full as they get."""
    predicted = design["predicted"]
    stay = predicted["ttft_s"]["value"] + lengths.output * predicted["tpot_s"]["value"]
    stream = requests_of(trace, STAYS * stay, TRACED_MOST)
    farm = farm_of(replica, design, lengths)
    seen = simulate.simulate(stream, farm, step_table(replica, farm, lengths))
    return {**simulate.summary(seen), "requests": len(stream)}


def _together(design: Mapping[str, Any], replica: perf.Replica, lengths: perf.Lengths) -> Mapping[str, Any]:
    job = design["job"]
    farm = farm_of(replica, {**design, "replicas": 1}, lengths)
    rate = job["requests_per_second"] / design["replicas"]
    stream = arrivals.poisson(rate, REQUESTS, (job["input"], job["output"]), seed=0)
    found = simulate.summary(alike.simulate(stream, farm, step_table(replica, farm, lengths)))
    return {**found, "requests": REQUESTS}


def _apart(
    design: Mapping[str, Any], replica: perf.Replica, prefill: perf.Replica, lengths: perf.Lengths
) -> Mapping[str, Any]:
    """One worker of each pool, one after the other: what comes to a decode worker comes from all prefill workers, so
    it is Poisson again. A first token waits for its prompt, the transfer, and the decode step under way."""
    job = design["job"]
    rate, early = job["requests_per_second"], design["pools"]["prefill"]["replicas"]
    first = alike.simulate(
        arrivals.poisson(rate / early, REQUESTS, (job["input"], 1), seed=0), *prefill_worker(prefill, lengths)
    )
    farm, table = decode_worker(replica, lengths)
    stay = job["output"] * design["predicted"]["tpot_s"]["value"]  # until a worker that starts empty is as full as ever
    own = rate / design["replicas"]
    count = int(min(max(REQUESTS, STAYS * own * stay), REQUESTS_MOST))
    last = alike.simulate(arrivals.poisson(own, count, (1, job["output"]), seed=1), farm, table)
    one, two = simulate.summary(first), simulate.summary(last)
    kept = last.finished & (last.requests.arrival >= min(WARM * stay, 0.5 * float(last.requests.arrival[-1])))
    tokens = max(job["output"] - 1, 1)
    tpot = (last.done - last.first)[kept] / tokens
    joins = np.maximum((last.first - last.requests.arrival)[kept] - tpot, 0.0)
    transfer = float(np.ravel(prefill.constants.transfer)[0])
    early_ttft = (first.first - first.requests.arrival)[first.finished]
    ttft: Floats = np.resize(early_ttft, len(joins)) + transfer + joins
    states = [s["state"] for s in (one, two)]
    worst = next((s for s in ("overloaded", "backlogged") if s in states), "stable")
    return {
        "requests": len(last.requests),
        "ttft_s": simulate.spread(ttft),
        "tpot_s": simulate.spread(tpot),
        "e2e_s": simulate.spread(ttft + tpot * tokens),
        "utilisation": max(s["utilisation"] for s in (one, two)),
        "state": worst if np.all(first.finished) and np.all(last.finished) else "overloaded",
    }


def _slots(replica: perf.Replica, context: float) -> int:
    """Sequences of so many tokens that a worker's cache holds, at least one."""
    room = serving_memory.capacity(replica.arch, replica.hardware, replica.plan, context, replica.constants)
    return max(1, int(np.ravel(room)[0]))


def _chunk(replica: perf.Replica) -> int:
    """Tokens of one step, at least one."""
    return max(1, int(np.ravel(perf.chunk_tokens(replica))[0]))


def prefill_worker(replica: perf.Replica, lengths: perf.Lengths) -> tuple[simulate.Farm, tables.StepTable]:
    """One prefill worker: prompts fill its steps; a request leaves it with its first token."""
    slots, chunk = _slots(replica, lengths.input + 1.0), _chunk(replica)
    steps = serving_pools.prompts(replica, lengths)
    pp = float(np.ravel(replica.plan.pp)[0])

    def seconds(batch: Any, context: Any, prompt: Any) -> Any:
        return serving_pools.step_of(replica, lengths, prompt) / pp + 0.0 * np.asarray(batch)

    held = int(lengths.input) + 1
    engine = simulate.Engine(slots=slots, cache=slots * held, chunk=chunk)
    farm = simulate.Farm(1, engine, "least_loaded", float(np.ravel(steps.delay)[0]))
    return farm, tables.tabulate(seconds, slots, chunk, held)


def decode_worker(replica: perf.Replica, lengths: perf.Lengths) -> tuple[simulate.Farm, tables.StepTable]:
    """One decode worker: prompts come as caches, so that each counts as one token to take in, which costs nothing;
    the context of a step is the prompts' besides the tokens made here."""
    slots = _slots(replica, lengths.input + lengths.output)

    def seconds(batch: Any, made: Any, prompt: Any) -> Any:
        each = np.asarray(made, dtype=float) / np.maximum(batch, 1.0) + lengths.input
        return perf.token_time(replica, batch, each) + 0.0 * np.asarray(prompt)

    held = int(lengths.output) + 1
    engine = simulate.Engine(slots=slots, cache=slots * held, chunk=2 * slots)
    return simulate.Farm(1, engine, "least_loaded"), tables.tabulate(seconds, slots, 2 * slots, lengths.output)


def farm_of(replica: perf.Replica, design: Mapping[str, Any], lengths: perf.Lengths) -> simulate.Farm:
    """Replicas behind one queue each, with the engine's slots, cache, chunk and delay."""
    context = lengths.input + lengths.output
    slots = _slots(replica, context)
    engine = simulate.Engine(slots=slots, cache=int(slots * context), chunk=_chunk(replica))
    if design.get("pools"):
        early = prefill_replica(replica, design["pools"]["prefill"])
        one, steps = prefill_worker(early, lengths)
        latency = float(np.ravel(replica.constants.transfer)[0])
        pool = Prefill(design["pools"]["prefill"]["replicas"], one.engine, steps, latency)
        return simulate.Farm(max(1, int(design["replicas"])), engine, "least_loaded", one.delay, pool)
    delay = perf_open.first_token_delay(replica, lengths, design["predicted"]["tpot_s"]["value"])
    return simulate.Farm(max(1, int(design["replicas"])), engine, "least_loaded", float(np.ravel(delay)[0]))


def prefill_replica(replica: perf.Replica, pool: Mapping[str, Any]) -> perf.Replica:
    """The prefill workers of a design, from its decode workers: same chip, another split, nothing drafted."""
    split: dict[str, Any] = {name: pool[name] for name in ("tp", "pp", "dp", "ep")}
    return replica._replace(plan=replace(replica.plan, draft=0, accept=1.0, **split))


def step_table(replica: perf.Replica, farm: simulate.Farm, lengths: perf.Lengths) -> tables.StepTable:
    """Seconds of a step by batch, cached tokens and prompt tokens: the steady state's own steps."""

    def seconds(batch: Any, context: Any, prompt: Any) -> Any:
        each = np.asarray(context, dtype=float) / np.maximum(batch, 1.0)
        if farm.prefill is not None:  # prompts come as caches
            return perf.token_time(replica, batch, each) + 0.0 * np.asarray(prompt)
        return perf_open.engine_step(replica, lengths, batch, each, prompt)

    context = farm.engine.cache / farm.engine.slots
    return tables.tabulate(seconds, farm.engine.slots, farm.engine.chunk, context)
