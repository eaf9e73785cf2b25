"""Which chips in which systems can be had at the date: World -> offers, and what is missing of the others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from tokenworks.records import Chip, Hardware, System, World
from tokenworks.search.problem import Offer

# Without these a design cannot be timed at all; any value would change the answer.
NEEDED = ("memory", "memory_bandwidth", "power")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4")
ALONE = 1.0  # bytes/s; never used, since nothing is sent
GENERAL = ("bf16", "fp16")  # one of these must be known


def hardware(chip: Chip, system: System) -> Hardware:
    """Join a chip and its system into what the performance model needs.

    Links of a chip that has none stand as ALONE: such a chip is only ever offered by itself.
    """
    domain = system.get("scaleup_domain") or chip.get("scaleup_domain") or 1
    out = scaleout(chip, system)
    return Hardware(
        chip=chip.id,
        generation=chip.generation,
        vendor=chip.vendor,
        year=_year(chip),
        peak={p: float(chip.get(f"peak_{p}")) for p in PRECISIONS if chip.get(f"peak_{p}")},
        memory=float(chip.get("memory") or 0.0),
        memory_bandwidth=float(chip.get("memory_bandwidth") or 0.0),
        scaleup_domain=int(domain),
        scaleup_bandwidth=float(chip.get("scaleup_bandwidth") or out or ALONE),
        scaleout_bandwidth=out or ALONE,
        torus=bool(system.get("torus") or False),
        power=chip.get("power"),
    )


def scaleout(chip: Chip, system: System) -> float | None:
    """Bytes/s one way per chip out of the scale-up domain; None where nobody says."""
    value = system.get("scaleout_bandwidth") or chip.get("scaleout_bandwidth")
    return float(value) if value else None


def _year(chip: Chip) -> int:
    launched = str(chip.get("launched") or chip.get("announced") or "")
    return int(launched[:4]) if launched[:4].isdigit() else dt.date.min.year


def missing(chip: Chip, system: System) -> tuple[str, ...]:
    """Names of the facts without which a cluster of this chip cannot be judged."""
    absent = [name for name in NEEDED if not chip.get(name)]
    if not any(chip.get(f"peak_{p}") for p in GENERAL):
        absent.append("peak_bf16")
    if int(system.get("scaleup_domain") or 1) > 1 and not chip.get("scaleup_bandwidth"):
        absent.append("scaleup_bandwidth")
    if scaleout(chip, system) is None:
        absent.append("scaleout_bandwidth")
    return tuple(absent)


def offers(
    world: World, chips: tuple[str, ...], kinds: tuple[str, ...]
) -> tuple[tuple[Offer, ...], Mapping[str, tuple[str, ...]]]:
    """All systems around the wanted chips (all of `kinds` where `chips` is empty), in order of id.

    Returns the complete ones, and for the others the missing facts by system id.
    """
    good: list[Offer] = []
    apart: dict[str, tuple[str, ...]] = {}
    for key in sorted(world.systems):
        system = world.systems[key]
        chip = world.chips.get(system.chip)
        if chip is None or (chips and chip.id not in chips) or (not chips and chip.kind not in kinds):
            continue
        absent = missing(chip, system)
        if absent:
            apart[key] = absent
        else:
            good.append(Offer(chip, system, hardware(chip, system), int(system.get("chips_per_node") or 1)))
    return tuple(good), apart
