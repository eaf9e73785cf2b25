"""Prefix caches, separate pools, replicas that fail, come and go: small cases by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tokenworks.errors import BadRequest
from tokenworks.simulate import serving
from tokenworks.simulate.requests import Prefixes, Requests
from tokenworks.simulate.serving import (
    Engine,
    Failures,
    Farm,
    Prefill,
    Scaling,
    exponential_failures,
    simulate,
    stream,
    summary,
)  # fmt: skip
from tokenworks.simulate.tables import tabulate

second = tabulate(lambda batch, context, prompt: np.ones(np.broadcast_shapes(batch.shape, prompt.shape)), 8, 128, 64)
per_token = tabulate(lambda batch, context, prompt: 0.0 * batch + 1.0 * prompt + (prompt == 0), 8, 128, 64)


def drawn(rows: list[tuple[float, int, int]], names: list[list[int]] | None = None, size: int = 4) -> Requests:
    arrival, given, made = (np.array(c) for c in zip(*rows, strict=True))
    prefixes = None
    if names is not None:
        start = np.concatenate([[0], np.cumsum([len(n) for n in names])])
        prefixes = Prefixes(size, start, np.array([b for n in names for b in n], np.int64))
    return Requests(arrival.astype(float), given.astype(np.int64), made.astype(np.int64), prefixes=prefixes)


# ------------------------------------------------------------------------------------------- prefix cache


def test_a_prompt_that_begins_alike_is_prefilled_from_there() -> None:
    """A token a second. 10 tokens, of them two blocks of 4 known from before: 2 are left."""
    load = drawn([(0, 10, 1), (100, 10, 1)], [[7, 8, 9], [7, 8, 5]])
    farm = Farm(1, Engine(1, 100, 100, prefix=True))
    result = simulate(load, farm, per_token)
    assert result.first.tolist() == [10.0, 102.0]
    assert result.part.machines.counts["prompt_tokens_reused"] == 8
    assert result.part.machines.counts["prompt_tokens_computed"] == 12
    without = simulate(load, farm._replace(engine=farm.engine._replace(prefix=False)), per_token)
    assert without.first.tolist() == [10.0, 110.0]


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    """8 tokens are two whole blocks, but the second must be computed to have something to go on from."""
    result = simulate(
        drawn([(0, 8, 1), (100, 8, 1)], [[1, 2], [1, 2]]), Farm(1, Engine(1, 100, 100, prefix=True)), per_token
    )
    assert result.first.tolist() == [8.0, 104.0]


def test_the_least_recently_used_block_goes_first() -> None:
    """Room for 12 tokens: the blocks of the first prompt (1, 2) go for the third's, the end before the beginning."""
    rows = [(0, 9, 1), (100, 9, 1), (200, 5, 1)]
    result = simulate(drawn(rows, [[1, 2], [3, 4], [1]]), Farm(1, Engine(1, 12, 100, prefix=True)), per_token)
    assert result.first.tolist() == [9.0, 109.0, 205.0]  # nothing of the first was left
    kept = simulate(drawn(rows, [[1, 2], [3, 4], [1]]), Farm(1, Engine(1, 14, 100, prefix=True)), per_token)
    assert kept.first.tolist() == [9.0, 109.0, 201.0]  # block 1 was: 9 + 4 tokens fit, the end of the prompt went


def test_blocks_in_use_are_shared_and_counted_once() -> None:
    """Two prompts of 9 tokens with 8 in common, 20 tokens of cache: both run at once only if they share."""
    rows = [(0, 9, 8), (9.5, 9, 8)]
    apart = simulate(drawn(rows), Farm(1, Engine(2, 26, 100)), second)
    shared = simulate(drawn(rows, [[1, 2], [1, 2]]), Farm(1, Engine(2, 26, 100, prefix=True)), second)
    assert apart.first[1] > shared.done[0] - 1 or apart.first[1] >= shared.first[1]
    tight = Farm(1, Engine(2, 26, 100, prefix=True))
    late = simulate(drawn([(0, 9, 8), (2.5, 9, 8)], [[1, 2], [1, 2]]), tight, second)
    alone = simulate(drawn([(0, 9, 8), (2.5, 9, 8)]), tight, second)
    assert late.first[1] == 4.0  # beside the first
    assert alone.first[1] == 9.0  # after it


def test_a_prefix_draws_to_the_replica_that_has_it() -> None:
    """Two replicas, two prefixes in turn; each goes back to where it was."""
    names = [[1, 2], [3, 4], [3, 4], [1, 2]]
    rows = [(0.0, 9, 1), (0.5, 9, 1), (100.0, 9, 1), (200.0, 9, 1)]
    result = simulate(drawn(rows, names), Farm(2, Engine(4, 100, 100, prefix=True), "prefix"), per_token)
    assert result.part.replica[0] == result.part.replica[3] != result.part.replica[1] == result.part.replica[2]
    assert result.first.tolist() == [9.0, 9.5, 101.0, 201.0]


def test_a_crowded_replica_is_passed_over() -> None:
    """A prefix that everybody has does not send all to one replica."""
    many = 200
    load = drawn([(0.0, 9, 50)] + [(100.0 + k / 1000, 9, 50) for k in range(many)], [[1, 2]] * (many + 1))
    result = simulate(load, Farm(4, Engine(64, 10_000, 100, prefix=True), "prefix"), second)
    assert min(np.bincount(result.part.replica, minlength=4)) > many / 8


# ------------------------------------------------------------------------------------------- separate pools


def test_a_sequence_travels_with_its_cache() -> None:
    """Prefill 0-1 s, 0.5 s and 10 times 0.1 s on the way, then two more tokens of a second each."""
    farm = Farm(1, Engine(4, 100, 100), prefill=Prefill(1, Engine(4, 100, 100), second, latency=0.5, per_token=0.1))
    result = simulate(drawn([(0, 10, 3)]), farm, second)
    assert result.first.tolist() == [2.5]
    assert result.done.tolist() == [4.5]
    assert result.part.replica.tolist() == [1]
    assert result.part.machines.busy.tolist() == [1.0, 2.0]


def test_decoding_is_not_held_up_by_prompts_of_others() -> None:
    """Steps of a prompt take 50 s, of decoding 1 s: with separate pools tokens come every second."""
    slow = tabulate(lambda b, c, p: 1.0 + 49.0 * (p > 0) + 0.0 * b, 8, 128, 64)
    load = drawn([(0, 10, 20), (51, 10, 20)])
    apart = Farm(1, Engine(4, 100, 100), prefill=Prefill(1, Engine(4, 100, 100), slow))
    assert simulate(load, apart, slow).done[0] == 50.0 + 19.0
    assert simulate(load, Farm(1, Engine(4, 100, 100)), slow).done[0] == 50.0 + 19.0 + 49.0


def test_a_cache_that_travels_takes_room_where_it_comes_from() -> None:
    """The prefill pool holds one prompt of 10: the next begins when the first has landed."""
    pool = Prefill(1, Engine(4, 10, 100), second, latency=5.0)
    result = simulate(drawn([(0, 10, 2), (0, 10, 2)]), Farm(1, Engine(4, 100, 100), prefill=pool), second)
    assert result.first.tolist() == [6.0, 12.0]


# ------------------------------------------------------------------------------------------- failures


def test_a_failed_replica_hands_its_requests_on() -> None:
    """Replica 1 has the first request and fails at 2.5 s with three tokens made: the other prefills prompt and
    tokens anew (2.5 to 3.5 s, which makes the fourth) and makes two more."""
    farm = Farm(2, Engine(4, 100, 100), failures=Failures((math.inf, 2.5, math.inf), 10.0))
    result = simulate(drawn([(0, 5, 6)]), farm, second)
    assert result.first.tolist() == [1.0]
    assert result.done.tolist() == [2.5 + 1.0 + 3.0]
    counts = result.part.machines.counts
    assert (counts["failures"], counts["requeued"], counts["tokens_made"]) == (1, 1, 6)
    assert result.part.machines.busy.tolist() == [4.0, 2.5]


def test_without_another_replica_requests_wait_for_the_repair() -> None:
    farm = Farm(1, Engine(4, 100, 100), failures=Failures((2.5, math.inf), 10.0))
    result = simulate(drawn([(0, 5, 6), (5, 5, 1)]), farm, second)
    assert result.first.tolist() == [1.0, 14.5]  # the second joins after the first step
    assert result.done.tolist() == [12.5 + 1.0 + 3.0, 14.5]
    assert result.part.machines.on.tolist() == [16.5 - 10.0]


def test_failures_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "FAILURES_MAX", 300)
    with pytest.raises(BadRequest):
        simulate(drawn([(0, 5, 60)]), Farm(1, Engine(4, 100, 100), failures=Failures((1e-4,), 0.0)), second)


def test_the_share_of_time_up_is_what_was_drawn() -> None:
    """Mean time up 50 s, repair 10 s: powered 5 / 6 of the time, within four standard errors."""
    load = drawn([(float(k), 1, 1) for k in range(40_00)])
    result = simulate(load, Farm(2, Engine(4, 100, 100), failures=exponential_failures(50.0, 10.0, seed=3)), second)
    up = float(np.sum(result.part.machines.on)) / (2 * result.end)
    assert up == pytest.approx(50 / 60, abs=4 * (50 / 60) * (10 / 60) / math.sqrt(2 * 4000 / 60))
    assert np.all(result.finished)


# ------------------------------------------------------------------------------------------- scaling


def test_replicas_come_when_wanted_and_go_when_not() -> None:
    """Slots of one and steps of a second, a hundred requests at once: 1 replica, 4 after 10 + 5 s, 1 in the end."""
    load = drawn([(0.0, 1, 1)] * 100 + [(200.0, 1, 1)])
    scaling = Scaling(least=1, target=10.0, interval=10.0, startup=5.0, patience=20.0)
    result = simulate(load, Farm(4, Engine(1, 100, 100), "shared", scaling=scaling), second)
    machines = result.part.machines
    assert machines.counts["starts"] == 3
    assert result.done[:100].max() == pytest.approx(15.0 + 85 / 4, abs=1.0)
    on = np.sort(machines.on)
    assert on[-1] == pytest.approx(201.0)
    assert on[:-1].tolist() == [30.0] * 3  # 65 wait at 20 s, 25 at 30 s: fewer are wanted, and at 40 s for long enough


@pytest.mark.parametrize(
    "wrong",
    [
        Scaling(0, 1.0), Scaling(9, 1.0), Scaling(1, 0.0), Failures((), 1.0), Failures((0.0,), 1.0),
        Failures((1.0,), math.inf), Prefill(0, Engine(1, 1, 1), second), Prefill(1, Engine(1, 1, 1), second, math.nan),
    ],
)  # fmt: skip
def test_impossible_parts_are_refused(wrong: Scaling | Failures | Prefill) -> None:
    farm = Farm(2, Engine(4, 100, 100))
    kind = {Scaling: "scaling", Failures: "failures", Prefill: "prefill"}[type(wrong)]
    with pytest.raises(BadRequest):
        simulate(drawn([(0, 5, 6)]), farm._replace(**{kind: wrong}), second)


# ------------------------------------------------------------------------------------------- in batches


@pytest.mark.parametrize("size", [1, 7, 50])
def test_batches_give_what_the_whole_gives(size: int) -> None:
    """Rows are renumbered between batches, blocks as well: every time stays the same to the last bit."""
    random = np.random.default_rng(5)
    rows = [
        (float(t), int(p), int(o))
        for t, p, o in zip(
            np.sort(random.uniform(0, 60, 150)), random.integers(5, 60, 150), random.integers(1, 12, 150), strict=True
        )
    ]
    names = [[int(random.integers(0, 4)) * 100 + k for k in range(p // 4)] for _, p, _ in rows]
    whole = drawn(rows, names)
    pool = Prefill(2, Engine(3, 200, 64, prefix=True), second, latency=0.3, per_token=0.01)
    for farm in (
        Farm(3, Engine(4, 150, 64, paged=True, prefix=True), "prefix", failures=exponential_failures(30.0, 5.0, 1)),
        Farm(2, Engine(4, 150, 64), "least_loaded", prefill=pool, failures=exponential_failures(30.0, 5.0, 2)),
        Farm(3, Engine(2, 150, 64, prefix=True), "shared", scaling=Scaling(1, 3.0, 5.0, 2.0, 6.0)),
    ):
        expected = simulate(whole, farm, second)
        parts = list(stream(pieces(whole, rows, names, size), farm, second))
        order = np.argsort(np.concatenate([p.number for p in parts]))
        done = np.concatenate([p.done for p in parts])[order]
        assert done.tolist() == expected.done.tolist()
        assert parts[-1].machines.area == pytest.approx(expected.area, rel=1e-12)
        assert [p.last for p in parts] == [False] * (len(parts) - 1) + [True]
        assert parts[-1].machines.counts == expected.part.machines.counts


def pieces(whole: Requests, rows: list[tuple[float, int, int]], names: list[list[int]], size: int) -> list[Requests]:
    return [drawn(rows[k : k + size], names[k : k + size]) for k in range(0, len(whole), size)]


def test_a_summary_counts_tokens_that_were_reused() -> None:
    load = drawn([(0, 10, 1), (100, 10, 1)], [[7, 8], [7, 8]])
    answer = summary(simulate(load, Farm(1, Engine(1, 100, 100, prefix=True)), second))
    assert answer["counts"]["prompt_tokens_reused"] == 8
    assert answer["partial"] is False


# ------------------------------------------------------------------------------------------- compiled


def test_compiled_gives_the_bytes_of_the_plain_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of the scheduler at once: preemption, prefixes, routers, separate pools, failures, scaling."""
    random = np.random.default_rng(7)
    times, given, made = np.sort(random.uniform(0, 60, 400)), random.integers(5, 60, 400), random.integers(1, 12, 400)
    rows = [(float(t), int(p), int(o)) for t, p, o in zip(times, given, made, strict=True)]
    names = [[int(random.integers(0, 4)) * 100 + k for k in range(p // 4)] for _, p, _ in rows]
    load = drawn(rows, names)
    step = tabulate(lambda b, c, p: 0.01 + 0.001 * b + 1e-6 * c + 1e-4 * p, 8, 128, 64)
    pool = Prefill(2, Engine(3, 200, 64, prefix=True), step, latency=0.3, per_token=0.01)
    for farm in (
        Farm(1, Engine(8, 90, 64, paged=True)),
        Farm(3, Engine(4, 150, 64, paged=True, prefix=True), "prefix", failures=exponential_failures(30.0, 5.0, 1)),
        Farm(2, Engine(4, 150, 64, prefill_first=True), "round_robin", prefill=pool),
        Farm(3, Engine(2, 150, 64, prefix=True), "shared", scaling=Scaling(1, 3.0, 5.0, 2.0, 6.0)),
    ):
        plain = simulate(load, farm, step).part
        with monkeypatch.context() as patch:
            patch.setattr(serving, "MANY", 0)
            fast = simulate(load, farm, step).part
        for name in ("number", "arrival", "first", "done", "replica"):
            assert getattr(plain, name).tobytes() == getattr(fast, name).tobytes()
        one, two = plain.machines, fast.machines
        assert (one.counts, one.area, one.end, one.pending) == (two.counts, two.area, two.end, two.pending)
        assert all(
            a.tobytes() == b.tobytes() for a, b in ((one.busy, two.busy), (one.on, two.on), (one.watch, two.watch))
        )
