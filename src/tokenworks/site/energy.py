"""Power, energy and carbon of a factory. Every argument may be a float or an array; they broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

Column = Any  # float or float64 array


def it_power(servers: Column, fabric: Column, storage_share: Column) -> Column:
    """Peak IT power (W): servers and network, plus storage and management as a share of the servers.

    >>> it_power(1000.0, 100.0, 0.02)
    1120.0
    """
    return servers * (1.0 + storage_share) + fabric


def facility_power(it: Column, pue: Column) -> Column:
    """Peak facility power (W) = IT power x PUE (ISO/IEC 30134-2).

    >>> facility_power(100.0, 1.3)
    130.0
    """
    return it * pue


def energy(power: Column, mean_load: Column, seconds: Column) -> Column:
    """Energy (J) over a time: peak power x mean load x seconds.

    >>> energy(100.0, 0.5, 10.0)
    500.0
    """
    return power * mean_load * seconds


def carbon(joules: Column, intensity: Column) -> Column:
    """Emissions (kg CO2e) of energy drawn from a grid of an intensity (kg/J).

    >>> carbon(3.6e6, 1e-7)
    0.36
    """
    return joules * intensity


def racks(units: Column, unit_height: Column, unit_power: Column, rack_height: Column, rack_power: Column) -> Column:
    """Racks that units of a height (U) and power (W) fill, by whichever of space and power binds first; a unit
    that draws more than a rack can take fills several.

    >>> float(racks(10.0, 8.0, 10_200.0, 42.0, 40_000.0))
    4.0
    """
    fit = np.maximum(1.0, np.minimum(np.floor(rack_height / unit_height), np.floor(rack_power / unit_power)))
    return np.ceil(units / fit) * np.ceil(unit_power / np.maximum(rack_power, 1.0)) ** (unit_power > rack_power)
