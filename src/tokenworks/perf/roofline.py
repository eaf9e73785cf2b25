"""Time of one operator on one chip: launch + soft maximum of arithmetic and memory traffic.

Every argument called a column is a float or a float64 array; columns broadcast against each other. Rates
handed in are sustained ones: peak times the efficiency that the calibration holds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Column = Any  # float or float64 array


class Rates(NamedTuple):
    """What a chip sustains on one kind of operator.

    compute: FLOP/s. bandwidth: bytes/s. launch: s per operator. sharpness: exponent of the soft maximum.
    activation_bytes, weight_bytes, output_bytes: bytes per element moved.
    """

    compute: Column
    bandwidth: Column
    launch: Column = 0.0
    sharpness: float = 2.5
    activation_bytes: Column = 2.0
    weight_bytes: Column = 2.0
    output_bytes: Column = 2.0


def soft_maximum(a: Column, b: Column, sharpness: float) -> Column:
    """(a^q + b^q)^(1/q): between the larger and the sum of two non-negative times, for q >= 1.

    Source: the smooth roofline fitted on the operator tables of aiconfigurator-core 0.12.0.

    >>> float(soft_maximum(3.0, 4.0, 2.0))
    5.0
    >>> float(soft_maximum(0.0, 0.0, 2.0))
    0.0
    """
    large = np.maximum(a, b)
    small = np.minimum(a, b)
    safe = np.maximum(large, 1e-300)  # keeps 0/0 out; the product below is 0 then
    return large * (1.0 + (small / safe) ** sharpness) ** (1.0 / sharpness)


def roofline_time(flops: Column, traffic: Column, rates: Rates) -> Column:
    """Seconds of one operator: launch + soft maximum(flops / compute, traffic / bandwidth).

    `traffic` in bytes. Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009, softened.

    >>> float(roofline_time(3e12, 4e9, Rates(1e12, 1e9, 1.0, 2.0)))
    6.0
    """
    return rates.launch + soft_maximum(flops / rates.compute, traffic / rates.bandwidth, rates.sharpness)


def gemm_flops(m: Column, n: Column, k: Column) -> Column:
    """FLOPs of an (m x k) by (k x n) product: 2 m n k.

    >>> gemm_flops(2, 3, 4)
    48.0
    """
    return 2.0 * m * n * k


def gemm_traffic(m: Column, n: Column, k: Column, rates: Rates) -> Column:
    """Bytes that the product moves at least: both inputs once, the output once.

    >>> gemm_traffic(2, 3, 4, Rates(1.0, 1.0))
    52.0
    """
    return m * k * rates.activation_bytes + n * k * rates.weight_bytes + m * n * rates.output_bytes


def gemm_time(m: Column, n: Column, k: Column, rates: Rates) -> Column:
    """Seconds of an (m x k) by (k x n) product (m: tokens, k: inputs, n: outputs).

    >>> float(gemm_time(1e3, 1e3, 1e3, Rates(2e9, 1e30)))
    1.0
    """
    return roofline_time(gemm_flops(m, n, k), gemm_traffic(m, n, k, rates), rates)


def attention_flops(
    queries: Column, context: Column, heads: Column, qk_dim: Column, v_dim: Column, causal: bool = False
) -> Column:
    """FLOPs of the attention core of one sequence: 2 * queries * context * heads * (qk_dim + v_dim).

    A causal square costs half of it (Dao et al., FlashAttention-2, arXiv 2307.08691, section 4.1).

    >>> attention_flops(4, 4, 1, 1, 1)
    64.0
    """
    return (1.0 if causal else 2.0) * queries * context * heads * (qk_dim + v_dim)


def attention_time(flops: Column, traffic: Column, rates: Rates) -> Column:
    """Seconds of a fused attention core; `traffic` is q, k, v and output in bytes.

    >>> float(attention_time(1e12, 0.0, Rates(1e12, 1e12)))
    1.0
    """
    return roofline_time(flops, traffic, rates)


def head_efficiency(head_dim: Column, power: Column, reference: float = 128.0) -> Column:
    """How well a head of this width fills the matrix unit, against one of 128: (d / 128)^power.

    >>> float(head_efficiency(64.0, 1.0))
    0.5
    """
    return np.power(head_dim / reference, power)


def whole_tiles(width: Column, tile: Column) -> Column:
    """Work on whole tiles over that on `width` elements: ceil(width / tile) tile / width (wave and tile quantisation:
    NVIDIA, Matrix Multiplication Background, "Tile quantization").

    >>> [float(whole_tiles(n, 128.0)) for n in (256.0, 192.0)]
    [1.0, 1.3333333333333333]
    """
    return np.ceil(width / tile) * tile / np.maximum(width, 1e-300)


def elementwise_time(traffic: Column, bandwidth: Column, launch: Column = 0.0) -> Column:
    """Seconds of norms, activations, residuals: bytes moved over sustained bandwidth, plus launches.

    >>> elementwise_time(2e9, 1e9)
    2.0
    """
    return launch + traffic / bandwidth


def grouped_efficiency(rows: Column, half: Column) -> Column:
    """Share of the GEMM rate that a grouped GEMM keeps with `rows` tokens per expert: rows / (rows + half).

    >>> grouped_efficiency(70.0, 70.0)
    0.5
    """
    return rows / (rows + half)


def active_experts(experts: Column, draws: Column) -> Column:
    """Expected number of experts hit by `draws` independent uniform draws: E (1 - (1 - 1/E)^draws).

    >>> float(active_experts(2.0, 1.0))
    1.0
    """
    return experts * (1.0 - np.power(1.0 - 1.0 / experts, draws))
