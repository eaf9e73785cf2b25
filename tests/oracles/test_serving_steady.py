"""The steady-state formulas of perf against the simulator running the very same step times."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import yaml

from tokenworks.perf import serving, serving_open
from tokenworks.perf.serving import Lengths, Replica
from tokenworks.perf.serving_constants import ServingConstants
from tokenworks.perf.serving_plan import ServingPlan
from tokenworks.records import Hardware
from tokenworks.simulate.core import Engine
from tokenworks.simulate.requests import poisson
from tokenworks.simulate.serving import Farm, simulate, summary
from tokenworks.simulate.tables import tabulate
from tokenworks.workload import Architecture, Attention, FeedForward, Layer

CALIBRATION = yaml.safe_load((files("tokenworks") / "catalog/data/calibration/serving.yaml").read_text())
H100 = Hardware(
    chip="h100", generation="hopper", vendor="NVIDIA", year=2023, peak={"bf16": 989e12, "fp8": 1979e12},
    memory=80e9, memory_bandwidth=3.35e12, scaleup_domain=8, scaleup_bandwidth=450e9,
    scaleout_bandwidth=50e9,
)  # fmt: skip
LLAMA_8B = Architecture("8b", 4096, 128256, ((Layer(Attention("full", 32, 8, 128, 128), FeedForward(14336)), 32),))
LLAMA_70B = Architecture("70b", 8192, 128256, ((Layer(Attention("full", 64, 8, 128, 128), FeedForward(28672)), 80),))


def build(arch: Architecture, tp: int) -> Replica:
    """A replica that weighs a delayed token fully, as the simulator does (the fitted share is 0.88)."""
    fitted = ServingConstants.from_calibration(CALIBRATION, "hopper", "NVIDIA", "vllm")
    plan = ServingPlan(tp=tp, weights="fp8", kv="fp8")
    return Replica(arch, H100, plan, replace(fitted, interference=1.0))


@pytest.mark.parametrize(("arch", "tp"), [(LLAMA_8B, 1), (LLAMA_70B, 8)], ids=["8b", "70b"])
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_tokens_take_as_long_as_simulated(arch: Architecture, tp: int, share: float) -> None:
    """Mean time per output token within 5 % at a fifth and at half of the greatest rate."""
    replica, lengths = build(arch, tp), Lengths(1000, 300)
    rate = share * float(serving.max_throughput(replica, lengths).requests)
    steady = serving_open.at_rate(replica, lengths, rate)
    slots = int(steady.capacity)

    def step(batch: Any, context: Any, prompt: Any) -> Any:
        return serving_open.engine_step(replica, lengths, batch, context / np.maximum(batch, 1), prompt)

    table = tabulate(step, min(slots, 2048), 8192, float(lengths.context))
    farm = Farm(1, Engine(slots, slots * 1150, 8192))
    seen = summary(simulate(poisson(rate, 3000, (1000, 300), seed=1), farm, table))
    assert seen["state"] == "stable"
    assert float(steady.tpot) == pytest.approx(seen["tpot_s"]["mean"], rel=0.05)
    assert 0.5 < float(steady.ttft) / seen["ttft_s"]["mean"] < 1.5
