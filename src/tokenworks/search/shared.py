"""The passes that training and serving share: law, wires, power, price."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tokenworks import cost, fabric, law, site
from tokenworks.records import Designs, Fact, Floats, Ints, Shipment, Train, Verdict, World
from tokenworks.search import software
from tokenworks.search.offers import scaleout
from tokenworks.search.problem import Offer, Problem, State
from tokenworks.search.space import oversubscriptions

STANDINGS = ("lawful", "licence", "barred", "apart")
BUY, RENT = 0, 1
COSTS = "costs more than the budget"
BARRED, LICENSED = "barred by export rules", "needs a licence"
UNTIERED = "one tier of switches has no ports up to save on"
SEVERAL = "one network does not reach so many chips"
UNSOLD, UNRENTED = "is not sold, only rented", "has no known rent"
MEMORY, DEADLINE, HUNGRY = "does not fit into memory", "is too slow", "needs more power than allowed"
# Reasons why a design goes; under any other the combination is no design at all, and nothing is computed for it.
LIMITS = frozenset({COSTS, BARRED, LICENSED, SEVERAL, UNSOLD, UNRENTED, MEMORY, DEADLINE, HUNGRY})


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
    )


def judged(problem: Problem, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Verdict]:
    """The verdict of every (offer, number of chips), each distinct question asked of the law once. Licence,
    conditions and citations are the pair's own; the figures in its reasons may be those of another size."""
    shipments = [shipment(problem, problem.offers[system], chips) for system, chips in pairs]
    if not shipments:
        return {}
    r = shipments[0]
    n = len(shipments)
    same = {"destination": r.destination, "on": r.on, "ship_from": r.ship_from, "exporter": r.exporter,
            "headquarters": r.buyer.headquarters, "kind": r.buyer.kind, "name": r.buyer.name,
            "scenario": r.scenario}  # fmt: skip
    columns: dict[str, list[Any]] = {name: [value] * n for name, value in same.items()}
    found = law.judge_many(
        law.cells(chip=[s.chip for s in shipments], quantity=[s.quantity for s in shipments], **columns), problem.world
    )
    return {pair: found.verdicts[code] for pair, code in zip(pairs, found.code.tolist(), strict=True)}


def judge_all(state: State) -> State:
    """Judge every (offer, number of chips) once: the standing of each design, and the verdicts."""
    d, problem = state.designs, state.problem
    if not len(d):
        return state
    found, inverse = distinct_rows(d["system"], d["chips"])
    pairs = [(system, chips) for system, chips in found]
    new = [pair for pair in pairs if pair not in state.verdicts]
    verdicts = {**state.verdicts, **judged(problem, new)} if new else state.verdicts
    followed = law.followed(problem.request.buyer.headquarters or problem.request.where, problem.request.law_followed)
    codes = np.array([STANDINGS.index(law.standing(verdicts[pair], followed)) for pair in pairs], np.int64)
    return replace(state, designs=d.with_(standing=codes[inverse]), verdicts=verdicts)


def screen(state: State) -> State:
    """Cut what is barred, and what needs a licence if none may be applied for. What is unresolved or unknown
    stays: it is shown apart, never best."""
    if not len(state.designs):
        return state
    state = judge_all(state)
    state = state.keep(state.designs["standing"] != STANDINGS.index("barred"), BARRED)
    if state.problem.request.limits.licence == "none":
        state = state.keep(state.designs["standing"] != STANDINGS.index("licence"), LICENSED)
    return state


def screen_least(state: State) -> State:
    """Cut the systems that the law bars even at one node, before anything is timed: no rule lets more of a chip
    through than less. Their verdicts stay, so that a reader sees why, however the chip would have done."""
    d, problem = state.designs, state.problem
    if not len(d):
        return state
    systems = np.unique(d["system"]).tolist()
    verdicts = judged(problem, [(s, problem.offers[s].node) for s in systems])
    followed = law.followed(problem.request.buyer.headquarters or problem.request.where, problem.request.law_followed)
    barred = [s for (s, _), v in verdicts.items() if law.standing(v, followed) == "barred"]
    state = replace(state, verdicts={**state.verdicts, **verdicts})
    return state.keep(~np.isin(d["system"], barred), BARRED)


def distinct_rows(*columns: Ints) -> tuple[list[tuple[int, ...]], Ints]:
    """The distinct combinations of some columns of small counts, in order, and which of them every row is. Rows come
    in long runs of the same combination, so only the heads of the runs are sorted.

    >>> distinct_rows(np.array([1, 1, 0, 1]), np.array([5, 5, 7, 5]))[0]
    [(0, 7), (1, 5)]
    """
    new = np.ones(len(columns[0]), np.bool_)
    if len(new):
        new[1:] = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        new[1:] |= column[1:] != column[:-1]
    heads = [column[new] for column in columns]
    code = np.zeros(len(heads[0]), np.int64)
    for head in heads if len(code) else ():  # one number a combination, in the order of the combinations
        low = int(head.min())
        code = code * (int(head.max()) - low + 1) + (head - low)
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    found = zip(*(head[first].tolist() for head in heads), strict=True)
    return list(found), np.asarray(inverse[np.cumsum(new) - 1], np.int64)


# --------------------------------------------------------------------------------------------- wires


@dataclass(frozen=True)
class Wiring:
    """The network of one (offer, number of chips): halls of equal networks."""

    network: fabric.Fabric
    parts: fabric.Parts
    bill: fabric.FabricBill
    halls: int


def switches(problem: Problem, offer: Offer) -> fabric.Parts:
    """The switch and transceiver that carry an offer's traffic out of its scale-up domain."""
    out = scaleout(offer.chip, offer.system) or offer.hardware.scaleup_bandwidth or 1.0
    key = ("switches", out, offer.chip.vendor)
    if key not in problem.known:
        w = problem.world
        problem.known[key] = fabric.pick(w.switches, w.optics, w.prices, out, offer.chip.vendor)
    found: fabric.Parts = problem.known[key]
    return found


def wiring(
    problem: Problem, offer: Offer, chips: int, oversubscription: int = 1, parts: fabric.Parts | None = None
) -> Wiring:
    """Build the network: nothing inside one scale-up domain, a torus inside a torus, else a rail-optimised
    fat tree (fat tree for nodes of one port) whose leaves have `oversubscription` ports down for one up. What
    one network does not reach stands in several halls."""
    parts = parts or switches(problem, offer)
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
            kind, each, offer.node, offer.node, radix=parts.radix, port_bandwidth=parts.port_bandwidth,
            oversubscription=float(oversubscription),
        )  # fmt: skip
    switch, optic = (part.id if part is not None else "" for part in (parts.switch, parts.optic))
    key = (spec, switch, optic)
    if key not in problem.known:
        built = fabric.build(spec)
        problem.known[key] = (built, fabric.price(built, parts, problem.world.prices))
    network, bill = problem.known[key]
    return Wiring(network, parts, bill, halls)


def reach(radix: int) -> int:
    """Chips that three layers of switches join, one port a chip: radix^3 / 4.

    >>> reach(64)
    65536
    """
    return radix**3 // 4


def wire(state: State) -> State:
    """Wire every (offer, number of chips) once, in a training job with every oversubscription of the space: rows
    that stood for all of them are spread. One tier of switches has no ports up to save on."""
    if not len(state.designs):
        return state
    overs = oversubscriptions(state.problem.fixed) if isinstance(state.problem.job, Train) else (1,)
    if "oversubscription" in state.designs.columns:
        return _wired_as_told(state)
    keys, inverse = distinct_rows(state.designs["system"], state.designs["chips"])
    parts_of = _switches_of(state, keys)
    tables = [np.array([wired(state.problem, key, over, parts_of[key[0]]) for key in keys]) for over in overs]
    state = replace(state, copies=1)
    parts, dead = [], []
    for over, table in zip(overs, tables, strict=True):
        flat = table[inverse]
        tiered = flat[:, 4] > 1.0 if over > 1 else np.ones(len(flat), np.bool_)
        state = state.count(UNTIERED, int(np.count_nonzero(state.live & ~tiered)))
        live = state.live[tiered]
        some, flat = state.designs.take(tiered), flat[tiered]
        parts.append(some.with_(
            oversubscription=np.full(len(some), over, np.int64), topology=flat[:, 2].astype(np.int64),
            fabric_price=flat[:, 0], fabric_power=flat[:, 1], scaleout_bandwidth=flat[:, 5],
        ))  # fmt: skip
        dead.append((~live, flat[:, 3]))
    designs = Designs({k: np.concatenate([p[k] for p in parts]) for k in parts[0].columns})
    marked = None if state.dead is None else np.concatenate([gone for gone, _ in dead])
    state = replace(state, designs=designs, dead=marked)
    if isinstance(state.problem.job, Train):
        halls = np.concatenate([halls for _, halls in dead])
        return state.keep(halls == 1.0, SEVERAL)
    return state


def _switches_of(state: State, keys: Sequence[tuple[int, ...]]) -> Mapping[int, fabric.Parts]:
    """Switches and transceivers of every system that occurs."""
    return {k: switches(state.problem, state.problem.offers[k]) for k in {key[0] for key in keys}}


def _wired_as_told(state: State) -> State:
    """Wire rows whose oversubscription is settled."""
    d = state.designs
    keys, inverse = distinct_rows(d["system"], d["chips"], d["oversubscription"])
    parts_of = _switches_of(state, keys)
    table = np.array([wired(state.problem, key[:2], key[2], parts_of[key[0]]) for key in keys])
    tiered = ((table[:, 4] > 1.0) | (np.array([key[2] for key in keys]) == 1))[inverse]
    flat = table[inverse]
    state = state.keep(tiered, UNTIERED)
    if state.dead is None:
        d, flat = state.designs, flat[tiered]
    state = replace(state, copies=1, designs=d.with_(
        topology=flat[:, 2].astype(np.int64), fabric_price=flat[:, 0], fabric_power=flat[:, 1],
        scaleout_bandwidth=flat[:, 5],
    ))  # fmt: skip
    return state.keep(flat[:, 3] == 1.0, SEVERAL) if isinstance(state.problem.job, Train) else state


def wired(problem: Problem, key: tuple[int, ...], over: int, parts: fabric.Parts) -> tuple[float, ...]:
    """Price, power, topology, halls, tiers and bytes/s a chip of one network."""
    place = ("wired", *key, over)
    if place not in problem.known:
        problem.known[place] = _wired(problem, key, over, parts)
    found: tuple[float, ...] = problem.known[place]
    return found


def _wired(problem: Problem, key: tuple[int, ...], over: int, parts: fabric.Parts) -> tuple[float, ...]:
    system, chips = key
    offer = problem.offers[system]
    w = wiring(problem, offer, chips, over, parts)
    price = np.nan if w.bill.cost is None else w.bill.cost * w.halls
    power = 0.0 if w.bill.power is None else w.bill.power * w.halls
    topology = fabric.TOPOLOGIES.index(w.network.spec.topology)
    return price, power, topology, w.halls, w.network.layers, scaleout(offer.chip, offer.system) or 0.0


# -------------------------------------------------------------------------------------------- power


def local(world: World, where: str, name: str) -> Fact:
    """A fact of the site, or the planning constant of the same name where the country has none."""
    entry = world.sites.get(where)
    fact = entry.facts.get(name) if entry is not None else None
    return fact if fact is not None else world.constants[name]


def units(offer: Offer) -> tuple[float, float]:
    """Chips of a sold unit, and its IT power (chips' own power where the system's is unknown)."""
    return offer.unit


def per_system(state: State, value: Callable[[Offer], float]) -> Floats:
    """A number of each design's offer; worked out only for the offers that occur."""
    systems = state.designs["system"]
    if not len(systems):
        return np.zeros(0)
    low, high = int(systems.min()), int(systems.max())
    found = np.array([value(offer) for offer in state.problem.offers[low : high + 1]])
    gathered: Floats = found[systems - low]
    return gathered


def whole_units(state: State) -> Floats:
    """Units (servers, racks) that hold the chips of every design: they are sold and powered whole."""
    whole: Floats = np.ceil(state.designs["chips"] / per_system(state, lambda offer: offer.unit[0]))
    return whole


def power(state: State) -> State:
    """IT and facility power, energy and carbon over the horizon; cut what exceeds the power limit."""
    d, problem = state.designs, state.problem
    if not len(d):
        return state
    c, request = problem.world.constants, problem.request
    servers = whole_units(state) * per_system(state, lambda offer: offer.unit[1])
    it = site.it_power(servers, d["fabric_power"], float(c["storage_power_share"].value))
    peak = site.facility_power(it, float(local(problem.world, request.where, "pue").value))
    joules = site.energy(peak, float(c["mean_load"].value), horizon(state))
    mass = site.carbon(joules, float(local(problem.world, request.where, "carbon_intensity").value))
    state = replace(state, designs=d.with_(it_power=it, power=peak, energy=joules, carbon=mass))
    limit = request.limits.power
    if limit is None:
        return state
    return state.within(peak, limit, HUNGRY, ("limits.power", 1.0))


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
    rents = per_system(state, lambda offer: rent(problem, offer))
    rented = cost.renting(d["chips"].astype(np.float64), rents, horizon(state))
    money = np.stack(np.broadcast_arrays(bought.total, bought.known, owned.total, rented))
    state, live = replace(state, scored=state.scored + len(d)).settle(), state.live
    d, (capital, known, owned_total, rented) = state.designs, money[:, live]
    zero = np.zeros(len(d))
    ways = {BUY: (capital, known, owned_total), RENT: (zero, zero, rented)}
    asked = {"buy": (BUY,), "rent": (RENT,)}.get(problem.request.acquire, (BUY, RENT))
    cloud = per_system(state, lambda offer: float(offer.chip.vendor in software.CLOUD_ONLY)) > 0.0
    barred = {BUY: (cloud, UNSOLD), RENT: (np.isnan(rented), UNRENTED)}
    parts: list[Designs] = []
    for way in asked:
        gone, reason = barred[way]
        state = state.count(reason, int(np.count_nonzero(gone)))
        columns = dict(zip(("capital", "known", "total"), ways[way], strict=True))
        parts.append(d.with_(acquire=np.full(len(d), way, np.int64), **columns).take(~gone))
    joined = Designs({k: np.concatenate([p[k] for p in parts]) for k in parts[0].columns})
    return _budget(replace(state, designs=joined))


def owning(state: State) -> tuple[cost.Capital, cost.Owning]:
    """Capital and cost of ownership of every design as if bought."""
    d, problem = state.designs, state.problem
    c, where, w = problem.world.constants, problem.request.where, problem.world
    servers = whole_units(state) * per_system(state, lambda o: server_price(problem, o)[1] * o.unit[0])
    stored = cost.storage(servers, d["fabric_price"], float(c["storage_share"].value))
    house = cost.building(d["it_power"], float(local(w, where, "building_cost").value))
    bought = cost.capital(servers, d["fabric_price"], stored, house)
    return bought, owned_for(problem, bought, horizon(state), d["energy"])


def owned_for(problem: Problem, bought: cost.Capital, seconds: Any, joules: Any) -> cost.Owning:
    """Cost over `seconds` of what is bought and of the energy that it draws."""
    c, where = problem.world.constants, problem.request.where
    return cost.owning(
        bought,
        seconds,
        lifetimes=(float(c["chip_lifetime"].value), float(c["building_lifetime"].value)),
        charge_rate=float(c["capital_charge_rate"].value),
        operation_share=float(c["operation_share"].value),
        energy=joules * float(local(problem.world, where, "electricity_price").value),
    )


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


def rent(problem: Problem, offer: Offer) -> float:
    """USD per chip-second; NaN where nobody says."""
    fact = problem.world.prices.get(f"{offer.chip.id}/rent")
    return float("nan") if fact is None else float(fact.value)


def _budget(state: State) -> State:
    limits, d = state.problem.request.limits, state.designs
    if not len(d):
        return state
    buying = d["acquire"] == BUY
    capital_limit = limits.budget_capital
    total_limit = limits.budget_total
    if limits.budget is not None:
        single: Any = np.where(buying, np.where(np.isnan(d["capital"]), d["known"], d["capital"]), d["total"])
        state = state.within(single, limits.budget, COSTS, ("limits.budget", 1.0))
    if capital_limit is not None:
        d = state.designs
        spent = np.where(np.isnan(d["capital"]), d["known"], d["capital"])
        state = state.within(spent, capital_limit, COSTS, ("limits.budget.capital", 1.0))
    if total_limit is not None:
        d = state.designs
        spent = np.where(np.isnan(d["total"]), 0.0, d["total"])
        state = state.within(spent, total_limit, COSTS, ("limits.budget.total", 1.0))
    return state
