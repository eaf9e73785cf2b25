"""Why not this design? What binds it, or by how much it loses; and what the export rules change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tokenworks import catalog, scenario
from tokenworks.errors import BadRequest, UnknownFact, nearest
from tokenworks.language import Text
from tokenworks.quote.design import design, design_id, make, said
from tokenworks.quote.story import problems, resolved
from tokenworks.records import Ints, Request, RunOn, Serve, Train, World
from tokenworks.search import Found, search
from tokenworks.search import serving as serving_search
from tokenworks.search import training as training_search
from tokenworks.search.choose import CRITERIA, LATENCIES, MOST, preference, ranked
from tokenworks.search.problem import Problem
from tokenworks.search.run import unscreened
from tokenworks.search.software import training_precisions

SCHEMA = "tokenworks/whynot/1"
RECOMPUTE = {"none": 0, "selective": 1, "full": 2}
AXES = ("chips", "tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "recompute", "zero", "oversubscription", "draft",
        "replicas", "pool_replicas", "pool_tp", "pool_pp", "pool_ep", "pool_dp")  # fmt: skip
COUNTED_FROM_ZERO = ("recompute", "draft", "pool_replicas")
WORDS = ("chip", "system", "precision", "acquire", "make", *AXES)
FIGURES = {"total": "total_usd", "capital": "capital_usd", "time": "time_s", "energy": "energy_j",
           "carbon": "carbon_kg", "tokens_per_s": "tokens_per_s", "ttft_p99": "ttft_p99_s",
           "tpot_p99": "tpot_p99_s"}  # fmt: skip
_SHORT = {"tp": "tp", "pp": "pp", "vpp": "vpp", "cp": "cp", "ep": "ep", "dp": "dp", "m": "micro_batch",
          "r": "recompute", "z": "zero", "o": "oversubscription"}  # fmt: skip
_ID = re.compile(
    r"(?P<make>train|serve|run_on)-(?P<system>.+)-(?P<chips>\d+)-(?P<precision>[a-z0-9_]+)"
    r"-(?P<split>(?:one|(?:vpp|tp|pp|cp|ep|dp)\d+)(?:-(?:vpp|tp|pp|cp|ep|dp)\d+)*)"
    r"(?P<more>-m\d+r\d+z\d+)?(?P<over>-o\d+)?(?:-mtp(?P<draft>\d+))?"
    r"(?:-pre(?P<early>\d+)(?P<pool>(?:-(?:tp|pp|ep|dp)\d+)*)-dec(?P<late>\d+))?-(?P<acquire>buy|rent)"
)


def why_not(request: Request, world: World, spec: str) -> Mapping[str, Any]:
    """Why a design that the user names is not the answer.

    spec: the id of a design as quotes write it, or words such as `chip=h100 chips=2048 tp=8 pp=4`; what is not said
    is free, and the best of what is left is judged. Answers {status: best | front | beaten | cut | unknown_facts,
    design, binding: {reason, ...}, nearest, against, by, dominated_by}. Raises BadRequest for words that it does
    not know, UnknownFact for a chip or system that the catalog lacks.
    """
    world = scenario.applied(world, request.scenarios)
    request = resolved(request, world)
    asked = parse(spec)
    problem = _problem(problems(request, world), asked)
    facts = _held(problem, asked, world)
    if isinstance(facts, Mapping):
        return {"schema": SCHEMA, "asked": spec, "make": make(problem), **facts}
    one = search(facts, exhaustive=True)
    answer = {"schema": SCHEMA, "asked": spec, "make": make(problem)}
    rows = _rows(one)
    if not len(rows):
        return {**answer, "status": "cut", **_binding(one)}
    return {**answer, **_compared(search(problem), one, int(rows[0]))}


def parse(spec: str) -> Mapping[str, str]:
    """The words of a question.

    >>> parse("train-dgx-h100-64-fp8-tp2-dp32-m1r0z1-buy")["system"], parse("chip=h100 tp=8")["tp"]
    ('dgx-h100', '8')
    """
    match = _ID.fullmatch(spec.strip())
    if match:
        found = {k: match[k] for k in ("make", "system", "chips", "precision", "acquire")}
        degrees = dict.fromkeys(("tp", "pp", "vpp", "cp", "ep", "dp"), "1") | {"oversubscription": "1"}
        short = re.findall(r"(vpp|tp|pp|cp|ep|dp|m|r|z|o)(\d+)", f"{match['split']}{match['more'] or ''}"
                           f"{match['over'] or ''}".replace("one", ""))  # fmt: skip
        served = dict(_served(match)) if match["make"] == "serve" else {}
        return found | degrees | {_SHORT[k]: v for k, v in short} | served
    words: dict[str, str] = {}
    for word in re.split(r"[\s,]+", spec.strip()):
        name, sign, value = word.partition("=")
        if not sign or name not in WORDS or not value:
            close = nearest(name, WORDS) or WORDS[0]
            raise BadRequest(
                "expected the id of a design or words such as {example}, read '{value}'; did you mean '{nearest}'?",
                field="--why-not", example="chip=h100 tp=8", value=word, nearest=close,
            )  # fmt: skip
        words[name] = value
    return words


def _served(match: re.Match[str]) -> Mapping[str, str]:
    """Speculation and pools of the id of a serving design."""
    own = {"draft": match["draft"] or "0", "pool_replicas": match["early"] or "0"}
    if match["early"] is None:
        return own
    split = {f"pool_{k}": "1" for k in ("tp", "pp", "ep", "dp")}
    split |= {f"pool_{k}": v for k, v in re.findall(r"(tp|pp|ep|dp)(\d+)", match["pool"])}
    return own | split | {"replicas": match["late"]}


def _problem(found: Sequence[Problem], asked: Mapping[str, str]) -> Problem:
    for problem in found:
        if asked.get("make", make(problem)) == make(problem):
            return problem
    raise BadRequest("the request has no such job: {value}", field="--why-not", value=asked["make"])


def _held(problem: Problem, asked: Mapping[str, str], world: World) -> Problem | Mapping[str, Any]:
    """The problem with everything held that was asked; or the answer, where a fact or a limit settles it."""
    offers = problem.offers
    if "chip" in asked:
        chips = catalog.expand(world, "chips", asked["chip"], "--why-not")
        missing = sorted({n for k, names in problem.apart.items() for n in names
                          if (world.systems[k].chip if k in world.systems else k) in chips})  # fmt: skip
        offers = tuple(o for o in offers if o.chip.id in chips)
        if not offers and missing:
            why = Text("not known: {facts}", (("facts", ", ".join(missing)),))
            return {"status": "unknown_facts", "binding": {"reason": "facts", "missing": missing, **said(why)}}
    if "system" in asked:
        if asked["system"] not in world.systems and asked["system"] not in world.chips:
            close = nearest(asked["system"], world.systems) or next(iter(world.systems))
            raise UnknownFact("'{value}' is not in the catalog; did you mean '{nearest}'?", field="--why-not",
                              value=asked["system"], nearest=close)  # fmt: skip
        offers = tuple(o for o in offers if o.system.id == asked["system"])
    if not offers:
        why = Text("the request does not allow this chip or system")
        return {"status": "cut", "binding": {"reason": "limits.chips", **said(why)}, "nearest": None}
    fixed = {name: _number(name, asked[name]) for name in AXES if name in asked}
    if isinstance(problem.job, Train) and "dp" in fixed:
        _from_dp(fixed)
    if "precision" in asked:
        known = training_search.PRECISIONS if isinstance(problem.job, Train) else serving_search.PRECISIONS
        precision = "bf16" if asked["precision"] == "fp16" and isinstance(problem.job, Train) else asked["precision"]
        if precision not in known:
            raise BadRequest("'{value}' is not a precision; allowed: {allowed}", field="--why-not",
                             value=precision, allowed=", ".join(known))  # fmt: skip
        fixed["precision"] = known.index(precision)
        can = [o for o in offers if not isinstance(problem.job, Train) or precision in training_precisions(o.chip)]
        if not can:
            why = Text("the chip does not compute in this precision")
            return {"status": "cut", "binding": {"reason": "precision", **said(why)}, "nearest": None}
    acquire = asked.get("acquire", problem.request.acquire)
    if acquire not in ("buy", "rent", "either"):
        raise BadRequest("'{value}' is not allowed; allowed: {allowed}", field="--why-not", value=acquire,
                         allowed="buy, rent, either")  # fmt: skip
    request = replace(problem.request, acquire=acquire)
    return replace(problem, offers=offers, fixed=fixed, request=request)


def _number(name: str, value: str) -> int:
    text = str(RECOMPUTE.get(value, value)) if name == "recompute" else value
    if not text.isdigit() or not (name in COUNTED_FROM_ZERO or int(text) >= 1) or len(text) > 9:
        raise BadRequest("expected a whole number, read '{value}'", field=f"--why-not {name}", value=value)
    return int(text)


def _from_dp(fixed: dict[str, int]) -> None:
    """In training the data parallel degree follows from the chips: it is checked, not searched."""
    dp = fixed.pop("dp")
    if {"chips", "tp", "pp"} <= set(fixed):
        parts = fixed["tp"] * fixed["pp"] * fixed.get("cp", 1)
        if parts * dp != fixed["chips"]:
            raise BadRequest("{chips} chips are not tp x pp x cp x dp = {product}", field="--why-not",
                             chips=fixed["chips"], product=parts * dp)  # fmt: skip
    elif {"tp", "pp"} <= set(fixed):
        fixed["chips"] = fixed["tp"] * fixed["pp"] * fixed.get("cp", 1) * dp


def _rows(found: Found) -> Ints:
    """What may be offered, best first."""
    d = found.state.designs
    order = ranked(d, preference(found.state)) if len(d) else np.zeros(0, np.int64)
    if not len(order):
        return order
    offered = order[np.isin(d["standing"][order], (0, 1))]
    return np.asarray(offered[np.argsort(d["standing"][offered], kind="stable")], np.int64)


def _binding(one: Found) -> Mapping[str, Any]:
    """The rule or limit that took the last designs away: the pass that left none, its largest reason."""
    s = one.state
    if len(s.designs):
        why = Text("the verdict is open: it is shown apart, never best")
        return {"binding": {"reason": "law", **said(why)}, "nearest": None}
    reason, limit = s.binding
    near = {"change": limit, "value": s.nearest[limit]} if limit in s.nearest else None
    binding: dict[str, Any] = {"reason": reason, "cut": dict(s.cut), "after": one.emptied_by, **said(Text(reason))}
    if reason == "barred by export rules":
        verdict = next(iter(s.verdicts.values()))
        binding["citations"] = [c.rule for c in verdict.citations]
        binding["reasons"] = [said(r) for r in verdict.reasons]
    return {"binding": binding, "nearest": near}


def _compared(whole: Found, one: Found, row: int) -> Mapping[str, Any]:
    """How the design stands against the best."""
    shown = design(one.state, row)
    rows = _rows(whole)
    rows = rows[np.isfinite(whole.state.designs["total"][rows])]
    if not len(rows):
        return {"status": "best", "design": shown, "binding": None, "against": None, "by": {}, "dominated_by": None}
    best, against = int(rows[0]), design_id(whole.state, int(rows[0]))
    mine, theirs = _values(one, row), _values(whole, best)
    by = {FIGURES[k]: {"this": mine[k], "best": theirs[k], "ratio": mine[k] / theirs[k] if theirs[k] else None}
          for k in mine if np.isfinite(mine[k]) and np.isfinite(theirs[k])}  # fmt: skip
    standing = [int(f.state.designs["standing"][r]) for f, r in ((one, row), (whole, best))]
    beaten = _dominating(whole, rows, mine, standing[0])
    if shown["id"] == against:
        status, why = "best", None
    elif standing[0] > standing[1]:
        status, why = "beaten", Text("it needs a licence, and a lawful design needs none")
    elif beaten is None:
        status, why = "front", Text("nothing beats it in everything; the best is better in what is preferred")
    else:
        status, why = "beaten", Text("another design is no worse in anything and better in something")
    return {
        "status": status,
        "design": shown,
        "binding": None if why is None else {"reason": "preference", **said(why)},
        "against": against,
        "by": by,
        "dominated_by": beaten,
    }


def _values(found: Found, row: int) -> dict[str, float]:
    d = found.state.designs
    return {k: float(d[k][row]) for k in FIGURES if k in d.columns}


def _dominating(whole: Found, rows: Ints, mine: Mapping[str, float], standing: int) -> str | None:
    """The first design, best first, that is no worse in cost, time, energy and carbon (and in both latencies of a
    served load) and better in one."""
    d = whole.state.designs
    names = [*CRITERIA.values(), *(n for n in LATENCIES if n in d.columns)]
    rows = rows[d["standing"][rows] <= standing]
    theirs = np.stack([d[n][rows] for n in names], axis=1)
    own = np.array([mine[n] for n in names])
    if preference(whole.state) == MOST:
        theirs = np.concatenate([theirs, -d["tokens_per_s"][rows][:, None]], axis=1)
        own = np.append(own, -mine["tokens_per_s"])
    worse = np.all(theirs <= own * (1 + 1e-12 * np.sign(own)), axis=1) & np.any(theirs < own - 1e-9 * abs(own), axis=1)
    found = rows[worse]
    return design_id(whole.state, int(found[0])) if len(found) else None


def without_rules(request: Request, world: World) -> list[Mapping[str, Any]]:
    """For each job the best design with the export rules, the best as if there were none, and the rules that stand
    between: {make, best, without, citations, by}. `without` is null where the rules change nothing."""
    world = scenario.applied(world, request.scenarios)
    request = resolved(request, world)
    answers: list[Mapping[str, Any]] = []
    for problem in problems(request, world):
        assert isinstance(problem.job, Train | Serve | RunOn)  # a contract of Request
        lawful, free = search(problem), search(problem, screen=unscreened)
        ours, theirs = (_priced(f) for f in (lawful, free))
        best = design_id(lawful.state, ours[0]) if ours else None
        if not theirs:
            answers.append({"make": make(problem), "best": best, "without": None, "citations": [], "by": {}})
            continue
        other = design_id(free.state, theirs[0])
        system, chips = (int(free.state.designs[n][theirs[0]]) for n in ("system", "chips"))
        verdict = free.state.verdicts[system, chips]
        same = other == best
        values = [_values(f, r[0]) for f, r in ((lawful, ours), (free, theirs)) if r]
        both = {} if same or not ours else values[0]
        by = {FIGURES[k]: {"best": values[0][k], "without": values[1][k]} for k in both}
        cites = [] if same else [c.rule for c in verdict.citations]
        answers.append({"make": make(problem), "best": best, "without": None if same else other,
                        "citations": cites, "by": by})  # fmt: skip
    return answers


def _priced(found: Found) -> list[int]:
    d = found.state.designs
    return [int(r) for r in _rows(found) if np.isfinite(d["total"][r])]
