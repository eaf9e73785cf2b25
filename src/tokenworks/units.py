"""Quantities as people write them, to SI and back. The only place that knows prefixes.

Inside the program everything is SI (bytes, seconds, FLOP, bytes/s, W, J, kg, USD). What a person writes is
"60 days", "50 MW", "14.8T", "2B USD", "10 Hz".
"""

from __future__ import annotations

import math
import re
from types import MappingProxyType

from tokenworks.errors import BadRequest, nearest

_PREFIX = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_YEAR = 365.25 * 86400.0  # Julian year, s


def _prefixed(unit: str, small: bool = False) -> dict[str, float]:
    table = {p + unit: f for p, f in _PREFIX.items() if p != "K" or unit in ("", "B")}
    if small:
        table |= {"m" + unit: 1e-3, "u" + unit: 1e-6, "µ" + unit: 1e-6, "n" + unit: 1e-9}
    return table


_TIME = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("week", "weeks"), 7 * 86400.0),
    **dict.fromkeys(("month", "months"), _YEAR / 12),
    **dict.fromkeys(("y", "year", "years"), _YEAR),
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
}
_COUNT = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "P": 1e15}

# Quantity -> unit -> factor to SI. A bare number is read as SI.
UNITS = MappingProxyType(
    {
        "time": _TIME | {"": 1.0},
        "power": _prefixed("W") | {"": 1.0},
        "count": _COUNT,
        "tokens": _COUNT | {f"{p} tokens": f for p, f in _COUNT.items()} | {"tokens": 1.0},
        "money": {f"{p}{s}USD": f for p, f in _COUNT.items() for s in (" ", "")} | _COUNT,
        "rate": _prefixed("Hz") | {"": 1.0, "/s": 1.0, "per second": 1.0},
        "bytes": _prefixed("B") | {p + "B": f for p, f in _BINARY.items()} | {"": 1.0},
    }
)

_NUMBER = re.compile(r"\s*\$?\s*([-+]?(?:\d[\d_,]*)?(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(.*?)\s*", re.DOTALL)
_TEXT_MAX = 64  # characters of a quantity


def parse(value: object, quantity: str, field: str, *, low: float = 0.0, high: float = 1e24) -> float:
    """Read a number with an optional unit into SI and check low <= value <= high (zero itself is refused).

    `quantity` is a key of UNITS. Raises BadRequest with the field, what was read, what is allowed.

    >>> parse("60 days", "time", "within")
    5184000.0
    >>> parse("14.8T", "tokens", "tokens")
    14800000000000.0
    >>> parse("2B USD", "money", "budget")
    2000000000.0
    """
    units = UNITS[quantity]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRequest("expected {quantity}, read '{value}'", field=field, quantity=quantity, value=value)
    if isinstance(value, str):
        if len(value) > _TEXT_MAX:
            raise BadRequest("expected {quantity}, read '{value}'", field=field, quantity=quantity, value=value)
        match = _NUMBER.fullmatch(value)
        if not match or not re.search(r"\d", match[1]):
            raise BadRequest(
                "expected {quantity} such as '{example}', read '{value}'",
                field=field, quantity=quantity, example=_EXAMPLES[quantity], value=value,
            )  # fmt: skip
        unit = match[2]
        if unit not in units:
            close = nearest(unit, [u for u in units if u])
            raise BadRequest(
                "the unit '{unit}' is not known; did you mean '{nearest}'? allowed: {allowed}",
                field=field, unit=unit, nearest=close or _EXAMPLES[quantity],
                allowed=", ".join(u for u in units if u),
            )  # fmt: skip
        try:
            number = float(match[1].replace(",", "").replace("_", "")) * units[unit]
        except (ValueError, OverflowError) as error:
            raise BadRequest("'{value}' is not a number", field=field, value=value) from error
    else:
        try:
            number = float(value)
        except OverflowError as error:
            raise BadRequest("'{value}' is too large a number", field=field, value=value) from error
    if not math.isfinite(number) or number > high or number < low or (low == 0 and number == 0):
        raise BadRequest(
            "'{value}' is out of range; allowed: more than {low}, at most {high} (SI)"
            if low == 0
            else "'{value}' is out of range; allowed: {low} to {high} (SI)",
            field=field, value=value, low=f"{low:g}", high=f"{high:g}",
        )  # fmt: skip
    return number


_EXAMPLES = {
    "time": "60 days", "power": "50 MW", "count": "20000", "tokens": "14.8T", "money": "2B USD",
    "rate": "10 Hz", "bytes": "80 GB",
}  # fmt: skip


def prefixed(value: float, unit: str, digits: int = 3) -> str:
    """Format with an SI prefix.

    >>> prefixed(50_000_000, "W")
    '50 MW'
    >>> prefixed(0.0205, "s")
    '20.5 ms'
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}".strip()
    steps = (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0))
    small = (("m", 1e-3), ("µ", 1e-6), ("n", 1e-9))
    magnitude = float(f"{abs(value):.{digits}g}")
    for prefix, factor in steps + (small if unit in ("s", "W", "J") else ()):
        if magnitude >= factor:
            return f"{_digits(value / factor, digits)} {prefix}{unit}".strip()
    return f"{value:.{digits}g} {unit}".strip()


def _digits(value: float, digits: int) -> str:
    said = f"{value:.{digits}g}"
    return f"{float(said):.0f}" if "e" in said else said


def duration(seconds: float) -> str:
    """Format a time as a person would say it.

    >>> duration(54 * 86400)
    '54 days'
    >>> duration(0.05)
    '50 ms'
    """
    for name, factor in (("years", 2 * _YEAR), ("days", 2 * 86400.0), ("h", 2 * 3600.0), ("min", 120.0)):
        if seconds >= factor:
            return f"{_digits(seconds / _TIME[name], 3)} {name}"
    return prefixed(seconds, "s")


def energy(joules: float) -> str:
    """Format an energy in watt-hours, as the trade does.

    >>> energy(43.1e12)
    '12 GWh'
    """
    return prefixed(joules / 3600.0, "Wh")


def mass(kilograms: float) -> str:
    """Format emissions in tonnes of CO2 equivalent.

    >>> mass(5.9e6), mass(740.0)
    ('5.9 kt CO2e', '740 kg CO2e')
    """
    if kilograms < 1e3:
        return prefixed(kilograms, "kg CO2e")
    return prefixed(kilograms / 1e3, "t CO2e")


def money(usd: float) -> str:
    """Format US dollars.

    >>> money(1_234_000_000)
    '1.23 B USD'
    """
    for prefix, factor in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(usd) >= factor * 0.9995:
            return f"{_digits(usd / factor, 3)} {prefix} USD"
    return f"{usd:.3g} USD"
