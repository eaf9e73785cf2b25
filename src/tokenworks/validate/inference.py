"""Inference records -> predictions (DESIGN.md section 3, `predict`). Answers in a record are never read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokenworks.errors import BadRequest, TokenworksError, UnknownFact
from tokenworks.perf import evidence
from tokenworks.perf.serving import decode_step, mixed_step
from tokenworks.perf.serving_columns import constants_columns
from tokenworks.perf.serving_constants import engine_family
from tokenworks.perf.serving_memory import memory_parts
from tokenworks.perf.serving_step import BOUNDS, Load
from tokenworks.records import World
from tokenworks.validate.inference_figures import Figures, Group, Job, compute, grouped, stack
from tokenworks.validate.inference_plan import planned
from tokenworks.validate.inference_record import Assumed, read

_KINDS = ((UnknownFact, "unknown_fact"), (BadRequest, "bad_value"), (TokenworksError, "unsupported"))
_MEMORY = ("gradients", "optimizer")  # kinds of memory that inference has none of


def predict(record: Mapping[str, Any], world: World) -> Mapping[str, Any]:
    """Predict one record; whatever is wrong with it becomes `error`, never an exception."""
    return predict_all([record], world)[0]


def predict_all(records: Sequence[Mapping[str, Any]], world: World) -> list[Mapping[str, Any]]:
    """Predict records, in order; those of one model, precision and kind of load are computed together."""
    answers: list[Mapping[str, Any]] = [{}] * len(records)
    jobs, places, assumptions = [], [], []
    seen = world.calibration["serving"]["seen"]
    for place, record in enumerate(records):
        assumed = Assumed()
        try:
            jobs.append(planned(read(record, world, assumed), assumed))
        except TokenworksError as error:
            answers[place] = _unanswered(record.get("id"), error)
            continue
        places.append(place)
        assumptions.append(assumed)
    for rows in grouped(jobs):
        some = [jobs[row] for row in rows]
        group = stack(some, constants_columns([job.run.replica.constants for job in some]))
        columns = _columns(group, len(rows))
        for row, figures in zip(rows, columns, strict=True):
            place = places[row]
            answers[place] = _answer(
                records[place].get("id"),
                jobs[row],
                figures,
                assumptions[row],
                labels_of(jobs[row], seen),
            )
    return answers


def _columns(group: Group, n: int) -> list[dict[str, Any]]:
    """Per job: metrics, batch, capacity, bytes by kind (`memory`) and what bounds it (`bound`)."""
    figures = compute(group)
    memory, bound = _memory(group, figures)
    wide = {name: np.broadcast_to(column, n) for name, column in {**figures, "bound": bound}.items()}
    parts = {name: np.broadcast_to(column, n) for name, column in memory.items()}
    return [
        {**{k: float(v[i]) for k, v in wide.items()}, "memory": {k: float(v[i]) for k, v in parts.items()}}
        for i in range(n)
    ]


def _memory(group: Group, figures: Figures) -> tuple[Figures, Any]:
    """Bytes per chip by kind, and the index in BOUNDS of what bounds the run; len(BOUNDS): its capacity."""
    replica, lengths = group.pools.decode, group.lengths
    held = np.maximum(figures["capacity"], 1.0)
    parts = memory_parts(*replica[:3], (np.minimum(figures["batch"], held), lengths.context), replica.constants)
    if group.mode in ("prompts", "prefill"):
        time = mixed_step(replica, Load(prefill=lengths.input, prompt=lengths.input))
    else:
        batch = np.maximum(figures["batch"], 1.0)
        time = decode_step(*replica[:3], batch, lengths.context, replica.constants)
    full = (figures["batch"] >= 0.99 * figures["capacity"]) & (group.mode in ("concurrency", "pools"))
    return parts, np.where(full, len(BOUNDS), time.bound)


def labels_of(job: Job, seen: Mapping[str, Any]) -> tuple[str, ...]:
    """The evidence class of a run: chip, engine, kind of load, kind of model. seen: what the fit had."""
    hardware, pools = job.run.replica.hardware, job.run.disaggregated is not None
    load = evidence.POOLS if pools else evidence.LOADS[job.run.kind]
    chip = (hardware.chip, hardware.generation)
    return evidence.serving_labels(seen, chip, engine_family(job.run.engine), load, job.run.replica.arch)


def _answer(
    identity: object, job: Job, figures: Mapping[str, Any], assumed: Assumed, labels: Sequence[str]
) -> Mapping[str, Any]:
    inner = ("batch", "capacity", "memory", "bound")
    finite = {k: v for k, v in figures.items() if k not in inner and np.isfinite(v) and v > 0.0}
    if not finite:
        return _unanswered(identity, BadRequest("no figure can be given for this run", field="load"))
    return {
        "id": identity,
        "metrics": {k: {"value": v, "low": None, "high": None} for k, v in finite.items()},
        "fits": bool(figures["capacity"] >= 1.0),
        "memory": {**figures["memory"], **dict.fromkeys(_MEMORY, 0.0)},
        "bound": (*BOUNDS, "capacity")[int(figures["bound"])],
        "bars": {"class": evidence.chain(labels), "runs": 0},
        "assumed": [{"field": f, "value": v, "why": str(why)} for f, v, why in assumed.found],
        "error": None,
    }


def _unanswered(identity: object, error: TokenworksError) -> Mapping[str, Any]:
    kind = next(name for known, name in _KINDS if isinstance(error, known))
    if kind == "bad_value" and error.text.template == "is missing":
        kind = "missing_field"
    nothing: Mapping[str, Any] = {"id": identity, "metrics": {}, "fits": None, "memory": {}, "bound": None}
    return {**nothing, "bars": None, "assumed": [], "error": {"kind": kind, "message": str(error)}}
