"""What every simulated farm must obey, whatever the load."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.errors import BadRequest
from tokenworks.simulate import alike
from tokenworks.simulate.requests import Prefixes, Requests
from tokenworks.simulate.serving import (
    ROUTERS,
    Engine,
    Failures,
    Farm,
    Level,
    Prefill,
    Result,
    Scaling,
    simulate,
    summary,
)  # fmt: skip
from tokenworks.simulate.tables import StepTable, tabulate

rows = st.lists(st.tuples(st.floats(0, 50), st.integers(1, 300), st.integers(1, 40)), min_size=1, max_size=60)
engines = st.builds(
    Engine, st.integers(1, 8), st.integers(200, 2000), st.integers(1, 512), st.booleans(), st.booleans(), st.booleans()
)
times = st.floats(0.01, 20)
pools = st.builds(
    Prefill, st.integers(1, 3), engines, st.deferred(lambda: st.just(step)), st.floats(0, 3), st.floats(0, 0.01)
)
scalings = st.builds(Scaling, st.just(1), st.floats(0.5, 20), times, times, times)
failing = st.builds(Failures, st.lists(st.floats(5, 100), min_size=1, max_size=9).map(tuple), times)
farms = st.builds(
    Farm, st.integers(1, 4), engines, st.sampled_from(ROUTERS), st.just(0.0), st.none() | pools, st.none() | scalings,
    st.none() | failing,
)  # fmt: skip


BLOCK = 16  # tokens
# A plausible engine: fixed launch, a cost per sequence, per cached and per prompt token.
step = tabulate(lambda b, c, p: 0.01 + 0.001 * b + 1e-6 * c + 1e-4 * p, 8, 512, 300)
work = tabulate(lambda b, c, p: 1e-3 * p, 8, 4096, 300)
half = tabulate(lambda b, c, p: 0.5 + 0.0 * (b + c + p), 8, 512, 300)


def requests(given_rows: list[tuple[float, int, int]]) -> Requests:
    ordered = sorted(given_rows)
    columns = [np.array(c) for c in zip(*ordered, strict=True)]
    given = columns[1].astype(np.int64)
    many = given // BLOCK
    start = np.concatenate([[0], np.cumsum(many)])
    family = np.repeat(given % 3, many) * 1000  # three kinds of beginnings
    names = family + np.arange(start[-1]) - np.repeat(start[:-1], many)
    return Requests(
        columns[0].astype(float), given, columns[2].astype(np.int64), prefixes=Prefixes(BLOCK, start, names)
    )


def run(given_rows: list[tuple[float, int, int]], farm: Farm) -> Result:
    return simulate(requests(given_rows), farm, step)


def twice(arrivals: list[float], lengths: tuple[int, int], farm: Farm, table: StepTable) -> tuple[Result, Result]:
    """Requests of equal lengths through the general scheduler, and through the one for them."""
    columns = [np.full(len(arrivals), n, np.int64) for n in lengths]
    asked = Requests(np.array(sorted(arrivals)), *columns)
    return simulate(asked, farm, table), alike.simulate(asked, farm, table)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.floats(0, 50) | st.integers(0, 9).map(float), min_size=1, max_size=80),
    st.tuples(st.integers(1, 300), st.integers(1, 40)),
    st.builds(
        Engine,
        st.integers(1, 9),
        st.integers(100, 3000),
        st.integers(1, 512),
        st.booleans(),
        st.just(False),
        st.just(False),
    ),
    st.sampled_from([0.0, 0.25]),
    st.sampled_from(["step", "work", "half"]),
)
def test_requests_that_are_alike_need_no_queues(
    arrivals: list[float], lengths: tuple[int, int], engine: Engine, delay: float, table: str
) -> None:
    """Every time to the last bit, and all that is counted."""
    tables = {"step": step, "work": work, "half": half}
    whole, short = twice(arrivals, lengths, Farm(1, engine, "least_loaded", delay), tables[table])
    for a, b in ((whole.first, short.first), (whole.done, short.done), (whole.part.replica, short.part.replica)):
        assert np.array_equal(a, b, equal_nan=True)
    assert (whole.busy, whole.end, whole.part.machines.counts) == (short.busy, short.end, short.part.machines.counts)
    assert whole.part.machines.on == pytest.approx(short.part.machines.on, rel=1e-12)
    assert whole.area == pytest.approx(short.area, rel=1e-9, abs=1e-9)
    said = {"mean_in_system", "over_time", "powered_s", "utilisation"}
    assert {k: v for k, v in summary(whole).items() if k not in said} == {
        k: v for k, v in summary(short).items() if k not in said
    }


def test_only_requests_that_are_alike_on_one_replica() -> None:
    asked = Requests(np.array([0.0, 1.0]), np.array([5, 6]), np.array([3, 3]))
    with pytest.raises(BadRequest):
        alike.simulate(asked, Farm(1, Engine(4, 400, 64)), step)
    with pytest.raises(BadRequest):
        alike.simulate(
            Requests(np.zeros(1), np.ones(1, np.int64), np.ones(1, np.int64)), Farm(2, Engine(4, 400, 64)), step
        )


@settings(max_examples=80, deadline=None)
@given(rows, farms)
def test_littles_law(given_rows: list[tuple[float, int, int]], farm: Farm) -> None:
    """The integral of requests in the system equals the sum of their sojourns (Little 1961)."""
    result = run(given_rows, farm)
    sojourns = (result.done - result.requests.arrival)[result.finished]
    assert result.area == pytest.approx(float(np.sum(sojourns)), rel=1e-9, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(rows, farms, st.floats(0, 2))
def test_a_delay_moves_everything_by_itself(given_rows: list[tuple[float, int, int]], farm: Farm, delay: float) -> None:
    plain, late = run(given_rows, farm), run(given_rows, farm._replace(delay=delay))
    kept = plain.finished
    assert late.first[kept] == pytest.approx(plain.first[kept] + delay)
    assert late.area == pytest.approx(plain.area + delay * np.count_nonzero(kept))


@settings(max_examples=80, deadline=None)
@given(rows, farms)
def test_no_request_is_lost_and_order_holds(given_rows: list[tuple[float, int, int]], farm: Farm) -> None:
    result = run(given_rows, farm)
    fits = result.requests.input + result.requests.output <= farm.engine.cache
    if farm.prefill:
        fits &= result.requests.input <= farm.prefill.engine.cache
    assert np.array_equal(result.finished, fits)
    kept = result.finished
    assert np.all(result.first[kept] > result.requests.arrival[kept])
    assert np.all(result.done[kept] >= result.first[kept])
    single = result.requests.output[kept] == 1
    assert np.array_equal(result.done[kept] == result.first[kept], single)


@settings(max_examples=60, deadline=None)
@given(rows, farms)
def test_busy_time_is_within_the_span(given_rows: list[tuple[float, int, int]], farm: Farm) -> None:
    result = run(given_rows, farm)
    span = result.end - float(result.requests.arrival[0])
    assert result.busy <= result.replicas * span * (1 + 1e-9) + 1e-12
    on = result.part.machines.on
    assert np.all(result.part.machines.busy <= on * (1 + 1e-9) + 1e-9)
    if farm.failures is None and farm.scaling is None:
        assert on == pytest.approx(np.full(result.replicas, span))


@settings(max_examples=80, deadline=None)
@given(rows, farms)
def test_tokens_are_conserved(given_rows: list[tuple[float, int, int]], farm: Farm) -> None:
    """Every token is made once, whatever fails; every prompt token is computed or reused, once where nothing is
    computed anew."""
    result = run(given_rows, farm)
    counts, kept = result.part.machines.counts, result.finished
    assert counts["tokens_made"] == int(np.sum(result.requests.output[kept]))
    read, asked = counts["prompt_tokens_computed"] + counts["prompt_tokens_reused"], np.sum(result.requests.input[kept])
    assert read >= asked
    if not counts["preempted"] and not counts["requeued"]:
        assert read == asked
    if not farm.engine.prefix and not (farm.prefill and farm.prefill.engine.prefix):
        assert counts["prompt_tokens_reused"] == 0


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 8))
def test_work_is_conserved_by_one_server(given_rows: list[tuple[float, int, int]], slots: int) -> None:
    """A machine with room is never idle while a request waits: with prompt-only work in steps that take as
    long as their tokens, it is busy exactly for the sum of the work."""
    plain = [(arrival, tokens, 1) for arrival, tokens, _ in given_rows]
    farm = Farm(1, Engine(slots, 10**9, 10**9))
    result = simulate(requests(plain), farm, work)
    ordered = sorted(plain)
    clock = idle = 0.0
    for arrival, tokens, _ in ordered:  # a single server by hand
        idle += max(arrival - clock, 0.0)
        clock = max(clock, arrival) + 1e-3 * tokens
    assert result.busy == pytest.approx(sum(1e-3 * t for _, t, _ in ordered))
    assert result.end == pytest.approx(clock)


@settings(max_examples=30, deadline=None)
@given(rows, farms)
def test_same_input_same_answer(given_rows: list[tuple[float, int, int]], farm: Farm) -> None:
    level = Level(1.0, 0.1)
    assert summary(run(given_rows, farm), level) == summary(run(given_rows, farm), level)


@settings(max_examples=40, deadline=None)
@given(rows, st.integers(1, 4), st.booleans())
def test_jumping_gives_the_same_as_stepping(
    given_rows: list[tuple[float, int, int]], replicas: int, prefill_first: bool
) -> None:
    """Equal steps jumped over at once end when single steps would: constant steps, compared with an engine
    whose every token is replayed one by one."""
    farm = Farm(replicas, Engine(6, 2000, 64, prefill_first))
    jumped = simulate(requests(given_rows), farm, half)
    kept = jumped.finished & (jumped.requests.output > 1)
    gaps = (jumped.done - jumped.first)[kept] / 0.5
    least = jumped.requests.output[kept] - 1
    assert np.all(gaps >= least - 1e-6)  # one token a step at most
    assert gaps == pytest.approx(np.round(gaps), abs=1e-6)  # a whole number of steps
    if not prefill_first:
        assert gaps == pytest.approx(least.astype(float), abs=1e-6)  # mixed: never skipped
