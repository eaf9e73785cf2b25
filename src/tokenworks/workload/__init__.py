"""Workload: model architecture -> matrices, FLOPs, bytes, cache, collective volumes. Knows no chip."""

from tokenworks.workload.architecture import Architecture, Attention, FeedForward, Layer, Matrix
from tokenworks.workload.counts import (
    PRECISION_BYTES,
    FlopsPerToken,
    Parameters,
    attention_flops,
    cache_elements,
    flops_per_token,
    kv_bytes_per_token,
    model_summary,
    parameters,
    seen_keys,
    state_bytes_per_sequence,
    weight_bytes,
)
from tokenworks.workload.matrices import matrices, mtp_block, mtp_projection
from tokenworks.workload.reader import read
from tokenworks.workload.record import from_record

__all__ = [
    "PRECISION_BYTES",
    "Architecture",
    "Attention",
    "FeedForward",
    "FlopsPerToken",
    "Layer",
    "Matrix",
    "Parameters",
    "attention_flops",
    "cache_elements",
    "flops_per_token",
    "from_record",
    "kv_bytes_per_token",
    "matrices",
    "model_summary",
    "mtp_block",
    "mtp_projection",
    "parameters",
    "read",
    "seen_keys",
    "state_bytes_per_sequence",
    "weight_bytes",
]
