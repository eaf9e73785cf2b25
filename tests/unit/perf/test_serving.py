"""Serving: hand-checked pieces, monotone behaviour, broadcasting, and published runs."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import yaml

from tokenworks.errors import Defect
from tokenworks.perf import serving, serving_open
from tokenworks.perf.serving import Lengths, Pools, Replica
from tokenworks.perf.serving_constants import ServingConstants, engine_family
from tokenworks.perf.serving_memory import cache_per_sequence, capacity, memory_parts, weights_per_chip
from tokenworks.perf.serving_plan import ServingPlan, arithmetic, layer_works
from tokenworks.perf.serving_step import BOUNDS, Load, launch_time
from tokenworks.records import Hardware
from tokenworks.workload import Architecture, Attention, FeedForward, Layer

CALIBRATION = yaml.safe_load((files("tokenworks") / "catalog/data/calibration/serving.yaml").read_text())
H100 = Hardware(
    chip="h100", generation="hopper", vendor="NVIDIA", year=2023, peak={"bf16": 989e12, "fp8": 1979e12},
    memory=80e9, memory_bandwidth=3.35e12, scaleup_domain=8, scaleup_bandwidth=450e9,
    scaleout_bandwidth=50e9,
)  # fmt: skip
GQA = Attention("full", heads=64, kv_heads=8, head_dim=128, v_head_dim=128)
LLAMA_70B = Architecture("llama-70b", 8192, 128256, ((Layer(GQA, FeedForward(28672)), 80),))
MLA = Attention("mla", 128, 128, 192, 128, q_lora_rank=1536, kv_lora_rank=512, rope_head_dim=64)
MOE = FeedForward(0, experts=256, top_k=8, expert_width=2048, shared_width=2048)
DEEPSEEK = Architecture("deepseek", 7168, 129280, ((Layer(MLA, FeedForward(18432)), 3), (Layer(MLA, MOE), 58)))
HYBRID = Architecture(
    "hybrid",
    4096,
    100_000,
    (
        (Layer(Attention("linear", 32, 16, 128, 128, state=32 * 128 * 128), FeedForward(11008)), 24),
        (Layer(GQA, FeedForward(11008)), 8),
    ),
)


def constants(engine: str = "vllm", generation: str = "hopper", vendor: str = "NVIDIA") -> ServingConstants:
    return ServingConstants.from_calibration(CALIBRATION, generation, vendor, engine)


def replica(arch: Architecture = LLAMA_70B, engine: str = "vllm", **plan: object) -> Replica:
    return Replica(arch, H100, ServingPlan(**{"tp": 8, **plan}), constants(engine))  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ constants


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("trtllm", "tensorrt-llm"),
        ("TensorRT 10.11, CUDA 12.9", "tensorrt-llm"),
        ("vLLM 0.6.5.dev964", "vllm"),
        ("vLLM-Ascend", "vllm-ascend"),
        ("NxD Inference + vLLM", "neuron"),
        ("abacus", "default"),
    ],
)
def test_engine_families(name: str, family: str) -> None:
    assert engine_family(name) == family


def test_blackwell_launches_are_shorter() -> None:
    base = CALIBRATION["base"]["launch_layer"]
    assert constants("trtllm").launch_layer == pytest.approx(base)
    assert constants("trtllm", "blackwell-ultra").launch_layer == pytest.approx(0.77 * base)


def test_unknown_vendor_takes_the_prior() -> None:
    assert constants(vendor="Nobody").compute_16 == pytest.approx(0.72 * constants().compute_16)


def test_eager_costs_per_layer() -> None:
    eager = ServingConstants.from_calibration(CALIBRATION, "hopper", "NVIDIA", "vllm", eager=True)
    gap = (
        serving.decode_step(LLAMA_70B, H100, ServingPlan(tp=8), 1, 100, eager).time
        - serving.decode_step(LLAMA_70B, H100, ServingPlan(tp=8), 1, 100, constants()).time
    )
    assert float(gap) == pytest.approx(80 * 0.6e-3)


def test_a_release_has_habits_of_its_own() -> None:
    habits = {**CALIBRATION["engines"]["vllm"], "releases": {"v0_9": {"ttft_prefill": 3.0}}}
    own = {**CALIBRATION, "engines": {**CALIBRATION["engines"], "vllm": habits}}
    old, new = (
        ServingConstants.from_calibration(own, "hopper", "NVIDIA", "vllm", release=r) for r in ("v0_9", "v0_10")
    )
    assert (old.ttft_prefill, new.ttft_prefill) == (3.0, constants().ttft_prefill)
    assert replace(old, ttft_prefill=new.ttft_prefill) == new


def test_a_patch_release_comes_before_its_series() -> None:
    habits = {**CALIBRATION["engines"]["vllm"], "releases": {"v0_9": {"look_few": 3.0}, "v0_9_2": {"look_few": 7.0}}}
    own = {**CALIBRATION, "engines": {**CALIBRATION["engines"], "vllm": habits}}
    found = [
        ServingConstants.from_calibration(own, "hopper", "NVIDIA", "vllm", release=r).look_few
        for r in ("v0_9", "v0_9_1", "v0_9_2", "v0_9_20", "v0_99", "")
    ]
    assert found == [3.0, 3.0, 7.0, 3.0, 1.0, 1.0]


def test_a_first_token_waits_half_the_steps_between_two_looks() -> None:
    ours, lengths, load = replica(), Lengths(1000, 500), np.array([15.0, 16.0])
    rare = ours._replace(constants=replace(ours.constants, look_few=10.0, look_many=30.0))
    often, seldom = (serving.at_concurrency(r, lengths, load, bursts=0.0) for r in (ours, rare))
    assert seldom.tpot == pytest.approx(often.tpot)
    assert seldom.ttft - often.ttft == pytest.approx(np.array([4.5, 14.5]) * often.tpot, rel=1e-3)


def test_a_missing_constant_is_our_defect() -> None:
    broken = {**CALIBRATION, "base": {k: v for k, v in CALIBRATION["base"].items() if k != "link"}}
    with pytest.raises(Defect):
        ServingConstants.from_calibration(broken, "hopper", "NVIDIA", "vllm")


# --------------------------------------------------------------------------------------------- memory


def test_weights_by_hand() -> None:
    """80 x (2 h^2 + 2 h 1024 + 3 h 28672) + 2 h V weights of 2 bytes over 8 chips."""
    h = 8192
    per_layer = 2 * h * h + 2 * h * 1024 + 3 * h * 28672
    expected = 2.0 * (80 * per_layer + 2 * h * 128256) / 8
    assert float(weights_per_chip(LLAMA_70B, ServingPlan(tp=8))) == pytest.approx(expected)


def test_cache_by_hand() -> None:
    """80 layers x 8 KV heads x 256 x 2 bytes = 327,680 bytes a token, over tp 4; one head a chip at least."""
    four = float(cache_per_sequence(LLAMA_70B, ServingPlan(tp=4), 1000))
    assert four == pytest.approx(327_680 * 1000 / 4)
    assert float(cache_per_sequence(LLAMA_70B, ServingPlan(tp=16), 1000)) == pytest.approx(four / 2)


def test_a_latent_is_not_divided() -> None:
    one, eight = (float(cache_per_sequence(DEEPSEEK, ServingPlan(tp=t), 100)) for t in (1, 8))
    assert one == eight == pytest.approx(61 * 576 * 2 * 100)


def test_recurrent_layers_do_not_grow() -> None:
    short, long = (float(cache_per_sequence(HYBRID, ServingPlan(), c)) for c in (1000, 2000))
    assert long - short == pytest.approx(8 * 8 * 256 * 2 * 1000)


def test_a_model_too_large_has_no_capacity() -> None:
    assert float(capacity(LLAMA_70B, H100, ServingPlan(tp=1), 1000, constants())) == 0.0


def test_memory_parts_add_up_to_what_is_used() -> None:
    plan = ServingPlan(tp=4, kv="fp8")
    room = float(capacity(LLAMA_70B, H100, plan, 1500, constants()))
    used = sum(float(v) for v in memory_parts(LLAMA_70B, H100, plan, (room, 1500), constants()).values())
    assert 0.9 * 80e9 < used <= 0.92 * 80e9


# ---------------------------------------------------------------------------------------------- steps


def test_a_dense_decode_step_reads_the_weights() -> None:
    """At batch 1 the floor is weights over bandwidth: 2 x 69.5e9 / 8 / 3.35e12 s (embedding not read)."""
    got = serving.decode_step(LLAMA_70B, H100, ServingPlan(tp=8), 1, 1, constants())
    h = 8192
    read = 2.0 * (80 * (2 * h * h + 2 * h * 1024 + 3 * h * 28672) + h * 128256) / 8
    assert float(got.floor) == pytest.approx(read / 3.35e12, rel=0.01)
    assert float(got.floor) < float(got.time) < float(got.ceiling) * (1 + 1e-12)


def test_parts_sum_to_the_step() -> None:
    got = serving.decode_step(DEEPSEEK, H100, ServingPlan(tp=8, ep=8), 64, 2000, constants())
    assert float(sum(got.parts.values())) == pytest.approx(float(got.time))
    assert set(got.resources) == set(BOUNDS)
    assert {"experts", "network", "launch", "host", "head", "attention"} <= set(got.parts)


def test_scales_found_on_the_way_take_launches() -> None:
    """Two products of the mixer and two of the FFN in each of 80 layers; none in 16 bits or with a fixed scale."""
    k = constants()
    plain, fixed, scaled = (launch_time(LLAMA_70B, H100, ServingPlan(8, weights=w), k) for w in _WEIGHTS)
    assert float(plain) == float(fixed) == pytest.approx(80 * k.launch_layer)
    assert float(scaled - fixed) == pytest.approx(80 * 4 * k.launch_quantise_8)
    for arch, weights in ((LLAMA_70B, "fp8_block"), (DEEPSEEK, "fp8_block"), (DEEPSEEK, "nvfp4"), (HYBRID, "fp8")):
        plan = ServingPlan(tp=8, weights=weights)
        parts = serving.decode_step(arch, H100, plan, 4, 100, k).parts
        assert float(parts["launch"]) == pytest.approx(float(launch_time(arch, H100, plan, k)))


_WEIGHTS = ("bf16", "fp8", "fp8_block")


def test_bound_changes_with_the_batch() -> None:
    big = serving.mixed_step(replica(tp=1), Load(prefill=8192, prompt=8192))
    small = serving.decode_step(LLAMA_70B, H100, ServingPlan(tp=1), 1, 10_000, constants())
    assert BOUNDS[int(big.bound)] == "compute"
    assert BOUNDS[int(small.bound)] == "memory"


@pytest.mark.parametrize("arch", [LLAMA_70B, DEEPSEEK, HYBRID], ids=lambda a: a.name)
def test_times_grow_with_the_load(arch: Architecture) -> None:
    batch = 2.0 ** np.arange(10)
    times = serving.decode_step(arch, H100, ServingPlan(tp=8), batch, 2000, constants()).time
    assert np.all(np.diff(times) > 0)
    longer = serving.decode_step(arch, H100, ServingPlan(tp=8), 8, 1000 * batch, constants()).time
    assert np.all(np.diff(longer) > 0)
    prompts = serving.prefill_time(replica(arch), 100 * batch)
    assert np.all(np.diff(prompts) > 0)


def test_touched_experts_grow_to_all() -> None:
    """One token reads 8 of 256 experts, thousands read all: the experts' part grows less than the batch."""
    parts = [
        float(serving.decode_step(DEEPSEEK, H100, ServingPlan(tp=8, ep=8), b, 1, constants()).parts["experts"])
        for b in (1, 2, 1024, 2048)
    ]
    assert parts[1] / parts[0] > 1.9
    assert parts[3] / parts[2] < 1.8


def test_columns_broadcast_like_single_plans() -> None:
    tp = np.array([1, 2, 4, 8, 16])
    lengths = Lengths(2000, 500)
    for arch in (LLAMA_70B, DEEPSEEK):
        many = serving.at_concurrency(replica(arch, tp=tp), lengths, 16.0)
        for row, width in enumerate(tp):
            one = serving.at_concurrency(replica(arch, tp=int(width)), lengths, 16.0)
            for name in ("ttft", "tpot", "tokens", "capacity"):
                assert float(getattr(many, name)[row]) == pytest.approx(float(getattr(one, name)), rel=1e-12)


def test_leaving_the_domain_is_slower() -> None:
    parts = [
        serving.decode_step(LLAMA_70B, H100, ServingPlan(tp=t), 64, 100, constants()).parts["network"]
        for t in (1, 8, 16)
    ]
    assert float(parts[0]) == 0.0
    assert float(parts[2]) > 2 * float(parts[1]) > 0.0


def test_narrow_weights_run_in_their_own_arithmetic_or_16_bits() -> None:
    assert arithmetic(H100, "fp8").peak == 1979e12
    four = arithmetic(H100, "int4")
    assert (four.peak, four.bits, four.narrow) == (989e12, 16, True)
    assert arithmetic(replace(H100, peak={**H100.peak, "fp4": 4e15}), "nvfp4").bits == 4


def test_layer_works_hold_every_weight() -> None:
    total = sum(
        w.count
        * (w.attention_sharded + w.attention_replicated + w.dense_sharded + w.dense_replicated + w.expert * w.experts)
        for w in layer_works(DEEPSEEK)
    )
    assert total == pytest.approx(671.0e9 - 2 * 7168 * 129280, rel=0.005)  # DeepSeek-V3: 671 billion


# --------------------------------------------------------------------------------------------- steady


def test_speculation_shortens_tokens() -> None:
    plain, drafted = replica(), replica(draft=1, accept=1.85)
    lengths = Lengths(1000, 1000)
    ratio = float(serving.tpot_at(drafted, 1.0, lengths) / serving.tpot_at(plain, 1.0, lengths))
    assert 1 / 1.85 < ratio < 0.7


def test_more_concurrency_more_tokens_and_slower_ones() -> None:
    state = serving.at_concurrency(replica(), Lengths(1000, 500), 2.0 ** np.arange(9))
    assert np.all(np.diff(state.tokens) > 0)
    assert np.all(np.diff(state.tpot) > 0)
    assert np.all(np.diff(state.ttft) > 0)
    assert np.all(state.ttft_p99 >= state.ttft)


def test_beyond_the_cache_requests_queue() -> None:
    lengths = Lengths(8000, 1000)
    room = float(capacity(LLAMA_70B, H100, ServingPlan(tp=4), lengths.context, constants()))
    inside, beyond = (serving.at_concurrency(replica(tp=4), lengths, f * room) for f in (0.9, 3.0))
    assert float(beyond.batch) == pytest.approx(room, rel=0.05)
    assert float(beyond.ttft) > 1.5 * 1000 * float(beyond.tpot) > float(inside.ttft)


def test_a_rate_obeys_littles_law() -> None:
    lengths = Lengths(1000, 500)
    state = serving_open.at_rate(replica(), lengths, 2.0)
    assert float(state.requests) == pytest.approx(2.0, rel=1e-3)
    assert float(state.batch) == pytest.approx(float(state.requests) * 499 * float(state.tpot), rel=1e-3)
    assert float(state.utilisation) < 1.0


def test_a_rate_too_high_is_said() -> None:
    assert float(serving_open.at_rate(replica(), Lengths(1000, 500), 1e4).utilisation) > 1.0


def test_the_service_level_is_kept_and_used() -> None:
    lengths, tpot = Lengths(1000, 500), np.array([0.02, 0.03, 0.05, 0.1])
    state = serving_open.within(replica(), lengths, 5.0, tpot)
    assert np.all(state.tpot_p99 <= tpot * (1 + 1e-6))
    assert np.all(np.diff(state.requests) >= 0)
    assert float(state.tpot_p99[0]) == pytest.approx(0.02, rel=1e-3)


def test_the_most_tokens_exceed_any_steady_load() -> None:
    lengths = Lengths(1000, 500)
    most = serving.max_throughput(replica(), lengths)
    held = serving_open.at_rate(replica(), lengths, 0.8 * float(most.requests))
    assert float(held.tokens) < float(most.tokens)
    fewer = serving.max_throughput(replica(), lengths, batch_max=16)
    assert float(fewer.batch) == 16
    assert float(fewer.tokens) < float(most.tokens)


def test_separate_pools_decode_undisturbed() -> None:
    lengths = Lengths(8000, 500)
    together = serving.at_concurrency(replica(), lengths, 64.0)
    pools = Pools(replica(), replica(), 4.0, 1.0)
    apart = serving.disaggregated(pools, lengths, 64.0)
    assert float(apart.tpot) < float(together.tpot)


def test_too_few_prefill_workers_delay_the_first_token() -> None:
    lengths = Lengths(8000, 100)
    ttft = serving.disaggregated(Pools(replica(), replica(), np.array([1.0, 2.0, 8.0]), 4.0), lengths, 128.0).ttft
    assert ttft[0] > ttft[1] > ttft[2]


def test_behind_a_full_pool_a_request_waits_what_is_left_of_a_cycle() -> None:
    """C requests go round no faster than the slowest pool turns them out (Denning and Buzen 1978)."""
    lengths, many = Lengths(8000, 100), 512.0
    late = serving.disaggregated(Pools(replica(), replica(), 1.0, 4.0), lengths, many)
    least = many * float(serving.prompt_time(replica(), 8000))
    assert least <= float(late.ttft) + 100 * float(late.tpot) <= 1.15 * least
    pools = Pools(replica(), replica(), 8.0, 2.0)
    free, full = (serving.disaggregated(pools, Lengths(100, 1000), 48.0, batch_max=b) for b in (np.inf, 16.0))
    assert float(full.batch) == pytest.approx(16.0, rel=1e-3)
    assert float(full.ttft) == pytest.approx(0.5 * 1000 * float(full.tpot), rel=0.05)
    assert float(full.tpot) < float(free.tpot)


def test_a_batch_limit_queues_like_a_full_cache() -> None:
    state = serving.at_concurrency(replica(), Lengths(100, 1000), 48.0, batch_max=np.array([16.0, np.inf]))
    assert float(state.batch[0]) == pytest.approx(16.0, rel=1e-3)
    assert float(state.ttft[0]) == pytest.approx(2.0 * 1000 * float(state.tpot[0]), rel=0.05)
    assert state.ttft[1] < 0.1 * state.ttft[0]


def test_a_published_series_is_met() -> None:
    """Llama-3.1-70B in fp8 on two H200 under TensorRT-LLM, 8192/1024 nominal: mean first token 2.70 s with 64
    and 4.68 s with 128 requests in flight (public serving sweep of aiconfigurator 095f58a5). The growth must
    agree; the level within the factor that covers 90 % of published first tokens."""
    h200 = replace(H100, memory=141e9, memory_bandwidth=4.8e12)
    plan = ServingPlan(tp=2, weights="fp8", kv="fp8")
    ours = Replica(LLAMA_70B, h200, plan, constants("trtllm"))
    state = serving.at_concurrency(ours, Lengths(8192 * 0.9, 1024 * 0.9), np.array([64.0, 128.0]))
    assert float(state.ttft[1] / state.ttft[0]) == pytest.approx(4.68 / 2.70, rel=0.05)
    assert np.all(np.abs(np.log(state.ttft / np.array([2.70, 4.68]))) < np.log(1.65))


def test_no_step_breaks_numpy() -> None:
    """Zero loads, huge loads, one chip: finite and not negative, with floating point errors raised."""
    with np.errstate(all="raise", under="ignore"):
        for arch in (LLAMA_70B, DEEPSEEK, HYBRID):
            for load in (Load(), Load(1e6, 1e6, 1e6, 1e6), Load(0, 0, 1, 1), Load(1, 0, 0, 0)):
                got = serving.mixed_step(replica(arch, tp=1), load)
                assert np.isfinite(float(got.time))
                assert float(got.floor) <= float(got.time)


def test_an_engine_that_never_evicts_holds_fewer_and_windows_help_who_manages_them() -> None:
    lengths = Lengths(100, 4000)
    evicts, reserves = (replica(engine=e) for e in ("vllm", "trtllm"))
    assert float(serving.places(reserves, lengths)) < 0.6 * float(serving.places(evicts, lengths))
    window = Architecture(
        "w", 4096, 32000, ((Layer(Attention("window", 32, 8, 128, 128, 1024), FeedForward(14336)), 32),)
    )
    plan, context = ServingPlan(tp=1), 20_000
    assert cache_per_sequence(window, plan, context, 1.0) == pytest.approx(
        cache_per_sequence(window, plan, context) * context / 1024
    )
