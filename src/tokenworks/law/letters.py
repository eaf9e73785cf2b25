"""Layer 4, letters that inform a company: they bind their addressee only, and no exception lifts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.language import Text, text
from tokenworks.law import place
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, in_force
from tokenworks.law.item import Item
from tokenworks.law.line import APPROVAL, DENIAL, conditional, required
from tokenworks.records import Line

BY_PLACE = "by_place"  # the letter starts a published rule early: its review policies too


def reaches(item: Item, letter: Mapping[str, Any]) -> bool:
    """Whether a letter's limits reach an item; every rate must be known."""
    memory, links = item.memory_bandwidth or 0.0, item.io_bandwidth or 0.0
    if not item.accelerator:
        return False
    if "sum" in letter:
        together = memory + links >= letter["sum"]
        return bool(memory >= letter["memory_bandwidth"] or links >= letter["io_bandwidth"] or together)
    fast = (item.tpp or 0.0) >= letter["tpp"] and links >= letter.get("io_bandwidth", 0.0)
    return bool(fast and (item.datacentre or not letter.get("datacentre")))


def binding(asked: Asked, law: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The letter that binds this exporter for this item, place, owner and day, or None."""
    exporter = asked.exporter.casefold()
    mine = [x for x in _reaching(asked, law) if exporter in (e.casefold() for e in x["exporters"])]
    # a letter that names its places and items binds before one whose customers were never named
    return min(mine, key=lambda x: bool(x.get("unnamed")), default=None)


def others_bound(asked: Asked, law: Mapping[str, Any]) -> tuple[Text, ...]:
    """Whom a letter binds for the same shipment where it does not bind this exporter: a letter binds its addressee."""
    if binding(asked, law) is not None:
        return ()
    named = dict.fromkeys(e for x in _reaching(asked, law) if not x.get("unnamed") for e in x["exporters"])
    if not named:
        return ()
    return (text("a letter that binds its addressees only reaches this item: {names} need a licence",
                 names=", ".join(named)),)  # fmt: skip


def _reaching(asked: Asked, law: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The letters of the day that reach the item, the place and the owner, whoever they are addressed to."""
    held = [x for x in law["letters"]["letters"] if in_force(x, asked.on)]
    return [x for x in held if reaches(asked.item, x) and _there(asked, x, law)]


def _there(asked: Asked, letter: Mapping[str, Any], law: Mapping[str, Any]) -> bool:
    if letter.get("arms_embargoed"):
        return any(place.arms_embargoed(c, law, asked.on) for c in (asked.destination, asked.hq))
    if "scope" in letter:
        scope = next(s for s in law["places"]["scopes"] if s["id"] == letter["scope"])
        return place.within(asked.destination, asked.hq, scope, law, asked.on)
    return asked.destination in letter["countries"]


def by_letter(asked: Asked, letter: Mapping[str, Any], eccn: str, law: Mapping[str, Any]) -> Line:
    """The line of a binding letter: required, or conditional where its customers were never named."""
    if letter.get("unnamed"):
        why = text("a letter to the exporter reaches customers and regions that it does not name in public")
        ask = text("ask the exporter whether its letter names this customer")
        return conditional(eccn, (cite(letter),), why, ask)
    why = text("a letter to the exporter requires a licence; it binds nobody else")
    policy = letter["policy"]
    if policy == BY_PLACE:
        concern = any(place.arms_embargoed(c, law, asked.on) for c in (asked.destination, asked.hq))
        policy = DENIAL if concern else APPROVAL
    return required(eccn, policy, (cite(letter),), why)
