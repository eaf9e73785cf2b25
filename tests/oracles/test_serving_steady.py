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
from tokenworks.simulate import alike
from tokenworks.simulate.requests import poisson
from tokenworks.simulate.serving import Engine, Farm
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


def greatest_rate(replica: Replica, lengths: Lengths) -> float:
    """Requests per second where the cache is full of decoding sequences, or steps of prompts: from the step alone."""
    most = float(serving_open.places(replica, lengths))
    chunk = float(serving_open.chunk_tokens(replica))
    per_token = lengths.input / (lengths.output - 1.0)  # prompt tokens that come with each token that goes
    batch = min(most, chunk / (1.0 + per_token))
    step = float(serving_open.engine_step(replica, lengths, batch, lengths.context, batch * per_token))
    return batch / ((lengths.output - 1.0) * step)


@pytest.mark.parametrize(("arch", "tp"), [(LLAMA_8B, 1), (LLAMA_70B, 8), (MIXTURE, 8)], ids=["8b", "70b", "mixture"])
@pytest.mark.parametrize("tokens", [(200, 1000), (1000, 300), (3000, 300), (8000, 200)])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.8])
def test_steady_state_is_what_is_simulated(arch: Architecture, tp: int, tokens: tuple[int, int], share: float) -> None:
    """Rate, time per output token and first token within 3 %, over a grid of loads (share of the greatest rate),
    where a step holds several prompts and where a prompt fills one."""
    agrees(build(arch, tp), Lengths(*tokens), share)


@pytest.mark.parametrize("ranks", [4, 8])
@pytest.mark.parametrize("tokens", [(1000, 300), (8000, 200)])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_prompts_beside_each_other_on_ranks_agree_too(ranks: int, tokens: tuple[int, int], share: float) -> None:
    """Attention data parallel: a step with one prompt takes as long as one with as many as there are ranks."""
    one = build(MIXTURE, 8 // ranks)
    plan, constants = replace(one.plan, dp=ranks, ep=8), replace(one.constants, dp_wait=0.0)  # waits are not simulated
    agrees(one._replace(plan=plan, constants=constants), Lengths(*tokens), share)


def agrees(replica: Replica, lengths: Lengths, share: float) -> None:
    """The steady state at a share of the greatest rate, and what is simulated there."""
    rate, chunk = share * greatest_rate(replica, lengths), int(serving_open.chunk_tokens(replica))
    tokens = int(lengths.input), int(lengths.output)
    steady = serving_open.at_rate(replica, lengths, rate)
    slots = int(steady.capacity)

    def step(batch: Any, context: Any, prompt: Any) -> Any:
        return serving_open.engine_step(replica, lengths, batch, context / np.maximum(batch, 1), prompt)

    table = tabulate(step, min(slots, 4096), chunk, float(lengths.context))
    delay = float(serving_open.first_token_delay(replica, lengths, 0.0))
    farm = Farm(1, Engine(slots, slots * sum(tokens), chunk), delay=delay)
    first, each = [], []
    for seed in range(3):
        drawn = poisson(rate, 40_000, tokens, seed=seed)
        seen = alike.simulate(drawn, farm, table)
        settled = slice(len(drawn) // 5, None)
        first.append(np.mean((seen.first - drawn.arrival)[settled]))
        each.append(np.mean((seen.done - seen.first)[settled]) / (tokens[1] - 1))
    assert float(steady.tpot) == pytest.approx(float(np.mean(each)), rel=0.03)
    assert float(steady.ttft) == pytest.approx(float(np.mean(first)), rel=0.03)
    assert float(steady.requests) == pytest.approx(rate, rel=1e-3)
