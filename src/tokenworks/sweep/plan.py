"""A sweep file -> the cells of its grid and their shards."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenworks import files
from tokenworks.errors import BadRequest, nearest
from tokenworks.quote.request import inline_files, read_request

FIELDS = ("request", "grid", "catalogs", "draws", "cells_per_shard")
CELLS_MAX = 10_000_000
DRAWS_MAX = 100_000
PER_SHARD = 8


@dataclass(frozen=True)
class Plan:
    """A sweep: the request that is varied, the values of each varied field, the worlds, the draws.

    grid: dotted path of a request field -> its values. catalogs: folders of own facts, None for ours alone. draws:
    settings of prices, rates and speeds per cell, beside the present ones. Models are inlined: a worker reads no file
    but a catalog.
    """

    request: Mapping[str, Any]
    grid: Mapping[str, tuple[Any, ...]]
    catalogs: tuple[str | None, ...] = (None,)
    draws: int = 0
    per_shard: int = PER_SHARD

    @property
    def count(self) -> int:
        """Cells: combinations of the grid's values and the worlds."""
        n = len(self.catalogs)
        for values in self.grid.values():
            n *= len(values)
        return n

    @property
    def shards(self) -> int:
        """Files that the result is kept in."""
        return -(-self.count // self.per_shard)

    def identity(self, facts: str) -> str:
        """Names exactly this sweep over exactly these facts."""
        content = [self.request, list(self.grid.items()), self.catalogs, self.draws, self.per_shard, facts]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Cell:
    """One request in one world. values: what the grid set, by path."""

    number: int
    catalog: str | None
    values: Mapping[str, Any]
    request: Mapping[str, Any]


def read_plan(path: Path) -> Plan:
    """Read a sweep file. Raises BadRequest naming the field, also where a cell makes no request."""
    raw = files.load(path)
    if not isinstance(raw, Mapping) or "request" not in raw:
        raise BadRequest("expected the field '{name}' at the top", field=str(path), name="request")
    for name in raw:
        if name not in FIELDS:
            raise BadRequest("'{value}' is not a field; did you mean '{nearest}'?", field=str(name), value=name,
                             nearest=nearest(str(name), FIELDS) or FIELDS[0])  # fmt: skip
    base = raw["request"]
    folder = path.parent
    if isinstance(base, str):
        folder = (folder / base).parent
        base = files.load(path.parent / base)
    if not isinstance(base, Mapping):
        raise BadRequest("expected a request file or its fields", field="request")
    plan = Plan(
        request=inline_files(base, folder),
        grid=_grid(raw.get("grid") or {}, folder),
        catalogs=tuple(
            None if c is None else str((path.parent / str(c)).resolve()) for c in raw.get("catalogs") or [None]
        ),
        draws=_whole(raw, "draws", 0, 0, DRAWS_MAX),
        per_shard=_whole(raw, "cells_per_shard", PER_SHARD, 1, CELLS_MAX),
    )
    if plan.count > CELLS_MAX:
        raise BadRequest("{n} cells; at most {most} are answered", field="grid", n=plan.count, most=CELLS_MAX)
    read_request(next(iter(cells(plan, range(1)))).request)
    return plan


def _grid(raw: Any, folder: Path) -> Mapping[str, tuple[Any, ...]]:
    if not isinstance(raw, Mapping):
        raise BadRequest("expected request fields with lists of values", field="grid")
    found: dict[str, tuple[Any, ...]] = {}
    for name, values in raw.items():
        if not isinstance(values, list) or not values:
            raise BadRequest("expected a list of values", field=f"grid.{name}")
        if str(name).startswith("make.") and str(name).endswith(".model"):
            job = str(name).split(".")[1]
            values = [inline_files({"make": {job: {"model": v}}}, folder)["make"][job]["model"] for v in values]
        found[str(name)] = tuple(values)
    return found


def _whole(raw: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = raw.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadRequest(
            "'{value}' is out of range; allowed: {low} to {high}", field=name, value=value, low=low, high=high
        )
    return value


def cells(plan: Plan, shards: range) -> list[Cell]:
    """The cells of some shards, in the order of the grid: the last field varies fastest."""
    first, last = shards.start * plan.per_shard, min(shards.stop * plan.per_shard, plan.count)
    ways = itertools.product(plan.catalogs, *plan.grid.values())
    found = []
    for number, way in enumerate(itertools.islice(ways, first, last), start=first):
        values = dict(zip(plan.grid, way[1:], strict=True))
        request: Any = plan.request
        for name, value in values.items():
            request = _with(request, name.split("."), value, name)
        found.append(Cell(number, way[0], values, request))
    return found


def _with(node: Any, path: list[str], value: Any, name: str) -> Any:
    """A copy with one field set."""
    if not isinstance(node, Mapping):
        raise BadRequest("no such field in the request", field=f"grid.{name}")
    if len(path) == 1:
        return {**node, path[0]: value}
    return {**node, path[0]: _with(node.get(path[0], {}), path[1:], value, name)}
