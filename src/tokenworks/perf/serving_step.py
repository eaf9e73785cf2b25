"""Time of one engine step: B sequences decode one token each while n prompt tokens are prefilled.

The formulas are those of a study on 1,792 published serving points (catalog/data/calibration/serving.yaml).
Notation: m tokens per attention rank, M = B + n tokens, g = tp, S(a, b) the soft maximum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tokenworks.perf.roofline import Column, active_experts, soft_maximum
from tokenworks.perf.serving_constants import ServingConstants
from tokenworks.perf.serving_plan import (
    SIXTEEN_BITS,
    Arithmetic,
    LayerWork,
    ServingPlan,
    arithmetic,
    attention_precision,
    cache_bytes,
    layer_works,
    read_bytes,
)
from tokenworks.records import Hardware
from tokenworks.workload.architecture import Architecture

BOUNDS = ("compute", "memory", "network", "launch")


class Load(NamedTuple):
    """What one step carries, per replica.

    decode: sequences that decode a token. context: tokens in the cache of each. prefill: prompt tokens.
    prompt: length of the prompts they belong to. spread: attention ranks the prompts lie on (at most dp).
    """

    decode: Column = 0.0
    context: Column = 0.0
    prefill: Column = 0.0
    prompt: Column = 0.0
    spread: Column = 1.0


@dataclass(frozen=True)
class Step:
    """Seconds of a step and of its parts; all columns.

    parts: attention_projections, attention, dense, experts, elementwise, network, launch, host, head. What is asked
    of few steps is worked out where it is asked: see `sheet`.
    """

    time: Column
    parts: Mapping[str, Column]
    sheet: _Sheet

    @cached_property
    def resources(self) -> Mapping[str, Column]:
        """What each resource alone would take: compute, memory, network, launch."""
        return self.sheet.resources()

    @cached_property
    def floor(self) -> Column:
        """The physical least: datasheet rates, perfect overlap."""
        return self.sheet.floor()

    @property
    def ceiling(self) -> Column:
        """What it takes where nothing overlaps."""
        return sum(self.resources.values())

    @property
    def bound(self) -> Column:
        """The resource that alone takes longest, as an index into BOUNDS."""
        return np.argmax(np.stack(np.broadcast_arrays(*(self.resources[b] for b in BOUNDS))), axis=0)


@dataclass
class _Sheet:
    """Adds operators up. alone: (resource, s) of each. products: (times, FLOPs, FLOP/s, bytes, bytes/s) at datasheet
    rates. wires: s."""

    sharpness: float
    parts: dict[str, Column] = field(default_factory=dict)
    alone: list[tuple[str, Column]] = field(default_factory=list)
    products: list[tuple[int, Column, Column, Column, Column]] = field(default_factory=list)
    wires: list[Column] = field(default_factory=list)

    def roof(self, part: str, times: int, work: tuple[Column, Column], rate: tuple[Column, Column]) -> None:
        """An operator of work (FLOPs, bytes) at a sustained rate (FLOP/s, bytes/s)."""
        compute, memory = times * (work[0] / rate[0]), times * (work[1] / rate[1])
        self.alone += [("compute", compute), ("memory", memory)]
        self._part(part, soft_maximum(compute, memory, self.sharpness))

    def ideal(self, times: int, work: tuple[Column, Column], rate: tuple[Column, Column]) -> None:
        """The same operator at datasheet rates, for the floor."""
        self.products.append((times, work[0], rate[0], work[1], rate[1]))

    def add(self, part: str, resource: str, time: Column) -> None:
        self.alone.append((resource, time))
        self._part(part, time)

    def _part(self, part: str, time: Column) -> None:
        self.parts[part] = self.parts.get(part, 0.0) + time

    def resources(self) -> Mapping[str, Column]:
        found: dict[str, Column] = dict.fromkeys(BOUNDS, 0.0)
        for resource, time in self.alone:
            found[resource] = found[resource] + time
        return found

    def floor(self) -> Column:
        compute: Column = 0.0
        memory: Column = 0.0
        for times, flops, peak, traffic, bandwidth in self.products:
            compute = compute + times * (flops / peak)
            memory = memory + times * (traffic / bandwidth)
        return np.maximum(np.maximum(compute, memory), np.asarray(sum(self.wires)))


def step(arch: Architecture, hardware: Hardware, plan: ServingPlan, load: Load, constants: ServingConstants) -> Step:
    """Seconds of one step of a replica under `plan` that carries `load` (columns broadcast).

    With pipeline stages the step is that of one of the pp groups of sequences, through all stages; all
    groups are in flight at once, so tokens per second are `load.decode` over this time.
    """
    sheet = _Sheet(constants.sharpness)
    load = load._replace(decode=np.asarray(load.decode, dtype=float) / plan.pp)
    per_token = 1.0 + np.asarray(plan.draft, dtype=float)  # tokens verified per sequence and step
    imbalance = np.where(np.asarray(plan.dp) > 1, constants.dp_imbalance, 1.0)
    decode_rank = imbalance * load.decode / plan.dp
    tokens = load.decode * per_token + load.prefill
    rank = decode_rank * per_token + load.prefill / np.clip(load.spread, 1.0, plan.dp)
    wide = arithmetic(hardware, attention_precision(arch, plan.weights))
    narrow = arithmetic(hardware, plan.weights)
    for work in layer_works(arch):
        _projections(sheet, work, wide, (hardware, plan, constants), (rank, arch.hidden))
        _attention(sheet, work, (hardware, plan, constants), load, (decode_rank, per_token))
        if work.experts:
            _experts(sheet, work, narrow, (hardware, plan, constants), (tokens, arch.hidden))
        _rest(sheet, work, (hardware, plan, constants), (rank, tokens, arch.hidden))
        sheet.add("launch", "launch", np.asarray(work.count * _launches(work, (wide, narrow), constants)))
    _head(sheet, arch, (hardware, plan, constants), decode_rank * per_token + np.minimum(load.prefill, 1.0))
    busy = load.decode + load.prefill > 0
    sheet.add("host", "launch", np.where(busy, constants.host + constants.host_sequence * decode_rank, 0.0))
    sheet.add("host", "launch", np.where(np.asarray(load.prefill) > 0, constants.host_prefill, 0.0))
    return Step(
        time=sum(sheet.parts.values()),
        parts=sheet.parts,
        sheet=sheet,
    )


_Place = tuple[Hardware, ServingPlan, ServingConstants]


def product_rate(work: Arithmetic, constants: ServingConstants) -> Column:
    """Sustained FLOP/s of a product: peak times the share of its bits, less for narrow weights and for
    8 bits with a scale per block."""
    share = {4: constants.compute_4, 8: constants.compute_8}.get(work.bits, constants.compute_16)
    scaled = constants.scaled_8 if work.scaled and work.bits == 8 else 1.0
    return work.peak * share * scaled * (constants.weight_only if work.narrow else 1.0)


def _projections(sheet: _Sheet, work: LayerWork, how: Arithmetic, place: _Place, size: tuple[Column, int]) -> None:
    """S(2 m W / (P ec), (W b + 8 m h) / (BW em)); W = sharded / g + replicated."""
    hardware, plan, constants = place
    rank, hidden = size
    rate = product_rate(how, constants), hardware.memory_bandwidth * constants.bandwidth
    for part, sharded, replicated in (
        ("attention_projections", work.attention_sharded, work.attention_replicated),
        ("dense", work.dense_sharded, work.dense_replicated),
    ):
        if sharded + replicated == 0.0:
            continue
        weights = sharded / np.asarray(plan.tp, dtype=float) + replicated
        flops, traffic = 2.0 * rank * weights, weights * how.weight_bytes + 8.0 * rank * hidden
        sheet.roof(part, work.count, (flops, traffic), rate)
        sheet.ideal(work.count, (flops, weights * how.weight_bytes), (how.peak, hardware.memory_bandwidth))


def _attention(sheet: _Sheet, work: LayerWork, place: _Place, load: Load, decode: tuple[Column, Column]) -> None:
    """Decode reads the cache of every sequence; prefill computes the causal half of a square."""
    hardware, plan, constants = place
    a = work.attention
    if a is None:
        return
    sequences, per_token = decode
    heads = a.heads / np.asarray(plan.tp, dtype=float)
    peak = arithmetic(hardware, "bf16").peak
    rate = (peak * constants.prefill_attention, hardware.memory_bandwidth * constants.cache_bandwidth)
    keys = load.context if a.window is None else np.minimum(load.context, a.window)
    if work.recurrent:  # state update and read-out: 6 FLOPs per state element and token
        flops = 6.0 * a.state / np.asarray(plan.tp, dtype=float)
        traffic = 2.0 * sequences * cache_bytes(work, plan, 0.0)
        decoding, prefilling = flops * sequences * per_token, flops * load.prefill
    else:
        dims = a.head_dim + a.v_head_dim
        inner = 2 * (a.kv_lora_rank or 0) + a.rope_head_dim if work.latent else dims  # absorbed: DeepSeek-V2
        decoding = 2.0 * sequences * per_token * keys * heads * inner
        seen = load.prompt / 2.0 if a.window is None else np.minimum(load.prompt / 2.0, a.window)
        prefilling = 2.0 * load.prefill * seen * heads * dims
        traffic = sequences * read_bytes(work, plan, load.context)
    sheet.roof("attention", work.count, (decoding, traffic), rate)
    prefilling = prefilling / np.clip(load.spread, 1.0, plan.dp)
    sheet.roof("attention", work.count, (prefilling, np.zeros(())), rate)
    sheet.ideal(work.count, (decoding + prefilling, traffic), (peak, hardware.memory_bandwidth))


def _experts(sheet: _Sheet, work: LayerWork, how: Arithmetic, place: _Place, size: tuple[Column, int]) -> None:
    """Routed experts: with E experts, k of them per token, r = stage / ep ways to split each,
    touched experts A = E/ep (1 - (1 - k/E)^M): S(2 (M k/ep + tq A) w i / (P ec eM), A w b i / (BW em)).
    Narrow slices are slow: eM = ecm f / (f + wf) with f the expert's width on one chip."""
    hardware, plan, constants = place
    tokens, _ = size
    ep = np.minimum(np.asarray(plan.ep, dtype=float), plan.stage)
    split = plan.stage / ep
    weights = work.expert / split
    touched = active_experts(work.experts / work.top_k, tokens) * work.top_k / ep
    touched = np.minimum(touched, tokens * work.top_k / ep)
    copies = tokens * work.top_k / ep
    busiest = 1.0 + (constants.imbalance - 1.0) * np.log2(ep)
    width = work.expert_width / split
    rate = product_rate(how, constants) * constants.expert * width / (width + constants.expert_width)
    flops = 2.0 * (copies + constants.tile_tokens * touched) * weights * busiest
    traffic = touched * weights * how.weight_bytes * busiest + 8.0 * copies * work.expert_hidden
    sheet.roof("experts", work.count, (flops, traffic), (rate, hardware.memory_bandwidth * constants.bandwidth))
    sheet.ideal(
        work.count, (2.0 * copies * weights, touched * weights * how.weight_bytes),
        (how.peak, hardware.memory_bandwidth),
    )  # fmt: skip


def _rest(sheet: _Sheet, work: LayerWork, place: _Place, size: tuple[Column, Column, int]) -> None:
    """Norms and residuals (which do not shrink with tp), collectives."""
    hardware, plan, constants = place
    rank, tokens, hidden = size
    ep = np.minimum(np.asarray(plan.ep, dtype=float), plan.stage)
    copies = tokens * work.top_k / ep
    moved = SIXTEEN_BITS * (constants.passes * rank * hidden + constants.expert_passes * copies * work.expert_hidden)
    sheet.add("elementwise", "memory", work.count * moved / (hardware.memory_bandwidth * constants.bandwidth))
    network, wire = collectives(work, place, rank, hidden)
    sheet.add("network", "network", work.count * network)
    sheet.wires.append(work.count * wire)


def _launches(work: LayerWork, how: tuple[Arithmetic, Arithmetic], constants: ServingConstants) -> Column:
    """Seconds of one layer's launches. Beside its kernels: those that bring the inputs of 8- and 4-bit products down
    to these bits, for two products of the mixer and two of the FFN. how: arithmetic outside the experts, in them."""
    launch = constants.launch_layer + constants.eager_layer
    launch = launch + constants.launch_moe * (work.experts > 0) + constants.launch_latent * work.latent
    launch = launch + constants.launch_recurrent * work.recurrent
    share = {8: constants.launch_quantise_8, 4: constants.launch_quantise_4}
    outside, inside = (share.get(h.bits, 0.0) if h.scaled else 0.0 for h in how)
    dense = work.dense_sharded + work.dense_replicated > 0.0 and not work.experts
    return launch + 2.0 * ((work.attention is not None) + dense) * outside + 2.0 * (work.experts > 0) * inside


def launch_time(arch: Architecture, hardware: Hardware, plan: ServingPlan, constants: ServingConstants) -> Column:
    """Seconds that the launches of one step take, whatever it carries."""
    how = arithmetic(hardware, attention_precision(arch, plan.weights)), arithmetic(hardware, plan.weights)
    return sum((w.count * _launches(w, how, constants) for w in layer_works(arch)), np.zeros(()))


def link_bandwidth(hardware: Hardware, group: Column) -> Column:
    """bytes/s one way per chip for a group of consecutive chips: scale-up inside the domain, else NIC."""
    inside = np.asarray(group) <= hardware.scaleup_domain
    slow = hardware.scaleout_bandwidth / hardware.oversubscription
    return np.where(inside, hardware.scaleup_bandwidth, np.minimum(slow, hardware.scaleup_bandwidth))


def collectives(work: LayerWork, place: _Place, rank: Column, hidden: int) -> tuple[Column, Column]:
    """Seconds of the collectives of one layer, and the least that their bytes take on the wire.

    Pure tensor parallelism: two all-reduces of m h. Attention data parallelism with experts: one, plus
    dispatch and combine of 3 m h min(k, ep) bytes (8 bits out, 16 bits back).
    """
    hardware, plan, constants = place
    tp, stage = np.asarray(plan.tp, dtype=float), np.asarray(plan.stage, dtype=float)
    exchange = (np.asarray(plan.dp) > 1) & (work.experts > 0)
    reduces = np.where(exchange, 1.0, (work.attention is not None) + 1.0)
    volume = np.where(tp > 1, 2.0 * (tp - 1.0) / tp * SIXTEEN_BITS * rank * hidden, 0.0)
    away = np.where(tp > hardware.scaleup_domain, constants.collective_far, 0.0)
    hops = constants.collective_latency + constants.collective_hop * np.log2(tp) + away
    delay = np.where(tp > 1, hops, 0.0)
    link = np.maximum(link_bandwidth(hardware, tp), 1.0)
    wire = reduces * volume / link
    sent = np.minimum(work.top_k, stage) * (stage - 1.0) / stage
    far = np.maximum(link_bandwidth(hardware, stage), 1.0)
    swap = np.where(exchange, 3.0 * rank * work.expert_hidden * sent / far, 0.0)
    meet = np.where(exchange, 2.0 * (constants.collective_latency + constants.collective_hop * np.log2(stage)), 0.0)
    return reduces * delay + meet + (wire + swap) / constants.link, wire + swap


def _head(sheet: _Sheet, arch: Architecture, place: _Place, rows: Column) -> None:
    """The output projection, in 16 bits, for every token that is sampled."""
    hardware, plan, constants = place
    how = arithmetic(hardware, "bf16")
    weights = float(arch.hidden) * arch.vocab / np.asarray(plan.tp, dtype=float)
    flops, traffic = (
        2.0 * rows * weights,
        weights * SIXTEEN_BITS + rows * (arch.vocab / np.asarray(plan.tp)) * 4.0,
    )
    rate = product_rate(how, constants), hardware.memory_bandwidth * constants.bandwidth
    sheet.roof("head", 1, (flops, traffic), rate)
    sheet.ideal(1, (flops, weights * SIXTEEN_BITS), (how.peak, hardware.memory_bandwidth))
