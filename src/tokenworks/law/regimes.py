"""Regimes beside the US item rules, each a line of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.language import Text, text
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, holding, in_force
from tokenworks.law.item import NONE
from tokenworks.law.policy import named
from tokenworks.records import Line

US_GP10 = "US GP10"


def gp10(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line | None:
    """General Prohibition 10: 3A090-class chips designed by parties of China or Macau are presumed made in
    breach of the EAR; whoever deals in them risks it, wherever they are (BIS guidance 2025-05-13)."""
    rule = law["regimes"]["gp10"]
    if not in_force(rule, asked.on):
        return None
    country = asked.item.origin
    if country in rule["countries"] and eccn != NONE:
        why = text("a 3A090-class chip designed in {country} is presumed made in breach of the EAR", country=country)
        return Line(US_GP10, "required", eccn, None, "gp10_risk", (cite(rule),), (why,))
    if country not in rule["countries"] and asked.use in rule["uses"]:
        why = text("buying, financing or servicing such chips risks General Prohibition 10")
        return Line(US_GP10, "required", eccn, None, "gp10_risk", (cite(rule),), (why,))
    return None


def beside(asked: Asked, law: Mapping[str, Any]) -> tuple[Line, ...]:
    """National rules that touch the shipment: buying side, transit permits, national controls."""
    return tuple(
        Line(r["regime"], r["licence"], None, None, r.get("review_policy"), (cite(r),), (Text(r["text"]),))
        for r in holding(law["regimes"]["others"], asked.on)
        if _touches(asked, r)
    )


def _touches(asked: Asked, rule: Mapping[str, Any]) -> bool:
    """Every field that a rule names must fit."""
    home = asked.destination == asked.ship_from
    return (
        (asked.destination in rule.get("destination", (asked.destination,)))
        and asked.destination not in rule.get("destination_not", ())
        and (asked.ship_from in rule.get("ship_from", (asked.ship_from,)))
        and not ("ship_from" in rule and home)
        and (asked.chip in rule.get("chips", (asked.chip,)))
        and (not rule.get("accelerators") or asked.item.accelerator)
        and (not rule.get("us_items") or asked.item.origin == "US")
        and (not rule.get("soldiers") or asked.soldier)
        and ("names" not in rule or any(named(asked.buyer_name, (n,)) for n in rule["names"]))
    )
