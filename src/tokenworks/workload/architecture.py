"""What a model is made of, seen from the arithmetic: layers, and the matrices in them. Knows no chip."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Matrix:
    """A weight matrix of a layer: `rows` inputs, `columns` outputs, `copies` of it, `active` per token.

    split: column | row | replicated under tensor parallel; role: attention | dense | expert | shared |
    router | latent | embedding | head. follows: it reads the same input as the matrix before it, so that what is done
    to that input (quantisation) is done once for both.
    """

    name: str
    rows: int
    columns: int
    split: str
    role: str
    copies: int = 1
    active: float = 1.0
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Attention:
    """One token mixer.

    kind: full | window (sliding window or chunk) | mla | linear (gated delta net, lightning, KDA) |
    mamba | sparse (full cache, `window` keys read per query, chosen by an indexer).
    """

    kind: str
    heads: int
    kv_heads: int
    head_dim: int  # of queries and keys
    v_head_dim: int
    window: int | None = None  # keys a query sees; None: all
    q_lora_rank: int | None = None
    kv_lora_rank: int | None = None
    rope_head_dim: int = 0  # the part of a latent key that carries position
    state: int = 0  # recurrent state elements per sequence (linear, mamba)
    gated: bool = False  # an output gate as wide as the attention output
    bias: bool = False
    shared_kv: bool = False  # the value is the key (no value projection, one cache for both)
    decays: int = 0  # small per-head projections of a recurrent mixer (decay, step size)
    index_heads: int = 0  # of the scorer of sparse attention
    index_dim: int = 0
    key_is_value: bool = False  # values are the key projection before its norm and rotation; both are cached
    kernel: int = 0  # taps of the short convolution before a recurrent mixer
    decay_rank: int = 0  # width through which a per-channel decay is projected
    gate_rank: int = 0  # width through which the output gate is projected; 0: none, directly
    step_rank: int = 0  # Mamba-1: width of the step size; heads are then single channels
    compress: int = 1  # tokens that one entry of the growing cache stands for (DeepSeek-V4)
    projections: tuple[Matrix, ...] = ()  # all weight matrices, where they are not those of the kind


@dataclass(frozen=True, slots=True)
class FeedForward:
    """One channel mixer: dense (experts == 0) or mixture of experts."""

    width: int  # of the dense block; 0 in a mixture
    gated: bool = True
    experts: int = 0
    top_k: int = 0
    expert_width: int = 0
    shared_width: int = 0  # all shared experts together
    latent: int | None = None  # experts work in this smaller space (latent MoE)


@dataclass(frozen=True, slots=True)
class Layer:
    """A decoder layer; either part may be missing in hybrid models."""

    attention: Attention | None
    ffn: FeedForward | None


@dataclass(frozen=True, slots=True)
class Architecture:
    """A whole decoder: groups of equal layers with their counts, in order of first appearance."""

    name: str
    hidden: int
    vocab: int
    layers: tuple[tuple[Layer, int], ...]
    tied: bool = False
    mtp_layers: int = 0
    max_context: int | None = None
    learned_positions: int = 0
    vision_parameters: int | None = 0  # None: the tower is not described
    weight_precision: str = "bf16"  # of the published checkpoint
    extra_parameters: int = 0  # norms and other vectors
    idle_parameters: int = 0  # those of them that belong to experts which a token does not visit
    residual_streams: int = 1  # hidden states carried side by side (hyper-connections, arXiv 2409.19606)
    mtp_block: tuple[Layer, ...] = ()  # layers of one MTP module; empty: one like the last group of `layers`

    @property
    def depth(self) -> int:
        """Number of decoder layers, MTP modules not counted."""
        return sum(n for _, n in self.layers)
