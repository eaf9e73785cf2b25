"""Hugging Face config.json -> Architecture. An architecture that is not known is refused, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.workload.architecture import Architecture, FeedForward, Layer
from tokenworks.workload.channels import feed_forwards
from tokenworks.workload.compressed import compressed
from tokenworks.workload.config import Fields
from tokenworks.workload.families import FAMILIES, NESTED, SPELLED, Family
from tokenworks.workload.mixers import attentions, grouped_query, latent, state_space
from tokenworks.workload.precision import weight_precision
from tokenworks.workload.vectors import idle, vectors

WRAPPERS = ("text_config", "llm_config", "language_config", "thinker_config")
DEEPEST = 3  # wrappers inside wrappers
HIDDEN = ("hidden_size", "n_embd", "d_model", "n_embed")
DEPTH = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
VOCAB = ("vocab_size", "padded_vocab_size")
CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")
MTP = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules")
NOT_MODELLED = (
    "num_kv_shared_layers", "hidden_size_per_layer_input", "use_double_wide_mlp",
    "is_encoder_decoder", "add_cross_attention", "cross_attention_layers", "use_cla",
    "altup_num_inputs",
)  # fmt: skip
NO_CHANNEL_MIXER = ("mamba", "mamba2", "falcon_mamba")


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
    f, kind = _text_model(outer)
    family = FAMILIES[kind]
    f.refuse(*NOT_MODELLED)
    hidden = f.number(*HIDDEN)
    if f.optional("word_embed_proj_dim", default=hidden) != hidden:
        raise BadRequest("describes an architecture that is not modelled", field=f.where("word_embed_proj_dim"))
    layers = _layers(f, family, kind, hidden)
    vocab = f.number(*VOCAB, kind="vocab")
    head_bias = vocab if f.flag("lm_head_bias", family.head_bias) else 0
    extra = vectors(f, family, kind, layers, hidden) + head_bias
    return Architecture(
        name=name,
        hidden=hidden,
        vocab=vocab,
        layers=_grouped(layers),
        tied=f.flag("tie_word_embeddings", outer.flag("tie_word_embeddings", family.tied)),
        mtp_layers=f.optional(*MTP, kind="layers"),
        residual_streams=f.optional("hc_mult", default=1),
        mtp_block=_mtp_block(f, family, kind, layers, hidden),
        max_context=f.optional(*CONTEXT, kind="context") or None,
        learned_positions=_learned(f, family),
        vision_parameters=None if outer.has("vision_config", "vision_tower", *WRAPPERS) and _sees(outer) else 0,
        weight_precision=weight_precision(outer, f, quantisation),
        idle_parameters=idle(family, layers, hidden),
        extra_parameters=extra + f.optional("tokenworks_other_parameters", kind="parameters"),
    )


def _text_model(outer: Fields) -> tuple[Fields, str]:
    """The fields of the language model, out of its wrappers, with what its config class leaves unsaid."""
    f, nested = outer, False
    for _ in range(DEEPEST):
        wrapper = f.has(*WRAPPERS)
        if wrapper is None:
            break
        inner = f.part(wrapper)
        if inner is None:
            break
        f, nested = inner, True
    kind = _kind(f, outer)
    if nested and kind in NESTED:
        f = Fields({**NESTED[kind], **f.config}, f.name)
    return f, kind


def _kind(f: Fields, outer: Fields) -> str:
    """The family: `model_type` in any spelling, else the class named in `architectures` (LlamaForCausalLM)."""
    stated = f.text("model_type") or outer.text("model_type")
    if stated is None:
        raise BadRequest("is missing", field=f.where("model_type"))
    kind = SPELLED.get(stated, stated)
    if kind in FAMILIES:
        return kind
    spelled = {name.replace("_", "").lower(): name for name in FAMILIES}
    for one in f.every("architectures") or outer.every("architectures") or []:
        found = spelled.get(str(one).removesuffix("ForCausalLM").lower())
        if found is not None:
            return found
    raise not_allowed(f.where("model_type"), stated, FAMILIES)


def _sees(outer: Fields) -> bool:
    """Whether a vision (or audio) tower stands beside the text model."""
    inner = outer.part("thinker_config") or outer
    return inner.has("vision_config", "vision_tower", "mm_vision_tower", "audio_config") is not None


def _grouped(layers: list[Layer]) -> tuple[tuple[Layer, int], ...]:
    counts: dict[Layer, int] = {}
    for layer, run in groupby(layers):
        counts[layer] = counts.get(layer, 0) + len(list(run))
    return tuple(counts.items())


def _learned(f: Fields, family: Family) -> int:
    """Rows of a learned position table (OPT's has two more than its context)."""
    biases = f.part("attn_config")
    linear = biases is not None and biases.flag("alibi")  # MPT's linear biases replace its positions
    if family.positions is None and (linear or not f.flag("learned_pos_emb")):
        return 0
    rows = f.optional(*CONTEXT, kind="context")
    return rows + (family.positions or 0) if rows else 0


# ------------------------------------------------------------------------------------------- layers


def _layers(f: Fields, family: Family, kind: str, hidden: int) -> list[Layer]:
    if kind == "nemotron_h":
        return _pattern(f, family, _letters(f, "hybrid_override_pattern", "layers_block_type"), hidden)
    if f.config.get("block_configs") is not None:
        return _blocks(f, family, kind, hidden)
    depth = f.number(*DEPTH, kind="layers")
    if family.layers == "side_by_side":
        return _side_by_side(f, family, kind, depth, hidden)
    if family.layers == "shortcut":
        return _shortcut(f, family, kind, depth, hidden)
    if family.layers == "compressed":
        channels = feed_forwards(f, family, kind, depth, hidden)
        return [Layer(a, m) for a, m in zip(compressed(f, depth, hidden), channels, strict=True)]
    mixers = attentions(f, family, kind, depth, hidden)
    if kind in NO_CHANNEL_MIXER:
        return [Layer(a, None) for a in mixers]
    return [Layer(a, m) for a, m in zip(mixers, feed_forwards(f, family, kind, depth, hidden), strict=True)]


def _side_by_side(f: Fields, family: Family, kind: str, depth: int, hidden: int) -> list[Layer]:
    """Falcon-H1: attention and Mamba-2 read the same input in every layer; written here as two layers."""
    mamba, full = Layer(state_space(f, hidden), None), grouped_query(f, family, kind, hidden)
    channels = feed_forwards(f, family, kind, depth, hidden)
    return [part for i in range(depth) for part in (mamba, Layer(full, channels[i]))]


def _shortcut(f: Fields, family: Family, kind: str, depth: int, hidden: int) -> list[Layer]:
    """LongCat-Flash (arXiv 2509.01322): a layer is two attentions and two dense blocks, with a mixture beside
    the first; of the experts that the router picks, those that do nothing cost nothing (counted on average)."""
    idle_experts = f.optional("zero_expert_num", kind="experts")
    attention, moe = latent(f), feed_forwards(f, family, kind, 1, hidden)[0]
    dense = FeedForward(f.number("ffn_hidden_size", "intermediate_size"), gated=family.gated)
    busy = max(1, round(moe.top_k * moe.experts / (moe.experts + idle_experts)))
    first = Layer(attention, replace(moe, width=dense.width, top_k=busy))
    return [part for _ in range(depth) for part in (first, Layer(attention, dense))]


BLOCKS = {
    "mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*", "moe": "E", "mlp": "-",
}  # fmt: skip


def _letters(f: Fields, text: str, listed: str) -> str:
    """The layer pattern of a Nemotron-H model, from its letters or from its list of block types."""
    names = f.every(listed)
    if names is None:
        return f.text(text) or ""
    for name in names:
        if name not in BLOCKS:
            raise not_allowed(f.where(listed), name, BLOCKS)
    return "".join(BLOCKS[str(name)] for name in names)


def _pattern(f: Fields, family: Family, letters: str, hidden: int) -> list[Layer]:
    """Nemotron-H: one letter a layer, M Mamba-2, * attention, E mixture, - dense."""
    if not letters:
        raise BadRequest("is missing", field=f.where("hybrid_override_pattern"))
    unknown = set(letters) - set(BLOCKS.values())
    if unknown:
        raise not_allowed(f.where("hybrid_override_pattern"), sorted(unknown)[0], BLOCKS.values())
    parts = {}
    if "M" in letters:
        parts["M"] = Layer(state_space(f, hidden), None)
    if "*" in letters:
        parts["*"] = Layer(grouped_query(f, family, "nemotron_h", hidden), None)
    if "E" in letters:
        parts["E"] = Layer(None, feed_forwards(f, family, "nemotron_h", 1, hidden)[0])
    if "-" in letters:
        parts["-"] = Layer(None, FeedForward(f.number("intermediate_size"), gated=False))
    return [parts[letter] for letter in letters]


def _mtp_block(f: Fields, family: Family, kind: str, layers: list[Layer], hidden: int) -> tuple[Layer, ...]:
    """The layers inside one MTP module: those that the file names, else one like the model's last."""
    if not f.optional(*MTP, kind="layers"):
        return ()
    if kind == "nemotron_h":
        letters = _letters(f, "mtp_hybrid_override_pattern", "mtp_layers_block_type")
        return tuple(_pattern(f, family, letters, hidden)) if letters else (layers[-1],)
    return (layers[-1],)


def _blocks(f: Fields, family: Family, kind: str, hidden: int) -> list[Layer]:
    """Llama-Nemotron models found by architecture search: every layer has its own block_configs entry."""
    listed = f.config["block_configs"]
    if not isinstance(listed, list) or not 0 < len(listed) <= 1_000:
        raise BadRequest("expected a list, read '{value}'", field=f.where("block_configs"), value=listed)
    found = []
    for i, entry in enumerate(listed):
        block = Fields(entry, f.where(f"block_configs[{i}]"))
        mixer, channel = block.part("attention"), block.part("ffn")
        if mixer is None or channel is None:
            raise BadRequest("is missing", field=block.where("attention" if mixer is None else "ffn"))
        for part in (mixer, channel):
            part.refuse("replace_with_linear", "sparsify", "mamba", "moe")
        attention = None if mixer.flag("no_op") else _grouped_block(f, family, kind, mixer, hidden)
        ffn = None if channel.flag("no_op") else FeedForward(_multiplied(channel, hidden), gated=family.gated)
        found.append(Layer(attention, ffn))
    return found


def _grouped_block(f: Fields, family: Family, kind: str, part: Fields, hidden: int) -> Any:
    heads = f.number("num_attention_heads", kind="heads")
    group = part.number("n_heads_in_group", kind="heads")
    return grouped_query(
        Fields({**f.config, "num_key_value_heads": max(1, heads // group)}, f.name), family, kind, hidden
    )


def _multiplied(part: Fields, hidden: int) -> int:
    """DeciLM's width: two thirds of ffn_mult x hidden, up to a multiple of 256."""
    explicit = part.optional("intermediate_size")
    if explicit:
        return explicit
    factor = part.config.get("ffn_mult")
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 1_000:
        raise BadRequest("expected a number, read '{value}'", field=part.where("ffn_mult"), value=factor)
    return -(-int(2 * factor * hidden / 3) // 256) * 256
