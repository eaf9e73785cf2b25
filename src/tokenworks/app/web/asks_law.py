"""Questions to the law over HTTP; the same answers as the commands `law check | cases | timeline | grid | diff`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tokenworks import catalog, scenario
from tokenworks import law as rules
from tokenworks.app.laws import cell, changes_of, finder, known_country
from tokenworks.app.options import read_day
from tokenworks.errors import BadRequest, not_allowed
from tokenworks.language import Text, Translator
from tokenworks.quote.request import KINDS
from tokenworks.records import Buyer, Shipment, Verdict, World

if TYPE_CHECKING:
    from tokenworks.app.web.asks import Asked

CASES_MAX, CHIPS_MAX, PLACES_MAX = 1000, 200, 300
CHECK = ("chip", "to", "on", "from", "exporter", "buyer_hq", "buyer_kind", "buyer", "use", "quantity", "scenario")


def dims(value: str) -> tuple[int, ...]:
    """The shape of a torus: 4x4x4. Raises BadRequest."""
    parts = value.lower().split("x")
    if not all(p.isascii() and p.isdigit() and 0 < len(p) < 8 for p in parts):
        raise BadRequest("expected a shape such as 4x4x4, read '{value}'", field="dims", value=value)
    return tuple(int(p) for p in parts)


def ask_verdict(asked: Asked) -> Mapping[str, Any]:
    """One shipment: what the law says, why, under which citation."""
    asked.given.only(*CHECK)
    world = asked.world()
    world = scenario.apply(world, scenario.named(world, asked.given.maybe_text("scenario") or "actual"))
    shipment = _shipment(asked, world)
    verdict = rules.judge(shipment, world)
    changes = changes_of(shipment, verdict, world)
    return {"schema": "tokenworks/verdict/1", "id": None, **_said(verdict, asked.say), "changes": changes}


def _shipment(asked: Asked, world: World) -> Shipment:
    given = asked.given
    origin = given.maybe_text("from")
    return Shipment(
        chip=catalog.resolve(world, "chips", given.text("chip"), "chip"),
        destination=known_country(world, given.text("to"), "to"),
        on=read_day(given.text("on"), "on"),
        ship_from=None if origin is None else known_country(world, origin, "from"),
        exporter=given.maybe_text("exporter"),
        buyer=replace(_buyer(asked, world), name=given.maybe_text("buyer")),
        use=given.maybe_text("use"),
        quantity=given.whole("quantity", 1, 1, 10**9),
    )


def _buyer(asked: Asked, world: World) -> Buyer:
    kind, hq = asked.given.maybe_text("buyer_kind"), asked.given.maybe_text("buyer_hq")
    if kind is not None and kind not in KINDS:
        raise not_allowed("buyer_kind", kind, KINDS)
    return Buyer(kind, None if hq is None else known_country(world, hq, "buyer_hq"))


def _said(verdict: Verdict, say: Translator) -> dict[str, Any]:
    """A verdict as the command line gives it, its sentences in the reader's language."""
    found = dict(rules.answer(verdict))
    found["reasons"] = _sentences(verdict.reasons, say)
    found["lines"] = [
        {**line, "reasons": _sentences(of.reasons, say), "conditions": _sentences(of.conditions, say)}
        for line, of in zip(found["lines"], verdict.lines, strict=True)
    ]
    return found


def _sentences(found: tuple[Text, ...], say: Translator) -> list[str]:
    return [say.say(t) for t in found]


def ask_cases(asked: Asked) -> Mapping[str, Any]:
    """Answer a file of cases (the format of law/cases.yaml, as JSON)."""
    asked.given.only("cases", "chips", "schema", "vocabulary")
    asked.given.records("cases", CASES_MAX)
    world = asked.world()
    return rules.answer_file(dict(asked.given.all), world, finder(world))


def ask_timeline(asked: Asked) -> Mapping[str, Any]:
    """Every day on which the verdict of a chip for a country changes."""
    asked.given.only("chip", "to", "buyer_hq", "buyer_kind")
    world = asked.world()
    key = catalog.resolve(world, "chips", asked.given.text("chip"), "chip")
    place = known_country(world, asked.given.text("to"), "to")
    first = dt.date.fromisoformat(str(world.law["meta"]["known_from"]))
    found = rules.timeline(Shipment(key, place, first, buyer=_buyer(asked, world)), world)
    rows = [{"from": day.isoformat(), **_said(verdict, asked.say)} for day, verdict in found]
    one = {"chip": key, "verdicts": rows}
    until = world.law_known_to.isoformat()
    return {"schema": "tokenworks/timeline/1", **one, "to": place, "until": until, "timelines": [one]}


def _wanted(asked: Asked, world: World) -> tuple[list[str], list[str]]:
    """Chips and countries that a table is of; all of them where none is named."""
    chips: list[str] = []
    for i, name in enumerate(asked.given.texts("chips", CHIPS_MAX)):
        chips += [c for c in catalog.expand(world, "chips", name, f"chips.{i}") if c not in chips]
    places = [known_country(world, p, f"to.{i}") for i, p in enumerate(asked.given.texts("to", PLACES_MAX))]
    every = [c for c in sorted(world.chips) if world.chips[c].kind == "datacentre"]
    return chips or every, places or sorted(world.sites)


def ask_grid(asked: Asked) -> Mapping[str, Any]:
    """Chips against countries on a day."""
    asked.given.only("on", "chips", "to")
    world = asked.world()
    on = read_day(asked.given.text("on"), "on")
    chips, places = _wanted(asked, world)
    cells = rules.grid(chips, places, on, world)
    rows = [cell(c, p, v) for c, p, v in cells]
    return {"schema": "tokenworks/grid/1", "on": on.isoformat(), "cells": rows}


def ask_diff(asked: Asked) -> Mapping[str, Any]:
    """What changed between two days, for a commercial buyer of each country."""
    asked.given.only("a", "b", "chips", "to")
    world = asked.world()
    one, other = (read_day(asked.given.text(name), name) for name in ("a", "b"))
    chips, places = _wanted(asked, world)
    rows = [{"a": cell(c, p, a), "b": cell(c, p, b)} for c, p, a, b in rules.diff(chips, places, one, other, world)]
    return {"schema": "tokenworks/law-diff/1", "a": one.isoformat(), "b": other.isoformat(), "changed": rows}
