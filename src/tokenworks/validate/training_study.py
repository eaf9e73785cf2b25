"""Training runs as a study: how their constants are fitted, and what a fit has seen."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import inf, log
from typing import Any

import numpy as np

from tokenworks.errors import TokenworksError
from tokenworks.records import World
from tokenworks.validate import training
from tokenworks.validate.refit import Sample, constants_of, fits, prepare, spreads
from tokenworks.validate.scoring import measured_memory, measured_rate, size_class, training_class
from tokenworks.validate.study import Progress, Record, Residual, Split, Study
from tokenworks.validate.training_hardware import find_chip, launch_year
from tokenworks.validate.training_plan import read_software
from tokenworks.workload import flops_per_token

NAME = "training"


def seen(samples: Sequence[Sample], calibration: Mapping[str, Any]) -> Mapping[str, list[str]]:
    """The chips, chip generations and framework families that runs have."""
    return {
        "chips": sorted({s.run.hardware.chip for s in samples}),
        "generations": sorted({constants_of(s, calibration).generation for s in samples}),
        "software": sorted({s.run.plan.layout.software.family for s in samples} - {"other"}),
    }


def narrowed(calibration: Mapping[str, Any], known: Mapping[str, list[str]]) -> dict[str, Any]:
    """The calibration as it would be without runs of other generations and families than those known.

    A generation without runs loses its constants; a family without runs keeps its documented habits but takes
    the factor of its kind; a step of software generation that only such families have never comes.
    """
    fresh = copy.deepcopy(dict(calibration))
    fresh["generations"] = {k: v for k, v in fresh["generations"].items() if k in known["generations"]}
    families = fresh["frameworks"]
    for name, entry in families.items():
        if name not in known["software"]:
            entry.pop("factor", None)
            entry.pop("prior", None)
    families_known = set(known["software"])
    fresh["expert_software"] = [  # a step keeps its place, but never comes
        step if not step.get("families") or families_known.intersection(step["families"]) else {**step, "since": inf}
        for step in fresh["expert_software"]
    ]
    fresh["seen"] = dict(known)
    return fresh


def fitted(sets: Sequence[Sequence[Record]], world: World, progress: Progress) -> Iterator[Mapping[str, Any]]:
    """The training constants fitted to each set of records, nothing else known of its runs.

    What a set lacks cannot move a run that it has: all sets are fitted side by side on one reading of the runs
    (a generation or family without runs stays at its prior there, and is dropped afterwards).
    """
    calibration = world.calibration[NAME]
    every = {id(record): record for records in sets for record in records}
    samples = prepare(every.values(), world)
    place = {name: i for i, name in enumerate(every)}
    held = np.array([[False] * len(every) for _ in sets])
    for row, records in enumerate(sets):
        held[row, [place[id(record)] for record in records]] = True
    used = held[:, [place[id(s.record)] for s in samples]]
    for row, own in zip(used, fits(samples, used, calibration, spreads(calibration), progress), strict=True):
        yield narrowed(own, seen([s for s, has in zip(samples, row, strict=True) if has], calibration))


def predict(records: Sequence[Record], world: World) -> Sequence[Mapping[str, Any]]:
    """The answers of training records, in order."""
    return [training.predict(record, world) for record in records]


def group(record: Record) -> str:
    """Runs of one configuration: they differ in the software's release only."""
    return str(record.get("config_group"))


def chip(record: Record, world: World) -> str:
    """The record's chip: the catalog's id, else its spelling."""
    name = str((record.get("hardware") or {}).get("chip"))
    found = find_chip(name, world)
    return name if found is None else found.id


def generation(record: Record, world: World) -> str:
    """The record's chip generation; its chip where the catalog lacks it."""
    name = str((record.get("hardware") or {}).get("chip"))
    found = find_chip(name, world)
    return name if found is None else found.generation


def framework(record: Record, world: World) -> str:
    """The record's framework family."""
    found = find_chip(str((record.get("hardware") or {}).get("chip")), world)
    hardware = ("", launch_year(found, world)) if found is None else (found.vendor, launch_year(found, world))
    return read_software(record, world.calibration[NAME], hardware, [])[0].family


def kind(record: Record, world: World) -> str:
    """dense | moe | hybrid."""
    return training_class(record)


def size(record: Record, world: World) -> str:
    """The size of the job."""
    return size_class(float((record.get("hardware") or {}).get("n_chips") or 0.0))


def precision(record: Record, world: World) -> str:
    """The precision as published."""
    return str(record.get("precision"))


def baseline(splits: Sequence[Split], world: World) -> tuple[Residual, ...]:
    """What guessing each chip's median MFU over the fitted runs would give for the runs held out (the median
    over all chips where a chip has none)."""
    found: list[Residual] = []
    for split in splits:
        usual: dict[str, list[float]] = defaultdict(list)
        for record in split.fitted:
            rate, full = measured_rate(record), _full_rate(record, world)
            if rate and full:
                usual[chip(record, world)].append(rate / full)
        every = float(np.median([v for of in usual.values() for v in of]))
        for record in split.held:
            rate, full = measured_rate(record), _full_rate(record, world)
            if not rate:
                continue
            value = None if full is None else full * float(np.median(usual.get(chip(record, world)) or [every]))
            ratio = None if value is None else log(rate / value)
            like = group(record), group(record)
            found.append(Residual(split.name, split.left, record, "tokens_per_s_per_chip", *like, (), value, ratio))
    return tuple(found)


def _full_rate(record: Record, world: World) -> float | None:
    """Tokens per second per chip at the chip's whole bf16 peak; None for a run that cannot be read."""
    try:
        run = training.read_run(record, world)
    except TokenworksError:
        return None
    sequence = int(run.plan.layout.sequence)
    return float(run.hardware.peak["bf16"]) / flops_per_token(run.arch, sequence).training_causal


STUDY = Study(
    name=NAME,
    runs=("training",),
    fit=fitted,
    predict=predict,
    truths={"tokens_per_s_per_chip": measured_rate, "peak_memory_bytes": measured_memory},
    group=group,
    configuration=group,
    kinds={"chip": chip, "generation": generation, "framework": framework},
    tables={"chip": chip, "framework": framework, "class": kind, "size": size, "precision": precision},
    baseline=baseline,
)
