"""The weight matrices of a layer: the one table that parameters, FLOPs, bytes and collectives derive from."""

from __future__ import annotations

from tokenworks.workload.architecture import Architecture, Attention, FeedForward, Layer, Matrix

RECURRENT = ("linear", "mamba")


def matrices(layer: Layer, hidden: int) -> tuple[Matrix, ...]:
    """All weight matrices of one layer whose residual stream is `hidden` wide.

    Sources: Attention Is All You Need (GQA: arXiv 2305.13245); MLA: DeepSeek-V2, arXiv 2405.04434, section
    2.1; gated delta net: arXiv 2412.06464; Mamba-2: arXiv 2405.21060; DSA indexer: DeepSeek-V3.2.

    >>> mlp = matrices(Layer(None, FeedForward(width=8)), hidden=4)
    >>> [(m.name, m.rows, m.columns) for m in mlp]
    [('gate', 4, 8), ('up', 4, 8), ('down', 8, 4)]
    """
    mixer = _attention(layer.attention, hidden) if layer.attention else ()
    return mixer + (_feed_forward(layer.ffn, hidden) if layer.ffn else ())


def _attention(a: Attention, hidden: int) -> tuple[Matrix, ...]:
    if a.projections:
        return a.projections
    if a.kv_lora_rank is not None:
        return _latent(a, a.kv_lora_rank, hidden) + _indexer(a, hidden)
    if a.step_rank:
        return _selective(a, hidden)
    found: list[Matrix] = []
    query_heads = a.kv_heads if a.kind in RECURRENT else a.heads  # recurrent: queries are as few as keys
    value_heads = a.heads if a.kind in RECURRENT else a.kv_heads
    found += _query(a, query_heads * a.head_dim, hidden)
    joint = not a.q_lora_rank  # one fused projection of queries, keys and values
    found.append(Matrix("key", hidden, a.kv_heads * a.head_dim, "column", "attention", follows=joint))
    if not (a.shared_kv or a.key_is_value):
        found.append(Matrix("value", hidden, value_heads * a.v_head_dim, "column", "attention", follows=True))
    if a.gated:
        found += _through("gate", hidden, a.heads * a.v_head_dim, a.gate_rank)
    if a.decays:
        found.append(Matrix("decay", hidden, a.heads * a.decays, "column", "attention"))
    if a.decay_rank:
        found += _through("channel_decay", hidden, a.kv_heads * a.head_dim, a.decay_rank)
    found.append(Matrix("output", a.heads * a.v_head_dim, hidden, "row", "attention"))
    return tuple(found) + _indexer(a, hidden)


def _query(a: Attention, width: int, hidden: int) -> list[Matrix]:
    """The query projection; Step-3's goes through a narrower shared one (arXiv 2507.19427, MFA)."""
    if not a.q_lora_rank:
        return [Matrix("query", hidden, width, "column", "attention")]
    return [
        Matrix("query_down", hidden, a.q_lora_rank, "replicated", "latent"),
        Matrix("query_up", a.q_lora_rank, width, "column", "attention"),
    ]


def _through(name: str, rows: int, columns: int, rank: int) -> list[Matrix]:
    """A projection, or a pair of them through a low rank."""
    if not rank:
        return [Matrix(name, rows, columns, "column", "attention")]
    return [
        Matrix(f"{name}_down", rows, rank, "replicated", "latent"),
        Matrix(f"{name}_up", rank, columns, "column", "attention"),
    ]


def _selective(a: Attention, hidden: int) -> tuple[Matrix, ...]:
    """Mamba-1 (arXiv 2312.00752): every channel has its own step size and its own small state."""
    inner = a.heads * a.v_head_dim
    return (
        Matrix("value", hidden, inner, "column", "attention"),
        Matrix("gate", hidden, inner, "column", "attention"),
        Matrix("select", inner, a.step_rank + 2 * a.head_dim, "row", "attention"),
        Matrix("step", a.step_rank, inner, "column", "attention"),
        Matrix("output", inner, hidden, "row", "attention"),
    )


def _latent(a: Attention, rank: int, hidden: int) -> tuple[Matrix, ...]:
    """Multi-head latent attention: the down-projections are held whole by every tensor-parallel rank."""
    queries = a.heads * a.head_dim
    query: tuple[Matrix, ...]
    if a.q_lora_rank:
        query = (
            Matrix("query_down", hidden, a.q_lora_rank, "replicated", "latent"),
            Matrix("query_up", a.q_lora_rank, queries, "column", "attention"),
        )
    else:
        query = (Matrix("query", hidden, queries, "column", "attention"),)
    nope = a.head_dim - a.rope_head_dim
    gate = (Matrix("gate", hidden, a.heads * a.v_head_dim, "column", "attention"),) if a.gated else ()
    return (
        *query,
        Matrix("kv_down", hidden, rank + a.rope_head_dim, "replicated", "latent"),
        Matrix("kv_up", rank, a.heads * (nope + a.v_head_dim), "column", "attention"),
        *gate,
        Matrix("output", a.heads * a.v_head_dim, hidden, "row", "attention"),
    )


def _indexer(a: Attention, hidden: int) -> tuple[Matrix, ...]:
    """The small scorer of sparse attention that picks which keys are read; whole on every rank."""
    if not a.index_heads:
        return ()
    width = a.index_heads * a.index_dim
    return (
        Matrix("index_query", a.q_lora_rank or hidden, width, "replicated", "latent"),
        Matrix("index_key", hidden, a.index_dim, "replicated", "latent"),
        Matrix("index_weight", hidden, a.index_heads, "replicated", "latent"),
    )


def _feed_forward(f: FeedForward, hidden: int) -> tuple[Matrix, ...]:
    found: list[Matrix] = []
    if f.width:
        found += _mlp("", hidden, f.width, "dense", f.gated)
    if f.experts:
        inside = f.latent or hidden
        found.append(Matrix("router", hidden, f.experts, "replicated", "router"))
        if f.latent:
            found.append(Matrix("latent_down", hidden, inside, "replicated", "latent"))
            found.append(Matrix("latent_up", inside, hidden, "replicated", "latent"))
        found += _mlp("expert_", inside, f.expert_width, "expert", f.gated, f.experts, float(f.top_k))
    if f.shared_width:
        found += _mlp("shared_", hidden, f.shared_width, "shared", f.gated)
    return tuple(found)


def _mlp(
    prefix: str, hidden: int, width: int, role: str, gated: bool, copies: int = 1, active: float = 1.0
) -> list[Matrix]:
    def matrix(name: str, rows: int, columns: int, split: str, follows: bool = False) -> Matrix:
        return Matrix(prefix + name, rows, columns, split, role, copies, active, follows)

    gate = [matrix("gate", hidden, width, "column")] if gated else []
    return [*gate, matrix("up", hidden, width, "column", gated), matrix("down", width, hidden, "row")]


def mtp_block(architecture: Architecture) -> tuple[Layer, ...]:
    """The layers inside a multi-token-prediction module: by default one like the model's last (DeepSeek-V3, 2.2)."""
    return architecture.mtp_block or (architecture.layers[-1][0],)


def mtp_projection(hidden: int) -> Matrix:
    """Joins the hidden state and the next token's embedding at the entry of an MTP module."""
    return Matrix("mtp_projection", 2 * hidden, hidden, "column", "dense")
