"""One row of the search -> one design of the quote, with everything that follows from it, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tokenworks import cost, law, site
from tokenworks.language import Text
from tokenworks.perf import evidence, serving_memory, serving_step
from tokenworks.perf import serving as perf_serving
from tokenworks.perf import training as perf_training
from tokenworks.perf.evidence import Bar
from tokenworks.perf.goodput import mean_time_between, reliability, wall_time
from tokenworks.quote import lawful, served
from tokenworks.quote.intervals import bar_of, derived, estimate, shown
from tokenworks.quote.serving_bars import most_bar, serving_bar, serving_intervals
from tokenworks.records import BillLine, Designs, RunOn, Train, Verdict
from tokenworks.search import serving, shared, software, training
from tokenworks.search.choose import LATENCIES
from tokenworks.search.problem import Offer, Problem, State
from tokenworks.workload import flops_per_token

RECOMPUTE = ("none", "selective", "full")
ACQUIRE = ("buy", "rent")
NOTICED = 0.01  # share of a country's mean electric power from which a factory is warned of
MAKE = {"Train": "train", "Serve": "serve", "RunOn": "run_on"}


def make(problem: Problem) -> str:
    """train | serve | run_on."""
    return MAKE[type(problem.job).__name__]


def design(state: State, row: int) -> Mapping[str, Any]:
    """Everything the quote says of one row. Units: SI and USD, named as in DESIGN.md section 3."""
    problem, one = state.problem, state.designs.take(np.array([row]))
    offer = problem.offers[int(one["system"][0])]
    verdict = law.judge(shared.shipment(problem, offer, int(one["chips"][0])), problem.world)
    alone = State(problem, one, verdicts=state.verdicts)
    net = shared.wiring(problem, offer, int(one["chips"][0]), _whole(one, "oversubscription"))
    power, money = _power(one, offer, problem), _cost(alone)
    return {
        **_identity(problem, one, offer),
        "job": _job(problem, one),
        **(_trained(problem, one, offer) if isinstance(problem.job, Train) else _served(problem, one, offer)),
        **_intervals(problem, offer, power, money),
        "fabric": _fabric(net, offer),
        **power,
        "cost": money,
        "law": law_of(verdict, problem),
        "bill": lawful.lines(_bill(alone, offer, net), offer, verdict, problem),
        "warnings": [said(w) for w in _warnings(problem, one, offer, verdict)],
    }


def said(sentence: Text) -> Mapping[str, Any]:
    """A translatable sentence as JSON."""
    return {"template": sentence.template, "values": {k: str(v) for k, v in sentence.values}}


def _float(one: Designs, name: str) -> float | None:
    value = float(one[name][0])
    return value if np.isfinite(value) else None


def _whole(one: Designs, name: str, default: int = 1) -> int:
    return int(one[name][0]) if name in one.columns else default


def design_id(state: State, row: int) -> str:
    """The id by which a quote calls a row."""
    one = state.designs.take(np.array([row]))
    return str(_identity(state.problem, one, state.problem.offers[int(one["system"][0])])["id"])


def _identity(problem: Problem, one: Designs, offer: Offer) -> Mapping[str, Any]:
    kind = make(problem)
    degrees = {n: _whole(one, n) for n in ("tp", "pp", "vpp", "cp", "ep", "dp")}
    trains = isinstance(problem.job, Train)
    precision = (training if trains else serving).PRECISIONS[int(one["precision"][0])]
    framework = software.training(offer.chip, problem.world.date.year)[0] if trains else software.serving(offer.chip)
    way = ACQUIRE[int(one["acquire"][0])]
    name = "-".join(f"{k}{v}" for k, v in degrees.items() if v > 1)
    more = f"-m{_whole(one, 'micro_batch')}r{_whole(one, 'recompute', 0)}z{_whole(one, 'zero', 0)}" if trains else ""
    over = _whole(one, "oversubscription")
    more += f"-o{over}" if over > 1 else ""
    more += served.named(one) if kind == "serve" else ""
    chips = int(one["chips"][0])
    return {
        "id": f"{kind}-{offer.system.id}-{chips}-{precision}-{name or 'one'}{more}-{way}",
        "make": kind,
        "model": problem.architecture.name,
        "chip": offer.chip.id,
        "chip_name": offer.chip.name,
        "vendor": offer.chip.vendor,
        "system": offer.system.id,
        "system_name": offer.system.name,
        "chips": chips,
        "nodes": -(-chips // offer.node),
        "units": math.ceil(chips / shared.units(offer)[0]),
        "chips_per_node": offer.node,
        "replicas": _whole(one, "replicas"),
        "framework": framework,
        "parallelism": {**degrees, **(_steps(problem, one) if trains else {})},
        **(served.workers(one) if kind == "serve" else {}),
        "precision": "fp16" if precision == "bf16" and not offer.chip.get("peak_bf16") else precision,
    }


def _steps(problem: Problem, one: Designs) -> Mapping[str, Any]:
    batch = int(training.batches(problem, one)[0])
    each = int(one["dp"][0] * one["micro_batch"][0])
    return {
        "zero": _whole(one, "zero"),
        "micro_batch": _whole(one, "micro_batch"),
        "global_batch": batch,
        "grad_accum": batch // each,
        "sequence_parallel": _whole(one, "tp") > 1,
        "recompute": RECOMPUTE[_whole(one, "recompute")],
    }


def _job(problem: Problem, one: Designs) -> Mapping[str, Any]:
    job = problem.job
    if isinstance(job, Train):
        return {"tokens": job.tokens, "sequence": job.sequence, "within": job.within}
    if isinstance(job, RunOn):
        return {"rate": job.rate, "input": job.input, "output": job.output, "batch": 1}
    rate = job.requests_per_second
    served = float(one["tokens_per_s"][0]) / job.output
    return {
        "requests_per_second": rate if rate is not None else served,
        "input": job.input,
        "output": job.output,
        "ttft_p99": job.ttft_p99,
        "tpot_p99": job.tpot_p99,
        "batch": _float(one, "batch"),
        **({} if job.trace is None else {"trace": job.trace.name}),
    }


# ------------------------------------------------------------------------------------------ predicted


def evidence_class(problem: Problem, offer: Offer) -> tuple[str, ...]:
    """The evidence class of a training design: everything it needs is stated."""
    table = problem.world.calibration["training"]
    family = software.training(offer.chip, problem.world.date.year)[1].family
    return (
        evidence.chip_label(table["seen"], offer.chip.id, training.constants(problem, offer).generation),
        evidence.software_label(table["seen"], family),
        evidence.kind_label(problem.architecture),
        evidence.STATED,
    )


def rate_bar(problem: Problem, offer: Offer) -> Bar | None:
    """The interval of a training design's tokens per second."""
    return bar_of(problem.world, "training", "tokens_per_s_per_chip", evidence_class(problem, offer))


def _intervals(problem: Problem, offer: Offer, power: Mapping[str, Any], money: Mapping[str, Any]) -> Mapping[str, Any]:
    """`bars` and `intervals` of a design. Training: money, energy and carbon are in proportion to its time, unless
    the request fixes the horizon."""
    if not isinstance(problem.job, Train):
        return serving_intervals(problem, offer, money)
    rate = rate_bar(problem, offer)
    figures = {
        "/energy_j": power["energy_j"],
        "/carbon_kg": power["carbon_kg"],
        "/cost/total_usd": money["total_usd"],
        "/cost/per_million_tokens_usd": money["per_million_tokens_usd"],
    }
    time = None if rate is None else rate.inverted()
    return {
        "bars": shown(rate, evidence_class(problem, offer)),
        "intervals": derived({} if problem.request.horizon else figures, time),
    }


def _trained(problem: Problem, one: Designs, offer: Offer) -> Mapping[str, Any]:
    precision = training.PRECISIONS[int(one["precision"][0])]
    layout = training.layout(problem, one, offer, precision)
    constants = training.constants(problem, offer)
    h = training.hardware(offer, precision, one)
    step = perf_training.step(problem.architecture, h, layout, constants)
    job = training.job(problem)
    flops = flops_per_token(problem.architecture, job.sequence).training_causal
    peak = h.peak["bf16"]
    mfu = float(one["tokens_per_s"][0]) * flops / (float(one["chips"][0]) * peak)
    memory = {k: float(np.ravel(v)[0]) for k, v in step.memory.items()}
    floor, ceiling = (float(np.ravel(v)[0]) for v in (step.floor, step.ceiling))
    best = float(one["time"][0] * floor / one["step_time"][0])
    tokens = float(one["tokens_per_s"][0] * one["step_time"][0])
    rate = rate_bar(problem, offer)
    time = None if rate is None else rate.inverted()
    return {
        "predicted": {
            "step_time_s": estimate(one["step_time"][0], time, floor=floor, ceiling=ceiling),
            "tokens_per_s": estimate(one["tokens_per_s"][0], rate, ceiling=tokens / floor),
            "time_s": estimate(one["time"][0], time, floor=best),
            "mfu": estimate(mfu, rate, ceiling=1.0 if precision == "bf16" else h.peak.get("fp8", peak) / peak),
            "goodput": estimate(job.tokens / one["tokens_per_s"][0] / one["time"][0], ceiling=1.0),
        },
        "wall_time": _wall(problem, one),
        "time_parts": {k: float(np.ravel(v)[0]) for k, v in step.parts.items()},
        "bound": perf_training.BOUNDS[int(np.ravel(step.bound)[0])],
        "memory": {**memory, "total": sum(memory.values()), "usable": float(one["memory_usable"][0])},
    }


def _wall(problem: Problem, one: Designs) -> Mapping[str, Any]:
    """Where the run's wall time goes, s, apart from the steps: checkpoints, work lost and done again, restarts."""
    fleet = reliability(problem.world.calibration["goodput"])
    chips, seconds = float(one["chips"][0]), float(one["time"][0])
    found = wall_time(chips, fleet)
    return {
        "training_s": float(found.training) * seconds,
        "checkpoints_s": float(found.checkpoints) * seconds,
        "lost_s": float(found.lost) * seconds,
        "restarts_s": float(found.restarts) * seconds,
        "interruptions": float(found.failures) * seconds,
        "mean_time_between_s": float(mean_time_between(fleet.failure_rate, chips)),
        "checkpoint_every_s": float(found.interval),
    }


def _served(problem: Problem, one: Designs, offer: Offer) -> Mapping[str, Any]:
    precision = serving.PRECISIONS[int(one["precision"][0])]
    replica = serving.replica(problem, one, offer, precision)
    context = serving.lengths(problem).context
    step = perf_serving.decode_step(
        replica.arch, replica.hardware, replica.plan, one["batch"], context, replica.constants
    )
    load = (one["batch"], context)
    parts = serving_memory.memory_parts(replica.arch, replica.hardware, replica.plan, load, replica.constants)
    memory = {k: float(np.ravel(v)[0]) for k, v in parts.items()}
    floor, ceiling = (float(np.ravel(v)[0]) for v in (step.floor, step.ceiling))
    predicted = {
        "ttft_s": estimate(one["ttft"][0], serving_bar(problem, offer, "ttft_ms")),
        "tpot_s": estimate(
            one["tpot"][0],
            serving_bar(problem, offer, "tpot_ms"),
            floor=floor,
            ceiling=max(ceiling, float(one["tpot"][0])),
        ),
        "tokens_per_s": estimate(one["tokens_per_s"][0], most_bar(problem, offer)),
    }
    for name in (n for n in LATENCIES if n in one.columns):
        predicted[f"{name}_s"] = estimate(one[name][0])
    if isinstance(problem.job, RunOn):
        predicted["period_s"] = estimate(one["step_time"][0], serving_bar(problem, offer, "tpot_ms"))
    return {
        "predicted": predicted,
        "time_parts": {k: float(np.ravel(v)[0]) for k, v in step.parts.items()},
        "bound": serving_step.BOUNDS[int(np.ravel(step.bound)[0])],
        "memory": {
            **dict.fromkeys(("gradients", "optimizer"), 0.0),
            **memory,
            "total": sum(memory.values()),
            "usable": float(one["memory_usable"][0]),
        },
    }


# --------------------------------------------------------------------------------- fabric, power, cost


def _fabric(net: shared.Wiring, offer: Offer) -> Mapping[str, Any]:
    f, parts = net.network, net.parts
    return {
        "topology": f.spec.topology,
        "halls": net.halls,
        "planes": f.spec.planes or 1,
        "nics_per_node": f.spec.nics_per_node,
        "radix": f.spec.radix,
        "port_bandwidth": f.spec.port_bandwidth,
        "oversubscription": f.spec.oversubscription,
        "scaleup_domain": int(offer.hardware.scaleup_domain),
        "switches": {k: v * net.halls for k, v in f.switches.items()},
        "cables": {k: v * net.halls for k, v in f.cables.items()},
        "optics": f.optics * net.halls,
        "bisection": f.bisection,
        "cost_usd": None if net.bill.cost is None else net.bill.cost * net.halls,
        "power_w": None if net.bill.power is None else net.bill.power * net.halls,
        "switch": parts.switch.id if parts.switch and f.switches else None,
        "optic": parts.optic.id if parts.optic and f.optics else None,
    }


def _power(one: Designs, offer: Offer, problem: Problem) -> Mapping[str, Any]:
    size, draw = shared.units(offer)
    c = problem.world.constants
    liquid = "liquid" in str(offer.system.get("cooling") or "")
    rack = float(c["rack_power_liquid" if liquid else "rack_power_air"].value)
    height, full = float(offer.system.get("rack_units") or 1.0), float(c["rack_units"].value)
    if height >= full:  # sold as a whole rack
        rack = max(rack, draw)
    sold = np.ceil(one["chips"][0] / size)
    count = site.racks(sold, min(height, full), draw, full, rack)
    if offer.system.get("racks"):  # sold as a row of racks
        count = sold * float(offer.system.get("racks") or 1.0)
    if isinstance(problem.job, RunOn):  # a product is no rack
        count = np.float64(0.0)
    return {
        "power_w": _float(one, "power"),
        "it_power_w": _float(one, "it_power"),
        "racks": int(count),
        "energy_j": _float(one, "energy"),
        "carbon_kg": _float(one, "carbon"),
    }


def _cost(alone: State) -> Mapping[str, Any]:
    one, problem = alone.designs, alone.problem
    bought, owned = shared.owning(alone)
    rent = int(one["acquire"][0]) == shared.RENT
    total, seconds = _float(one, "total"), float(shared.horizon(alone)[0])

    def plain(value: Any) -> float | None:
        x = float(np.ravel(value)[0])
        return x if np.isfinite(x) else None

    if isinstance(problem.job, Train):
        tokens, output = problem.job.tokens, None
    else:
        output = float(one["tokens_per_s"][0]) * seconds
        tokens = output * (problem.job.input + problem.job.output) / problem.job.output
    parts = {
        "servers_usd": bought.servers,
        "network_usd": bought.network,
        "storage_usd": bought.storage,
        "building_usd": bought.building,
        "depreciation_usd": owned.depreciation,
        "capital_charge_usd": owned.capital_charge,
        "energy_usd": owned.energy,
        "operation_usd": owned.operation,
    }
    return {
        "acquire": ACQUIRE[int(one["acquire"][0])],
        "horizon_s": seconds,
        "capital_usd": _float(one, "capital"),
        "total_usd": total,
        "known_usd": _float(one, "known"),
        "per_million_tokens_usd": None if total is None else float(cost.per_million_tokens(total, tokens)),
        "per_million_output_tokens_usd": None
        if total is None or output is None
        else float(cost.per_million_tokens(total, output)),
        "parts": {"rent_usd": total} if rent else {k: plain(v) for k, v in parts.items()},
    }


def _bill(alone: State, offer: Offer, net: shared.Wiring) -> list[Mapping[str, Any]]:
    one, problem = alone.designs, alone.problem
    chips = int(one["chips"][0])
    if int(one["acquire"][0]) == shared.RENT:
        rent = problem.world.prices[f"{offer.chip.id}/rent"]
        name = f"{offer.chip.name} (USD / chip-s)"
        line = BillLine(name, chips * float(shared.horizon(alone)[0]), float(rent.value), rent.source,
                        rent.low, rent.high, rent.assumed)  # fmt: skip
        return [_plain(line)]
    size, _ = shared.units(offer)
    fact, each, key = shared.server_price(problem, offer)
    unit = None if fact is None else each * size
    ratio = 1.0 if fact is None or not fact.value else each * size / float(fact.value)
    low, high = (None, None) if fact is None else tuple(None if x is None else x * ratio for x in (fact.low, fact.high))
    server = BillLine(
        offer.system.name, float(np.ceil(chips / size)), unit, "" if fact is None else fact.source, low, high,
        bool(fact and (fact.assumed or key.startswith(offer.chip.id))),
    )  # fmt: skip
    lines = [server]
    for line in net.bill.lines:
        lines.append(
            BillLine(
                line.item,
                line.quantity * net.halls,
                line.unit_price,
                line.source,
                line.low,
                line.high,
                line.assumed,
            )
        )
    bought, _ = shared.owning(alone)
    c, where = problem.world.constants, problem.request.where
    stored, house = c["storage_share"], shared.local(problem.world, where, "building_cost")
    for name, amount, source in (
        ("storage", bought.storage, stored),
        ("building and power chain", bought.building, house),
    ):
        value = float(np.ravel(amount)[0])
        known = value if np.isfinite(value) else None
        lines.append(BillLine(name, 1, known, source.source, None, None, True))
    return [_plain(line) for line in lines]


def _plain(line: BillLine) -> Mapping[str, Any]:
    return {
        "item": line.item,
        "quantity": line.quantity,
        "unit_price_usd": line.unit_price,
        "low": line.low,
        "high": line.high,
        "source": line.source,
        "assumed": line.assumed,
    }


# --------------------------------------------------------------------------------------- law, warnings


def law_of(verdict: Verdict, problem: Problem) -> Mapping[str, Any]:
    """A verdict as the quote shows it, with every regime's line."""
    return {
        **lawful.outcome(verdict, problem),
        "lines": [
            {
                "regime": line.regime,
                "licence": line.licence,
                "eccn": line.eccn,
                "exception": line.exception,
                "review_policy": line.review_policy,
                "reasons": [said(r) for r in line.reasons],
                "conditions": [said(c) for c in line.conditions],
                "flags": list(line.flags),
                "citations": [
                    {"rule": c.rule, "since": c.since, "until": c.until, "verified": c.verified} for c in line.citations
                ],
            }
            for line in verdict.lines
        ],
        "assumed": [{"field": field, "value": value} for field, value in verdict.assumed],
        "stale": verdict.stale,
    }


def _warnings(problem: Problem, one: Designs, offer: Offer, verdict: Verdict) -> list[Text]:
    found = []
    doubtful = [n for n in ("memory", "memory_bandwidth", "scaleup_bandwidth", "power") if _doubt(offer, n)]
    doubtful += [n for n in offer.chip.facts if n.startswith("peak_") and not offer.chip.facts[n].verified]
    if doubtful:
        found.append(
            Text(
                "facts of the chip not yet read in a public document: {names}",
                (("names", ", ".join(doubtful)),),
            )
        )
    if offer.system.assumed:
        found.append(Text("no published server: a plain one of {n} chips is assumed", (("n", str(offer.node)),)))
    share = _grid_share(one, problem)
    if share is not None and share > NOTICED:
        found.append(Text("draws {share} of the mean electric power of the country: a grid connection of that size is "
                          "not assured", (("share", f"{share:.1%}"),)))  # fmt: skip
    if offer.chip.vendor in software.CLOUD_ONLY:
        found.append(Text("rented in its maker's own cloud; whether a region there offers it was not checked"))
    if isinstance(problem.job, Train) and training.constants(problem, offer).evidence != "generation":
        found.append(Text("this chip was never measured: efficiencies are its vendor's or a general mean"))
    found += served.warnings(problem, one, offer)
    if verdict.stale:
        found.append(
            Text(
                "the rules are known to {date} only: confirm",
                (("date", problem.world.law_known_to.isoformat()),),
            )
        )
    return found


def _grid_share(one: Designs, problem: Problem) -> float | None:
    """Facility power over the country's mean generation (its yearly sum over a year); None where it is unknown."""
    place = problem.world.sites.get(problem.request.where)
    yearly = None if place is None else place.get("generation")
    return None if not yearly else float(one["power"][0]) / (float(yearly) / cost.YEAR)


def _doubt(offer: Offer, name: str) -> bool:
    fact = offer.chip.facts.get(name)
    return fact is not None and not fact.verified
