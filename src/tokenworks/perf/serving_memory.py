"""Memory of a serving replica per chip, and how many sequences its cache holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tokenworks.perf.roofline import Column
from tokenworks.perf.serving_constants import ServingConstants
from tokenworks.perf.serving_plan import (
    SIXTEEN_BITS,
    ServingPlan,
    attention_precision,
    cache_bytes,
    layer_works,
)
from tokenworks.records import Hardware
from tokenworks.workload import PRECISION_BYTES
from tokenworks.workload.architecture import Architecture

_LIVE = 4.0  # hidden vectors per token that live at once: residual, input, output and one spare


def weights_per_chip(arch: Architecture, plan: ServingPlan) -> Column:
    """Bytes of weights on one chip: sharded ones over tp, experts over the stage, layers over pp;
    embedding and head in 16 bits."""
    tp, stage = np.asarray(plan.tp, dtype=float), np.asarray(plan.stage, dtype=float)
    wide, narrow = PRECISION_BYTES[attention_precision(arch, plan.weights)], PRECISION_BYTES[plan.weights]
    total: Column = 0.0
    for work in layer_works(arch):
        own = (work.attention_sharded + work.dense_sharded) / tp
        own = (own + work.attention_replicated + work.dense_replicated) * wide
        total = total + work.count * (own + work.expert * work.experts * narrow / stage)
    tables = (1.0 if arch.tied else 2.0) * arch.hidden * arch.vocab * SIXTEEN_BITS / tp
    return total / plan.pp + tables


def cache_per_sequence(arch: Architecture, plan: ServingPlan, context: Column, whole: Column = 0.0) -> Column:
    """Bytes on one chip that a sequence of `context` tokens keeps there; `whole` 1: window layers keep all
    of it too (an engine without a cache manager per window)."""
    total: Column = np.zeros(())
    for work in layer_works(arch):
        windowed = cache_bytes(work, plan, context)
        if work.attention is not None and work.attention.window is not None and not work.recurrent:
            full = cache_bytes(replace(work, attention=replace(work.attention, window=None)), plan, context)
            windowed = np.where(np.asarray(whole) > 0, full, windowed)
        total = total + work.count * windowed
    return total / plan.pp


def reserve(hardware: Hardware, constants: ServingConstants) -> Column:
    """Bytes that graphs, workspace, activations and communication take."""
    return np.minimum(constants.reserve, constants.reserve_share * np.asarray(hardware.memory))


def usable_memory(hardware: Hardware, constants: ServingConstants) -> Column:
    """Bytes per chip that an engine fills."""
    return np.asarray(hardware.memory) * constants.memory_share


def capacity(
    arch: Architecture, hardware: Hardware, plan: ServingPlan, context: Column, constants: ServingConstants
) -> Column:
    """Sequences of `context` tokens that a replica holds at once: dp ranks times what is left of a chip's
    memory over the cache of one sequence, at most the engine's own limit. 0 where the weights do not fit."""
    free = usable_memory(hardware, constants) - weights_per_chip(arch, plan) - reserve(hardware, constants)
    each = np.maximum(cache_per_sequence(arch, plan, context, constants.whole_windows), 1.0)
    most = np.minimum(np.floor(np.maximum(free, 0.0) / each), constants.sequences_max)
    return most * np.asarray(plan.dp, dtype=float)


def memory_parts(
    arch: Architecture,
    hardware: Hardware,
    plan: ServingPlan,
    load: tuple[Column, Column],
    constants: ServingConstants,
) -> Mapping[str, Column]:
    """Bytes per chip by kind {weights, kv, activations, other} for `load` = (sequences of the replica,
    tokens of each). Activations are those of one full prefill chunk, taken out of the reserve."""
    batch, context = load
    held = reserve(hardware, constants)
    active = np.minimum(_LIVE * SIXTEEN_BITS * arch.hidden * constants.chunk, held)
    return {
        "weights": weights_per_chip(arch, plan),
        "kv": cache_per_sequence(arch, plan, context, constants.whole_windows) * batch / plan.dp,
        "activations": active,
        "other": held - active,
    }
