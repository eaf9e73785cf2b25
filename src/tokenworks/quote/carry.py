"""The product that carries the model: does a car's or a board's chip hold its rate within memory and power, and what
must shrink so that it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tokenworks import catalog
from tokenworks.quote import facts as ground
from tokenworks.quote.story import architecture, one_chip, resolved
from tokenworks.records import Chip, Request, RunOn, World
from tokenworks.search import serving
from tokenworks.search.offers import PRECISIONS
from tokenworks.search.problem import Offer, Problem
from tokenworks.search.run import search, unscreened
from tokenworks.workload import parameters, weight_bytes
from tokenworks.workload.architecture import Architecture

SCHEMA = "tokenworks/carry/1"
KINDS = ("car", "edge")
NARROWER = ("fp8", "int8", "int4")  # what a checkpoint may be quantised to, widest first
BITS = {"fp32": 32, "tf32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "fp4": 4}
NARROWEST = 4  # bits
IDLE = 1e-9  # decisions per second: a rate that everything holds, to learn the rate that is possible
FLOPS_A_PARAMETER = 2.0  # a multiplication and an addition a token


@dataclass(frozen=True, slots=True)
class Carried:
    """What a product asks: `model` at `rate` decisions per second, of `input` tokens read and `output` written, on
    `chips` (ids or aliases; empty: all of cars and boards), with at most `power` W for the chip."""

    model: Any
    rate: float
    input: int = 600
    output: int = 6
    chips: tuple[str, ...] = ()
    power: float | None = None
    where: str = "JP"


def carry(ask: Carried, world: World) -> Mapping[str, Any]:
    """A row a chip. Raises UnknownFact for a model, chip or country that the catalog lacks."""
    arch = architecture(ask.model, world, "model")
    return {
        "schema": SCHEMA,
        "where": ask.where,
        "date": world.date.isoformat(),
        "scenarios": list(world.scenarios),
        "model": arch.name,
        "parameters": {"total": parameters(arch).total, "active": parameters(arch).active},
        "precision": arch.weight_precision,
        "asked": {"rate": ask.rate, "input": ask.input, "output": ask.output, "power_w": ask.power},
        "chips": [_row(ask, world, arch, world.chips[key]) for key in _chips(ask, world)],
    }


def _chips(ask: Carried, world: World) -> list[str]:
    if not ask.chips:
        return sorted(key for key, chip in world.chips.items() if chip.kind in KINDS)
    found: list[str] = []
    for i, name in enumerate(ask.chips):
        found += [c for c in catalog.expand(world, "chips", name, f"--chip.{i}") if c not in found]
    return found


def _row(ask: Carried, world: World, arch: Architecture, chip: Chip) -> Mapping[str, Any]:
    job = RunOn(chip.id, ask.model, IDLE, ask.input, ask.output)
    request = resolved(Request((job,), ask.where, world.date), world)
    good, apart = one_chip(chip)
    power = chip.get("power")
    row: dict[str, Any] = {
        "chip": chip.id,
        "chip_name": chip.name,
        "vendor": chip.vendor,
        "kind": chip.kind,
        "memory_bytes": chip.get("memory"),
        "power_w": power,
        "within_power": None if ask.power is None or power is None else float(power) <= ask.power,
        "missing": list(apart.get(chip.id, ())),
        "facts": {name: ground.plain(fact) for name, fact in sorted(chip.facts.items())},
        "tried": [],
        "smaller": None,
    }
    if not good:
        return {**row, **_bounded(ask, arch, chip)}
    problem = Problem(request, world, job, arch, good, {})
    row["tried"] = [_tried(problem, p, ask.rate) for p in _precisions(arch, good[0])]
    held = [t for t in row["tried"] if t["holds"]]
    row["holds"] = "no" if not held or row["within_power"] is False else "yes"
    row["rate_at_most"] = max((t["rate"] for t in row["tried"]), default=0.0)
    if not held:
        row["smaller"] = _smaller(problem, _fastest(row["tried"]), ask.rate)
    return row


def _fastest(tried: list[Mapping[str, Any]]) -> str:
    """The precision with the highest rate; where memory holds none, the narrowest."""
    best = max(tried, key=lambda t: float(t["rate"]))
    return str(best["precision"] if best["fits"] else tried[-1]["precision"])


def _precisions(arch: Architecture, offer: Offer) -> tuple[str, ...]:
    """The published precision where the chip computes in it, else 16 bit; then what it may be quantised to."""
    name = arch.weight_precision
    known = offer.hardware.peak
    own = name if name in known or name.startswith("int") or name == "bf16" else "bf16"
    own = "fp8" if name.startswith(("fp8", "mxfp8")) and "fp8" in known else own
    allowed = [p for p in NARROWER if p in known or p == "int4"]
    return tuple(dict.fromkeys((own, *allowed)))


def _rate(problem: Problem, precision: str) -> float:
    """The most decisions per second of the model in a precision; 0 where the chip's memory does not hold it."""
    arch = replace(problem.architecture, weight_precision=precision)
    held = {"precision": serving.PRECISIONS.index(precision)}
    designs = search(replace(problem, architecture=arch, fixed=held), screen=unscreened).state.designs
    return float(1.0 / np.min(designs["step_time"])) if len(designs) else 0.0


def _tried(problem: Problem, precision: str, asked: float) -> Mapping[str, Any]:
    """One precision: bytes of the weights, whether memory holds them with the cache, and the rate."""
    rate = _rate(problem, precision)
    power = problem.offers[0].hardware.power
    return {
        "precision": precision,
        "weight_bytes": weight_bytes(problem.architecture, precision),
        "fits": rate > 0.0,
        "rate": rate,
        "holds": rate >= asked,
        "joules_a_decision": None if power is None or not rate else float(power) / rate,
    }


# ------------------------------------------------------------------------------------------------ smaller


def _smaller(problem: Problem, precision: str, asked: float) -> Mapping[str, Any] | None:
    """The largest model of the same widths, with fewer layers, that holds the rate: what to distil into. None where
    not even one layer of each kind does. The rate falls with every layer, so halving finds it."""
    total = layers(problem.architecture)
    low, high = 0, total  # low holds (or is none), high does not
    while high - low > 1:
        middle = (low + high) // 2
        cut = replace(problem, architecture=shallower(problem.architecture, middle))
        if _rate(cut, precision) >= asked:
            low = middle
        else:
            high = middle
    if low == 0:
        return None
    made = shallower(problem.architecture, low)
    size = parameters(made)
    rate = _rate(replace(problem, architecture=made), precision)
    return {"precision": precision, "layers": layers(made), "of_layers": total, "parameters": size.total,
            "share": size.total / parameters(problem.architecture).total, "rate": rate}  # fmt: skip


def layers(arch: Architecture) -> int:
    """How many layers a model has."""
    return sum(count for _, count in arch.layers)


def shallower(arch: Architecture, many: int) -> Architecture:
    """The model with about `many` layers, its kinds of layers in proportion, at least one of each."""
    total = layers(arch)
    kept = tuple((layer, max(1, count * many // total)) for layer, count in arch.layers)
    return replace(arch, layers=kept)


# --------------------------------------------------------------------------------------- missing facts


def _bounded(ask: Carried, arch: Architecture, chip: Chip) -> Mapping[str, Any]:
    """What can be said of a chip with facts missing: a bound that no value of theirs can lift. `no` where even the
    bound misses the rate or the memory is too small in four bits, else `unknown`."""
    bound = min(_limits(ask, arch, chip), default=float("inf"))
    memory = chip.get("memory")
    full = memory is not None and weight_bytes(arch, "int4") > float(memory)
    known = bound < float("inf") or full
    return {
        "holds": "no" if full or bound < ask.rate else "unknown",
        "rate_at_most": (0.0 if full else bound) if known else None,
    }


def _limits(ask: Carried, arch: Architecture, chip: Chip) -> Iterator[float]:
    """Rates that the chip cannot exceed: weights read once a token written, arithmetic done once a token. A peak
    that is not known is at most what a known one gives in proportion to the bits, down to four."""
    bandwidth = chip.get("memory_bandwidth")
    size = parameters(arch)
    if bandwidth is not None:
        read = weight_bytes(arch, "int4") * size.active / size.total
        yield float(bandwidth) / (read * max(1, ask.output))
    peaks = [float(chip.get(f"peak_{p}")) * BITS[p] / NARROWEST for p in PRECISIONS if chip.get(f"peak_{p}")]
    if peaks:
        yield max(peaks) / (FLOPS_A_PARAMETER * size.active_without_embedding * (ask.input + ask.output))
