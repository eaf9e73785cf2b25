"""Requests flowing through a design of a quote: the step times of the model, the queue of the simulator."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
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

REQUESTS_MAX = 1_000_000_000
Part = simulate.Part


@dataclass(frozen=True)
class Load:
    """What arrives: a Poisson rate (per second) with fixed lengths, the lines of a trace, or what is drawn from a
    ServeGen client (`lines`: its rates; `histograms`: its lengths, see traces.servegen); and what is done with it.
    router: see Farm. prefix: replicas keep blocks of prompts. failures: mean s that a replica is up, s of repair.
    scaling: least replicas, requests that each is to have."""

    rate: float | None
    input: int | None
    output: int | None
    requests: int = 2000
    seed: int = 0
    lines: Iterable[str] | None = None
    strict: bool = False
    router: str = "least_loaded"
    prefix: bool = False
    failures: tuple[float, float] | None = None
    scaling: tuple[int, float] | None = None
    histograms: Any = None


class Flow:
    """A simulation under way: iterate to run it, ask `answer` at any time."""

    def __init__(self, content: Mapping[str, Any], name: str | None, load: Load, world: World) -> None:
        """Raises BadRequest where the quote has no serving design or the load cannot be read."""
        self.design = _find(content, name)
        self.bad = traces.BadLines(load.strict)
        batches = iter(_requests(load, self.bad))
        first = next(batches)
        replica = replica_of(content, self.design, world)
        lengths = mean_lengths(first)
        self.farm = _farm(farm_of(replica, self.design, lengths), load)
        self.table = step_table(replica, self.farm, lengths)
        self.batches = itertools.chain([first], batches)
        self.mean_load = float(world.constants["mean_load"].value)
        job = self.design["job"]
        self.tally = simulate.Tally(
            simulate.Level(float(job.get("ttft_p99") or np.inf), float(job.get("tpot_p99") or np.inf))
        )

    def __iter__(self) -> Iterator[Part]:
        """Requests that left, batch by batch."""
        for part in simulate.stream(self.batches, self.farm, self.table):
            self.tally.add(part)
            yield part

    def answer(self) -> dict[str, Any]:
        """What is known until now (`partial` says whether that is all)."""
        found = self.tally.summary(self.bad.count)
        return {
            "schema": "tokenworks/simulation/1", "design": self.design["id"], **found,
            "bad": [{"line": number, "why": why} for number, why in self.bad.kept],
            "energy_j": self._energy(),
        }  # fmt: skip

    def _energy(self) -> Mapping[str, float] | None:
        """Facility energy, J: as in a quote, peak power x mean load x the time that replicas were on. low: only while
        they ran steps; high: at peak while on. None where the power is not known."""
        power, machines = self.design.get("power_w"), self.tally.machines
        if power is None or machines is None:
            return None
        on, busy = float(np.sum(machines.on)), float(np.sum(machines.busy))
        each = float(power) / self.farm.replicas
        return {"value": each * self.mean_load * on, "low": each * self.mean_load * busy, "high": each * on}


def _farm(farm: simulate.Farm, load: Load) -> simulate.Farm:
    failures = simulate.exponential_failures(*load.failures, load.seed) if load.failures else None
    scaling = simulate.Scaling(*load.scaling) if load.scaling else None
    engine = farm.engine._replace(prefix=load.prefix)
    return farm._replace(engine=engine, router=load.router, failures=failures, scaling=scaling)


def simulate_design(content: Mapping[str, Any], name: str | None, load: Load, world: World) -> Mapping[str, Any]:
    """Simulate one serving design of a quote under a load. Raises BadRequest where the quote has none."""
    flow = Flow(content, name, load, world)
    for _ in flow:
        pass
    return flow.answer()


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


def _requests(load: Load, bad: traces.BadLines) -> Iterator[arrivals.Requests]:
    if load.histograms is not None:
        return _drawn(load, bad)
    if load.lines is not None:
        return traces.stream(load.lines, bad)
    if load.rate is None or load.input is None or load.output is None:
        raise BadRequest("give --trace, or --rate with --input and --output", field="--rate")
    if not 1 <= load.requests <= REQUESTS_MAX:
        raise BadRequest("'{value}' is out of range; allowed: {low} to {high}",
                         field="--requests", value=load.requests, low=1, high=REQUESTS_MAX)  # fmt: skip
    return arrivals.poisson_stream(load.rate, load.requests, (load.input, load.output), load.seed, traces.BATCH)


def _drawn(load: Load, bad: traces.BadLines) -> Iterator[arrivals.Requests]:
    """The requests of a ServeGen client, all at once. Raises BadRequest."""
    if load.lines is None:
        raise BadRequest("give --trace with the client's rates too", field="--lengths")
    if not isinstance(load.histograms, Mapping):
        raise BadRequest("expected histograms of input_tokens and output_tokens", field="--lengths")
    drawn = traces.servegen(load.lines, load.histograms, load.seed, strict=load.strict)
    bad.count, bad.kept = drawn.bad_lines, list(drawn.bad)
    return iter([drawn])


def job_of(content: Mapping[str, Any], make: str) -> Job:
    """The job of a quote that a design belongs to."""
    kinds = {"train": Train, "serve": Serve, "run_on": RunOn}
    return next(j for j in read_request(content["request"]).jobs if isinstance(j, kinds[make]))


def architectures(content: Mapping[str, Any], world: World) -> Mapping[str, Any]:
    """The architecture of every model that the quote's designs make."""
    makes = {d["make"] for d in content["designs"]}
    found = [architecture(job_of(content, m).model, world, f"make.{m}.model") for m in sorted(makes)]
    return {a.name: a for a in found}
