"""The facts that a design rests on, by the key under which the quote carries them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.records import Fact, World
from tokenworks.search.problem import Offer
from tokenworks.search.shared import local

CHIP = ("memory", "memory_bandwidth", "scaleup_bandwidth", "scaleup_domain", "scaleout_bandwidth", "power",
        "die_area", "applicable_die_area", "launched", "announced")  # fmt: skip
SYSTEM = ("chips_per_node", "scaleup_domain", "unit_chips", "power", "scaleout_bandwidth", "rack_units")
SITE = ("electricity_price", "carbon_intensity", "pue", "building_cost")
DELIVERED = "power_delivered"  # share of its promised power that a site gets; only a scenario says less than all
CONSTANTS = ("chip_lifetime", "building_lifetime", "capital_charge_rate", "storage_share", "storage_power_share",
             "operation_share", "mean_load", "server_share", "global_batch_tokens", "serve_horizon",
             "design_error")  # fmt: skip


def of_offer(offer: Offer) -> dict[str, Fact]:
    """Facts of the chip and its system."""
    chip, system = offer.chip, offer.system
    names = (*CHIP, *(n for n in chip.facts if n.startswith("peak_")))
    found = {f"chips/{chip.id}/{n}": chip.facts[n] for n in names if n in chip.facts}
    return found | {f"systems/{system.id}/{n}": system.facts[n] for n in SYSTEM if n in system.facts}


def of_place(world: World, where: str) -> dict[str, Fact]:
    """Facts of the site, and the planning constants."""
    found = {f"sites/{where}/{name}": local(world, where, name) for name in SITE}
    delivered = world.sites[where].facts.get(DELIVERED) if where in world.sites else None
    if delivered is not None:
        found[f"sites/{where}/{DELIVERED}"] = delivered
    return found | {f"constants/{name}": world.constants[name] for name in CONSTANTS}


def of_prices(world: World, offer: Offer) -> dict[str, Fact]:
    """What an offer costs to buy and to rent."""
    keys = (f"{offer.system.id}/purchase", f"{offer.chip.id}/purchase", f"{offer.chip.id}/rent")
    return {f"prices/{key}": world.prices[key] for key in keys if key in world.prices}


def of_acquired(world: World, offer: Offer) -> dict[str, Fact]:
    """Everything known of an offer that a design of it rests on: chip and system, and what they cost."""
    return {**of_offer(offer), **of_prices(world, offer)}


def plain(fact: Fact) -> Mapping[str, Any]:
    """A fact as JSON."""
    return {
        "value": fact.value,
        "unit": fact.unit,
        "source": fact.source,
        "date": fact.date,
        "verified": fact.verified,
        "assumed": fact.assumed,
        "low": fact.low,
        "high": fact.high,
        "note": fact.note,
    }


def unverified(facts: Mapping[str, Fact], prefix: str) -> int:
    """How many facts under a prefix were not read in the document they name."""
    return sum(1 for key, fact in facts.items() if key.startswith(prefix) and not fact.verified)
