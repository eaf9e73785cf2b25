"""The channel mixers of a config.json, layer by layer: dense blocks and mixtures of experts."""

from __future__ import annotations

from typing import Any

from tokenworks.errors import BadRequest
from tokenworks.workload.architecture import FeedForward
from tokenworks.workload.config import Fields
from tokenworks.workload.families import Family

WIDTH = ("intermediate_size", "n_inner", "ffn_hidden_size", "ffn_dim")
EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
TOP_K = (
    "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "top_k_experts", "moe_topk", "moe_top_k",
    "moe_k",
)  # fmt: skip
EXPERT_WIDTH = ("moe_intermediate_size", "expert_intermediate_size", "expert_ffn_hidden_size")
SPARSE = ("sparse", "moe", "hash_moe")  # words of mlp_layer_types for a mixture
SHARED_WIDTH = (
    "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "share_expert_dim",
    "shared_intermediate_size",
)  # fmt: skip
DENSE_WIDTH = ("intermediate_size_mlp", "dense_intermediate_size", "prefix_dense_intermediate_size")
SHARED = ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")


def feed_forwards(f: Fields, family: Family, kind: str, depth: int, hidden: int) -> list[FeedForward]:
    """The feed-forward block of every layer. Raises BadRequest naming the field that cannot be read."""
    gated = f.flag("gated_mlp", family.gated)
    inner = f.part("ffn_config") or f
    experts = _same(inner, *EXPERTS, kind="experts")
    wide = inner.optional(*WIDTH) or f.optional("expansion_ratio", default=4) * hidden
    wide = wide // 2 if family.halved else wide
    wide = _two_thirds(f, wide) if kind.startswith("lfm2") and not experts else wide
    if not experts or (experts == 1 and kind in ("granitemoehybrid", "jamba")):
        wide = f.optional("shared_intermediate_size") or wide if kind == "granitemoehybrid" else wide
        return [FeedForward(width=wide, gated=gated)] * depth
    width = _same(inner, *EXPERT_WIDTH) or wide
    beside = f.optional("residual_ffn_size") or _beside(f, kind, wide, hidden)
    moe = FeedForward(
        width=beside,
        gated=gated,
        experts=experts,
        top_k=_top(inner),
        expert_width=width,
        shared_width=_shared(f, family, width),
        latent=f.optional("routed_expert_hidden_size", "moe_latent_size") or None,
    )
    if moe.top_k > experts:
        raise BadRequest(
            "{k} experts a token of {experts}", field=inner.where(inner.has(*TOP_K) or TOP_K[0]), k=moe.top_k,
            experts=experts,
        )  # fmt: skip
    dense = FeedForward(width=f.optional(*DENSE_WIDTH) or wide, gated=gated)
    mixtures = _mixtures(f, kind, depth)
    return [moe if i in mixtures else dense for i in range(depth)]


def _beside(f: Fields, kind: str, wide: int, hidden: int) -> int:
    """The dense block that runs beside the experts in every mixture."""
    if f.flag("enable_moe_block", kind == "gemma4_text") or f.flag("residual_moe"):
        return wide
    return hidden if kind == "arctic" and f.flag("use_residual", True) else 0


def _two_thirds(f: Fields, wide: int) -> int:
    """LFM2's width: two thirds of the stated one, times its multiplier, up to a multiple."""
    if not f.flag("block_auto_adjust_ff_dim", True):
        return wide
    factor = f.config.get("block_ffn_dim_multiplier", 1.0)
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 1_000:
        raise BadRequest("expected a number, read '{value}'", field=f.where("block_ffn_dim_multiplier"), value=factor)
    multiple = f.optional("block_multiple_of", default=256) or 256
    return -(-int(factor * int(2 * wide / 3)) // multiple) * multiple


def _top(f: Fields) -> int:
    return _same(f, *TOP_K, kind="experts", low=1) or f.number(*TOP_K, kind="experts")


def _same(f: Fields, *keys: str, kind: str = "width", low: int = 0) -> int:
    """A number, or a list a layer of one and the same number; 0 where it is absent."""
    found = f.has(*keys)
    value: Any = None if found is None else f.config[found]
    if found is None or not isinstance(value, list):
        return f.optional(*keys, kind=kind, low=low)
    if len({str(v) for v in value}) != 1:
        raise BadRequest("differs from layer to layer, which is not modelled", field=f.where(found))
    return Fields({found: value[0]}, f.name).optional(found, kind=kind, low=low)


def _mixtures(f: Fields, kind: str, depth: int) -> set[int]:
    """Which layers are mixtures of experts."""
    words = f.items("mlp_layer_types", depth)
    if words is not None:
        return {i for i, word in enumerate(words) if word in SPARSE}
    listed = f.config.get("moe_layer_freq")
    if isinstance(listed, list):
        return {i for i, on in enumerate(f.items("moe_layer_freq", depth) or []) if on}
    if (named := _enumerated(f, depth)) is not None:
        return named
    if kind == "jamba":
        every = f.number("expert_layer_period", kind="layers")
        return {i for i in range(depth) if i % every == f.optional("expert_layer_offset", kind="layers")}
    if kind == "ernie4_5_moe":
        first, step = f.optional("moe_layer_start_index", kind="layers"), f.optional("moe_layer_interval", default=1)
        last = f.config.get("moe_layer_end_index")
        end = depth if last in (None, -1) else f.number("moe_layer_end_index", kind="layers") + 1
        return {i for i in range(first, min(end, depth)) if (i + 1) % (step or 1) == 0}
    first = f.optional("first_k_dense_replace", "num_dense_layers", "moe_layer_num_skipped", kind="layers")
    every = (
        f.optional(
            "moe_layer_freq", "decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_frequency",
            kind="layers", default=1,
        )
        or 1
    )  # fmt: skip
    plain = set(f.every("mlp_only_layers") or [])
    return {i for i in range(first, depth) if (i - first + 1) % every == 0 and i not in plain}


def _enumerated(f: Fields, depth: int) -> set[int] | None:
    """Layers named one by one: Llama 4's moe_layers, Step-3's moe_layers_enum ("4,5,6")."""
    if f.config.get("moe_layers") is not None:
        return {int(i) for i in f.every("moe_layers") or [] if isinstance(i, int)}
    words = f.text("moe_layers_enum")
    if words is None:
        return None
    parts = [p.strip() for p in words.split(",") if p.strip()]
    if not all(p.isdigit() and len(p) < 6 for p in parts):
        raise BadRequest("expected a list, read '{value}'", field=f.where("moe_layers_enum"), value=words)
    return {int(p) for p in parts if int(p) < depth}


def _shared(f: Fields, family: Family, width: int) -> int:
    explicit = f.optional(*SHARED_WIDTH)
    if explicit:
        return explicit
    return width if family.shared == "one" else _same(f, *SHARED, kind="experts") * width
