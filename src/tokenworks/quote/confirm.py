"""A serving design under simulated requests: does it hold its service level one request at a time?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tokenworks.perf import serving as perf
from tokenworks.perf import serving_memory
from tokenworks.perf import serving_open as perf_open
from tokenworks.simulate import requests as arrivals
from tokenworks.simulate import serving as simulate
from tokenworks.simulate import tables

REQUESTS = 1500  # simulated to confirm a design; the same ones for all (seed 0)
SLACK = 1.05  # a percentile of a finite sample may pass the asked one by this much


def confirm(design: Mapping[str, Any], replica: perf.Replica) -> Mapping[str, Any]:
    """Simulate one replica at its share of the load: {ttft_s, tpot_s, e2e_s, state, holds, ...}.

    Replicas behind a router that knows their load are each no worse off than one with its share alone.
    """
    job = design["job"]
    lengths = perf.Lengths(float(job["input"]), float(job["output"]))
    farm = farm_of(replica, {**design, "replicas": 1}, lengths)
    rate = job["requests_per_second"] / design["replicas"]
    stream = arrivals.poisson(rate, REQUESTS, (job["input"], job["output"]), seed=0)
    found = simulate.summary(simulate.simulate(stream, farm, step_table(replica, farm, lengths)))
    holds = found["state"] != "overloaded"
    for name, asked in (("ttft_s", job["ttft_p99"]), ("tpot_s", job["tpot_p99"])):
        p99 = found[name]["p99"]
        holds = holds and (asked is None or (p99 is not None and p99 <= SLACK * asked))
    kept = ("ttft_s", "tpot_s", "e2e_s", "utilisation", "state")
    return {"requests": REQUESTS, "seed": 0, "holds": bool(holds), **{k: found[k] for k in kept}}


def farm_of(replica: perf.Replica, design: Mapping[str, Any], lengths: perf.Lengths) -> simulate.Farm:
    """Replicas behind one queue each, with the engine's slots, cache, chunk and delay."""
    context = lengths.input + lengths.output
    room = serving_memory.capacity(replica.arch, replica.hardware, replica.plan, context, replica.constants)
    slots = max(1, int(np.ravel(room)[0]))
    chunk = max(1, int(np.ravel(perf_open.chunk_tokens(replica))[0]))
    engine = simulate.Engine(slots=slots, cache=int(slots * context), chunk=chunk)
    delay = perf_open.first_token_delay(replica, lengths, design["predicted"]["tpot_s"]["value"])
    return simulate.Farm(max(1, int(design["replicas"])), engine, "least_loaded", float(np.ravel(delay)[0]))


def step_table(replica: perf.Replica, farm: simulate.Farm, lengths: perf.Lengths) -> tables.StepTable:
    """Seconds of a step by batch, cached tokens and prompt tokens: the steady state's own steps."""

    def seconds(batch: Any, context: Any, prompt: Any) -> Any:
        each = np.asarray(context, dtype=float) / np.maximum(batch, 1.0)
        return perf_open.engine_step(replica, lengths, batch, each, prompt)

    context = farm.engine.cache / farm.engine.slots
    return tables.tabulate(seconds, farm.engine.slots, farm.engine.chunk, context)
