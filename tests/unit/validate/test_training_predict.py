"""Training records in, answers out: shapes, assumptions, hostile input, coverage of vocabulary."""

from __future__ import annotations

import copy
import datetime as dt
import json
import math

import numpy as np
import pytest

from tokenworks.catalog import load, world
from tokenworks.validate import refit, training

# A run made up for these tests; its figures are nobody's.
RECORD = {
    "id": "made-up-8b",
    "framework": "Megatron-Bridge 26.02",
    "hardware": {
        "chip": "H100-SXM5-80GB", "n_chips": 64, "chips_per_node": 8, "scaleup_domain": 8,
        "intra_bw_GBps_per_chip_uni": 450, "inter_bw_GBps_per_chip_uni": 50,
        "peak_bf16_tflops": 989.4, "peak_fp8_tflops": 1978.9, "hbm_gb": 80,
    },
    "model": {
        "name": "made_up_8b", "type": "dense", "layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 8,
        "head_dim": 128, "ffn": 14336, "vocab": 128256, "gated_mlp": True, "tied_embeddings": False,
    },
    "seq_len": 8192, "global_batch_seqs": 128, "micro_batch_seqs": 1,
    "parallelism": {"tp": 2, "pp": 1, "cp": 1, "dp": 32, "zero_stage": 1, "sequence_parallel": True},
    "recompute": "none", "precision": "bf16",
}  # fmt: skip


@pytest.fixture(scope="module")
def now():
    return world(load(), dt.date(2026, 11, 24))


def changed(path: str, value: object) -> dict:
    record = copy.deepcopy(RECORD)
    node = record
    *parents, last = path.split(".")
    for name in parents:
        node = node[name]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return record


def test_an_answer_has_the_agreed_shape_and_consistent_figures(now):
    answer = training.predict(RECORD, now)
    assert answer["error"] is None
    assert answer["id"] == "made-up-8b"
    metrics = {k: v["value"] for k, v in answer["metrics"].items()}
    tokens = 128 * 8192
    assert metrics["tokens_per_s_per_chip"] == pytest.approx(tokens / metrics["step_time_s"] / 64)
    assert metrics["peak_memory_bytes"] == pytest.approx(sum(answer["memory"].values()))
    assert set(answer["memory"]) == {"weights", "gradients", "optimizer", "activations", "kv", "other"}
    assert answer["memory"]["kv"] == 0
    assert all(v["low"] is None and v["high"] is None for v in answer["metrics"].values())
    assert answer["fits"] is True
    assert answer["bound"] == "compute"
    json.dumps(answer, allow_nan=False)


def test_the_answers_of_a_record_are_never_read(now):
    measured = {
        **RECORD, "measured": {"step_time_s": 1e-9}, "derived": {"step_time_s": 1e9}, "notes": "full",
        "check": "x", "source": "y", "group": "z", "config_group": "q", "flags": ["adapter"],
    }  # fmt: skip
    assert training.predict(measured, now) == training.predict(RECORD, now)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("precision", "precision"),
        ("micro_batch_seqs", "micro_batch_seqs"),
        ("global_batch_seqs", "global_batch_seqs"),
        ("seq_len", "seq_len"),
        ("framework", "framework"),
        ("parallelism.zero_stage", "parallelism.zero_stage"),
        ("parallelism.sequence_parallel", "parallelism.sequence_parallel"),
        ("recompute", "recompute"),
        ("parallelism", "parallelism"),
        ("hardware.n_chips", "hardware.n_chips"),
    ],
)
def test_a_missing_field_is_chosen_and_said(now, path, field):
    record = changed(path, ...) if path != "parallelism" else {**RECORD, "parallelism": {}}
    answer = training.predict(record, now)
    assert answer["error"] is None
    assert field in [a["field"] for a in answer["assumed"]]
    assert all(a["why"] for a in answer["assumed"])


@pytest.mark.parametrize(
    ("path", "value", "kind"),
    [
        ("hardware.n_chips", -8, "bad_value"),
        ("hardware.n_chips", "many", "bad_value"),
        ("hardware.n_chips", True, "bad_value"),
        ("hardware.n_chips", 10**400, "bad_value"),
        ("hardware.n_chips", 2.5, "bad_value"),
        ("hardware.hbm_gb", math.nan, "bad_value"),
        ("hardware", [], "bad_value"),
        ("hardware.chip", ..., "missing_field"),
        ("model", ..., "missing_field"),
        ("model", {"name": "no such model at all"}, "unknown_fact"),
        ("model.layers", -1, "bad_value"),
        ("model.heads", ..., "missing_field"),
        ("model.hidden", 1e300, "bad_value"),
        ("seq_len", 0, "bad_value"),
        ("precision", "fp1", "unsupported"),
        ("precision", 8, "bad_value"),
        ("parallelism.tp", 1024, "bad_value"),
        ("parallelism.tp", None, None),
        ("parallelism", "tp2", "bad_value"),
        ("recompute", ["full"], "bad_value"),
        ("framework", {"a": 1}, "bad_value"),
    ],
)
def test_hostile_values_are_answered_with_an_error(now, path, value, kind):
    answer = training.predict(changed(path, value), now)
    if kind is None:
        assert answer["error"] is None
        return
    assert answer["error"]["kind"] == kind, answer
    assert answer["error"]["message"]
    assert answer["metrics"] == {}


def test_a_chip_the_catalog_lacks_is_predicted_from_the_records_own_fields(now):
    own = training.predict(changed("hardware.chip", "Unheard-of X1"), now)
    assert own["error"] is None
    assert own["bars"]["class"].startswith("chip not seen")
    assert "hardware.memory_bandwidth" in [a["field"] for a in own["assumed"]]
    bare = changed("hardware", {"chip": "Unheard-of X1", "n_chips": 64})
    assert training.predict(bare, now)["error"]["kind"] == "missing_field"


def test_infeasible_neighbours_do_not_fit(now):
    big = copy.deepcopy(RECORD)
    big["model"] |= {"layers": 80, "hidden": 8192, "heads": 64, "ffn": 28672}
    assert training.predict(big, now)["fits"] is False
    big["parallelism"] = {"tp": 8, "pp": 4, "virtual_pipeline_stages": 5, "cp": 1, "dp": 2, "zero_stage": 1}
    assert training.predict(big, now)["fits"] is True


def test_unknown_recomputation_is_just_what_fits(now):
    long = {**RECORD, "recompute": "unknown", "micro_batch_seqs": 4}
    answer = training.predict(long, now)
    (chosen,) = [a for a in answer["assumed"] if a["field"] == "recompute"]
    assert 0 < chosen["value"] <= 1
    assert answer["fits"]
    assert training.predict({**long, "recompute": "none"}, now)["fits"] is False
    assert [a["value"] for a in training.predict({**RECORD, "recompute": "unknown"}, now)["assumed"]] == [0]


@pytest.mark.parametrize(
    ("said", "slower"),
    [
        ("full", True),
        ("selective (per-op SAC)", True),
        ("full on 2 layers per stage", True),
        ("none (recipe)", False),
    ],
)
def test_the_words_for_recomputation(now, said, slower):
    base = training.predict(RECORD, now)["metrics"]["step_time_s"]["value"]
    found = training.predict({**RECORD, "recompute": said}, now)["metrics"]["step_time_s"]["value"]
    assert (found > base) is slower


def test_an_adapter_is_cheaper_than_a_full_step(now):
    full = training.predict(RECORD, now)
    adapter = training.predict({**RECORD, "kind": "lora"}, now)
    assert adapter["memory"]["optimizer"] < 0.1 * full["memory"]["optimizer"]
    assert adapter["metrics"]["step_time_s"]["value"] < full["metrics"]["step_time_s"]["value"]


def test_a_refit_finds_the_factor_that_made_the_data(now):
    records = []
    for i, batch in enumerate((64, 128, 256)):
        record = {**RECORD, "global_batch_seqs": batch, "config_group": str(i)}
        value = training.predict(record, now)["metrics"]["tokens_per_s_per_chip"]["value"]
        records.append({**record, "measured": {"tokens_per_s_per_chip": value / 1.15}})
    samples = refit.prepare(records, now)
    calibration = now.calibration["training"]
    every = np.ones((1, 3), bool)

    def fit(used):
        return list(refit.fits(samples, used, calibration, {}, str, rounds=3))

    before = refit.residuals(samples, calibration)
    (fitted,) = fit(every)
    after = refit.residuals(samples, fitted)
    assert all(abs(a) < 0.5 * abs(b) for a, b in zip(after, before, strict=True))
    assert [fitted] == fit(every)
    part = np.array([[True, True, False]])
    assert fit(np.concatenate([every, part])) == [*fit(every), *fit(part)]  # sets side by side are fitted as if alone


def leaves(node: dict, before: str = ""):
    for name, value in node.items():
        path = f"{before}{name}"
        yield path
        if isinstance(value, dict):
            yield from leaves(value, path + ".")


JUNK = (
    None,
    -1,
    0,
    0.5,
    1e308,
    math.inf,
    math.nan,
    10**30,
    "",
    "x" * 1000,
    [],
    {},
    [1],
    {"a": {}},
    True,
    ...,
)


@pytest.mark.parametrize("path", list(leaves(RECORD)))
def test_no_junk_in_any_field_raises_or_gives_a_figure_that_is_none(now, path):
    for junk in JUNK:
        answer = training.predict(changed(path, junk), now)
        if answer["error"] is not None:
            assert answer["error"]["kind"] in ("unknown_fact", "missing_field", "bad_value", "unsupported")
            assert answer["metrics"] == {}
        else:
            assert all(0 < m["value"] < math.inf for m in answer["metrics"].values()), (path, junk)
        if path != "id":
            json.dumps(answer, allow_nan=False)


def test_a_pipeline_of_unknown_software_is_taken_to_be_interleaved_and_says_so(now):
    deep = changed("parallelism", {"tp": 2, "pp": 8, "cp": 1, "dp": 4, "zero_stage": 1})
    rates = {}
    for name, framework, more in (
        ("unknown", "our own stack", {}),
        ("stated", "our own stack", {"virtual_pipeline_stages": 1}),
        ("scheduled", "our own stack", {"schedule": "1f1b"}),
        ("known", "Megatron-Bridge 26.02", {}),
    ):
        record = copy.deepcopy(deep)
        record["framework"] = framework
        record["parallelism"] |= more
        answer = training.predict(record, now)
        rates[name] = answer["metrics"]["tokens_per_s_per_chip"]["value"]
        said = {note["field"]: note["value"] for note in answer["assumed"]}
        assert said.get("parallelism.virtual_pipeline_stages") == (2.0 if name == "unknown" else None)
    assert rates["unknown"] > 1.05 * rates["stated"] == pytest.approx(1.05 * rates["scheduled"])
