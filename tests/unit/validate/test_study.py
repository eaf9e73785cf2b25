"""Cross-validation, scores and error bars on a study small enough to follow by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.perf import evidence
from tokenworks.validate import bars, scoring
from tokenworks.validate.report import reason, study_report, weak, worst
from tokenworks.validate.study import Residual, Study, cross_validate, folds, one_by_one, one_out

Record = Mapping[str, Any]


def fit(records: Sequence[Record], world: Any) -> Mapping[str, Any]:
    """One constant: the mean ratio of what was measured to the size; chips it has seen."""
    return {"slope": geometric_mean(r["y"] / r["x"] for r in records), "seen": {r["chip"] for r in records}}


def predict(records: Sequence[Record], world: Any) -> Sequence[Mapping[str, Any]]:
    own = world.calibration["toy"]
    found = []
    for r in records:
        label = evidence.SEEN if r["chip"] in own["seen"] else evidence.UNSEEN
        found.append({"metrics": {"y": {"value": own["slope"] * r["x"]}}, "bars": {"class": label}})
    return found


def truth(record: Record) -> float | None:
    return record["y"]


def group(record: Record) -> str:
    return record["config_group"]


def chip(record: Record, world: Any) -> str:
    return record["chip"]


TOY = Study("toy", ("toys",), one_by_one(fit), predict, {"y": truth}, group, group, {"chip": chip}, {"chip": chip})


def runs(count: int) -> list[Record]:
    spread = np.random.default_rng(1).normal(0.0, 0.1, count)
    return [
        {"id": i, "x": 1.0 + i, "y": 2.0 * (1.0 + i) * math.exp(e), "chip": "abc"[i % 3], "config_group": str(i // 2)}
        for i, e in enumerate(spread)
    ]


def quiet(sentence: str) -> None:
    assert sentence


def test_a_group_is_never_on_both_sides_and_every_run_is_held_out_once():
    records = runs(40)
    splits = folds(TOY, records, 5, "five folds")
    for split in splits:
        assert not {r["config_group"] for r in split.fitted} & {r["config_group"] for r in split.held}
        assert len(split.fitted) + len(split.held) == 40
    assert sorted(r["id"] for s in splits for r in s.held) == list(range(40))


def test_leaving_one_out_leaves_nothing_of_it_in_the_fit(world):
    splits = one_out(TOY, runs(30), world, ("chip",))
    assert [s.left for s in splits] == ["a", "b", "c"]
    assert all(r["chip"] != s.left for s in splits for r in s.fitted)


def test_residuals_are_of_constants_fitted_without_the_run(world):
    records = runs(40)
    found = cross_validate(TOY, folds(TOY, records, 4, "four"), world, quiet)
    assert len(found) == 40
    first = found[0]
    fitted = [r for s in folds(TOY, records, 4, "four") if s.left == first.left for r in s.fitted]
    assert first.predicted == pytest.approx(fit(fitted, world)["slope"] * first.record["x"])
    assert first.ratio == pytest.approx(math.log(first.record["y"] / first.predicted))
    out = cross_validate(TOY, one_out(TOY, records, world, ("chip",)), world, quiet)
    assert {r.labels for r in out} == {(evidence.UNSEEN,)}
    assert {r.labels for r in found} == {(evidence.SEEN,)}


def some(ratios: Sequence[float | None], labels: tuple[str, ...] = ("a", "b")) -> list[Residual]:
    return [
        Residual("s", "l", {"id": i}, "y", str(i), str(i), labels, None if r is None else 1.0, r)
        for i, r in enumerate(ratios)
    ]


def test_scores_are_by_hand():
    found = scoring.score(some([math.log(1 / 1.1), math.log(1 / 0.9), None]))
    assert (found.n, found.covered) == (3, pytest.approx(2 / 3))
    assert found.median == pytest.approx(0.1)
    assert found.bias == pytest.approx(0.0)
    assert scoring.score(some([None])).covered == 0
    repeated = [*some([0.0]), *[Residual("s", "l", {}, "y", "9", "9", (), 1.0, math.log(2))] * 9]
    assert scoring.score(repeated).median == pytest.approx(0.5)
    assert scoring.score(repeated, each_group=True).median == pytest.approx(0.25)


def test_rates_and_memory_are_read_in_whichever_unit_is_published():
    assert scoring.measured_rate({"measured": {"tokens_per_s_per_chip": 7}}) == 7
    hardware = {"n_chips": 4, "hbm_gb": 80}
    step = {"measured": {"step_time_s": 2.0}, "global_batch_tokens": 800, "hardware": hardware}
    assert scoring.measured_rate(step) == 100
    assert scoring.measured_rate({"measured": {}}) is None
    assert scoring.measured_memory({"measured": {"peak_memory_gib": 1}}) == 2**30
    assert scoring.measured_memory({"measured": {"peak_memory_fraction": 0.5}, "hardware": hardware}) == 40e9


def test_a_class_with_too_few_groups_is_answered_by_a_wider_one():
    made = bars.classes([*some(list(np.linspace(-0.2, 0.2, 40))), *some([1.0] * 5, ("a", "c"))])
    assert set(made) == {"a", "a, b"}
    assert evidence.bar(made, ("a", "b")).name == "a, b"
    assert evidence.bar(made, ("a", "c")).name == "a"
    assert evidence.bar(made, ("z",)) is None


def test_a_repeated_configuration_counts_once_in_an_interval():
    once = some(list(np.linspace(-0.2, 0.2, 40)))
    many = [*once, *[once[-1]] * 200]
    assert bars.classes(many)["a"]["high"] == bars.classes(once)["a"]["high"]


def test_a_sweep_counts_more_than_a_run_but_not_in_proportion():
    """Nine configurations of one group weigh three times a group of one."""
    one = some([0.0] * 3)
    sweep = [Residual("s", "l", {}, "y", "sweep", str(i), ("a", "b"), 1.0, 0.1) for i in range(9)]
    found = bars.weights([*one, *sweep, *sweep])  # each of the nine published twice: no more than once
    assert found[:3] == pytest.approx([found[0]] * 3)
    assert found[3:].sum() == pytest.approx(3.0 * found[0])
    assert found.sum() == pytest.approx(4.0)


@given(st.integers(40, 400), st.integers(0, 1000))
def test_intervals_hold_on_runs_that_did_not_make_them(n, seed):
    ratios = np.random.default_rng(seed).normal(0.05, 0.2, n)
    held = bars.cross_checked(some(list(ratios)))["all"]
    assert held.low <= bars.COVERED <= held.high or abs(held.share - bars.COVERED) < 0.12


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_a_quantile_is_one_of_the_values_and_grows_with_its_share(values, q):
    of = np.array(values)
    found = bars.quantile(of, np.ones(len(of)), q)
    assert found in of
    assert bars.quantile(of, np.ones(len(of)), min(q + 0.3, 0.999)) >= bars.quantile(of, np.ones(len(of)), q) or q < 0.5


def test_the_interval_of_a_time_is_the_inverse_of_its_rates():
    bar = evidence.Bar("a", 1, 1, 0.8, 1.25).inverted()
    assert (bar.low, bar.high) == (pytest.approx(0.8), pytest.approx(1.25))
    assert evidence.interval(10.0, None) == (None, None)


def test_the_worst_are_the_farthest_one_a_group():
    found = [*some([0.1, -0.5, 0.3]), Residual("s", "l", {"id": 9}, "y", "1", "1", (), 1.0, 0.45)]
    assert [r.ratio for r in worst(found)] == [-0.5, 0.3, 0.1]


def test_a_bad_prediction_gets_the_reason_that_the_runs_show(world):
    def one(label, number, ratio, chip="a", name=()):
        return Residual("s", "l", {"id": number, "chip": chip}, "y", label, label, ("chip seen", *name), 1.0, ratio)

    many = [one(str(i), i, 0.1) for i in range(8)]
    twice = [one("r", 90, 0.0), one("r", 91, 0.6)]
    cases = [
        (twice[1], "repeats"), (one("x", 92, 0.6, "rare"), "alone"),
        (one("y", 93, 0.6, name=("mixture or hybrid",)), "mixture"),
        (one("z", 94, 0.6, name=("dense", "something assumed")), "assumed"), (one("w", 95, 0.6), "unknown"),
    ]  # fmt: skip
    every = [*many, *twice, *(r for r, _ in cases[1:])]
    assert [reason(r, every, TOY, world) for r, _ in cases] == [why for _, why in cases]


def test_weak_spots_are_rows_far_worse_than_the_whole():
    whole = {"n": 100, "median": 0.05, "p90": 0.2}
    table = {"good": {"n": 50, "median": 0.05, "p90": 0.2}, "bad": {"n": 9, "median": 0.12, "p90": 0.3},
             "tail": {"n": 9, "median": 0.06, "p90": 0.5}, "tiny": {"n": 3, "median": 0.9, "p90": 0.9}}  # fmt: skip
    assert [w["of"] for w in weak({"chip": table}, whole)] == ["bad", "tail"]


def test_the_noise_floor_is_what_repeats_leave_around_their_own_mean():
    records = [{"y": y, "config_group": g} for y, g in ((1.0, "a"), (1.21, "a"), (5.0, "b"))]
    assert scoring.noise_floor(records, truth, group)[:2] == (1, pytest.approx(0.0955, abs=1e-3))
    assert scoring.noise_floor(records[2:], truth, group) is None


def test_a_report_says_how_its_intervals_held(world):
    records = runs(120)
    found = cross_validate(TOY, folds(TOY, records, 4, "four"), world, quiet)
    report = study_report(TOY, records, found, (), world)
    of = report["metrics"]["y"]
    assert of["all"]["n"] == 120
    assert sum(s["n"] for s in of["tables"]["chip"].values()) == 120
    assert 0.6 < of["held"]["all"]["share"] <= 1.0
    assert len(of["worst"]) == 10
    assert report["noise"]["y"]["configurations"] == 60
