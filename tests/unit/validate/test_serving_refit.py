"""The serving refit: what is measured, what it finds, what its splits keep apart."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from tokenworks import catalog
from tokenworks.records import World
from tokenworks.validate import serving_refit as refit
from tokenworks.validate.inference import predict_all

LOADS = (
    {"kind": "concurrency", "value": 4}, {"kind": "concurrency", "value": 64}, {"kind": "max_throughput"},
    {"kind": "batch", "value": 8}, {"kind": "request_rate", "value": 2},
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return catalog.world(catalog.load(), dt.date(2026, 11, 1))


def records(world: World, factor: float = 1.0) -> list[dict[str, Any]]:
    """Runs whose measurements are the model's own, with the bandwidth share times `factor`."""
    runs: list[dict[str, Any]] = [
        {
            "id": f"{chip}-{model}-{i}", "hardware": {"chip": chip, "n_chips": 8}, "engine": engine, "model": model,
            "model_key": model, "weight_precision": "fp8", "kv_precision": "fp8", "isl": 800, "osl": 400,
            "load": load, "parallelism": {"tp": 8, "pp": 1}, "disaggregated": False, "speculative": "none",
        }
        for chip in ("H100", "B200", "MI300X")
        for model, engine in (("Llama-3.1-70B", "vllm"), ("Llama-3.1-8B", "trtllm"), ("Qwen3-32B", "sglang"))
        for i, load in enumerate(LOADS)
    ]  # fmt: skip
    serving = world.calibration["serving"]
    other = refit.changed(serving, {"base.bandwidth": serving["base"]["bandwidth"] * factor})
    answers = predict_all(runs, refit.with_calibration(world, other))
    keep = {"ttft_ms", "tpot_ms", "output_tokens_per_s_per_chip"}
    return [
        {**r, "measured": {k: v["value"] for k, v in a["metrics"].items() if k in keep}}
        for r, a in zip(runs, answers, strict=True)
    ]


def test_the_models_own_runs_have_no_residual(world: World) -> None:
    samples = refit.prepare(records(world), world)
    for column in refit.residuals(samples, world.calibration["serving"]).values():
        assert np.nanmax(np.abs(column)) < 1e-9


def test_a_refit_finds_the_constant_that_made_the_data(world: World) -> None:
    serving = world.calibration["serving"]
    prior = serving["base"]["bandwidth"]
    free = {"base.bandwidth": [prior, 0.3], "base.compute_8": [serving["base"]["compute_8"], 0.3]}
    loose = {**serving, "refit": {**serving["refit"], "constants": free}}
    samples = refit.prepare(records(world, factor=0.9), world)
    fitted = refit.fit(samples, loose, rounds=6)
    assert fitted["base"]["bandwidth"] == pytest.approx(0.9 * prior, rel=0.01)
    assert fitted["base"]["compute_8"] == pytest.approx(serving["base"]["compute_8"], rel=0.01)
    assert fitted == refit.fit(samples, loose, rounds=6)
    assert fitted["base"]["chunk"] == serving["base"]["chunk"]  # not free


def test_splits_keep_whole_cells_chips_and_models_apart(world: World) -> None:
    samples = refit.prepare(records(world), world)
    for key in (lambda s: s.cell, lambda s: s.chip, lambda s: s.model):
        parts = refit.split(samples, key, 2)
        for fitted, held in parts:
            assert not {key(s) for s in fitted} & {key(s) for s in held}
        assert sum(len(held) for _, held in parts) == len(samples)


def test_what_counts_as_measured() -> None:
    batch = {
        "load": {"kind": "batch"},
        "hardware": {"n_chips": 4},
        "measured": {"output_tokens_per_s": 8.0, "itl_ms": 2},
    }
    assert refit.measured(batch) == {"output_tokens_per_s_per_chip": 2.0, "itl_ms": 2.0}
    paced = {**batch, "load": {"kind": "request_rate", "value": 1.0}}
    assert refit.measured(paced) == {"itl_ms": 2.0}
    assert refit.scored({"disaggregated": {"decode": {}, "decode_workers": 2}})
    assert not refit.scored({"disaggregated": {"decode": {}, "decode_workers": None}})


def test_every_free_constant_stands_in_the_file(world: World) -> None:
    serving = world.calibration["serving"]
    for path, (prior, spread) in serving["refit"]["constants"].items():
        node: Any = serving
        for name in path.split("."):
            node = node[name]
        assert min(node, prior, spread) > 0.0, path
        assert spread < 1.0, path
