"""Which designs a job shows, and which one is called best: serving finalists are simulated in the exact order."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tokenworks.language import text
from tokenworks.quote.confirm import REQUESTS, confirm
from tokenworks.quote.design import design, said
from tokenworks.records import Ints, Serve
from tokenworks.search import Found, serving
from tokenworks.search.choose import LATENCIES, MOST, best_of_each, front, preference, ranked
from tokenworks.search.problem import Problem
from tokenworks.search.shared import STANDINGS

SHOWN = 16  # best design of each system that a job shows
FRONT_SHOWN = 6  # and further ones from the front
NEED_PRICE = ("cost", MOST)  # what cannot be judged without a price
OFFERED = (STANDINGS.index("lawful"), STANDINGS.index("licence"))
TRIED = 8  # designs that are simulated before the search's own order stands
TRIED_ON_TRACE = 24  # where lengths and bursts are as they came, more of them miss
FLEET = ("replicas", "tp", "pp", "dp", "ep", "draft", "precision", "pool_replicas", "pool_tp", "pool_pp", "pool_dp",
         "pool_ep")  # fmt: skip  # columns that tell apart what is simulated


class Chosen(NamedTuple):
    """The rows to show, the one that is called best first; their designs; how many were simulated until one held
    its service level (None: nothing to simulate)."""

    rows: Ints
    designs: list[Mapping[str, Any]]
    simulated: Mapping[str, Any] | None


def offered(found: Found) -> Ints:
    """All rows that may be offered, lawful ones before those that need a licence, in the exact order."""
    d, prefer = found.state.designs, preference(found.state)
    if not len(d):
        return np.zeros(0, np.int64)
    comparable = np.isfinite(d["total"]) | (prefer not in NEED_PRICE)
    rows = np.flatnonzero(np.isin(d["standing"], OFFERED) & comparable)
    order = rows[ranked(d.take(rows), prefer)] if len(rows) else rows
    return np.asarray(order[np.argsort(d["standing"][order], kind="stable")], np.int64)


def shown(found: Found) -> Ints:
    """Rows to show of those that may be offered: the best of each system, then the front; of a served load also the
    best of each way, together and in separate pools, and the soonest ones of the front."""
    order, prefer = offered(found), preference(found.state)
    if not len(order):
        return order
    some = found.state.designs.take(order)
    each, edge = best_of_each(some, prefer, "system"), front(some, prefer)
    wanted = [*each[:SHOWN], *edge[:FRONT_SHOWN]]
    if "pool_replicas" in some.columns:
        apart = some["pool_replicas"] > 0
        wanted += [np.flatnonzero(way)[0] for way in (apart, ~apart) if way.any()]
        wanted += [edge[np.argmin(some[name][edge])] for name in LATENCIES if len(edge)]
    unique = sorted({int(r) for r in wanted})
    return np.asarray(order[unique], np.int64)


def chosen(problem: Problem, found: Found, rows: Ints, alone: bool) -> Chosen:
    """The designs of the rows. Serving ones are simulated in the exact order, best first, until one holds: it is
    called best. alone: the request's only job, so that the limits leave the whole order open (else: `rows`)."""
    if not isinstance(problem.job, Serve) or not len(rows):
        return Chosen(rows, [design(found.state, int(r)) for r in rows], None)
    tried: dict[int, Mapping[str, Any]] = {}
    results: dict[Hashable, Mapping[str, Any]] = {}
    winner: int | None = None
    tries = TRIED if problem.job.trace is None else TRIED_ON_TRACE
    for row in (offered(found) if alone else rows).tolist():
        key = _fleet(problem, found, row)
        if key not in results and len(results) == tries:
            break
        one = design(found.state, row)
        results.setdefault(key, _simulated(problem, found, row, one))
        tried[row] = {**one, "simulated": results[key]}
        if results[key]["holds"]:
            winner = row
            break
    first = [] if winner is None else [winner]
    whole = np.array([*first, *(r for r in rows.tolist() if r != winner)], np.int64)
    worse = said(text("one by one, simulated requests miss the service level: it is not called best"))
    made = []
    for row in whole.tolist():
        one = tried.get(row) or design(found.state, row)
        missed = not one.get("simulated", {"holds": True})["holds"]
        made.append({**one, "warnings": [*one["warnings"], worse]} if missed else one)
    most = REQUESTS if problem.job.trace is None else max(r["requests"] for r in results.values())
    count = {"designs": len(results), "requests": most, "held": winner is not None}
    return Chosen(whole, made, count)


def _fleet(problem: Problem, found: Found, row: int) -> Hashable:
    """What tells one simulation from another: chips, splits, workers."""
    d = found.state.designs
    offer = problem.offers[int(d["system"][row])]
    rate = float(d["tokens_per_s"][row])
    return (offer.chip.id, float(offer.hardware.scaleup_domain), rate, *(int(d[n][row]) for n in FLEET))


def _simulated(problem: Problem, found: Found, row: int, one: Mapping[str, Any]) -> Mapping[str, Any]:
    columns = found.state.designs.take(np.array([row]))
    offer = problem.offers[int(columns["system"][0])]
    precision = serving.PRECISIONS[int(columns["precision"][0])]
    replica = serving.replica(problem, columns, offer, precision)
    apart = one["pools"] is not None
    early = serving.prefill_worker(problem, columns, offer, precision) if apart else None
    assert isinstance(problem.job, Serve)  # a contract of `chosen`
    return confirm(one, replica, early, problem.job.trace)
