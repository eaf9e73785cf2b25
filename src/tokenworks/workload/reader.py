"""Hugging Face config.json -> Architecture. An architecture that is not known is refused, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.workload.architecture import Architecture, Attention, FeedForward, Layer
from tokenworks.workload.config import Fields

# model_type -> whether its feed-forward block is gated (three matrices). The list is what was checked.
GATED: Mapping[str, bool] = {
    **dict.fromkeys(
        (
            "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_vl_text", "qwen3_next",
            "qwen3_5_text", "qwen3_5_moe_text", "deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_linear",
            "glm4_moe", "glm_moe_dsa", "gpt_oss", "gemma", "gemma2", "gemma3", "gemma3_text", "minimax", "minimax_m1",
            "minimax_m2", "llama4_text", "step3p7", "pangu_moe", "pangu_ultra_moe", "grok", "phi3", "olmo2",
        ),
        True,
    ),
    **dict.fromkeys(
        ("gpt2", "gpt3", "gpt_neox", "opt", "bloom", "falcon", "mpt", "megatron", "nemotron", "nemotron_h",
         "starcoder2"),
        False,
    ),
}  # fmt: skip
WRAPPERS = ("text_config", "llm_config", "language_config")
LATENT_TYPES = ("deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "glm_moe_dsa", "pangu_ultra_moe")
NOT_MODELLED = (
    "compress_ratios", "hc_mult", "attention_k_eq_v", "sparse_attention_config", "num_kv_shared_layers",
    "enable_moe_block", "hidden_size_per_layer_input", "use_double_wide_mlp", "is_encoder_decoder",
    "add_cross_attention",
)  # fmt: skip
# quant_method or quant_algo -> the precision of the weights that dominate
QUANTISED = {
    "nvfp4": "nvfp4", "mxfp4": "mxfp4", "fp8_pb_wo": "fp8_block", "fp8": "fp8", "fp8_block": "fp8_block",
    "int8": "int8", "awq": "int4", "gptq": "int4", "w4a16_awq": "int4", "compressed-tensors": "int4",
}  # fmt: skip


def read(config: Mapping[str, Any], name: str, quantisation: Mapping[str, Any] | None = None) -> Architecture:
    """Read a config.json (and hf_quant_config.json) into an Architecture.

    The text model inside a vision-language model is read; the vision tower's parameters are then unknown
    (None). Raises BadRequest naming the field that is missing, out of range or not modelled.

    >>> tiny = {"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    ...         "intermediate_size": 16, "vocab_size": 32}
    >>> read(tiny, "tiny").depth
    2
    """
    outer = Fields(config, name)
    wrapper = outer.has(*WRAPPERS)
    f = outer if wrapper is None else Fields(outer.config[wrapper], outer.where(wrapper))
    kind = f.text("model_type") or outer.text("model_type")
    if kind is None:
        raise BadRequest("is missing", field=f.where("model_type"))
    if kind not in GATED:
        raise not_allowed(f.where("model_type"), kind, GATED)
    f.refuse(*NOT_MODELLED)
    named = len(_letters(f)) if kind == "nemotron_h" else 0
    depth = named or f.number("num_hidden_layers", "n_layer", "n_layers", kind="layers")
    hidden = f.number("hidden_size", "n_embd", "d_model")
    layers = _layers(f, kind, depth, hidden)
    tied_default = kind in (
        "gemma",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "gpt2",
        "bloom",
        "mpt",
        "falcon",
        "opt",
    )
    return Architecture(
        name=name,
        hidden=hidden,
        vocab=f.number("vocab_size", kind="vocab"),
        layers=_grouped(layers),
        tied=f.flag("tie_word_embeddings", outer.flag("tie_word_embeddings", tied_default)),
        mtp_layers=f.optional("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", kind="layers"),
        max_context=f.optional("max_position_embeddings", "n_positions", "max_seq_len", kind="context") or None,
        learned_positions=_learned(f, kind),
        vision_parameters=None if wrapper and outer.has("vision_config", "vision_tower") else 0,
        weight_precision=_precision(outer, f, quantisation),
        extra_parameters=_vectors(layers, hidden) + f.optional("tokenworks_other_parameters", kind="parameters"),
    )


def _grouped(layers: list[Layer]) -> tuple[tuple[Layer, int], ...]:
    counts: dict[Layer, int] = {}
    for layer, run in groupby(layers):
        counts[layer] = counts.get(layer, 0) + len(list(run))
    return tuple(counts.items())


def _learned(f: Fields, kind: str) -> int:
    if kind in ("gpt2", "gpt3", "opt", "megatron") or f.flag("learned_pos_emb", kind == "mpt"):
        return f.optional("max_position_embeddings", "n_positions", "max_seq_len", kind="context")
    return 0


def _vectors(layers: list[Layer], hidden: int) -> int:
    """Norm weights and biases: two norms a layer and one at the end, and the biases of marked attentions."""
    norms = sum((layer.attention is not None) + (layer.ffn is not None) for layer in layers) + 1
    biases = sum(
        (a.heads * a.head_dim + a.kv_heads * (a.head_dim + a.v_head_dim))
        for layer in layers
        if (a := layer.attention) is not None and a.bias
    )
    return norms * hidden + biases


# ------------------------------------------------------------------------------------------- layers


def _layers(f: Fields, kind: str, depth: int, hidden: int) -> list[Layer]:
    if kind == "nemotron_h":
        return _pattern(f, depth, hidden)
    attention = _attentions(f, kind, depth, hidden)
    ffn = _feed_forwards(f, kind, depth, hidden)
    return [Layer(a, m) for a, m in zip(attention, ffn, strict=True)]


def _attentions(f: Fields, kind: str, depth: int, hidden: int) -> list[Attention]:
    full = _latent(f, kind) if _is_latent(f, kind) else _grouped_query(f, kind, hidden)
    if (linear := f.part("linear_attn_config")) is not None:  # Kimi delta attention, layers counted from 1
        chosen = set(linear.every("kda_layers") or [])
        size = linear.number("num_heads", kind="heads"), linear.number("head_dim")
        kda = Attention(
            "linear", size[0], size[0], size[1], size[1], state=size[0] * size[1] ** 2, gated=True, decays=1
        )
        return [kda if i + 1 in chosen else full for i in range(depth)]
    if kind in ("minimax", "minimax_m1"):
        types = f.items("attn_type_list", depth)
        if types is not None:
            d = full.head_dim
            fast = Attention("linear", full.heads, full.heads, d, d, state=full.heads * d * d, gated=True)
            return [full if t == 1 else fast for t in types]
    names = f.items("layer_types", depth) or _interval(f, depth)
    if names is None:
        names = ["sliding_attention" if full.kind == "window" else "full_attention"] * depth
    return [_named(f, full, str(n)) for n in names]


def _interval(f: Fields, depth: int) -> list[str] | None:
    """Patterns that older configs state by a period instead of a list."""
    period = f.optional("sliding_window_pattern", "_sliding_window_pattern", kind="layers")
    if period:
        return ["full_attention" if (i + 1) % period == 0 else "sliding_attention" for i in range(depth)]
    every = f.optional("full_attention_interval", kind="layers")
    if every:
        return ["full_attention" if (i + 1) % every == 0 else "linear_attention" for i in range(depth)]
    if f.optional("attention_chunk_size", kind="context"):  # Llama 4: every fourth layer is global (iRoPE)
        return ["full_attention" if (i + 1) % 4 == 0 else "chunked_attention" for i in range(depth)]
    return None


def _named(f: Fields, full: Attention, name: str) -> Attention:
    if name in ("full_attention", "attention", "deepseek_sparse_attention"):
        return _with_window(full, None) if full.kind == "window" else full
    if name == "sliding_attention":
        return _with_window(full, f.number("sliding_window", kind="context"))
    if name == "chunked_attention":
        return _with_window(full, f.number("attention_chunk_size", kind="context"))
    if name == "linear_attention":
        keys = f.number("linear_num_key_heads", kind="heads"), f.number("linear_key_head_dim")
        values = f.number("linear_num_value_heads", kind="heads"), f.number("linear_value_head_dim")
        state = values[0] * keys[1] * values[1]
        return Attention("linear", values[0], keys[0], keys[1], values[1], state=state, gated=True, decays=2)
    raise not_allowed(
        f.where("layer_types"), name,
        ("full_attention", "sliding_attention", "chunked_attention", "linear_attention"),
    )  # fmt: skip


def _with_window(a: Attention, window: int | None) -> Attention:
    return Attention(
        "full" if window is None else "window", a.heads, a.kv_heads, a.head_dim, a.v_head_dim,
        window=window, gated=a.gated, bias=a.bias,
    )  # fmt: skip


def _is_latent(f: Fields, kind: str) -> bool:
    return kind in LATENT_TYPES or f.has("kv_lora_rank") is not None


def _latent(f: Fields, kind: str) -> Attention:
    nope, rope = f.number("qk_nope_head_dim"), f.optional("qk_rope_head_dim")
    indexed = f.optional("index_n_heads", kind="heads")
    return Attention(
        kind="sparse" if indexed else "mla",
        heads=f.number("num_attention_heads", kind="heads"),
        kv_heads=f.optional("num_key_value_heads", kind="heads") or f.number("num_attention_heads", kind="heads"),
        head_dim=nope + rope,
        v_head_dim=f.number("v_head_dim"),
        window=f.number("index_topk", kind="context") if indexed else None,
        q_lora_rank=f.optional("q_lora_rank") or None,
        kv_lora_rank=f.number("kv_lora_rank"),
        rope_head_dim=rope,
        gated=f.flag("mla_use_output_gate"),
        index_heads=indexed,
        index_dim=f.number("index_head_dim") if indexed else 0,
    )


def _grouped_query(f: Fields, kind: str, hidden: int) -> Attention:
    heads = f.number("num_attention_heads", "n_head", "n_heads", kind="heads")
    if f.has("head_dim") is None and hidden % heads:
        raise BadRequest(
            "{heads} heads do not divide a hidden size of {hidden}, and head_dim is not given",
            field=f.where("num_attention_heads"), heads=heads, hidden=hidden,
        )  # fmt: skip
    dim = f.optional("head_dim") or hidden // heads
    shared = 1 if kind == "falcon" and f.flag("multi_query") and not f.has("num_kv_heads") else heads
    kv = f.optional("num_key_value_heads", "num_kv_heads", kind="heads") or shared
    if heads % kv:
        raise BadRequest(
            "{kv} key-value heads do not divide {heads} heads",
            field=f.where("num_key_value_heads"), kv=kv, heads=heads,
        )  # fmt: skip
    window = f.optional("sliding_window", kind="context") or None
    if f.has("use_sliding_window") and not f.flag("use_sliding_window"):
        window = None
    gated = f.flag("attn_output_gate") or f.flag("attention_output_gate")
    bias = f.flag("attention_bias", kind in ("qwen2", "qwen2_moe", "gpt2", "gpt3", "bloom", "megatron"))
    everywhere = window if kind in ("mistral", "mixtral") else None  # others name their windowed layers
    return Attention("window" if everywhere else "full", heads, kv, dim, dim, window=everywhere, gated=gated, bias=bias)


def _feed_forwards(f: Fields, kind: str, depth: int, hidden: int) -> list[FeedForward]:
    gated = f.flag("gated_mlp", GATED[kind])
    experts = f.optional("n_routed_experts", "num_local_experts", "num_experts", kind="experts")
    wide = f.optional("intermediate_size", "n_inner", "ffn_hidden_size", "ffn_dim") or 4 * hidden
    if not experts:
        return [FeedForward(width=wide, gated=gated)] * depth
    width = f.optional("moe_intermediate_size", "expert_intermediate_size") or wide
    moe = FeedForward(
        width=f.optional("residual_ffn_size"),
        gated=gated,
        experts=experts,
        top_k=f.number("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", kind="experts"),
        expert_width=width,
        shared_width=_shared(f, kind, width),
        latent=f.optional("routed_expert_hidden_size", "moe_latent_size") or None,
    )
    if moe.top_k > experts:
        raise BadRequest(
            "{k} experts a token of {experts}",
            field=f.where("num_experts_per_tok"),
            k=moe.top_k,
            experts=experts,
        )
    dense = FeedForward(width=f.optional("intermediate_size_mlp", "dense_intermediate_size") or wide, gated=gated)
    mixtures = _mixtures(f, depth)
    return [moe if i in mixtures else dense for i in range(depth)]


def _mixtures(f: Fields, depth: int) -> set[int]:
    """Which layers are mixtures of experts."""
    listed = f.config.get("moe_layer_freq")
    if isinstance(listed, list):
        return {i for i, on in enumerate(f.items("moe_layer_freq", depth) or []) if on}
    first = f.optional("first_k_dense_replace", kind="layers")
    every = (
        f.optional("moe_layer_freq", "decoder_sparse_step", "interleave_moe_layer_step", kind="layers", default=1) or 1
    )
    plain = set(f.every("mlp_only_layers") or [])
    return {i for i in range(first, depth) if (i - first + 1) % every == 0 and i not in plain}


def _shared(f: Fields, kind: str, width: int) -> int:
    explicit = f.optional(
        "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "share_expert_dim",
        "shared_intermediate_size",
    )  # fmt: skip
    if explicit:
        return explicit
    count = f.optional("n_shared_experts", "num_shared_experts", kind="experts")
    if kind == "llama4_text":
        return width  # every Llama 4 mixture has one shared expert of the routed width
    return count * width


BLOCKS = {"mamba": "M", "attention": "*", "moe": "E", "mlp": "-"}


def _letters(f: Fields) -> str:
    """The layer pattern of a Nemotron-H model, from its letters or from its list of block types."""
    names = f.every("layers_block_type")
    if names is None:
        return f.text("hybrid_override_pattern") or ""
    for name in names:
        if name not in BLOCKS:
            raise not_allowed(f.where("layers_block_type"), name, BLOCKS)
    return "".join(BLOCKS[name] for name in names)


def _pattern(f: Fields, depth: int, hidden: int) -> list[Layer]:
    """Nemotron-H: one letter a layer, M Mamba-2, * attention, E mixture, - dense."""
    letters = _letters(f)
    heads, dim = f.number("mamba_num_heads", kind="heads"), f.number("mamba_head_dim")
    groups, state = f.number("n_groups", kind="heads"), f.number("ssm_state_size")
    size = heads * dim * state
    mamba = Attention("mamba", heads, groups, state, dim, state=size, gated=True, decays=1)
    parts = {"M": Layer(mamba, None), "*": Layer(_grouped_query(f, "nemotron_h", hidden), None)}
    if "E" in letters:
        parts["E"] = Layer(None, _feed_forwards(f, "nemotron_h", 1, hidden)[0])
    if "-" in letters:
        parts["-"] = Layer(None, FeedForward(f.number("intermediate_size"), gated=False))
    unknown = set(letters) - set(parts)
    if unknown:
        raise not_allowed(f.where("hybrid_override_pattern"), sorted(unknown)[0], parts)
    return [parts[letter] for letter in letters]


# --------------------------------------------------------------------------------------- precision


def _precision(outer: Fields, f: Fields, quantisation: Mapping[str, Any] | None) -> str:
    if quantisation is not None:
        inner = Fields(quantisation, outer.where("quantisation")).part("quantization")
        algorithm = inner.text("quant_algo") if inner else None
        if algorithm:
            return _quantised(outer.where("quantisation.quant_algo"), algorithm)
    part = outer.part("quantization_config") or f.part("quantization_config")
    if part is not None:
        algorithm = part.text("quant_algo", "quant_method") or ""
        if algorithm.lower() == "fp8" and part.has("weight_block_size"):
            return "fp8_block"
        if algorithm.lower() == "modelopt":
            return "nvfp4" if "NVFP4" in str(part.config) else "fp8"
        return _quantised(part.where("quant_method"), algorithm)
    stated = outer.text("torch_dtype", "dtype") or f.text("torch_dtype", "dtype") or "bfloat16"
    return {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}.get(stated, "bf16")


def _quantised(field: str, algorithm: str) -> str:
    key = algorithm.lower()
    if key == "mixed_precision":
        return "nvfp4"
    if key not in QUANTISED:
        raise not_allowed(field, algorithm, QUANTISED)
    return QUANTISED[key]
