"""Scenarios: read strictly, laid over a world, shown as a diff."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenworks as tw
from tokenworks import catalog, law, scenario
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest, UnknownFact
from tokenworks.records import Shipment, World

NAMES = {
    "h20-letter-lifted", "h20-barred", "what_if_diffusion_enforced", "uae-opened", "china-buys-domestic-only",
    "npt-exit-japan", "tariff-on-servers", "ascend-doubles-supply", "gpu-price-minus-30", "grid-carbon-2030",
}  # fmt: skip
ROW = {"constant": "pue", "value": 1.2, "source": "ours"}


def world(facts: Catalog, day: str) -> World:
    return catalog.world(facts, dt.date.fromisoformat(day))


def verdict(w: World, chip: str, to: str, on: str) -> tuple[str, str | None]:
    found = law.judge(Shipment(chip, to, dt.date.fromisoformat(on)), w)
    return found.licence, found.review_policy


def test_the_ten_named_scenarios_are_there(facts: Catalog) -> None:
    assert set(facts.overlays) >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_scenario_changes_something_and_leaves_the_world_alone(facts: Catalog, name: str) -> None:
    before = world(facts, "2027-06-01")
    found = scenario.named(before, name)
    diff = scenario.differences(before, found)
    after = scenario.apply(before, found)
    assert diff
    assert all(d.source for d in diff)
    assert all(d.before != d.after for d in diff)
    assert after.scenarios == (name,)
    assert after.catalog != before.catalog
    assert before == world(facts, "2027-06-01")
    assert all(found.says[code] for code in ("en", "zh-Hant"))


@pytest.mark.parametrize(
    ("name", "chip", "to", "on", "expected"),
    [
        ("h20-letter-lifted", "nvidia-h20", "CN", "2025-06-01", ("none", None)),
        ("h20-barred", "nvidia-h20", "CN", "2025-09-01", ("required", "presumption_of_denial")),
        ("uae-opened", "nvidia-h100-sxm", "AE", "2025-09-01", ("none", None)),
    ],
)
def test_rules_move(facts: Catalog, name: str, chip: str, to: str, on: str, expected: tuple[str, str | None]) -> None:
    actual = world(facts, "9999-01-01")
    assert verdict(actual, chip, to, on) != expected
    assert verdict(scenario.applied(actual, [name]), chip, to, on) == expected


def test_the_diffusion_rule_is_one_world_however_it_is_asked_for(facts: Catalog) -> None:
    actual = world(facts, "9999-01-01")
    enforced = scenario.applied(actual, ["what_if_diffusion_enforced"])
    for to in ("MY", "IN", "CH", "JP", "CN"):
        asked = Shipment("nvidia-h100-sxm", to, dt.date(2025, 9, 1), quantity=20_000)
        by_world = law.judge(asked, enforced)
        by_name = law.judge(
            Shipment(**{**{f: getattr(asked, f) for f in ("chip", "destination", "on", "quantity")},
                        "scenario": "what_if_diffusion_enforced"}), actual,
        )  # fmt: skip
        assert (by_world.licence, by_world.review_policy) == (by_name.licence, by_name.review_policy)
        assert by_world.text_only is None


def test_china_may_close_what_washington_opens(facts: Catalog) -> None:
    closed = scenario.applied(world(facts, "9999-01-01"), ["china-buys-domestic-only"])
    found = law.judge(Shipment("nvidia-h20", "CN", dt.date(2025, 9, 1)), closed)
    assert law.standing(found, ("CN",)) == "barred"


def test_scenarios_stack_in_order(facts: Catalog) -> None:
    base = world(facts, "2025-06-01")
    both = scenario.applied(base, ["gpu-price-minus-30", "tariff-on-servers"])
    key = "nvidia-h100-sxm/purchase"
    assert both.prices[key].value == pytest.approx(base.prices[key].value * 0.7 * 1.25)
    assert both.scenarios == ("gpu-price-minus-30", "tariff-on-servers")
    assert scenario.applied(both, ["tariff-on-servers"]) is both


def test_a_change_holds_on_its_days_only(facts: Catalog) -> None:
    shares = [
        scenario.applied(world(facts, day), ["npt-exit-japan"]).sites["JP"].get("mix_nuclear")
        for day in ("2026-03-31", "2026-06-01", "2027-02-01", "2027-11-01")
    ]
    assert shares[:2] == [0.076, 0.076]  # until the fuel in the country is burnt
    assert 0.0 < shares[2] < 0.076
    assert shares[3] == 0.0


def test_python_face() -> None:
    there = tw.World.at(dt.date(2025, 6, 1))
    assert there.with_("grid-carbon-2030").scenarios == ("grid-carbon-2030",)
    own = {"scenario": "hot", "changes": [{"constant": "pue", "value": 2.0, "source": "a hot summer", "assumed": True}]}
    assert there.with_(own).with_("grid-carbon-2030").constants["pue"].value == 2.0
    with pytest.raises(UnknownFact, match="grid-carbon-2030"):
        there.with_("grid-carbon-2031")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ([], "mine.changes"),
        ([{"constant": "pue", "value": 1.2}], "mine.changes.0.source"),
        ([{**ROW, "scale": 2}], "mine.changes.0"),
        ([{**ROW, "price": "x"}], "mine.changes.0"),
        ([{"constant": "pue", "scale": -1, "source": "s"}], "mine.changes.0.scale"),
        ([{"constant": "pue", "scale": float("nan"), "source": "s"}], "mine.changes.0.scale"),
        ([{**ROW, "from": "2025-13-01"}], "mine.changes.0.from"),
        ([{**ROW, "from": "2026-01-01", "to": "2025-01-01"}], "mine.changes.0.to"),
        ([ROW, {**ROW, "value": 1.4}], "mine.changes.1"),
        ([{**ROW, "to": "2025-06-01"}, {**ROW, "from": "2025-06-01"}], "mine.changes.1"),
        ([{**ROW, "colour": "red"}], "mine.changes.0.colour"),
        (["pue"], "mine.changes.0"),
    ],
)
def test_what_cannot_be_read_is_refused_by_field(changes: list, field: str) -> None:
    with pytest.raises(BadRequest) as error:
        scenario.read({"scenario": "mine", "changes": changes}, "mine")
    assert error.value.field == field


def test_two_changes_of_one_thing_on_different_days_are_no_contradiction() -> None:
    rows = [{**ROW, "to": "2025-05-31"}, {**ROW, "from": "2025-06-01", "value": 1.5}]
    assert len(scenario.read({"changes": rows}, "mine").changes) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"price": "nvidia-*/purchase", "scale": 0.7}, {"price": "*-h100-sxm/purchase", "scale": 0.5}),
        ({"price": "*/purchase", "scale": 0.7, "only": {"vendor": "NVIDIA"}},
         {"price": "*/purchase", "scale": 0.5, "only": {"country": "US"}}),
        ({"fact": "sites/J*/pue", "value": 1.2}, {"fact": "sites/*P/pue", "value": 1.3}),
        ({"rule": "letters/letters/L4-*", "set": {"policy": "presumption_of_denial"}},
         {"rule": "letters/*/L4-grants", "set": {"policy": "case_by_case"}}),
    ],
)  # fmt: skip
def test_changes_that_come_down_to_the_same_thing_are_refused(facts: Catalog, first: dict, second: dict) -> None:
    rows = [{**row, "source": "ours", "assumed": True} for row in (first, second)]
    one = scenario.read({"changes": rows[:1]}, "mine")
    assert scenario.differences(world(facts, "2025-06-01"), one)
    both = scenario.read({"changes": rows}, "mine")
    with pytest.raises(BadRequest, match=r"the same as mine\.changes\.0 on the same days") as raised:
        scenario.apply(world(facts, "2025-06-01"), both)
    assert raised.value.field == "mine.changes.1"


def test_the_same_thing_may_change_again_later(facts: Catalog) -> None:
    rows = [
        {"fact": "sites/J*/pue", "value": 1.2, "to": "2025-12-31", "source": "ours"},
        {"fact": "sites/*P/pue", "value": 1.3, "from": "2026-01-01", "source": "ours"},
    ]
    own = scenario.read({"changes": rows}, "mine")
    found = [scenario.apply(world(facts, day), own).sites["JP"].get("pue") for day in ("2025-06-01", "2026-06-01")]
    assert found == [1.2, 1.3]


@pytest.mark.parametrize(
    "row",
    [
        {"fact": "sites/JP/carbon_intensity", "value": "little"},
        {"fact": "sites/JP/npt_party", "scale": 2},
        {"price": "nvidia-h20/purchase", "value": "cheap"},
        {"market": "supply/nvidia-h20", "value": "plenty"},
    ],
)
def test_what_is_a_number_stays_one(facts: Catalog, row: dict) -> None:
    own = scenario.read({"changes": [{**row, "source": "ours"}]}, "mine")
    with pytest.raises(BadRequest, match="expected a number"):
        scenario.apply(world(facts, "2025-06-01"), own)


def test_a_misspelt_fact_is_refused_with_the_nearest(facts: Catalog) -> None:
    own = scenario.read({"changes": [{"fact": "sites/JP/carbon_intensty", "value": 1e-8, "source": "s"}]}, "mine")
    with pytest.raises(BadRequest, match="carbon_intensity"):
        scenario.apply(world(facts, "2025-06-01"), own)


@pytest.mark.parametrize("path", ["sites/XX/carbon_intensity", "chips/none-*/memory", "sites/JP/nothing"])
def test_unknown_facts_are_refused(facts: Catalog, path: str) -> None:
    own = scenario.read({"changes": [{"fact": path, "scale": 2, "source": "s"}]}, "mine")
    with pytest.raises(BadRequest, match=r"names nothing|has a fact"):
        scenario.apply(world(facts, "2025-06-01"), own)


@given(st.dictionaries(st.text(max_size=8), st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=8))))
def test_hostile_documents_are_refused(document: dict) -> None:
    with pytest.raises(BadRequest):
        scenario.read(document, "mine")
