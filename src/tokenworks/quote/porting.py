"""How well a model fits each chip: what it costs to serve and to train there whatever the law says, what the law
says, and what the model would have to change to suit the chip, with what it would gain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tokenworks import catalog, law
from tokenworks.quote import facts as ground
from tokenworks.quote.design import design, make
from tokenworks.quote.story import KINDS, architecture, resolved
from tokenworks.records import Buyer, Chip, Limits, Request, Serve, Shipment, Train, World
from tokenworks.search.offers import offers
from tokenworks.search.problem import Problem, State
from tokenworks.search.run import search, unscreened
from tokenworks.search.software import serving, training
from tokenworks.workload import parameters, weight_bytes
from tokenworks.workload.architecture import Architecture
from tokenworks.workload.variants import Variant, mixtures, variants

SCHEMA = "tokenworks/porting/1"
MILLION = 1e6
DEGREES = ("tp", "pp", "cp", "ep")  # how a model is split over the chips of a replica
DAY = 86400.0
NOTICED = 0.005  # share of the cost from which a change is called a gain


@dataclass(frozen=True, slots=True)
class Ask:
    """A model, where it is to be made and served, on which chips (ids or aliases), for what load, on how many tokens.

    Serving is judged at the most that `chips_max` chips give under the service levels, training at `tokens`
    within `within` seconds.
    """

    model: Any
    where: str = "CN"
    chips: tuple[str, ...] = ()
    tokens: float = 1e12
    within: float = 100 * DAY
    chips_max: int = 512
    input: int = 2000
    output: int = 1000
    ttft_p99: float = 2.0
    tpot_p99: float = 0.1
    makes: tuple[str, ...] = ("serve", "train")
    buyer: Buyer = field(default_factory=Buyer)


def porting(ask: Ask, worlds: Iterable[World]) -> Mapping[str, Any]:
    """One table a world (a date, a scenario). Raises UnknownFact for a model, chip or country the catalog lacks."""
    return {"schema": SCHEMA, "where": ask.where, "tables": [_table(ask, world) for world in worlds]}


def _table(ask: Ask, world: World) -> Mapping[str, Any]:
    arch = architecture(ask.model, world, "model")
    present, later = launched(world, ask.chips, "--chip")
    judged = [_judged(ask, world, arch, chip) for chip in present]
    rows = _with_degrees(judged)
    where = catalog.resolve(world, "sites", ask.where, "--where")
    facts = dict(ground.of_place(world, where))
    for row in rows:
        facts |= {f"chips/{row['chip']}/{name}": fact for name, fact in world.chips[row["chip"]].facts.items()}
    for problem in (p for each in judged for p in each.jobs.values()):
        for offer in problem.offers:
            facts |= ground.of_acquired(world, offer)
    return {
        "date": world.date.isoformat(),
        "scenarios": list(world.scenarios),
        "model": arch.name,
        "parameters": {"total": parameters(arch).total, "active": parameters(arch).active},
        "precision": arch.weight_precision,
        "makes": list(ask.makes),
        "chips": rows,
        "later": later,
        "facts": {key: ground.plain(facts[key]) for key in sorted(facts)},
    }


def launched(world: World, names: Iterable[str], field_name: str) -> tuple[list[str], list[str]]:
    """The ids of the chips named that are there on the world's date, and the names of those that are not yet.
    Raises UnknownFact for a name that the catalog lacks."""
    found: list[str] = []
    later: list[str] = []
    for i, name in enumerate(names):
        ids = world.aliases["chips"].get(catalog.fold(name), ())
        if ids and not any(c in world.chips for c in ids):
            later.append(name)
            continue
        found += [c for c in catalog.expand(world, "chips", name, f"{field_name}.{i}") if c not in found]
    return found, later


@dataclass(frozen=True, slots=True)
class _Judged:
    """A chip's row of the table, and the jobs as the search took them."""

    row: Mapping[str, Any]
    jobs: Mapping[str, Problem]


def _judged(ask: Ask, world: World, arch: Architecture, chip_id: str) -> _Judged:
    chip = world.chips[chip_id]
    request = resolved(_request(ask, world, chip_id), world)
    jobs = {make(p): p for p in _problems(request, world, arch, ask.chips_max)}
    some = next(iter(jobs.values()))
    domain = max((o.hardware.scaleup_domain for o in some.offers), default=int(chip.get("scaleup_domain") or 1))
    row: dict[str, Any] = {
        "chip": chip_id,
        "chip_name": chip.name,
        "vendor": chip.vendor,
        "country": chip.country,
        "missing": [] if some.offers else sorted({n for names in some.apart.values() for n in names}) or ["system"],
        "fit": _fit(arch, chip, domain),
        "serve": None,
        "train": None,
        "law": _law(world, request, chip_id),
        "changes": [],
        "degrees": [],
    }
    for name, problem in jobs.items():
        best = _best(problem)
        if best is None:
            continue
        row[name] = best
        row["changes"] += _changes(problem, best, chip, domain)
    return _Judged(row, jobs)


def _request(ask: Ask, world: World, chip: str) -> Request:
    jobs = []
    if "serve" in ask.makes:
        jobs.append(Serve(ask.model, None, ask.input, ask.output, ask.ttft_p99, ask.tpot_p99))
    if "train" in ask.makes:
        jobs.append(Train(ask.model, ask.tokens, within=ask.within))  # type: ignore[arg-type]
    return Request(tuple(jobs), ask.where, world.date, buyer=ask.buyer, limits=Limits(chips=(chip,)))


def _problems(request: Request, world: World, arch: Architecture, most: int) -> list[Problem]:
    """The jobs as the search takes them; serving at the most that `most` chips give."""
    good, apart = offers(world, request.limits.chips, KINDS)
    found = []
    for job in request.jobs:
        limits = replace(request.limits, chips_max=most) if isinstance(job, Serve) else request.limits
        found.append(Problem(replace(request, limits=limits), world, job, arch, good, apart))
    return found


def _best(problem: Problem) -> Mapping[str, Any] | None:
    """The cheapest design per token on this chip, as if no rule stood in the way; unpriced ones by chip-seconds."""
    state = search(problem, screen=unscreened).state
    if not len(state.designs):
        return None
    row = _cheapest(state)
    one = design(state, row)
    cost = one["cost"]
    return {
        **one,
        "bars": one.get("bars"),  # null where no residuals of runs like this one exist
        "total_usd": cost["total_usd"],
        "known_usd": cost["known_usd"],
        "per_million_tokens_usd": cost["per_million_tokens_usd"],
        "chip_seconds_per_million_tokens": _chip_seconds(state)[row],
    }


def _chip_seconds(state: State) -> Any:
    """Chip-seconds for a million tokens, a value a row; shape (designs,)."""
    d = state.designs
    return d["chips"] / d["tokens_per_s"] * MILLION


def _cheapest(state: State) -> int:
    d = state.designs
    per_token = d["total"] / d["tokens_per_s"] if isinstance(state.problem.job, Serve) else d["total"]
    if np.isfinite(per_token).any():
        return int(np.nanargmin(per_token))
    return int(np.argmin(_chip_seconds(state)))


def _law(world: World, request: Request, chip: str) -> Mapping[str, Any]:
    """What the law says of one chip shipped there."""
    verdict = law.judge(Shipment(chip, request.where, world.date, buyer=request.buyer), world)
    followed = law.followed(request.buyer.headquarters or request.where, None)
    return {
        "standing": law.standing(verdict, followed),
        "licence": verdict.licence,
        "review_policy": verdict.review_policy,
        "citations": [c.rule for c in verdict.citations],
    }


# --------------------------------------------------------------------------------------------------- fit


def _fit(arch: Architecture, chip: Chip, domain: int) -> Mapping[str, Any]:
    """Precision, memory, kernels and scale-up domain: does the chip take the model as it was published?"""
    name = arch.weight_precision
    peak = "fp8" if name.startswith(("fp8", "mxfp8")) else "fp4" if name.endswith("fp4") else name
    known = [p for p in ("fp4", "fp8", "int8", "bf16", "fp16") if chip.get(f"peak_{p}")]
    native = peak in known or (peak == "bf16" and "fp16" in known)
    memory = chip.get("memory")
    weights = {p: weight_bytes(arch, p) for p in dict.fromkeys((name, "bf16", "int8"))}
    held = {p: math.ceil(b / float(memory)) for p, b in weights.items()} if memory else {}
    experts = max((m.experts for m in mixtures(arch)), default=0)
    return {
        "native_precision": native if known else None,
        "precisions": known,
        "weight_bytes": weights,
        "chips_to_hold": held,
        "scaleup_domain": domain,
        "held_in_domain": {p: n <= domain for p, n in held.items()},
        "experts": experts,
        "experts_divide_over_domain": None if not experts or domain < 2 else experts % domain == 0,
        "serving_engine": serving(chip),
        "training_framework": training(chip, 0)[0],
    }


def _changes(problem: Problem, best: Mapping[str, Any], chip: Chip, domain: int) -> list[Mapping[str, Any]]:
    """Each change of the model that saves money (chip-seconds where no price is known), the largest gain first."""
    serves = isinstance(problem.job, Serve)
    eight = ("fp8",) if chip.get("peak_fp8") else ("int8",) if chip.get("peak_int8") else ()
    wide = problem.architecture.weight_precision in ("bf16", "fp16", "fp32")
    found = [
        _gain(problem, best, one)
        for one in variants(problem.architecture, eight if serves and wide else (), domain)
        if one.what != "precision" or serves
    ]
    gains = [g for g in found if g is not None and g["gain"] > NOTICED]
    return sorted(gains, key=lambda g: (-g["gain"], g["what"], g["after"]))


def _with_degrees(judged: list[_Judged]) -> list[Mapping[str, Any]]:
    """The rows, each with what its parallel degrees gain over those of the table's chip that does the job most
    cheaply: what somebody would run who brings the model over from there and leaves the split as it is."""
    rows = [each.row for each in judged]
    found = {i: list(each.row["degrees"]) for i, each in enumerate(judged)}
    for name in dict.fromkeys(n for each in judged for n in each.jobs):
        made = [i for i, row in enumerate(rows) if row[name] is not None]
        if not made:
            continue
        priced = [i for i in made if rows[i][name]["per_million_tokens_usd"] is not None]
        first = min(priced or made, key=lambda i: (rows[i][name][_figure(rows[i][name])], rows[i]["chip"]))
        for i in made:
            if i != first:
                found[i].append(_kept(judged[i].jobs[name], rows[i][name], rows[first], name))
    return [{**row, "degrees": found[i]} for i, row in enumerate(rows)]


def _figure(best: Mapping[str, Any]) -> str:
    """What is compared: money, or chip-seconds where no price is known."""
    known = best["per_million_tokens_usd"] is not None
    return "per_million_tokens_usd" if known else "chip_seconds_per_million_tokens"


def _kept(problem: Problem, best: Mapping[str, Any], other: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The job on this chip with the other chip's degrees, against its own best. from, gain: None where those degrees
    do not fit here, so that they must change."""
    there, figure = {n: other[name]["parallelism"][n] for n in DEGREES}, _figure(best)
    same = _best(replace(problem, fixed={**problem.fixed, **there}))
    before, after = None if same is None else same[figure], best[figure]
    return {
        "make": name,
        "like": other["chip"],
        "like_name": other["chip_name"],
        "there": there,
        "here": {n: best["parallelism"][n] for n in DEGREES},
        "figure": figure,
        "from": before,
        "to": after,
        "gain": None if before is None else 1.0 - after / before,
    }


def _gain(problem: Problem, best: Mapping[str, Any], one: Variant) -> Mapping[str, Any] | None:
    changed = _best(replace(problem, architecture=one.architecture))
    if changed is None:
        return None
    figure = _figure(best)
    before, after = best[figure], changed[figure]
    if after is None:
        return None
    return {"make": make(problem), "what": one.what, "before": one.before, "after": one.after, "figure": figure,
            "from": before, "to": after, "gain": 1.0 - after / before,
            "parallelism": changed["parallelism"], "precision": changed["precision"]}  # fmt: skip
