"""Layer 3, the use: supercomputers, soldiers, spies, nuclear work, computing sold as a service (Part 744)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.language import text
from tokenworks.law import place
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, current, in_force
from tokenworks.law.item import Item
from tokenworks.law.line import APPROVAL, CASE, DENIAL, FREE, GRANTED, conditional, required
from tokenworks.records import Line

LOOSER = (APPROVAL, GRANTED)  # what 744.2 (case by case) takes away
NUCLEAR, IAAS, SUPERCOMPUTER = "nuclear 744.2 activity", "IaaS for CN customer", "supercomputer"


def prohibited(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line | None:
    """Uses that need a licence whatever the item's own scope says, before any exception; None if not touched."""
    rules = law["end_uses"]
    soldiers = _military(asked, law)
    if soldiers is not None:
        return required(eccn, DENIAL, (cite(soldiers),), text("military end user or end use"))
    if asked.use == "military intelligence" and _intelligence(asked, law):
        return required(eccn, DENIAL, (cite(rules["intelligence"]),), text("military-intelligence end use"))
    where = _supercomputer_place(asked, law)
    if asked.use == SUPERCOMPUTER and where is not None and _supercomputer_item(asked):
        policy = CASE if place.friendly(asked.hq, law, asked.on) else DENIAL
        why = text("for a supercomputer located in or destined to a country of concern")
        return required(eccn, policy, (cite(where), cite(rules["supercomputer_size"])), why)
    return None


def _military(asked: Asked, law: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The entry of 744.21 that reaches a military user or use in, or of, its countries."""
    if not asked.soldier:
        return None
    reached = (asked.destination, asked.hq)
    return next((m for m in law["end_uses"]["military"] if m["country"] in reached and in_force(m, asked.on)), None)


def _intelligence(asked: Asked, law: Mapping[str, Any]) -> bool:
    rule = law["end_uses"]["intelligence"]
    named = [m["country"] for m in law["end_uses"]["military"] if in_force(m, asked.on)]
    reached = any(c in named or _terror(c, law, asked) for c in (asked.destination, asked.hq))
    return in_force(rule, asked.on) and reached


def _terror(country: str, law: Mapping[str, Any], asked: Asked) -> bool:
    groups = law["end_uses"]["intelligence"]["groups"]
    return any(place.in_group(country, g, law, asked.on) for g in groups)


def _supercomputer_place(asked: Asked, law: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The version of 744.23(a)(1) in force if the destination is in it: where the machine stands, not who owns it."""
    rule = current(law["end_uses"]["supercomputer"], asked.on)
    if rule is None:
        return None
    inside = (
        place.arms_embargoed(asked.destination, law, asked.on)
        if rule.get("arms_embargoed")
        else asked.destination in rule["countries"]
    )
    return rule if inside else None


def _supercomputer_item(asked: Asked) -> bool:
    """Integrated circuits and computers; a stand-alone memory stack is neither of those listed."""
    return asked.item.stack_density is None


def large_enough(item: Item, quantity: int, law: Mapping[str, Any]) -> bool:
    """Whether so many reach the peak rate of a supercomputer (15 CFR 772.1), known rates only."""
    size = law["end_uses"]["supercomputer_size"]
    return any(rate * item.chips * quantity >= size[name] for name, rate in item.rates.items())


def touched(asked: Asked, line: Line, law: Mapping[str, Any]) -> Line:
    """The answer of place and exception, corrected for uses that only take away: never looser than before."""
    for rule in (_nuclear, _by_size, _iaas):
        line = rule(asked, line, law)
    return line


def _nuclear(asked: Asked, line: Line, law: Mapping[str, Any]) -> Line:
    """744.2: nuclear explosive, unsafeguarded and fuel-cycle activities, anywhere."""
    rule = law["end_uses"]["nuclear"]
    if asked.use != NUCLEAR:
        return line
    only_fuel = asked.facts.get("nuclear_activity") == "fuel_cycle"
    if only_fuel and asked.destination in rule["fuel_cycle_spared"]:
        return line
    if line.licence == "required" and line.review_policy not in LOOSER:
        return _with(line, rule)
    why = text("nuclear end use: a licence is required, weighed case by case")
    return required(line.eccn, CASE, (*line.citations, cite(rule)), why)


def _by_size(asked: Asked, line: Line, law: Mapping[str, Any]) -> Line:
    """A shipment that is as fast as a supercomputer is one, unless it fills more than the envelope."""
    where = _supercomputer_place(asked, law)
    if line.licence not in FREE or where is None or not _supercomputer_item(asked):
        return line
    if not large_enough(asked.item, asked.shipment.quantity, law):
        return line
    size = law["end_uses"]["supercomputer_size"]
    volume = asked.amount("volume_m3")
    if volume is not None and volume > size["volume"]:
        return line
    cites = (*line.citations, cite(where), cite(size))
    why = text("{n} chips reach the peak rate of a supercomputer", n=asked.shipment.quantity)
    if volume is None:
        spread = text("no licence only if the system fills more than {volume} m3", volume=f"{size['volume']:.0f}")
        return conditional(line.eccn, cites, why, spread)
    policy = CASE if place.friendly(asked.hq, law, asked.on) else DENIAL
    return required(line.eccn, policy, cites, why)


def _iaas(asked: Asked, line: Line, law: Mapping[str, Any]) -> Line:
    """Computing time sold to parties of concern: not an export by itself, but its use may need a licence."""
    rule = law["end_uses"]["iaas"]
    if asked.use != IAAS or not in_force(rule, asked.on) or not asked.item.accelerator:
        return line
    if line.licence not in FREE:
        return _with(line, rule)
    why = text("selling computing time abroad is not itself an export; red flags must be cleared")
    clear = text("a licence is required if it is known to train models for military-intelligence or WMD end uses")
    return conditional(line.eccn, (*line.citations, cite(rule)), why, clear)


def _with(line: Line, rule: Mapping[str, Any]) -> Line:
    return Line(
        line.regime,
        line.licence,
        line.eccn,
        line.exception,
        line.review_policy,
        (*line.citations, cite(rule)),
        line.reasons,
        line.conditions,
    )
