"""What is asked, with every default filled in (DESIGN.md, "Lawful") and every word checked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rapidfuzz.distance import Levenshtein

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.law import item as items
from tokenworks.law import place
from tokenworks.law.item import Item
from tokenworks.law.names import plain
from tokenworks.records import Shipment, World

DEFAULT_USE = "AI data centre"
SCENARIO = "what_if_diffusion_enforced"
ANYBODY = "any"  # an exporter that no letter binds
SLIPS_FROM, SLIPS = 6, 2  # a name of so many letters, so many slips of the pen away, is taken for a misspelling
UNKNOWN = "unknown"  # a fact that is said to be missing: every value is tried


@dataclass(frozen=True)
class Asked:
    """A shipment with every default filled in and its item found."""

    shipment: Shipment
    item: Item
    chip: str
    destination: str
    ship_from: str
    exporter: str
    buyer_kind: str
    hq: str
    buyer_name: str | None
    use: str
    diffusion: bool

    @property
    def on(self) -> dt.date:
        """The day of the shipment."""
        return self.shipment.on

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a condition needs to know."""
        return self.shipment.facts

    def amount(self, name: str) -> float | None:
        """A numeric fact, or None where it is not given. Raises BadRequest where it is no number."""
        value = self.facts.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequest("expected a number, read '{value}'", field=f"facts.{name}", value=value)
        return float(value)

    @property
    def processing(self) -> float:
        """TPP of the whole shipment: that of a chip, times the chips of an item, times the quantity."""
        return (self.item.tpp or 0.0) * self.item.chips * self.shipment.quantity

    @property
    def soldier(self) -> bool:
        """A military end user or end use."""
        return self.buyer_kind == "military" or self.use == "military"


def fill(shipment: Shipment, world: World, found: Item | None = None) -> tuple[Asked, tuple[tuple[str, str], ...]]:
    """The shipment with DESIGN.md's defaults, and the list of those that were taken; `found`: its item, if at hand.

    Raises BadRequest where a country, a kind of buyer or a use is none that the rules know, and where an exporter's
    name is a slip away from one that a letter binds.
    """
    item = _item(shipment, world) if found is None else found
    assumed: list[tuple[str, str]] = []

    def default(field: str, value: str | None, otherwise: str) -> str:
        if value is None:
            assumed.append((field, otherwise))
            return otherwise
        return value

    buyer, law = shipment.buyer, world.law
    destination = _country("destination", shipment.destination, law)
    asked = Asked(
        shipment=shipment,
        item=item,
        chip=shipment.chip,
        destination=destination,
        ship_from=_country("ship_from", default("ship_from", shipment.ship_from, item.origin or "US"), law),
        exporter=exporter_of("exporter", default("exporter", shipment.exporter, item.vendor or ANYBODY), law),
        buyer_kind=_kind(default("buyer.kind", buyer.kind, "commercial"), law),
        hq=_owner(default("buyer.headquarters", buyer.headquarters, destination), shipment, law),
        buyer_name=buyer.name,
        use=use_of("use", default("use", shipment.use, DEFAULT_USE), law),
        diffusion=shipment.scenario == SCENARIO or bool(law["diffusion"].get("enforced")),
    )
    if buyer.name is None:
        assumed.append(("buyer.name", "unscreened"))
    if shipment.item and "origin" not in shipment.item and shipment.chip not in world.chips:
        assumed.append(("item.origin", item.origin))
    return asked, tuple(assumed)


PARTS = ("chip", "computer", "equipment")


def _item(shipment: Shipment, world: World) -> Item:
    if shipment.part not in PARTS:
        raise not_allowed("part", shipment.part, PARTS)
    if shipment.part == "equipment":
        return Item(shipment.chip, "", place.HOME, tpp=0.0, density=0.0, accelerator=False)
    found = _of_chip(shipment, world)
    if shipment.part == "computer":
        return replace(found, computer=True, chips=shipment.chips_each)
    return found


def _of_chip(shipment: Shipment, world: World) -> Item:
    chip = world.chips.get(shipment.chip)
    if shipment.item:
        return items.from_parameters(shipment.chip, shipment.item, chip)
    return items.from_chip(chip) if chip is not None else Item(shipment.chip, "", "", datacentre=None)


def _owner(headquarters: str, shipment: Shipment, law: Mapping[str, Any]) -> str:
    """Where the owner sits: the buyer's headquarters where they are of concern themselves, else those of its ultimate
    parent (fact `ultimate_parent`) where one is named; the headquarters prong counts either (744.23(a)(3))."""
    own = _country("buyer.headquarters", headquarters, law)
    said = shipment.facts.get("ultimate_parent")
    if said is None:
        return own
    parent = _country("facts.ultimate_parent", str(said), law)
    return own if own != UNKNOWN and place.arms_embargoed(own, law, shipment.on) else parent


def _country(field: str, value: str, law: Mapping[str, Any]) -> str:
    if value == UNKNOWN or value in law["places"]["iso"]:
        return value
    raise not_allowed(field, value, (*law["places"]["iso"], UNKNOWN))


def _kind(value: str, law: Mapping[str, Any]) -> str:
    if value == UNKNOWN or value in law["vocabulary"]["kinds"]:
        return value
    raise not_allowed("buyer.kind", value, (*law["vocabulary"]["kinds"], UNKNOWN))


def use_of(field: str, value: str, law: Mapping[str, Any]) -> str:
    """The use in the vocabulary's spelling. Raises BadRequest naming the field where it is none of them."""
    wanted = value.strip().casefold()
    for use, spellings in law["vocabulary"]["uses"].items():
        if wanted in (use.casefold(), *(s.casefold() for s in spellings)):
            return str(use)
    if wanted == UNKNOWN:
        return UNKNOWN
    raise not_allowed(field, value, (*law["vocabulary"]["uses"], UNKNOWN))


def exporter_of(field: str, value: str, law: Mapping[str, Any]) -> str:
    """The exporter as the letters name it: a company that one binds, its units among them; else as it is said.

    Any company may export, so a name that no letter binds is taken as it stands. Raises BadRequest naming the field
    where it is one or two slips of the pen away from one that is bound: that must not set it free.
    """
    said = plain(value)
    if said in (ANYBODY, UNKNOWN):
        return said
    for addressee, spellings in addressees(law).items():
        if any(f"{said} ".startswith(f"{plain(s)} ") for s in spellings):
            return addressee
    for addressee in addressees(law):
        if len(addressee) >= SLIPS_FROM and any(
            Levenshtein.distance(word, addressee.casefold(), score_cutoff=SLIPS) <= SLIPS for word in said.split()
        ):
            raise not_allowed(field, value, (ANYBODY, *addressees(law), UNKNOWN))
    return value.strip() or ANYBODY


def addressees(law: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The companies that some letter binds, each with its spellings."""
    also = law["letters"]["also"]
    named = dict.fromkeys(str(e) for letter in law["letters"]["letters"] for e in letter["exporters"])
    return {name: (name, *also.get(name, ())) for name in named}
