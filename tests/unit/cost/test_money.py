"""Money: linear in prices, known never above all, unknown never zero."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks import cost, site

USD = st.floats(0, 1e12)


@given(USD, USD, USD, USD, st.floats(0.1, 10))
def test_capital_is_linear_and_known_is_all_where_all_is_known(
    a: float, b: float, c: float, d: float, k: float
) -> None:
    one, many = cost.capital(a, b, c, d), cost.capital(k * a, k * b, k * c, k * d)
    assert float(many.total) == pytest.approx(k * float(one.total), rel=1e-9, abs=1e-6)
    assert float(one.known) == pytest.approx(float(one.total), rel=1e-12, abs=1e-6)


@given(USD, USD, USD)
def test_an_unknown_part_makes_the_total_unknown(a: float, b: float, c: float) -> None:
    some = cost.capital(a, float("nan"), b, c)
    assert np.isnan(some.total)
    assert float(some.known) == pytest.approx(a + b + c, rel=1e-12, abs=1e-6)


def test_five_years_write_the_equipment_off() -> None:
    year = 365.25 * 86400
    bought = cost.capital(100.0, 0.0, 0.0, 0.0)
    owned = cost.owning(
        bought, 5 * year, lifetimes=(5 * year, 15 * year), charge_rate=0.0, operation_share=0.0, energy=0.0
    )
    assert owned.total == pytest.approx(100.0)


def test_power_energy_carbon_by_hand() -> None:
    peak = site.facility_power(site.it_power(1_000_000.0, 50_000.0, 0.02), 1.25)
    assert peak == pytest.approx(1_337_500.0)
    day = site.energy(peak, 0.8, 86400.0)
    assert day / 3.6e6 == pytest.approx(25_680.0)  # kWh
    assert site.carbon(day, 0.4 / 3.6e6) == pytest.approx(10_272.0)  # kg at 400 g/kWh
