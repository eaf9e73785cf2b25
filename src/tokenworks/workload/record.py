"""The `model` mapping of a published training run (measurements' own vocabulary) -> Architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.workload.architecture import Architecture, Attention, FeedForward, Layer
from tokenworks.workload.config import Fields


def from_record(model: Mapping[str, Any]) -> Architecture:
    """Read the dimensions that a training record gives. Raises BadRequest naming the missing field.

    >>> from_record({"name": "m", "layers": 2, "hidden": 8, "heads": 2, "ffn": 16, "vocab": 32}).depth
    2
    """
    f = Fields(model, "model")
    f.refuse("mamba", "hybrid_pattern")
    if "mamba" in (f.text("type") or ""):
        f.refuse("type")
    depth, hidden = f.number("layers", kind="layers"), f.number("hidden")
    heads = f.number("heads", kind="heads")
    full = _attention(f, heads, hidden)
    mixtures = _mixtures(f, depth)
    moe, dense = _moe(f), _dense(f, hidden)
    layers = [Layer(_windowed(f, full, i), moe if moe is not None and i in mixtures else dense) for i in range(depth)]
    counts: dict[Layer, int] = {}
    for layer in layers:
        counts[layer] = counts.get(layer, 0) + 1
    return Architecture(
        name=f.text("name") or "model",
        hidden=hidden,
        vocab=f.number("vocab", kind="vocab"),
        layers=tuple(counts.items()),
        tied=f.flag("tied_embeddings"),
        mtp_layers=f.optional("mtp_layers", kind="layers"),
    )


def _attention(f: Fields, heads: int, hidden: int) -> Attention:
    latent = f.part("mla")
    if latent is not None:
        nope, rope = latent.number("qk_nope"), latent.optional("qk_rope")
        return Attention(
            "mla", heads, heads, nope + rope, latent.number("v_dim"), q_lora_rank=latent.optional("q_lora") or None,
            kv_lora_rank=latent.number("kv_lora"), rope_head_dim=rope,
        )  # fmt: skip
    dim = f.optional("head_dim") or max(1, hidden // heads)
    kv = f.optional("kv_heads", kind="heads") or heads
    return Attention("full", heads, kv, dim, dim)


def _windowed(f: Fields, full: Attention, layer: int) -> Attention:
    """Windows or chunks: all layers, every `window_every`-th, or all but every `global_every`-th."""
    window = f.optional("sliding_window", "chunk_attention", kind="context")
    if not window:
        return full
    every = f.optional("window_every", kind="layers")
    default = 4 if f.has("chunk_attention") else 0  # Llama 4: every fourth layer is global
    skip = f.optional("global_every", kind="layers", default=default)
    if (every and (layer + 1) % every) or (skip and (layer + 1) % skip == 0):
        return full
    return Attention("window", full.heads, full.kv_heads, full.head_dim, full.v_head_dim, window=window)


def _mixtures(f: Fields, depth: int) -> set[int]:
    every = f.optional("moe_every", kind="layers", default=1) or 1
    if every > 1:
        return {i for i in range(depth) if (i + 1) % every == 0}
    return set(range(f.optional("dense_layers", kind="layers"), depth))


def _moe(f: Fields) -> FeedForward | None:
    experts = f.optional("experts", kind="experts")
    if not experts:
        return None
    width = f.number("expert_ffn")
    shared = f.optional("shared_ffn") or width * f.optional("shared_experts", kind="experts")
    return FeedForward(0, f.flag("gated_mlp", True), experts, f.number("top_k", kind="experts"), width, shared)


def _dense(f: Fields, hidden: int) -> FeedForward:
    width = f.optional("dense_ffn", "ffn") or f.optional("expert_ffn") or 4 * hidden
    return FeedForward(width, f.flag("gated_mlp", not f.flag("learned_pos_emb")))
