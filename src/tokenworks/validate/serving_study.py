"""Inference runs as a study: how their constants are fitted, what a fit has seen, how they are split."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tokenworks.catalog import resolve
from tokenworks.errors import UnknownFact
from tokenworks.perf.serving_constants import engine_family
from tokenworks.records import World
from tokenworks.validate import inference
from tokenworks.validate.serving_refit import Sample, cell_of, fits, measured, prepare, scored
from tokenworks.validate.study import Progress, Record, Study

NAME = "serving"
METRICS = (
    "output_tokens_per_s_per_chip",
    "tpot_ms",
    "ttft_ms",
    "itl_ms",
    "prefill_tokens_per_s_per_chip",
    "ttft_p99_ms",
    "tpot_p99_ms",
)
# what a prediction is asked for, but the engine's release
ASKED = (
    "hardware", "weight_precision", "kv_precision", "isl", "osl", "length_type", "nominal", "load", "parallelism",
    "disaggregated", "speculative", "prefix_cache", "max_batch_size", "prefill_only", "decode_only",
)  # fmt: skip


def seen(samples: Sequence[Sample]) -> Mapping[str, list[str]]:
    """The chips, chip generations, makers and engine families that runs have."""
    boxes = [s.job.run.replica.hardware for s in samples]
    return {
        "chips": sorted({b.chip for b in boxes}),
        "generations": sorted({b.generation for b in boxes} - {""}),
        "vendors": sorted({b.vendor.casefold() for b in boxes} - {""}),
        "software": sorted({s.engine for s in samples} - {"default"}),
    }


def narrowed(calibration: Mapping[str, Any], known: Mapping[str, list[str]]) -> dict[str, Any]:
    """The calibration as it would be without runs of other generations, makers and engines than those known:
    they have no factors of their own, and take the defaults. What limits a chip's clock is no fitted value."""
    fresh = copy.deepcopy(dict(calibration))
    near = tuple(known["generations"])
    fresh["generations"] = {k: v for k, v in fresh["generations"].items() if any(g.startswith(k) for g in near)}
    others = fresh["vendors"]["default"]
    fresh["vendors"] = {
        k: v if k in known["vendors"] or k == "default" else {**others, "watts": v["watts"]}
        for k, v in fresh["vendors"].items()
    }
    kept = {"default", *known["software"], *(fresh["engines"][k].get("like") for k in known["software"] if k in
            fresh["engines"])}  # fmt: skip
    fresh["engines"] = {k: v for k, v in fresh["engines"].items() if k in kept}
    fresh["seen"] = dict(known)
    return fresh


def fitted(sets: Sequence[Sequence[Record]], world: World, progress: Progress) -> Iterator[Mapping[str, Any]]:
    """The serving constants fitted to each set of records, all side by side on one reading of the runs."""
    calibration = world.calibration[NAME]
    every = {id(record): record for records in sets for record in records}
    samples = prepare(every.values(), world)
    used = np.zeros((len(sets), len(samples)), dtype=np.bool_)
    for row, records in enumerate(sets):
        inside = {id(record) for record in records}
        used[row] = [id(s.record) in inside for s in samples]
    progress(f"{NAME}: {len(samples)} runs, {len(sets)} fits")
    for row, own in enumerate(fits(samples, used, calibration)):
        yield narrowed(own, seen([s for s, has in zip(samples, used[row].tolist(), strict=True) if has]))


def group(record: Record) -> str:
    """Runs of one (chip, model, engine) cell: finer splits flatter."""
    return " | ".join(cell_of(record))


def configuration(record: Record) -> str:
    """All that is asked of one cell at one load: such runs differ in the engine's release, or in what nobody wrote."""
    return f"{group(record)} | {json.dumps({name: record.get(name) for name in ASKED}, sort_keys=True)}"


def _truth(metric: str, record: Record) -> float | None:
    return measured(record).get(metric) if scored(record) else None


def chip(record: Record, world: World) -> str:
    """The record's chip: the catalog's id, else its spelling."""
    name = str((record.get("hardware") or {}).get("chip"))
    try:
        return resolve(world, "chips", name, "hardware.chip")
    except UnknownFact:
        return name


def model(record: Record, world: World) -> str:
    """The record's model."""
    return cell_of(record)[1]


def engine(record: Record, world: World) -> str:
    """The record's engine family; its own name where it is of none."""
    family = engine_family(str(record.get("engine")))
    return str(record.get("engine")) if family == "default" else family


def load(record: Record, world: World) -> str:
    """The kind of load; pools apart where they are separate."""
    kind = str((record.get("load") or {}).get("kind"))
    return "separate pools" if isinstance(record.get("disaggregated"), Mapping) else kind


def precision(record: Record, world: World) -> str:
    """The precision of the weights, as published."""
    return str(record.get("weight_precision"))


def file(record: Record, world: World) -> str:
    """The file of published runs that the record is of (catalog.RUNS)."""
    return str(record.get("file"))


STUDY = Study(
    name=NAME,
    runs=("inference", "serving"),
    fit=fitted,
    predict=inference.predict_all,
    truths={metric: (lambda record, metric=metric: _truth(metric, record)) for metric in METRICS},  # type: ignore[misc]
    group=group,
    configuration=configuration,
    kinds={"chip": chip, "model": model, "engine": engine},
    tables={"file": file, "chip": chip, "engine": engine, "model": model, "load": load, "precision": precision},
)
