"""Markets: offers by hand through the allocation and the draws; the rule stated, supply kept, nothing dropped."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.errors import BadRequest
from tokenworks.market.allocate import Board, Solver, board
from tokenworks.market.bids import Bid
from tokenworks.market.demand import BuyerGroup, read
from tokenworks.market.lots import drawn, middle
from tokenworks.market.study import _names, _outcomes
from tokenworks.quote import read_request

JOB = {"make": {"train": {"model": "m", "tokens": "1T", "within": "90 days"}}, "where": "CN", "when": "2025-06-01"}
MARKET = {
    "supply": {"scarce": {"chips": ["s*"], "value": 100.0, "low": 50.0, "high": 200.0}},
    "licences": {"case_by_case": {"value": 0.5, "low": 0.25, "high": 1.0}},
    "buying": {"willingness": {"value": 4.0}},
}
SCARCE = Bid("s1", "S", 10.0, 100.0, 60.0, 1.0, 5.0, 1.0, None, (0.8, 1.25), (0.5, 2.0))
PLENTY = replace(SCARCE, chip="p1", vendor="P", total=200.0)
LICENSED = replace(SCARCE, chip="l1", vendor="L", total=150.0, policy="case_by_case")


def group(name: str, copies: float) -> BuyerGroup:
    return BuyerGroup(name, copies, read_request(JOB))


def shares(at: Board) -> list[float]:
    lots = middle([at])
    cost = np.ones(len(at.bids))
    return Solver(at).shares(cost, lots.granted_to(at, 0), lots.supply_of(at, 0)).round(6).tolist()


def test_scarce_chips_go_first_and_the_rest_pays_more() -> None:
    at = board([group("one", 20.0)], [[SCARCE, PLENTY]], MARKET)
    assert shares(at) == [0.5, 0.5]  # 100 chips serve ten jobs of twenty


def test_a_licence_bounds_the_share() -> None:
    at = board([group("one", 1.0)], [[LICENSED, PLENTY]], MARKET)
    assert shares(at) == [0.5, 0.5]


def test_what_cannot_be_served_is_unmet_never_dropped() -> None:
    at = board([group("one", 20.0)], [[SCARCE]], MARKET)
    names = _names([at])
    found = dict(zip(names, _outcomes(at, names, middle([at]), lambda _: None)[0], strict=True))
    assert found["unmet", "one", "jobs"] == pytest.approx(10.0)
    assert found["vendor", "S", "chips"] == pytest.approx(100.0)
    assert found["total", "", "jobs"] == pytest.approx(10.0)


def test_nobody_pays_any_price() -> None:
    at = board([group("one", 20.0)], [[SCARCE, replace(PLENTY, total=401.0)]], MARKET)
    assert [b.chip for b in at.bids] == ["s1"]


def test_a_buyer_without_an_offer_is_named() -> None:
    at = board([group("one", 1.0), group("two", 3.0)], [[PLENTY], []], MARKET)
    names = _names([at])
    found = dict(zip(names, _outcomes(at, names, middle([at]), lambda _: None)[0], strict=True))
    assert found["unmet", "two", "jobs"] == pytest.approx(3.0)


def test_draws_are_the_same_every_time() -> None:
    at = board([group("one", 20.0)], [[SCARCE, PLENTY, LICENSED]], MARKET)
    one, other = drawn([at], 50), drawn([at], 50)
    assert np.array_equal(one.price, other.price)
    assert np.array_equal(one.place, other.place)
    assert one.price.min() >= 0.5
    assert one.price.max() <= 2.0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(1, 50), st.floats(1, 30)), min_size=1, max_size=5), st.floats(1.0, 3.0))
def test_supply_is_kept_and_more_of_it_never_serves_fewer(rows: list[tuple[float, float]], factor: float) -> None:
    buyers = [group(str(i), copies) for i, (copies, _) in enumerate(rows)]
    offers = [[replace(SCARCE, chips=chips)] for _, chips in rows]
    served = []
    for times in (1.0, factor):
        row = {**MARKET["supply"]["scarce"], "value": 100.0 * times}
        at = board(buyers, offers, {**MARKET, "supply": {"scarce": row}})
        solver = Solver(at)
        lots = middle([at])
        got = solver.shares(np.ones(len(at.bids)), np.ones(len(at.bids)), lots.supply_of(at, 0)) * solver.copies
        assert (got * solver.chips).sum() <= 100.0 * times * (1 + 1e-6)
        served.append(got @ solver.total)
    assert served[1] >= served[0] * (1 - 1e-6)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "m.buyers"),
        ({"buyers": []}, "m.buyers"),
        ({"buyers": [{"copies": 0, "request": JOB}]}, "m.buyers.0.copies"),
        ({"buyers": [{"copies": float("nan"), "request": JOB}]}, "m.buyers.0.copies"),
        ({"buyers": [{"request": {**JOB, "when": "soon"}}]}, "m.buyers.0.when"),
        ({"buyers": [{"request": JOB, "colour": "red"}]}, "m.buyers.0.colour"),
        ({"buyers": [{"name": "x", "request": JOB}, {"name": "x", "request": JOB}]}, "m.buyers"),
        ("text", "m"),
    ],
)
def test_a_bad_demand_is_refused_by_field(document: object, field: str) -> None:
    with pytest.raises(BadRequest) as error:
        read(document, "m")
    assert error.value.field.startswith(field)


def test_a_list_of_requests_is_a_demand() -> None:
    found = read([JOB, JOB], "m")
    assert [b.copies for b in found.buyers] == [1.0, 1.0]
    assert found.buyers[0].quarter == "2025-Q2"
    assert found.buyers[0].request.when == dt.date(2025, 6, 1)
