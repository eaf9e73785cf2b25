"""Parameters, FLOPs and bytes of a model, all from the table of matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tokenworks.workload.architecture import Architecture, Attention, Layer, Matrix
from tokenworks.workload.matrices import RECURRENT, matrices, mtp_block, mtp_projection

# Bytes per weight with the scales that the format stores: OCP MX 1.0 (one byte per 32), NVFP4 (one fp8
# scale per 16), DeepSeek-V3 block fp8 (one fp32 scale per 128 x 128), int4 groups of 128 with an fp16 scale.
PRECISION_BYTES: Mapping[str, float] = MappingProxyType(
    {
        "fp32": 4.0,
        "bf16": 2.0,
        "fp16": 2.0,
        "fp8": 1.0,
        "fp8_block": 1.0 + 4.0 / 16384,
        "mxfp8": 1.0 + 1.0 / 32,
        "int8": 1.0,
        "nvfp4": 0.5 + 1.0 / 16,
        "mxfp4": 0.5 + 1.0 / 32,
        "int4": 0.5 + 2.0 / 128,
    }
)
KEPT_WIDE = ("router", "embedding", "head")  # roles that quantised checkpoints leave in 16 bit
TRAINING = 3.0  # forward + backward to inputs + backward to weights, each as many FLOPs
STATE_FLOPS = 4.0  # per state element and token: decay-and-add, then read (2 multiply-adds)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Counts. total and active leave out MTP modules and vision towers; active includes embedding and head;
    embedding and head are the input and output matrices (head 0 where tied)."""

    total: int
    active: int
    active_without_embedding: int
    mtp: int
    vision: int | None
    embedding: int
    head: int


@dataclass(frozen=True, slots=True)
class FlopsPerToken:
    """FLOPs per token at a sequence length: forward (causal) and whole training step."""

    forward_causal: float
    training_causal: float
    training_noncausal: float
    training_causal_with_mtp: float


def size(matrix: Matrix) -> int:
    """Weights of all copies of a matrix."""
    return matrix.rows * matrix.columns * matrix.copies


def used(matrix: Matrix) -> float:
    """Weights that one token multiplies with."""
    return matrix.rows * matrix.columns * matrix.active


def _layer_sum(architecture: Architecture, count: Any) -> float:
    a = architecture
    return float(sum(n * sum(count(m) for m in matrices(layer, a.hidden)) for layer, n in a.layers))


def parameters(architecture: Architecture) -> Parameters:
    """Count the parameters of a model."""
    a = architecture
    embedding = a.vocab * a.hidden
    head = 0 if a.tied else embedding
    other = a.learned_positions * a.hidden + a.extra_parameters
    body_active = round(_layer_sum(a, used))
    return Parameters(
        total=round(_layer_sum(a, size)) + embedding + head + other,
        active=body_active + embedding + head + other - a.idle_parameters,
        active_without_embedding=body_active + embedding,  # the output product is done even where it is tied
        mtp=a.mtp_layers * round(sum(size(m) for m in _mtp(a))),
        vision=a.vision_parameters,
        embedding=embedding,
        head=head,
    )


def _mtp(a: Architecture) -> tuple[Matrix, ...]:
    return (mtp_projection(a.hidden), *(m for layer in mtp_block(a) for m in matrices(layer, a.hidden)))


def attention_flops(attention: Attention, queries: Any, context: Any, causal: bool) -> Any:
    """Forward FLOPs of one sequence's attention core: `queries` tokens, each seeing `context` keys.

    With `causal`, queries == context and the masked half is left out: a query sees context / 2 keys on
    average (the field's convention). A window or a chosen subset limits the keys to `window`; a compressed
    cache has one key for `compress` tokens; a recurrent mixer costs the same for every token. Arrays broadcast.

    >>> gqa = Attention("full", heads=2, kv_heads=1, head_dim=8, v_head_dim=8)
    >>> float(attention_flops(gqa, 4, 4, causal=False)), float(attention_flops(gqa, 4, 4, causal=True))
    (1024.0, 512.0)
    """
    if attention.kind in RECURRENT:
        return queries * STATE_FLOPS * attention.heads * attention.head_dim * attention.v_head_dim
    width = attention.head_dim + attention.v_head_dim
    keys = seen_keys(attention, context, causal)
    core = 2.0 * queries * keys * attention.heads * width
    if attention.index_heads:  # the indexer scores every key before the subset is read
        scored = context / attention.compress * (0.5 if causal else 1.0)
        core = core + 2.0 * queries * scored * attention.index_heads * attention.index_dim
    return core


def seen_keys(attention: Attention, context: Any, causal: bool) -> Any:
    """Keys that a query sees on average.

    Causal with window w over s tokens: w - w^2 / (2 s) once s > w. A compressed cache that no indexer
    chooses from is seen whole beside the window.

    >>> windowed = Attention("window", 1, 1, 8, 8, window=4)
    >>> float(seen_keys(windowed, 8, causal=True)), float(seen_keys(windowed, 2, causal=True))
    (3.0, 1.0)
    """
    context = np.asarray(context, dtype=np.float64)
    if attention.window is None:
        return context * (0.5 if causal else 1.0)
    window = np.minimum(float(attention.window), context)
    beside = context / attention.compress if attention.compress > 1 and not attention.index_heads else 0.0
    if not causal:
        return window + beside
    return window - window**2 / (2.0 * np.maximum(context, 1.0)) + 0.5 * beside


def flops_per_token(architecture: Architecture, sequence: int) -> FlopsPerToken:
    """FLOPs per token of a model at a sequence length (tokens): 2 per active weight, plus attention cores.

    Training is three times the forward pass (Kaplan et al., arXiv 2001.08361, section 2.1); recomputation
    is not counted (model FLOPs).
    """
    a = architecture
    weights = 2.0 * (_layer_sum(a, used) + a.vocab * a.hidden)

    def core(causal: bool) -> float:
        return sum(n * _core(layer, sequence, causal) for layer, n in a.layers)

    mtp = 0.0
    if a.mtp_layers:
        cores = sum(_core(layer, sequence, True) for layer in mtp_block(a))
        inner = 2.0 * (sum(used(m) for m in _mtp(a)) + a.vocab * a.hidden) + cores
        mtp = a.mtp_layers * inner
    forward = weights + core(True)
    return FlopsPerToken(
        forward_causal=forward,
        training_causal=TRAINING * forward,
        training_noncausal=TRAINING * (weights + core(False)),
        training_causal_with_mtp=TRAINING * (forward + mtp),
    )


def _core(layer: Layer, sequence: int, causal: bool) -> float:
    if layer.attention is None:
        return 0.0
    return float(attention_flops(layer.attention, float(sequence), sequence, causal)) / sequence


def cache_elements(attention: Attention) -> float:
    """Cache elements that one token leaves in one layer: keys and values, or the latent, plus indexer keys;
    a compressed cache has one entry for `compress` tokens.

    >>> cache_elements(Attention("mla", 128, 128, 192, 128, kv_lora_rank=512, rope_head_dim=64))
    576.0
    """
    if attention.kind in RECURRENT:
        return 0.0
    if attention.kv_lora_rank is not None:
        kept = attention.kv_lora_rank + attention.rope_head_dim
    else:
        kept = attention.kv_heads * (attention.head_dim + (0 if attention.shared_kv else attention.v_head_dim))
    return (kept + (attention.index_dim if attention.index_heads else 0)) / attention.compress


def kv_bytes_per_token(architecture: Architecture, bytes_per_element: float) -> float:
    """Cache bytes per token over the layers whose cache grows with the context."""
    return bytes_per_element * sum(
        n * cache_elements(layer.attention)
        for layer, n in architecture.layers
        if layer.attention is not None and _grows(layer.attention)
    )


def state_bytes_per_sequence(architecture: Architecture, bytes_per_element: float) -> float:
    """Bytes per sequence of the layers whose cache does not grow: full windows and recurrent states."""
    total = 0.0
    for layer, n in architecture.layers:
        a = layer.attention
        if a is None or _grows(a):
            continue
        total += n * (a.state if a.kind in RECURRENT else (a.window or 0) * cache_elements(a))
    return bytes_per_element * total


def _grows(a: Attention) -> bool:
    return a.kind not in RECURRENT and (a.kind == "sparse" or a.window is None)


def weight_bytes(architecture: Architecture, precision: str) -> float:
    """Bytes of the weights in a precision; router, embedding and output matrix stay 16 bit when quantised."""
    narrow = PRECISION_BYTES[precision]
    wide = max(narrow, PRECISION_BYTES["bf16"])

    def stored(m: Matrix) -> float:
        return size(m) * (wide if m.role in KEPT_WIDE else narrow)

    counted = parameters(architecture)
    outside = counted.embedding + counted.head + architecture.learned_positions * architecture.hidden
    return _layer_sum(architecture, stored) + wide * (outside + architecture.extra_parameters)


def model_summary(architecture: Architecture, sequence: int) -> Mapping[str, Any]:
    """Everything `model show` answers (DESIGN.md section 3), as plain values."""
    counted = asdict(parameters(architecture))
    kept = ("total", "active", "active_without_embedding", "mtp", "vision")
    element = {"bf16": 2.0, "fp8": 1.0}
    return {
        "parameters": {k: counted[k] for k in kept},
        "flops_per_token": asdict(flops_per_token(architecture, sequence)),
        "kv_bytes_per_token": {p: kv_bytes_per_token(architecture, b) for p, b in element.items()},
        "state_bytes_per_sequence": {p: state_bytes_per_sequence(architecture, b) for p, b in element.items()},
        "weight_bytes": {p: weight_bytes(architecture, p) for p in PRECISION_BYTES},
    }
