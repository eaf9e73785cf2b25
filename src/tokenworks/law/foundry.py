"""Foundries and OSATs that make somebody else's design (Note 1 to 3A090.a; 734.9(e)(2) for listed designers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.language import text
from tokenworks.law import place
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, current, holding, in_force
from tokenworks.law.line import DENIAL, required
from tokenworks.law.listed import Listing
from tokenworks.records import Line

USE = "foundry service for own design"
NEWEST = "4"  # the footnote of a party that is said to be listed and is not named


def presumed(asked: Asked, law: Mapping[str, Any]) -> bool:
    """Whether a foundry must presume 3A090.a: from the compliance date on, unless the presumption is overcome.

    Overcome by a designer that is approved (facts: designer_approved) or authorised, by an approved OSAT
    (osat_approved), or by few transistors in a package made outside Macau and D:5 (transistors_billion,
    packaged_outside, with_hbm). What is not said does not overcome it.
    """
    rule = law["items"]["foundry"]
    if asked.use != USE or not in_force(rule, asked.on):
        return False
    facts = asked.facts
    if facts.get("designer_approved") or facts.get("osat_approved") or _authorised(asked, law):
        return False
    count, limits = asked.amount("transistors_billion"), current(rule["transistors"], asked.on)
    if count is None or limits is None or not facts.get("packaged_outside"):
        return True
    limit = limits["without_hbm"] if facts.get("with_hbm") is False else limits["billion"]
    return bool(count >= limit)


def _authorised(asked: Asked, law: Mapping[str, Any]) -> bool:
    """Designers headquartered in A:1, A:5 or Taiwan count as authorised until the deadline."""
    rule = law["items"]["foundry"]["designers"]
    if not in_force(rule, asked.on) or place.arms_embargoed(asked.hq, law, asked.on):
        return False
    named = asked.hq in rule["countries"]
    return named or any(place.in_group(asked.hq, g, law, asked.on) for g in rule["groups"])


def for_listed(asked: Asked, found: Listing, law: Mapping[str, Any]) -> Line | None:
    """Wafers for a listed designer: the foreign direct product rule reaches them. None for another use."""
    marks = found.footnotes if found.footnotes is not None else (NEWEST,)
    rules = [r for r in holding(law["end_uses"]["foundry_for_listed"], asked.on) if r["footnote"] in marks]
    if asked.use != USE or not rules:
        return None
    rule = rules[0]
    why = text("a foundry may not make the design of a listed party: foreign direct product rule")
    return required(None, DENIAL, (cite(rule), found.citation), why)
