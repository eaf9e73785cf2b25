"""How a model is split over the chips of one replica, and what each kind of layer then asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from tokenworks.perf.roofline import Column
from tokenworks.records import Hardware
from tokenworks.workload import PRECISION_BYTES, cache_elements, matrices
from tokenworks.workload.architecture import Architecture, Attention, Layer

# Bits of arithmetic per weight precision, in order of preference: (peak of the chip, bits).
_ARITHMETIC: Mapping[str, tuple[tuple[str, int], ...]] = MappingProxyType(
    {
        "fp8": (("fp8", 8),),
        "fp8_block": (("fp8", 8),),
        "mxfp8": (("fp8", 8),),
        "int8": (("int8", 8),),
        "nvfp4": (("fp4", 4),),
        "mxfp4": (("fp4", 4),),
    }
)
_CACHE_BYTES: Mapping[str, float] = MappingProxyType({"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0})
_STATE_BYTES = 4.0  # recurrent states are kept in 32-bit floats (Mamba-2, gated delta net reference code)
_MIXING = ("query", "kv", "index")  # names of matrices that belong to attention whatever their role
SIXTEEN_BITS = 2.0  # bytes of an activation, of a head and of attention weights left unquantised


@dataclass(frozen=True)
class ServingPlan:
    """One replica: columns broadcast, precisions are one per call.

    tp: tensor parallel width of attention. dp: attention data parallel ranks. pp: pipeline stages.
    ep: ranks over which whole experts are spread (1 to tp * dp); the rest of tp * dp splits each expert.
    weights, kv: precisions. draft: tokens drafted per step, accept: mean tokens kept per step (1: no
    speculation). prefix: share of each prompt found in a cache. chips = tp * dp * pp.
    """

    tp: Column = 1
    dp: Column = 1
    pp: Column = 1
    ep: Column = 1
    weights: str = "bf16"
    kv: str = "bf16"
    draft: Column = 0
    accept: Column = 1.0
    prefix: Column = 0.0

    @property
    def stage(self) -> Column:
        """Chips of one pipeline stage."""
        return np.asarray(self.tp) * self.dp

    @property
    def chips(self) -> Column:
        """Chips of the replica."""
        return self.stage * self.pp

    @property
    def kv_bytes(self) -> float:
        """Bytes per cached element."""
        return _CACHE_BYTES[self.kv]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The rate that products of one weight precision run at.

    peak: FLOP/s. bits: of the operands in the matrix unit. weight_bytes: per weight, scales included.
    narrow: the weights are narrower than the arithmetic (dequantised on the way). scaled: the inputs have scales that
    are found while they come (by block or row), which takes launches of its own; with one fixed scale per tensor
    ("fp8") the operation before a product writes them narrow.
    """

    peak: Column
    bits: int
    weight_bytes: float
    narrow: bool
    scaled: bool


def arithmetic(hardware: Hardware, precision: str) -> Arithmetic:
    """Arithmetic of a weight precision on a chip: its own rate where the chip has one, else 16 bits.

    A 4-bit float on a chip without one runs in 8 bits where the vendor's kernels do so (none known), hence
    in 16; int4 weights always do.
    """
    for name, bits in _ARITHMETIC.get(precision, ()):
        if name in hardware.peak:
            return Arithmetic(hardware.peak[name], bits, PRECISION_BYTES[precision], False, precision != "fp8")
    wide = next(n for n in ("fp32", "bf16", "fp16") if n in hardware.peak and (n != "fp32" or precision == "fp32"))
    return Arithmetic(hardware.peak[wide], 16, PRECISION_BYTES[precision], PRECISION_BYTES[precision] < 1.0, False)


def rates_used(arch: Architecture, precision: str) -> frozenset[str]:
    """Names of the rates of a chip that serving a model at a weight precision may ask for."""
    own = {name for p in (precision, attention_precision(arch, precision)) for name, _ in _ARITHMETIC.get(p, ())}
    return frozenset({"bf16", "fp16", *own, *({"fp32"} if precision == "fp32" else ())})


@dataclass(frozen=True, slots=True)
class LayerWork:
    """Weights (elements) and sizes of one kind of layer, from workload's table of matrices.

    The block outside the experts: attention, dense FFN, shared experts, router, latent projections.
    """

    count: int
    attention: Attention | None
    attention_sharded: float
    attention_replicated: float
    dense_sharded: float
    dense_replicated: float
    expert: float  # weights of one routed expert
    experts: int
    top_k: int
    expert_width: int
    expert_hidden: int  # width of the space the experts work in

    @property
    def latent(self) -> bool:
        """The cache is a compressed one (MLA)."""
        return self.attention is not None and self.attention.kv_lora_rank is not None

    @property
    def recurrent(self) -> bool:
        """The mixer keeps a state instead of a cache."""
        return self.attention is not None and self.attention.kind in ("linear", "mamba")


@lru_cache(maxsize=64)
def layer_works(arch: Architecture) -> tuple[LayerWork, ...]:
    """One `LayerWork` per kind of layer."""
    return tuple(_work(layer, count, arch.hidden) for layer, count in arch.layers)


def _work(layer: Layer, count: int, hidden: int) -> LayerWork:
    sums = {"attention": [0.0, 0.0], "dense": [0.0, 0.0]}
    expert = 0.0
    ffn = layer.ffn
    for m in matrices(layer, hidden):
        size = float(m.rows) * m.columns * m.copies
        if m.role == "expert":
            expert += size
        else:
            mixing = m.role == "attention" or m.name.startswith(_MIXING)
            sums["attention" if mixing else "dense"][m.split == "replicated"] += size
    experts = ffn.experts if ffn else 0
    return LayerWork(
        count=count,
        attention=layer.attention,
        attention_sharded=sums["attention"][0],
        attention_replicated=sums["attention"][1],
        dense_sharded=sums["dense"][0],
        dense_replicated=sums["dense"][1],
        expert=expert / experts if experts else 0.0,
        experts=experts,
        top_k=ffn.top_k if ffn else 0,
        expert_width=ffn.expert_width if ffn else 0,
        expert_hidden=(ffn.latent or hidden) if ffn else hidden,
    )


def attention_precision(arch: Architecture, weights: str) -> str:
    """Precision of the weights outside the experts.

    MXFP4 and INT4 mixtures keep them in 16 bits (gpt-oss and Kimi-K2-Thinking model cards). NVFP4
    checkpoints of MLA models leave attention unquantised too, but 8 bits lie nearer to what was measured:
    over the 171 published disaggregated runs that record their workers (all precisions) the median error of
    time per output token is 10.4 % with 8 bits and 13.7 % with 16. All others: the checkpoint's.
    """
    mixture = any(layer.ffn is not None and layer.ffn.experts for layer, _ in arch.layers)
    latent = any(layer.attention is not None and layer.attention.kv_lora_rank for layer, _ in arch.layers)
    if weights in ("mxfp4", "int4") and mixture:
        return "bf16"
    return "fp8" if weights == "nvfp4" and latent else weights


def cache_bytes(work: LayerWork, plan: ServingPlan, context: Column) -> Column:
    """Bytes that one layer keeps per sequence on one chip at a context of so many tokens.

    A window keeps at most its width, a latent is not divided by tp, KV heads are at least one per chip,
    a recurrent layer keeps its state whatever the context.
    """
    a = work.attention
    if a is None:
        return np.zeros(())
    if work.recurrent:
        return np.asarray(_STATE_BYTES * a.state / np.asarray(plan.tp, dtype=float))
    each = cache_elements(a) if work.latent else cache_elements(a) * _held_share(a.kv_heads, plan.tp)
    held = context if a.window is None or a.kind == "sparse" else np.minimum(context, a.window)
    return held * each * plan.kv_bytes


def read_bytes(work: LayerWork, plan: ServingPlan, context: Column) -> Column:
    """Bytes of cache that one layer reads on one chip to decode one token: what it keeps, except that a
    sparse layer reads its chosen keys and the indexer's small key of every entry; a compressed cache without
    an indexer is read whole beside its window."""
    a = work.attention
    if a is None or a.kind != "sparse" or a.window is None:
        return cache_bytes(work, plan, context)
    index = a.index_dim if a.index_heads else 0
    each = (cache_elements(a) * a.compress - index) * (1.0 if work.latent else _held_share(a.kv_heads, plan.tp))
    entries = np.asarray(context) / a.compress
    whole = each if a.compress > 1 and not index else 0.0
    return (np.minimum(context, a.window) * each + entries * (index + whole)) * plan.kv_bytes


def _held_share(kv_heads: int, tp: Column) -> Column:
    """The share of the KV heads that one chip holds: at least one head."""
    return np.maximum(1.0 / np.asarray(tp, dtype=float), 1.0 / kv_heads)
