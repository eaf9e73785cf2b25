"""How a training job is split over chips, and with which software: columns, one row a layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from tokenworks.perf.roofline import Column

# How a precision computes and is stored: (peak it runs at, bytes of an activation in a GEMM).
# Attention core, router and logits stay in bf16 whatever the precision (Transformer Engine user guide;
# MaxText quantisation docs; DeepSeek-V3, arXiv 2412.19437, section 3.3.1).
PRECISIONS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "bf16": ("bf16", 2.0),
        "fp16": ("bf16", 2.0),
        "fp8": ("fp8", 1.0),
        "fp8_block": ("fp8", 1.0),
        "fp8_rowwise": ("fp8", 1.0),
        "mxfp8": ("fp8", 1.0),
        "int8": ("int8", 1.0),
        "nvfp4": ("fp4", 0.5625),
    }
)

# Finer scales than one a tensor: the constants that multiply the GEMM rate and the passes of quantisation.
SCALING: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"fp8_block": ("block_gemm", "block_quantise"), "fp8_rowwise": ("rowwise_gemm", "rowwise_quantise")}
)


@dataclass(frozen=True)
class Software:
    """What runs the step. family: a key of the calibration's `frameworks`. year: decimal year of the release
    (2026.5 is July). graph: the whole iteration is captured as one graph; None: as the release does. expert_overlap:
    expert exchange is hidden behind compute. woven: it is so by code that runs the layers of two micro-batches by
    turns, which keeps the host busy. adapter: only low-rank adapters are trained (LoRA)."""

    family: str = "megatron-bridge"
    year: float = 2026.0
    graph: bool | None = None
    expert_overlap: bool = False
    woven: bool = False
    adapter: bool = False


@dataclass(frozen=True)
class Layout:
    """One training layout a row; numbers are floats or arrays that broadcast.

    tp, pp, vpp (virtual stages per rank), cp, ep, etp (tensor split of an expert), dp: degrees.
    micro_batch, global_batch: sequences. sequence: tokens. recompute: 0 none, 1 attention core, 2 everything;
    between them that share of the layers. full_share: share of the layers computed again wholly, whatever
    `recompute` says of the rest. extra_gemm, extra_elementwise, kept: fine-grained checkpointing, the
    shares of
    the GEMMs and of the rest computed again, and of the activations kept. bubble: share of the 1F1B bubble that the
    schedule leaves. zero: 0 to 3. fsdp: chips that
    share one copy where zero is 3 (0: all). uneven: 1 where embedding and loss count as one layer each of the
    split.
    """

    tp: Column = 1.0
    pp: Column = 1.0
    vpp: Column = 1.0
    cp: Column = 1.0
    ep: Column = 1.0
    etp: Column = 1.0
    dp: Column = 1.0
    micro_batch: Column = 1.0
    global_batch: Column = 1.0
    sequence: Column = 4096.0
    recompute: Column = 0.0
    full_share: Column = 0.0
    extra_gemm: Column = 0.0
    extra_elementwise: Column = 0.0
    kept: Column = 1.0
    zero: Column = 1.0
    fsdp: Column = 0.0
    sequence_parallel: Column = 1.0
    uneven: Column = 0.0
    bubble: Column = 1.0
    precision: str = "bf16"
    software: Software = field(default_factory=Software)

    @property
    def chips(self) -> Column:
        """Chips of the job: tp * pp * cp * dp (expert parallel ranks lie within them)."""
        return self.tp * self.pp * self.cp * self.dp

    @property
    def micro_batches(self) -> Column:
        """Micro-batches per pipeline and step: global batch / (dp * micro-batch), at least one."""
        return np.maximum(self.global_batch / (self.dp * self.micro_batch), 1.0)

    @property
    def tokens(self) -> Column:
        """Tokens of one micro-batch on one chip (before tensor parallelism): micro_batch * sequence / cp."""
        return self.micro_batch * self.sequence / self.cp

    @property
    def shard(self) -> Column:
        """Chips that share one copy of the dense weights' optimizer state: dp * cp, or the FSDP group."""
        whole = self.dp * self.cp
        return np.where(self.fsdp > 0, np.minimum(self.fsdp * 1.0, whole), whole)

    @property
    def expert_data(self) -> Column:
        """Chips that hold copies of the same experts: dp * cp * tp / (ep * etp), at least one."""
        return np.maximum(self.dp * self.cp * self.tp / (self.ep * self.etp), 1.0)

    @property
    def full(self) -> Column:
        """Share of the layers whose whole forward pass is computed again."""
        return np.maximum(np.clip(self.recompute - 1.0, 0.0, 1.0), self.full_share)

    @property
    def core(self) -> Column:
        """Share of the layers whose attention core is computed again."""
        return np.maximum(np.clip(self.recompute, 0.0, 1.0), self.full_share)

    def floats(self) -> Layout:
        """The same layout with every number as float64, so that integer columns cannot overflow."""
        numbers = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("precision", "software")}
        converted: dict[str, Any] = {
            name: np.asarray(v, dtype=np.float64)[()]
            for name, v in numbers.items()
            if getattr(v, "dtype", None) != np.float64
        }
        return replace(self, **converted)
