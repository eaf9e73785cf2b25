"""The token mixers of a config.json, layer by layer: grouped-query, latent, windowed, linear, state-space."""

from __future__ import annotations

from dataclasses import replace

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.workload.architecture import Attention, Matrix
from tokenworks.workload.config import Fields
from tokenworks.workload.families import Family

HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "num_attention_groups")
NAMES = ("full_attention", "sliding_attention", "chunked_attention", "linear_attention", "mamba", "conv")
FULL = ("full_attention", "attention", "deepseek_sparse_attention", "global_attention", "indexed_attention")
STATE_SPACES = ("bamba", "granitemoehybrid")


def attentions(f: Fields, family: Family, kind: str, depth: int, hidden: int) -> list[Attention]:
    """The mixer of every layer. Raises BadRequest naming the field that cannot be read."""
    if kind in ("mamba", "falcon_mamba"):
        return [selective(f, hidden, family.gated)] * depth
    if kind == "mamba2":
        return [state_space(f, hidden)] * depth
    full = latent(f) if family.latent or f.has("kv_lora_rank") else grouped_query(f, family, kind, hidden)
    if kind == "jamba":
        every, offset = f.number("attn_layer_period", kind="layers"), f.optional("attn_layer_offset", kind="layers")
        mamba = selective(f, hidden, gated=True)
        return [full if i % every == offset else mamba for i in range(depth)]
    if kind == "bamba" and f.has("layer_types") is None:
        chosen = set(f.every("attn_layer_indices") or [])
        mixer = state_space(f, hidden)
        return [full if i in chosen else mixer for i in range(depth)]
    if (delta := f.part("linear_attn_config")) is not None:  # Kimi delta attention, layers counted from 1
        chosen = set(delta.every("kda_layers") or [])
        mixer = _kimi_delta(delta)
        return [mixer if i + 1 in chosen else full for i in range(depth)]
    if kind in ("minimax_m1", "minimax_text_01") and (types := f.items("attn_type_list", depth)) is not None:
        fast = _lightning(full)
        return [full if t == 1 else fast for t in types]
    if (sparse := f.part("sparse_attention_config")) is not None:
        return _block_sparse(sparse, full, depth)
    if kind == "gpt_neo":
        return _alternating(f, full, depth)
    return [_named(f, full, kind, hidden, name) for name in _names(f, family, full, depth)]


# ------------------------------------------------------------------------------------ which layer is what


def _names(f: Fields, family: Family, full: Attention, depth: int) -> list[str]:
    listed = f.items("layer_types", depth)
    if listed is not None:
        return [str(name) for name in listed]
    marks = f.items("hybrid_layer_pattern", depth)  # MiMo: 1 sliding, 0 full
    if marks is not None:
        return ["sliding_attention" if m == 1 else "full_attention" for m in marks]
    period = _period(f, family)
    if period and f.optional("sliding_window", kind="context"):
        return ["full_attention" if (i + 1) % period == 0 else "sliding_attention" for i in range(depth)]
    every = f.optional("full_attention_interval", kind="layers")
    if every:
        return ["full_attention" if (i + 1) % every == 0 else "linear_attention" for i in range(depth)]
    if f.optional("attention_chunk_size", kind="context"):  # Llama 4: every fourth layer is global (iRoPE)
        return ["full_attention" if (i + 1) % 4 == 0 else "chunked_attention" for i in range(depth)]
    if f.flag("use_sliding_window") and f.has("sliding_window"):  # Qwen: only layers from max_window_layers on
        first = f.optional("max_window_layers", kind="layers")
        return ["sliding_attention" if i >= first else "full_attention" for i in range(depth)]
    return ["sliding_attention" if full.kind == "window" else "full_attention"] * depth


def _period(f: Fields, family: Family) -> int:
    """Every how many layers one is global: from the file (a number, or letters such as LLLG), or the type's."""
    for key in ("sliding_window_pattern", "_sliding_window_pattern"):
        if isinstance(f.config.get(key), str):
            return len(f.text(key) or "")
    stated = f.optional(
        "sliding_window_pattern", "_sliding_window_pattern", "global_attn_every_n_layers", kind="layers"
    )
    return stated or (family.period if family.window == "pattern" else 0)


def _named(f: Fields, full: Attention, kind: str, hidden: int, name: str) -> Attention:
    if name in FULL:
        return _global(f, full)
    if name == "sliding_attention":
        return _sliding(f, full)
    if name == "chunked_attention":
        return replace(full, kind="window", window=f.number("attention_chunk_size", kind="context"))
    if name == "conv":
        return _short_convolution(f, hidden)
    if name == "mamba" or (name == "linear_attention" and kind in STATE_SPACES):
        return state_space(f, hidden)
    if name == "linear_attention":
        return _linear(f, full, kind, hidden)
    raise not_allowed(f.where("layer_types"), name, NAMES)


def _sliding(f: Fields, full: Attention) -> Attention:
    """A layer with a window; MiMo gives it heads of its own."""
    return replace(
        full,
        kind="window",
        window=f.number("sliding_window", kind="context"),
        heads=f.optional("swa_num_attention_heads", kind="heads") or full.heads,
        kv_heads=f.optional("swa_num_key_value_heads", kind="heads") or full.kv_heads,
        head_dim=f.optional("swa_head_dim") or full.head_dim,
        v_head_dim=f.optional("swa_v_head_dim") or full.v_head_dim,
    )


def _linear(f: Fields, full: Attention, kind: str, hidden: int) -> Attention:
    if kind.startswith("minimax"):
        return _lightning(full)
    if f.has("linear_num_heads") is None:
        return _delta_net(f)
    heads, dim = f.number("linear_num_heads", kind="heads"), f.number("linear_head_dim")
    kernel = f.optional("linear_conv_kernel_dim", default=4)
    if kind != "bailing_hybrid":
        return _low_rank_delta(heads, dim, kernel, whole_gate=False)
    return _whole_delta(hidden, heads, dim, kernel)


def _global(f: Fields, full: Attention) -> Attention:
    """A layer without a window; Gemma 4's have wider and fewer heads, and take their values from the keys."""
    whole = replace(full, kind="full", window=None) if full.kind == "window" else full
    wide = f.optional("global_head_dim")
    if wide:
        whole = replace(whole, head_dim=wide, v_head_dim=wide)
    if not f.flag("attention_k_eq_v"):
        return whole
    kv = f.optional("num_global_key_value_heads", kind="heads") or whole.kv_heads
    return replace(whole, kv_heads=kv, key_is_value=True)


def _alternating(f: Fields, full: Attention, depth: int) -> list[Attention]:
    """GPT-Neo: attention_types is [[[names], times], ...]."""
    near = replace(full, kind="window", window=f.number("window_size", kind="context"))
    found: list[Attention] = []
    for group in f.config.get("attention_types") or ():
        if not (isinstance(group, list) and len(group) == 2 and isinstance(group[0], list)
                and isinstance(group[1], int) and 0 < group[1] <= depth):  # fmt: skip
            raise BadRequest("expected a list, read '{value}'", field=f.where("attention_types"), value=group)
        found += [full if name == "global" else near for name in group[0]] * group[1]
    if len(found) < depth:
        raise BadRequest(
            "has {n} elements for {layers} layers", field=f.where("attention_types"), n=len(found), layers=depth
        )
    return found[:depth]


def _block_sparse(sparse: Fields, full: Attention, depth: int) -> list[Attention]:
    """MiniMax-M3: an indexer picks whole blocks of keys; the cache stays complete."""
    chosen = sparse.items("sparse_attention_freq", depth) or [1] * depth
    block, top = sparse.number("sparse_block_size", kind="context"), sparse.number("sparse_topk_blocks", kind="context")
    picked = replace(
        full,
        kind="sparse",
        window=block * top,
        index_heads=sparse.number("sparse_num_index_heads", kind="heads"),
        index_dim=sparse.number("sparse_index_dim"),
    )
    return [picked if on else full for on in chosen]


# ---------------------------------------------------------------------------------------- kinds of mixers


def grouped_query(f: Fields, family: Family, kind: str, hidden: int) -> Attention:
    """Multi-head, grouped-query and multi-query attention, with Step-3's shared query projection."""
    heads = f.number(*HEADS, kind="heads")
    dim = f.optional("head_dim", "kv_channels", "attention_head_dim") or family.head_dim or 0
    if not dim and hidden % heads:
        raise BadRequest(
            "{heads} heads do not divide a hidden size of {hidden}, and head_dim is not given",
            field=f.where("num_attention_heads"), heads=heads, hidden=hidden,
        )  # fmt: skip
    dim = dim or hidden // heads
    kv = _kv_heads(f, family, heads)
    if heads % kv:
        raise BadRequest(
            "{kv} key-value heads do not divide {heads} heads",
            field=f.where("num_key_value_heads"), kv=kv, heads=heads,
        )  # fmt: skip
    window = f.optional("sliding_window", kind="context") or None
    if window and f.has("use_sliding_window") and not f.flag("use_sliding_window"):
        window = None
    gated = f.flag("attn_output_gate", family.output_gate) or f.flag("attention_output_gate", kind == "afmoe")
    everywhere = window if family.window == "all" else None  # others name their windowed layers
    values = f.optional("v_head_dim") or dim
    return Attention(
        "window" if everywhere else "full", heads, kv, dim, values, window=everywhere, gated=gated,
        bias=attention_bias(f, family), q_lora_rank=f.optional("share_q_dim") or None,
    )  # fmt: skip


def _kv_heads(f: Fields, family: Family, heads: int) -> int:
    if family.multi_query and f.flag("multi_query") and not f.flag("new_decoder_architecture"):
        return 1  # whatever num_kv_heads says: the modelling code ignores it then
    if f.has("multi_query_group_num") and not f.flag("multi_query_attention"):
        return heads
    nested = f.part("attn_config")
    inner = nested.optional("kv_n_heads", kind="heads") if nested is not None else 0
    return inner or f.optional(*KV_HEADS, kind="heads") or heads


def attention_bias(f: Fields, family: Family) -> bool:
    """Whether the projections of attention carry biases: the file's word, or the type's habit."""
    found = f.has(*family.bias_fields)
    return family.bias if found is None else f.flag(found)


def latent(f: Fields) -> Attention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434), with V3.2's indexer where there is one."""
    heads = f.number(*HEADS, kind="heads")
    nope, rope = f.number("qk_nope_head_dim"), f.optional("qk_rope_head_dim")
    indexed = f.optional("index_n_heads", kind="heads")
    values = f.optional("v_head_dim") or f.number("hidden_size") // heads
    return Attention(
        kind="sparse" if indexed else "mla",
        heads=heads,
        kv_heads=f.optional("num_key_value_heads", kind="heads") or heads,
        head_dim=nope + rope,
        v_head_dim=max(1, values),
        window=f.number("index_topk", kind="context") if indexed else None,
        q_lora_rank=f.optional("q_lora_rank") or None,
        kv_lora_rank=f.number("kv_lora_rank"),
        rope_head_dim=rope,
        gated=f.flag("mla_use_output_gate"),
        index_heads=indexed,
        index_dim=f.number("index_head_dim") if indexed else 0,
    )


def _lightning(full: Attention) -> Attention:
    """MiniMax's linear attention: as many keys as queries, an output gate (arXiv 2501.08313)."""
    d = full.head_dim
    return Attention("linear", full.heads, full.heads, d, d, state=full.heads * d * d, gated=True)


def _delta_net(f: Fields) -> Attention:
    """Gated delta net (arXiv 2412.06464) as Qwen3-Next lays it out."""
    keys = f.number("linear_num_key_heads", kind="heads"), f.number("linear_key_head_dim")
    values = f.number("linear_num_value_heads", kind="heads"), f.number("linear_value_head_dim")
    return Attention(
        "linear", values[0], keys[0], keys[1], values[1], state=values[0] * keys[1] * values[1], gated=True,
        decays=2, kernel=f.optional("linear_conv_kernel_dim", default=4),
    )  # fmt: skip


def _kimi_delta(part: Fields) -> Attention:
    """Kimi delta attention (arXiv 2510.26692): the decay is low rank, the output gate too unless said."""
    heads, dim = part.number("num_heads", kind="heads"), part.number("head_dim")
    kernel = part.optional("short_conv_kernel_size", default=4)
    return _low_rank_delta(heads, dim, kernel, part.flag("use_full_rank_gate"))


def _low_rank_delta(heads: int, dim: int, kernel: int, whole_gate: bool) -> Attention:
    return Attention(
        "linear", heads, heads, dim, dim, state=heads * dim * dim, gated=True, decays=1, decay_rank=dim,
        gate_rank=0 if whole_gate else dim, kernel=kernel,
    )  # fmt: skip


def _whole_delta(hidden: int, heads: int, dim: int, kernel: int) -> Attention:
    """Kimi delta attention whose decay and gate are projected directly (Ling 2.5)."""
    names = ("query", "key", "value", "decay", "gate")
    parts = [Matrix(name, hidden, heads * dim, "column", "attention") for name in names]
    parts += [
        Matrix("beta", hidden, heads, "column", "attention"),
        Matrix("output", heads * dim, hidden, "row", "attention"),
    ]
    return Attention(
        "linear", heads, heads, dim, dim, state=heads * dim * dim, gated=True, decays=1, kernel=kernel,
        projections=tuple(parts),
    )  # fmt: skip


def _short_convolution(f: Fields, hidden: int) -> Attention:
    """LFM2's gated short convolution: three streams in, one out, a few tokens of state."""
    kernel = f.optional("conv_L_cache", default=3)
    parts = (
        Matrix("in", hidden, 3 * hidden, "column", "attention"),
        Matrix("output", hidden, hidden, "row", "attention"),
    )
    return Attention(
        "linear", hidden, hidden, 1, 1, state=kernel * hidden, gated=True, kernel=1, projections=parts
    )  # fmt: skip


def state_space(f: Fields, hidden: int) -> Attention:
    """Mamba-2 (arXiv 2405.21060): heads of values, groups of keys and queries as wide as the state."""
    heads = f.number("mamba_num_heads", "mamba_n_heads", "num_heads", kind="heads")
    inner = f.optional("mamba_d_ssm")  # Falcon-H1
    dim = inner // heads if inner else f.optional("mamba_head_dim", "mamba_d_head")
    if not dim and f.has("mamba_num_heads", "mamba_n_heads") is None:
        dim = f.optional("head_dim")
    dim = dim or f.optional("mamba_expand", "expand", default=2) * hidden // heads
    groups = f.number("mamba_n_groups", "n_groups", kind="heads")
    state = f.number("ssm_state_size", "mamba_d_state", "state_size")
    kernel = f.optional("conv_kernel", "mamba_d_conv", default=4)
    return Attention(
        "mamba", heads, groups, state, max(1, dim), state=heads * max(1, dim) * state, gated=True, decays=1,
        kernel=kernel,
    )  # fmt: skip


def selective(f: Fields, hidden: int, gated: bool) -> Attention:
    """Mamba-1 (arXiv 2312.00752): every channel a head of one value, its step size of low rank."""
    inner = f.optional("intermediate_size") if f.has("mamba_expand") is None else 0
    inner = inner or f.optional("mamba_expand", "expand", default=2) * hidden
    state = f.number("mamba_d_state", "state_size")
    rank = f.config.get("mamba_dt_rank", f.config.get("time_step_rank"))
    automatic = -(-hidden // 16)
    steps = automatic if rank in (None, "auto") else f.number("mamba_dt_rank", "time_step_rank")
    kernel = f.optional("mamba_d_conv", "conv_kernel", default=4)
    return Attention(
        "mamba", inner, 1, state, 1, state=inner * state, gated=gated, step_rank=steps, kernel=kernel
    )  # fmt: skip
