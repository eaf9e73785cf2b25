"""Communication of a training step: tensor, context, expert, pipeline and data parallel, in seconds.

Each function gives the whole time on the wire; what compute hides is taken off in perf.training.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tokenworks.perf import collectives
from tokenworks.perf.collectives import Tiers
from tokenworks.perf.layout import Layout
from tokenworks.perf.roofline import Column
from tokenworks.perf.training_constants import TrainingConstants
from tokenworks.records import Hardware
from tokenworks.workload.architecture import Architecture, Layer
from tokenworks.workload.matrices import RECURRENT, matrices, mtp_block

_BF16 = 2.0  # bytes of an activation on the wire


class Local(NamedTuple):
    """Parameters on one chip of an average pipeline stage: of the decoder's dense and expert matrices, and of
    the embedding and output matrices that the end stages hold."""

    dense: Column
    expert: Column
    ends: Column


def tiers(hardware: Hardware, constants: TrainingConstants) -> Tiers:
    """Sustained bandwidth of the two tiers; on a torus the slow tier is what leaves the whole torus."""
    return Tiers(
        fast=hardware.scaleup_bandwidth * constants["fast_efficiency"],
        slow=hardware.scaleout_bandwidth * constants["slow_efficiency"] / hardware.oversubscription,
        domain=hardware.scaleup_domain,
        fast_latency=constants["tp_latency"],
        slow_latency=constants["tp_latency"],
    )


def local_parameters(arch: Architecture, layout: Layout) -> Local:
    """Parameters per chip. Column and row matrices are split by tp, experts by ep * etp, layers by pp.

    The MTP modules' layers are counted with the decoder.
    """
    dense: Column = 0.0
    expert: Column = 0.0
    kinds = [*arch.layers]
    if arch.mtp_layers:
        kinds += [(layer, arch.mtp_layers) for layer in mtp_block(arch)]
    for layer, count in kinds:
        for m in matrices(layer, arch.hidden):
            size = float(m.rows) * m.columns * m.copies * count
            if m.role == "expert":
                expert = expert + size / (layout.ep * layout.etp)
            else:
                dense = dense + size / (1.0 if m.split == "replicated" else layout.tp)
    ends = float(arch.vocab) * arch.hidden / layout.tp
    return Local(dense / layout.pp, expert / layout.pp, ends)


def tensor_time(layer: Layer, hidden: int, layout: Layout, net: Tiers) -> Column:
    """Forward seconds of one layer's tensor-parallel collectives for one micro-batch: an all-gather and a
    reduce-scatter of (T, H) around the mixer and around a dense or shared block (or an all-reduce, the same
    volume). Source: Korthikanti et al., arXiv 2205.05198, section 4.2.2.

    >>> from tokenworks.workload.architecture import FeedForward
    >>> lay = Layout(tp=2.0, micro_batch=1.0, sequence=1.0)
    >>> float(tensor_time(Layer(None, FeedForward(8)), 4, lay, Tiers(1.0, 1.0, 8)))
    8.0
    """
    ffn = layer.ffn
    blocks = float(layer.attention is not None) + float(ffn is not None and (ffn.width or ffn.shared_width) > 0)
    width = collectives.tier_bandwidth(layout.tp, 1.0, net)
    latency = collectives.tier_latency(layout.tp, 1.0, net)
    size = layout.tokens * hidden * _BF16
    return 2.0 * blocks * collectives.all_gather(size, layout.tp, width, latency)


def context_time(layer: Layer, layout: Layout, net: Tiers) -> Column:
    """Forward seconds of one layer's key and value ring over the context-parallel group: each chip passes the
    others' keys and values on (Ring Attention, arXiv 2310.01889). Backward moves twice as much."""
    a = layer.attention
    if a is None or a.kind in RECURRENT:
        return np.zeros(np.shape(np.asarray(layout.cp)))
    heads = a.heads if a.kind == "mla" else a.kv_heads
    width = collectives.tier_bandwidth(layout.cp, layout.tp, net)
    kept = np.maximum(heads / layout.tp, 1.0) * (a.head_dim + a.v_head_dim)
    return (layout.cp - 1.0) * layout.tokens * kept * _BF16 / width


def expert_time(layer: Layer, hidden: int, layout: Layout, net: Tiers, once: bool = True) -> Column:
    """Seconds of one dispatch or one combine of one layer and micro-batch: each chip's own tokens (T / tp) in
    bf16 to their experts; once: a token crosses to another domain once, whatever the experts it picks there."""
    if layer.ffn is None or not layer.ffn.experts:
        return np.zeros(np.shape(np.asarray(layout.ep)))
    size = layout.tokens / layout.tp * (layer.ffn.latent or hidden) * _BF16
    return collectives.expert_exchange(size, float(layer.ffn.top_k), layout.ep, net, layout.etp, once=once)


def pipeline_time(hidden: int, layout: Layout, net: Tiers) -> Column:
    """Seconds to pass activations on and gradients back, per micro-batch and virtual stage; neighbouring
    stages lie tp * cp * dp chips apart, hence outside the domain unless the whole job is inside."""
    width = np.where(layout.chips <= net.domain, net.fast, net.slow)
    size = layout.tokens * hidden * _BF16 / layout.tp
    return np.where(layout.pp > 1, 2.0 * layout.vpp * size / width, 0.0)


def exchange_time(parameters: Column, size: Column, ranks: Column, stride: Column, net: Tiers) -> Column:
    """Seconds to reduce-scatter gradients and gather parameters, `size` bytes per parameter for both, over
    `ranks` chips `stride` apart.

    >>> float(exchange_time(1.0, 4.0, 2.0, 1.0, Tiers(1.0, 1.0, 8)))
    2.0
    """
    width = collectives.tier_bandwidth(ranks, stride, net)
    return collectives.all_gather(parameters * size, ranks, width)


def data_time(local: Local, gradient: float, parameter: float, layout: Layout, net: Tiers) -> Column:
    """Seconds per step of the data-parallel exchange of one stage with ZeRO 0 to 2: gradients reduced and
    scattered, parameters gathered (Rajbhandari et al., arXiv 1910.02054, section 7)."""
    size = gradient + parameter
    dense = exchange_time(local.dense + local.ends, size, layout.dp * layout.cp, layout.tp, net)
    return dense + exchange_time(local.expert, size, layout.expert_data, layout.ep * layout.etp, net)


def sharded_time(local: Local, layers: float, layout: Layout, latency: Column, net: Tiers) -> Column:
    """Seconds per micro-batch of FSDP or ZeRO 3: gather for forward, gather for backward, scatter of the
    gradients, each 2 bytes per parameter (Zhao et al., arXiv 2304.11277, section 3)."""
    ranks = layout.shard
    size = 3.0 * _BF16
    held = exchange_time(local.dense + local.ends * 2.0 / layout.pp, size, ranks, layout.tp, net)
    far = np.maximum(layout.expert_data * ranks / (layout.dp * layout.cp), 1.0)
    held = held + exchange_time(local.expert, size, far, layout.ep * layout.etp, net)
    hops = ranks / collectives.neighbours(ranks, layout.tp, net.domain)
    return held + np.where(ranks > 1, latency * hops * layers / layout.pp, 0.0)


def replica_time(local: Local, layout: Layout, net: Tiers) -> Column:
    """Seconds per step of the all-reduce between FSDP groups (hybrid sharding): each chip's shard, bf16."""
    groups = layout.dp * layout.cp / layout.shard
    size = (local.dense + local.expert + 2.0 * local.ends / layout.pp) / layout.shard * _BF16
    return collectives.all_reduce(size, groups, net.slow)
