"""The training step: sums, limits, monotony, scalar against vector, memory, constants."""

from __future__ import annotations

from dataclasses import replace
from statistics import geometric_mean

import numpy as np
import pytest
from training_bench import A100, CALIBRATION, DENSE, GOODPUT, GPT_175B, H100, MIXTURE, SMALL, constants

from tokenworks.perf.goodput import Reliability, goodput, reliability, wall_time
from tokenworks.perf.layout import Layout, Software
from tokenworks.perf.training import BOUNDS, step, usable_memory
from tokenworks.perf.training_constants import TrainingConstants, density
from tokenworks.perf.training_layer import Bench, attention_efficiency, matrix_work
from tokenworks.simulate.training import Faults, simulate
from tokenworks.workload import flops_per_token
from tokenworks.workload.architecture import Attention, Matrix

EIGHT = replace(SMALL, ep=8.0)


@pytest.mark.parametrize(("arch", "layout"), [(DENSE, SMALL), (MIXTURE, EIGHT)])
def test_the_parts_sum_to_the_step_and_lie_within_its_limits(arch, layout):
    found = step(arch, H100, layout, constants())
    assert sum(found.parts.values()) == pytest.approx(found.step_time, rel=1e-12)
    assert sum(found.memory.values()) == pytest.approx(found.peak_memory, rel=1e-12)
    assert 0 < found.floor < found.step_time <= found.ceiling
    assert BOUNDS[int(found.bound)] in ("compute", "memory")


def test_no_step_beats_its_model_flops_at_peak():
    tokens = 128 * 8192
    least = flops_per_token(DENSE, 8192).training_causal * tokens / (8 * H100.peak["bf16"])
    found = step(DENSE, H100, SMALL, constants())
    assert found.step_time > least
    assert found.floor == pytest.approx(least, rel=0.02)


def test_rows_of_a_column_equal_single_calls():
    tp = np.array([1, 2, 4, 8, 8])
    dp = np.array([8, 4, 2, 1, 8])
    micro = np.array([1, 2, 1, 4, 1])
    rows = replace(SMALL, tp=tp, dp=dp, micro_batch=micro)
    together = step(MIXTURE, H100, rows, constants())
    for i in range(len(tp)):
        one = replace(SMALL, tp=int(tp[i]), dp=int(dp[i]), micro_batch=int(micro[i]))
        alone = step(MIXTURE, H100, one, constants())
        assert together.step_time[i] == pytest.approx(alone.step_time, rel=1e-12)
        assert together.peak_memory[i] == pytest.approx(alone.peak_memory, rel=1e-12)


@pytest.mark.parametrize(
    "faster",
    [
        {"memory_bandwidth": 2 * H100.memory_bandwidth},
        {"scaleup_bandwidth": 2 * H100.scaleup_bandwidth},
        {"scaleout_bandwidth": 2 * H100.scaleout_bandwidth},
        {"peak": {k: 2 * v for k, v in H100.peak.items()}},
    ],
)
def test_a_faster_part_never_slows_the_step(faster):
    layout = Layout(tp=8.0, pp=4.0, vpp=2.0, dp=4.0, ep=8.0, global_batch=256.0, sequence=4096.0)
    slow = step(MIXTURE, H100, layout, constants())
    fast = step(MIXTURE, replace(H100, **faster), layout, constants())
    assert fast.step_time < slow.step_time


def test_recomputation_costs_time_and_saves_memory():
    plain = step(GPT_175B, A100, Layout(tp=8.0, pp=8.0, global_batch=64.0, sequence=2048.0), constants(A100))
    full = step(
        GPT_175B,
        A100,
        Layout(tp=8.0, pp=8.0, global_batch=64.0, sequence=2048.0, recompute=2.0),
        constants(A100),
    )
    assert 1.2 < full.step_time / plain.step_time < 1.4
    assert full.memory["activations"] < 0.5 * plain.memory["activations"]


def test_sharding_the_states_divides_them():
    memory = [step(DENSE, H100, replace(SMALL, zero=float(z)), constants()).memory for z in range(4)]
    for level, part in ((1, "optimizer"), (2, "gradients"), (3, "weights")):
        assert memory[level][part] == pytest.approx(memory[level - 1][part] / 8)


def test_interleaving_shrinks_the_bubble():
    base = Layout(tp=4.0, pp=8.0, dp=1.0, global_batch=16.0, sequence=4096.0)
    one, four = (step(DENSE, H100, replace(base, vpp=v), constants()) for v in (1.0, 4.0))
    assert four.parts["pp_bubble"] < one.parts["pp_bubble"]


def test_weak_scaling_keeps_the_rate_nearly():
    near = step(DENSE, H100, SMALL, constants())
    far = step(DENSE, H100, replace(SMALL, dp=1024.0, global_batch=128.0 * 128), constants())
    assert 1.0 < far.step_time / near.step_time < 1.3


@pytest.mark.parametrize(
    ("arch", "layout", "seconds"),
    [
        # Korthikanti et al., arXiv 2205.05198, table 5: 175B on 64 A100, sequence and selective recomputation
        (GPT_175B, Layout(tp=8.0, pp=8.0, vpp=3.0, global_batch=64.0, sequence=2048.0, recompute=1.0), 13.75),
        # the same with full recomputation and without sequence parallelism
        (
            GPT_175B,
            Layout(
                tp=8.0,
                pp=8.0,
                vpp=3.0,
                global_batch=64.0,
                sequence=2048.0,
                recompute=2.0,
                sequence_parallel=0.0,
            ),
            18.13,
        ),
    ],
)
def test_published_megatron_steps(arch, layout, seconds):
    software = Software("megatron-lm", 2022.0)
    found = step(arch, A100, replace(layout, software=software, precision="fp16"), constants(A100, software))
    assert found.step_time == pytest.approx(seconds, rel=0.15)


def test_an_unmeasured_chip_takes_its_vendors_mean_and_an_unknown_vendor_the_mean_of_all():
    known = TrainingConstants.from_calibration(CALIBRATION, "hopper", "NVIDIA", Software())
    cousin = TrainingConstants.from_calibration(CALIBRATION, "rubin", "NVIDIA", Software())
    stranger = TrainingConstants.from_calibration(CALIBRATION, "biren", "Biren", Software("none of ours"))
    assert (known.evidence, cousin.evidence, stranger.evidence) == ("generation", "vendor", "all")
    vendors: dict[str, list[float]] = {}
    for entry in CALIBRATION["generations"].values():
        if not entry.get("assumed"):
            vendors.setdefault(entry["vendor"], []).append(entry["gemm"]["bf16"])
    every = geometric_mean([geometric_mean(of) for of in vendors.values()])
    assert cousin.gemm["bf16"] == pytest.approx(geometric_mean([*vendors["NVIDIA"], every]))
    assert stranger.gemm["bf16"] == pytest.approx(every)
    factors = [e["factor"] for e in CALIBRATION["frameworks"].values() if "factor" in e]
    assert stranger.factor == pytest.approx(geometric_mean(factors))


def test_a_family_without_runs_takes_the_factor_of_its_kind():
    found = TrainingConstants.from_calibration(CALIBRATION, "hopper", "NVIDIA", Software("jax"))
    kind = [e["factor"] for e in CALIBRATION["frameworks"].values() if e.get("kind") == "xla" and "factor" in e]
    every = geometric_mean([e["factor"] for e in CALIBRATION["frameworks"].values() if "factor" in e])
    assert found.factor == pytest.approx(geometric_mean([*kind, every]))
    assert min(*kind, every) < found.factor < max(*kind, every)


def test_a_chip_with_less_power_for_its_peak_sustains_less_of_it():
    full = density(H100)
    assert full is None  # the bench's chip has no power
    shares = [
        TrainingConstants.from_calibration(
            CALIBRATION, "hopper", "NVIDIA", Software(), density=density(replace(H100, power=watts))
        ).sustained("bf16")
        for watts in (350.0, 500.0, 700.0, 1200.0, 9000.0)
    ]
    assert shares == sorted(shares)
    assert shares[2] == pytest.approx(CALIBRATION["generations"]["hopper"]["gemm"]["bf16"], rel=1e-3)
    assert shares[0] > 0.75 * shares[2]
    assert shares[-1] <= 0.95


def test_finer_scales_and_emptier_schedules_move_the_step_the_right_way():
    lay = replace(SMALL, tp=2.0, pp=4.0, dp=1.0)
    plain, rows = (float(step(DENSE, H100, replace(lay, precision=p), constants()).step_time)
                   for p in ("fp8", "fp8_rowwise"))  # fmt: skip
    assert plain < rows
    bubble = [float(step(DENSE, H100, replace(lay, bubble=b), constants()).parts["pp_bubble"]) for b in (1.0, 0.5, 0.0)]
    assert bubble[0] - bubble[1] == pytest.approx(bubble[1] - bubble[2])
    assert bubble[0] > bubble[1]


def test_every_expert_that_a_chip_holds_is_launched_apart():
    """With experts spread over more chips the same tokens cost the host less; the wire aside."""
    apart = [step(MIXTURE, H100, replace(EIGHT, ep=ep), constants()).parts["host"] for ep in (2.0, 4.0, 8.0)]
    assert apart[0] > apart[1] > apart[2]
    assert apart[0] - apart[1] == pytest.approx(2.0 * (apart[1] - apart[2]), rel=0.02)  # 64, 32 and 16 experts


def test_early_dispatchers_send_every_choice_across_domains_and_none_more_within():
    early, late = Software("megatron-bridge", 2025.7), Software("megatron-bridge", 2025.8)
    wide = Layout(ep=32.0, dp=32.0, global_batch=64.0, sequence=4096.0)
    seconds = {
        (ep, s.year): float(step(MIXTURE, H100, replace(wide, ep=ep, software=s), constants()).parts["ep"])
        for ep in (8.0, 32.0) for s in (early, late)
    }  # fmt: skip
    assert seconds[32.0, early.year] > 1.5 * seconds[32.0, late.year]
    assert seconds[8.0, early.year] == pytest.approx(seconds[8.0, late.year])


def test_a_product_of_few_contracted_elements_runs_below_the_rate_of_long_ones():
    """The same FLOPs in half as many columns twice as long cost less."""
    c = constants()
    short, long = (
        float(matrix_work(Matrix("up", rows, columns, "column", "mlp"), Bench(H100, SMALL, c)).gemm)
        for rows, columns in ((512, 32768), (4096, 4096))
    )
    assert short > 1.03 * long


def test_an_older_attention_kernel_slows_no_scan():
    old = Software("torchtitan", 2025.0)
    assert constants(H100, old).framework["flash2"]
    for kind, slower in (("full", True), ("mamba", False)):
        attention = Attention(kind, 32, 8, 128, 128)
        found = [attention_efficiency(attention, Bench(H100, SMALL, c)) for c in (constants(), constants(H100, old))]
        assert bool(found[1] < found[0]) == slower


def test_every_constant_says_what_it_means_and_whether_it_was_fitted():
    for name, entry in CALIBRATION["globals"].items():
        assert entry["meaning"], name
        assert entry.get("assumed") or entry.get("fitted"), name
        assert bool(entry.get("fitted")) == (name in CALIBRATION["refit"]), name
    assert CALIBRATION["fitted_on"]["runs"] > CALIBRATION["fitted_on"]["groups"] > 0


def test_a_precision_the_chip_lacks_runs_at_the_next_wider_one():
    narrow = step(DENSE, A100, replace(SMALL, precision="fp8"), constants(A100))
    plain = step(DENSE, A100, SMALL, constants(A100))
    assert narrow.step_time < plain.step_time  # int8 stands in
    no_int8 = replace(A100, peak={"bf16": 312e12})
    same = step(DENSE, no_int8, replace(SMALL, precision="fp8"), constants(A100))
    assert same.step_time == pytest.approx(plain.step_time)


def test_usable_memory_is_less_than_what_is_built_in():
    assert 0.95 * H100.memory < usable_memory(H100, constants()) < H100.memory


def test_the_wall_time_of_llama_3s_fleet_has_its_interruptions():
    """419 unexpected interruptions in 54 days on 16,384 chips, over 90 % effective (arXiv 2407.21783, 3.3.4)."""
    fleet, seconds = reliability(GOODPUT), 54 * 86400.0
    found = wall_time(16384.0, fleet)
    assert float(found.failures) * seconds == pytest.approx(419, rel=0.05)
    assert float(found.training) > 0.9
    assert float(found.training) == pytest.approx(float(goodput(16384.0, fleet)))
    shares = (found.training, found.checkpoints, found.lost, found.restarts)
    assert sum(map(float, shares)) == pytest.approx(1.0)
    assert all(0.0 < float(s) < 1.0 for s in shares)
    assert float(wall_time(131072.0, fleet).training) < float(found.training)
    assert float(found.interval) == pytest.approx((2 * 30.0 / fleet.failure_rate / 16384) ** 0.5)


def test_the_wall_time_is_that_of_a_simulated_run():
    fleet = Reliability(1e-8, 600.0, 30.0)
    found = wall_time(2000.0, fleet)
    mean = 1.0 / (1e-8 * 2000.0)
    runs = [simulate(200 * mean, Faults(mean, 600.0, 30.0, float(found.interval)), seed=s) for s in range(4)]
    assert sum(r.work / r.elapsed for r in runs) / 4 == pytest.approx(float(found.training), rel=0.01)
    assert sum(r.restarts / r.elapsed for r in runs) / 4 == pytest.approx(float(found.restarts), rel=0.15)
    assert sum(r.lost / r.elapsed for r in runs) / 4 == pytest.approx(float(found.lost), rel=0.15)


def test_goodput_of_a_fleet_as_large_as_llama_3s():
    found = goodput(np.array([8.0, 16384.0, 131072.0]), reliability(GOODPUT))
    assert found[1] > 0.9  # arXiv 2407.21783, section 3.3.4: the paper reports over 90 % effective time
    assert np.all(np.diff(found) < 0)


def test_software_holds_gradients_activations_and_logits_its_own_way():
    """DeepSpeed's bf16 optimizer keeps two gradients (2 + 4 bytes), its fp16 one a single one of 2; a family's slack
    stretches activations only, its logits' share the logits only."""
    layout = replace(SMALL, pp=2.0, dp=4.0)
    held = {
        precision: step(
            DENSE, A100, replace(layout, precision=precision), constants(A100, Software("deepspeed"))
        ).memory
        for precision in ("bf16", "fp16")
    }
    assert held["bf16"]["gradients"] == pytest.approx(3.0 * held["fp16"]["gradients"])
    plain = constants(A100, Software("megatron-core"))
    loose = replace(plain, framework={**plain.framework, "slack": 1.2, "logit_share": 1.0})
    wordy = replace(plain, framework={**plain.framework, "logit_share": 1.4})
    usual, slack, logits = (step(DENSE, A100, layout, c).memory for c in (plain, loose, wordy))
    assert slack["activations"] == pytest.approx(1.2 * usual["activations"], rel=0.05)
    assert slack["weights"] == usual["weights"] == logits["weights"]
    assert logits["activations"] >= usual["activations"]
