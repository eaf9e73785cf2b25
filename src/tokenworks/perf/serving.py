"""Serving: step times, steady state at a concurrency, greatest throughput, separate pools.

Everything broadcasts: the columns of a plan, batches, lengths and rates may be arrays. Source of the forms:
a study of 1,792 published serving points and 577 throughput runs (catalog/data/calibration/serving.yaml).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tokenworks.perf.roofline import Column, soft_maximum
from tokenworks.perf.serving_constants import ServingConstants
from tokenworks.perf.serving_memory import capacity
from tokenworks.perf.serving_plan import ServingPlan
from tokenworks.perf.serving_step import Load, Step, launch_time, step
from tokenworks.records import Hardware
from tokenworks.workload.architecture import Architecture

_PASSES = 6  # of the fixed points; the fourth moves the answer by less than 0.1 %
_TAIL = np.log(100.0)  # the 99th percentile of an exponential, in means


class Replica(NamedTuple):
    """One copy of a model on its chips."""

    arch: Architecture
    hardware: Hardware
    plan: ServingPlan
    constants: ServingConstants


class Lengths(NamedTuple):
    """Mean tokens of a request."""

    input: Column
    output: Column

    @property
    def context(self) -> Column:
        """Mean tokens in the cache of a decoding sequence: isl + osl / 2."""
        return np.asarray(self.input) + np.asarray(self.output) / 2.0


class Steady(NamedTuple):
    """A replica in steady state; all columns.

    batch: sequences decoding. capacity: sequences that fit. ttft, tpot, ttft_p99, tpot_p99: s.
    requests: per second. tokens: output tokens per second. utilisation: share of time prefill and decode
    take of what they could (1 or more: the load cannot be held).
    """

    batch: Column
    capacity: Column
    ttft: Column
    tpot: Column
    ttft_p99: Column
    tpot_p99: Column
    requests: Column
    tokens: Column
    utilisation: Column


def decode_step(
    arch: Architecture,
    hardware: Hardware,
    plan: ServingPlan,
    batch: Column,
    context: Column,
    constants: ServingConstants,
) -> Step:
    """One decode step of `batch` sequences with `context` tokens each in the cache (s; see Step)."""
    return step(arch, hardware, plan, Load(decode=batch, context=context), constants)


def mixed_step(replica: Replica, load: Load) -> Step:
    """One step of any load: decoding sequences and prefill tokens together (chunked prefill)."""
    return step(*replica[:3], load, replica.constants)


def token_time(replica: Replica, batch: Column, context: Column) -> Column:
    """Seconds per output token and sequence while nothing is prefilled. With speculation: a step verifies
    1 + draft tokens, each draft costs one more layer, and `accept` tokens are kept per step
    (Leviathan et al., arXiv 2211.17192, section 3)."""
    plan = replica.plan
    drafting = 1.0 + np.asarray(plan.draft, dtype=float) / max(replica.arch.depth, 1)
    time = decode_step(replica.arch, replica.hardware, plan, batch, context, replica.constants).time
    return time * drafting / plan.accept


def fixed_delay(replica: Replica) -> Column:
    """Seconds of a first token that depend on no load: the engine's own, and launching a prefill. Steps with prompts
    run without captured graphs, so their launches cost many times those of a decode step."""
    k = replica.constants
    return k.ttft_fixed + k.ttft_launches * launch_time(*replica[:3], k)


def fresh_tokens(replica: Replica, lengths: Lengths) -> Column:
    """Tokens of a prompt that no cache holds."""
    return np.asarray(lengths.input, dtype=float) * (1.0 - np.asarray(replica.plan.prefix))


def chunk_tokens(replica: Replica) -> Column:
    """Tokens that one step of the replica takes at most, decoding sequences included."""
    return replica.constants.chunk * np.asarray(replica.plan.dp, dtype=float)


def _chunks(tokens: Column, constants: ServingConstants) -> Column:
    return np.maximum(np.ceil(np.asarray(tokens, dtype=float) / constants.chunk), 1.0)


def prefill_time(replica: Replica, prompt: Column) -> Column:
    """Seconds until one prompt of so many tokens, alone on one attention rank, is prefilled, in chunks."""
    tokens = np.asarray(prompt, dtype=float) * (1.0 - np.asarray(replica.plan.prefix))
    chunks = _chunks(tokens, replica.constants)
    return chunks * mixed_step(replica, Load(prefill=tokens / chunks, prompt=prompt)).time


def prompt_time(replica: Replica, prompt: Column) -> Column:
    """Seconds that one more prompt costs when chunks are full and every attention rank has some: small
    prompts share a step, so this is less than `prefill_time`. Pipeline stages work side by side."""
    tokens = np.asarray(prompt, dtype=float) * (1.0 - np.asarray(replica.plan.prefix))
    ranks = np.asarray(replica.plan.dp, dtype=float)
    full = replica.constants.chunk * ranks
    time = mixed_step(replica, Load(prefill=full, prompt=prompt, spread=ranks)).time
    return time * tokens / full / replica.plan.pp


def _interference(replica: Replica, batch: Column, lengths: Lengths) -> Column:
    """Seconds by which one prompt delays the decoding sequences: t(B, isl) - t(B, 0), chunk by chunk; an
    engine that prefills alone stops decoding for the whole prefill."""
    tokens = fresh_tokens(replica, lengths)
    chunks = _chunks(tokens, replica.constants)
    ranks = np.asarray(replica.plan.dp, dtype=float)
    mixed = Load(batch, lengths.context, tokens / chunks, lengths.input, ranks)
    together = mixed_step(replica, mixed).time - mixed_step(replica, Load(batch, lengths.context)).time
    apart = mixed_step(replica, Load(prefill=tokens / chunks, prompt=lengths.input, spread=ranks)).time
    return chunks * np.where(replica.constants.alone > 0, apart, together) / replica.plan.pp


def tpot_at(replica: Replica, batch: Column, lengths: Lengths) -> Column:
    """Seconds per output token of a request that shares the replica with batch - 1 others, each of which
    is prefilled once per output length: t(B, 0) + kappa (B - 1/2)/osl (t(B, isl) - t(B, 0))."""
    others = np.maximum(np.asarray(batch) - 0.5, 0.0) / np.maximum(lengths.output, 1.0)
    delay = _interference(replica, batch, lengths)
    return token_time(replica, batch, lengths.context) + replica.constants.interference * others * delay


def at_concurrency(
    replica: Replica, lengths: Lengths, concurrency: Column, bursts: Column = 1.0, batch_max: Column = np.inf
) -> Steady:
    """Steady state with `concurrency` requests always in flight at one replica (closed loop).

    B = min(C osl TPOT / (osl TPOT + Tp), capacity, batch_max). First token: a fixed delay, the own prefill, half the
    steps between two looks of the engine for new requests (`look_few`, `look_many` from `look_from` requests on; an
    engine that looks before every step: half a step), collisions, the client's first burst (`bursts` 0 leaves it
    out); or, where that is longer, the wait for a place in the cache, which is what is left of a cycle:
    C / B osl TPOT - osl TPOT.
    """
    c, held = np.asarray(concurrency, dtype=float), np.minimum(places(replica, lengths), batch_max)
    own, marginal = prefill_time(replica, lengths.input), prompt_time(replica, lengths.input)
    output = np.maximum(np.asarray(lengths.output, dtype=float), 1.0)
    room = np.minimum(_unless_empty(held), _joining(replica, lengths))
    batch = np.minimum(c, room)
    for _ in range(_PASSES):
        tpot = tpot_at(replica, batch, lengths)
        batch = 0.5 * batch + 0.5 * np.minimum(c * output * tpot / (output * tpot + own), room)
    tpot = tpot_at(replica, batch, lengths)
    busy = np.clip(batch * marginal / (output * tpot), 0.0, 1.0)
    k = replica.constants
    few, many = np.asarray(k.look_few, dtype=float), np.asarray(k.look_many, dtype=float)
    looks = np.where(c >= np.asarray(k.look_from), many, few) * 0.5
    waits = np.where(np.asarray(replica.plan.dp) > 1, np.maximum(k.dp_wait, looks), looks) * tpot
    collision = busy / 2.0 / (1.0 - busy / 2.0) * marginal
    first = fixed_delay(replica) + k.ttft_prefill * own + waits + collision + k.slot * c / replica.plan.dp
    burst = bursts * k.burst * np.maximum(c - 1.0, 0.0) * marginal
    queue = np.maximum(c / room - 1.0, 0.0) * output * tpot
    ttft = soft_maximum(first + burst, queue, k.sharpness)
    requests = np.minimum(c, 1e18) / (ttft + (output - 1.0) * tpot)
    tail = first + _TAIL * collision + bursts * np.maximum(c - 1.0, 0.0) * marginal + 2.0 * queue
    return Steady(
        batch, held, ttft, tpot, np.maximum(tail, ttft), _tpot_tail(replica, batch, lengths, tpot),
        requests, requests * output, np.minimum(c / np.maximum(held, 1e-9), 1e9),
    )  # fmt: skip


def _joining(replica: Replica, lengths: Lengths) -> Column:
    """Sequences that decode together where every step is full of prompts: each stays for as many steps as it has
    tokens, and a step lets in a chunk's worth of prompts. No limit where prompts are prefilled alone."""
    stays = np.asarray(lengths.output, dtype=float) / replica.plan.accept  # steps
    most = np.maximum(stays * chunk_tokens(replica) / np.maximum(fresh_tokens(replica, lengths), 1.0), 1.0)
    return np.where(replica.constants.alone > 0, np.inf, most)


def places(replica: Replica, lengths: Lengths) -> Column:
    """Sequences that fit: an engine that never evicts (`held_output` 1) keeps room for the whole output from the
    start; one that does holds half of it on average."""
    held = np.asarray(lengths.input) + np.asarray(lengths.output) * replica.constants.held_output
    return capacity(replica.arch, replica.hardware, replica.plan, held, replica.constants)


def _unless_empty(room: Column) -> Column:
    """The capacity, or no limit where not even one sequence fits: such a replica does not work, which its
    `capacity` says; its times are those that it would have with more memory."""
    return np.where(room >= 1.0, room, np.inf)


def _tpot_tail(replica: Replica, batch: Column, lengths: Lengths, tpot: Column) -> Column:
    """A 99th percentile of TPOT: prompts that fall into one request's decode are Poisson with mean
    B - 1/2 ones; 2.33 standard deviations more of them (normal approximation)."""
    output = np.maximum(np.asarray(lengths.output, dtype=float), 1.0)
    others = np.maximum(np.asarray(batch) - 0.5, 0.0)
    more = 2.33 * np.sqrt(others) / output * _interference(replica, batch, lengths)
    return tpot + replica.constants.interference * more


def max_throughput(replica: Replica, lengths: Lengths, batch_max: Column = np.inf) -> Steady:
    """The most output tokens per second of a replica with an endless queue of requests, prefill included.

    The batch is what the cache holds (at most `batch_max`); time per token is the mean of prefilling in
    steps of its own and of mixing prefill evenly into the decode steps. First token: no meaning (NaN).
    """
    room = places(replica, lengths)
    batch = np.minimum(np.maximum(room, 1.0), batch_max)
    output = np.maximum(np.asarray(lengths.output, dtype=float), 1.0)
    share = batch / output  # prompts per output token
    apart = token_time(replica, batch, lengths.context) + share * prompt_time(replica, lengths.input)
    fresh = fresh_tokens(replica, lengths)
    ranks = np.asarray(replica.plan.dp, dtype=float)
    pipes = np.asarray(replica.plan.pp, dtype=float)
    mixed = Load(batch, lengths.context, share * fresh / pipes, lengths.input, ranks)
    together = mixed_step(replica, mixed).time / replica.plan.accept
    wait = np.where(np.asarray(replica.plan.dp) > 1, replica.constants.ranks_wait, 1.0)
    tpot = 0.5 * (apart + together) * wait
    nothing = np.full(np.shape(tpot), np.nan)
    requests = np.where(room >= 1.0, batch / (output * tpot), 0.0)
    return Steady(batch, room, nothing, tpot, nothing, nothing, requests, requests * output, np.ones(np.shape(tpot)))


class Pools(NamedTuple):
    """Separate prefill and decode replicas: one of each, and how many."""

    prefill: Replica
    decode: Replica
    prefill_workers: Column
    decode_workers: Column


def disaggregated(
    pools: Pools, lengths: Lengths, concurrency: Column, bursts: Column = 1.0, batch_max: Column = np.inf
) -> Steady:
    """Steady state of separate pools with `concurrency` requests in flight over all of them.

    Decode is not disturbed: B = (C / workers) osl TPOT / (osl TPOT + TTFT), at most `batch_max` a worker. The first
    token waits for the cache's transfer and for the prompts before it; or, where that is longer, for the bottleneck.
    A closed loop of C requests goes round in max(TTFT + osl TPOT, C Tm / prefill workers, C / B osl TPOT), so
    behind a full pool a request waits what is left of that cycle (asymptotic bounds: Denning and Buzen 1978).
    """
    c, k = np.asarray(concurrency, dtype=float), pools.prefill.constants
    output = np.maximum(np.asarray(lengths.output, dtype=float), 1.0)
    held = np.minimum(places(pools.decode, lengths), batch_max)
    room = _unless_empty(held)
    own, marginal = prefill_time(pools.prefill, lengths.input), prompt_time(pools.prefill, lengths.input)
    per_prompt = marginal / pools.prefill_workers
    each = c / pools.decode_workers
    fixed = k.open_fixed * fixed_delay(pools.prefill) + own + k.transfer + k.slot * each / pools.decode.plan.dp
    burst = bursts * k.burst * np.maximum(c - 1.0, 0.0) * per_prompt
    batch, ttft = np.minimum(each, room), fixed
    for _ in range(2 * _PASSES):
        tpot = token_time(pools.decode, batch, lengths.context)
        queue = np.maximum(np.maximum(c * per_prompt, each / room * output * tpot) - output * tpot, 0.0)
        ttft = soft_maximum(fixed + 0.5 * tpot + burst, queue, k.sharpness)
        batch = 0.5 * batch + 0.5 * np.minimum(each * output * tpot / (output * tpot + ttft), room)
    tpot = token_time(pools.decode, batch, lengths.context)
    requests = c / (ttft + (output - 1.0) * tpot)
    tail = ttft + bursts * np.maximum(c - 1.0, 0.0) * per_prompt
    busy = np.maximum(requests * per_prompt, batch / np.maximum(room, 1e-9))
    return Steady(batch, held, ttft, tpot, tail, tpot, requests, requests * output, busy)
