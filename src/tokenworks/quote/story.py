"""The one story: request + world -> Quote."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tokenworks import catalog, law, scenario, units, workload
from tokenworks.errors import BadRequest
from tokenworks.language import Text
from tokenworks.quote import facts as ground
from tokenworks.quote import finalists
from tokenworks.quote.design import design, make, said
from tokenworks.quote.uncertain import levers_of, sensitivity, uncertainty
from tokenworks.records import Chip, Fact, Ints, Job, Quote, Request, RunOn, System, Train, World
from tokenworks.search import Found, search, shared
from tokenworks.search.choose import best_of_each, front, preference
from tokenworks.search.offers import hardware, missing, offers
from tokenworks.search.problem import Offer, Problem
from tokenworks.search.run import Scorer
from tokenworks.search.shared import RENT, STANDINGS
from tokenworks.version import VERSION
from tokenworks.workload import Architecture

SCHEMA = "tokenworks/quote/1"
APART_SHOWN = 12
LONGER = 64.0  # times the asked time within which a slower design is looked for
KINDS = ("datacentre", "workstation")

# pass that left nothing -> the limit to loosen, in order of what it would take
BINDING: Mapping[str, tuple[str, ...]] = {
    "candidates": ("make.train.within", "limits.chips_max", "limits.power"),
    "fit": ("memory",),
    "time": (
        "make.train.within",
        "make.serve.ttft_p99",
        "make.serve.tpot_p99",
        "make.run_on.rate",
        "limits.chips_max",
    ),
    "power": ("limits.power",),
    "price": ("limits.budget", "limits.budget.capital", "limits.budget.total"),
    "screen_least": ("law",),
    "screen": ("law",),
}


def quote(request: Request, world: World, exhaustive: bool = False, score: Scorer | None = None) -> Quote:
    """Answer a request in a world: see `answered`."""
    return answered(request, world, exhaustive, score)[0]


def answered(
    request: Request, world: World, exhaustive: bool = False, score: Scorer | None = None
) -> tuple[Quote, Sequence[tuple[Problem, Found]]]:
    """Answer a request in a world, with what each job's search found. exhaustive: the search's bounds are off; the
    answer is the same. score: how the search goes over its blocks (search/run.py), or None.

    Raises UnknownFact for a model, chip or country that the catalog lacks at the date, BadRequest for a date
    before the first rule. "Nothing feasible" is an answer: `infeasible` names the limit and the nearest change.
    """
    started = time.perf_counter()
    world = scenario.applied(world, request.scenarios)
    request = resolved(request, world)
    found = [(problem, search(problem, exhaustive, score=score)) for problem in problems(request, world)]
    chosen = _within_sums(request, found, [finalists.shown(result) for _, result in found])
    shown: list[Mapping[str, Any]] = []
    apart: list[Mapping[str, Any]] = []
    barred: list[Mapping[str, Any]] = []
    product = all(isinstance(job, RunOn) for job in request.jobs)
    facts: dict[str, Fact] = ground.of_place(_carried(world, request.where) if product else world, request.where)
    fronts: list[str] = []
    best: dict[str, str | None] = {"train": None, "serve": None, "run_on": None}
    sure: dict[str, Any] = {}
    turning: dict[str, Any] = {}
    simulated: dict[str, Any] = {}
    for (problem, result), rows in zip(found, chosen, strict=True):
        state = result.state
        rows, own, tried = finalists.chosen(problem, result, rows, len(found) == 1)
        simulated |= {} if tried is None else {make(problem): tried}
        if len(rows):
            moving = levers_of(state)
            sure[make(problem)], shares = uncertainty(state, moving, rows)
            turning[make(problem)] = sensitivity(state, moving, int(rows[0]))
            own = [{**d, "best_share": shares.get(int(r), 0.0)} for d, r in zip(own, rows, strict=True)]
        shown += own
        fronts += _on_front(result, rows, own)
        held = [d for d in own if d.get("simulated", {}).get("holds", True)]
        best[make(problem)] = (held or own)[0]["id"] if own else None
        aside = _apart_rows(result)
        apart += [design(state, int(r)) for r in aside] + _incomplete(problem)
        barred += _barred(problem, result)
        facts |= _used(problem, result, (*rows, *aside))
    content = {
        "schema": SCHEMA,
        "id": _identity(request, world),
        "version": VERSION,
        "request": request.source,
        "world": _known(world),
        "search": {**_search(found), "simulated": sum(s["designs"] for s in simulated.values())},
        "best": best,
        "front": fronts,
        "uncertainty": sure,
        "sensitivity": turning,
        "simulated": simulated,
        "infeasible": _infeasible(found, chosen),
        "designs": shown,
        "apart": apart,
        "barred": barred,
        "facts": {key: ground.plain(facts[key]) for key in sorted(facts)},
    }
    return Quote(content, time.perf_counter() - started), found


def _on_front(found: Found, rows: Ints, own: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ids of the shown designs that are on the front."""
    d = found.state.designs
    edge = {int(r) for r in front(d, preference(found.state))} if len(d) else set()
    return [one["id"] for one, r in zip(own, rows, strict=True) if int(r) in edge]


def _used(problem: Problem, found: Found, rows: Sequence[int]) -> Mapping[str, Fact]:
    """The facts that the designs of the rows rest on."""
    used: dict[str, Fact] = {}
    for row in rows:
        offer = problem.offers[int(found.state.designs["system"][int(row)])]
        used |= ground.of_acquired(problem.world, offer)
    return used


def _known(world: World) -> Mapping[str, Any]:
    return {
        "date": world.date.isoformat(),
        "catalog": world.catalog,
        "law_known_to": world.law_known_to.isoformat(),
        "stale": world.stale,
        "scenarios": list(world.scenarios),
    }


# ---------------------------------------------------------------------------------------- problems


def resolved(request: Request, world: World) -> Request:
    """Names checked against the catalog; chip families spelt out; of the power that a site was promised, what it gets
    there (all, unless a scenario says less)."""
    first = str(world.law["meta"]["known_from"])
    if request.when.isoformat() < first:
        raise BadRequest("'{value}' is before the first rule ({first})", field="when", value=request.when, first=first)
    where = catalog.resolve(world, "sites", request.where, "where")
    for field, country in (
        ("buyer.headquarters", request.buyer.headquarters),
        ("ship_from", request.ship_from),
    ):
        if country is not None:
            catalog.resolve(world, "sites", country, field)
    chips: list[str] = []
    for i, name in enumerate(request.limits.chips):
        chips += [c for c in catalog.expand(world, "chips", name, f"limits.chips.{i}") if c not in chips]
    power = request.limits.power
    power = None if power is None else power * _delivered(world, where)
    return replace(request, where=where, limits=replace(request.limits, chips=tuple(chips), power=power))


def _delivered(world: World, where: str) -> float:
    """The share of its promised power that a site gets."""
    share = world.sites[where].get(ground.DELIVERED)
    return 1.0 if share is None else float(share)


def problems(request: Request, world: World) -> list[Problem]:
    """The request's jobs as the search takes them; the request's names are resolved before."""
    return [_problem(request, world, job) for job in request.jobs]


def architecture(model: Any, world: World, field: str) -> Architecture:
    """The architecture of a catalog id or an inline config. Raises UnknownFact or BadRequest."""
    if isinstance(model, Mapping):
        return workload.read(model["config"], str(model.get("name", "model")), model.get("quantisation"))
    key = catalog.resolve(world, "models", model, field)
    return workload.read(world.models[key].config, key)


def _problem(request: Request, world: World, job: Job) -> Problem:
    field = f"make.{type(job).__name__.lower()}.model"
    arch = architecture(job.model, world, field)
    if isinstance(job, RunOn):
        world = _carried(world, request.where)
        chip = world.chips[catalog.resolve(world, "chips", job.chip, "make.run_on.chip")]
        good, apart = one_chip(chip)
    else:
        good, apart = offers(world, request.limits.chips, KINDS)
    return Problem(request, world, job, arch, good, apart)


def _carried(world: World, where: str) -> World:
    """The world of a product that carries its own chip: no hall, no cooling plant, no storage beside it."""
    source = "definition: a product carries its own chip"
    nothing = {n: Fact(0.0, "share", source) for n in ("storage_share", "storage_power_share")}
    site = world.sites[where]
    alone = {"pue": Fact(1.0, "ratio", source), "building_cost": Fact(0.0, "USD/W", source)}
    sites = {**world.sites, where: replace(site, facts={**site.facts, **alone})}
    return replace(world, sites=sites, constants={**world.constants, **nothing})


def one_chip(chip: Chip) -> tuple[tuple[Offer, ...], Mapping[str, tuple[str, ...]]]:
    """A chip by itself, as a car or a board carries it."""
    one = Fact(1, "count", "definition: one chip by itself", assumed=True)
    lone = {"chips_per_node": one, "unit_chips": one, "scaleup_domain": one, "rack_units": one}
    system = System(chip.id, chip.name, chip.vendor, chip.country, lone, chip=chip.id)
    absent = tuple(n for n in missing(chip, system) if n != "scaleout_bandwidth")
    if absent:
        return (), {chip.id: absent}
    return (Offer(chip, system, hardware(chip, system), 1),), {}


# ------------------------------------------------------------------------------------------- choice


def of_every_system(request: Request, found: Sequence[tuple[Problem, Found]]) -> list[Ints]:
    """The best row of every system that may be offered, per job, shown in a quote or not; best first."""
    rows = []
    for _, result in found:
        some = np.sort(finalists.offered(result))
        d = result.state.designs.take(some) if len(some) else None
        rows.append(some if d is None else some[best_of_each(d, preference(result.state), "system")])
    return _within_sums(request, found, rows)


def _within_sums(request: Request, found: Sequence[tuple[Problem, Found]], rows: list[Ints]) -> list[Ints]:
    """Rows per job. With several jobs the limits hold for the sum: a row stays only if the least the other jobs can
    do with still leaves room for it."""
    if len(rows) < 2 or any(not len(r) for r in rows):
        return rows
    for column, limit in (("power", request.limits.power), ("capital", request.limits.budget)):
        if limit is None:
            continue
        values = [result.state.designs[column][r] for (_, result), r in zip(found, rows, strict=True)]
        least = [float(np.nanmin(v)) for v in values]
        for k, v in enumerate(values):
            rows[k] = rows[k][v <= limit - (sum(least) - least[k])]
        if any(not len(r) for r in rows):
            return [r[:0] for r in rows]
    return rows


def _apart_rows(found: Found) -> Ints:
    """The best of each chip that cannot be compared: verdict open, or a price unknown."""
    d = found.state.designs
    if not len(d):
        return np.zeros(0, np.int64)
    open_ = d["standing"] == STANDINGS.index("apart")
    unpriced = np.isnan(d["total"]) & (preference(found.state) in finalists.NEED_PRICE)
    rows = np.flatnonzero(open_ | unpriced)
    if not len(rows):
        return rows
    best = best_of_each(d.take(rows), "time", "system")
    return np.asarray(rows[best[:APART_SHOWN]], np.int64)


def _incomplete(problem: Problem) -> list[Mapping[str, Any]]:
    """Chips for which a fact is missing without which nothing can be said, as short rows."""
    found: dict[str, tuple[str, ...]] = {}
    for key, names in problem.apart.items():
        chip = problem.world.systems[key].chip if key in problem.world.systems else key
        found.setdefault(chip, names)
    return [
        {
            "make": make(problem),
            "chip": chip,
            "chip_name": problem.world.chips[chip].name,
            "vendor": problem.world.chips[chip].vendor,
            "missing": list(names),
            "warnings": [said(Text("not known: {facts}", (("facts", ", ".join(names)),)))],
        }
        for chip, names in sorted(found.items())
    ]


def _barred(problem: Problem, found: Found) -> list[Mapping[str, Any]]:
    """Chips that the law bars at every size that was judged."""
    by_chip: dict[str, Any] = {}
    followed = law.followed(problem.request.buyer.headquarters or problem.request.where, problem.request.law_followed)
    for (system, chips), verdict in found.state.verdicts.items():
        offer = problem.offers[system]
        if law.standing(verdict, followed) == "barred" and offer.chip.id not in by_chip:
            # judged by itself: a verdict for columns shows the figures of one cell of many
            own = law.judge(shared.shipment(problem, offer, chips), problem.world)
            by_chip[offer.chip.id] = (offer, own)
    return [
        {
            "make": make(problem),
            "chip": key,
            "chip_name": offer.chip.name,
            "vendor": offer.chip.vendor,
            "licence": verdict.licence,
            "review_policy": verdict.review_policy,
            "reasons": [said(r) for r in verdict.reasons],
            "citations": [c.rule for c in verdict.citations],
        }
        for key, (offer, verdict) in sorted(by_chip.items())
    ]


# ------------------------------------------------------------------------------- search, infeasible, id


def _search(found: Sequence[tuple[Problem, Found]]) -> Mapping[str, Any]:
    """How many designs were spanned; cut by which rule or limit; cut by which bound; scored; beaten by another."""

    def total(name: str) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for _, result in found:
            for reason, n in getattr(result.state, name).items():
                counts[reason] = counts.get(reason, 0) + n
        return dict(sorted(counts.items()))

    return {
        "spanned": sum(r.state.spanned for _, r in found),
        "scored": sum(r.state.scored for _, r in found),
        "cut": total("cut"),
        "bounded": total("bounded"),
        "beaten": sum(r.state.beaten for _, r in found),
        "exhaustive": any(r.state.exhaustive for _, r in found),
    }


def _infeasible(found: Sequence[tuple[Problem, Found]], chosen: Sequence[Ints]) -> Mapping[str, Any] | None:
    """What binds and the nearest change that would let a design in; null where every job has a design."""
    for (problem, result), rows in zip(found, chosen, strict=True):
        if len(rows):
            continue
        if not problem.offers:
            why = Text("no chip that is known well enough can be had for {make}", (("make", make(problem)),))
            return {"make": make(problem), "binding": {"limit": "facts", **said(why)}, "nearest": None}
        limit, value = _relaxed(problem) or _nearest(result)
        why = Text("{make}: nothing is left after {limit}", (("make", make(problem)), ("limit", limit)))
        nearest = None
        if value is not None:
            if limit == "limits.power":  # as a request states it: what was promised
                value /= _delivered(problem.world, problem.request.where)
            change = Text(
                "{limit} = {value} would let a design in", (("limit", limit), ("value", _least(limit, value)))
            )
            nearest = {"change": limit, "value": value, **said(change)}
        return {"make": make(problem), "binding": {"limit": limit, **said(why)}, "nearest": nearest}
    return None


def _least(limit: str, value: float) -> str:
    """The value of a limit in the unit that a request states it in, rounded up so that it does let a design in."""
    up = value * 1.0051  # three digits are shown, and none may round below the value
    if limit.startswith("limits.budget"):
        return units.money(up)
    if limit == "limits.power":
        return units.prefixed(up, "W", 4)
    if limit.endswith("within"):
        return units.duration(up)
    return f"{up:.4g}"


def _relaxed(problem: Problem) -> tuple[str, float] | None:
    """The first single limit that, lifted, lets a design in, and the least value that does."""
    limits, job = problem.request.limits, problem.job
    lifted: list[tuple[str, str, Problem]] = []
    for field, column in (("power", "power"), ("budget", "capital"), ("budget_capital", "capital"),
                          ("budget_total", "total"), ("chips_max", "chips")):  # fmt: skip
        if getattr(limits, field) is not None:
            without: dict[str, Any] = {field: None}
            request = replace(problem.request, limits=replace(limits, **without))
            name = f"limits.{field.replace('_', '.', 1)}" if field != "chips_max" else "limits.chips_max"
            lifted.append((name, column, replace(problem, request=request)))
    if isinstance(job, Train) and job.within is not None:
        more = replace(job, within=job.within * LONGER)
        lifted.append(("make.train.within", "time", replace(problem, job=more)))
    for name, column, easier in lifted:
        found = search(easier)
        rows = finalists.offered(found)
        if len(rows):
            values = found.state.designs[column][rows].astype(np.float64)
            renting = found.state.designs["acquire"][rows] == RENT
            if name == "limits.budget":
                values = np.where(renting, found.state.designs["total"][rows], values)
            return name, float(np.nanmin(values))
    return None


def _nearest(result: Found) -> tuple[str, float | None]:
    known = result.state.nearest
    for limit in BINDING.get(result.emptied_by or "", ()):
        if limit in known:
            return limit, known[limit]
    if known:
        limit = list(known)[-1]
        return limit, known[limit]
    return (BINDING.get(result.emptied_by or "", ("law",)) or ("law",))[0], None


def _identity(request: Request, world: World) -> str:
    text = json.dumps([request.source, world.catalog, list(world.scenarios), VERSION], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
