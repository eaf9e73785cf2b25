"""DeepSeek-V4's token mixers: a short window beside entries of the cache that stand for many tokens."""

from __future__ import annotations

from collections.abc import Sequence

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.workload.architecture import Attention, Matrix
from tokenworks.workload.config import Fields

COMPRESSED = {"heavily_compressed_attention": 128, "compressed_sparse_attention": 4, "sliding_attention": 0}


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
        Matrix("query_up", rank, heads * dim, "column", "attention"),
        Matrix("key_value", hidden, dim, "replicated", "latent"),
        Matrix("output_down", heads * dim // groups, groups * low, "column", "attention"),
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
