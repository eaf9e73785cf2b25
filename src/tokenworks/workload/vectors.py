"""Weights that are no matrices of the table: norms, biases, short convolutions, decay vectors."""

from __future__ import annotations

from tokenworks.workload.architecture import Attention, FeedForward, Layer
from tokenworks.workload.config import Fields
from tokenworks.workload.families import Family
from tokenworks.workload.matrices import RECURRENT


def vectors(f: Fields, family: Family, kind: str, layers: list[Layer], hidden: int) -> int:
    """All weights outside the matrices, the embeddings and the position table."""
    wide = hidden * (2 if family.norm_bias and not f.flag("no_bias") else 1)
    norms = _norms(f, family, kind)
    head = _head_norm(f, family, kind)
    mlp = _mlp_bias(f, family)
    total = wide * ((norms > 0) + (kind == "bloom"))  # the last norm; BLOOM's norm of the embedding
    streams = f.optional("hc_mult", kind="heads")
    total += streams * streams * hidden  # DeepSeek-V4: the streams are mixed once more at the end
    for layer in layers:
        blocks = (layer.attention is not None) + (layer.ffn is not None)
        total += wide * (norms * blocks // 2)
        total += blocks * (2 * streams + streams**2) * streams * hidden  # hyper-connections of each half
        if layer.attention is not None:
            total += _mixer(layer.attention, family, head, hidden) + _inner_norms(layer.attention, kind)
        if layer.ffn is not None:
            total += _channel(layer.ffn, family, mlp, kind, hidden)
    return total


def _norms(f: Fields, family: Family, kind: str) -> int:
    """Falcon's parallel blocks share one norm unless the new architecture gives each its own."""
    if kind == "falcon" and (not f.flag("parallel_attn", True) or f.flag("new_decoder_architecture")):
        return f.optional("num_ln_in_parallel_attn", kind="heads") or 2
    return family.norms


def _head_norm(f: Fields, family: Family, kind: str) -> str:
    said = f.has("use_qk_norm", "qk_layernorm")
    if said is None or family.head_norm == "bare":
        return family.head_norm
    if not f.flag(said):
        return "none"
    if family.head_norm != "none":
        return family.head_norm
    return "wide" if kind == "cohere" else "each"


def _mlp_bias(f: Fields, family: Family) -> bool:
    found = f.has(*family.mlp_bias_fields)
    return family.mlp_bias if found is None else f.flag(found)


def _mixer(a: Attention, family: Family, head: str, hidden: int) -> int:
    if a.kind in RECURRENT:
        return _recurrent(a)
    if a.kv_lora_rank is not None:
        return (a.q_lora_rank or 0) + a.kv_lora_rank + 2 * a.index_dim
    total = a.q_lora_rank or 0  # Step-3 norms its shared query
    if a.bias:
        values = 0 if a.key_is_value else a.kv_heads * a.v_head_dim
        total += (a.heads * a.head_dim + a.kv_heads * a.head_dim + values) * ("qkv" in family.biased)
        total += hidden * ("o" in family.biased)
    if head == "each":
        total += 2 * a.head_dim
    elif head == "wide":
        total += (a.heads + a.kv_heads) * a.head_dim
    return total + a.heads * family.sinks


def _recurrent(a: Attention) -> int:
    inner = a.heads * a.v_head_dim
    if a.step_rank:  # Mamba-1: convolution and its bias, step bias, decays, skip
        return inner * (a.kernel + 1) + inner * (1 + a.head_dim + 1)
    keys = a.kv_heads * a.head_dim
    if a.kind == "mamba":  # Mamba-2: convolution and its bias, three vectors a head, the gated norm
        return (inner + 2 * keys) * (a.kernel + 1) + 3 * a.heads + inner
    if a.decay_rank:  # Kimi delta attention: three convolutions, decays, step bias, norm of a head
        return (inner + 2 * keys) * a.kernel + a.heads + keys + a.v_head_dim
    if a.decays:  # gated delta net
        return (inner + 2 * keys) * a.kernel + 2 * a.heads + a.v_head_dim
    return inner  # lightning attention norms its output


def _inner_norms(a: Attention, kind: str) -> int:
    return a.step_rank + 2 * a.head_dim if kind == "jamba" and a.step_rank else 0


def idle(family: Family, layers: list[Layer], hidden: int) -> int:
    """Biases of the experts that one token does not visit."""
    blocks = [layer.ffn for layer in layers if layer.ffn is not None and layer.ffn.experts]
    return family.expert_bias * sum((b.experts - b.top_k) * _expert_bias(b, hidden) for b in blocks)


def _expert_bias(b: FeedForward, hidden: int) -> int:
    return (2 if b.gated else 1) * b.expert_width + hidden


def _channel(b: FeedForward, family: Family, biased: bool, kind: str, hidden: int) -> int:
    first = 2 if b.gated else 1
    total = (first * b.width + hidden) * (biased and b.width > 0)
    if b.experts:
        total += b.experts * family.correction
        total += (b.experts * _expert_bias(b, hidden) + b.experts) * family.expert_bias
        total += hidden * (b.shared_width > 0 and kind in SHARED_GATE)
    return int(total)


SHARED_GATE = ("qwen2_moe", "qwen3_next", "qwen3_5_moe_text")  # a learned gate before the shared expert
