"""Collectives between chips: a latency per operation plus bytes over bandwidth, on one or two tiers.

Sizes are bytes per chip, bandwidths sustained bytes/s one way per chip, latencies seconds. Columns broadcast.
A group of one costs nothing. Volumes: Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tokenworks.perf.roofline import Column


class Tiers(NamedTuple):
    """Two tiers of network as one chip sees them.

    fast, slow: sustained bytes/s one way inside and outside the scale-up domain. domain: chips in it.
    fast_latency, slow_latency: s per operation.
    """

    fast: Column
    slow: Column
    domain: Column
    fast_latency: Column = 0.0
    slow_latency: Column = 0.0


def ring_share(ranks: Column) -> Column:
    """(g - 1) / g: the share of a buffer that a ring or exchange moves.

    >>> float(ring_share(4))
    0.75
    """
    return 1.0 - 1.0 / np.maximum(ranks, 1)


def all_gather(size: Column, ranks: Column, bandwidth: Column, latency: Column = 0.0) -> Column:
    """Seconds to gather a buffer of `size` bytes (the whole, after gathering) on each of `ranks` chips.

    >>> float(all_gather(4e9, 4, 1e9))
    3.0
    """
    return np.where(ranks > 1, latency + size * ring_share(ranks) / bandwidth, 0.0)


def reduce_scatter(size: Column, ranks: Column, bandwidth: Column, latency: Column = 0.0) -> Column:
    """Seconds to reduce a buffer of `size` bytes and scatter it: the same volume as `all_gather`.

    >>> float(reduce_scatter(4e9, 4, 1e9))
    3.0
    """
    return all_gather(size, ranks, bandwidth, latency)


def all_reduce(size: Column, ranks: Column, bandwidth: Column, latency: Column = 0.0) -> Column:
    """Seconds to sum a buffer of `size` bytes over `ranks` chips: reduce-scatter and all-gather.

    >>> float(all_reduce(4e9, 4, 1e9))
    6.0
    """
    return 2.0 * all_gather(size, ranks, bandwidth, latency)


def all_to_all(size: Column, ranks: Column, bandwidth: Column, latency: Column = 0.0) -> Column:
    """Seconds for each chip to send `size` bytes spread evenly over the `ranks` chips (itself included).

    >>> float(all_to_all(4e9, 4, 1e9))
    3.0
    """
    return all_gather(size, ranks, bandwidth, latency)


def point_to_point(size: Column, bandwidth: Column, latency: Column = 0.0) -> Column:
    """Seconds to send `size` bytes to one other chip.

    >>> point_to_point(2e9, 1e9, 0.5)
    2.5
    """
    return latency + size / bandwidth


def neighbours(ranks: Column, stride: Column, domain: Column) -> Column:
    """How many ranks of a group share a scale-up domain, when consecutive ranks lie `stride` chips apart.

    >>> float(neighbours(16, 4, 8))
    2.0
    """
    return np.clip(domain / stride, 1.0, ranks)


def tier_bandwidth(ranks: Column, stride: Column, tiers: Tiers) -> Column:
    """bytes/s per chip that a ring over the group keeps: fast inside one domain; across domains the k ranks
    that share a domain send through k links side by side, so min(fast, k * slow).

    >>> t = Tiers(fast=400.0, slow=50.0, domain=8)
    >>> [float(tier_bandwidth(g, s, t)) for g, s in ((8, 1), (16, 1), (4, 8))]
    [400.0, 400.0, 50.0]
    """
    near = neighbours(ranks, stride, tiers.domain)
    return np.where(near >= ranks, tiers.fast, np.minimum(tiers.fast, near * tiers.slow))


def tier_latency(ranks: Column, stride: Column, tiers: Tiers) -> Column:
    """s per operation of the tier that the group spans."""
    near = neighbours(ranks, stride, tiers.domain)
    return np.where(near >= ranks, tiers.fast_latency, tiers.slow_latency)


def copies_per_domain(domains: Column, choices: Column) -> Column:
    """Expected number of domains among `domains` that at least one of `choices` uniform picks falls into:
    the copies of a token that cross the slow tier when each domain receives it once (DeepEP, node-limited
    dispatch; DeepSeek-V3, arXiv 2412.19437, section 3.2.2).

    >>> float(copies_per_domain(2, 1))
    1.0
    """
    return domains * (1.0 - np.power(1.0 - 1.0 / np.maximum(domains, 1), choices))


def expert_exchange(
    size: Column, choices: Column, ranks: Column, tiers: Tiers, spread: Column = 1.0, *, once: bool = True
) -> Column:
    """Seconds of one expert dispatch (or combine): `size` bytes of tokens, each sent to `choices` experts
    on `ranks` chips `spread` apart. Inside the domain every choice is a copy; across domains one copy a
    domain (`once`), or a plain all-to-all's copy for every choice. The slower tier counts; both latencies are paid
    where both are used.

    >>> t = Tiers(fast=4.0, slow=1.0, domain=8)
    >>> float(expert_exchange(8.0, 2, 8, t))
    3.5
    >>> [float(expert_exchange(8.0, 2, 16, t, once=once)) for once in (True, False)]
    [6.0, 8.0]
    """
    near = neighbours(ranks, spread, tiers.domain)
    domains = np.maximum(ranks / near, 1.0)
    inside = size * choices * (1.0 - 1.0 / np.maximum(near, 1.0)) / tiers.fast
    copies = copies_per_domain(domains, choices) if once else choices
    outside = size * copies * (1.0 - 1.0 / domains) / tiers.slow
    latency = tiers.fast_latency + np.where(domains > 1.0, tiers.slow_latency, 0.0)
    return np.where(ranks > 1, latency + np.maximum(inside, outside), 0.0)


def torus_bandwidth(link: Column, links: Column, dimensions: Column, used: Column) -> Column:
    """bytes/s one way per chip that rings along `used` of the `dimensions` of a torus give together, where a
    chip has `links` links of `link` bytes/s, two a dimension (TPU v4, arXiv 2304.01433, section 2).

    >>> float(torus_bandwidth(50.0, 6, 3, 3))
    300.0
    """
    return link * links * np.minimum(used, dimensions) / dimensions
