"""A published training run in, a prediction out (DESIGN.md section 3, `predict`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tokenworks.catalog import resolve
from tokenworks.errors import TokenworksError, UnknownFact
from tokenworks.language import text
from tokenworks.perf import evidence
from tokenworks.perf.layout import Layout
from tokenworks.perf.memory import training_memory, usable_memory
from tokenworks.perf.training import BOUNDS, TrainingStep, step
from tokenworks.perf.training_constants import TrainingConstants, density
from tokenworks.records import Hardware, World
from tokenworks.validate.fields import Refusal, part, string
from tokenworks.validate.training_hardware import Assumed, assume, read_hardware
from tokenworks.validate.training_plan import Plan, read_plan, weave
from tokenworks.workload import from_record, read
from tokenworks.workload.architecture import Architecture

# Dimensions of which a record must give one to be read by itself; else its model is looked up by name.
_DIMENSIONS = ("layers", "hidden")
_FROM_CATALOG = ("vocab", "heads")
# Fields that change little when taken from the framework's defaults: a run that leaves out only these is fully stated.
_DEFAULTS = ("parallelism.sequence_parallel", "parallelism.zero_stage", "hardware.inter_bw_GBps_per_chip_uni")


@dataclass(frozen=True)
class Run:
    """A record read: everything the step model needs, before recomputation is chosen. stranger: the catalog lacks
    its chip and no generation that was measured goes by its name."""

    arch: Architecture
    hardware: Hardware
    constants: TrainingConstants
    plan: Plan
    assumed: tuple[Mapping[str, Any], ...]
    seen: Mapping[str, Any]
    stranger: bool = False


def predict(record: Mapping[str, Any], world: World) -> Mapping[str, Any]:
    """Answer one training record. Its measurements are not read. Never raises for a record's sake: what
    cannot be read or expressed is answered with `error` {kind, message}."""
    identity = record.get("id")
    name = identity if isinstance(identity, str | int) and not isinstance(identity, bool) else None
    try:
        run = read_run(record, world)
        return {"id": name, **answer(run, choose_recompute(run))}
    except Refusal as error:
        return _unanswered(name, error.kind, str(error))
    except UnknownFact as error:
        return _unanswered(name, "unknown_fact", str(error))
    except TokenworksError as error:
        return _unanswered(name, _kind(record, error.field), str(error))


def _kind(record: Mapping[str, Any], field: str) -> str:
    """missing_field where the field that an error names is absent from the record, else bad_value."""
    node: Any = record
    for name in field.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return "bad_value" if node is not None or not field else "missing_field"


def _unanswered(identity: object, kind: str, message: str) -> Mapping[str, Any]:
    return {
        "id": identity, "metrics": {}, "fits": None, "memory": {}, "bound": None, "bars": None, "assumed": [],
        "error": {"kind": kind, "message": message},
    }  # fmt: skip


def read_run(record: Mapping[str, Any], world: World) -> Run:
    """Read a record into what the step model needs. Raises Refusal, BadRequest or UnknownFact."""
    calibration = world.calibration["training"]
    assumed: Assumed = []
    arch = _architecture(record, world, assumed)
    hardware, cores = read_hardware(record, world, calibration["practice"], assumed)
    plan = read_plan(record, arch, (hardware.vendor, hardware.year), cores, calibration, assumed)
    plan = weave(plan, arch, float(hardware.scaleup_domain), calibration, assumed)
    constants = TrainingConstants.from_calibration(
        calibration,
        hardware.generation,
        hardware.vendor,
        plan.layout.software,
        hardware.chip,
        float(hardware.scaleup_domain),
        density(hardware),
    )
    given = part(record, "parallelism")
    if not given.get("tp"):
        plan = _choose_split(arch, hardware, plan, constants, assumed)
    elif given.get("etp") is None:
        plan = _choose_experts(arch, hardware, plan, constants, assumed)
    stranger = hardware.chip not in world.chips and constants.evidence != "generation"
    return Run(arch, hardware, constants, plan, tuple(assumed), calibration["seen"], stranger)


def _architecture(record: Mapping[str, Any], world: World, assumed: Assumed) -> Architecture:
    model = part(record, "model")
    if not model:
        raise Refusal("missing_field", "no model is given", field="model")
    name = string(model, "name", within="model")
    described = all(model.get(k) is not None for k in _DIMENSIONS) and "mamba" not in str(model.get("type"))
    if described:
        return from_record(_completed(model, name, world, assumed))
    if not name:
        raise Refusal("missing_field", "neither dimensions nor a name are given", field="model")
    entry = world.models[resolve(world, "models", name, "model.name")]
    assume(assumed, "model", entry.id, str(text("the record gives no full dimensions; the catalog's are taken")))
    return read(entry.config, entry.id)


def _completed(model: Mapping[str, Any], name: str, world: World, assumed: Assumed) -> Mapping[str, Any]:
    """A described model with the dimensions it leaves out taken from the catalog's model of that name, if any."""
    missing = [field for field in _FROM_CATALOG if model.get(field) is None]
    if not missing or not name:
        return model
    try:
        entry = world.models[resolve(world, "models", name, "model.name")]
    except UnknownFact:
        return model
    known = read(entry.config, entry.id)
    attention = next((layer.attention for layer, _ in known.layers if layer.attention is not None), None)
    values = {"vocab": known.vocab, "heads": None if attention is None else attention.heads}
    filled = {field: assume(assumed, f"model.{field}", values[field], "the catalog's") for field in missing}
    return {**model, **filled}


def choose_recompute(run: Run) -> tuple[Layout, tuple[Mapping[str, Any], ...]]:
    """The layout with recomputation settled: as stated, or else the share of layers whose recomputation is
    just needed to stay within the aimed share of memory."""
    if run.plan.recompute_known:
        return run.plan.layout, ()
    none = run.plan.layout.floats()
    aim = run.hardware.memory * run.constants["memory_aim"]
    whole = replace(none, full_share=1.0)
    least = _total(run, whole)
    most = _total(run, none)
    share = np.clip((most - aim) / np.maximum(most - least, 1.0), 0.0, 1.0)
    chosen = float(np.ceil(share * run.arch.depth) / run.arch.depth)
    note: Assumed = []
    assume(note, "recompute", chosen, "not published; the share of the layers that must be, to fit")
    return replace(none, full_share=chosen), tuple(note)


def _total(run: Run, layout: Layout) -> Any:
    return sum(training_memory(run.arch, run.hardware, layout, run.constants).values())


def _choose_split(
    arch: Architecture, hardware: Hardware, plan: Plan, constants: TrainingConstants, assumed: Assumed
) -> Plan:
    """The fastest tensor and pipeline split that fits with full recomputation, where none is published."""
    workers = float(plan.layout.chips)
    degrees = [2.0**i for i in range(8)]
    rows = [
        (t, p)
        for t in degrees
        for p in degrees
        if t <= hardware.scaleup_domain and t * p <= workers and arch.depth % p == 0
    ]
    tp, pp = (np.array(c) for c in zip(*(rows or [(1.0, 1.0)]), strict=True))
    dp = np.maximum(workers / (tp * pp * plan.layout.cp), 1.0)
    trial = replace(
        plan.layout, tp=tp, pp=pp, dp=dp,
        micro_batch=np.minimum(plan.layout.micro_batch, plan.layout.global_batch / dp),
        sequence_parallel=np.where(tp > 1, 1.0, 0.0), full_share=1.0,
        ep=_expert_split(arch, tp * dp, plan.layout),
    )  # fmt: skip
    found = step(arch, hardware, trial, constants)
    fits = found.peak_memory <= hardware.memory * constants["memory_aim"]
    best = int(np.argmin(np.where(fits | ~np.any(fits), found.step_time, np.inf)))
    why = "no layout is published; the fastest that fits"
    assume(assumed, "parallelism", {"tp": int(tp[best]), "pp": int(pp[best])}, why)
    layout = replace(
        plan.layout, tp=float(tp[best]), pp=float(pp[best]), dp=float(dp[best]),
        micro_batch=float(np.broadcast_to(trial.micro_batch, tp.shape)[best]),
        sequence_parallel=float(tp[best] > 1),
        ep=float(np.broadcast_to(trial.ep, tp.shape)[best]),
    )  # fmt: skip
    return replace(plan, layout=layout)


def _choose_experts(
    arch: Architecture, hardware: Hardware, plan: Plan, constants: TrainingConstants, assumed: Assumed
) -> Plan:
    """Experts split over the tensor group too, where no split of them is published and whole ones cannot fit."""
    tp = float(plan.layout.tp)
    if tp == 1.0 or plan.layout.etp > 1.0 or not any(layer.ffn and layer.ffn.experts for layer, _ in arch.layers):
        return plan
    trial = replace(plan.layout, etp=np.array([1.0, tp]), full_share=1.0)
    needed: Any = sum(training_memory(arch, hardware, trial.floats(), constants).values())
    usable = float(usable_memory(hardware, constants))
    if not float(needed[1]) <= usable < float(needed[0]):
        return plan
    assume(assumed, "parallelism.etp", int(tp), "whole experts do not fit into memory")
    return replace(plan, layout=replace(plan.layout, etp=tp))


def _expert_split(arch: Architecture, ranks: Any, layout: Layout) -> Any:
    """One expert per chip as far as the tensor and data parallel ranks reach, where the record names no
    split."""
    experts = max((layer.ffn.experts for layer, _ in arch.layers if layer.ffn is not None), default=0)
    return layout.ep if layout.ep > 1 or not experts else np.minimum(float(experts), ranks)


def answer(run: Run, chosen: tuple[Layout, tuple[Mapping[str, Any], ...]]) -> Mapping[str, Any]:
    """The answer element without its id."""
    layout, notes = chosen
    found = step(run.arch, run.hardware, layout, run.constants)
    seconds = float(found.step_time)
    fits = float(found.peak_memory) <= float(usable_memory(run.hardware, run.constants))
    return {
        "metrics": {
            "step_time_s": _bar(seconds),
            "tokens_per_s_per_chip": _bar(run.plan.tokens / seconds / run.plan.chips),
            "peak_memory_bytes": _bar(float(found.peak_memory)),
        },
        "fits": fits,
        "memory": {k: float(v) for k, v in found.memory.items()},
        "bound": BOUNDS[int(found.bound)] if fits else "capacity",
        "bars": {"class": evidence.chain(labels(run, notes)), "runs": 0},
        "assumed": [*run.assumed, *notes],
        "error": None,
    }


def _bar(value: float) -> Mapping[str, float | None]:
    return {"value": value, "low": None, "high": None}


def labels(run: Run, notes: tuple[Mapping[str, Any], ...]) -> tuple[str, ...]:
    """The evidence class of a run (perf.evidence), from the most to the least telling label."""
    assumed = {note["field"] for note in (*run.assumed, *notes)} - set(_DEFAULTS)
    chip = evidence.chip_label(run.seen, run.hardware.chip, run.constants.generation)
    software = evidence.software_label(run.seen, run.plan.layout.software.family)
    if run.stranger:  # what is known of a software was seen on chips that the catalog knows
        chip, software = evidence.UNSEEN, evidence.NO_SOFTWARE
    known = (chip, software, evidence.kind_label(run.arch))
    if chip == evidence.UNSEEN:  # what is stated of it tells less than which chip it is
        return known
    return (*known, evidence.ASSUMED if assumed else evidence.STATED)


def parts_of(run: Run) -> TrainingStep:
    """The whole step of a run, its parts apart (explain, tables of terms)."""
    return step(run.arch, run.hardware, choose_recompute(run)[0], run.constants)
