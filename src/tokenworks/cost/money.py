"""Money as DESIGN.md defines it. Every argument may be a float or an array; unknown prices are NaN.

capital: everything bought. total: the job's share over its horizon: straight-line share of capital, capital
charge, energy and operation; or the rent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Column = Any  # float or float64 array
YEAR = 365.25 * 86400.0  # s


class Capital(NamedTuple):
    """Everything bought, by part; `total` is NaN where a part is unknown."""

    servers: Column
    network: Column
    storage: Column
    building: Column
    total: Column

    @property
    def known(self) -> Column:
        """The sum of the parts that are known."""
        return sum(np.where(np.isnan(part), 0.0, part) for part in self[:4])


class Owning(NamedTuple):
    """Cost over a horizon of what is bought; parts in USD."""

    depreciation: Column
    capital_charge: Column
    energy: Column
    operation: Column
    total: Column


def server_price(chip_price: Column, chips: Column, server_share: Column) -> Column:
    """Price of servers around chips that are priced alone: chips x price x (1 + server share).

    >>> server_price(100.0, 8.0, 0.25)
    1000.0
    """
    return chips * chip_price * (1.0 + server_share)


def building(it_power: Column, cost_per_watt: Column) -> Column:
    """Price of the building and its power chain for a critical load (W).

    >>> building(1e6, 11.0)
    11000000.0
    """
    return it_power * cost_per_watt


def storage(servers: Column, network: Column, share: Column) -> Column:
    """Storage as a share of servers and network; NaN as soon as one of them is.

    >>> storage(90.0, 10.0, 0.01)
    1.0
    """
    return (servers + network) * share


def capital(servers: Column, network: Column, stored: Column, house: Column) -> Capital:
    """Sum the parts; unknown (NaN) parts are left out of `known`.

    >>> c = capital(100.0, float("nan"), 1.0, 10.0)
    >>> bool(np.isnan(c.total)), float(c.known)
    (True, 111.0)
    """
    return Capital(servers, network, stored, house, servers + network + stored + house)


def owning(
    bought: Capital,
    seconds: Column,
    *,
    lifetimes: tuple[Column, Column],
    charge_rate: Column,
    operation_share: Column,
    energy: Column,
) -> Owning:
    """Cost over `seconds` of what is bought: straight-line share over the lifetimes (equipment, building),
    charge on all capital, operation as a yearly share of the equipment, and `energy` (USD).

    >>> one = owning(capital(100.0, 0.0, 0.0, 30.0), YEAR, lifetimes=(5 * YEAR, 15 * YEAR), charge_rate=0.08,
    ...              operation_share=0.04, energy=1.0)
    >>> [round(float(x), 2) for x in one]
    [22.0, 10.4, 1.0, 4.0, 37.4]
    """
    equipment = bought.servers + bought.network + bought.storage
    years = seconds / YEAR
    written_off = equipment * seconds / lifetimes[0] + bought.building * seconds / lifetimes[1]
    charge = bought.total * charge_rate * years
    operation = equipment * operation_share * years
    return Owning(written_off, charge, energy, operation, written_off + charge + energy + operation)


def renting(chips: Column, price: Column, seconds: Column) -> Column:
    """Rent of chips at a price (USD per chip-second) over a time.

    >>> renting(8.0, 0.001, 3600.0)
    28.8
    """
    return chips * price * seconds


def per_million_tokens(total: Column, tokens: Column) -> Column:
    """USD per million tokens.

    >>> per_million_tokens(2.0, 4e6)
    0.5
    """
    return total / tokens * 1e6
