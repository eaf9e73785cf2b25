"""A country loses a fuel: stocks, the run-down of what burns it, replacement, price, carbon and power for a site, by
quarters. Every number is the scenario's own.

With t the time since supply ended, s the share of the country's electricity that the fuel made:
remaining(t) = 1 up to `stock`, then falling evenly to 0 over `cycle` (cores of a fleet whose refuellings are spread
evenly run out one after the other); lost = s (1 - remaining); made_up(t) rises evenly from `at_once` to `replaced` over
`delay`; short = lost (1 - made_up), of all electricity.
carbon = (carbon_0 - lost x carbon_lost + lost x made_up x carbon_by) / (1 - short);
price = price_0 + lost x made_up x (cost_by - cost_saved);
delivered = 1 - min(1, burden x short): the share of its promised power that a new site gets.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenworks import units
from tokenworks.errors import BadRequest, not_allowed

QUARTER = 3.0  # months
DAY = 86400.0  # s
MONTH = 365.25 * DAY / 12.0
# name -> (unit, least, most)
NUMBERS: Mapping[str, tuple[str, float, float]] = {
    "stock": ("s", 0.0, 1e10),
    "cycle": ("s", 1.0, 1e10),
    "delay": ("s", 0.0, 1e10),
    "at_once": ("share", 0.0, 1.0),
    "replaced": ("share", 0.0, 1.0),
    "carbon_lost": ("kg/J", 0.0, 1e-5),
    "carbon_by": ("kg/J", 0.0, 1e-5),
    "cost_by": ("USD/J", 0.0, 1e-5),
    "cost_saved": ("USD/J", 0.0, 1e-5),
    "burden": ("ratio", 0.0, 1e3),
}
NEEDED = ("carbon_intensity", "electricity_price")


@dataclass(frozen=True, slots=True)
class Quarter:
    """Supply in one quarter since it ended, at its middle. Shares are of the electricity made before."""

    number: int  # 0: the quarter in which it ends
    remaining: float  # of the fuel's own output
    lost: float
    made_up: float  # of what is lost
    short: float
    carbon: float  # kg/J
    price: float  # USD/J
    delivered: float  # of a new site's promised power


def read(value: Any, where: str) -> Mapping[str, Any]:
    """Check what a scenario says of a lost fuel: {fuel, by, and every one of NUMBERS as {value, source}}. Times may be
    written as `6 months`. Raises BadRequest naming the field."""
    if not isinstance(value, Mapping):
        raise BadRequest("expected fields by name, read '{value}'", field=where, value=value)
    allowed = {"fuel", "by", *NUMBERS}
    for key in value:
        if key not in allowed:
            raise not_allowed(f"{where}.{key}", key, allowed)
    missing = [name for name in ("fuel", "by", *NUMBERS) if name not in value]
    if missing:
        raise BadRequest("needs {names}", field=where, names=", ".join(missing))
    fuels = {name: str(value[name]) for name in ("fuel", "by")}
    return {**fuels, **{name: _number(value[name], name, f"{where}.{name}") for name in NUMBERS}}


def _number(row: Any, name: str, where: str) -> Mapping[str, Any]:
    if not isinstance(row, Mapping) or not row.get("source") or "value" not in row:
        raise BadRequest("a fact needs a value and a source", field=where)
    unit, least, most = NUMBERS[name]
    value = row["value"]
    number = units.parse(value, "time", where) if unit == "s" and isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not least <= number <= most:
        raise BadRequest("'{value}' is out of range; allowed: {low} to {high}", field=where, value=value, low=least,
                         high=most)  # fmt: skip
    return {"low": None, "high": None, "note": "", "assumed": False, **row, "value": float(number), "unit": unit}


def quarter_of(since: dt.date, on: dt.date) -> int:
    """Which quarter since a day another day lies in; 0 is the first.

    >>> quarter_of(dt.date(2026, 4, 1), dt.date(2026, 6, 30)), quarter_of(dt.date(2026, 4, 1), dt.date(2026, 7, 1))
    (0, 1)
    """
    months = (on.year - since.year) * 12 + on.month - since.month + (on.day - since.day) * DAY / MONTH
    return math.floor(months / QUARTER)


def last_quarter(numbers: Mapping[str, Any]) -> int:
    """The quarter from which nothing changes any more."""
    ends = (numbers["stock"]["value"] + numbers["cycle"]["value"], numbers["delay"]["value"])
    return math.ceil(float(max(ends)) / MONTH / QUARTER)


def supply(numbers: Mapping[str, Any], site: Mapping[str, float], number: int) -> Quarter:
    """Supply in a quarter since it ended. site: share (of the fuel), carbon_intensity and electricity_price before.

    >>> n = dict.fromkeys(NUMBERS, {"value": 0.0}) | {"cycle": {"value": 12 * MONTH}, "replaced": {"value": 1.0}}
    >>> q = supply(n, {"share": 0.1, "carbon_intensity": 1e-7, "electricity_price": 4e-8}, 1)
    >>> round(q.remaining, 3), round(q.lost, 4), q.made_up, q.delivered
    (0.625, 0.0375, 1.0, 1.0)
    """
    n = {name: float(row["value"]) for name, row in numbers.items() if isinstance(row, Mapping)}
    at = (number + 0.5) * QUARTER * MONTH
    remaining = 1.0 - min(1.0, max(0.0, (at - n["stock"]) / n["cycle"]))
    up = 1.0 if n["delay"] <= 0.0 else min(1.0, at / n["delay"])
    made_up = n["at_once"] + (n["replaced"] - n["at_once"]) * up
    lost = site["share"] * (1.0 - remaining)
    short = lost * (1.0 - made_up)
    carbon = site["carbon_intensity"] + lost * (made_up * n["carbon_by"] - n["carbon_lost"])
    return Quarter(
        number,
        remaining,
        lost,
        made_up,
        short,
        carbon / (1.0 - short),
        site["electricity_price"] + lost * made_up * (n["cost_by"] - n["cost_saved"]),
        1.0 - min(1.0, n["burden"] * short),
    )
