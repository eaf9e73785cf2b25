"""Which switch and transceiver carry a port's bandwidth, and what a counted fabric costs and draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenworks.fabric.topology import Fabric
from tokenworks.records import BillLine, Entry, Fact

SLACK = 0.999  # a port that is this much of what is wanted counts as fast enough
INFINIBAND = "InfiniBand"
INSIDE = ("torus", "scale-up")  # their links and routers come with the chips
GIGABITS_400 = 5e10  # bytes/s


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a fabric; None where the catalog has none that fits."""

    switch: Entry | None
    optic: Entry | None
    radix: int
    port_bandwidth: float


@dataclass(frozen=True)
class FabricBill:
    """Cost (None where a part is unpriced), the part of it that is known, power (W), and the lines."""

    cost: float | None
    known: float
    power: float | None
    lines: tuple[BillLine, ...]


def pick(
    switches: Mapping[str, Entry],
    optics: Mapping[str, Entry],
    prices: Mapping[str, Fact],
    bandwidth: float,
    vendor: str | None,
    radix: int | None = None,
) -> Parts:
    """Choose the slowest switch port that still carries `bandwidth` (bytes/s one way).

    NVIDIA systems take InfiniBand, all others Ethernet, nobody named (None) either. With `radix` the switch has
    exactly so many ports, or there is none. A priced switch comes before an unpriced one, then
    the slower port, then the larger radix, then the id.
    """
    rank = sorted(
        (f"{s.id}/purchase" not in prices, rate, -ports, s.id)
        for s in switches.values()
        for ports, rate in _ways(s)
        if rate >= bandwidth * SLACK
        and radix in (None, ports)
        and (vendor is None or (vendor == "NVIDIA") == _is_infiniband(s))
    )
    switch = switches[rank[0][3]] if rank else None
    port = rank[0][1] if rank else bandwidth
    modules = sorted(
        (o for o in optics.values() if o.id.startswith("xcvr") and (o.get("bandwidth") or 0) >= port * SLACK),
        key=lambda o: (f"{o.id}/purchase" not in prices, o.get("bandwidth"), -(o.get("reach") or 0), o.id),
    )
    return Parts(switch, modules[0] if modules else None, -rank[0][2] if rank else radix or 64, port)


def _ways(switch: Entry) -> list[tuple[int, float]]:
    """How a switch can be used: (ports, bytes/s a port); some split every port into 400 Gb/s ones."""
    ports, rate = switch.get("ports"), switch.get("port_bandwidth")
    found = [(int(ports), float(rate))] if ports and rate else []
    split = switch.get("ports_400g")
    return [*found, (int(split), GIGABITS_400)] if split else found


def _is_infiniband(switch: Entry) -> bool:
    return INFINIBAND in str(switch.get("protocol"))


def price(fabric: Fabric, parts: Parts, prices: Mapping[str, Fact]) -> FabricBill:
    """Switches and transceivers at their prices. Network cards are part of the servers' price and power.

    Routers of a torus are the chips themselves and cost nothing here.
    """
    switches = sum(fabric.switches.values()) if fabric.spec.topology != "torus" else 0
    wanted = ((parts.switch, "switch", switches), (parts.optic, "optical transceiver", fabric.optics))
    lines = [_line(entry, what, n, prices) for entry, what, n in wanted if n]
    known = sum(line.quantity * line.unit_price for line in lines if line.unit_price is not None)
    complete = all(line.unit_price is not None for line in lines)
    powers = [_power(entry, n) for entry, _, n in wanted if n]
    total = None if None in powers else float(sum(p for p in powers if p is not None))
    return FabricBill(known if complete else None, known, total, tuple(lines))


def _line(entry: Entry | None, what: str, quantity: int, prices: Mapping[str, Fact]) -> BillLine:
    if entry is None:
        return BillLine(what, quantity, None, "")
    fact = prices.get(f"{entry.id}/purchase")
    if fact is None:
        return BillLine(entry.name, quantity, None, "")
    return BillLine(entry.name, quantity, float(fact.value), fact.source, fact.low, fact.high, fact.assumed)


def _power(entry: Entry | None, quantity: int) -> float | None:
    power = entry.get("power") if entry is not None else None
    return None if power is None else float(power) * quantity


def answer(fabric: Fabric, bill: FabricBill) -> Mapping[str, Any]:
    """The `fabric` answer of DESIGN.md section 3. Where the links are sold inside the system, cost and power of the
    network alone are unknown (null), never zero."""
    inside = fabric.spec.topology in INSIDE
    return {
        "schema": "tokenworks/fabric/1",
        "topology": fabric.spec.topology,
        "switches": dict(fabric.switches),
        "cables": dict(fabric.cables),
        "optics": fabric.optics,
        "cost_usd": None if inside else bill.cost,
        "known_usd": bill.known,
        "power_w": None if inside else bill.power,
        "bisection": fabric.bisection,
    }
