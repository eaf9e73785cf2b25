"""What a search's answer hangs on: prices, rates and speeds as levers, and what each design costs when they move.

A lever is a factor on one input, 1 at its present value. Every criterion of a design is affine in each lever by
itself (cost/money.py and site/energy.py are products and sums), so a search's designs can be costed again for
thousands of settings without searching again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tokenworks import cost
from tokenworks.records import Designs, Fact, Floats, Ints, Train
from tokenworks.search import shared
from tokenworks.search.choose import MOST, preference
from tokenworks.search.problem import State

SPEED, PRICE, RATE = "speed", "price", "rate"
NINETY = 1.2815515655446004  # standard deviations to the 90 % quantile: an interval of 80 % reaches so far


class Lever(NamedTuple):
    """One input that may be otherwise. name: as the quote's facts call it, or speed/<chip>. low, high: factors on
    the present value between which it lies in 80 of 100 cases; both 1 where no range is known."""

    name: str
    kind: str
    value: float
    unit: str
    low: float
    high: float


class Speed(NamedTuple):
    """How far off predictions of one kind may be together: a name, and the interval of measured over predicted
    time (None, None: not known)."""

    name: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Levers:
    """The levers of some designs, and which of them each design hangs on (-1: none)."""

    levers: tuple[Lever, ...]
    speed: Ints
    server: Ints
    rent: Ints
    designs: Designs
    parts: Mapping[str, Floats]  # servers, network, building (USD), energy_rate (USD/s), horizon (s)

    def place(self, name: str) -> int:
        """Where a lever stands."""
        return [lever.name for lever in self.levers].index(name)


COMMON = (
    "electricity_price",
    "building_cost",
    "carbon_intensity",
    "mean_load",
    "capital_charge_rate",
    "operation_share",
)
NETWORK = "network"  # switches and transceivers together


def levers(state: State, speeds: Sequence[Speed]) -> Levers:
    """The levers of a state's designs. speeds: the one of each offer of the problem."""
    d, problem = state.designs, state.problem
    world, where = problem.world, problem.request.where
    found: dict[str, Lever] = {}
    for name in COMMON:
        found[name] = _lever(name, RATE, shared.local(world, where, name))
    found[NETWORK] = Lever(NETWORK, PRICE, 1.0, "", 1.0, 1.0)
    servers, rents, fast = [], [], []
    for offer, speed in zip(problem.offers, speeds, strict=True):
        price, _, key = shared.server_price(problem, offer)
        rent_key = f"{offer.chip.id}/rent"
        for fact, name in ((price, key), (world.prices.get(rent_key), rent_key)):
            if fact is not None:
                found.setdefault(f"prices/{name}", _lever(f"prices/{name}", PRICE, fact))
        low, high = (1.0, 1.0) if speed.low is None or speed.high is None else (speed.low, speed.high)
        found.setdefault(speed.name, Lever(speed.name, SPEED, 1.0, "", low, high))
        servers.append(f"prices/{key}")
        rents.append(f"prices/{rent_key}")
        fast.append(speed.name)
    names = list(found)
    which = {name: k for k, name in enumerate(names)}

    def of(keys: list[str]) -> Ints:
        column = np.array([which.get(key, -1) for key in keys] or [-1], np.int64)
        return np.asarray(column[d["system"]], np.int64)

    bought, owned = shared.owning(state)
    seconds = shared.horizon(state)
    parts = {
        "servers": np.asarray(bought.servers),
        "network": np.asarray(bought.network),
        "building": np.asarray(bought.building),
        "energy_rate": np.asarray(owned.energy) / seconds,
        "horizon": np.asarray(seconds, np.float64),
    }
    return Levers(tuple(found.values()), of(fast), of(servers), of(rents), d, parts)


def _lever(name: str, kind: str, fact: Fact) -> Lever:
    value = float(fact.value)
    low, high = (x if x is not None else value for x in (fact.low, fact.high))
    if value <= 0.0 or not 0.0 < low <= value <= high:
        return Lever(name, kind, value, fact.unit, 1.0, 1.0)
    return Lever(name, kind, value, fact.unit, float(low) / value, float(high) / value)


def criteria(state: State, found: Levers, factors: Floats, own: Floats | float = 1.0) -> dict[str, Floats]:
    """total (USD), capital (USD), time (s), energy (J), carbon (kg) and tokens_per_s of every design under settings.

    factors: (settings, levers). own: further factor on the time of each (setting, design). A training job runs
    longer where it is slower; a served load needs more of everything, and the most that the limits allow is less.
    Shapes: (settings, designs).
    """
    d, p, c = found.designs, found.parts, state.problem.world.constants
    n = len(factors)
    slow = _gather(factors, found.speed) * own
    of = {name: factors[:, [found.place(name)]] for name in (*COMMON, NETWORK)}
    run = isinstance(state.problem.job, Train)
    more = np.ones((n, 1)) if run or preference(state) == MOST else slow
    seconds = p["horizon"]
    horizon = seconds * slow if run and state.problem.request.horizon is None else seconds * np.ones((n, 1))
    servers = p["servers"] * _gather(factors, found.server) * more
    network = p["network"] * of[NETWORK] * more
    stored = cost.storage(servers, network, float(c["storage_share"].value))
    bought = cost.capital(servers, network, stored, p["building"] * of["building_cost"] * more)
    energy = d["energy"] / seconds * of["mean_load"] * horizon * more
    bill = p["energy_rate"] * of["mean_load"] * of["electricity_price"] * horizon * more
    owned = cost.owning(
        bought,
        horizon,
        lifetimes=(float(c["chip_lifetime"].value), float(c["building_lifetime"].value)),
        charge_rate=float(c["capital_charge_rate"].value) * of["capital_charge_rate"],
        operation_share=float(c["operation_share"].value) * of["operation_share"],
        energy=bill,
    )
    rented = d["acquire"] == shared.RENT
    rent = d["total"] / seconds * horizon * _gather(factors, found.rent) * more
    return {
        "total": np.where(rented, rent, owned.total),
        "capital": np.where(rented, 0.0, bought.total),
        "time": d["time"] * (slow if run else np.ones((n, 1))),
        "energy": energy,
        "carbon": d["carbon"] / np.maximum(d["energy"], 1e-300) * energy * of["carbon_intensity"],
        "tokens_per_s": d["tokens_per_s"] / slow,
    }


def _gather(factors: Floats, which: Ints) -> Floats:
    """The factor of each design's own lever; 1 where it has none."""
    padded = np.concatenate([factors, np.ones((len(factors), 1))], axis=1)
    return np.asarray(padded[:, which], np.float64)
