"""Inference records: every load kind, missing fields, repairs, hostile input."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks import catalog
from tokenworks.perf.serving_plan import ServingPlan
from tokenworks.records import World
from tokenworks.validate.inference import predict
from tokenworks.validate.inference_record import Assumed, widths


@pytest.fixture(scope="module")
def world() -> World:
    return catalog.world(catalog.load(), dt.date(2026, 11, 1))


def record(**changes: Any) -> dict[str, Any]:
    base = {
        "id": "one",
        "hardware": {"chip": "H100", "n_chips": 8},
        "engine": "vllm",
        "model": "meta-llama/Llama-3.1-70B-Instruct",
        "model_key": "Llama-3.1-70B",
        "weight_precision": "fp8",
        "kv_precision": "fp8",
        "isl": 1000,
        "osl": 500,
        "load": {"kind": "concurrency", "value": 64},
        "parallelism": {"tp": 8, "pp": 1},
        "disaggregated": False,
        "speculative": "none",
    }
    return {**base, **changes}


def value(answer: Any, metric: str) -> float:
    assert answer["error"] is None, answer["error"]
    return float(answer["metrics"][metric]["value"])


LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "intermediate_size": 11008, "vocab_size": 32000,
}  # fmt: skip
LEAST = {
    "max_throughput": {"output_tokens_per_s_per_chip"},
    "concurrency": {"output_tokens_per_s_per_chip", "ttft_ms", "tpot_ms"},
    "batch": {"output_tokens_per_s_per_chip", "itl_ms"},
    "request_rate": {"ttft_ms", "tpot_ms", "ttft_p99_ms", "tpot_p99_ms"},
}


@pytest.mark.parametrize("kind", LEAST)
@pytest.mark.parametrize("split", [{"tp": 8, "pp": 1}, None], ids=["planned", "best plan"])
def test_every_load_kind_is_answered(world: World, kind: str, split: Any) -> None:
    answer = predict(record(load={"kind": kind, "value": 4}, parallelism=split), world)
    assert answer["error"] is None
    assert LEAST[kind] <= set(answer["metrics"])
    assert answer["fits"] is True
    assert set(answer["memory"]) >= {"weights", "kv", "activations", "other", "gradients", "optimizer"}
    assert answer["bound"] in ("compute", "memory", "network", "launch", "capacity")
    json.dumps(answer, allow_nan=False)


def test_answers_in_a_record_are_not_read(world: World) -> None:
    loud = record(measured={"tpot_ms": 1e9}, derived={"x": 1}, notes="fast", check="ok", bound_fraction={"flops": 1})
    assert predict(loud, world) == predict(record(), world)


def test_more_chips_do_not_change_one_replicas_speed(world: World) -> None:
    """Eight chips of tp 4 at concurrency 64 are two replicas at 32 each."""
    two = predict(record(parallelism={"tp": 4, "pp": 1}), world)
    one = predict(
        record(
            parallelism={"tp": 4, "pp": 1},
            hardware={"chip": "H100", "n_chips": 4},
            load={"kind": "concurrency", "value": 32},
        ),
        world,
    )
    assert value(two, "tpot_ms") == pytest.approx(value(one, "tpot_ms"))


def test_the_best_plan_is_not_worse_than_a_given_one(world: World) -> None:
    load = {"kind": "max_throughput"}
    best = value(predict(record(load=load, parallelism=None), world), "output_tokens_per_s_per_chip")
    for tp in (1, 2, 4, 8):
        given_one = predict(record(load=load, parallelism={"tp": tp, "pp": 1}), world)
        if given_one["fits"]:
            assert best >= value(given_one, "output_tokens_per_s_per_chip") * (1 - 1e-9)


def test_missing_fields_are_assumed_and_listed(world: World) -> None:
    answer = predict(record(weight_precision=None, kv_precision=None, isl=None, engine=None), world)
    assert answer["error"] is None
    fields = {a["field"] for a in answer["assumed"]}
    assert {"weight_precision", "kv_precision", "isl", "engine"} <= fields
    assert all(a["why"] for a in answer["assumed"])


def test_separate_pools(world: World) -> None:
    pools = {
        "prefill_workers": 2, "decode_workers": 1,
        "prefill_chips_per_worker": 4, "decode_chips_per_worker": 8,
        "prefill": {"tp": 4, "attention_dp": 1, "moe_tp": 4, "ep": 1},
        "decode": {"tp": 8, "attention_dp": 1, "moe_tp": 8, "ep": 1},
    }  # fmt: skip
    apart = predict(record(disaggregated=pools, parallelism=None, hardware={"chip": "H100", "n_chips": 16}), world)
    assert value(apart, "tpot_ms") < value(predict(record(), world), "tpot_ms")
    unknown = {**pools, "prefill_workers": None, "decode_workers": None}
    guessed = predict(record(disaggregated=unknown, parallelism=None), world)
    assert "disaggregated.workers" in {a["field"] for a in guessed["assumed"]}


POOLS = {
    "prefill_workers": 1, "decode_workers": 4,
    "prefill": {"tp": 1, "attention_dp": 4}, "decode": {"tp": 8, "attention_dp": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "inside", "more", "limit"),
    [("trtllm", 36, {}, 8), ("trtllm", 48, {}, None), ("trtllm", 64, {}, None), ("vllm", 36, {}, None),
     ("trtllm", 36, {"max_batch_size": 16}, None)],
)  # fmt: skip
def test_a_load_above_a_power_of_two_overfills_the_limit(
    world: World, engine: str, inside: int, more: dict[str, Any], limit: int | None
) -> None:
    load = {"kind": "concurrency", "value": inside}
    run = record(engine=engine, disaggregated=POOLS, parallelism=None, hardware={"chip": "H100"}, load=load, **more)
    answer = predict(run, world)
    assumed = {a["field"]: a["value"] for a in answer["assumed"]}
    assert assumed.get("max_batch_size") == limit
    wait = value(answer, "ttft_ms") / (value(answer, "tpot_ms") * 500)
    assert (wait >= 0.125) == (limit is not None)


def test_8_bit_checkpoints_scaled_by_block_are_told_by_their_maker(world: World) -> None:
    ours = record(weight_precision="fp8", model="Qwen/Qwen3-32B", model_key="Qwen3-32B", kv_precision="bf16")
    given = predict(ours, world)
    said = predict({**ours, "weight_precision": "fp8_block"}, world)
    assert given["metrics"] == said["metrics"]
    plain = {**ours, "model": "Qwen3-32B"}
    assert value(given, "tpot_ms") > value(predict(plain, world), "tpot_ms")


def test_prefill_and_decode_alone(world: World) -> None:
    first = predict(record(load={"kind": "batch", "value": 4}, prefill_only=True), world)
    assert set(first["metrics"]) == {"ttft_ms", "prefill_tokens_per_s_per_chip"}
    rate = 4 * 1000 / (value(first, "ttft_ms") / 1e3) / 8
    assert value(first, "prefill_tokens_per_s_per_chip") == pytest.approx(rate)
    whole = predict(record(load={"kind": "batch", "value": 4}), world)
    later = predict(record(load={"kind": "batch", "value": 4}, decode_only=True), world)
    assert value(later, "output_tokens_per_s_per_chip") > value(whole, "output_tokens_per_s_per_chip")


def test_a_model_that_does_not_fit_still_gets_metrics(world: World) -> None:
    tight = record(weight_precision="bf16", parallelism={"tp": 1, "pp": 1}, hardware={"chip": "H100", "n_chips": 1})
    answer = predict(tight, world)
    assert answer["fits"] is False
    assert value(answer, "tpot_ms") > 0


def test_a_chip_the_catalog_lacks_is_predicted_from_its_fields(world: World) -> None:
    box = {
        "chip": "quark-9000", "n_chips": 8, "hbm_gb": 80, "hbm_bw_GBps": 3350, "peak_bf16_tflops": 989,
        "intra_bw_GBps_per_chip_uni": 450,
    }  # fmt: skip
    assert value(predict(record(hardware=box), world), "tpot_ms") > 0
    lacking = predict(record(hardware={"chip": "quark-9000", "n_chips": 8}), world)
    assert lacking["error"]["kind"] == "unknown_fact"


def test_under_a_service_level_the_tail_keeps_it(world: World) -> None:
    load = {"kind": "request_rate", "value": 500.0, "slo_ms": {"ttft_slo": 2000.0, "tpot_slo": 60.0}}
    answer = predict(record(load=load), world)
    assert value(answer, "tpot_p99_ms") <= 60.0 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("split", "chips", "expected"),
    [
        ({"tp": 4, "attention_dp": 1, "moe_tp": 4, "ep": 1}, 4, (4, 1, 1, 4)),
        ({"tp": 16, "attention_dp": 1, "moe_tp": 4, "ep": 4}, 16, (4, 1, 4, 4)),
        ({"tp": 1, "attention_dp": 16, "moe_tp": 4, "ep": 4}, 16, (1, 4, 4, 4)),
        ({"tp": 1, "attention_dp": 64, "moe_tp": 8, "ep": 8}, 64, (1, 8, 8, 8)),
        ({"tp": 4, "attention_dp": 4, "moe_tp": 1, "ep": 16}, 16, (1, 4, 4, 4)),
        ({"tp": 8, "ep": 8, "moe_tp": 1, "attention_dp": 1}, 8, (8, 1, 8, 8)),
        ({"tp": 8, "pp": 1, "ep": None, "dp": 8, "dp_attention": True}, 8, (1, 8, 8, 8)),
        ({"tp": 1, "pp": 1, "ep": 16, "dp": 16, "dp_attention": True}, 16, (1, 16, 16, 16)),
        ({"tp": 24, "pp": 1}, 12, (12, 1, 1, 12)),
    ],
)
def test_widths_and_their_repair(split: Any, chips: int, expected: tuple[int, int, int, int]) -> None:
    plan, found = widths(split, chips, ServingPlan(), Assumed())
    assert (plan.tp, plan.dp, plan.ep, found) == expected


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"hardware": {"chip": "H100x", "n_chips": 8}}, "unknown_fact"),
        ({"model": "nobody/Nothing-1T", "model_key": "Nothing-1T"}, "unknown_fact"),
        ({"load": {"kind": "sprint"}}, "bad_value"),
        ({"load": {"kind": "concurrency"}}, "missing_field"),
        ({"load": {"kind": "concurrency", "value": -1}}, "bad_value"),
        ({"load": {"kind": "concurrency", "value": math.nan}}, "bad_value"),
        ({"load": []}, "bad_value"),
        ({"isl": "long"}, "bad_value"),
        ({"isl": 1e300}, "bad_value"),
        ({"osl": True}, "bad_value"),
        ({"hardware": "H100"}, "bad_value"),
        ({"hardware": {}}, "missing_field"),
        ({"parallelism": {"tp": 1.5}}, "bad_value"),
        ({"parallelism": {"tp": 10**400}}, "bad_value"),
        ({"weight_precision": "fp7"}, "bad_value"),
        ({"weight_precision": ["fp8"]}, "bad_value"),
        ({"engine": 7}, "bad_value"),
        ({"model": None, "model_key": None}, "missing_field"),
        ({"model": {"config": {**LLAMA, "hidden_size": -1}}}, "bad_value"),
        ({"speculative": {"draft_tokens_max": -3}}, "bad_value"),
    ],
)
def test_malformed_records_get_an_error(world: World, changes: dict[str, Any], kind: str) -> None:
    answer = predict(record(**changes), world)
    assert answer["error"]["kind"] == kind, answer["error"]
    assert answer["metrics"] == {}
    assert answer["id"] == "one"


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "hardware", "engine", "model", "model_key", "weight_precision", "kv_precision", "isl", "osl", "load",
    "parallelism", "disaggregated", "speculative", "max_batch_size", "prefill_only", "decode_only",
    "length_type", "engine_version", "id",
)  # fmt: skip
INNER = {
    "hardware": ("chip", "n_chips", "hbm_gb", "hbm_bw_GBps", "scaleup_domain", "peak_bf16_tflops"),
    "load": ("kind", "value", "slo_ms", "max_num_seqs"),
    "parallelism": ("tp", "pp", "ep", "dp", "attention_dp", "moe_tp", "dp_attention"),
}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_record_raises(world: World, data: st.DataObject) -> None:
    """Any field may hold anything: an answer or an error comes back, and it is plain JSON."""
    given_one = record()
    for name in data.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3)):
        if name in INNER and data.draw(st.booleans()):
            inner = data.draw(st.sampled_from(INNER[name]))
            if isinstance(given_one[name], dict):
                given_one[name] = {**given_one[name], inner: data.draw(junk)}
        else:
            given_one[name] = data.draw(junk)
    with np.errstate(all="ignore"):
        answer = predict(given_one, world)
    assert (answer["error"] is None) == bool(answer["metrics"])
    json.dumps({k: v for k, v in answer.items() if k not in ("id", "assumed")}, allow_nan=False)
