"""Regimes beside the US item rules, each a line of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from tokenworks.language import Text, text
from tokenworks.law.dated import cite, in_force
from tokenworks.law.item import NONE, Item
from tokenworks.records import Line, Shipment


def gp10(item: Item, eccn: str, law: Mapping[str, Any], on: dt.date) -> Line | None:
    """General Prohibition 10: 3A090-class chips designed by parties of China or Macau are presumed made in
    breach of the EAR; whoever deals in them risks it, wherever they are (BIS guidance 2025-05-13)."""
    rule = law["regimes"]["gp10"]
    if item.origin not in rule["countries"] or eccn == NONE or not in_force(rule, on):
        return None
    why = text("a 3A090-class chip designed in {country} is presumed made in breach of the EAR", country=item.origin)
    return Line("US GP10", "required", eccn, None, "gp10_risk", (cite(rule),), (why,))


def beside(
    shipment: Shipment, item: Item, chip: str, destination: str, ship_from: str, law: Mapping[str, Any]
) -> tuple[Line, ...]:
    """National rules that touch the shipment: buying side, transit permits, national controls."""
    found = []
    for rule in law["regimes"]["others"]:
        if not in_force(rule, shipment.on):
            continue
        if rule.get("destination") and destination not in rule["destination"]:
            continue
        if rule.get("ship_from") and ship_from not in rule["ship_from"]:
            continue
        if rule.get("chips") and chip not in rule["chips"]:
            continue
        if rule.get("us_items") and item.origin != "US":
            continue
        found.append(Line(rule["regime"], rule["licence"], None, None, None, (cite(rule),), (Text(rule["text"]),)))
    return tuple(found)
