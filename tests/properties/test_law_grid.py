"""What must hold of every cell of the grid: chips x countries x kinds of buyer x days around every change."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks import law
from tokenworks.law import possible
from tokenworks.law.asked import UNKNOWN, fill
from tokenworks.law.dated import change_dates
from tokenworks.law.grid import Cells, Judged, every, judge_many
from tokenworks.law.item import from_chip
from tokenworks.law.standing import of
from tokenworks.records import Buyer, Shipment, Verdict, World

KINDS = ("commercial", "government", "military", "entity_list", "affiliate_of_listed")
SAMPLE, STEP_DAYS = 50_000, (-1, 0, 1)
LOOSE = {"lawful": 2, "licence": 1, "barred": 0, "apart": 0}
LICENCES = ("none", "exception", "conditional", "required", "unresolved", "unknown")
POLICIES = (None, "presumption_of_denial", "policy_of_denial", "presumption_of_approval", "case_by_case", "granted",
            "gp10_risk")  # fmt: skip


def change_days(world: World) -> list[dt.date]:
    """Every change of the law, the day before, the day, the day after."""
    first = dt.date.fromisoformat(world.law["meta"]["known_from"])
    around = {d + dt.timedelta(days=k) for d in change_dates(world.law) for k in STEP_DAYS}
    return sorted(d for d in around if d >= first)


def check(cells: Cells, judged: Judged, world: World) -> None:
    """Every promise that one verdict can show."""
    for v in judged.verdicts:
        assert v.licence in LICENCES
        assert v.review_policy in POLICIES
        assert (v.exception is not None) == (v.licence == "exception")
        for line in v.lines:
            assert line.citations, (line, v)
            assert line.reasons
            assert line.licence != "exception" or line.conditions
            assert line.licence != "conditional" or line.review_policy is None
            assert line.licence != "none" or line.review_policy is None
    _answered(cells, judged, world)
    _only_on_listed_days(cells, judged, world)
    _mattered(cells, judged, world)


def _answered(cells: Cells, judged: Judged, world: World) -> None:
    """At least 95 % of the cells with a fully known chip are answered."""
    known = np.array([not possible.candidates(from_chip(world.chips[c]), world.law, 1) for c in cells.values["chip"]])
    mine = known[cells.codes["chip"]]
    answered = ~np.isin(judged.column("licence"), ("unknown", "unresolved"))
    assert answered[mine].mean() >= 0.95


def _only_on_listed_days(cells: Cells, judged: Judged, world: World) -> None:
    """Two cells that differ in the day only, with no listed day between them, have one verdict."""
    bounds = np.array(sorted({*change_dates(world.law), world.law_known_to + dt.timedelta(1)}), "datetime64[D]")
    period = np.searchsorted(bounds, np.array(cells.values["on"], "datetime64[D]"), side="right")
    columns = [cells.codes[n] for n in ("chip", "destination", "kind")] + [period[cells.codes["on"]]]
    same = np.unique(np.stack(columns), axis=1, return_inverse=True)[1].reshape(-1)
    keys = np.unique([(v.licence, v.exception or "", v.review_policy or "") for v in judged.verdicts], axis=0,
                     return_inverse=True)[1].reshape(-1)[judged.code]  # fmt: skip
    low, high = np.full(same.max() + 1, 10**9), np.full(same.max() + 1, -1)
    np.minimum.at(low, same, keys)
    np.maximum.at(high, same, keys)
    assert (low == high).all()


def _mattered(cells: Cells, judged: Judged, world: World) -> None:
    """Where a parameter is missing and the answer is none, every value of it answers none."""
    rng = np.random.default_rng(5)
    free = np.flatnonzero(judged.column("licence") == "none")
    for cell in rng.choice(free, 300).tolist():
        asked, _ = fill(cells.shipment(cell), world)
        for way in possible.possible_items(asked.item, world.law, asked.on, asked.shipment.quantity):
            stated = {"tpp": way.tpp, "pd": way.density, "mem_GBps": _giga(way.memory_bandwidth),
                      "io_GBps": _giga(way.io_bandwidth), "datacenter": way.datacentre}  # fmt: skip
            known = law.judge(replace(asked.shipment, item=stated), world)
            assert known.licence == "none"


def _giga(rate: float | None) -> float | None:
    return None if rate is None else rate / 1e9


def sampled(world: World, axes: dict[str, Sequence[object]], count: int) -> Cells:
    """So many cells of the product of the axes, drawn with a fixed seed."""
    rng = np.random.default_rng(7)
    whole = every(**{name: values[:1] for name, values in axes.items()})
    codes = {n: rng.integers(0, len(axes.get(n, (0,))), count) for n in whole.codes}
    values = {n: tuple(axes[n]) if n in axes else whole.values[n] for n in whole.values}
    return Cells(values, codes)


def test_a_sample_of_the_grid(world: World) -> None:
    """Whole blocks of the grid, drawn with a fixed seed: some chips and countries, the three days of some changes."""
    rng = np.random.default_rng(11)
    changes = rng.choice([d for d in change_dates(world.law) if d > dt.date(2022, 9, 1)], 16, replace=False)
    cells = every(
        chip=rng.choice(sorted(world.chips), 40, replace=False).tolist(),
        destination=[*rng.choice(world.law["places"]["iso"], 13, replace=False).tolist(), "CN", "AE", "MO"],
        on=sorted({d + dt.timedelta(days=k) for d in changes for k in STEP_DAYS}),
        kind=("commercial", "military"),
    )
    assert len(cells) >= SAMPLE
    check(cells, judge_many(cells, world), world)


@pytest.mark.long
def test_the_whole_grid(world: World) -> None:
    """Over a million cells: every chip, every country of the catalog, two kinds of buyer, every change day."""
    cells = every(
        chip=sorted(world.chips), destination=sorted(world.sites), on=change_days(world),
        kind=("commercial", "military"),
    )  # fmt: skip
    assert len(cells) > 1_000_000
    began = time.process_time()
    judged = judge_many(cells, world)
    assert time.process_time() - began < 60.0 * len(cells) / 1_000_000
    check(cells, judged, world)


@pytest.mark.parametrize(("names", "count"), [((None,), 400), (("G42", "Inspur Group"), 25)])
def test_a_gathered_verdict_is_the_one_of_judge(names: tuple[str | None, ...], count: int, world: World) -> None:
    axes = {"chip": sorted(world.chips), "destination": world.law["places"]["iso"], "on": change_days(world),
            "kind": KINDS, "headquarters": (None, "CN", "US", "MO", "JP", "AE"), "quantity": (1, 1700, 40_000),
            "use": (None, "supercomputer", "military", "IaaS for CN customer", "nuclear 744.2 activity"),
            "name": names, "exporter": (None, "any", "NVIDIA"),
            "ship_from": (None, "US", "SG", "MY"),
            "scenario": ("actual", "what_if_diffusion_enforced")}  # fmt: skip
    cells = sampled(world, axes, count)
    judged = judge_many(cells, world)
    for cell in range(len(cells)):
        one = law.judge(cells.shipment(cell), world)
        assert seen(one) == seen(judged.verdicts[judged.code[cell]]), cells.shipment(cell)


def seen(v: Verdict) -> tuple[object, ...]:
    lines = tuple((x.regime, x.licence, x.exception, x.review_policy, x.eccn) for x in v.lines)
    return v.licence, v.eccn, v.exception, v.review_policy, v.stale, lines, v.text_only and v.text_only.licence


def test_the_text_of_the_diffusion_rule_frees_nothing_that_is_barred(world: World) -> None:
    """The stricter scenario never allows more: its exceptions need what enforcement does not ask for."""
    days = [d for d in change_days(world) if d >= dt.date(2025, 5, 15)]
    axes = {"chip": sorted(world.chips), "destination": world.law["places"]["iso"], "on": days,
            "scenario": ("actual", "what_if_diffusion_enforced")}  # fmt: skip
    cells = sampled(world, axes, 4000)
    now = judge_many(replace(cells, codes={**cells.codes, "scenario": np.zeros(4000, np.int64)}), world)
    then = judge_many(replace(cells, codes={**cells.codes, "scenario": np.ones(4000, np.int64)}), world)
    none_then = then.column("licence") == "none"
    assert np.isin(now.column("licence")[none_then], ("none", "exception")).all()


FIELDS = ("destination", "hq", "ship_from", "kind", "use", "exporter")


@given(st.sampled_from(FIELDS), st.data())
@settings(max_examples=150, deadline=None)
def test_losing_a_fact_of_the_shipment_never_helps(world: World, lost: str, data: st.DataObject) -> None:
    draw = data.draw
    country = st.sampled_from(("CN", "HK", "MO", "AE", "SA", "JP", "TW", "RU", "IN", "MY", "VN", "KH", "IL", "US"))
    known = {
        "destination": draw(country), "hq": draw(country), "ship_from": draw(country),
        "kind": draw(st.sampled_from(KINDS)),
        "use": draw(st.sampled_from(sorted(world.law["vocabulary"]["uses"]))),
        "exporter": draw(st.sampled_from(("any", "NVIDIA", "AMD"))),
    }  # fmt: skip
    chip = draw(st.sampled_from(sorted(world.chips)))
    on = draw(st.sampled_from(change_days(world)))

    def verdict(f: dict[str, str]) -> Verdict:
        buyer = Buyer(f["kind"], f["hq"], None)
        return law.judge(Shipment(chip, f["destination"], on, f["ship_from"], f["exporter"], buyer, f["use"]), world)

    before, after = verdict(known), verdict({**known, lost: UNKNOWN})
    assert min(LOOSE[of(x)] for x in after.lines) <= min(LOOSE[of(x)] for x in before.lines)
    assert after.licence == "unknown" or seen(after)[:4] == seen(before)[:4] or after.eccn is None
