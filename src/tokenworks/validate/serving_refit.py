"""Fit the serving constants anew, and split published points into fitted and held-out ones.

Deterministic. A constant belongs to all runs, a chip generation, a vendor or an engine family; never to one
run, model or (chip, model, engine) cell. Which may move, their priors and the spread of these stand in
catalog/data/calibration/serving.yaml under `refit`.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tokenworks.errors import TokenworksError
from tokenworks.perf.serving_constants import ServingConstants, engine_family, watts_per_teraflop
from tokenworks.records import Bools, Floats, World
from tokenworks.validate.fitting import NUDGE, advance
from tokenworks.validate.inference_figures import Job, compute, grouped, stack
from tokenworks.validate.inference_plan import planned
from tokenworks.validate.inference_record import Assumed, read

Cell = tuple[str, str, str]  # chip, model, engine family
_ENOUGH = 40  # rows from which a cell's weight stops growing
_PER_CHIP = {
    "output_tokens_per_s_per_chip": "output_tokens_per_s",
    "prefill_tokens_per_s_per_chip": "prefill_tokens_per_s",
}
_AS_PUBLISHED = ("ttft_ms", "tpot_ms", "itl_ms", "ttft_p99_ms", "tpot_p99_ms")


@dataclass(frozen=True)
class Sample:
    """One measured run. truth: metric -> measured value, in the units of the record format. weight: of its
    cell, min(1, sqrt(40 / n)), spread over the cell's n rows times 40 (so that a small cell's row counts one)."""

    record: Mapping[str, Any]
    job: Job
    truth: Mapping[str, float]
    weight: float
    cell: Cell

    @property
    def identity(self) -> str:
        return str(self.record.get("id"))

    @property
    def chip(self) -> str:
        return self.cell[0]

    @property
    def model(self) -> str:
        return self.cell[1]

    @property
    def engine(self) -> str:
        return self.cell[2]


def measured(record: Mapping[str, Any]) -> dict[str, float]:
    """What a record measured, by metric of `predict`. The tokens of a run at a given request rate are that
    rate's, hence no measurement."""
    seen = record.get("measured") or {}
    found = {name: float(seen[name]) for name in _AS_PUBLISHED if seen.get(name)}
    load, chips = record.get("load") or {}, (record.get("hardware") or {}).get("n_chips")
    for name, total in _PER_CHIP.items():
        if load.get("kind") == "request_rate" and load.get("value") is not None:
            continue
        if seen.get(name):
            found[name] = float(seen[name])
        elif seen.get(total) and chips:
            found[name] = float(seen[total]) / float(chips)
    return found


def scored(record: Mapping[str, Any]) -> bool:
    """Not scored: separate pools that do not say how many workers share the load."""
    pools = record.get("disaggregated")
    return not isinstance(pools, Mapping) or "decode" not in pools or bool(pools.get("decode_workers"))


def cell_of(record: Mapping[str, Any]) -> Cell:
    """(chip, model, engine family) of a record."""
    box = record.get("hardware") or {}
    model = str(record.get("model_key") or record.get("model"))
    return str(box.get("chip")), model, engine_family(str(record.get("engine")))


def prepare(records: Iterable[Mapping[str, Any]], world: World) -> list[Sample]:
    """Every record that has a measurement, is scored and can be expressed, with the plan that the world's
    calibration finds best where none is published."""
    found: list[tuple[Mapping[str, Any], Job, dict[str, float], Cell]] = []
    for record in records:
        truth = measured(record)
        if not truth or not scored(record):
            continue
        assumed = Assumed()
        try:
            job = planned(read(record, world, assumed), assumed)
        except TokenworksError:
            continue
        found.append((record, job, truth, cell_of(record)))
    sizes: dict[Cell, int] = {}
    for _, _, _, cell in found:
        sizes[cell] = sizes.get(cell, 0) + 1
    return [Sample(r, j, t, min(1.0, (_ENOUGH / sizes[c]) ** 0.5), c) for r, j, t, c in found]


def changed(calibration: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """A copy of the calibration with some constants replaced, each named by its dotted path."""
    fresh = copy.deepcopy(dict(calibration))
    for path, value in values.items():
        *folders, name = path.split(".")
        node: Any = fresh
        for folder in folders:
            node = node[folder]
        node[name] = value
    return fresh


def with_calibration(world: World, calibration: Mapping[str, Any]) -> World:
    """The world under another serving calibration."""
    return replace(world, calibration={**world.calibration, "serving": calibration})


def _columns(samples: Sequence[Sample], calibrations: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
    """Predictions by metric, (calibrations x samples); NaN where a metric is not measured."""
    names = sorted({name for s in samples for name in s.truth})
    found = {name: np.full((len(calibrations), len(samples)), np.nan) for name in names}
    kinds = [_kind(s.job) for s in samples]
    table = {
        kind: [ServingConstants.from_calibration(c, *kind[:3], power=kind[3], release=kind[4]) for c in calibrations]
        for kind in dict.fromkeys(kinds)
    }
    for rows in grouped([s.job for s in samples]):
        constants = ServingConstants(
            **{
                name: np.array([[getattr(c, name) for c in table[kinds[row]]] for row in rows]).T
                for name in ServingConstants.__slots__
            }
        )
        figures = compute(stack([samples[row].job for row in rows], constants))
        for name in names:
            if name in figures:
                asked = np.array([name in samples[row].truth for row in rows])
                values = np.broadcast_to(figures[name], (len(calibrations), len(rows)))
                found[name][:, rows] = np.where(asked, values, np.nan)
    return found


def _kind(job: Job) -> tuple[str, str, str, float | None, str]:
    hardware = job.run.replica.hardware
    return hardware.generation, hardware.vendor, job.run.engine, watts_per_teraflop(hardware), job.run.release


def residuals(samples: Sequence[Sample], calibration: Mapping[str, Any]) -> dict[str, Floats]:
    """log(predicted / measured) of every sample, by metric; NaN where it was not measured."""
    return {name: column[0] for name, column in _residuals(samples, [calibration]).items()}


def _residuals(samples: Sequence[Sample], calibrations: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
    columns = _columns(samples, calibrations)
    return {
        name: np.log(np.maximum(column, 1e-300)) - np.log([s.truth.get(name, np.nan) for s in samples])
        for name, column in columns.items()
    }


def fit(samples: Sequence[Sample], calibration: Mapping[str, Any], *, rounds: int = 6) -> dict[str, Any]:
    """The calibration with its free constants fitted to the samples (`fits` of one set)."""
    return next(fits(samples, np.ones((1, len(samples)), dtype=np.bool_), calibration, rounds=rounds))


def fits(
    samples: Sequence[Sample], used: Bools, calibration: Mapping[str, Any], *, rounds: int = 6
) -> Iterator[dict[str, Any]]:
    """For each set of samples (a row of `used`) the calibration with its free constants fitted to that set.

    Starts at the priors of `refit.constants` (path -> prior, spread of its logarithm); the loss of a metric
    counts `refit.weights`; beyond `refit.tail` an error counts linearly (validate/fitting.py). The derivatives
    are those at the priors, which no set has moved; the residuals are every set's own. A sample's weight comes
    from the size of its cell.
    """
    rules = calibration["refit"]
    free, weights = rules["constants"], rules["weights"]
    names = [name for name in weights if any(name in s.truth for s in samples)]
    priors = np.log([float(free[path][0]) for path in free])
    spread = np.array([float(free[path][1]) for path in free])
    counted = np.array([s.weight for s in samples])
    weight = [np.concatenate([counted * row * float(weights[n]) for n in names]) for row in used]

    def at(theta: Floats) -> dict[str, float]:
        return dict(zip(free, np.exp(theta).tolist(), strict=True))

    def errors(thetas: Sequence[Floats]) -> Floats:
        stacks = _residuals(samples, [changed(calibration, at(theta)) for theta in thetas])
        return np.concatenate([stacks[name] for name in names], axis=1)

    nudged = errors([priors, *(priors + NUDGE * row for row in np.eye(len(priors)))])
    known = np.isfinite(nudged[0])
    slopes = np.where(known, (nudged[1:] - nudged[0]) / NUDGE, 0.0).T
    thetas = [priors.copy() for _ in used]
    for _ in range(rounds):
        for place, own in enumerate(errors(thetas)):
            error = np.where(known, own, np.nan)
            thetas[place] = advance(
                thetas[place], (error, slopes), (priors, spread), weight[place], float(rules["tail"])
            )
    for theta in thetas:
        yield changed(calibration, {path: float(f"{value:.4g}") for path, value in at(theta).items()})


# ---------------------------------------------------------------------------------------------- splits

Split = tuple[list[Sample], list[Sample]]  # fitted, held out


def split(samples: Sequence[Sample], key: Callable[[Sample], object], parts: int, draw: int = 0) -> list[Split]:
    """(fitted, held out) pairs, `parts` of them: no value of the key is on both sides. Which part a value
    falls into follows from its name and the number of the draw alone (CRC-32)."""

    def part(sample: Sample) -> int:
        return zlib.crc32(f"{draw}:{key(sample)}".encode()) // 7 % parts

    return [([s for s in samples if part(s) != k], [s for s in samples if part(s) == k]) for k in range(parts)]
