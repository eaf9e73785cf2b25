"""The simulator against queueing theory and against simpy, an independent simulator."""

from __future__ import annotations

import math

import numpy as np
import pytest
import simpy

from tokenworks.simulate.requests import Requests, poisson
from tokenworks.simulate.serving import Engine, Farm, Result, simulate
from tokenworks.simulate.tables import tabulate

SEEDS = range(20)
MANY = 10**12
STUDENT_99 = 2.861  # two-sided 99 % point of Student's t, 19 degrees of freedom (any table)


constant = tabulate(lambda b, c, p: np.ones(np.broadcast_shapes(b.shape, p.shape)), 4, 100, 10)  # a second each
# A prompt token takes a millionth of a second: service as long as the drawn prompt.
per_token = tabulate(lambda b, c, p: p * 1e-6 + 0.0 * b, 4, 2**40, 10)


def queue(servers: int, rate: float, count: int, seed: int, exponential: bool) -> Result:
    drawn = poisson(rate, count, (1_000_000, 1), seed, "exponential" if exponential else "fixed")
    if exponential:  # only the prompt is random; one output token, given by the prefill itself
        drawn = Requests(drawn.arrival, drawn.input, np.ones(count, dtype=np.int64))
    farm = Farm(servers, Engine(slots=1, cache=MANY, chunk=MANY), "shared" if servers > 1 else "round_robin")
    return simulate(drawn, farm, per_token)


def mean_wait(result: Result) -> float:
    """Mean time between arrival and start of service, after a run-in of a tenth."""
    sojourn = result.first - result.requests.arrival - result.requests.input * 1e-6
    return float(np.mean(sojourn[len(sojourn) // 10 :]))


def erlang_c(servers: int, load: float) -> float:
    """Chance that an arrival must wait in M/M/c (Erlang 1917); load = rate times mean service."""
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) / (1 - load / servers)
    return last / (sum(terms) + last)


@pytest.mark.parametrize(
    ("servers", "rate", "exponential", "theory"),
    [
        (1, 0.7, False, 0.7 / (2 * 0.3)),  # M/D/1, Pollaczek
        (1, 0.6, True, 0.6 / 0.4),  # M/M/1
        (3, 2.1, True, erlang_c(3, 2.1) / (3 - 2.1)),  # M/M/3
    ],
    ids=["M/D/1", "M/M/1", "M/M/3"],
)
def test_mean_waits_match_theory(servers: int, rate: float, exponential: bool, theory: float) -> None:
    """Theory lies inside the 99 % interval of the mean over independent seeds."""
    waits = [mean_wait(queue(servers, rate, 6000, seed, exponential)) for seed in SEEDS]
    error = float(np.std(waits, ddof=1)) / math.sqrt(len(waits))
    assert abs(float(np.mean(waits)) - theory) < STUDENT_99 * error
    assert error < 0.1 * theory  # the interval is narrow enough to say something


def simpy_ends(drawn: Requests, servers: int) -> list[float]:
    """When each request leaves a first-come-first-served queue, by simpy."""
    environment = simpy.Environment()
    machines = simpy.Resource(environment, capacity=servers)
    ends = [0.0] * len(drawn)

    def serve(number: int, arrival: float, service: float):  # type: ignore[no-untyped-def]
        yield environment.timeout(arrival)
        with machines.request() as turn:
            yield turn
            yield environment.timeout(service)
            ends[number] = environment.now

    for number, (arrival, tokens) in enumerate(zip(drawn.arrival, drawn.input, strict=True)):
        environment.process(serve(number, float(arrival), float(tokens) * 1e-6))
    environment.run()
    return ends


@pytest.mark.parametrize("servers", [1, 2, 5])
def test_every_departure_agrees_with_simpy(servers: int) -> None:
    result = queue(servers, 0.9 * servers, 300, seed=servers, exponential=True)
    assert result.done == pytest.approx(simpy_ends(result.requests, servers), rel=1e-9)


def test_a_batch_of_decodes_by_hand() -> None:
    """Steps of 1 s: the first request's tokens come at 1, 2, 3 s, the second's at 2, 3, 4, 5, 6 s."""
    drawn = Requests(np.zeros(2), np.array([5, 7]), np.array([3, 5]))
    result = simulate(drawn, Farm(1, Engine(slots=4, cache=100, chunk=100)), constant)
    assert result.first.tolist() == [1.0, 2.0]  # the second comes while the first's step runs
    assert result.done.tolist() == [3.0, 6.0]
