"""Peak memory of one chip in training: states, activations in flight, working buffers, the process itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tokenworks.perf.layout import PRECISIONS, Layout
from tokenworks.perf.roofline import Column
from tokenworks.perf.training_constants import TrainingConstants
from tokenworks.perf.training_layer import attention_widths
from tokenworks.perf.training_network import Local, local_parameters
from tokenworks.records import Hardware
from tokenworks.workload.architecture import Architecture, Layer

_BF16 = 2.0
_OFFLOADED = 0.1  # below this share kept, even the layers' inputs are moved to the host
_ADAM = 12.0  # fp32 master weight and two moments (Rajbhandari et al., arXiv 1910.02054, section 3.1)


class States(NamedTuple):
    """Bytes per local parameter: held whole by every chip, and divided over the data-parallel group."""

    weight: float
    gradient: float
    optimizer: float


def states(layout: Layout, constants: TrainingConstants) -> States:
    """Bytes of weight, gradient and optimizer per parameter: bf16 weights, gradients accumulated in fp32
    (bf16 in FSDP), fp32 Adam. fp16 DeepSpeed keeps gradients in fp16, bf16 DeepSpeed in both; an fp8 MLPerf step keeps
    one byte of weight."""
    framework = constants.framework
    gradient = (
        _BF16 if framework.get("fsdp") or layout.precision == "fp16" else float(framework.get("gradient_state", 4.0))
    )
    weight = float(framework.get("weight_state", _BF16))
    return States(weight, gradient, float(framework.get("optimizer_state", _ADAM)))


def layer_activations(layer: Layer, hidden: int, layout: Layout, legacy: bool) -> Column:
    """Bytes that one layer keeps of one micro-batch for its backward pass, nothing recomputed: 8 T H (split
    by tp with sequence parallelism), 2 T (q, k, v, output and 2 or 3 widths of the block) / tp, and the
    scores
    where attention is not fused, 5 T s heads / tp (Korthikanti et al., arXiv 2205.05198, equation 2)."""
    tokens = layout.tokens
    split = np.where(layout.sequence_parallel > 0, layout.tp, 1.0)
    halves = float(layer.attention is not None) + float(layer.ffn is not None)
    kept = 4.0 * halves * tokens * hidden / split
    if layer.attention is not None:
        a = layer.attention
        kept = kept + _BF16 * tokens * sum(attention_widths(a)) / layout.tp
        if legacy:
            kept = kept + 5.0 * tokens * layout.sequence * a.heads / layout.tp
    if layer.ffn is not None:
        f = layer.ffn
        passes = 3.0 if f.gated else 2.0
        width = f.width + f.shared_width + f.top_k * f.expert_width
        kept = kept + _BF16 * passes * tokens * width / layout.tp
        kept = kept + _BF16 * tokens * f.top_k * (f.latent or hidden) / layout.tp * float(f.experts > 0)
    return kept


def score_bytes(layer: Layer, layout: Layout, legacy: bool) -> Column:
    """The part of `layer_activations` that selective recomputation drops: the attention scores."""
    if layer.attention is None or not legacy:
        return 0.0
    return 5.0 * layout.tokens * layout.sequence * layer.attention.heads / layout.tp


class Kept(NamedTuple):
    """Bytes that all layers keep of one micro-batch, and the most that one layer that is rebuilt needs at once.
    Depends on tp, cp, micro-batch, recomputation and precision only."""

    total: Column
    largest: Column


def layers_kept(arch: Architecture, layout: Layout, constants: TrainingConstants) -> Kept:
    """What the layers keep of one micro-batch, over the whole depth."""
    legacy = bool(constants.framework.get("legacy"))
    low = PRECISIONS[layout.precision][1] < _BF16 and not constants.framework.get("keeps_wide")
    narrow = constants["low_precision_activation"] if low else 1.0
    total: Column = 0.0
    largest: Column = 0.0
    split = np.where(layout.sequence_parallel > 0, layout.tp, 1.0)
    inputs = _BF16 * layout.tokens * arch.hidden / split
    for layer, count in arch.layers:
        whole = layer_activations(layer, arch.hidden, layout, legacy)
        scores = score_bytes(layer, layout, legacy)
        part = (whole - layout.core * scores) * narrow * layout.kept
        part = np.where(layout.kept < _OFFLOADED, part, np.maximum(part, np.minimum(inputs, whole)))
        total = total + count * ((1.0 - layout.full) * part + layout.full * inputs)
        largest = np.maximum(largest, whole)
    rebuilt = (layout.full > 0) | (layout.kept < 1)
    return Kept(total, np.where(rebuilt, largest * narrow, 0.0))


def activations(layout: Layout, constants: TrainingConstants, layers: Kept) -> tuple[Column, Column]:
    """Bytes kept at the peak of the first stage, and bytes of the one layer that is being rebuilt.

    Kept: layers per stage times micro-batches in flight, min(m, pp), times 1 + (pp - 1) / (pp v) with
    interleaving (Narayanan et al., arXiv 2104.04473, section 2.2).
    """
    flight = np.minimum(layout.micro_batches, layout.pp)
    extra = np.where(layout.vpp > 1, 1.0 + (layout.pp - 1.0) / (layout.pp * layout.vpp), 1.0)
    slack = constants["activation_slack"] * constants.framework.get("slack", 1.0)
    return slack * layers.total / layout.pp * flight * extra, layers.largest


def logits(arch: Architecture, layout: Layout, constants: TrainingConstants) -> Column:
    """Bytes of the logits on the last stage: bf16 and fp32 copies and the gradient, or the share of them that
    software with a fused or tiled loss keeps."""
    size = constants["logit_state"] * constants.framework.get("logit_share", 1.0)
    return size * layout.tokens * arch.vocab / layout.tp


def gathered_sequence(arch: Architecture, layout: Layout) -> Column:
    """Bytes of the whole sequence's activations that sequence parallelism gathers for one matrix (Korthikanti et
    al., arXiv 2205.05198, section 4.2.2).

    >>> arch = Architecture("one", 4, 8, ())
    >>> float(gathered_sequence(arch, Layout(tp=2.0, sequence=8.0)))
    64.0
    """
    gathers = (layout.sequence_parallel > 0) & (layout.tp > 1)
    return np.where(gathers, _BF16 * layout.tokens * arch.hidden, 0.0)


def _gradient_bytes(zero: Column, size: float, shard: Column, constants: TrainingConstants) -> Column:
    """Bytes of gradient per local parameter. FSDP that keeps its weights gathered (ZeRO 2) also accumulates
    whole gradients in fp32 and scatters them once a step."""
    if constants.framework.get("fsdp"):
        return np.where(zero >= 3, size * shard, 2.0 * size)
    return np.where(zero >= 2, size * shard, size)


def _states(local: Local, layout: Layout, constants: TrainingConstants) -> Mapping[str, Column]:
    each = states(layout, constants)
    held = local.dense + local.expert + local.ends * np.where(layout.pp > 1, 1.0, 2.0)
    share = local.expert / np.maximum(held, 1.0)
    shard = (1.0 - share) / layout.shard + share / np.minimum(layout.expert_data, layout.shard)
    zero = layout.zero
    trained = 0.02 if layout.software.adapter else 1.0
    return {
        "weights": held * each.weight * np.where(zero >= 3, shard, 1.0),
        "gradients": trained * held * _gradient_bytes(zero, each.gradient, shard, constants),
        "optimizer": trained * held * each.optimizer * np.where(zero >= 1, shard, 1.0),
    }


def training_memory(
    arch: Architecture, hardware: Hardware, layout: Layout, constants: TrainingConstants
) -> Mapping[str, Column]:
    """Bytes per chip at the peak, by purpose: weights, gradients, optimizer, activations, kv (0), other.

    The worse of the first stage (most micro-batches in flight) and the last (logits, one in flight) counts.
    """
    layers = layers_kept(arch, layout, constants)
    return memory_parts(arch, hardware, layout, constants, layers, local_parameters(arch, layout))


def memory_parts(
    arch: Architecture, hardware: Hardware, layout: Layout, constants: TrainingConstants, layers: Kept, local: Local
) -> Mapping[str, Column]:
    """`training_memory` from what the layers keep and the local parameters of the same rows."""
    parts = dict(_states(local, layout, constants))
    kept, rebuilt = activations(layout, constants, layers)
    flight = np.maximum(np.minimum(layout.micro_batches, layout.pp), 1.0)
    last = kept / flight + np.maximum(logits(arch, layout, constants), rebuilt)
    parts["activations"] = np.maximum(kept + rebuilt, last) + gathered_sequence(arch, layout)
    parts["kv"] = 0.0 * local.dense
    depth = float(arch.depth)
    one = (local.dense + local.expert) * layout.pp / depth
    ahead = 1.0 if constants.framework.get("xla") else 2.0  # layers gathered at once
    gathered = np.where(layout.zero >= 3, ahead * _BF16 * one, 0.0)
    parts["other"] = gathered + process(hardware, constants)
    return parts


def process(hardware: Hardware, constants: TrainingConstants) -> Column:
    """Bytes of the process itself: all that of `memory_parts` depends on the chip."""
    full = np.minimum(hardware.memory / constants["base_full_from"], 1.0)
    return constants["base_process"] * constants.framework.get("base", 1.0) * full


def usable_memory(hardware: Hardware, constants: TrainingConstants) -> Column:
    """Bytes of a chip's nominal memory that a job can have."""
    return hardware.memory * constants["usable"]
