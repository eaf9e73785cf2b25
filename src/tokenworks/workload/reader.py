"""Hugging Face config.json -> Architecture. An architecture that is not known is refused, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import groupby
from types import MappingProxyType
from typing import Any

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.workload import mixers
from tokenworks.workload.architecture import Architecture, Attention, FeedForward, Layer
from tokenworks.workload.config import Fields
from tokenworks.workload.families import FAMILIES, SPELLED, Family
from tokenworks.workload.feedforward import feed_forwards
from tokenworks.workload.matrices import RECURRENT, matrices

WRAPPERS = ("text_config", "llm_config", "language_config", "thinker_config", "language_model_config")
NOT_MODELLED = (
    "num_kv_shared_layers", "hidden_size_per_layer_input", "use_double_wide_mlp", "is_encoder_decoder",
    "add_cross_attention", "cross_attention_layers",
)  # fmt: skip
# quant_method or quant_algo -> the precision of the weights that dominate
QUANTISED = {
    "nvfp4": "nvfp4", "mxfp4": "mxfp4", "fp8_pb_wo": "fp8_block", "fp8": "fp8", "fp8_block": "fp8_block",
    "int8": "int8", "awq": "int4", "gptq": "int4", "w4a16_awq": "int4", "compressed-tensors": "int4",
    "fbgemm_fp8": "fp8", "mxfp8": "mxfp8", "bitsandbytes": "int8", "w4a8_awq": "int4",
}  # fmt: skip
VECTOR_ROLES = ("attention", "dense", "expert", "shared")  # linear layers that carry a bias where all do
CONVOLUTION = 4  # taps of the short convolutions of recurrent mixers
HYPER = "hc_mult"  # hyper-connections: copies of the residual stream


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
    if wrapper is not None and f.has(*WRAPPERS):  # an omni model: the text model two levels down
        inside = str(f.has(*WRAPPERS))
        f = Fields(f.config[inside], f.where(inside))
    kind = _kind(f, outer)
    f.refuse(*NOT_MODELLED)
    family = FAMILIES[kind]
    hidden = f.number("hidden_size", "n_embd", "d_model")
    layers = READERS[family.reader](f, kind, family, hidden)
    return Architecture(
        name=name,
        hidden=hidden,
        vocab=f.number("vocab_size", "padded_vocab_size", kind="vocab"),
        layers=_grouped(layers),
        tied=f.flag("tie_word_embeddings", outer.flag("tie_word_embeddings", family.tied)),
        mtp_layers=f.optional("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", kind="layers"),
        max_context=f.optional(
            "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length", kind="context"
        )
        or None,
        learned_positions=_learned(f, kind, family),
        vision_parameters=None if wrapper and outer.has("vision_config", "vision_tower") else 0,
        weight_precision=_precision(outer, f, quantisation),
        extra_parameters=_vectors(layers, hidden, family, f.optional(HYPER, kind="heads"))
        + f.optional("tokenworks_other_parameters", kind="parameters"),
        idle_parameters=_idle(layers, hidden, family),
    )


def _kind(f: Fields, outer: Fields) -> str:
    """The family: `model_type` in any spelling, else the class named in `architectures` (LlamaForCausalLM)."""
    stated = f.text("model_type") or outer.text("model_type")
    if stated is None:
        raise BadRequest("is missing", field=f.where("model_type"))
    kind = SPELLED.get(stated.lower(), stated)
    if kind in FAMILIES:
        return kind
    classes = f.every("architectures") or outer.every("architectures") or []
    spelled = {name.replace("_", ""): name for name in FAMILIES}
    for one in classes:
        found = spelled.get(str(one).removesuffix("ForCausalLM").lower())
        if found is not None:
            return found
    raise not_allowed(f.where("model_type"), stated, FAMILIES)


def _grouped(layers: list[Layer]) -> tuple[tuple[Layer, int], ...]:
    counts: dict[Layer, int] = {}
    for layer, run in groupby(layers):
        counts[layer] = counts.get(layer, 0) + len(list(run))
    return tuple(counts.items())


def _learned(f: Fields, kind: str, family: Family) -> int:
    if family.learned or (f.flag("learned_pos_emb") and not _linear_bias(f)):
        rows = f.optional("max_position_embeddings", "n_positions", "max_seq_len", kind="context")
        return rows + (2 if kind == "opt" else 0)  # OPT keeps two rows for padding
    return 0


def _linear_bias(f: Fields) -> bool:
    """Whether MPT replaces learned positions by linear biases (ALiBi)."""
    part = f.part("attn_config")
    return part is not None and part.flag("alibi")


def _vectors(layers: list[Layer], hidden: int, family: Family, streams: int) -> int:
    """Norm weights, biases, short convolutions, and the small matrices of hyper-connections (DeepSeek-V4:
    each half of a layer mixes `streams` residual streams, 2 x streams + streams^2 weights a stream element)."""
    total = hidden
    for layer in layers:
        halves = (layer.attention is not None) + (layer.ffn is not None)
        total += max(1, family.norms * halves // 2) * hidden
        a = layer.attention
        if family.bias == "all":
            roles = VECTOR_ROLES
            total += sum(m.columns * m.copies for m in matrices(layer, hidden) if m.role in roles)
        elif a is not None and a.bias:
            total += a.heads * a.head_dim + a.kv_heads * (a.head_dim + a.v_head_dim)
        if a is not None and a.kind in RECURRENT:
            total += CONVOLUTION * (2 * a.kv_heads * a.head_dim + a.heads * a.v_head_dim)
            total += a.state if a.kind == "mamba" and a.v_head_dim == 1 else 0  # Mamba keeps a decay per state element
        if streams:
            total += halves * (2 * streams + streams**2) * streams * hidden
    return total + streams * streams * hidden


def _idle(layers: list[Layer], hidden: int, family: Family) -> int:
    """Biases of the experts that a token does not visit."""
    if family.bias != "all":
        return 0
    experts = [m for layer in layers for m in matrices(layer, hidden) if m.role == "expert"]
    return round(sum(m.columns * (m.copies - m.active) for m in experts))


# ------------------------------------------------------------------------------------------- layers

Reader = Callable[[Fields, str, Family, int], list[Layer]]
PERIOD_LETTERS = {
    "mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*", "moe": "E", "mlp": "-",
}  # fmt: skip


def _depth(f: Fields) -> int:
    return f.number("num_hidden_layers", "n_layer", "n_layers", "num_layers", kind="layers")


def _uniform(f: Fields, kind: str, family: Family, hidden: int) -> list[Layer]:
    depth = _depth(f)
    attention = mixers.attentions(f, kind, family, depth, hidden)
    ffn = feed_forwards(f, kind, family, depth, hidden)
    found = [Layer(a, m) for a, m in zip(attention, ffn, strict=True)]
    return _sparse_as_listed(f, found)


def _sparse_as_listed(f: Fields, layers: list[Layer]) -> list[Layer]:
    """MiniMax-M3 lists which layers read chosen blocks; the others read every key."""
    scorer = f.part("sparse_attention_config")
    listed = None if scorer is None else scorer.items("sparse_attention_freq", len(layers))
    if listed is None:
        return layers
    return [
        layer if on or layer.attention is None else Layer(_dense(layer.attention), layer.ffn)
        for layer, on in zip(layers, listed, strict=True)
    ]


def _dense(a: Attention) -> Attention:
    return Attention("full", a.heads, a.kv_heads, a.head_dim, a.v_head_dim, gated=a.gated, bias=a.bias)


def _compressed(f: Fields, kind: str, family: Family, hidden: int) -> list[Layer]:
    depth = _depth(f)
    attention = mixers.compressed(f, depth, hidden)
    return [Layer(a, m) for a, m in zip(attention, feed_forwards(f, kind, family, depth, hidden), strict=True)]


def _hybrid(f: Fields, kind: str, family: Family, hidden: int) -> list[Layer]:
    """Recurrent mixers with attention at some layers, a channel mixer in each (Jamba, Bamba, Granite 4, LFM2)."""
    depth = _depth(f)
    full = mixers.grouped_query(f, kind, family, hidden)
    if kind.startswith("lfm2"):
        recurrent = mixers.short_convolution(hidden)
    else:
        recurrent = mixers.mamba1(f, hidden) if kind == "jamba" else mixers.mamba2(f, hidden)
    at = _attention_layers(f, depth)
    ffn = feed_forwards(f, kind, family, depth, hidden)
    return [Layer(full if i in at else recurrent, ffn[i]) for i in range(depth)]


def _attention_layers(f: Fields, depth: int) -> set[int]:
    names = f.items("layer_types", depth) or f.items("layers_block_type", depth)
    if names is not None:
        return {i for i, name in enumerate(names) if name in mixers.FULL}
    if f.has("attn_layer_period"):
        period, offset = f.number("attn_layer_period", kind="layers"), f.optional("attn_layer_offset", kind="layers")
        return {i for i in range(depth) if i % period == offset % period}
    listed = f.every("attn_layer_indices") or f.every("full_attn_idxs") or []
    return {i for i in listed if isinstance(i, int)}


def _side_by_side(f: Fields, kind: str, family: Family, hidden: int) -> list[Layer]:
    """Falcon-H1: attention and Mamba-2 read the same input in every layer; written here as two layers."""
    depth = _depth(f)
    mamba, full = Layer(mixers.mamba2(f, hidden), None), mixers.grouped_query(f, kind, family, hidden)
    ffn = feed_forwards(f, kind, family, depth, hidden)
    return [part for i in range(depth) for part in (mamba, Layer(full, ffn[i]))]


def _shortcut(f: Fields, kind: str, family: Family, hidden: int) -> list[Layer]:
    """LongCat-Flash (arXiv 2509.01322): a layer is two attentions and two dense blocks, with a mixture beside
    the first; of the experts that the router picks, those that do nothing cost nothing (counted on average)."""
    depth = _depth(f)
    idle = f.optional("zero_expert_num", kind="experts")
    attention = mixers.latent(f)
    moe = feed_forwards(f, kind, family, 1, hidden)[0]
    dense = FeedForward(f.number("ffn_hidden_size", "intermediate_size"), gated=family.gated)
    busy = max(1, round(moe.top_k * moe.experts / (moe.experts + idle)))
    first = Layer(attention, replace(moe, width=dense.width, top_k=busy))
    return [part for _ in range(depth) for part in (first, Layer(attention, dense))]


def _recurrent(f: Fields, kind: str, family: Family, hidden: int) -> list[Layer]:
    mixer = mixers.mamba2(f, hidden) if kind == "mamba2" else mixers.mamba1(f, hidden)
    return [Layer(mixer, None)] * _depth(f)


def _letters(f: Fields) -> str:
    """The layer pattern of a Nemotron-H model, from its letters or from its list of block types."""
    names = f.every("layers_block_type")
    if names is None:
        return f.text("hybrid_override_pattern") or ""
    for name in names:
        if name not in PERIOD_LETTERS:
            raise not_allowed(f.where("layers_block_type"), name, PERIOD_LETTERS)
    return "".join(PERIOD_LETTERS[str(name)] for name in names)


def _pattern(f: Fields, kind: str, family: Family, hidden: int) -> list[Layer]:
    """Nemotron-H: one letter a layer, M Mamba-2, * attention, E mixture, - dense."""
    letters = _letters(f)
    if not letters:
        raise BadRequest("is missing", field=f.where("hybrid_override_pattern"))
    heads, dim = f.number("mamba_num_heads", kind="heads"), f.number("mamba_head_dim")
    groups, state = f.number("n_groups", kind="heads"), f.number("ssm_state_size")
    mamba = Attention("mamba", heads, groups, state, dim, state=heads * dim * state, gated=True, decays=1)
    parts = {"M": Layer(mamba, None), "*": Layer(mixers.grouped_query(f, kind, family, hidden), None)}
    if "E" in letters:
        parts["E"] = Layer(None, feed_forwards(f, kind, family, 1, hidden)[0])
    if "-" in letters:
        parts["-"] = Layer(None, FeedForward(f.number("intermediate_size"), gated=False))
    unknown = set(letters) - set(parts)
    if unknown:
        raise not_allowed(f.where("hybrid_override_pattern"), sorted(unknown)[0], parts)
    return [parts[letter] for letter in letters]


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "uniform": _uniform,
        "compressed": _compressed,
        "hybrid": _hybrid,
        "side_by_side": _side_by_side,
        "recurrent": _recurrent,
        "shortcut": _shortcut,
        "pattern": _pattern,
    }
)


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
