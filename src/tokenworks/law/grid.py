"""Verdicts for many shipments at once: every distinct question is judged once, by the one `judge`, and gathered.

What the rules can tell apart is few: the class of an item, of a country, the kind of buyer, the use, some amounts,
the days between two changes. Cells that agree in all of these have the same verdict; so a million cells are some
tens of thousands of questions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.law import end_use, party, possible
from tokenworks.law.asked import ANYBODY, UNKNOWN, addressees, exporter_of, fill
from tokenworks.law.dated import change_dates
from tokenworks.law.item import Item
from tokenworks.law.judge import answered
from tokenworks.law.place import HOME
from tokenworks.records import Buyer, Shipment, Verdict, World

Codes = NDArray[np.int64]
FIELDS = ("chip", "destination", "on", "quantity", "headquarters", "kind", "name", "use", "exporter", "ship_from",
          "scenario")  # fmt: skip
_DEFAULTS: Mapping[str, Any] = {"quantity": 1, "scenario": "actual"}  # every other field: None, not said


@dataclass(frozen=True)
class Cells:
    """Shipments as columns: for every field its distinct values, and for every cell which of them it has."""

    values: Mapping[str, tuple[Any, ...]]
    codes: Mapping[str, Codes]

    def __len__(self) -> int:
        return len(self.codes["chip"])

    def shipment(self, cell: int) -> Shipment:
        """One cell as a shipment."""
        v = {name: self.values[name][int(self.codes[name][cell])] for name in FIELDS}
        return Shipment(
            v["chip"], v["destination"], v["on"], v["ship_from"], v["exporter"],
            Buyer(v["kind"], v["headquarters"], v["name"]), v["use"], v["quantity"], v["scenario"],
        )  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """Verdicts of cells: `verdicts[code[i]]` is that of cell i.

    The verdict was given for one cell of those that the rules do not tell apart: licence, ECCN, exception, review
    policy, citations and conditions are the cell's own; figures and names in its reasons are of that one cell.
    """

    verdicts: tuple[Verdict, ...]
    code: Codes

    def column(self, field: str) -> NDArray[np.object_]:
        """A field of the verdict (licence, eccn, exception, review_policy, stale) for every cell."""
        found = np.array([getattr(v, field) for v in self.verdicts], dtype=object)
        gathered: NDArray[np.object_] = found[self.code]
        return gathered


def cells(**columns: Sequence[Any]) -> Cells:
    """Cells from columns of equal length, one entry a cell; fields that are not given are not said.

    Raises BadRequest for a field that a shipment does not have and for columns of different length.
    """
    _known(columns)
    if len({len(c) for c in columns.values()}) > 1:
        raise BadRequest("expected columns of equal length", field="cells")
    count = len(columns["chip"])
    values: dict[str, tuple[Any, ...]] = {}
    codes: dict[str, Codes] = {}
    for name in FIELDS:
        if name not in columns:
            values[name], codes[name] = (_DEFAULTS.get(name),), np.zeros(count, np.int64)
            continue
        index: dict[Any, int] = {}
        codes[name] = np.fromiter((index.setdefault(v, len(index)) for v in columns[name]), np.int64, count)
        values[name] = tuple(index)
    return Cells(values, codes)


def every(**axes: Sequence[Any]) -> Cells:
    """Cells for every combination of the values of the axes, the last axis fastest. Raises BadRequest as `cells`."""
    _known(axes)
    grid = np.indices([len(a) for a in axes.values()]).reshape(len(axes), -1)
    values = {name: tuple(axes[name]) if name in axes else (_DEFAULTS.get(name),) for name in FIELDS}
    own = dict(zip(axes, grid, strict=True))
    none = np.zeros(grid.shape[1], np.int64)
    return Cells(values, {name: own.get(name, none).astype(np.int64) for name in FIELDS})


def _known(columns: Mapping[str, Sequence[Any]]) -> None:
    for name in columns:
        if name not in FIELDS:
            raise not_allowed("cells", name, FIELDS)
    for name in ("chip", "destination", "on"):
        if name not in columns:
            raise BadRequest("expected the field '{name}' at the top", field="cells", name=name)


def judge_many(asked: Cells, world: World) -> Judged:
    """The verdict of every cell. Raises what `judge` raises for any of them."""
    tables = _Tables(asked, world)
    codes = tables.codes
    keys = np.zeros(len(asked), np.int64)
    for column in codes:
        keys = keys * (int(column.max(initial=0)) + 1) + column
        # numbered anew after every step, so that the product of radices stays far from 2^63
        keys = np.unique(keys, return_inverse=True)[1].reshape(-1).astype(np.int64)
    _, first, code = np.unique(keys, return_index=True, return_inverse=True)
    verdicts = tuple(_one(asked.shipment(int(k)), tables, world) for k in first)
    return Judged(verdicts, code.reshape(-1).astype(np.int64))


def _one(shipment: Shipment, tables: _Tables, world: World) -> Verdict:
    asked, assumed = fill(shipment, world, tables.item(shipment))
    return answered(asked, assumed, tables.possible(asked.item, shipment), world)


class _Tables:
    """What the rules tell apart: for every column of cells its class between two changes of the law.

    Lives for one call; the classes are numbered as they are met.
    """

    def __init__(self, asked: Cells, world: World) -> None:
        self.law, self.world = world.law, world
        self.where = possible.mentions(world.law)
        self.chips = possible.mentions(world.law, frozenset(world.chips))
        self.addressed = addressees(world.law)
        self.found: dict[Hashable, tuple[Item, ...]] = {}
        self.numbers: dict[Hashable, int] = {}
        self.classes: dict[Hashable, tuple[Hashable, Hashable]] = {}
        self.items: dict[str, Item] = {}
        self.bounds = _bounds(asked, world)
        days = asked.values["on"]
        period = np.searchsorted(self.bounds, np.array(days, "datetime64[D]"), side="right")
        self.first_day = {int(p): min(d for d, q in zip(days, period, strict=True) if q == p) for p in set(period)}
        self.periods, local = np.unique(period, return_inverse=True)
        at = local.reshape(-1)[asked.codes["on"]]
        self.codes = self._columns(asked, at.astype(np.int64))

    def _columns(self, asked: Cells, at: Codes) -> tuple[Codes, ...]:
        v, c = asked.values, asked.codes
        # only the pairs that are asked about: chips x quantities can be hundreds of times as many
        asked_pairs, place = np.unique(c["chip"] * len(v["quantity"]) + c["quantity"], return_inverse=True)
        pairs = [(v["chip"][k // len(v["quantity"])], v["quantity"][k % len(v["quantity"])]) for k in asked_pairs]
        thing = self._table(pairs, self._item)[at, place.reshape(-1)]
        to = self._table(v["destination"], self._country)[at, c["destination"]]
        stated = np.array([h is not None for h in v["headquarters"]])[c["headquarters"]]
        owner = np.where(stated, self._table(v["headquarters"], self._country)[at, c["headquarters"]], to)
        origin = self._table(v["chip"], self._origin)[at, c["chip"]]
        given = np.array([s is not None for s in v["ship_from"]])[c["ship_from"]]
        source = np.where(given, self._table(v["ship_from"], self._country)[at, c["ship_from"]], origin)
        maker = self._table(v["chip"], self._vendor)[at, c["chip"]]
        says = np.array([e is not None for e in v["exporter"]])[c["exporter"]]
        exporter = np.where(says, self._table(v["exporter"], self._addressee)[at, c["exporter"]], maker)
        return (at, thing, to, owner, source, exporter, *(c[n] for n in ("kind", "name", "use", "scenario")))

    def _table(self, values: Iterable[Any], of: Any) -> Codes:
        """Class numbers by period and value."""
        listed = list(values)
        days = [self.first_day[int(p)] for p in self.periods]
        return np.array([[self._number(of(v, d)) for v in listed] for d in days], np.int64)

    def _number(self, what: Hashable) -> int:
        return self.numbers.setdefault(what, len(self.numbers))

    def _country(self, country: str | None, on: dt.date) -> Hashable:
        if country is None or country not in self.where:
            return ("country", country)
        return ("country", *possible.country_class(country, self.where, on))

    def _origin(self, chip: str, on: dt.date) -> Hashable:
        known = self.world.chips.get(chip)
        return self._country(known.country if known is not None else HOME, on)

    def _addressee(self, exporter: str | None, on: dt.date) -> Hashable:
        said = exporter_of("exporter", exporter or ANYBODY, self.law)
        return ("exporter", said if said in self.addressed or said == UNKNOWN else ANYBODY)

    def _vendor(self, chip: str, on: dt.date) -> Hashable:
        known = self.world.chips.get(chip)
        return self._addressee(known.vendor if known is not None else "", on)

    def _item(self, pair: tuple[str, int], on: dt.date) -> Hashable:
        chip, quantity = pair
        shipment = Shipment(chip, HOME, on, quantity=quantity)
        if chip not in self.items:
            self.items[chip] = fill(shipment, self.world)[0].item
        item = self.items[chip]
        key = self._key(item, shipment)
        if key not in self.classes:
            ways = self.possible(item, shipment)
            profiles = frozenset(possible.profile(way, self.law, on, quantity) for way in ways)
            named = possible.named_on(chip, self.chips, on) if chip in self.chips else ()
            self.classes[key] = (profiles, named)
        grants = tuple(quantity <= g["quantity"] for g in self.law["policy"]["grants"])
        return ("item", *self.classes[key], end_use.large_enough(item, quantity, self.law), grants)

    def item(self, shipment: Shipment) -> Item | None:
        """The item of a chip, found once."""
        return self.items.get(shipment.chip)

    def possible(self, item: Item, shipment: Shipment) -> tuple[Item, ...]:
        """The item in every way that it may be on the day, found once for a period."""
        key = self._key(item, shipment)
        if key not in self.found:
            self.found[key] = possible.possible_items(item, self.law, shipment.on, shipment.quantity)
        return self.found[key]

    def _key(self, item: Item, shipment: Shipment) -> Hashable:
        """All of a shipment that matters to the ways that its item may be and to their profiles: of how many there are
        the side of the volumes that the rules know, or the number where an unknown TPP is tried on both sides."""
        period = int(np.searchsorted(self.bounds, np.datetime64(shipment.on), side="right"))
        n = shipment.quantity
        return shipment.chip, period, n if item.tpp is None else possible.amounts(item, self.law, n)


def _bounds(asked: Cells, world: World) -> NDArray[np.datetime64]:
    """Every day on which a verdict may change: the law's own, the horizon, the listings of the named buyers."""
    days = {*change_dates(world.law), world.law_known_to + dt.timedelta(days=1)}
    days.add(dt.date.fromisoformat(str(world.law["meta"]["known_from"])))
    for name in asked.values["name"]:
        hits = party.screen(name, world.law, dt.date.max) if name else ()
        days.update(dt.date.fromisoformat(h.party.since) for h in hits if h.party.since)
    return np.array(sorted(days), "datetime64[D]")
