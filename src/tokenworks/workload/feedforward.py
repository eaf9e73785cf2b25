"""Channel mixers of a config.json: dense blocks, and mixtures of experts in every published spelling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tokenworks.errors import BadRequest
from tokenworks.workload.architecture import FeedForward
from tokenworks.workload.config import Fields
from tokenworks.workload.families import Family

EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts", "num_routed_experts")
TOP_K = (
    "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "moe_top_k", "moe_k",
    "top_k_experts", "num_selected_experts",
)  # fmt: skip
WIDTH = ("intermediate_size", "n_inner", "ffn_hidden_size", "ffn_dim", "ffn_intermediate_size")
EXPERT_WIDTH = ("moe_intermediate_size", "expert_intermediate_size", "expert_ffn_hidden_size")
SHARED_WIDTH = (
    "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "share_expert_dim",
    "shared_intermediate_size",
)  # fmt: skip
SHARED_COUNT = ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")
SPARSE = ("sparse", "moe", "hash_moe")
FUSED = ("qwen", "phi-msft")  # `intermediate_size` counts gate and up together


def feed_forwards(f: Fields, kind: str, family: Family, depth: int, hidden: int) -> list[FeedForward]:
    """The channel mixer of every layer. Raises BadRequest naming the field."""
    inner = f.part("ffn_config")  # DBRX nests them
    g = inner if inner is not None and inner.has(*EXPERTS) else f
    gated = f.flag("gated_mlp", family.gated)
    experts = _one(g, "experts", *EXPERTS)
    wide = _width(f, kind, hidden)
    dense = FeedForward(
        width=f.optional("intermediate_size_mlp", "dense_intermediate_size", "prefix_dense_intermediate_size") or wide,
        gated=gated,
    )
    if not experts:
        alone = _one(f, "width", "shared_intermediate_size")  # Granite hybrids without experts
        return [replace(dense, width=alone) if alone and kind == "granitemoehybrid" else dense] * depth
    moe = _mixture(f, g, kind, gated, experts, wide)
    chosen = mixtures(f, depth)
    return [moe if i in chosen else dense for i in range(depth)]


def _width(f: Fields, kind: str, hidden: int) -> int:
    ratio = f.optional("expansion_ratio", "mlp_ratio")
    wide = _one(f, "width", *WIDTH) or (ratio or 4) * hidden
    if kind == "lfm2" and f.flag("block_auto_adjust_ff_dim", True):  # Llama's two-thirds rule, rounded up
        of = f.optional("block_multiple_of", default=256) or 256
        return -(-int(2 * wide / 3 * float(f.config.get("block_ffn_dim_multiplier") or 1.0)) // of) * of
    return wide // 2 if kind in FUSED else wide


def _mixture(f: Fields, g: Fields, kind: str, gated: bool, experts: int, wide: int) -> FeedForward:
    width = _one(g, "width", *EXPERT_WIDTH, *(("ffn_hidden_size",) if g is not f else ())) or wide
    top = _one(g, "experts", *TOP_K)
    if not top:
        raise BadRequest("is missing", field=g.where("num_experts_per_tok"))
    if top > experts:
        raise BadRequest("{k} experts a token of {experts}", field=g.where("num_experts_per_tok"), k=top,
                         experts=experts)  # fmt: skip
    beside = wide if f.flag("enable_moe_block") else f.optional("residual_ffn_size")  # a dense block in every mixture
    return FeedForward(
        width=beside,
        gated=gated,
        experts=experts,
        top_k=top,
        expert_width=width,
        shared_width=_shared(f, kind, width),
        latent=f.optional("routed_expert_hidden_size", "moe_latent_size") or None,
    )


def _one(f: Fields, kind: str, *keys: str) -> int:
    """A whole number, or the largest of a list with one a layer (Hunyuan); 0 where absent."""
    found = f.has(*keys)
    value = None if found is None else f.config[found]
    if isinstance(value, list) and value:
        numbers: Mapping[str, object] = {found or "": max((v for v in value if isinstance(v, int)), default=value[0])}
        return Fields(numbers, f.name).optional(found or "", kind=kind)
    return f.optional(*keys, kind=kind)


def mixtures(f: Fields, depth: int) -> set[int]:
    """Which layers are mixtures of experts."""
    named = f.items("mlp_layer_types", depth)
    if named is not None:
        return {i for i, name in enumerate(named) if name in SPARSE}
    if isinstance(f.config.get("moe_layer_freq"), list):
        return {i for i, on in enumerate(f.items("moe_layer_freq", depth) or []) if on}
    if f.has("moe_layers_enum"):  # Step: a word such as 4,5,6
        listed = (f.text("moe_layers_enum") or "").split(",")
        return {int(n) for n in listed if n.strip().isdigit()}
    if f.has("moe_layers"):
        return {n for n in f.every("moe_layers") or [] if isinstance(n, int)}
    if f.has("expert_layer_period"):  # Jamba
        period = f.number("expert_layer_period", kind="layers")
        offset = f.optional("expert_layer_offset", kind="layers")
        return {i for i in range(depth) if i % period == offset % period}
    first = f.optional(
        "first_k_dense_replace", "num_dense_layers", "moe_layer_start_index", "moe_layer_num_skipped", kind="layers"
    )
    last = f.optional("moe_layer_end_index", kind="layers", default=depth - 1, low=-1)
    every = f.optional(
        "moe_layer_freq", "decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval",
        kind="layers", default=1,
    ) or 1  # fmt: skip
    plain = set(f.every("mlp_only_layers") or [])
    stop = depth if last < 0 else min(depth, last + 1)
    return {i for i in range(first, stop) if (i - first + 1) % every == 0 and i not in plain}


def _shared(f: Fields, kind: str, width: int) -> int:
    explicit = f.optional(*SHARED_WIDTH)
    count = _one(f, "experts", *SHARED_COUNT)
    if explicit:
        return explicit
    if kind == "llama4_text":
        return width  # every Llama 4 mixture has one shared expert of the routed width
    if kind.startswith("hunyuan") and f.flag("use_mixed_mlp_moe"):
        return (count or 1) * width
    return count * width
