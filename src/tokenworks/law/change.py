"""What would change a verdict: one fact at a time, and the next day of the law on which it differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tokenworks.law.asked import SCENARIO, Asked, fill
from tokenworks.law.dated import change_dates
from tokenworks.law.history import key
from tokenworks.law.judge import judge
from tokenworks.records import Shipment, Verdict, World

OWNERS = ("CN", "US")  # a headquarters that the prong reaches, and one that it spares


@dataclass(frozen=True, slots=True)
class Change:
    """A fact, the value that it would have, and the verdict then."""

    field: str
    value: str
    verdict: Verdict


def changes(shipment: Shipment, verdict: Verdict, world: World) -> tuple[Change, ...]:
    """The single facts that would give another verdict: owner, kind of buyer, use, exporter, the half of US sales,
    the diffusion rule if it were enforced, and the first later day of the law with another answer.

    Each was judged anew; what is not listed was tried and gives the same answer, or was not tried.
    """
    asked, _ = fill(shipment, world)
    found = []
    for field, value, other in _others(shipment, asked, world.law):
        answer = judge(other, world)
        if key(answer) != key(verdict):
            found.append(Change(field, value, answer))
    for day in (d for d in change_dates(world.law) if d > shipment.on):
        later = judge(replace(shipment, on=day), world)
        if key(later) != key(verdict):
            return (*found, Change("date", day.isoformat(), later))
    return tuple(found)


def _others(shipment: Shipment, asked: Asked, law: Mapping[str, Any]) -> Iterable[tuple[str, str, Shipment]]:
    buyer = shipment.buyer
    for owner in OWNERS:
        if owner != asked.hq:
            yield "buyer.headquarters", owner, replace(shipment, buyer=replace(buyer, headquarters=owner))
    for kind in law["vocabulary"]["kinds"]:
        if kind != asked.buyer_kind:
            yield "buyer.kind", kind, replace(shipment, buyer=replace(buyer, kind=kind))
    for use in law["vocabulary"]["uses"]:
        if use != asked.use:
            yield "use", use, replace(shipment, use=use)
    for exporter in dict.fromkeys(("any", *(e for x in law["letters"]["letters"] for e in x["exporters"]))):
        if exporter.casefold() != asked.exporter.casefold():
            yield "exporter", exporter, replace(shipment, exporter=exporter)
    if "share_of_us_sales" not in shipment.facts:
        over = replace(shipment, facts={**shipment.facts, "share_of_us_sales": 1.0})
        yield "facts.share_of_us_sales", "1.0", over
    if not asked.diffusion:
        yield "scenario", SCENARIO, replace(shipment, scenario=SCENARIO)
