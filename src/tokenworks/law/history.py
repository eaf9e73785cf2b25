"""How verdicts change: over time for one chip and place, over places on one day, between two days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from tokenworks.law.dated import change_dates
from tokenworks.law.judge import judge
from tokenworks.records import Shipment, Verdict, World

Key = tuple[str, str | None, str | None]


def key(verdict: Verdict) -> Key:
    """What makes two verdicts the same to a buyer."""
    return verdict.licence, verdict.exception, verdict.review_policy


def timeline(shipment: Shipment, world: World) -> tuple[tuple[dt.date, Verdict], ...]:
    """Every day on which the verdict of a shipment changes, with the new verdict, from the first rule on."""
    first = dt.date.fromisoformat(str(world.law["meta"]["first_rule"]))
    found: list[tuple[dt.date, Verdict]] = []
    for day in sorted({first, *(d for d in change_dates(world.law) if d >= first)}):
        verdict = judge(replace(shipment, on=day), world)
        if not found or key(found[-1][1]) != key(verdict):
            found.append((day, verdict))
    return tuple(found)


def grid(
    chips: Iterable[str], countries: Iterable[str], on: dt.date, world: World
) -> tuple[tuple[str, str, Verdict], ...]:
    """The verdict for every chip and country on a day, for a commercial buyer of that country."""
    places = tuple(countries)
    return tuple((c, p, judge(Shipment(c, p, on), world)) for c in chips for p in places)


def diff(
    chips: Iterable[str], countries: Iterable[str], one: dt.date, other: dt.date, world: World
) -> tuple[tuple[str, str, Verdict, Verdict], ...]:
    """The cells of the grid whose verdict differs between two days."""
    places = tuple(countries)
    found = []
    for chip in chips:
        for country in places:
            before, after = (judge(Shipment(chip, country, day), world) for day in (one, other))
            if key(before) != key(after):
                found.append((chip, country, before, after))
    return tuple(found)
