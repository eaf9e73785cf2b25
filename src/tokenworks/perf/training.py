"""One training step of one model on one kind of chip, for any number of layouts at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tokenworks.perf import training_network as network
from tokenworks.perf.layout import Layout, Software
from tokenworks.perf.memory import training_memory, usable_memory
from tokenworks.perf.roofline import Column
from tokenworks.perf.training_constants import TrainingConstants
from tokenworks.perf.training_layer import Bench, Work, body_work, head_work
from tokenworks.perf.training_network import Local
from tokenworks.records import Hardware
from tokenworks.workload.architecture import Architecture
from tokenworks.workload.matrices import RECURRENT

__all__ = ["Layout", "Software", "TrainingConstants", "TrainingStep", "step", "usable_memory"]

_JOIN = 4.0  # exponent that joins two streams of which the longer nearly decides
BOUNDS = ("compute", "memory", "network", "launch")
_BOUND_PARTS: Mapping[str, int] = MappingProxyType({
    "compute": 0, "attention": 0, "logits": 0, "pp_bubble": 0, "elementwise": 1, "optimizer": 1,
    "tp": 2, "cp": 2, "ep": 2, "pp_p2p": 2, "dp": 2, "host": 3,
})  # fmt: skip


@dataclass(frozen=True)
class TrainingStep:
    """Columns of one call. Seconds: step_time, floor (physical), ceiling (nothing overlaps), parts (they
    sum to step_time). bound: index into BOUNDS of the largest kind of part. Bytes: memory by purpose,
    peak_memory."""

    step_time: Column
    floor: Column
    ceiling: Column
    parts: Mapping[str, Column]
    bound: Column
    memory: Mapping[str, Column]
    peak_memory: Column


@dataclass(frozen=True)
class _Micro:
    """Seconds per micro-batch over the whole depth: what is seen, and what is on the wire in all."""

    work: Work
    tp: Column
    cp: Column
    ep: Column
    sync: Column
    host: Column
    wire: Column


def _communication(arch: Architecture, bench: Bench, work: Work) -> _Micro:
    """Collectives inside the layers of one micro-batch, and the host's part: nothing where a compiler or a graph of
    the whole iteration launches all kernels."""
    c, lay = bench.constants, bench.layout
    net = network.tiers(bench.hardware, c)
    overlapped, woven = lay.software.expert_overlap or lay.software.woven, lay.software.woven
    hidden_ep = c["ep_overlapped"] if overlapped else 1.0
    seen = net._replace(fast=net.fast / c["ep_fast"], slow=net.slow / c["ep_slow"], fast_latency=c["ep_latency"])
    once = overlapped or lay.software.year >= c["dispatch_once"]
    tp: Column = 0.0
    cp: Column = 0.0
    ep: Column = 0.0
    wire_ep: Column = 0.0
    experts = 0.0
    held: Column = 0.0
    for layer, count in arch.layers:
        tp = tp + count * network.tensor_time(layer, arch.hidden, lay, net)
        cp = cp + count * network.context_time(layer, lay, net) * 3.0
        ep = ep + count * network.expert_time(layer, arch.hidden, lay, seen, once)
        wire_ep = wire_ep + count * network.expert_time(layer, arch.hidden, lay, net, once)
        routed = 0.0 if layer.ffn is None else float(layer.ffn.experts)
        experts += count * float(routed > 0)
        apart = routed and not c.framework.get("grouped")
        held = held + (count * np.maximum(routed / lay.ep, 1.0) if apart else 0.0)
    tp_all = tp * (1.0 + c["tp_backward"] + lay.full)
    exchanges = 4.0 + 2.0 * lay.full
    captured = c.graph if lay.software.graph is None else lay.software.graph
    launched = 0.0 if captured or c.framework.get("xla") else 1.0
    rebuilt = c["checkpoint_wait"] * arch.depth * lay.full if c.framework.get("checkpoint_waits") else 0.0
    waits = 0.0 if woven else c["expert_sync"] * experts + c["expert_launch"] * held
    launches = c["host_woven"] if woven else c["host_expert"]
    return _Micro(
        work=work,
        tp=tp_all * (1.0 if c.framework.get("tp_open") else c["tp_exposed"]),
        cp=np.maximum(c["cp_exposed"] * cp, cp - work.attention),
        ep=ep * exchanges * c.expert_software * hidden_ep,
        sync=launched * c.expert_software * waits + rebuilt,
        host=launched * (c["host_dense"] * (arch.depth - experts) + launches * experts),
        wire=tp_all + cp + wire_ep * exchanges,
    )


def _layers(micro: _Micro) -> Column:
    """Seconds of the chip's own streams per micro-batch, host apart."""
    w = micro.work
    return w.gemm + w.attention + w.elementwise + w.permute + micro.tp + micro.cp + micro.ep


def _busiest(arch: Architecture, layout: Layout, body: Column, head: Column) -> tuple[Column, Column]:
    """Seconds per micro-batch of the slowest stage and of an average one.

    Even split: layers / pp, and the logits on the last stage. uneven: embedding and loss count as a layer
    each. Mixture models: the split is balanced by hand, as their published recipes do.
    """
    mean = (body + head) / layout.pp
    moe = is_mixture(arch)
    layer = body / arch.depth
    counted = np.maximum(layer * np.ceil((arch.depth + 2.0) / layout.pp), mean)
    last = body / layout.pp + head
    slow = np.where(layout.uneven > 0, counted, last)
    return np.where((layout.pp > 1) & (not moe), slow, mean), mean


def _data(arch: Architecture, bench: Bench, local: Local, micro_time: Column) -> tuple[Column, Column, Column]:
    """Exposed data-parallel seconds per step, seconds on the wire per step, and optimizer seconds."""
    c, lay = bench.constants, bench.layout
    net = network.tiers(bench.hardware, c)
    m = lay.micro_batches
    gradient = float(c.framework.get("gradient_bytes", 2.0))
    trained = c["adapter_share"] if lay.software.adapter else 1.0
    plain = trained * network.data_time(local, gradient, 2.0, lay, net)
    hidden = c["dp_budget"] * micro_time * np.where(lay.pp > 1, np.minimum(m, lay.pp), 1.0)
    share = c["dp_exposed"]
    seen = share * plain + np.maximum((1.0 - share) * plain - hidden, 0.0)
    if not c.framework.get("overlap", True):
        seen = plain
    sharded = network.sharded_time(local, float(arch.depth), lay, c["fsdp_latency"], net)
    joined = (micro_time**_JOIN + sharded**_JOIN) ** (1.0 / _JOIN) - micro_time
    whole = m * (joined + share * sharded) + network.replica_time(local, lay, net)
    three = lay.zero >= 3
    wire = np.where(three, m * sharded, plain)
    held = local.dense + local.expert + local.ends
    zero = np.where(lay.zero >= 1, lay.shard, 1.0)
    traffic = trained * held * (c["optimizer_shard"] / zero + np.where(three, 0.0, c["optimizer_local"]))
    return np.where(three, whole, seen), wire, traffic / bench.stream


def _floor(arch: Architecture, bench: Bench, work: Work, wire: Column, optimizer: Column) -> Column:
    """Physical lower limit: model FLOPs at nominal peak, weights and states through memory once, the longest
    communication at nominal link rate."""
    lay, hw, c = bench.layout, bench.hardware, bench.constants
    kind = bench.low[0]
    flops = work.flops_low / hw.peak[kind] + work.flops_full / hw.peak["bf16"]
    compute = flops * lay.micro_batches / lay.pp
    link = wire * np.minimum(c["fast_efficiency"], c["slow_efficiency"])
    return np.maximum(np.maximum(compute, optimizer * c["stream_efficiency"]), link)


def is_hybrid(arch: Architecture) -> bool:
    """Whether the model has recurrent layers, or attention that picks its keys: layers that the tuned paths of a
    software release (whole steps captured as one graph) do not cover."""
    kinds = {layer.attention.kind for layer, _ in arch.layers if layer.attention is not None}
    return bool(kinds & {*RECURRENT, "sparse"})


def is_mixture(arch: Architecture) -> bool:
    """Whether any layer of the model is a mixture of experts."""
    return any(layer.ffn is not None and layer.ffn.experts for layer, _ in arch.layers)


class MicroTime(NamedTuple):
    """Seconds per micro-batch over the whole depth, all that depends on the layers: `layers` with their collectives
    and the host, and the `head`. Depends on tp, cp, ep, micro-batch, recomputation, precision, chip and network
    only, so that a search works it out once for each of these and gathers it over the rest."""

    layers: Column
    head: Column


@dataclass(frozen=True)
class _Whole:
    """A step put together. each: scale x micro-batches / pp; the others are seconds before `scale`."""

    each: Column
    scale: Column
    mean: Column
    busiest: Column
    bubble: Column
    sends: Column
    data: Column
    wire: Column
    optimizer: Column

    def total(self, time: MicroTime, sends_seen: Column) -> Column:
        """Seconds of the step."""
        rest = self.bubble + sends_seen * self.sends + self.data + self.optimizer
        return self.each * (time.layers + time.head) + self.scale * rest


def _sends_seen(constants: TrainingConstants) -> Column:
    """Share of pipeline sends that compute does not hide; all of it in software that overlaps nothing."""
    return constants["pp_exposed"] if constants.framework.get("overlap", True) else 1.0


def _bench(arch: Architecture, hardware: Hardware, layout: Layout, constants: TrainingConstants) -> Bench:
    return Bench(hardware, layout.floats(), constants.for_model(is_hybrid(arch), is_mixture(arch)))


def _micro(arch: Architecture, bench: Bench) -> tuple[_Micro, Work, MicroTime]:
    """Layers and head of one micro-batch: their parts, and their sums."""
    body, head = body_work(arch, bench), head_work(arch, bench)
    micro = _communication(arch, bench, body)
    with_host = (_layers(micro) ** _JOIN + micro.host**_JOIN) ** (1.0 / _JOIN) + micro.sync
    return micro, head, MicroTime(with_host, head.gemm + head.elementwise)


def _scale(lay: Layout, c: TrainingConstants) -> Column:
    """What the software and the slowest of many chips make of a step's seconds."""
    scale = c.factor * (np.maximum(lay.chips, 1.0) / 8.0) ** c["straggler"]
    return scale * (c.adapter_factor if lay.software.adapter else 1.0)


def _bubble(lay: Layout, c: TrainingConstants, busiest: Column, mean: Column) -> Column:
    """Seconds that the stages wait for each other: at both ends of the pipeline, and for the slowest of them."""
    return c["bubble"] * lay.bubble * (lay.pp - 1.0) / lay.vpp * mean + lay.micro_batches * (busiest - mean)


def pipeline_time(arch: Architecture, layout: Layout, constants: TrainingConstants, time: MicroTime) -> Column:
    """Seconds of a step that its micro-batches take in the pipeline: `step_time` without sends, the exchange of
    gradients and the optimizer, none of which is negative. No step of the same rows is shorter."""
    lay = layout.floats()
    busiest, mean = _busiest(arch, lay, time.layers, time.head)
    return _scale(lay, constants) * (lay.micro_batches * mean + _bubble(lay, constants, busiest, mean))


def _whole(arch: Architecture, bench: Bench, local: Local, time: MicroTime) -> _Whole:
    """What the pipeline, the data-parallel exchange and the optimizer add to the micro-batches."""
    lay, c = bench.layout, bench.constants
    busiest, mean = _busiest(arch, lay, time.layers, time.head)
    m, pp = lay.micro_batches, lay.pp
    bubble = _bubble(lay, c, busiest, mean)
    sends = m * network.pipeline_time(arch.hidden, lay, network.tiers(bench.hardware, c))
    data, wire, optimizer = _data(arch, bench, local, mean)
    scale = _scale(lay, c)
    return _Whole(scale * m / pp, scale, mean, busiest, bubble, sends, data, wire, optimizer)


def micro_time(arch: Architecture, hardware: Hardware, layout: Layout, constants: TrainingConstants) -> MicroTime:
    """The layers' part of `step_time`, for every row of `layout`."""
    return _micro(arch, _bench(arch, hardware, layout, constants))[2]


def step_time(
    arch: Architecture, hardware: Hardware, layout: Layout, constants: TrainingConstants, time: MicroTime, local: Local
) -> Column:
    """Seconds of a step from its layers' times and local parameters (`micro_time` and
    `training_network.local_parameters` of the same rows): `step` without its parts."""
    bench = _bench(arch, hardware, layout, constants)
    return _whole(arch, bench, local, time).total(time, _sends_seen(bench.constants))


def step(arch: Architecture, hardware: Hardware, layout: Layout, constants: TrainingConstants) -> TrainingStep:
    """Predict one optimizer step of `arch` on `hardware` for every row of `layout`.

    step = (m * busiest stage + bubble * schedule * (pp - 1) / vpp * mean stage + sends + data exchange seen
    + optimizer) * software factor * (chips / 8)^straggler. Units: s and bytes. Sources: the functions called;
    constants: catalog/data/calibration/training.yaml.
    """
    bench = _bench(arch, hardware, layout, constants)
    lay, c = bench.layout, bench.constants
    micro, head, time = _micro(arch, bench)
    whole = _whole(arch, bench, network.local_parameters(arch, lay), time)
    body, own, each, scale = micro.work, _layers(micro), whole.each, whole.scale
    parts = {
        "compute": each * body.gemm,
        "attention": each * body.attention,
        "elementwise": each * (body.elementwise + body.permute),
        "logits": each * time.head,
        "tp": each * micro.tp,
        "cp": each * micro.cp,
        "ep": each * micro.ep,
        "host": each * (time.layers - own),
        "pp_bubble": scale * whole.bubble,
        "pp_p2p": scale * _sends_seen(c) * whole.sends,
        "dp": scale * whole.data,
        "optimizer": scale * whole.optimizer,
    }
    total = whole.total(time, _sends_seen(c))
    m, pp = lay.micro_batches, lay.pp
    open_wire = m / pp * micro.wire + whole.sends + whole.wire
    body_open = (own - micro.tp - micro.cp - micro.ep + micro.host + micro.sync + time.head) * m / pp
    textbook = (pp - 1.0) / lay.vpp * whole.mean + m * np.maximum(whole.busiest - whole.mean, 0.0)
    ceiling = np.maximum((body_open + open_wire + textbook + whole.optimizer) * scale, total)
    floor = np.minimum(_floor(arch, bench, body.plus(head), whole.wire, whole.optimizer), total)
    memory = training_memory(arch, hardware, lay, c)
    return TrainingStep(
        step_time=total,
        floor=floor,
        ceiling=ceiling,
        parts=parts,
        bound=_bound(parts),
        memory=memory,
        peak_memory=sum(memory.values()),
    )


def _bound(parts: Mapping[str, Column]) -> Any:
    """Index into BOUNDS of the kind of part that takes most of the step."""
    sums: list[Column] = [0.0] * len(BOUNDS)
    for name, value in parts.items():
        sums[_BOUND_PARTS[name]] = sums[_BOUND_PARTS[name]] + value
    return np.argmax(np.stack(np.broadcast_arrays(*sums)), axis=0)
