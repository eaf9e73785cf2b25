"""Compute of decoder layers in training: GEMMs, attention core and elementwise work of one micro-batch.

Sums over all layers of the model, on one chip of each pipeline stage together (divide by pp for one stage).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tokenworks.perf import roofline
from tokenworks.perf.layout import PRECISIONS, SCALING, Layout
from tokenworks.perf.roofline import Column, Rates
from tokenworks.perf.training_constants import TrainingConstants
from tokenworks.records import Hardware
from tokenworks.workload import attention_flops, matrices, mtp_block, seen_keys
from tokenworks.workload.architecture import Architecture, Attention, FeedForward, Layer, Matrix
from tokenworks.workload.matrices import RECURRENT

_ALIGNED = 8  # elements of 16 bits that tensor cores read at once (NVIDIA, Matrix Multiplication Background)
_FULL_PRECISION = frozenset({"router", "embedding", "head"})  # roles that stay in bf16


class Work(NamedTuple):
    """Seconds per micro-batch over the whole depth, forward and backward, recomputation included; FLOPs of
    the model itself by the peak they run at (low precision and bf16), without recomputation."""

    gemm: Column
    attention: Column
    elementwise: Column
    permute: Column
    flops_low: Column
    flops_full: Column

    def plus(self, other: Work, times: float = 1.0) -> Work:
        """This work and `times` the other."""
        return Work(*(a + times * b for a, b in zip(self, other, strict=True)))


ZERO = Work(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Bench:
    """What every operator of a call needs: chip, layout and constants, with the rates worked out once."""

    hardware: Hardware
    layout: Layout
    constants: TrainingConstants

    @property
    def stream(self) -> Column:
        """Sustained bytes/s of elementwise kernels."""
        return self.hardware.memory_bandwidth * self.constants["stream_efficiency"]

    @property
    def shared_tokens(self) -> Column:
        """Tokens per chip where sequence parallelism splits them over the tensor group."""
        split = np.where(np.asarray(self.layout.sequence_parallel) > 0, self.layout.tp, 1.0)
        return self.layout.tokens / split

    @property
    def low(self) -> tuple[str, float]:
        """Peak kind and activation bytes of the layout's precision on this chip; where the chip has no such
        peak, the next wider one it has."""
        kind, size = PRECISIONS[self.layout.precision]
        for other in (kind, "fp8", "int8", "bf16"):
            if self.hardware.peak.get(other) is not None:
                return other, (size if other == kind else PRECISIONS.get(other, ("", 2.0))[1])
        return "bf16", 2.0

    def rates(self, kind: str, activation: float) -> Rates:
        """Sustained rates of a GEMM at a kind of peak."""
        c = self.constants
        scaling = SCALING.get(self.layout.precision) if activation < 2.0 else None
        peak = self.hardware.peak[kind]
        return Rates(
            compute=peak * c.sustained(kind) * (c[scaling[0]] if scaling else 1.0),
            bandwidth=self.hardware.memory_bandwidth * c["memory_efficiency"],
            launch=c["gemm_launch"],
            sharpness=c["sharpness"],
            activation_bytes=activation,
            weight_bytes=activation,
            output_bytes=2.0,
        )


def _gemm_shape(matrix: Matrix, bench: Bench) -> tuple[Column, Column, Column, Column]:
    """Tokens, inputs, outputs of one local product, and how many such products run as one group."""
    lay = bench.layout
    if matrix.role == "expert":
        rows = lay.tokens * matrix.active * lay.ep * lay.etp / (matrix.copies * lay.tp)
        split: Column = lay.etp
        groups: Column = np.maximum(matrix.copies / lay.ep, 1.0)
        rows = np.maximum(rows, 0.0)
    else:
        split, groups = lay.tp, matrix.copies * matrix.active
        rows = bench.shared_tokens if matrix.split == "replicated" else lay.tokens
    inputs = matrix.rows / split if matrix.split == "row" else matrix.rows
    outputs = matrix.columns / split if matrix.split == "column" else matrix.columns
    return rows, inputs, outputs, groups


def matrix_work(matrix: Matrix, bench: Bench) -> Work:
    """One weight matrix: forward (T, N, K), gradient of the input (same size), gradient of the weight
    (contraction over T, accumulated in fp32; by a kernel of its own in software that does not fuse it), and the
    quantisation of inputs where precision is low.

    Equation: t0 + (tc^q + tm^q)^(1/q), tc = 2 T N K / (P ec), tm = bytes / (BW em); experts run as one group
    whose rate falls with the rows per expert, r / (r + half). The weight's two widths are cut into whole tiles.
    Source: the operator study named in the calibration.
    """
    c, lay = bench.constants, bench.layout
    kind, size = ("bf16", 2.0) if matrix.role in _FULL_PRECISION else bench.low
    rows, inputs, outputs, groups = _gemm_shape(matrix, bench)
    rates = bench.rates(kind, size)
    if matrix.role == "expert":
        peak = c["expert_compiled"] if c.framework.get("xla") else c["expert_peak"]
        share = peak * roofline.grouped_efficiency(rows, c["expert_half"])
        rates = rates._replace(compute=rates.compute * share)
    flops = roofline.gemm_flops(rows, outputs, inputs) * groups
    weights = groups * inputs * outputs
    moved_in, moved_out = groups * rows * inputs, groups * rows * outputs
    start = c["gemm_start"] * bench.hardware.peak[kind] / bench.hardware.peak["bf16"]

    def tiled(contracted: Column) -> Column:
        return flops * (1.0 + start / np.maximum(contracted, 1.0))

    across, along = (roofline.whole_tiles(n, c["gemm_tile"]) for n in (outputs, inputs))
    forward = roofline.roofline_time(across * tiled(inputs), weights * size + moved_in * size + moved_out * 2.0, rates)
    back_in = roofline.roofline_time(along * tiled(outputs), weights * size + moved_out * size + moved_in * 2.0, rates)
    accumulate = 4.0 if c.framework.get("fsdp") else 8.0
    full_tiles = across * along * tiled(rows)
    back_weight = roofline.roofline_time(full_tiles, (moved_in + moved_out) * size + weights * accumulate, rates)
    trained = 0.0 if lay.software.adapter else 1.0
    again = np.maximum(lay.full, lay.extra_gemm)
    passes = c["quantise"] * (c[SCALING[lay.precision][1]] if lay.precision in SCALING else 1.0)
    passes = passes * (c["fp4_quantise"] if kind == "fp4" else 1.0)
    quantised = passes * 4.0 / bench.stream if size < 2.0 else 0.0
    summed = trained * float(c.framework.get("gradient_pass", 0.0)) * weights / bench.stream
    model_flops = flops * (2.0 + trained)
    return Work(
        gemm=forward * (1.0 + again) + back_in + trained * back_weight,
        attention=0.0,
        elementwise=summed + quantised * ((0.0 if matrix.follows else moved_in * (1.0 + again)) + moved_out),
        permute=0.0,
        flops_low=model_flops if size < 2.0 else 0.0,
        flops_full=0.0 if size < 2.0 else model_flops,
    )


def attention_efficiency(attention: Attention, bench: Bench) -> Column:
    """Sustained share of the bf16 peak in the fused core: ea (d / 128)^p (of heads narrower than 128 the exponent of
    the chip's generation), less for heads that plain matrix products read across the bounds of their 16 bytes, and for
    FlashAttention-2 on chips it lags behind (Hopper on; arXiv 2407.08608). Recurrent kernels go by memory bandwidth:
    they read and write states and inputs for little arithmetic (Mamba-2, arXiv 2405.21060, section 6)."""
    c, width = bench.constants, float(attention.head_dim)
    if attention.kind in RECURRENT:
        return c["scan"] * bench.hardware.memory_bandwidth / bench.hardware.peak["bf16"]
    share = c.attention * roofline.head_efficiency(width, c.narrow_head if width < 128.0 else c["head_power"])
    if c.framework.get("flash2") and c.flash2_lags:
        share = share * c["flash2"]
    if c.framework.get("legacy") and attention.head_dim % _ALIGNED:
        share = share * c["misaligned"]
    if attention.kind == "mla":
        share = share * c["mla"]
    if attention.kind == "sparse":
        return share * c["sparse"]
    return share


def attention_work(attention: Attention, bench: Bench) -> Work:
    """The attention core of one layer: forward FLOPs at its own sustained share, backward 2.875 times it
    (2.5 times the FLOPs, FlashAttention-2, arXiv 2307.08691, at 15 % less speed). A tile of queries takes the time of
    some keys more than it reads, so that short windows are slow (`attention_start`). Software without fused
    attention computes the whole square and passes over the bf16 scores 5 times forward, 8 backward
    (Korthikanti et al., arXiv 2205.05198, appendix A)."""
    c, lay = bench.constants, bench.layout
    legacy = bool(c.framework.get("legacy"))
    one = attention_flops(attention, lay.sequence, lay.sequence, not legacy)
    flops = one * lay.micro_batch / (lay.cp * lay.tp)
    peak = bench.hardware.peak["bf16"] * attention_efficiency(attention, bench)
    forward = flops / peak * (1.0 if legacy else tile_start(attention, lay.sequence, c))
    backward = forward * c["attention_backward"]
    scores: Column = 0.0
    if legacy and attention.kind not in RECURRENT:
        scores = 2.0 * lay.tokens * lay.sequence * attention.heads / lay.tp / bench.stream
    again = lay.core
    return ZERO._replace(
        attention=forward * (1.0 + again) + backward,
        elementwise=scores * (5.0 * (1.0 + again) + 8.0),
        flops_full=3.0 * flops,
    )


def tile_start(attention: Attention, sequence: Column, constants: TrainingConstants) -> Column:
    """Time of the fused core over that of the keys its queries see: 1 + start / keys; 1 for recurrent kernels."""
    if attention.kind in RECURRENT:
        return 1.0
    return 1.0 + constants["attention_start"] / np.maximum(seen_keys(attention, sequence, True), 1.0)


def attention_widths(attention: Attention) -> tuple[float, float]:
    """Elements per token of queries and keys together, and of values and output together.

    >>> attention_widths(Attention("full", 8, 2, 64, 64))
    (640, 640)
    """
    keys = attention.heads if attention.kind == "mla" else attention.kv_heads
    return (
        (attention.heads + keys) * attention.head_dim,
        (attention.heads + keys) * attention.v_head_dim,
    )


def rotary_bytes(attention: Attention) -> float:
    """Bytes per token between the projections and the attention core: queries and keys read, turned and laid out
    (6 an element), values and output once (2). Of latent attention only the rotary part of a query is turned; keys
    and values are split out of one projection and written where the core reads them (Megatron-Core's fused
    MLA kernels).

    >>> rotary_bytes(Attention("full", 8, 2, 64, 64))
    5120.0
    >>> rotary_bytes(Attention("mla", 2, 2, 3, 2, kv_lora_rank=4, rope_head_dim=1))
    52.0
    """
    a = attention
    if a.kind == "mla":
        split = a.head_dim - a.rope_head_dim + a.v_head_dim
        return a.heads * (4.0 * a.rope_head_dim + 2.0 * (split + a.head_dim + a.v_head_dim) + 2.0 * a.v_head_dim)
    qk, vo = attention_widths(a)
    return 6.0 * qk + 2.0 * vo


def ffn_bytes(ffn: FeedForward, layout: Layout) -> Column:
    """Bytes per micro-batch that the activation function moves: (2 reads, 1 write, or 1 and 1) of bf16."""
    passes = 6.0 if ffn.gated else 4.0
    width = ffn.width + ffn.shared_width + ffn.top_k * ffn.expert_width
    return passes * layout.tokens * width / layout.tp


def fusion(c: TrainingConstants) -> Column:
    """Passes over the data against those of hand-fused kernels: eager software makes more, a compiler that fuses
    whole chains (XLA) fewer."""
    if c.framework.get("xla"):
        return c["compiled"]
    return c["eager"] if c.framework.get("eager") else 1.0


def residual_bytes(streams: float) -> float:
    """Bytes per token and hidden element of the norm and residual around one mixer or block: 5 with one stream
    (kernels fuse the two); with n (hyper-connections, arXiv 2409.19606) all are read and mixed, and all read and
    written again: 2 (3 n + 2).

    >>> residual_bytes(1.0), residual_bytes(4.0)
    (5.0, 28.0)
    """
    return 5.0 if streams <= 1.0 else 2.0 * (3.0 * streams + 2.0)


def elementwise_work(layer: Layer, hidden: int, bench: Bench, streams: float = 1.0) -> Work:
    """Norms and residuals (`residual_bytes`), rotary embedding and head layout,
    activation; backward twice that. Experts add the permutation and its inverse, 8 bytes per routed
    element."""
    c, lay = bench.constants, bench.layout
    halves = (layer.attention is not None) + (layer.ffn is not None)
    moved = residual_bytes(streams) * halves * bench.shared_tokens * hidden
    permuted: Column = 0.0
    if layer.attention is not None:
        moved = moved + lay.tokens * rotary_bytes(layer.attention) / lay.tp
    if layer.ffn is not None:
        moved = moved + ffn_bytes(layer.ffn, lay)
        if layer.ffn.experts:
            width = layer.ffn.latent or hidden
            permuted = 8.0 * lay.tokens * layer.ffn.top_k * width / lay.tp
    passes = c["elementwise"] * fusion(c)
    again = np.maximum(lay.full, lay.extra_elementwise)
    return ZERO._replace(
        elementwise=passes * moved / bench.stream * (3.0 + again),
        permute=c["permute"] * permuted / bench.stream * (3.0 + again),
    )


def layer_work(
    layer: Layer, hidden: int, bench: Bench, streams: float = 1.0, known: dict[Matrix, Work] | None = None
) -> Work:
    """All compute of one layer for one micro-batch on one chip. known: matrices that are worked out already; those of
    this layer are added."""
    work = elementwise_work(layer, hidden, bench, streams)
    known = {} if known is None else known
    for matrix in matrices(layer, hidden):
        if matrix not in known:
            known[matrix] = matrix_work(matrix, bench)
        work = work.plus(known[matrix])
    if layer.attention is not None:
        work = work.plus(attention_work(layer.attention, bench))
    return work


def head_work(arch: Architecture, bench: Bench) -> Work:
    """Vocabulary projection, softmax and loss of one micro-batch on the last stage; once more per MTP module.

    Three bf16 GEMMs (T, V/tp, H) and 18 bytes per logit for the fp32 softmax, forward and backward.
    """
    c = bench.constants
    lay = replace(bench.layout, recompute=0.0, full_share=0.0, extra_gemm=0.0)  # logits are never rebuilt
    head = matrix_work(Matrix("head", arch.hidden, arch.vocab, "column", "head"), replace(bench, layout=lay))
    logits = lay.tokens * arch.vocab / lay.tp
    softmax = c["logit_bytes"] * logits / bench.stream
    one = head._replace(elementwise=softmax)
    return ZERO.plus(one, 1.0 + arch.mtp_layers)


def body_work(arch: Architecture, bench: Bench) -> Work:
    """All decoder layers, and the layers of every MTP module."""
    work, known = ZERO, dict[Matrix, Work]()  # kinds of layers share most of their matrices
    for layer, count in arch.layers:
        work = work.plus(layer_work(layer, arch.hidden, bench, float(arch.residual_streams), known), float(count))
    for layer in mtp_block(arch) if arch.mtp_layers else ():
        work = work.plus(layer_work(layer, arch.hidden, bench, known=known), float(arch.mtp_layers))
    return work
