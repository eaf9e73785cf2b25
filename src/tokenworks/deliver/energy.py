"""A country's power by quarters after it loses a fuel, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from tokenworks.deliver import words
from tokenworks.deliver.tables import Block, Table
from tokenworks.language import Text, Translator, text
from tokenworks.scenario.energy import MONTH

KWH = 3.6e6  # J
GRAMS = 1000.0
FUEL: Mapping[str, Text] = {
    "nuclear": text("nuclear"),
    "gas": text("gas"),
    "coal": text("coal"),
    "oil": text("oil"),
}
NUMBER: Mapping[str, Text] = {
    "stock": text("fuel in the country lasts"),
    "cycle": text("cores run out over"),
    "delay": text("replacement fuel is there after"),
    "at_once": text("made up at once, of what is lost"),
    "replaced": text("made up then, of what is lost"),
    "carbon_lost": text("emissions of the lost fuel"),
    "carbon_by": text("emissions of the replacement"),
    "cost_by": text("cost of the replacement"),
    "cost_saved": text("cost saved"),
    "burden": text("share of the shortage that a new site bears"),
}


def energy_blocks(ramp: Mapping[str, Any], say: Translator) -> list[Block]:
    """The quarters, and the numbers behind them."""
    lost, by = words.word(FUEL, ramp["fuel"], say), words.word(FUEL, ramp["by"], say)
    head = (
        say("from"),
        say("{fuel} still made", fuel=lost),
        say("electricity lost"),
        say("made up by {fuel}", fuel=by),
        say("missing"),
        say("g CO2e/kWh"),
        say("USD/kWh"),
        say("promised power that a site gets"),
    )
    rows = tuple(
        (
            _day(ramp["from"], r["number"]),
            f"{r['remaining']:.0%}",
            f"{r['lost']:.1%}",
            f"{r['made_up']:.0%}",
            f"{r['short']:.1%}",
            f"{r['carbon'] * KWH * GRAMS:.0f}",
            f"{r['price'] * KWH:.4f}",
            f"{r['delivered']:.1%}",
        )
        for r in ramp["quarters"]
    )
    numbers = tuple(
        (
            words.word(NUMBER, n["name"], say),
            _shown(n["value"], n["unit"], say),
            "-" if n["low"] is None else f"{_shown(n['low'], n['unit'], say)} - {_shown(n['high'], n['unit'], say)}",
            n["source"] + (f" ({n['note']})" if n["note"] else "") + (say(" (assumed)") if n["assumed"] else ""),
        )
        for n in ramp["numbers"]
    )
    return [
        Table(say("Electricity in {where} by quarter", where=ramp["where"]), head, rows),
        Table(say("Numbers to change"), (say("what"), say("value"), say("range"), say("source")), numbers),
    ]


def _day(since: str, quarter: int) -> str:
    """The first day of a quarter counted from a day."""
    first = dt.date.fromisoformat(since)
    month = first.month - 1 + 3 * quarter
    return dt.date(first.year + month // 12, month % 12 + 1, 1).isoformat()


def _shown(value: float, unit: str, say: Translator) -> str:
    if unit == "s":
        return say("{n} months", n=f"{value / MONTH:.3g}")
    if unit == "kg/J":
        return f"{value * KWH * GRAMS:.3g} g/kWh"
    if unit == "USD/J":
        return f"{value * KWH:.3g} USD/kWh"
    return f"{value:.0%}" if unit == "share" else f"{value:g} x"
