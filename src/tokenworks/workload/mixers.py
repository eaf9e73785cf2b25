"""Token mixers of a config.json: grouped-query, latent, sliding, linear, state-space and compressed attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.workload.architecture import Attention, Matrix
from tokenworks.workload.config import Fields
from tokenworks.workload.families import Family

LATENT_TYPES = (
    "deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "glm_moe_dsa", "pangu_ultra_moe", "glm4_moe_lite",
    "minicpm3", "youtu",
)  # fmt: skip
FULL = ("full_attention", "attention", "deepseek_sparse_attention", "indexed_attention", "full", "global")
LOCAL = ("sliding_attention", "chunked_attention", "sliding", "local")
LINEAR = ("linear_attention", "linear", "mamba", "recurrent")
GPT_NEO_WINDOW = 256  # transformers' GPTNeoConfig, where the config does not say
COMPRESSED = {"heavily_compressed_attention": 128, "compressed_sparse_attention": 4, "sliding_attention": 0}


def attentions(f: Fields, kind: str, family: Family, depth: int, hidden: int) -> list[Attention]:
    """The mixer of every layer. Raises BadRequest naming the field that is missing or not known."""
    full = latent(f) if _is_latent(f, kind) else grouped_query(f, kind, family, hidden)
    if (linear := f.part("linear_attn_config")) is not None:  # Kimi delta attention, layers counted from 1
        chosen = set(linear.every("kda_layers") or [])
        whole = ("gate",) if linear.flag("use_full_rank_gate") else ()
        kda = delta(hidden, linear.number("num_heads", kind="heads"), linear.number("head_dim"), whole)
        return [kda if i + 1 in chosen else full for i in range(depth)]
    names = layer_names(f, depth)
    if names is None:
        names = ["sliding_attention" if full.kind == "window" else "full_attention"] * depth
    return [named(f, kind, full, str(n), hidden) for n in names]


def layer_names(f: Fields, depth: int) -> list[str] | None:
    """What kind of mixer each layer has, from a list or from a period that older configs state."""
    names = f.items("layer_types", depth) or f.items("attention_layers", depth)
    if names is not None:
        return [str(n) for n in names]
    marks = f.items("attn_type_list", depth)  # MiniMax: 1 softmax, 0 lightning
    if marks is not None:
        return ["full_attention" if m == 1 else "linear_attention" for m in marks]
    marks = f.items("hybrid_layer_pattern", depth)  # MiMo: 1 sliding, 0 full
    if marks is not None:
        return ["sliding_attention" if m == 1 else "full_attention" for m in marks]
    letters = f.config.get("sliding_window_pattern")
    if isinstance(letters, str) and letters:  # EXAONE: a word such as LLLG, repeated
        return ["full_attention" if letters[i % len(letters)] == "G" else "sliding_attention" for i in range(depth)]
    period = f.optional(
        "sliding_window_pattern", "_sliding_window_pattern", "global_attn_every_n_layers", kind="layers"
    )
    if period:
        return ["full_attention" if (i + 1) % period == 0 else "sliding_attention" for i in range(depth)]
    every = f.optional("full_attention_interval", kind="layers")
    if every:
        return ["full_attention" if (i + 1) % every == 0 else "linear_attention" for i in range(depth)]
    if f.optional("attention_chunk_size", kind="context"):  # Llama 4: every fourth layer is global (iRoPE)
        return ["full_attention" if (i + 1) % 4 == 0 else "chunked_attention" for i in range(depth)]
    return None


def named(f: Fields, kind: str, full: Attention, name: str, hidden: int) -> Attention:
    """The mixer that a layer's name stands for, next to the model's full attention."""
    if name in FULL:
        return _global(f, full)
    if name in LOCAL:
        if name == "chunked_attention":
            return _local(f, full, f.number("attention_chunk_size", kind="context"))
        default = GPT_NEO_WINDOW if kind == "gpt_neo" else 0
        size = f.optional("sliding_window", "window_size", kind="context", default=default)
        return _local(f, full, size or f.number("sliding_window", kind="context"))
    if name == "linear_attention":
        return _linear(f, kind, full, hidden)
    raise not_allowed(f.where("layer_types"), name, (*FULL, *LOCAL, *LINEAR))


def _global(f: Fields, full: Attention) -> Attention:
    """A full layer among sliding ones; Gemma 4 gives it heads of its own, and keys that serve as values."""
    a = replace(full, kind="full", window=None) if full.kind == "window" else full
    wide = f.optional("global_head_dim")
    heads = f.optional("num_global_key_value_heads", kind="heads")
    shared = f.flag("attention_k_eq_v")
    if not (wide or heads or shared):
        return a
    dim = wide or a.head_dim
    return replace(a, kv_heads=heads or a.kv_heads, head_dim=dim, v_head_dim=dim, shared_kv=shared)


def _local(f: Fields, full: Attention, window: int) -> Attention:
    """A sliding layer; MiMo gives it key-value heads of its own."""
    kv = f.optional("swa_num_key_value_heads", kind="heads") or full.kv_heads
    dim, value = f.optional("swa_head_dim") or full.head_dim, f.optional("swa_v_head_dim") or full.v_head_dim
    heads = f.optional("swa_num_attention_heads", kind="heads") or full.heads
    return replace(full, kind="window", window=window, kv_heads=kv, head_dim=dim, v_head_dim=value, heads=heads)


def _linear(f: Fields, kind: str, full: Attention, hidden: int) -> Attention:
    if f.has("linear_num_heads"):  # Kimi delta attention as newer configs spell it
        whole = ("decay", "gate") if kind == "bailing_hybrid" else ()
        return delta(hidden, f.number("linear_num_heads", kind="heads"), f.number("linear_head_dim"), whole)
    if kind in ("minimax", "minimax_m1") or (f.has("linear_num_key_heads") is None and kind == "minimax_m2"):
        return lightning(full)
    keys = f.number("linear_num_key_heads", kind="heads"), f.number("linear_key_head_dim")
    values = f.number("linear_num_value_heads", kind="heads"), f.number("linear_value_head_dim")
    state = values[0] * keys[1] * values[1]
    return Attention("linear", values[0], keys[0], keys[1], values[1], state=state, gated=True, decays=2)


def lightning(full: Attention) -> Attention:
    """Lightning attention (MiniMax-01, arXiv 2501.08313): as many key as query heads, an output gate."""
    d = full.head_dim
    return Attention("linear", full.heads, full.heads, d, d, state=full.heads * d * d, gated=True)


def delta(hidden: int, heads: int, dim: int, whole: tuple[str, ...]) -> Attention:
    """Kimi delta attention (Kimi Linear, arXiv 2510.26692): a decay per channel and an output gate, each
    through a rank of one head unless named in `whole`."""
    width = heads * dim
    low: list[Matrix] = [_column(n, hidden, width) for n in ("query", "key", "value")]
    for gate in ("decay", "gate"):
        if gate in whole:
            low.append(_column(gate, hidden, width))
        else:
            low += [Matrix(f"{gate}_down", hidden, dim, "replicated", "latent"), _column(f"{gate}_up", dim, width)]
    low += [_column("beta", hidden, heads), Matrix("output", width, hidden, "row", "attention")]
    return Attention("linear", heads, heads, dim, dim, state=heads * dim**2, gated=True, projections=tuple(low))


def _column(name: str, rows: int, columns: int) -> Matrix:
    return Matrix(name, rows, columns, "column", "attention")


def _is_latent(f: Fields, kind: str) -> bool:
    return kind in LATENT_TYPES or f.has("kv_lora_rank") is not None


def latent(f: Fields) -> Attention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434), with the sparse indexer where there is one."""
    nope, rope = f.number("qk_nope_head_dim"), f.optional("qk_rope_head_dim")
    indexed = f.optional("index_n_heads", kind="heads")
    heads = f.number("num_attention_heads", kind="heads")
    return Attention(
        kind="sparse" if indexed else "mla",
        heads=heads,
        kv_heads=f.optional("num_key_value_heads", kind="heads") or heads,
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


def grouped_query(f: Fields, kind: str, family: Family, hidden: int) -> Attention:
    """Multi-head, grouped-query or multi-query attention (GQA: arXiv 2305.13245)."""
    heads = f.number("num_attention_heads", "n_head", "n_heads", "num_heads", kind="heads")
    stated = f.optional("head_dim", "kv_channels", "attention_head_dim") or family.head_dim
    if not stated and hidden % heads:
        raise BadRequest(
            "{heads} heads do not divide a hidden size of {hidden}, and head_dim is not given",
            field=f.where("num_attention_heads"), heads=heads, hidden=hidden,
        )  # fmt: skip
    dim = stated or hidden // heads
    kv = _key_value_heads(f, kind, heads)
    if heads % kv:
        raise BadRequest(
            "{kv} key-value heads do not divide {heads} heads",
            field=f.where("num_key_value_heads"), kv=kv, heads=heads,
        )  # fmt: skip
    window = f.optional("sliding_window", kind="context") or None
    if f.has("use_sliding_window") and not f.flag("use_sliding_window"):
        window = None
    gated = f.flag("attn_output_gate", family.output_gate) or f.flag("attention_output_gate")
    bias = family.bias != "none" or f.flag("use_qkv_bias")
    bias = f.flag("add_qkv_bias", f.flag("attention_bias", f.flag("qkv_bias", bias)))
    everywhere = window if family.windowed and f.has("layer_types") is None else None
    scorer = f.part("sparse_attention_config")
    a = Attention(
        "window" if everywhere else "full", heads, kv, dim, f.optional("v_head_dim") or dim,
        window=everywhere, gated=gated, bias=bias,
    )  # fmt: skip
    return a if scorer is None else _block_sparse(a, scorer)


def _block_sparse(a: Attention, scorer: Fields) -> Attention:
    """Keys chosen in blocks by an indexer beside grouped-query attention (MiniMax-M3)."""
    block = scorer.number("sparse_block_size", kind="context")
    blocks = scorer.number("sparse_topk_blocks", kind="context") + scorer.optional("sparse_local_block", kind="context")
    heads, dim = scorer.number("sparse_num_index_heads", kind="heads"), scorer.number("sparse_index_dim")
    return replace(a, kind="sparse", window=block * blocks, index_heads=heads, index_dim=dim)


def _key_value_heads(f: Fields, kind: str, heads: int) -> int:
    if kind == "falcon" and not f.flag("new_decoder_architecture"):
        alone = 1 if f.flag("multi_query", True) else heads
        return f.optional("num_key_value_heads", kind="heads") or alone
    if kind == "gpt_bigcode" and f.flag("multi_query", True):
        return 1
    if kind == "chatglm" and f.flag("multi_query_attention"):
        return f.number("multi_query_group_num", kind="heads")
    nested = f.part("attn_config")  # DBRX
    inside = nested.optional("kv_n_heads", kind="heads") if nested is not None else 0
    return f.optional("num_key_value_heads", "num_kv_heads", "n_head_kv", kind="heads") or inside or heads


# ---------------------------------------------------------------------------------------- state space


def mamba2(f: Fields, hidden: int) -> Attention:
    """Mamba-2 (arXiv 2405.21060): one projection for gate, values, keys, queries and steps."""
    inner = f.optional("mamba_d_ssm", "mamba_intermediate_size") or hidden * (
        f.optional("mamba_expand", "expand", default=2) or 2
    )
    dim = f.optional("mamba_d_head", "mamba_head_dim", "mamba_headdim", "head_dim")
    heads = f.optional("mamba_n_heads", "mamba_num_heads", "n_mamba_heads", "num_heads", kind="heads")
    heads = heads or inner // (dim or f.number("mamba_d_head"))
    dim = dim or inner // heads
    groups = f.optional("mamba_n_groups", "n_groups", "mamba_ngroups", kind="heads", default=1) or 1
    state = f.number("mamba_d_state", "ssm_state_size", "state_size")
    return Attention("mamba", heads, groups, state, dim, state=heads * dim * state, gated=True, decays=1)


def mamba1(f: Fields, hidden: int) -> Attention:
    """Mamba (arXiv 2312.00752): steps through a low rank, keys and queries from the inner stream."""
    inner = f.optional("intermediate_size") if f.has("state_size") else 0
    inner = inner or hidden * (f.optional("mamba_expand", "expand", default=2) or 2)
    state = f.number("mamba_d_state", "state_size")
    stated = f.has("mamba_dt_rank", "time_step_rank")
    given = f.config[stated] if stated else "auto"
    rank = -(-hidden // 16) if given == "auto" else f.number("mamba_dt_rank", "time_step_rank")
    projections = (
        _column("value", hidden, inner),
        _column("gate", hidden, inner),
        Matrix("select", inner, rank + 2 * state, "row", "attention"),
        _column("step", rank, inner),
        Matrix("output", inner, hidden, "row", "attention"),
    )
    return Attention("mamba", inner, 1, state, 1, state=inner * state, gated=True, projections=projections)


def short_convolution(hidden: int) -> Attention:
    """LFM2's gated short convolution: three streams in, one out, a few tokens of state."""
    projections = (_column("in", hidden, 3 * hidden), Matrix("output", hidden, hidden, "row", "attention"))
    return Attention("linear", hidden, hidden, 1, 1, state=3 * hidden, gated=True, projections=projections)


# ------------------------------------------------------------------------------------------ compressed


def compressed(f: Fields, depth: int, hidden: int) -> list[Attention]:
    """DeepSeek-V4: shared keys and values, a sliding window beside entries that stand for 4 tokens (chosen by
    an indexer) or 128 (all of them); queries and outputs through low ranks, outputs in groups."""
    ratios = f.every("compress_ratios")
    if ratios is None:
        names: Sequence[str] = [str(n) for n in f.items("layer_types", depth) or []]
        unknown = next((n for n in names if n not in COMPRESSED), None)
        if unknown is not None:
            raise not_allowed(f.where("layer_types"), unknown, COMPRESSED)
        ratios = [COMPRESSED[n] for n in names]
    if len(ratios) < depth:
        raise BadRequest("has {n} elements for {layers} layers", field=f.where("compress_ratios"), n=len(ratios),
                         layers=depth)  # fmt: skip
    made = {ratio: _compressed(f, hidden, ratio) for ratio in {int(r) for r in ratios[:depth]}}
    return [made[int(r)] for r in ratios[:depth]]


def _compressed(f: Fields, hidden: int, ratio: int) -> Attention:
    heads, dim = f.number("num_attention_heads", kind="heads"), f.number("head_dim")
    rank, window = f.number("q_lora_rank"), f.number("sliding_window", kind="context")
    groups, low = f.optional("o_groups", kind="heads", default=1) or 1, f.number("o_lora_rank")
    index = (f.number("index_n_heads", kind="heads"), f.number("index_head_dim")) if ratio == 4 else (0, 0)
    parts = [
        Matrix("query_down", hidden, rank, "replicated", "latent"),
        _column("query_up", rank, heads * dim),
        Matrix("key_value", hidden, dim, "replicated", "latent"),
        _column("output_down", heads * dim // groups, groups * low),
        Matrix("output_up", groups * low, hidden, "row", "attention"),
    ]
    if ratio:
        overlap = 2 if ratio == 4 else 1
        parts.append(Matrix("compress", hidden, 2 * overlap * dim, "replicated", "latent"))
    if index[0]:
        parts += [
            Matrix("index_compress", hidden, 4 * index[1], "replicated", "latent"),
            Matrix("index_query", rank, index[0] * index[1], "replicated", "latent"),
            Matrix("index_weight", hidden, index[0], "replicated", "latent"),
        ]
    chosen = f.number("index_topk", kind="context") if index[0] else 0
    return Attention(
        "sparse" if ratio else "window", heads, 1, dim, dim, window=window + chosen, shared_kv=True,
        index_heads=index[0], index_dim=index[1], compress=max(ratio, 1), projections=tuple(parts),
    )  # fmt: skip
