"""Requests flowing through a design of a quote: the step times of the model, the queue of the simulator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenworks.errors import BadRequest, UnknownFact, not_allowed
from tokenworks.perf import serving as perf
from tokenworks.quote.confirm import farm_of, step_table
from tokenworks.quote.request import read_request
from tokenworks.quote.story import architecture
from tokenworks.records import Designs, Job, RunOn, Serve, Train, World
from tokenworks.search import serving
from tokenworks.search.offers import hardware
from tokenworks.search.problem import Offer, Problem
from tokenworks.simulate import requests as arrivals
from tokenworks.simulate import serving as simulate
from tokenworks.simulate import traces

REQUESTS_MAX = 10_000_000


@dataclass(frozen=True)
class Load:
    """What arrives: a Poisson rate (per second) with fixed lengths, or the lines of a trace."""

    rate: float | None
    input: int | None
    output: int | None
    requests: int = 2000
    seed: int = 0
    lines: Iterable[str] | None = None
    strict: bool = False


def simulate_design(content: Mapping[str, Any], name: str | None, load: Load, world: World) -> Mapping[str, Any]:
    """Simulate one serving design of a quote under a load. Raises BadRequest where the quote has none."""
    design = _find(content, name)
    replica = replica_of(content, design, world)
    requests = _requests(load)
    lengths = mean_lengths(requests)
    farm = farm_of(replica, design, lengths)
    level = simulate.Level(
        ttft=float(design["job"].get("ttft_p99") or np.inf),
        tpot=float(design["job"].get("tpot_p99") or np.inf),
    )
    result = simulate.simulate(requests, farm, step_table(replica, farm, lengths))
    return {"schema": "tokenworks/simulation/1", "design": design["id"], **simulate.summary(result, level)}


def mean_lengths(requests: arrivals.Requests) -> perf.Lengths:
    """Mean tokens in and out."""
    return perf.Lengths(float(np.mean(requests.input)), float(np.mean(requests.output)))


def _find(content: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    designs = [d for d in content["designs"] if d["make"] == "serve"]
    if name is None and designs:
        return dict(designs[0])
    for d in designs:
        if d["id"] == name:
            return dict(d)
    if not designs:
        raise BadRequest("holds no serving design", field="designs")
    raise not_allowed("--design", name, [d["id"] for d in designs])


def replica_of(content: Mapping[str, Any], design: Mapping[str, Any], world: World) -> perf.Replica:
    """The design's replica as the performance model knows it. Raises UnknownFact for a system of another
    catalog."""
    request = read_request(content["request"])
    job = next(j for j in request.jobs if isinstance(j, Serve))
    system = world.systems.get(design["system"])
    if system is None:
        raise UnknownFact("'{value}' is not in the catalog at that date", field="system", value=design["system"])
    chip = world.chips[system.chip]
    offer = Offer(chip, system, hardware(chip, system), int(design["chips_per_node"]))
    arch = architecture(job.model, world, "make.serve.model")
    problem = Problem(request, world, job, arch, (offer,), {})
    split = design["parallelism"]
    drafted = {**split, "draft": design.get("draft", 0)}
    one = Designs({k: np.array([drafted[k]], np.int64) for k in ("tp", "pp", "dp", "ep", "draft")})
    return serving.replica(problem, one, offer, design["precision"])


def _requests(load: Load) -> arrivals.Requests:
    if load.lines is not None:
        return traces.read(load.lines, strict=load.strict)
    if load.rate is None or load.input is None or load.output is None:
        raise BadRequest("give --trace, or --rate with --input and --output", field="--rate")
    if not 1 <= load.requests <= REQUESTS_MAX:
        raise BadRequest("'{value}' is out of range; allowed: {low} to {high}",
                         field="--requests", value=load.requests, low=1, high=REQUESTS_MAX)  # fmt: skip
    return arrivals.poisson(load.rate, load.requests, (load.input, load.output), seed=load.seed)


def job_of(content: Mapping[str, Any], make: str) -> Job:
    """The job of a quote that a design belongs to."""
    kinds = {"train": Train, "serve": Serve, "run_on": RunOn}
    return next(j for j in read_request(content["request"]).jobs if isinstance(j, kinds[make]))


def architectures(content: Mapping[str, Any], world: World) -> Mapping[str, Any]:
    """The architecture of every model that the quote's designs make."""
    makes = {d["make"] for d in content["designs"]}
    found = [architecture(job_of(content, m).model, world, f"make.{m}.model") for m in sorted(makes)]
    return {a.name: a for a in found}
