"""The steady-state formulas of perf against the simulator running the very same step times."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import yaml

from tokenworks.perf import serving_open
from tokenworks.perf.serving import Lengths, Replica
from tokenworks.perf.serving_constants import ServingConstants
from tokenworks.perf.serving_plan import ServingPlan
from tokenworks.records import Hardware
from tokenworks.simulate.requests import poisson
from tokenworks.simulate.serving import Engine, Farm, simulate, summary
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

MIXTURE = Architecture(
    "moe", 4096, 128256,
    ((Layer(Attention("full", 64, 8, 128, 128), FeedForward(0, experts=128, top_k=8, expert_width=1536)), 60),),
)  # fmt: skip


def build(arch: Architecture, tp: int) -> Replica:
    """A replica that weighs a delayed token fully, as the simulator does (the fitted share is 0.88)."""
    fitted = ServingConstants.from_calibration(CALIBRATION, "hopper", "NVIDIA", "vllm")
    plan = ServingPlan(tp=tp, weights="fp8", kv="fp8")
    return Replica(arch, H100, plan, replace(fitted, interference=1.0))


@pytest.mark.parametrize(("arch", "tp"), [(LLAMA_8B, 1), (LLAMA_70B, 8), (MIXTURE, 8)], ids=["8b", "70b", "mixture"])
@pytest.mark.parametrize("tokens", [(1000, 300), (200, 1000)])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_steady_state_is_what_is_simulated(arch: Architecture, tp: int, tokens: tuple[int, int], share: float) -> None:
    """Time per output token within 3 %, first token within 4 %, over a grid of loads (share of the greatest rate
    that has a steady state), where a step holds several prompts."""
    replica, lengths = build(arch, tp), Lengths(*tokens)
    rate = share * float(serving_open.within(replica, lengths).requests)
    steady = serving_open.at_rate(replica, lengths, rate)
    slots = int(steady.capacity)

    def step(batch: Any, context: Any, prompt: Any) -> Any:
        return serving_open.engine_step(replica, lengths, batch, context / np.maximum(batch, 1), prompt)

    table = tabulate(step, min(slots, 2048), 8192, float(lengths.context))
    delay = float(serving_open.first_token_delay(replica, lengths, 0.0))
    farm = Farm(1, Engine(slots, slots * sum(tokens), 8192), delay=delay)
    drawn = poisson(rate, int(max(400 * float(steady.batch), 30_000)), tokens, seed=1)
    seen = simulate(drawn, farm, table)
    settled = slice(len(drawn) // 5, None)
    first = (seen.first - drawn.arrival)[settled]
    each = (seen.done - seen.first)[settled] / (tokens[1] - 1)
    assert float(steady.tpot) == pytest.approx(float(np.mean(each)), rel=0.03)
    assert float(steady.ttft) == pytest.approx(float(np.mean(first)), rel=0.04)
    assert float(steady.requests) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_long_prompts_are_near(share: float) -> None:
    """Prompts that fill steps: queues make sequences cluster, which the steady state follows only in part."""
    replica, lengths = build(LLAMA_70B, 8), Lengths(8000, 200)
    rate = share * float(serving_open.within(replica, lengths).requests)
    steady = serving_open.at_rate(replica, lengths, rate)

    def step(batch: Any, context: Any, prompt: Any) -> Any:
        return serving_open.engine_step(replica, lengths, batch, context / np.maximum(batch, 1), prompt)

    slots = int(steady.capacity)
    table = tabulate(step, slots, 8192, float(lengths.context))
    seen = summary(
        simulate(poisson(rate, 60_000, (8000, 200), seed=1), Farm(1, Engine(slots, slots * 8200, 8192)), table)
    )
    assert float(steady.tpot) == pytest.approx(seen["tpot_s"]["mean"], rel=0.08)
