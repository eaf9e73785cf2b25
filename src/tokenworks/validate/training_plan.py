"""The layout and software of a training record; what it leaves out as its framework's good practice has
it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenworks.perf.layout import PRECISIONS, Layout, Software
from tokenworks.validate.fields import Refusal, count, part, string
from tokenworks.validate.training_hardware import Assumed, assume
from tokenworks.workload.architecture import Architecture

_MINUTE_VERSION = re.compile(r"(?<!\d)(2\d)\.(\d\d)(?!\d)")  # 26.04: year and month
_HIDDEN_EXCHANGE = re.compile(r"dualpipe|a2a|all.?to.?all|expert.{0,20}overlap|moe.{0,20}overlap")
_ZERO_BUBBLE = re.compile(r"zero.?bubble|\bzb")
_ADAPTERS = frozenset({"lora", "qlora", "peft", "adapter"})
_YEAR = re.compile(r"(?<!\d)(20\d\d)(?!\d)")
_LAYERS_OF_STAGE = re.compile(r"full\D{0,12}(\d{1,4}) layers?(.{0,12}stage)?")


@dataclass(frozen=True)
class Plan:
    """A record's layout, the share of recomputation still to be chosen, and the chips and tokens of a
    step."""

    layout: Layout
    recompute_known: bool
    chips: float
    tokens: float
    framework_named: bool


def read_software(
    record: Mapping[str, Any], calibration: Mapping[str, Any], vendor: str, assumed: Assumed
) -> tuple[Software, bool]:
    """Framework family, release year and whether only an adapter is trained; and whether it was named."""
    name = string(record, "framework")
    folded = name.casefold()
    families = calibration["frameworks"]
    best = ""
    family = "other"
    for key, entry in families.items():
        for prefix in entry["match"]:
            if folded.startswith(prefix) and len(prefix) > len(best):
                best, family = prefix, key
    entry = families[family]
    if entry.get("vendor") and entry["vendor"] != vendor:
        family = entry["elsewhere"]
        entry = families[family]
    if not best:
        assume(assumed, "framework", family, "the framework is not named or not known; a mean of all")
    version = _MINUTE_VERSION.search(name)
    year = _YEAR.search(name)
    when = float(entry["year"])
    if version:
        when = 2000.0 + int(version[1]) + (int(version[2]) - 1) / 12.0
    elif year:
        when = float(year[1])
    adapter = string(record, "kind").casefold() in _ADAPTERS or "lora" in folded
    hidden = bool(_HIDDEN_EXCHANGE.search(string(record, "overlap").casefold()))
    return Software(family=family, year=when, adapter=adapter, expert_overlap=hidden), bool(best)


def read_schedule(record: Mapping[str, Any]) -> float:
    """Share of the 1F1B bubble that the named pipeline schedule leaves: a zero-bubble schedule (ZB-H1, arXiv
    2401.10241, section 2: a third) and DualPipe (arXiv 2412.19437, table 2: about half); 1 otherwise.

    >>> read_schedule({"parallelism": {"schedule": "zero-bubble"}})
    0.3333333333333333
    """
    said = string(part(record, "parallelism"), "schedule", within="parallelism").casefold()
    if _ZERO_BUBBLE.search(said):
        return 1.0 / 3.0
    return 0.5 if "dualpipe" in said else 1.0


def read_precision(record: Mapping[str, Any], assumed: Assumed) -> str:
    """The precision of the GEMMs in our vocabulary. Raises Refusal for one we do not know."""
    said = string(record, "precision").casefold()
    if not said:
        return str(assume(assumed, "precision", "bf16", "no precision is given"))
    for name in sorted(PRECISIONS, key=len, reverse=True):
        if said.replace("-", "_").startswith(name):
            return name
    raise Refusal(
        "unsupported",
        "the precision '{value}' is not known; known: {known}",
        field="precision",
        value=said,
        known=", ".join(PRECISIONS),
    )


def read_recompute(
    record: Mapping[str, Any], calibration: Mapping[str, Any], stage_layers: float
) -> tuple[Mapping[str, float], bool]:
    """Layout fields of the recomputation policy, and whether it is known."""
    said = string(record, "recompute").casefold()
    if not said or said.startswith("unknown"):
        return {}, False
    some = _LAYERS_OF_STAGE.search(said)
    if some:
        share = min(float(some[1]) / max(stage_layers, 1.0), 1.0)
        return {"full_share": share}, True
    for policy in calibration["recompute"]:
        if re.search(policy["match"], said):
            return {k: float(v) for k, v in policy.items() if k != "match"}, True
    return {}, False


@dataclass(frozen=True)
class _Degrees:
    tp: float
    pp: float
    vpp: float
    cp: float
    ep: float
    etp: float
    dp: float
    chips: float


def _degrees(record: Mapping[str, Any], cores: float, calibration: Mapping[str, Any], assumed: Assumed) -> _Degrees:
    """Parallel degrees and workers. Raises Refusal where they contradict the chip count."""
    given = part(record, "parallelism")
    hardware = part(record, "hardware")
    within = "parallelism"
    read = {k: count(given, k, high=1e7, within=within) for k in ("tp", "pp", "cp", "ep", "etp", "dp")}
    chips = count(hardware, "n_chips", high=1e8, within="hardware")
    model = (read["tp"] or 1.0) * (read["pp"] or 1.0) * (read["cp"] or 1.0)
    if chips is None:
        value = model * read["dp"] / cores if read["dp"] else calibration["practice"]["chips"]["value"]
        chips = float(assume(assumed, "hardware.n_chips", max(value, 1.0), "no chip count is given"))
    workers = chips * cores
    if model > workers:
        raise Refusal(
            "bad_value",
            "tp x pp x cp = {model} exceeds the {workers} workers",
            field="parallelism",
            model=int(model),
            workers=int(workers),
        )
    for name in ("tp", "pp", "cp"):
        if given and read[name] is None:
            assume(assumed, f"parallelism.{name}", 1, "not given")
    dp = read["dp"] or workers / model
    if not 0.5 < model * dp / workers < 2.0:
        dp = float(assume(assumed, "parallelism.dp", workers / model, "the given degrees do not fill the chips"))
    vpp = count(given, "virtual_pipeline_stages", high=1e4, within=within) or 1.0
    return _Degrees(
        read["tp"] or 1.0, read["pp"] or 1.0, vpp, read["cp"] or 1.0, read["ep"] or 1.0, read["etp"] or 1.0,
        dp, chips,
    )  # fmt: skip


def _batches(
    record: Mapping[str, Any], d: _Degrees, sequence: float, calibration: Mapping[str, Any], assumed: Assumed
) -> tuple[float, float]:
    """Global and micro-batch in sequences."""
    given = part(record, "parallelism")
    total = count(record, "global_batch_seqs", high=1e9)
    micro = count(record, "micro_batch_seqs", high=1e7)
    steps = count(given, "grad_accum_microbatches", high=1e7, within="parallelism")
    if total is None:
        if steps is not None:
            value = steps * (micro or 1.0) * d.dp
            why = "micro-batches times micro-batch times data parallel degree"
        else:
            tokens = calibration["practice"]["global_tokens"]["value"]
            value = max(np.ceil(tokens / sequence / d.dp), 1.0) * d.dp
            why = "no batch is given; about four million tokens"
        total = float(assume(assumed, "global_batch_seqs", float(value), why))
        micro = micro or 1.0
    return total, micro or 0.0


def _micro_batch(
    given: float, total: float, d: _Degrees, habits: tuple[bool, bool], record: Mapping[str, Any],
    assumed: Assumed,
) -> float:  # fmt: skip
    sharded, local = habits
    per_rank = max(total / d.dp, 1.0 / max(d.dp, 1.0))
    if given and local and d.pp > 1.0:
        return 1.0  # the published batch is a rank's whole batch, cut into single sequences for the pipeline
    if given:
        return min(given, per_rank) if per_rank >= 1.0 else per_rank
    steps = count(part(record, "parallelism"), "grad_accum_microbatches", high=1e7, within="parallelism")
    if steps is not None:
        return float(assume(assumed, "micro_batch_seqs", max(per_rank / steps, 1.0), "from the accumulation"))
    value = per_rank if sharded and d.pp == 1.0 else min(1.0, per_rank)
    why = "the local batch at once, as sharded training does" if sharded else "one sequence"
    return float(assume(assumed, "micro_batch_seqs", value, why))


def read_plan(
    record: Mapping[str, Any], arch: Architecture, vendor: str, cores: float, calibration: Mapping[str, Any],
    assumed: Assumed,
) -> Plan:  # fmt: skip
    """The layout of a record. Raises Refusal where a value is bad or contradicts another."""
    software, named = read_software(record, calibration, vendor, assumed)
    family = calibration["frameworks"][software.family]
    sequence = count(record, "seq_len", high=1e8)
    if sequence is None:
        value = float(min(arch.max_context or 4096, 4096))
        sequence = float(assume(assumed, "seq_len", value, "no sequence length is given"))
    d = _degrees(record, cores, calibration, assumed)
    given = part(record, "parallelism")
    total, micro = _batches(record, d, sequence, calibration, assumed)
    group = count(given, "fsdp_group", high=1e8, within="parallelism") or 0.0
    group *= count(given, "dcn_fsdp", high=1e6, within="parallelism") or 1.0  # over several TPU slices
    sharded = bool(family.get("fsdp")) or group > 1.0
    zero = count(given, "zero_stage", low=0, high=3, within="parallelism")
    if zero is None:
        zero = float(assume(assumed, "parallelism.zero_stage", 3 if sharded else 1, "the framework's default"))
    habits = (sharded or bool(family.get("xla")), bool(family.get("local_batch")))
    micro = _micro_batch(micro, total, d, habits, record, assumed)
    parallel = given.get("sequence_parallel")
    if not isinstance(parallel, bool):
        parallel = d.tp > 1 and not family.get("legacy", False)
        if d.tp > 1:
            assume(assumed, "parallelism.sequence_parallel", parallel, "the framework's default")
    policy, known = read_recompute(record, calibration, arch.depth / (d.pp * d.vpp))
    layout = Layout(
        tp=d.tp, pp=d.pp, vpp=d.vpp, cp=d.cp, ep=d.ep, dp=d.dp,
        etp=_expert_tensor(d, given, bool(family.get("xla"))),
        micro_batch=micro, global_batch=total, sequence=sequence, zero=zero, fsdp=group,
        sequence_parallel=float(parallel), uneven=_uneven(arch.depth, d.pp),
        bubble=read_schedule(record), precision=read_precision(record, assumed), software=software, **policy,
    )  # fmt: skip
    return Plan(layout, known, d.chips, total * sequence, named)


def _expert_tensor(d: _Degrees, given: Mapping[str, Any], compiled: bool) -> float:
    """Tensor split of one expert: as given, else as the dense matrices where a compiler shards both."""
    return d.tp if compiled and given.get("etp") is None else d.etp


def _uneven(depth: int, pp: float) -> float:
    """1 where the layers do not divide over the stages, but do with embedding and loss as a layer each.

    >>> _uneven(70, 12.0), _uneven(96, 8.0)
    (1.0, 0.0)
    """
    return float(pp > 1 and depth % pp != 0 and (depth + 2) % pp == 0)
