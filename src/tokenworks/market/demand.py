"""A demand document -> Demand: groups of equal buyers, each with the request that one of them would ask."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.quote import read_request
from tokenworks.records import Request, World

TOP = frozenset({"title", "title_zh", "source", "assumed", "buyers"})
FIELDS = frozenset({"name", "name_zh", "copies", "request", "source", "assumed"})
BUYERS_MAX = 500
COPIES_MAX = 1_000_000


@dataclass(frozen=True)
class BuyerGroup:
    """`copies` buyers who each ask the same request."""

    name: str
    copies: float
    request: Request
    name_zh: str = ""  # what they are called in 繁體中文; "": by their name

    @property
    def quarter(self) -> str:
        """The calendar quarter in which they buy: 2025-Q2."""
        day = self.request.when
        return f"{day.year}-Q{(day.month + 2) // 3}"


@dataclass(frozen=True)
class Demand:
    """All buyers, and on whose word."""

    title: str
    source: str
    assumed: bool
    buyers: tuple[BuyerGroup, ...]
    title_zh: str = ""


def read(document: Any, name: str) -> Demand:
    """Read a demand document: {title, source, assumed, buyers: [{name, copies, request}]}, or a bare list of requests
    (one buyer each). Raises BadRequest naming the field."""
    if isinstance(document, list):
        document = {"buyers": [{"request": row} for row in document], "source": name}
    if not isinstance(document, Mapping):
        raise BadRequest("expected the field '{name}' at the top", field=name, name="buyers")
    for key in document:
        if key not in TOP:
            raise not_allowed(f"{name}.{key}", key, TOP)
    rows = document.get("buyers")
    if not isinstance(rows, list) or not 0 < len(rows) <= BUYERS_MAX:
        raise BadRequest("expected a list of 1 to {most} buyers", field=f"{name}.buyers", most=BUYERS_MAX)
    buyers = tuple(_buyer(row, f"{name}.buyers.{i}", i) for i, row in enumerate(rows))
    names = [b.name for b in buyers]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise BadRequest("the buyer '{value}' stands twice", field=f"{name}.buyers", value=twice)
    return Demand(
        str(document.get("title", name)),
        str(document.get("source", "")),
        bool(document.get("assumed", True)),
        buyers,
        str(document.get("title_zh", "")),
    )


def by_day(demand: Demand, world: Callable[[dt.date], World]) -> Callable[[BuyerGroup], World]:
    """The world of each buyer's day, one world a day. world: the facts as they stood on a day."""
    worlds = {day: world(day) for day in {b.request.when for b in demand.buyers}}
    return lambda group: worlds[group.request.when]


def _buyer(row: Any, where: str, index: int) -> BuyerGroup:
    if not isinstance(row, Mapping):
        raise BadRequest("expected fields by name, read '{value}'", field=where, value=row)
    for key in row:
        if key not in FIELDS:
            raise not_allowed(f"{where}.{key}", key, FIELDS)
    copies = row.get("copies", 1)
    if isinstance(copies, bool) or not isinstance(copies, int | float) or not 0 < copies <= COPIES_MAX:
        raise BadRequest("expected a number above 0, read '{value}'", field=f"{where}.copies", value=copies)
    try:
        request = read_request(row.get("request"))
    except BadRequest as error:
        raise BadRequest(error.text.template, field=f"{where}.{error.field}", **dict(error.text.values)) from error
    return BuyerGroup(str(row.get("name", f"buyer {index + 1}")), float(copies), request, str(row.get("name_zh", "")))
