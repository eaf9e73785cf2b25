"""Published names as people write them: chips, frameworks, precisions, recomputation; what fits and what does not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from tokenworks.catalog import load, published, world
from tokenworks.validate import training
from tokenworks.validate.training_hardware import find_chip
from tokenworks.validate.training_plan import find_family, precision_named, read_software

LAST = world(load(), dt.date(9999, 12, 31))
FAMILIES = LAST.calibration["training"]["frameworks"]
RUN: Mapping[str, Any] = {
    "id": "one", "framework": "NeMo 24.07", "precision": "bf16", "recompute": "none", "seq_len": 4096,
    "hardware": {"chip": "H100-SXM5-80GB", "n_chips": 64}, "model": {"name": "llama-3-8b"},
    "global_batch_seqs": 256, "micro_batch_seqs": 1, "parallelism": {"tp": 2, "pp": 1, "cp": 1, "dp": 32},
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "chip"),
    [
        ("TPU v4", "google-tpu-v4"), ("TPUv5p", "google-tpu-v5p"), ("Trillium", "google-tpu-v6e"),
        ("TPU7x", "google-tpu-v7"), ("Ironwood", "google-tpu-v7"), ("TPU v5 lite", "google-tpu-v5e"),
        ("Trn2", "aws-trainium2"), ("AWS Trainium 2", "aws-trainium2"), ("Intel Gaudi 3", "intel-gaudi3"),
        ("AMD Instinct MI300X", "amd-mi300x"), ("MI300A", "amd-mi300a"), ("Ascend 910C", "huawei-ascend-910c"),
        ("H800-SXM", "nvidia-h800-sxm"), ("H20", "nvidia-h20"), ("A800-SXM4-80GB", "nvidia-a800-sxm-80"),
        ("V100-SXM2-32GB", "nvidia-v100-sxm2-32"), ("GH200 96GB", "nvidia-gh200"),
        ("GB200 NVL72", "nvidia-gb200"), ("NVIDIA L40S", "nvidia-l40s"), ("RTX 4090", "nvidia-rtx-4090"),
    ],
)  # fmt: skip
def test_a_chip_is_known_by_its_usual_spellings(said, chip):
    assert find_chip(said, LAST).id == chip


@pytest.mark.parametrize("said", ["Zorblax 9", "GPU", "NVIDIA", "", "---", "Cerebras WSE-2"])
def test_what_names_no_chip_finds_none(said):
    assert find_chip(said, LAST) is None


@pytest.mark.parametrize(
    ("said", "family"),
    [
        ("NVIDIA NeMo 25.07", "nemo"), ("AI Hypercomputer MaxText", "maxtext"), ("ROCm Megatron-LM", "megatron-lm"),
        ("Intel Gaudi Megatron-DeepSpeed", "gaudi"), ("MosaicML LLM Foundry", "composer"),
        ("Colossal-AI", "megatron-like"), ("axolotl", "accelerate"), ("torchtune", "accelerate"),
        ("OLMo-core", "research-fsdp"), ("Levanter", "jax"), ("MindFormers", "megatron-like"), ("fairseq", "early"),
        ("Alpa", "jax"), ("AWS Neuron", "neuronx"), ("our own trainer", None), ("", None),
    ],
)  # fmt: skip
def test_a_framework_is_known_by_its_usual_spellings(said, family):
    assert find_family(said, FAMILIES) == family


@pytest.mark.parametrize(
    ("said", "hardware", "family"),
    [
        ("Megatron-LM", ("NVIDIA", 2020), "megatron-lm"), ("Megatron-LM", ("NVIDIA", 2022), "megatron-core"),
        ("Megatron-LM 2021", ("NVIDIA", 2022), "megatron-lm"), ("Megatron-LM 2024", ("NVIDIA", 2020), "megatron-core"),
        ("DeepSpeed", ("NVIDIA", 2022), "deepspeed-fused"), ("DeepSpeed", ("Intel", 2022), "gaudi"),
        ("Megatron-LM", ("Huawei", 2023), "mindspeed"), ("MaxText", ("NVIDIA", 2022), "maxtext-gpu"),
    ],
)  # fmt: skip
def test_software_is_that_of_its_time_and_vendor(said, hardware, family):
    found, named = read_software({"framework": said}, LAST.calibration["training"], hardware, [])
    assert (found.family, named) == (family, True)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("BFloat16", "bf16"), ("mixed bf16", "bf16"), ("float16", "fp16"), ("half", "fp16"),
        ("FP8 (current scaling)", "fp8"), ("fp8-block", "fp8_block"), ("fp8 blockwise", "fp8_block"),
        ("float8_rowwise", "fp8_rowwise"), ("fp8-mx", "mxfp8"), ("MXFP4", "nvfp4"), ("AQT int8", "int8"),
        ("bf16 + fp8 experts", "bf16"), ("fp64", None), ("tf32", None), ("9", None),
    ],
)  # fmt: skip
def test_a_precision_is_known_by_its_usual_spellings(said, name):
    assert precision_named(said) == name


@pytest.mark.parametrize("said", ["full", "yes", True, "gradient checkpointing", "Full activation recomputation"])
def test_recomputing_everything_has_many_names(said):
    assert training.predict({**RUN, "recompute": said}, LAST) == training.predict({**RUN, "recompute": "full"}, LAST)


@pytest.mark.parametrize("said", ["none", "no", "off", False, "disabled"])
def test_so_has_recomputing_nothing(said):
    assert training.predict({**RUN, "recompute": said}, LAST) == training.predict(RUN, LAST)


def test_a_stranger_gets_the_widest_bar_from_its_own_fields():
    own = {"peak_bf16_tflops": 500, "hbm_gb": 96}
    found = training.predict({**RUN, "hardware": {"chip": "Zorblax 9", "n_chips": 64, **own}}, LAST)
    assert found["error"] is None
    assert found["bars"]["class"].startswith("chip not seen, software not seen")
    classes = LAST.calibration["bars"]["training"]["tokens_per_s_per_chip"]
    dense = {name: b["high"] / b["low"] for name, b in classes.items() if name.endswith("dense")}
    assert max(dense, key=dense.__getitem__) == found["bars"]["class"]


def test_degrees_that_do_not_fill_the_chips_are_mended_and_said():
    found = training.predict({**RUN, "parallelism": {"tp": 2, "pp": 1, "cp": 1, "dp": 24}}, LAST)
    assert found["metrics"] == training.predict(RUN, LAST)["metrics"]
    assert {"field": "parallelism.dp", "value": 32.0, "why": "the given degrees do not fill the chips"} in found[
        "assumed"
    ]


def test_what_a_described_model_leaves_out_is_the_catalogs_or_refused():
    model = {"name": "llama-3-8b", "layers": 32, "hidden": 4096, "ffn": 14336, "kv_heads": 8}
    found = training.predict({**RUN, "model": model}, LAST)
    assert found["metrics"]["step_time_s"]["value"] == pytest.approx(
        training.predict(RUN, LAST)["metrics"]["step_time_s"]["value"]
    )
    assert {("model.heads", 32), ("model.vocab", 128256)} <= {(a["field"], a["value"]) for a in found["assumed"]}
    refused = training.predict({**RUN, "model": {**model, "name": "mine"}}, LAST)["error"]
    assert refused["kind"] == "missing_field"
    assert "model.heads" in refused["message"] or "model.vocab" in refused["message"]


# ------------------------------------------------------------------------------------------ what fits


def halved(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same split on half the chips: the data-parallel degree, else the pipeline, is half as long."""
    given = dict(record["parallelism"])
    part = "dp" if given.get("dp", 1) % 2 == 0 else "pp"
    given[part] = given[part] // 2
    if given.get("fsdp_group"):
        given["fsdp_group"] = max(given["fsdp_group"] // 2, 1)
    hardware = {**record["hardware"], "n_chips": record["hardware"]["n_chips"] // 2}
    return {**record, "parallelism": given, "hardware": hardware, "recompute": "none"}


def test_published_runs_fit_but_for_two_in_a_hundred():
    answers = [training.predict(r, LAST) for r in published("training")]
    judged = [a["fits"] for a in answers if a["error"] is None]
    assert len(judged) > 680
    assert judged.count(False) <= 0.02 * len(judged)


def test_a_run_that_fills_its_chips_does_not_fit_half_of_them_without_recomputation():
    full = []
    for record in published("training"):
        answer = training.predict(record, LAST)
        even = record["hardware"].get("n_chips", 1) % 2 == 0 and (record["parallelism"] or {}).get("tp")
        fills = answer["error"] is None and even and str(record["recompute"]).startswith("full")
        if fills and answer["metrics"]["peak_memory_bytes"]["value"] > 0.6 * record["hardware"]["hbm_gb"] * 2**30:
            full.append(record)
    assert len(full) >= 10
    judged = [training.predict(halved(r), LAST)["fits"] for r in full]
    assert judged.count(False) >= 0.9 * len(judged)


@pytest.mark.parametrize(
    ("overlap", "graph", "hidden"),
    [
        ("CUDA graph of the full iteration; MoE all-to-all overlap", True, True),
        ("full-iteration CUDA graph", True, False),
        ("without CUDA graphs", False, False), ("TP/DP/PP comm overlap enabled", None, False), (None, None, False),
    ],
)  # fmt: skip
def test_what_a_run_says_of_graphs_and_of_expert_exchange_is_read(overlap, graph, hidden):
    software, _ = read_software({**RUN, "overlap": overlap}, LAST.calibration["training"], ("NVIDIA", 2022), [])
    assert (software.graph, software.expert_overlap) == (graph, hidden)


@pytest.mark.parametrize(
    ("changed", "woven"),
    [
        ({}, True), ({"framework": "Megatron-Bridge 25.09"}, False), ({"framework": "NeMo 25.11"}, False),
        ({"recompute": "full"}, False), ({"hardware": {"chip": "GB200", "n_chips": 64, "scaleup_domain": 72}}, False),
        ({"overlap": "full-iteration CUDA graph"}, False),
        ({"framework": "Megatron-Bridge 25.09", "overlap": "moe a2a overlap"}, True),
        ({"parallelism": {"tp": 1, "pp": 2, "cp": 1, "dp": 32, "ep": 8}}, False),
    ],
)  # fmt: skip
def test_interleaved_pipelines_of_experts_weave_their_exchange_where_their_framework_does(changed, woven):
    layout = {"tp": 1, "pp": 2, "cp": 1, "dp": 32, "ep": 8, "virtual_pipeline_stages": 4}
    record = {
        **RUN, "framework": "Megatron-Bridge 25.11", "model": {"name": "qwen3-30b-a3b"}, "parallelism": layout,
        **changed,
    }  # fmt: skip
    run = training.read_run(record, LAST)
    assert run.plan.layout.software.woven == woven
    noted = any(note["field"] == "overlap" for note in run.assumed)
    assert noted == (woven and "overlap" not in changed)


@pytest.mark.parametrize(("framework", "full"), [("MaxText", 1.0), ("Megatron-Bridge 25.11", 0.0)])
def test_recomputation_that_is_not_said_is_the_default_of_the_framework(framework, full):
    """Else it is what must be to fit, which for this run is nothing."""
    run = training.read_run({**RUN, "framework": framework, "recompute": None}, LAST)
    layout, notes = training.choose_recompute(run)
    assert layout.full == full
    assert [note["field"] for note in (*run.assumed, *notes)].count("recompute") == 1
