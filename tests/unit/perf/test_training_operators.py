"""Operators of the training step: tiles, quantised inputs, short windows, narrow heads, captured iterations."""

from __future__ import annotations

from dataclasses import replace

import pytest
from training_bench import A100, CALIBRATION, DENSE, H100, MIXTURE, SMALL, constants

from tokenworks.perf.layout import Software
from tokenworks.perf.training import step
from tokenworks.perf.training_constants import TrainingConstants
from tokenworks.perf.training_layer import Bench, attention_efficiency, attention_work, matrix_work, rotary_bytes
from tokenworks.workload import matrices
from tokenworks.workload.architecture import Attention, Matrix

FP8 = replace(SMALL, precision="fp8")
RACK = replace(H100, chip="nvidia-gb300", generation="blackwell-ultra", scaleup_domain=72)


def test_a_matrix_takes_the_time_of_whole_tiles():
    bench = Bench(H100, replace(SMALL, micro_batch=8.0), constants())
    fine, ragged = (
        matrix_work(Matrix("up", 4096, width, "column", "dense"), bench).gemm / width for width in (2944, 2880)
    )
    assert ragged == pytest.approx(fine * 2944 / 2880, rel=0.01)


def test_an_input_that_two_matrices_share_is_quantised_once():
    gate = Matrix("gate", 4096, 4096, "column", "dense")
    bench = Bench(H100, FP8, constants())
    both, shared = matrix_work(gate, bench), matrix_work(replace(gate, follows=True), bench)
    assert shared.elementwise == pytest.approx(both.elementwise / 2)
    assert shared.gemm == both.gemm
    names = {m.name: m.follows for m in matrices(DENSE.layers[0][0], DENSE.hidden)}
    assert names == {
        "query": False, "key": True, "value": True, "output": False, "gate": False, "up": True, "down": False,
    }  # fmt: skip


def test_a_latent_query_that_comes_through_a_rank_of_its_own_shares_nothing():
    low = Attention("full", 32, 8, 128, 128, q_lora_rank=512)
    layer = replace(DENSE.layers[0][0], attention=low)
    assert [m.follows for m in matrices(layer, 4096) if m.name in ("query_up", "key", "value")] == [False, False, True]


def test_latent_attention_turns_only_a_part_of_its_queries():
    full = rotary_bytes(Attention("mla", 128, 128, 192, 128, kv_lora_rank=512, rope_head_dim=192))
    part = rotary_bytes(Attention("mla", 128, 128, 192, 128, kv_lora_rank=512, rope_head_dim=64))
    assert full - part == 128 * (4 - 2) * 128


def test_a_short_window_is_slower_than_its_share_of_the_keys():
    whole = attention_work(Attention("full", 64, 8, 64, 64), Bench(H100, SMALL, constants()))
    short = attention_work(Attention("window", 64, 8, 64, 64, window=128), Bench(H100, SMALL, constants()))
    assert short.flops_full / whole.flops_full == pytest.approx(128 / 4096, rel=0.02)
    assert 2.5 < (short.attention / whole.attention) / (128 / 4096) < 4.0


def test_narrow_heads_lose_more_on_chips_whose_exponentials_lag_behind():
    heads = [Attention("full", 32, 8, width, width) for width in (64, 128, 192)]
    lost = {}
    for hardware in (A100, H100, replace(H100, chip="nvidia-b200-sxm", generation="blackwell")):
        bench = Bench(hardware, SMALL, constants(hardware))
        narrow, usual, wide = (float(attention_efficiency(a, bench)) for a in heads)
        assert narrow < usual < wide
        lost[hardware.generation] = narrow / usual
    assert lost["blackwell"] < lost["hopper"] < lost["ampere"]


def released(year: float, domain: float, graph: bool | None = None) -> tuple[Software, TrainingConstants]:
    """A release of Megatron-Bridge on Blackwell Ultra, and its constants in a scale-up domain of that size."""
    software = Software("megatron-bridge", year, graph=graph)
    arguments = ("blackwell-ultra", "NVIDIA", software, "nvidia-gb300", domain)
    return software, TrainingConstants.from_calibration(CALIBRATION, *arguments)


@pytest.mark.parametrize("captured", [None, True, False])
def test_a_captured_iteration_leaves_the_host_nothing_to_launch(captured):
    """What a run states counts before what its release does."""

    def host(year: float) -> float:
        software, chosen = released(year, 72.0, captured)
        layout = replace(SMALL, ep=8.0, micro_batch=2.0, software=software)
        return float(step(MIXTURE, RACK, layout, chosen).parts["host"])

    assert (host(2026.6) < 1e-9) == (captured is not False)
    assert (host(2026.1) < 1e-9) == (captured is True)


def test_a_step_of_software_generation_ends_and_holds_in_its_domains_only():
    place = {(y, d): released(y, d)[1].releases[0] for y in (2025.7, 2025.9, 2026.1, 2026.5) for d in (8.0, 72.0)}
    steps = CALIBRATION["expert_software"]
    passing = next(i for i, step in enumerate(steps) if "until" in step)
    assert [key for key, found in place.items() if found == passing] == [(2025.9, 8.0)]
    assert place[2025.7, 8.0] == place[2026.1, 8.0] != place[2025.7, 72.0]
    assert [key for key, found in place.items() if steps[found].get("graph")] == [(2026.5, 72.0)]


def test_unfused_attention_is_slow_with_heads_that_cross_the_bounds_of_sixteen_bytes():
    old, new = (constants(A100, Software(family, 2022.0)) for family in ("deepspeed", "megatron-core"))
    aligned, crossing = (Attention("full", 128, 128, width, width) for width in (112, 108))
    for chosen, slower in ((old, True), (new, False)):
        bench = Bench(A100, SMALL, chosen)
        lost = attention_efficiency(crossing, bench) / attention_efficiency(aligned, bench)
        assert bool(lost < 0.5) == slower


def test_exchange_that_is_woven_into_another_micro_batch_costs_the_host():
    short = replace(SMALL, ep=8.0, sequence=1024.0)
    plain, woven = (
        step(MIXTURE, H100, replace(short, software=Software(woven=w)), constants()).parts for w in (False, True)
    )
    assert woven["ep"] < 0.5 * plain["ep"]
    assert woven["host"] > 2.0 * plain["host"]


def test_a_framework_may_run_its_own_mixtures_on_other_kernels():
    """The same attention is faster in a mixture, whose implementation is the framework's own, than in a dense model."""
    chosen = constants(H100, Software("automodel"))
    seconds = [
        float(step(arch, H100, replace(SMALL, software=Software("automodel")), chosen).parts["attention"])
        for arch in (DENSE, replace(DENSE, layers=((replace(DENSE.layers[0][0], ffn=MIXTURE.layers[0][0].ffn), 32),)))
    ]
    assert seconds[1] < 0.7 * seconds[0]
    assert chosen.for_model(False).framework == chosen.framework


def test_a_scan_takes_its_time_from_the_memory_and_not_from_the_matrix_units():
    scan = Attention("mamba", 64, 8, 128, 64)
    strong = replace(H100, peak={kind: 2.0 * rate for kind, rate in H100.peak.items()})
    wide = replace(H100, memory_bandwidth=2.0 * H100.memory_bandwidth)
    usual, peak, memory = (attention_work(scan, Bench(h, SMALL, constants())).attention for h in (H100, strong, wide))
    assert peak == pytest.approx(usual)
    assert memory == pytest.approx(usual / 2.0)


def test_pipelines_that_wait_at_every_checkpoint_lose_it_with_each_micro_batch_whatever_its_size():
    old = constants(A100, Software("deepspeed", 2022.0))
    layout = replace(SMALL, full_share=1.0, software=Software("deepspeed", 2022.0))

    def lost(micro_batch: float, full: float = 1.0) -> float:
        rows = replace(layout, micro_batch=micro_batch, full_share=full)
        quick = old.with_values(checkpoint_wait=0.0)
        return float(step(DENSE, A100, rows, old).step_time - step(DENSE, A100, rows, quick).step_time)

    assert lost(1.0) == pytest.approx(2.0 * lost(2.0), rel=1e-6)
    assert lost(1.0, full=0.0) == 0.0
    assert lost(1.0) > 16 * 32 * 5e-3  # micro-batches, layers, seconds


def test_gradients_that_are_summed_apart_pass_through_memory_once_more():
    old = constants(A100, Software("deepspeed", 2022.0))
    matrix, fused = (
        Matrix("up", 4096, 8192, "column", "dense"),
        replace(old, framework={**old.framework, "gradient_pass": 0}),
    )
    apart = matrix_work(matrix, Bench(A100, SMALL, old)).elementwise
    assert apart == pytest.approx(12.0 * 4096 * 8192 / Bench(A100, SMALL, old).stream)
    assert matrix_work(matrix, Bench(A100, SMALL, fused)).elementwise == 0.0
