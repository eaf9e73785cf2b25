"""The simulator's engine rules, tables, summaries, and training under failures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tokenworks.errors import BadRequest
from tokenworks.simulate import training
from tokenworks.simulate.requests import Requests, poisson
from tokenworks.simulate.serving import Engine, Farm, Level, simulate, summary
from tokenworks.simulate.tables import tabulate
from tokenworks.simulate.training import Faults

second = tabulate(lambda batch, context, prompt: np.ones(np.broadcast_shapes(batch.shape, prompt.shape)), 8, 128, 64)


def burst(*rows: tuple[int, int]) -> Requests:
    return Requests(np.zeros(len(rows)), np.array([r[0] for r in rows]), np.array([r[1] for r in rows]))


def test_prompts_are_chunked() -> None:
    """A prompt of 10 tokens in chunks of 4 takes three steps."""
    result = simulate(burst((10, 1)), Farm(1, Engine(1, 100, 4)), second)
    assert result.first.tolist() == [3.0]


def test_decoding_takes_room_in_the_chunk() -> None:
    """While one sequence decodes, a chunk of 4 leaves 3 prompt tokens: 6 tokens need two steps."""
    drawn = Requests(np.array([0.0, 0.5]), np.array([4, 6]), np.array([9, 1]))
    result = simulate(drawn, Farm(1, Engine(2, 100, 4)), second)
    assert result.first.tolist() == [1.0, 3.0]


def test_prefill_first_stops_decoding() -> None:
    drawn = Requests(np.array([0.0, 0.5]), np.array([4, 8]), np.array([2, 1]))
    result = simulate(drawn, Farm(1, Engine(2, 100, 4, prefill_first=True)), second)
    assert result.done.tolist() == [4.0, 3.0]  # prompt 0-1, prompt 1-3, token 3-4


def test_the_cache_limits_how_many_run() -> None:
    result = simulate(burst((6, 4), (6, 4)), Farm(1, Engine(8, 15, 100)), second)
    assert result.done.tolist() == [4.0, 8.0]


def test_a_request_larger_than_the_cache_is_rejected() -> None:
    answer = summary(simulate(burst((60, 4), (6, 4)), Farm(1, Engine(8, 15, 100)), second))
    assert answer["requests"] == {"arrived": 2, "finished": 1, "rejected": 1, "bad_lines": 0}


def test_two_replicas_halve_a_burst() -> None:
    for router in ("round_robin", "least_loaded", "shared"):
        result = simulate(burst((1, 5), (1, 5)), Farm(2, Engine(1, 100, 100), router), second)
        assert result.done.tolist() == [5.0, 5.0], router


def test_goodput_counts_only_kept_levels() -> None:
    result = simulate(burst((1, 1), (1, 1)), Farm(1, Engine(1, 100, 100)), second)
    assert summary(result, Level(ttft=1.5))["goodput_per_s"] == pytest.approx(0.5)
    assert summary(result)["goodput_per_s"] == pytest.approx(1.0)


@pytest.mark.parametrize(("rate", "expected"), [(0.3, "stable"), (3.0, "overloaded")])
def test_state(rate: float, expected: str) -> None:
    drawn = poisson(rate, 2000, (1, 1), seed=5)
    assert summary(simulate(drawn, Farm(1, Engine(1, 100, 100)), second))["state"] == expected


def test_a_burst_that_ends_is_backlogged() -> None:
    """Calm, then a hundred requests at once and no more: the queue will end, but waits for now."""
    calm = np.arange(0.0, 1000.0, 10.0)
    arrival = np.concatenate([calm, np.full(60, 1000.0)])
    ones = np.ones(len(arrival), dtype=np.int64)
    result = simulate(Requests(arrival, ones, ones), Farm(1, Engine(1, 100, 100)), second)
    assert summary(result)["state"] == "backlogged"


@pytest.mark.parametrize("farm", [Farm(0, Engine(1, 1, 1)), Farm(1, Engine(1, 1, 1), "dice")])
def test_impossible_farms_are_refused(farm: Farm) -> None:
    with pytest.raises(BadRequest):
        simulate(burst((1, 1)), farm, second)


@pytest.mark.parametrize(
    "bad", [(0.0, 1, (1, 1)), (math.nan, 1, (1, 1)), (1.0, 0, (1, 1)), (1.0, 1, (0, 1)), (1.0, 1, (1, 1e99))]
)
def test_poisson_refuses_nonsense(bad: tuple[float, int, tuple[float, float]]) -> None:
    with pytest.raises(BadRequest):
        poisson(*bad, seed=0)


def test_a_table_repeats_a_function_that_is_linear() -> None:
    table = tabulate(lambda b, c, p: 1e-3 + 1e-5 * b + 1e-8 * c + 1e-6 * p, 300, 8192, 2000)
    for batch, context, prompt in ((0, 0.0, 77), (1, 500.0, 0), (37, 1e5, 1000), (300, 9e5, 8192)):
        exact = 1e-3 + 1e-5 * batch + 1e-8 * context + 1e-6 * prompt
        assert table(batch, context, prompt) == pytest.approx(exact, rel=1e-9)


# ------------------------------------------------------------------------------------------- training


def test_goodput_agrees_with_daly() -> None:
    """Expected time of exponential failures: M e^(R/M) (e^((tau + delta)/M) - 1) work / tau (Daly 2006,
    equation 11, restarts may fail): inside the 99 % interval over seeds."""
    mean, restart, checkpoint, interval, work = 10_000.0, 600.0, 60.0, 1000.0, 400_000.0
    expected = mean * math.exp(restart / mean) * (math.exp((interval + checkpoint) / mean) - 1) * work / interval
    faults = Faults(mean, restart, checkpoint, interval)
    times = [training.simulate(work, faults, seed).elapsed for seed in range(60)]
    error = float(np.std(times, ddof=1)) / math.sqrt(len(times))
    assert abs(float(np.mean(times)) - expected) < 2.66 * error + checkpoint
    assert error < 0.02 * expected


def test_time_adds_up_and_repeats() -> None:
    run = training.simulate(50_000.0, Faults(3000.0, 100.0, 20.0, 400.0), seed=9)
    parts = run.work + run.lost + run.checkpoints + run.restarts
    assert run.elapsed == pytest.approx(parts, rel=1e-12)
    assert run.failures > 0
    assert run == training.simulate(50_000.0, Faults(3000.0, 100.0, 20.0, 400.0), seed=9)
    assert 0 < run.goodput < 1


def test_a_hopeless_machine_is_refused() -> None:
    with pytest.raises(BadRequest):
        training.simulate(1e6, Faults(-1.0, 1.0, 1.0, 10.0), seed=0)
