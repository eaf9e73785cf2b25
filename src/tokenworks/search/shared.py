"""The passes that training and serving share: law, wires, power, price."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tokenworks import cost, fabric, law, site
from tokenworks.records import Fact, Floats, Ints, Shipment, Train, Verdict, World
from tokenworks.search import software
from tokenworks.search.offers import scaleout
from tokenworks.search.problem import Offer, Problem, State

STANDINGS = ("lawful", "licence", "barred", "apart")
BUY, RENT = 0, 1


def shipment(problem: Problem, offer: Offer, chips: int) -> Shipment:
    """The shipment that a design stands for: all its chips at once, to the place of the request."""
    r = problem.request
    return Shipment(
        chip=offer.chip.id,
        destination=r.where,
        on=r.when,
        ship_from=r.ship_from,
        exporter=r.exporter,
        buyer=r.buyer,
        quantity=chips,
        scenario=problem.world.scenarios[-1] if problem.world.scenarios else "actual",
    )


def screen(state: State) -> State:
    """Judge every (offer, number of chips) once; cut what is barred, and what needs a licence if none may be
    applied for. What is unresolved or unknown stays: it is shown apart, never best."""
    d, problem = state.designs, state.problem
    if not len(d):
        return state
    verdicts: dict[tuple[int, int], Verdict] = dict(state.verdicts)
    pairs, inverse = np.unique(np.stack([d["system"], d["chips"]]), axis=1, return_inverse=True)
    codes = np.zeros(pairs.shape[1], np.int64)
    followed = law.followed(problem.request.buyer.headquarters or problem.request.where, problem.request.law_followed)
    for k, (system, chips) in enumerate(pairs.T.tolist()):
        verdict = law.judge(shipment(problem, problem.offers[system], chips), problem.world)
        verdicts[system, chips] = verdict
        codes[k] = STANDINGS.index(law.standing(verdict, followed))
    standing = codes[inverse.reshape(-1)]
    state = replace(state, designs=d.with_(standing=standing), verdicts=verdicts)
    state = state.keep(standing != STANDINGS.index("barred"), "barred by export rules")
    if problem.request.limits.licence == "none":
        state = state.keep(state.designs["standing"] != STANDINGS.index("licence"), "needs a licence")
    return state


# --------------------------------------------------------------------------------------------- wires


@dataclass(frozen=True)
class Wiring:
    """The network of one (offer, number of chips): halls of equal networks."""

    network: fabric.Fabric
    parts: fabric.Parts
    bill: fabric.FabricBill
    halls: int


def wiring(problem: Problem, offer: Offer, chips: int) -> Wiring:
    """Build the network: nothing inside one scale-up domain, a torus inside a torus, else a rail-optimised
    fat tree (fat tree for nodes of one port). What one network does not reach stands in several halls."""
    out = scaleout(offer.chip, offer.system) or offer.hardware.scaleup_bandwidth or 1.0
    w = problem.world
    parts = fabric.pick(w.switches, w.optics, w.prices, out, offer.chip.vendor)
    halls = -(-chips // reach(parts.radix))
    each = math.ceil(chips / halls / offer.node) * offer.node
    domain = int(offer.hardware.scaleup_domain)
    if each <= domain and offer.hardware.torus:
        spec = fabric.FabricSpec("torus", each, offer.node, port_bandwidth=offer.hardware.scaleup_bandwidth)
    elif each <= domain:
        spec = fabric.FabricSpec("scale-up", each, offer.node, port_bandwidth=offer.hardware.scaleup_bandwidth or 1.0)
    else:
        kind = "rail-fat-tree" if offer.node > 1 else "fat-tree"
        spec = fabric.FabricSpec(
            kind, each, offer.node, offer.node, radix=parts.radix, port_bandwidth=parts.port_bandwidth
        )
    built = fabric.build(spec)
    return Wiring(built, parts, fabric.price(built, parts, w.prices), halls)


def reach(radix: int) -> int:
    """Chips that three layers of switches join, one port a chip: radix^3 / 4.

    >>> reach(64)
    65536
    """
    return radix**3 // 4


def wire(state: State) -> State:
    """Wire every (offer, number of chips) once."""
    d = state.designs
    if not len(d):
        return state
    pairs, inverse = np.unique(np.stack([d["system"], d["chips"]]), axis=1, return_inverse=True)
    rows = np.zeros((pairs.shape[1], 5))
    for k, (system, chips) in enumerate(pairs.T.tolist()):
        offer = state.problem.offers[system]
        w = wiring(state.problem, offer, chips)
        price = np.nan if w.bill.cost is None else w.bill.cost * w.halls
        power = 0.0 if w.bill.power is None else w.bill.power * w.halls
        topology = fabric.TOPOLOGIES.index(w.network.spec.topology)
        rows[k] = (price, power, topology, scaleout(offer.chip, offer.system) or 0.0, w.halls)
    flat = rows[inverse.reshape(-1)]
    state = replace(
        state,
        designs=d.with_(
            fabric_price=flat[:, 0],
            fabric_power=flat[:, 1],
            topology=flat[:, 2].astype(np.int64),
            scaleout_bandwidth=flat[:, 3],
        ),
    )
    if isinstance(state.problem.job, Train):
        return state.keep(flat[:, 4] == 1, "one network does not reach so many chips")
    return state


# -------------------------------------------------------------------------------------------- power


def local(world: World, where: str, name: str) -> Fact:
    """A fact of the site, or the planning constant of the same name where the country has none."""
    entry = world.sites.get(where)
    fact = entry.facts.get(name) if entry is not None else None
    return fact if fact is not None else world.constants[name]


def units(offer: Offer) -> tuple[float, float]:
    """Chips of a sold unit, and its IT power (chips' own power where the system's is unknown)."""
    size = float(offer.system.get("unit_chips") or offer.node)
    draw = offer.system.get("power")
    return size, float(draw) if draw else size * float(offer.hardware.power)


def whole_units(state: State) -> Floats:
    """Units (servers, racks) that hold the chips of every design: they are sold and powered whole."""
    size = np.array([size for size, _ in map(units, state.problem.offers)])
    whole: Floats = np.ceil(state.designs["chips"] / size[state.designs["system"]])
    return whole


def power(state: State) -> State:
    """IT and facility power, energy and carbon over the horizon; cut what exceeds the power limit."""
    d, problem = state.designs, state.problem
    if not len(d):
        return state
    c, request = problem.world.constants, problem.request
    draw = np.array([unit for _, unit in map(units, problem.offers)])
    servers = whole_units(state) * draw[d["system"]]
    it = site.it_power(servers, d["fabric_power"], float(c["storage_power_share"].value))
    peak = site.facility_power(it, float(local(problem.world, request.where, "pue").value))
    joules = site.energy(peak, float(c["mean_load"].value), horizon(state))
    mass = site.carbon(joules, float(local(problem.world, request.where, "carbon_intensity").value))
    state = replace(state, designs=d.with_(it_power=it, power=peak, energy=joules, carbon=mass))
    limit = request.limits.power
    if limit is None:
        return state
    if not (peak <= limit).any():
        state = state.with_nearest("limits.power", float(peak.min()))
    return state.keep(peak <= limit, "needs more power than allowed")


def horizon(state: State) -> Floats:
    """Seconds over which a design is costed: the run for training, the request's or five years otherwise."""
    asked = state.problem.request.horizon
    time: Floats = state.designs["time"]
    return time if asked is None else np.full(len(time), asked)


# -------------------------------------------------------------------------------------------- price


def price(state: State) -> State:
    """Buy and rent side by side: every design is doubled, and each way of acquiring it kept where it is asked
    for, can be had and stays within the budget."""
    d, problem = state.designs, state.problem
    if not len(d):
        return state
    bought, owned = owning(state)
    rent = cost.renting(d["chips"].astype(np.float64), _rents(problem)[d["system"]], horizon(state))
    n = len(d)
    ways: list[Ints] = []
    if problem.request.acquire in ("buy", "either"):
        ways.append(np.full(n, BUY, np.int64))
    if problem.request.acquire in ("rent", "either"):
        ways.append(np.full(n, RENT, np.int64))
    parts = [
        d.with_(
            acquire=way,
            capital=np.where(way == BUY, bought.total, 0.0),
            known=np.where(way == BUY, bought.known, 0.0),
            total=np.where(way == BUY, np.asarray(owned.total), rent),
        )
        for way in ways
    ]
    joined = type(d)({k: np.concatenate([p[k] for p in parts]) for k in parts[0].columns})
    state = replace(state, designs=joined)
    cloud = np.array([o.chip.vendor in software.CLOUD_ONLY for o in problem.offers])[joined["system"]]
    rented = joined["acquire"] == RENT
    state = state.keep(~(cloud & ~rented), "is not sold, only rented")
    d = state.designs
    return _budget(state.keep(~((d["acquire"] == RENT) & np.isnan(d["total"])), "has no known rent"))


def owning(state: State) -> tuple[cost.Capital, cost.Owning]:
    """Capital and cost of ownership of every design as if bought."""
    d, problem = state.designs, state.problem
    c, where, w = problem.world.constants, problem.request.where, problem.world
    servers = whole_units(state) * _servers(problem)[d["system"]]
    stored = cost.storage(servers, d["fabric_price"], float(c["storage_share"].value))
    house = cost.building(d["it_power"], float(local(w, where, "building_cost").value))
    bought = cost.capital(servers, d["fabric_price"], stored, house)
    bill = d["energy"] * float(local(w, where, "electricity_price").value)
    owned = cost.owning(
        bought,
        horizon(state),
        lifetimes=(float(c["chip_lifetime"].value), float(c["building_lifetime"].value)),
        charge_rate=float(c["capital_charge_rate"].value),
        operation_share=float(c["operation_share"].value),
        energy=bill,
    )
    return bought, owned


def server_price(problem: Problem, offer: Offer) -> tuple[Fact | None, float, str]:
    """What a server costs: (the price fact, USD per chip, the key of the fact); NaN where nobody prices it."""
    prices: Mapping[str, Fact] = problem.world.prices
    key = f"{offer.system.id}/purchase"
    if key in prices:
        return prices[key], float(prices[key].value) / units(offer)[0], key
    key = f"{offer.chip.id}/purchase"
    if key in prices:
        share = float(problem.world.constants["server_share"].value)
        return prices[key], float(cost.server_price(prices[key].value, 1.0, share)), key
    return None, float("nan"), ""


def _servers(problem: Problem) -> Floats:
    """USD of a sold unit of every offer."""
    return np.array([server_price(problem, offer)[1] * units(offer)[0] for offer in problem.offers])


def _rents(problem: Problem) -> Floats:
    def rent(offer: Offer) -> float:
        fact = problem.world.prices.get(f"{offer.chip.id}/rent")
        return float("nan") if fact is None else float(fact.value)

    return np.array([rent(offer) for offer in problem.offers])


def _budget(state: State) -> State:
    limits, d = state.problem.request.limits, state.designs
    if not len(d):
        return state
    buying = d["acquire"] == BUY
    capital_limit = limits.budget_capital
    total_limit = limits.budget_total
    if limits.budget is not None:
        single: Any = np.where(buying, np.where(np.isnan(d["capital"]), d["known"], d["capital"]), d["total"])
        state = _within(state, single, limits.budget, "limits.budget")
    if capital_limit is not None:
        d = state.designs
        state = _within(
            state,
            np.where(np.isnan(d["capital"]), d["known"], d["capital"]),
            capital_limit,
            "limits.budget.capital",
        )
    if total_limit is not None:
        d = state.designs
        state = _within(state, np.where(np.isnan(d["total"]), 0.0, d["total"]), total_limit, "limits.budget.total")
    return state


def _within(state: State, spent: Floats, limit: float, name: str) -> State:
    if len(spent) and not (spent <= limit).any():
        state = state.with_nearest(name, float(spent.min()))
    return state.keep(spent <= limit, "costs more than the budget")
