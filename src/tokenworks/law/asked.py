"""What is asked, with every default filled in (DESIGN.md, "Lawful")."""

from __future__ import annotations

from dataclasses import dataclass

from tokenworks.law import item as items
from tokenworks.law.item import Item
from tokenworks.records import Shipment, World

DEFAULT_USE = "AI data centre"
SCENARIO = "what_if_diffusion_enforced"


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


def fill(shipment: Shipment, world: World) -> tuple[Asked, tuple[tuple[str, str], ...]]:
    """The shipment with DESIGN.md's defaults, and the list of those that were taken."""
    chip = world.chips.get(shipment.chip)
    item = (
        items.from_parameters(shipment.chip, shipment.item, chip)
        if shipment.item
        else items.from_chip(chip)
        if chip is not None
        else Item(shipment.chip, "", "", None, None, None, None, None)
    )
    assumed: list[tuple[str, str]] = []

    def default(field: str, value: str | None, otherwise: str) -> str:
        if value is None:
            assumed.append((field, otherwise))
            return otherwise
        return value

    buyer = shipment.buyer
    asked = Asked(
        shipment=shipment,
        item=item,
        chip=shipment.chip,
        destination=shipment.destination,
        ship_from=default("ship_from", shipment.ship_from, item.origin or "US"),
        exporter=default("exporter", shipment.exporter, item.vendor or "any"),
        buyer_kind=default("buyer.kind", buyer.kind, "commercial"),
        hq=default("buyer.headquarters", buyer.headquarters, shipment.destination),
        buyer_name=buyer.name,
        use=default("use", shipment.use, DEFAULT_USE),
        diffusion=shipment.scenario == SCENARIO,
    )
    if buyer.name is None:
        assumed.append(("buyer.name", "unscreened"))
    return asked, tuple(assumed)
