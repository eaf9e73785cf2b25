"""A country loses a fuel: the run-down by quarters, its price, carbon and power, and what it does to a limit."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks import catalog, scenario
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest
from tokenworks.quote import read_request, resolved
from tokenworks.scenario import energy

SITE = {"share": 0.2, "by": 0.3, "carbon_intensity": 1e-7, "electricity_price": 4e-8}
START = dt.date(2026, 4, 1)
REQUEST = {"make": {"serve": {"model": "qwen3-32b", "requests_per_second": 1}}, "where": "JP", "when": "2027-11-01",
           "limits": {"power": "10 MW"}}  # fmt: skip


def numbers(**values: float) -> dict[str, Any]:
    stated = {
        "stock": 6 * energy.MONTH,
        "cycle": 12 * energy.MONTH,
        "delay": 0.0,
        "at_once": 0.5,
        "replaced": 0.8,
        "carbon_lost": 3e-9,
        "carbon_by": 1.36e-7,
        "cost_by": 2.5e-8,
        "cost_saved": 3e-9,
        "burden": 3.0,
    }
    stated |= values
    return {name: {"value": value} for name, value in stated.items()}


def document(**changed: Any) -> dict[str, Any]:
    rows = {name: {"value": row["value"], "source": "ours"} for name, row in numbers().items()}
    lose = {"fuel": "nuclear", "by": "gas", **rows, **changed}
    return {"changes": [{"energy": "JP", "lose": lose, "from": "2026-04-01", "source": "ours", "assumed": True}]}


def test_by_hand() -> None:
    found = energy.supply(numbers(), SITE, 3)  # 10.5 months in: 4.5 of 12 months of the run-down
    assert found.remaining == pytest.approx(0.625)
    assert found.lost == pytest.approx(0.2 * 0.375)
    assert found.short == pytest.approx(0.075 * 0.2)
    assert found.carbon == pytest.approx((1e-7 + 0.075 * (0.8 * 1.36e-7 - 3e-9)) / 0.985)
    assert found.price == pytest.approx(4e-8 + 0.075 * 0.8 * 2.2e-8)
    assert found.delivered == pytest.approx(1 - 3 * 0.015)


@given(
    st.floats(0, 36), st.floats(1, 36), st.floats(0, 24), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1),
    st.floats(0, 10),
)  # fmt: skip
def test_nothing_before_the_stock_ends_then_downhill_and_it_ends(
    stock: float, cycle: float, delay: float, at_once: float, replaced: float, share: float, burden: float
) -> None:
    n = numbers(stock=stock * energy.MONTH, cycle=cycle * energy.MONTH, delay=delay * energy.MONTH, at_once=at_once,
                replaced=replaced, burden=burden)  # fmt: skip
    site, last = {**SITE, "share": min(share, 0.99)}, energy.last_quarter(n)
    rows = [energy.supply(n, site, q) for q in range(last + 3)]
    assert all(one.remaining >= other.remaining for one, other in pairwise(rows))
    assert all(0.0 <= r.delivered <= 1.0 and 0.0 <= r.short <= r.lost + 1e-12 for r in rows)
    assert all(r.remaining == 1.0 for r in rows if (r.number + 0.5) * 3 <= stock)
    assert rows[last].remaining == 0.0
    assert [{**asdict(r), "number": 0} for r in rows[last:]] == [{**asdict(rows[last]), "number": 0}] * 3


def test_the_world_follows_quarter_by_quarter_and_is_itself_before(facts: Catalog) -> None:
    read = scenario.read(document(), "mine")
    sites = {}
    for day in ("2026-03-31", "2026-04-01", "2027-01-01", "2027-02-01", "2028-01-01"):
        world = catalog.world(facts, dt.date.fromisoformat(day))
        sites[day] = scenario.apply(world, read).sites["JP"]
    before, first, third, same, end = sites.values()
    assert before.get("power_delivered") is None
    assert first.get("mix_nuclear") == before.get("mix_nuclear")  # reactors run on what is there
    assert third.facts == same.facts  # one quarter
    assert 0 < third.get("mix_nuclear") < before.get("mix_nuclear")
    assert end.get("mix_nuclear") == 0.0
    assert end.get("power_delivered") < 1.0
    mixes = [{k: f.value for k, f in s.facts.items() if k.startswith("mix_")} for s in (before, end)]
    untouched = 1 - mixes[0]["mix_nuclear"] - mixes[0]["mix_gas"]
    share = 0.076 * 0.2  # missing for good
    assert mixes[1]["mix_gas"] == pytest.approx((mixes[0]["mix_gas"] + 0.076 * 0.8) / (1 - share))
    assert mixes[1]["mix_gas"] + untouched / (1 - share) == pytest.approx(1.0, abs=0.01)


def test_a_promised_limit_on_power_shrinks_with_what_is_delivered(facts: Catalog) -> None:
    world = catalog.world(facts, dt.date(2027, 11, 1))
    after = scenario.applied(world, ["npt-exit-japan"])
    request = read_request(REQUEST)
    share = after.sites["JP"].get("power_delivered")
    assert 0.5 < share < 1.0
    assert resolved(request, world).limits.power == 10e6
    assert resolved(request, after).limits.power == pytest.approx(10e6 * share)


def test_the_shipped_ramp_takes_every_number_from_the_file_with_its_source(facts: Catalog) -> None:
    world = catalog.world(facts, dt.date(2026, 4, 1))
    (ramp,) = scenario.ramps(world, scenario.named(world, "npt-exit-japan"))
    assert {n["name"] for n in ramp["numbers"]} == set(energy.NUMBERS)
    for n in ramp["numbers"]:
        assert n["source"]
        assert n["low"] is None or n["low"] <= n["value"] <= n["high"]
    assert [q["number"] for q in ramp["quarters"]] == list(range(len(ramp["quarters"])))
    assert ramp["quarters"][-1]["remaining"] == 0.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"replaced": {"value": 1.5, "source": "s"}}, "out of range"),
        ({"replaced": {"value": 0.5}}, "a value and a source"),
        ({"stock": {"value": "a while", "source": "s"}}, "expected"),
        ({"delya": {"value": 1, "source": "s"}}, "delay"),
    ],
)
def test_bad_numbers_are_refused_with_the_field(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said) as raised:
        scenario.read(document(**changed), "mine")
    assert raised.value.field.startswith("mine.changes.0.lose")


def test_what_is_missing_is_named(facts: Catalog) -> None:
    whole = document()
    del whole["changes"][0]["lose"]["burden"]
    with pytest.raises(BadRequest, match="needs burden"):
        scenario.read(whole, "mine")
    undated = document()
    del undated["changes"][0]["from"]
    with pytest.raises(BadRequest, match="needs from"):
        scenario.read(undated, "mine")
    lacking = scenario.read(document(fuel="wood"), "mine")
    with pytest.raises(BadRequest, match="mix_wood"):
        scenario.apply(catalog.world(facts, dt.date(2027, 1, 1)), lacking)
