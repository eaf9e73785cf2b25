"""Fitted values lie over the priors, by path."""

from __future__ import annotations

import pytest

from tokenworks.catalog.calibration import at, numbers, overlaid, put, with_fitted

PRIORS = {"globals": {"bubble": {"value": 1.0, "prior": 1.0}}, "steps": [{"value": 2.0}]}


def test_fitted_values_replace_priors_and_leave_the_file_alone():
    fit = {"seen": {"chips": ["a"]}, "values": {"globals/bubble/value": 0.9, "steps/0/value": 3.0}}
    found = with_fitted({"toy": PRIORS, "other": {"a": 1}, "fitted": {"studies": {"toy": fit}}})
    assert found["toy"]["globals"]["bubble"] == {"value": 0.9, "prior": 1.0}
    assert found["toy"]["steps"][0]["value"] == 3.0
    assert found["toy"]["seen"] == {"chips": ["a"]}
    assert found["other"] == {"a": 1}
    assert PRIORS["globals"]["bubble"]["value"] == 1.0


def test_every_number_of_a_calibration_has_a_path_that_leads_to_it():
    found = numbers(PRIORS)
    assert found == {"globals/bubble/value": 1.0, "globals/bubble/prior": 1.0, "steps/0/value": 2.0}
    assert all(at(PRIORS, path) == value for path, value in found.items())
    assert numbers(overlaid(PRIORS, {"seen": {}, "values": {"steps/0/value": 5.0}}))["steps/0/value"] == 5.0


def test_a_path_that_leads_nowhere_is_an_error():
    with pytest.raises(KeyError):
        put({"a": {}}, "a/b", 1.0)


def test_the_shipped_fit_fits_the_shipped_constants(world):
    for name, content in world.calibration.items():
        for path, value in content.get("fitted", {"values": {}})["values"].items():
            assert at(content, path) == value, (name, path)
