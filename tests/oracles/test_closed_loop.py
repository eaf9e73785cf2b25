"""Requests in flight: the steady state against a closed loop that is run step by step with the same step times."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from test_serving_steady import LLAMA_8B, LLAMA_70B, MIXTURE, build

from tokenworks.perf import serving, serving_open
from tokenworks.perf.serving import Lengths, Replica
from tokenworks.workload import Architecture

CONTEXTS = 256  # tokens: step times are looked up at so many of a mean context


@dataclass
class One:
    """A request: when it came, prompt tokens left, tokens to make and made, when its first came."""

    came: float
    prompt: int
    output: int
    made: int = 0
    first: float = 0.0


def round_and_round(replica: Replica, lengths: Lengths, clients: int, count: int) -> tuple[float, float, float]:
    """Mean s to the first token and per token, and requests per second: who has its answer asks again at once. Outputs
    are spread by a fifth to either side, else all would stay in step."""
    chunk = int(serving.chunk_tokens(replica))

    @cache
    def seconds(batch: int, context: int, prompt: int) -> float:
        each = context * CONTEXTS / max(batch, 1)
        return float(serving_open.engine_step(replica, lengths, float(batch), each, float(prompt)))

    random = np.random.default_rng(0)

    def ask(now: float) -> One:
        return One(now, int(lengths.input), max(2, round(float(lengths.output) * random.uniform(0.8, 1.2))))

    now, waiting, running, done = 0.0, deque(ask(0.0) for _ in range(clients)), [], []
    while len(done) < count:
        room, started = chunk - len(running), []
        while waiting and room > 0:
            taken = min(waiting[0].prompt, room)
            waiting[0].prompt -= taken
            room -= taken
            if waiting[0].prompt:
                break
            started.append(waiting.popleft())
        context = sum(int(lengths.input) + one.made for one in running)
        now += seconds(len(running), context // CONTEXTS, chunk - len(running) - room)
        for one in (*running, *started):
            one.made += 1
            one.first = one.first or now
        for one in [one for one in running if one.made >= one.output]:
            done.append((one.first - one.came, (now - one.first) / (one.output - 1), now))
            waiting.append(ask(now))
        running = [one for one in running if one.made < one.output] + started
    settled = np.array(done[count // 3 :])
    rate = (len(settled) - 1) / (settled[-1, 2] - settled[0, 2])
    return float(settled[:, 0].mean()), float(settled[:, 1].mean()), float(rate)


@pytest.mark.parametrize(("arch", "tp"), [(LLAMA_8B, 1), (LLAMA_70B, 8), (MIXTURE, 8)], ids=["8b", "70b", "mixture"])
@pytest.mark.parametrize(
    ("tokens", "clients"), [((1000, 300), 16), ((1000, 300), 64), ((3000, 300), 64), ((8000, 200), 16)]
)
def test_requests_in_flight(arch: Architecture, tp: int, tokens: tuple[int, int], clients: int) -> None:
    """Time per token within 3 %. The first token is the engine's own matter (its delay is fitted)."""
    replica, lengths = plain(arch, tp), Lengths(*tokens)
    _, tpot, _ = round_and_round(replica, lengths, clients, max(600, 6 * clients))
    found = serving.at_concurrency(replica, lengths, float(clients), bursts=0.0)
    assert float(found.tpot) == pytest.approx(tpot, rel=0.03)


@pytest.mark.parametrize(("arch", "tp"), [(LLAMA_70B, 8), (MIXTURE, 8)], ids=["70b", "mixture"])
def test_where_prompts_fill_every_step_the_others_wait(arch: Architecture, tp: int) -> None:
    """A step lets in a chunk of prompts, and each then decodes for as many steps as it has tokens: more requests in
    flight wait for their first token, and the time per token stays."""
    replica, lengths = plain(arch, tp), Lengths(8000, 200)
    first, tpot, rate = round_and_round(replica, lengths, 256, 1600)
    found = serving.at_concurrency(replica, lengths, 256.0, bursts=0.0)
    assert float(found.batch) == pytest.approx(200 * 8192 / 8000, rel=1e-6)
    assert float(found.tpot) == pytest.approx(tpot, rel=0.03)
    assert float(found.requests) == pytest.approx(rate, rel=0.03)
    assert float(found.ttft) == pytest.approx(first, rel=0.15)


def plain(arch: Architecture, tp: int) -> Replica:
    """A replica without what is the engine's own: bursts, and first tokens that cost more than their prompt."""
    replica = build(arch, tp)
    return replica._replace(constants=replace(replica.constants, ttft_prefill=1.0, burst=0.0, slot=0.0))
