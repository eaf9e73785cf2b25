"""What a search's answer hangs on: prices, rates and speeds as levers, and what each design costs when they move.

A lever is a factor on one input, 1 at its present value. Every criterion of a design is affine in each lever by
itself (cost/money.py and site/energy.py are products and sums), so a search's designs can be costed again for
thousands of settings without searching again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tokenworks import cost
from tokenworks.records import Bools, Designs, Fact, Floats, Ints, Train
from tokenworks.search import shared
from tokenworks.search.choose import CRITERIA, MOST, preference
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


@dataclass(frozen=True)
class Costed:
    """What designs come to under settings of the levers; each figure is worked out when it is asked for.

    factors: (settings, levers). own: further factor on the time of each (setting, design). A training job runs
    longer where it is slower; a served load needs more of everything, and the most that the limits allow is less.
    Shapes: (settings, designs), or a length of 1 where all settings or designs are alike.
    """

    state: State
    found: Levers
    factors: Floats
    own: Floats | float = 1.0

    def __getitem__(self, name: str) -> Floats:
        """total (USD), capital (USD), time (s), energy (J), carbon (kg) or tokens_per_s."""
        figure: Floats = getattr(self, name)
        return figure

    @property
    def wanted(self) -> Floats:
        """What the request prefers, smaller is better."""
        prefer = preference(self.state)
        return -self.tokens_per_s if prefer == MOST else self[CRITERIA[prefer]]

    def of(self, name: str) -> Floats:
        """The factor of a lever that all designs hang on, (settings, 1)."""
        return self.factors[:, [self.found.place(name)]]

    @cached_property
    def run(self) -> bool:
        """A job that ends, whose designs differ in how long it takes."""
        return isinstance(self.state.problem.job, Train)

    @cached_property
    def slow(self) -> Floats:
        """Time over that at the present values."""
        return np.asarray(_gather(self.factors, self.found.speed) * self.own, np.float64)

    @cached_property
    def same(self) -> Floats:
        """Ones, (settings, 1)."""
        return np.ones((len(self.factors), 1))

    @cached_property
    def more(self) -> Floats:
        """How much more is bought or rented than at the present values."""
        return self.same if self.run or preference(self.state) == MOST else self.slow

    @cached_property
    def horizon(self) -> Floats:
        """Seconds over which is costed."""
        longer = self.run and self.state.problem.request.horizon is None
        return self.found.parts["horizon"] * (self.slow if longer else self.same)

    @cached_property
    def bought(self) -> cost.Capital:
        """Capital as if bought."""
        p, c = self.found.parts, self.state.problem.world.constants
        servers = p["servers"] * _gather(self.factors, self.found.server) * self.more
        network = p["network"] * self.of(NETWORK) * self.more
        stored = cost.storage(servers, network, float(c["storage_share"].value))
        return cost.capital(servers, network, stored, p["building"] * self.of("building_cost") * self.more)

    @cached_property
    def total(self) -> Floats:
        """Cost over the horizon, USD."""
        d, p, c = self.found.designs, self.found.parts, self.state.problem.world.constants
        bill = p["energy_rate"] * self.of("mean_load") * self.of("electricity_price") * self.horizon * self.more
        owned = cost.owning(
            self.bought,
            self.horizon,
            lifetimes=(float(c["chip_lifetime"].value), float(c["building_lifetime"].value)),
            charge_rate=float(c["capital_charge_rate"].value) * self.of("capital_charge_rate"),
            operation_share=float(c["operation_share"].value) * self.of("operation_share"),
            energy=bill,
        )
        rent = d["total"] / p["horizon"] * self.horizon * _gather(self.factors, self.found.rent) * self.more
        return np.where(self.rented, rent, owned.total)

    @cached_property
    def rented(self) -> Bools:
        """The designs that are rented."""
        return np.asarray(self.found.designs["acquire"] == shared.RENT)

    @cached_property
    def capital(self) -> Floats:
        """What is paid for once, USD."""
        return np.where(self.rented, 0.0, self.bought.total)

    @cached_property
    def time(self) -> Floats:
        """Seconds of the whole job."""
        return self.found.designs["time"] * (self.slow if self.run else self.same)

    @cached_property
    def energy(self) -> Floats:
        """Joules over the horizon."""
        rate: Floats = self.found.designs["energy"] / self.found.parts["horizon"]
        return rate * self.of("mean_load") * self.horizon * self.more

    @cached_property
    def carbon(self) -> Floats:
        """Kilograms over the horizon."""
        d = self.found.designs
        each: Floats = d["carbon"] / np.maximum(d["energy"], 1e-300)
        return each * self.energy * self.of("carbon_intensity")

    @cached_property
    def tokens_per_s(self) -> Floats:
        """Tokens a second."""
        rate: Floats = self.found.designs["tokens_per_s"] / self.slow
        return rate


def _gather(factors: Floats, which: Ints) -> Floats:
    """The factor of each design's own lever; 1 where it has none."""
    padded = np.concatenate([factors, np.ones((len(factors), 1))], axis=1)
    return np.asarray(padded[:, which], np.float64)
