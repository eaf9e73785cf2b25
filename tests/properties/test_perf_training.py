"""Properties of the training step over random layouts: finite, ordered, monotone, additive."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.files import parse
from tokenworks.perf import collectives
from tokenworks.perf.collectives import Tiers
from tokenworks.perf.layout import PRECISIONS, Layout, Software
from tokenworks.perf.roofline import soft_maximum
from tokenworks.perf.training import step
from tokenworks.perf.training_constants import TrainingConstants
from tokenworks.records import Hardware
from tokenworks.workload.architecture import Architecture, Attention, FeedForward, Layer

CALIBRATION = parse((files("tokenworks") / "catalog" / "data" / "calibration" / "training.yaml").read_text("utf-8"))
CHIP = Hardware(
    chip="any", generation="hopper", vendor="NVIDIA", year=2022,
    peak={"bf16": 1e15, "fp8": 2e15}, memory=80e9, memory_bandwidth=3e12,
    scaleup_domain=8, scaleup_bandwidth=450e9, scaleout_bandwidth=50e9,
)  # fmt: skip
powers = st.integers(0, 4).map(lambda i: float(2**i))


@st.composite
def models(draw):
    hidden = 128 * draw(st.integers(4, 64))
    heads = hidden // 128
    kind = draw(st.sampled_from(("full", "window", "linear")))
    mixer = Attention(kind, heads, heads, 128, 128, window=1024 if kind == "window" else None)
    dense = FeedForward(4 * hidden, gated=draw(st.booleans()))
    sparse = FeedForward(0, True, 64, 4, hidden // 2, hidden // 2)
    layers = [(Layer(mixer, dense), draw(st.integers(1, 24)))]
    if draw(st.booleans()):
        layers.append((Layer(mixer, sparse), draw(st.integers(1, 24))))
    return Architecture("drawn", hidden, 32000, tuple(layers), mtp_layers=draw(st.integers(0, 1)))


@st.composite
def layouts(draw):
    return Layout(
        tp=draw(powers), pp=draw(powers), vpp=draw(powers), cp=draw(powers), ep=draw(powers), dp=draw(powers),
        micro_batch=draw(powers), global_batch=draw(st.integers(1, 4096)),
        sequence=draw(st.integers(1, 65536)),
        recompute=draw(st.floats(0, 2)), zero=draw(st.integers(0, 3)),
        sequence_parallel=float(draw(st.booleans())), precision=draw(st.sampled_from(sorted(PRECISIONS))),
        software=Software(draw(st.sampled_from(sorted(CALIBRATION["frameworks"])))),
    )  # fmt: skip


def run(arch, layout, chip=CHIP):
    constants = TrainingConstants.from_calibration(CALIBRATION, "hopper", "NVIDIA", layout.software)
    return step(arch, chip, layout, constants)


@settings(deadline=None, max_examples=60)
@given(models(), layouts())
def test_every_layout_has_finite_ordered_times(arch, layout):
    found = run(arch, layout)
    assert np.isfinite(found.step_time)
    assert found.step_time > 0
    assert all(v >= -1e-12 * found.step_time for v in found.parts.values())
    assert found.floor <= found.step_time <= found.ceiling
    assert all(v >= 0 for v in found.memory.values())
    assert np.isclose(sum(found.parts.values()), found.step_time)


@settings(deadline=None, max_examples=40)
@given(models(), layouts(), st.floats(1.0, 4.0))
def test_better_hardware_is_never_slower(arch, layout, times):
    slow = run(arch, layout).step_time
    for part in ("memory_bandwidth", "scaleup_bandwidth", "scaleout_bandwidth"):
        fast = run(arch, layout, replace(CHIP, **{part: getattr(CHIP, part) * times})).step_time
        assert fast <= slow * (1 + 1e-9)


@settings(deadline=None, max_examples=40)
@given(models(), layouts(), st.integers(1, 3))
def test_more_recomputation_never_needs_more_kept_activations(arch, layout, share):
    some = run(arch, replace(layout, recompute=2.0)).step_time
    none = run(arch, replace(layout, recompute=0.0)).step_time
    part = run(arch, replace(layout, recompute=0.0, full_share=share / 4)).step_time
    assert none <= part * (1 + 1e-9)
    assert part <= some * (1 + 1e-9)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(1.0, 8.0))
def test_the_soft_maximum_lies_between_maximum_and_sum(a, b, sharpness):
    found = soft_maximum(a, b, sharpness)
    assert max(a, b) <= found * (1 + 1e-12)
    assert found <= (a + b) * (1 + 1e-12)


@given(st.floats(1, 1e12), st.integers(1, 512), st.integers(1, 8), st.integers(1, 72))
def test_an_exchange_is_never_cheaper_on_a_slower_network(size, ranks, choices, domain):
    quick = Tiers(400e9, 50e9, domain, 1e-6, 2e-6)
    for slower in (quick._replace(fast=200e9), quick._replace(slow=25e9), quick._replace(slow_latency=1e-3)):
        before = collectives.expert_exchange(size, choices, ranks, quick)
        assert before <= collectives.expert_exchange(size, choices, ranks, slower)
    whole = collectives.all_reduce(size, ranks, 1e9)
    halves = collectives.reduce_scatter(size, ranks, 1e9) + collectives.all_gather(size, ranks, 1e9)
    assert np.isclose(whole, halves)
