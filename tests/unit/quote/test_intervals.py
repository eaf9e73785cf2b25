"""What a quote says of its own error: the interval of the class, carried to time, money and energy."""

from __future__ import annotations

import datetime as dt

import pytest

from tokenworks.catalog import load, world
from tokenworks.perf.evidence import Bar
from tokenworks.quote import quote, read_request
from tokenworks.quote.explain import explain
from tokenworks.quote.intervals import bar_of, derived, estimate, shown

RATE = Bar("chip seen", 50, 40, 0.8, 1.1)


@pytest.fixture(scope="module")
def content():
    asked = {
        "make": {"train": {"model": "llama-3-8b", "tokens": "1T", "within": "60 days"}},
        "where": "US", "when": "2025-05-02", "limits": {"chips": ["h100"], "chips_max": 2048},
    }  # fmt: skip
    return quote(read_request(asked), world(load(), dt.date(2025, 5, 2))).content


def test_every_speed_of_a_training_design_has_the_interval_of_its_class(content):
    design = content["designs"][0]
    named = bar_of(world(load(), dt.date(2025, 5, 2)), "training", "tokens_per_s_per_chip",
                   tuple(design["bars"]["class"].split(", ")))  # fmt: skip
    assert design["bars"] == {"class": named.name, "runs": named.runs, "groups": named.groups}
    for name, found in (("tokens_per_s", named), ("mfu", named), ("step_time_s", named.inverted())):
        figure = design["predicted"][name]
        assert figure["low"] == pytest.approx(figure["value"] * found.low)
        assert figure["high"] == pytest.approx(figure["value"] * found.high)


def test_money_energy_and_carbon_go_as_the_time(content):
    design = content["designs"][0]
    time = design["predicted"]["time_s"]
    assert set(design["intervals"]) >= {"/energy_j", "/carbon_kg", "/cost/total_usd", "/cost/per_million_tokens_usd"}
    for pointer, found in design["intervals"].items():
        answer = explain(content, "/designs/0" + pointer)
        assert (answer["low"], answer["high"]) == (found["low"], found["high"])
        assert found["low"] / answer["value"] == pytest.approx(time["low"] / time["value"])
        assert found["high"] / answer["value"] == pytest.approx(time["high"] / time["value"])


def test_without_residuals_there_is_no_interval():
    assert estimate(3.0)["low"] is None
    assert estimate(float("nan"), RATE)["high"] is None
    assert derived({"/energy_j": 1.0}, None) == {}
    assert shown(None, ("chip not seen", "software seen")) == {
        "class": "chip not seen, software seen", "runs": 0, "groups": 0,
    }  # fmt: skip
