"""How verdicts change: over time for one chip and place, over places on one day, between two days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from tokenworks.law.dated import change_dates
from tokenworks.law.grid import Cells, every, judge_many
from tokenworks.law.judge import judge
from tokenworks.records import Shipment, Verdict, World

Key = tuple[str, str | None, str | None]


def key(verdict: Verdict) -> Key:
    """What makes two verdicts the same to a buyer."""
    return verdict.licence, verdict.exception, verdict.review_policy


def timeline(shipment: Shipment, world: World) -> tuple[tuple[dt.date, Verdict], ...]:
    """Every day on which the verdict of a shipment, or the number that it falls under, changes, with the new verdict,
    from the first rule on."""
    first = dt.date.fromisoformat(str(world.law["meta"]["first_rule"]))
    found: list[tuple[dt.date, Verdict]] = []
    for day in sorted({first, *(d for d in change_dates(world.law) if d >= first)}):
        verdict = judge(replace(shipment, on=day), world)
        if not found or (*key(found[-1][1]), found[-1][1].eccn) != (*key(verdict), verdict.eccn):
            found.append((day, verdict))
    return tuple(found)


def grid(
    chips: Iterable[str], countries: Iterable[str], on: dt.date, world: World
) -> tuple[tuple[str, str, Verdict], ...]:
    """The verdict for every chip and country on a day, for a commercial buyer of that country.

    Judged in columns: figures in the reasons may be those of a cell that the rules do not tell apart.
    """
    asked = every(chip=tuple(chips), destination=tuple(countries), on=(on,))
    return tuple(_cells(asked, world))


def diff(
    chips: Iterable[str], countries: Iterable[str], one: dt.date, other: dt.date, world: World
) -> tuple[tuple[str, str, Verdict, Verdict], ...]:
    """The cells of the grid whose verdict differs between two days."""
    things, places = tuple(chips), tuple(countries)
    before, after = (grid(things, places, day, world) for day in (one, other))
    pairs = zip(before, after, strict=True)
    return tuple((chip, to, a, b) for (chip, to, a), (_, _, b) in pairs if key(a) != key(b))


def _cells(asked: Cells, world: World) -> Iterable[tuple[str, str, Verdict]]:
    judged = judge_many(asked, world)
    chips, places = asked.values["chip"], asked.values["destination"]
    columns = (asked.codes["chip"].tolist(), asked.codes["destination"].tolist(), judged.code.tolist())
    for chip, place, code in zip(*columns, strict=True):
        yield chips[chip], places[place], judged.verdicts[code]
