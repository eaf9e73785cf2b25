"""Layer 4, review policy of a required licence (742.6(b)(10)), grants, and the path of January 2026."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tokenworks.language import Text, text
from tokenworks.law import party, place
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, in_force
from tokenworks.law.end_use import IAAS
from tokenworks.law.item import Item
from tokenworks.law.line import APPROVAL, CASE, DENIAL, GRANTED, required
from tokenworks.records import Citation, Line


def reviewed(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line:
    """How an application for a shipment in scope is reviewed on the day."""
    rules = law["policy"]
    if eccn == "3A090.c":
        why = text("stand-alone high-bandwidth memory to Macau, D:5 or an owner there")
        return required(eccn, DENIAL, (*cites, cite(rules["hbm"])), why)
    if in_force(rules["first"], asked.on):
        policy = CASE if place.friendly(asked.hq, law, asked.on) else DENIAL
        return required(eccn, policy, (*cites, cite(rules["first"])), text("in the scope of 2022"))
    path = _path_2026(asked, eccn, law, cites)
    if path is not None:
        return path
    concern = place.of_concern(asked.destination, asked.hq, law, asked.on)
    why = text("Macau, D:5 or an owner there") if concern else text("Country Group D:1 or D:4, or named")
    return required(eccn, DENIAL if concern else APPROVAL, (*cites, cite(rules["second"])), why)


def below_path(item: Item, law: Mapping[str, Any]) -> bool:
    """Whether an item is under the limits of January 2026; both rates must be known."""
    path = law["policy"]["path_2026"]
    slow = (item.tpp or 0.0) < path["tpp_below"]
    return bool(slow and (item.memory_bandwidth or 0.0) < path["memory_bandwidth_below"])


def _path_2026(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line | None:
    """Case by case: from the United States, to a user in China, Hong Kong or Macau, sold in the United States."""
    path = law["policy"]["path_2026"]
    there = asked.destination in path["countries"] and asked.ship_from == path["ship_from"]
    if not in_force(path, asked.on) or not there or asked.chip in path["not_sold_in_us"] or asked.soldier:
        return None
    if not below_path(asked.item, law):
        return None
    share = volume_share(asked)
    if share is not None and share > path["share_of_us_sales"]:
        over = text("cumulative TPP to China and Macau is over half of the same product's US sales")
        return required(eccn, DENIAL, (*cites, cite(path)), over)
    why = text("under 21,000 TPP and 6,500 GB/s, exported from the United States")
    return required(eccn, CASE, (*cites, cite(path)), why, conditions=_conditions(asked))


def volume_share(asked: Asked) -> float | None:
    """Cumulative TPP to China and Macau over the same product's US sales, this shipment counted; None if not said.

    Facts: `share_of_us_sales`, or `us_sales_tpp` with `cn_mo_tpp` shipped before (none if not given: a lower bound).
    """
    stated, sold = asked.amount("share_of_us_sales"), asked.amount("us_sales_tpp")
    if stated is not None or sold is None:
        return stated
    sent = (asked.amount("cn_mo_tpp") or 0.0) + asked.processing
    return sent / sold if sold else math.inf


def _conditions(asked: Asked) -> tuple[Text, ...]:
    service = text("extra undertakings for computing sold as a service: model weights, remote access")
    return (
        text("cumulative TPP to China and Macau at most half of the same product's US sales"),
        text("test in an independent US laboratory before each shipment"),
        text("know-your-customer with control of remote users; US supply ample; no foundry capacity diverted"),
        text("no military, military-intelligence or listed end user"),
        text("a duty of 25 % when the chips enter the United States for the test (Section 232); the rule names no fee"),
        *((service,) if asked.use == IAAS else ()),
    )


def granted(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line | None:
    """A licence that the government said it granted, for this buyer, chip and quantity."""
    for grant in law["policy"]["grants"]:
        same = grant["country"] == asked.destination and asked.chip in grant["chips"] and not asked.soldier
        open_now = in_force(grant, asked.on) and asked.shipment.quantity <= grant["quantity"]
        if same and open_now and named(asked.buyer_name, (grant["name"],)):
            why = text("granted for up to {n} chips", n=grant["quantity"])
            return required(eccn, GRANTED, (*cites, cite(grant)), why)
    return None


def named(name: str | None, names: Iterable[str]) -> bool:
    """Whether a buyer is one of the named groups or a unit that carries its name (Microsoft UAE)."""
    words = set(party.plain(name or "").split())
    return any(set(party.plain(n).split()) <= words for n in names)


def exempt_in_uae(asked: Asked, law: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The entry of July 2026 that frees this recipient in the United Arab Emirates, or None."""
    if asked.destination != "AE" or asked.soldier:
        return None
    for rule in law["places"]["uae_exempt"]:
        spared = asked.buyer_kind in rule["kinds"] or named(asked.buyer_name, rule["names"])
        if in_force(rule, asked.on) and spared and asked.hq in rule["headquarters"]:
            return dict(rule)
    return None
