"""One shard of a sweep -> its rows as Parquet bytes. The same shard always gives the same bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tokenworks import catalog
from tokenworks.errors import TokenworksError
from tokenworks.language import Translator
from tokenworks.quote.design import design_id, make
from tokenworks.quote.request import read_request
from tokenworks.quote.story import answered
from tokenworks.quote.uncertain import drawn_winners, levers_of
from tokenworks.records import Quote
from tokenworks.search import Found
from tokenworks.search.problem import Problem
from tokenworks.sweep.plan import Cell, Plan, cells

# column -> (type, meaning); the grid's own fields come before them, as JSON text
COLUMNS: Mapping[str, tuple[Any, str]] = {
    "cell": (pa.int64(), "place in the grid"),
    "draw": (pa.int32(), "0: present values; from 1: a drawn setting of prices, rates and speeds"),
    "catalog": (pa.string(), "folder of own facts; null: ours alone"),
    "date": (pa.string(), "of the request"),
    "where": (pa.string(), "of the request"),
    "quote": (pa.string(), "id of the quote"),
    "make": (pa.string(), "train | serve | run_on"),
    "feasible": (pa.bool_(), "whether a design may be offered"),
    "binding": (pa.string(), "what binds where none is; or the error"),
    "design": (pa.string(), "id of the best design"),
    "chip": (pa.string(), ""),
    "system": (pa.string(), ""),
    "chips": (pa.int64(), ""),
    "standing": (pa.string(), "lawful | licence"),
    "total_usd": (pa.float64(), ""),
    "capital_usd": (pa.float64(), ""),
    "time_s": (pa.float64(), ""),
    "tokens_per_s": (pa.float64(), ""),
    "energy_j": (pa.float64(), ""),
    "carbon_kg": (pa.float64(), ""),
    "power_w": (pa.float64(), "facility peak"),
    "best_share": (pa.float64(), "share of 10,000 draws in which the design is the best one (draw 0 only)"),
}
FIGURES = {"total_usd": "total", "capital_usd": "capital", "time_s": "time", "tokens_per_s": "tokens_per_s",
           "energy_j": "energy", "carbon_kg": "carbon"}  # fmt: skip


def shard(plan: Plan, number: int) -> bytes:
    """The rows of a shard as a Parquet file."""
    facts: dict[str | None, catalog.Catalog] = {}
    rows: list[dict[str, Any]] = []
    for cell in cells(plan, range(number, number + 1)):
        if cell.catalog not in facts:
            facts[cell.catalog] = catalog.load(None if cell.catalog is None else Path(cell.catalog))
        rows += _rows(cell, facts[cell.catalog], plan.draws)
    names = {**{name: pa.string() for name in plan.grid}, **{name: kind for name, (kind, _) in COLUMNS.items()}}
    table = pa.table(
        {name: pa.array([row.get(name) for row in rows], type=kind) for name, kind in names.items()},
    )
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def _rows(cell: Cell, facts: catalog.Catalog, draws: int) -> list[dict[str, Any]]:
    """The rows of a cell: the present values, then the draws; one error row where the cell makes no request."""
    shared: dict[str, Any] = {name: json.dumps(value, sort_keys=True) for name, value in cell.values.items()}
    shared |= {"cell": cell.number, "catalog": cell.catalog}
    try:
        request = read_request(cell.request)
        shared |= {"date": request.when.isoformat(), "where": request.where}
        quote, found = answered(request, catalog.world(facts, request.when))
    except TokenworksError as error:
        said = Translator("en").say(error.text)
        return [{**shared, "draw": 0, "feasible": False, "binding": f"{error.field}: {said}" if error.field else said}]
    rows: list[dict[str, Any]] = []
    for problem, result in found:
        rows.append({**shared, "draw": 0, **_present(quote, problem)})
        rows += [{**shared, "draw": k + 1, "quote": quote.id, **row} for k, row in enumerate(_drawn(result, draws))]
    return rows


def _present(quote: Quote, problem: Problem) -> dict[str, Any]:
    """The best design of a job with the present values."""
    kind, content = make(problem), quote.content
    best = next((d for d in content["designs"] if d["id"] == content["best"][kind]), None)
    if best is None:
        bound = content["infeasible"]["binding"]["limit"] if content["infeasible"] else None
        return {"quote": quote.id, "make": kind, "feasible": False, "binding": bound}
    predicted = best["predicted"]
    return {
        "quote": quote.id,
        "make": kind,
        "feasible": True,
        "design": best["id"],
        "standing": best["law"]["standing"],
        "total_usd": best["cost"]["total_usd"],
        "capital_usd": best["cost"]["capital_usd"],
        "time_s": predicted["time_s"]["value"] if "time_s" in predicted else best["cost"]["horizon_s"],
        "tokens_per_s": predicted["tokens_per_s"]["value"],
        **{k: best[k] for k in ("chip", "system", "chips", "energy_j", "carbon_kg", "power_w", "best_share")},
    }


def _drawn(result: Found, draws: int) -> list[dict[str, Any]]:
    """The best design of a job in each draw."""
    state = result.state
    if not draws:
        return []
    kind = make(state.problem)
    if not len(state.designs):
        return [{"make": kind, "feasible": False, "binding": result.emptied_by}] * draws
    won = drawn_winners(state, levers_of(state), draws, tuple(FIGURES.values()))
    ids = {int(r): design_id(state, int(r)) for r in np.unique(won.winner[won.winner >= 0])}
    rows: list[dict[str, Any]] = []
    for k, row in enumerate(won.winner.tolist()):
        if row < 0:
            rows.append({"make": kind, "feasible": False, "binding": "limits"})
            continue
        offer = state.problem.offers[int(state.designs["system"][row])]
        rows.append({
            "make": kind, "feasible": True, "design": ids[row], "chip": offer.chip.id, "system": offer.system.id,
            "chips": int(state.designs["chips"][row]), "power_w": float(state.designs["power"][row]),
            "standing": ("lawful", "licence")[int(state.designs["standing"][row])],
            **{name: float(won.values[column][k]) for name, column in FIGURES.items()},
        })  # fmt: skip
    return rows
