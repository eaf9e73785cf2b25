"""Figures of inference runs whose plan is fixed: runs of one kind and model are columns, one call each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tokenworks.perf.roofline import Column
from tokenworks.perf.serving import (
    Lengths,
    Pools,
    Replica,
    Steady,
    at_concurrency,
    disaggregated,
    fixed_delay,
    max_throughput,
    mixed_step,
    places,
    prompt_time,
    token_time,
)
from tokenworks.perf.serving_columns import hardware_columns
from tokenworks.perf.serving_constants import ServingConstants
from tokenworks.perf.serving_open import at_rate, within
from tokenworks.perf.serving_plan import ServingPlan
from tokenworks.perf.serving_step import Load
from tokenworks.validate.inference_record import Run

MS = 1e3  # milliseconds per second: the record format's unit
Figures = Mapping[str, Column]


@dataclass(frozen=True)
class Job:
    """A run with its plan. `prefill` and `workers` (prefill, decode) where it has pools of their own."""

    run: Run
    plan: ServingPlan
    prefill: ServingPlan | None = None
    workers: tuple[float, float] = (1.0, 1.0)

    @property
    def mode(self) -> str:
        """Which of MODES computes it."""
        run = self.run
        if self.prefill is not None:
            return "pools"
        if run.prefill_only:
            return "prompts" if run.kind == "batch" else "prefill"
        if run.kind == "batch" or run.decode_only:
            return "static"
        if run.kind == "request_rate" and run.value is not None:
            return "kept" if run.slo else "rate"
        return "concurrency" if run.kind == "concurrency" else "most"

    @property
    def kind(self) -> tuple[Any, ...]:
        """Jobs of one kind can be columns of one Group."""
        replica = self.run.replica
        return (self.mode, replica.arch, self.plan.weights, self.plan.kv, tuple(sorted(replica.hardware.peak)))

    @property
    def chips(self) -> float:
        """Chips over all pools and copies."""
        if self.prefill is not None:
            return float(self.workers[0] * self.prefill.chips + self.workers[1] * self.plan.chips)
        return float(self.run.chips or self.plan.chips)

    @property
    def copies(self) -> float:
        """Independent replicas on the run's chips."""
        return max(float((self.run.chips or int(self.plan.chips)) // int(self.plan.chips)), 1.0)


class Group(NamedTuple):
    """Jobs of one kind as columns. value: requests in flight, in the batch or per second, over all copies;
    NaN where there is none. batch_max: sequences of a replica that the engine allows; its limit counts per
    attention rank. ttft, tpot: service level, s. Without pools `pools.prefill` is `pools.decode`."""

    mode: str
    pools: Pools
    lengths: Lengths
    value: Column
    copies: Column
    chips: Column
    batch_max: Column
    ttft: Column
    tpot: Column
    endless: Column  # a queue without end instead of a static batch
    decode_only: Column


def grouped(jobs: Sequence[Job]) -> list[list[int]]:
    """Places of the jobs of each kind."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for place, job in enumerate(jobs):
        found.setdefault(job.kind, []).append(place)
    return list(found.values())


def stack(jobs: Sequence[Job], constants: ServingConstants) -> Group:
    """Jobs of one kind as columns; `constants` holds a column per job in its last axis."""
    runs = [job.run for job in jobs]
    first = runs[0].replica

    def column(get: Callable[[Run], Any]) -> Column:
        return np.array([get(r) for r in runs], dtype=float)

    hardware = hardware_columns([r.replica.hardware for r in runs])
    hidden = np.array([r.hidden_drafts for r in runs])

    def plan(plans: Sequence[ServingPlan]) -> ServingPlan:
        fields: dict[str, Any] = {n: np.array([getattr(p, n) for p in plans], dtype=float) for n in _PLAN}
        fields["accept"] = np.where(hidden, 1.0 / constants.speculative, fields["accept"])
        return replace(plans[0], **fields)

    last = Replica(first.arch, hardware, plan([job.plan for job in jobs]), constants)
    early = last
    if jobs[0].prefill is not None:
        early = last._replace(plan=plan([job.prefill for job in jobs if job.prefill is not None]))
    workers = np.array([job.workers for job in jobs], dtype=float)
    return Group(
        mode=jobs[0].mode,
        pools=Pools(early, last, workers[:, 0], workers[:, 1]),
        lengths=Lengths(column(lambda r: r.lengths.input), column(lambda r: r.lengths.output)),
        value=column(_asked),
        copies=np.array([job.copies for job in jobs]),
        chips=np.array([job.chips for job in jobs]),
        batch_max=np.array([job.run.batch_max * float(job.plan.dp) for job in jobs]),
        ttft=column(lambda r: _level(r, "ttft")),
        tpot=column(lambda r: _level(r, "tpot")),
        endless=np.array([r.kind == "max_throughput" for r in runs]),
        decode_only=np.array([r.decode_only for r in runs]),
    )


_PLAN = ("tp", "dp", "pp", "ep", "draft", "accept", "prefix")


def _asked(run: Run) -> float:
    apart = run.disaggregated is not None and run.kind == "request_rate"  # pools are then taken as full
    return np.nan if run.value is None or apart else run.value


def _level(run: Run, name: str) -> float:
    return next((v / MS for k, v in run.slo.items() if k.split("_")[0] == name), np.inf)


def compute(group: Group) -> Figures:
    """Metrics by name in the record format's units, and `batch`, `capacity` (sequences per replica)."""
    return MODES[group.mode](group)


def burst(replica: Replica, batch: Column, prompt: Column) -> Column:
    """Seconds to prefill `batch` prompts that arrive together, in full chunks."""
    ranks = np.minimum(np.asarray(replica.plan.dp, dtype=float), batch)
    tokens = np.asarray(batch) * prompt * (1.0 - np.asarray(replica.plan.prefix))
    chunks = np.maximum(np.ceil(tokens / (replica.constants.chunk * ranks)), 1.0)
    return chunks * mixed_step(replica, Load(prefill=tokens / chunks, prompt=prompt, spread=ranks)).time


def _steady(group: Group, state: Steady, per_chip: Column) -> Figures:
    return {
        "output_tokens_per_s_per_chip": per_chip,
        "ttft_ms": state.ttft * MS,
        "ttft_p99_ms": state.ttft_p99 * MS,
        "tpot_ms": state.tpot * MS,
        "tpot_p99_ms": state.tpot_p99 * MS,
        "itl_ms": state.tpot * MS * group.pools.decode.plan.accept,
        "batch": state.batch,
        "capacity": state.capacity,
    }


def _most(group: Group) -> Figures:
    state = max_throughput(group.pools.decode, group.lengths, group.batch_max)
    per_chip = state.tokens * group.copies / group.chips
    prompts = per_chip * group.lengths.input / group.lengths.output
    return {**_steady(group, state, per_chip), "prefill_tokens_per_s_per_chip": prompts}


def _concurrency(group: Group) -> Figures:
    load = np.maximum(group.value / group.copies, 1.0)
    state = at_concurrency(group.pools.decode, group.lengths, load, batch_max=group.batch_max)
    busy = np.minimum(group.copies, group.value)  # copies without a request stand idle
    return _steady(group, state, state.tokens * busy / group.chips * _kept_full(group, group.value))


def _kept_full(group: Group, load: Column) -> Column:
    """Share of its load that a benchmark's client keeps up over the whole run: the last round ends with fewer and
    fewer requests in flight, and the tokens are divided by the whole time. One request at a time has no such end."""
    return 1.0 / (1.0 + group.pools.decode.constants.drain * (1.0 - 1.0 / np.maximum(load, 1.0)))


def _rate(group: Group) -> Figures:
    state = at_rate(group.pools.decode, group.lengths, group.value / group.copies)
    return _steady(group, state, state.tokens * group.copies / group.chips)


def _kept(group: Group) -> Figures:
    """A run under a service level is published because it kept it: where the model says that the rate drives
    the tail beyond the level, the run is at the level itself; the rate stands."""
    replica, rate = group.pools.decode, group.value / group.copies
    free = at_rate(replica, group.lengths, rate)
    bound = within(replica, group.lengths, group.ttft, group.tpot)
    keeps = (free.batch <= bound.batch) | (bound.batch < 1.0)
    bound = bound._replace(requests=rate, tokens=rate * group.lengths.output, capacity=free.capacity)
    state = Steady(*(np.where(keeps, a, b) for a, b in zip(free, bound, strict=True)))
    return _steady(group, state, state.tokens * group.copies / group.chips)


def _prompts(group: Group) -> Figures:
    """Only prompts, a static batch of them in steps of their own."""
    replica, prompt = group.pools.decode, group.lengths.input
    batch = np.maximum(group.value / group.copies, 1.0)
    time = burst(replica, batch, prompt)
    rate = batch * prompt / time * group.copies / group.chips
    held = places(replica, group.lengths)
    return {"ttft_ms": time * MS, "prefill_tokens_per_s_per_chip": rate, "batch": batch, "capacity": held}


def _prefill(group: Group) -> Figures:
    """Only prompts, an endless queue of them."""
    replica, prompt = group.pools.decode, group.lengths.input
    rate = prompt / prompt_time(replica, prompt) * group.copies / group.chips
    return {"prefill_tokens_per_s_per_chip": rate, "batch": 1.0, "capacity": places(replica, group.lengths)}


def _static(group: Group) -> Figures:
    """A static batch: all prompts first, then all sequences decode together to the end."""
    replica, lengths = group.pools.decode, group.lengths
    held = places(replica, lengths)
    asked = np.where(group.endless, np.minimum(held, group.batch_max), group.value / group.copies)
    batch = np.maximum(asked, 1.0)
    first = burst(replica, batch, lengths.input)
    gap = token_time(replica, batch, lengths.context)
    whole_run = np.where(group.decode_only, 0.0, first) + np.maximum(lengths.output - 1.0, 1.0) * gap
    share = group.copies / group.chips
    return {
        "output_tokens_per_s_per_chip": batch * lengths.output / whole_run * share,
        "itl_ms": gap * MS,
        "tpot_ms": gap * MS,
        "ttft_ms": (first + fixed_delay(replica)) * MS,
        "prefill_tokens_per_s_per_chip": batch * lengths.input / first * share,
        "batch": batch,
        "capacity": held,
    }


def _pools(group: Group) -> Figures:
    held = np.minimum(places(group.pools.decode, group.lengths), group.batch_max)
    full = group.pools.decode_workers * held
    load = np.maximum(np.where(np.isnan(group.value), full, group.value), 1.0)
    state = disaggregated(group.pools, group.lengths, load, batch_max=group.batch_max)
    return _steady(group, state, state.tokens / group.chips * _kept_full(group, load))


MODES: Mapping[str, Callable[[Group], Figures]] = {
    "most": _most, "concurrency": _concurrency, "rate": _rate, "kept": _kept, "prompts": _prompts,
    "prefill": _prefill, "static": _static, "pools": _pools,
}  # fmt: skip
