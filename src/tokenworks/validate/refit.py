"""Fit the training constants anew: damped Gauss-Newton on the logarithm of step time, shrunk to the priors.

Deterministic, numpy only. A constant belongs to a chip generation and precision, a framework family, a
software generation, or to all runs; never to one run.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from tokenworks.errors import TokenworksError
from tokenworks.perf.layout import Layout
from tokenworks.perf.roofline import Column
from tokenworks.perf.training import is_hybrid, step
from tokenworks.perf.training_constants import TrainingConstants, density
from tokenworks.perf.training_layer import Bench
from tokenworks.records import Bools, Floats, World
from tokenworks.validate.fitting import NUDGE, advance
from tokenworks.validate.scoring import measured_rate
from tokenworks.validate.study import Progress
from tokenworks.validate.training import Run, choose_recompute, read_run

Path = tuple[Any, ...]
# Calibration section -> the field of TrainingConstants that it becomes, where the names differ.
_FIELDS: Mapping[str, str] = MappingProxyType({"frameworks": "factor", "generations": "attention"})
_ADAPTER: Path = ("adapter_factor", "value")


@dataclass(frozen=True)
class Sample:
    """One measured run: what the model needs, the logarithm of its measured step time, its group."""

    record: Mapping[str, Any]
    run: Run
    layout: Layout
    truth: float
    group: str


@dataclass(frozen=True)
class Bundle:
    """Constants of one kind that touch disjoint runs, so that one evaluation gives all their derivatives.

    owner names the constant that a sample depends on, or None. spread: prior standard deviation (logarithm).
    """

    paths: tuple[Path, ...]
    owner: Callable[[Sample], Path | None]
    spread: float


def prepare(records: Iterable[Mapping[str, Any]], world: World) -> list[Sample]:
    """Read every record that has a measurement and can be expressed."""
    found = []
    for record in records:
        rate = measured_rate(record)
        if not rate:
            continue
        try:
            run = read_run(record, world)
        except TokenworksError:
            continue
        seconds = run.plan.tokens / rate / run.plan.chips
        group = str(record.get("config_group"))
        found.append(Sample(record, run, choose_recompute(run)[0], math.log(seconds), group))
    return found


def weights(samples: Sequence[Sample], used: Bools) -> Floats:
    """(sets, samples): runs of one configuration share a weight of one within a set; 0 outside it."""
    names = {name: i for i, name in enumerate(dict.fromkeys(s.group for s in samples))}
    member = np.zeros((len(samples), len(names)))
    member[np.arange(len(samples)), [names[s.group] for s in samples]] = 1.0
    return np.where(used, 1.0 / np.maximum(used @ member @ member.T, 1.0), 0.0)


def constants_of(sample: Sample, calibration: Mapping[str, Any]) -> TrainingConstants:
    """A sample's constants under a calibration."""
    hw = sample.run.hardware
    return TrainingConstants.from_calibration(
        calibration,
        hw.generation,
        hw.vendor,
        sample.layout.software,
        hw.chip,
        float(hw.scaleup_domain),
        density(hw),
    )


def residuals(samples: Sequence[Sample], calibration: Mapping[str, Any]) -> Floats:
    """log(predicted / measured) step time of every sample."""
    return np.array(
        [
            math.log(float(step(s.run.arch, s.run.hardware, s.layout, constants_of(s, calibration)).step_time))
            - s.truth
            for s in samples
        ]
    )


def _get(calibration: Mapping[str, Any], path: Path) -> float:
    node: Any = calibration
    for key in path:
        node = node[key]
    return float(node)


def _prior(calibration: Mapping[str, Any], path: Path) -> float:
    """The constant's prior: `prior` beside it in the file, else the constant itself."""
    kind, name = path[0], path[1]
    if kind == "generations":
        node: Any = calibration[kind][name].get("prior", {})
        for key in path[2:]:
            node = node.get(key, {}) if isinstance(node, Mapping) else {}
        found = node if isinstance(node, int | float) else None
    elif kind == "adapter_factor":
        found = calibration[kind].get("prior")
    else:
        found = calibration[kind][name].get("prior")
    return _get(calibration, path) if found is None else float(found)


def changed(calibration: Mapping[str, Any], values: Mapping[Path, float]) -> dict[str, Any]:
    """A copy of the calibration with some constants replaced."""
    fresh = copy.deepcopy(dict(calibration))
    for path, value in values.items():
        node: Any = fresh
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
    return fresh


def spreads(calibration: Mapping[str, Any]) -> dict[str, float]:
    """The globals that a refit may move -> standard deviation of their prior."""
    return {name: float(spread) for name, spread in calibration["refit"].items()}


def bundles(calibration: Mapping[str, Any], free: Mapping[str, float]) -> list[Bundle]:
    """All constants that are fitted: `free` globals (name -> prior spread), shares per generation and
    precision, framework factors, software generations of mixtures."""
    generations = calibration["generations"]

    def known(sample: Sample) -> str | None:
        name = constants_of(sample, calibration).generation
        return name if name in generations else None

    def share(kinds: tuple[str, ...], sample: Sample) -> Path | None:
        name = known(sample)
        low = Bench(sample.run.hardware, sample.layout, sample.run.constants).low[0]
        kind = "bf16" if "bf16" in kinds else low
        if name is None or kind not in kinds or kind not in generations[name]["gemm"]:
            return None
        return ("generations", name, "gemm", kind)

    def attention(sample: Sample) -> Path | None:
        name = known(sample)
        return None if name is None else ("generations", name, "attention")

    families = [name for name, entry in calibration["frameworks"].items() if "factor" in entry]

    def framework(sample: Sample) -> Path | None:
        name = sample.layout.software.family
        return ("frameworks", name, "factor") if name in families else None

    def release(sample: Sample) -> Path | None:
        recurrent = is_hybrid(sample.run.arch)
        place = constants_of(sample, calibration).releases[recurrent]
        return None if place is None else ("expert_software", place, "value")

    def of(kinds: tuple[str, ...]) -> tuple[Path, ...]:
        return tuple(("generations", g, "gemm", k) for g, e in generations.items() for k in e["gemm"] if k in kinds)

    found = [
        Bundle((("globals", name, "value"),), lambda _, n=name: ("globals", n, "value"), spread)  # type: ignore[misc]
        for name, spread in free.items()
    ]
    wide, low = ("bf16",), ("fp8", "int8", "fp4")
    found.append(Bundle(of(wide), lambda s: share(wide, s), 0.15))
    found.append(Bundle(of(low), lambda s: share(low, s), 0.15))
    found.append(Bundle(tuple(("generations", g, "attention") for g in generations), attention, 0.15))
    found.append(Bundle(tuple(("frameworks", f, "factor") for f in families), framework, 0.10))
    releases = tuple(("expert_software", i, "value") for i, _ in enumerate(calibration["expert_software"]))
    found.append(Bundle(releases, release, 0.4))
    found.append(Bundle((_ADAPTER,), lambda s: _ADAPTER if s.layout.software.adapter else None, 0.2))
    return found


def moved(constants: TrainingConstants, paths: Sequence[Path], factors: Floats) -> TrainingConstants:
    """The constants as columns: row j has the i-th of the paths times factors[j, i]."""
    values, gemm = dict(constants.values), dict(constants.gemm)
    fresh: dict[str, Column] = {}
    for factor, path in zip(factors.T, paths, strict=True):
        if path[0] == "globals":
            values[path[1]] = values[path[1]] * factor
        elif path[0] == "generations" and path[2] == "gemm":
            gemm[path[3]] = gemm[path[3]] * factor
        else:
            name = _FIELDS.get(path[0], str(path[0]))
            for field in (name, "expert_software_hybrid") if name == "expert_software" else (name,):
                fresh[field] = fresh.get(field, getattr(constants, field)) * factor
    return replace(constants, values=values, gemm=gemm, **fresh)


@dataclass(frozen=True)
class _Problem:
    """All sets' fits at once. paths: the constants; owned: of each sample the places of those that touch it;
    start: their priors (logarithm)."""

    samples: Sequence[Sample]
    constants: Sequence[TrainingConstants]
    paths: tuple[Path, ...]
    owned: tuple[tuple[int, ...], ...]
    start: Floats


def _linearise(problem: _Problem, row: int, theta: Floats) -> tuple[Floats, Floats]:
    """Residuals (sets) of one sample and their derivatives (sets x its constants), by finite differences: one
    call of the model evaluates all sets and all nudges."""
    sample, owned = problem.samples[row], list(problem.owned[row])
    sets, count = len(theta), len(owned)
    shift = np.repeat((theta - problem.start)[:, None, owned], count + 1, axis=1)
    shift[:, np.arange(1, count + 1), np.arange(count)] += NUDGE
    factors = np.exp(shift.reshape(-1, count))
    constants = moved(problem.constants[row], [problem.paths[i] for i in owned], factors)
    found = step(sample.run.arch, sample.run.hardware, sample.layout, constants).step_time
    error = np.log(np.broadcast_to(found, len(factors))).reshape(sets, count + 1) - sample.truth
    return error[:, 0], (error[:, 1:] - error[:, :1]) / NUDGE


def fits(
    samples: Sequence[Sample], used: Bools, calibration: Mapping[str, Any], free: Mapping[str, float],
    progress: Progress, *, rounds: int = 5, tail: float = 0.08,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Calibrations with the constants fitted to each set of samples (used: sets x samples), all side by side.

    Minimises the soft L1 loss of the residuals (weight one per configuration group; beyond `tail` an error
    counts linearly) plus the squared distance to their priors in prior standard deviations.
    """
    kinds = bundles(calibration, free)
    paths = tuple(p for b in kinds for p in b.paths)
    index = {p: i for i, p in enumerate(paths)}
    spread = np.array([b.spread for b in kinds for _ in b.paths])
    start = np.log([_prior(calibration, p) for p in paths])
    at_prior = changed(calibration, dict(zip(paths, np.exp(start).tolist(), strict=True)))
    owned = tuple(tuple(index[p] for b in kinds if (p := b.owner(s)) is not None) for s in samples)
    problem = _Problem(samples, [constants_of(s, at_prior) for s in samples], paths, owned, start)
    weight = weights(samples, used)
    theta = np.tile(start, (len(used), 1))
    for turn in range(rounds):
        error = np.full((len(used), len(samples)), np.nan)
        slope = np.zeros((len(used), len(samples), len(paths)))
        for row in range(len(samples)):
            sets = np.flatnonzero(used[:, row])
            if len(sets):
                error[sets, row], found = _linearise(problem, row, theta[sets])
                slope[sets[:, None], row, list(owned[row])] = found
        for one in range(len(used)):
            theta[one] = advance(theta[one], (error[one], slope[one]), (start, spread), weight[one], tail)
        progress(f"training: fits of {len(used)} sets of runs, round {turn + 1} of {rounds}")
    for one in theta:
        yield changed(calibration, dict(zip(paths, np.exp(one).tolist(), strict=True)))
