"""Racks: whichever of space and power binds; a pod fills several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks import site


@pytest.mark.parametrize(
    ("units", "height", "power", "rack_power", "racks"),
    [
        (10, 8, 10_200, 40_000, 4),  # three by power
        (10, 10, 1_000, 40_000, 3),  # four by space
        (3, 42, 142_000, 142_000, 3),  # a rack each
        (1, 1, 559_000, 40_000, 14),  # a pod over many racks
    ],
)
def test_racks_by_hand(units: float, height: float, power: float, rack_power: float, racks: float) -> None:
    assert float(site.racks(units, height, power, 42.0, rack_power)) == racks


@given(st.integers(1, 1000), st.integers(0, 1000), st.floats(1, 42), st.floats(100, 1e6))
def test_more_units_never_take_fewer_racks(units: int, more: int, height: float, power: float) -> None:
    small, large = (float(site.racks(n, height, power, 42.0, 40_000.0)) for n in (units, units + more))
    assert small <= large
