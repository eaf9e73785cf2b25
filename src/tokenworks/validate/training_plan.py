"""The layout and software of a training record; what it leaves out as its framework's good practice has
it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tokenworks.perf.layout import PRECISIONS, Layout, Software
from tokenworks.perf.training import is_mixture
from tokenworks.validate.fields import Refusal, count, part, string
from tokenworks.validate.training_hardware import VENDOR_WORDS, Assumed, assume
from tokenworks.workload.architecture import Architecture

_MINUTE_VERSION = re.compile(r"(?<!\d)(2\d)\.(\d\d)(?!\d)")  # 26.04: year and month
_HIDDEN_EXCHANGE = re.compile(r"dualpipe|a2a|all.?to.?all|expert.{0,20}overlap|moe.{0,20}overlap")
_WHOLE_GRAPH = re.compile(r"(full|whole|entire).?iteration")
_NO_GRAPH = re.compile(r"(no|without|disabled?) (cuda.?)?graph|graphs? (off|disabled)")
_ZERO_BUBBLE = re.compile(r"zero.?bubble|\bzb")
_ADAPTERS = frozenset({"lora", "qlora", "peft", "adapter"})
_YEAR = re.compile(r"(?<!\d)(20\d\d)(?!\d)")
_LAYERS_OF_STAGE = re.compile(r"(?:full|block)\D{0,12}(\d{1,4}) layers?(.{0,12}stage)?")


@dataclass(frozen=True)
class Plan:
    """A record's layout, the share of recomputation still to be chosen, and the chips and tokens of a
    step."""

    layout: Layout
    recompute_known: bool
    chips: float
    tokens: float
    framework_named: bool


def find_family(name: str, families: Mapping[str, Any]) -> str | None:
    """The framework family that a published name means: the longest spelling that it starts with, its vendor's words
    left out, else the longest that it has as a word; None where it has none.

    >>> kinds = {"gaudi": {"match": ["gaudi"]}, "deepspeed": {"match": ["deepspeed"]}}
    >>> find_family("Intel Gaudi DeepSpeed", kinds), find_family("our DeepSpeed", kinds), find_family("x", kinds)
    ('gaudi', 'deepspeed', None)
    """
    words = name.casefold().split()
    while words and words[0] in VENDOR_WORDS:
        words = words[1:]
    said = " ".join(words)
    known = sorted(((m, k) for k, e in families.items() for m in e["match"]), key=lambda pair: -len(pair[0]))
    for spelling, family in known:
        if said.startswith(spelling):
            return family
    for spelling, family in known:
        if re.search(rf"(?<![a-z0-9]){re.escape(spelling)}(?![a-z])", said):
            return family
    return None


def read_software(
    record: Mapping[str, Any], calibration: Mapping[str, Any], hardware: tuple[str, int], assumed: Assumed
) -> tuple[Software, bool]:
    """Framework family, release year, whether only an adapter is trained, and what is said of overlap and graphs; and
    whether the framework was named.

    hardware: the chip's vendor and year of launch. A vendor's port goes by the port's family; software that has
    changed since (`successor`) is its successor where a year after `until` is named, or the chip came out the year
    before that or later.
    """
    name = string(record, "framework")
    folded = name.casefold()
    families, (vendor, launched) = calibration["frameworks"], hardware
    found = find_family(name, families)
    family = found or "other"
    version, year = _MINUTE_VERSION.search(name), _YEAR.search(name)
    when = None
    if version:
        when = 2000.0 + int(version[1]) + (int(version[2]) - 1) / 12.0
    elif year:
        when = float(year[1])
    entry = families[family]
    if vendor in entry.get("ports", {}):
        family = entry["ports"][vendor]
    elif entry.get("vendor") and entry["vendor"] != vendor:
        family = entry["elsewhere"]
    elif "successor" in entry and (when or launched + 1.0) > entry["until"]:
        family = entry["successor"]
    if found is None:
        assume(assumed, "framework", family, "the framework is not named or not known; a mean of all")
    adapter = string(record, "kind").casefold() in _ADAPTERS or "lora" in folded or "peft" in folded
    overlap = string(record, "overlap").casefold()
    hidden, whole = bool(_HIDDEN_EXCHANGE.search(overlap)), bool(_WHOLE_GRAPH.search(overlap))
    graph = whole if whole or _NO_GRAPH.search(overlap) else None
    when = float(families[family]["year"]) if when is None else when
    software = Software(family, when, graph, expert_overlap=hidden, adapter=adapter)
    return software, found is not None


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


# A word for a precision -> its name in our vocabulary; the one that stands first in a published text counts.
_PRECISION_WORDS = re.compile(
    r"(?P<nvfp4>nvfp4|mxfp4|fp4)|(?P<mxfp8>mxfp8|fp8[ _-]?mx)|(?P<fp8>fp8|e4m3|e5m2)|(?P<bf16>bf16)|(?P<fp16>fp16|half|"
    r"\b16\b)|(?P<int8>int8|w8a8|aqt)"
)
_UNNAMED = re.compile(r"^(|unknown|mixed|amp|mixed[ -_]precision|n/?a|none)$")


def precision_named(said: str) -> str | None:
    """Our name for a precision as published; None for one we do not know.

    >>> [precision_named(p) for p in ("BFloat16", "fp8 blockwise", "float8_rowwise", "MXFP8", "fp64")]
    ['bf16', 'fp8_block', 'fp8_rowwise', 'mxfp8', None]
    """
    plain = said.casefold().replace("bfloat", "bf").replace("float", "fp")
    found = _PRECISION_WORDS.search(plain)
    if found is None or found.lastgroup is None:
        return None
    if found.lastgroup == "fp8":
        if re.search(r"block|tile|128x128|fine", plain):
            return "fp8_block"
        return "fp8_rowwise" if "row" in plain else "fp8"
    return found.lastgroup


def read_precision(record: Mapping[str, Any], assumed: Assumed) -> str:
    """The precision of the GEMMs in our vocabulary. Raises Refusal for one we do not know."""
    said = string(record, "precision")
    if _UNNAMED.match(said.casefold().strip()):
        return str(assume(assumed, "precision", "bf16", "no precision is given"))
    found = precision_named(said)
    if found is not None:
        return found
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
    given = record.get("recompute")
    said = str(given).casefold() if isinstance(given, bool) else string(record, "recompute").casefold()
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
    if not 0.99 < model * dp / workers < 1.01:
        dp = float(assume(assumed, "parallelism.dp", workers / model, "the given degrees do not fill the chips"))
    vpp = count(given, "virtual_pipeline_stages", high=1e4, within=within) or 1.0
    return _Degrees(
        read["tp"] or 1.0, read["pp"] or 1.0, vpp, read["cp"] or 1.0, read["ep"] or 1.0, read["etp"] or 1.0,
        dp, chips,
    )  # fmt: skip


def _interleaved(
    d: _Degrees, depth: int, family: Mapping[str, Any], record: Mapping[str, Any], calibration: Mapping[str, Any],
    assumed: Assumed,
) -> _Degrees:  # fmt: skip
    """The degrees with the virtual stages that a pipeline of unknown software is taken to have where neither they nor
    a schedule are published: with one, a long pipeline of few micro-batches would idle half of its time."""
    given = part(record, "parallelism")
    stated = given.get("virtual_pipeline_stages") is not None or given.get("schedule") is not None
    stages = float(calibration["practice"]["virtual_stages"]["value"])
    if stated or d.pp == 1.0 or not family.get("interleaves") or depth < stages * d.pp:
        return d
    why = "not given; pipelines are interleaved where nothing else is said"
    return replace(d, vpp=float(assume(assumed, "parallelism.virtual_pipeline_stages", stages, why)))


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
    record: Mapping[str, Any], arch: Architecture, hardware: tuple[str, int], cores: float,
    calibration: Mapping[str, Any], assumed: Assumed,
) -> Plan:  # fmt: skip
    """The layout of a record. Raises Refusal where a value is bad or contradicts another."""
    software, named = read_software(record, calibration, hardware, assumed)
    family = calibration["frameworks"][software.family]
    sequence = count(record, "seq_len", high=1e8)
    if sequence is None:
        value = float(min(arch.max_context or 4096, 4096))
        sequence = float(assume(assumed, "seq_len", value, "no sequence length is given"))
    d = _interleaved(_degrees(record, cores, calibration, assumed), arch.depth, family, record, calibration, assumed)
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
    if not known and "recompute" in family:
        usual = assume(assumed, "recompute", family["recompute"], "the framework's default")
        policy, known = read_recompute({"recompute": usual}, calibration, arch.depth)
    layout = Layout(
        tp=d.tp, pp=d.pp, vpp=d.vpp, cp=d.cp, ep=d.ep, dp=d.dp,
        etp=_expert_tensor(d, given, bool(family.get("xla"))),
        micro_batch=micro, global_batch=total, sequence=sequence, zero=zero, fsdp=group,
        sequence_parallel=float(parallel), uneven=_uneven(arch.depth, d.pp),
        bubble=read_schedule(record), precision=read_precision(record, assumed), software=software, **policy,
    )  # fmt: skip
    return Plan(layout, known, d.chips, total * sequence, named)


def weave(plan: Plan, arch: Architecture, domain: float, calibration: Mapping[str, Any], assumed: Assumed) -> Plan:
    """The plan with its expert exchange woven into another micro-batch, where its software does so.

    domain: chips of the scale-up domain. Needs experts on several chips, an interleaved pipeline and no full
    recomputation; a graph of the whole iteration does without.
    """
    habit, layout, software = calibration["woven"], plan.layout, plan.layout.software
    able = bool(is_mixture(arch) and layout.ep > 1.0 and layout.vpp > 1.0 and layout.full == 0.0 and not software.graph)
    usual = software.year >= habit["since"] and domain <= habit["domain_up_to"]
    if software.family not in habit["families"] or not able or not (usual or software.expert_overlap):
        return plan
    if not software.expert_overlap:
        why = "expert exchange runs beside another micro-batch, as the framework's recipes for interleaved pipelines do"
        assume(assumed, "overlap", "expert exchange", why)
    return replace(plan, layout=replace(layout, software=replace(software, woven=True)))


def _expert_tensor(d: _Degrees, given: Mapping[str, Any], compiled: bool) -> float:
    """Tensor split of one expert: as given, else as the dense matrices where a compiler shards both."""
    return d.tp if compiled and given.get("etp") is None else d.etp


def _uneven(depth: int, pp: float) -> float:
    """1 where the layers do not divide over the stages, but do with embedding and loss as a layer each.

    >>> _uneven(70, 12.0), _uneven(96, 8.0)
    (1.0, 0.0)
    """
    return float(pp > 1 and depth % pp != 0 and (depth + 2) % pp == 0)
