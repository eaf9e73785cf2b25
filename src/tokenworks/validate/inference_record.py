"""Inference record -> the run it describes: hardware, engine, model, lengths, load. Answers are not read.

Every field that is missing is chosen as the engine's good practice would have, and listed as assumed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenworks import workload
from tokenworks.catalog import resolve
from tokenworks.errors import BadRequest, UnknownFact, not_allowed
from tokenworks.language import Text, text
from tokenworks.perf.serving import Lengths, Replica
from tokenworks.perf.serving_constants import ServingConstants, engine_family, release_of, watts_per_teraflop
from tokenworks.perf.serving_plan import ServingPlan
from tokenworks.records import Chip, Hardware, World
from tokenworks.workload import Architecture

KINDS = ("max_throughput", "concurrency", "batch", "request_rate")
_PRECISIONS = {  # spellings in records -> workload's
    "fp32": "fp32", "bf16": "bf16", "bfloat16": "bf16", "fp16": "fp16", "float16": "fp16", "fp8": "fp8",
    "fp8_block": "fp8_block", "mxfp8": "mxfp8", "int8": "int8", "w8a8": "int8", "nvfp4": "nvfp4",
    "fp4": "nvfp4", "mxfp4": "mxfp4", "int4": "int4", "int4awq": "int4", "int4gptq": "int4", "w4a16": "int4",
}  # fmt: skip
_PEAKS = ("bf16", "fp16", "fp8", "fp4", "int8", "fp32", "tf32")
_GB, _TERA = 1e9, 1e12
_NOMINAL = (1024, 8192)  # lengths that mean "uniform between 0.8 and 1.0 of it"
_NOMINAL_SHARE = 0.9
_USUAL = 1024.0  # tokens in and out where a record gives neither


@dataclass
class Assumed:
    """Collects what a record left open."""

    found: list[tuple[str, object, Text]] = field(default_factory=list)

    def take(self, name: str, value: Any, why: Text) -> Any:
        self.found.append((name, value, why))
        return value


@dataclass(frozen=True)
class Run:
    """One inference run, read.

    planned: the record fixes the split. Where it does not, `replica.plan` holds only the precisions, and
    `width` (None: any) the chips of one replica.
    """

    replica: Replica
    engine: str
    release: str
    planned: bool
    width: int | None
    chips: int | None
    lengths: Lengths
    kind: str
    value: float | None
    slo: Mapping[str, float]
    disaggregated: Mapping[str, Any] | None
    batch_max: float
    prefill_only: bool
    decode_only: bool
    batch_powers: bool = False  # the engine's decode workers have a batch limit that is a power of two
    hidden_drafts: bool = False  # speculation that nobody recorded: its gain is a constant of the calibration


def number(record: Mapping[str, Any], name: str, high: float = 1e9, low: float = 0.0) -> float | None:
    """A positive number of a mapping, or None where it is absent. Raises BadRequest."""
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value <= high:
        raise BadRequest("expected a number above {low} and up to {high}", field=name, low=low, high=high)
    if not math.isfinite(float(value)):
        raise BadRequest("expected a number above {low} and up to {high}", field=name, low=low, high=high)
    return float(value)


def whole(record: Mapping[str, Any], name: str, default: int | None = None, high: int = 1_000_000) -> int | None:
    """A positive whole number, or the default where it is absent, null or zero. Raises BadRequest."""
    if record.get(name) == 0:
        return default
    value = number(record, name, high)
    if value is None:
        return default
    if value != int(value):
        raise BadRequest("expected a whole number", field=name)
    return int(value)


def mapping(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping, empty where it is absent. Raises BadRequest."""
    value = record.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadRequest("expected a mapping", field=name)
    return value


def words(record: Mapping[str, Any], name: str) -> str | None:
    """A text, or None where it is absent. Raises BadRequest."""
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequest("expected a text", field=name)
    return value


def read(record: Mapping[str, Any], world: World, assumed: Assumed) -> Run:
    """Read a record. Raises BadRequest (a field is missing or unreadable) and UnknownFact."""
    load = mapping(record, "load")
    kind = words(load, "kind")
    if kind not in KINDS:
        raise not_allowed("load.kind", kind, KINDS)
    box = mapping(record, "hardware")
    chip = find_chip(world, box)
    arch = model(record, world)
    engine = words(record, "engine") or assumed.take("engine", "vllm", text("the engine most used"))
    hardware, release = describe(chip, box), release_of(words(record, "engine_version"))
    constants = ServingConstants.from_calibration(
        world.calibration["serving"],
        hardware.generation,
        hardware.vendor,
        engine,
        power=watts_per_teraflop(hardware),
        release=release,
    )
    weights = precision(record, arch, world, assumed)
    kv = cache_precision(record, weights, assumed)
    chips = whole(box, "n_chips")
    split = record.get("parallelism")
    draft, accept, hidden = speculation(record, arch, (engine_family(engine), world), constants, assumed)
    prefix = 0.0
    if record.get("prefix_cache") is True:
        prefix = assumed.take("prefix_cache", constants.prefix, text("share of a prompt found in a cache"))
    plan = ServingPlan(weights=weights, kv=kv, draft=draft, accept=accept, prefix=prefix)
    pools = record.get("disaggregated")
    if split is not None:
        plan, chips = widths(mapping(record, "parallelism"), chips, plan, assumed)
    free = split is not None and _split_open(record, arch, engine, plan, world)
    return Run(
        replica=Replica(arch, hardware, plan, constants),
        engine=engine,
        release=release,
        planned=split is not None and not free,
        width=int(plan.chips) if free else None,
        chips=chips,
        lengths=lengths(record, assumed),
        kind=kind,
        value=number(load, "value", 1e7),
        slo={k: float(v) for k, v in mapping(load, "slo_ms").items() if isinstance(v, int | float)},
        disaggregated=pools if isinstance(pools, Mapping) else None,
        batch_max=number(record, "max_batch_size") or number(load, "max_num_seqs") or math.inf,
        prefill_only=record.get("prefill_only") is True,
        decode_only=record.get("decode_only") is True,
        batch_powers=bool(_habits(world, engine).get("batch_powers")),
        hidden_drafts=hidden,
    )


def _split_open(record: Mapping[str, Any], arch: Architecture, engine: str, plan: ServingPlan, world: World) -> bool:
    """A mixture at its most tokens per second whose expert width nobody recorded: the number of chips is
    known, but not whether attention and experts were split or spread over them. Engines from before they
    could spread attention are taken as recorded."""
    kind, split = mapping(record, "load").get("kind"), mapping(record, "parallelism")
    since = _habits(world, engine).get("spreads_since")
    version = re.match(r"\d+\.\d+", words(record, "engine_version") or "")
    if since is None or version is None or float(version[0]) < since:
        return False
    mixture = any(layer.ffn is not None and layer.ffn.experts for layer, _ in arch.layers)
    several = int(plan.chips) > 1 and int(plan.pp) == 1 and int(plan.dp) == 1
    return kind == "max_throughput" and mixture and several and split.get("ep") is None


def _habits(world: World, engine: str) -> Mapping[str, Any]:
    """What the calibration says of an engine's family."""
    return dict(world.calibration["serving"]["engines"].get(engine_family(engine), {}))


def find_chip(world: World, box: Mapping[str, Any]) -> Chip | None:
    """The catalog's chip; None where it lacks it but the record describes one. Raises UnknownFact."""
    name = words(box, "chip")
    if not name:
        raise BadRequest("is missing", field="hardware.chip")
    try:
        return world.chips[resolve(world, "chips", name, "hardware.chip")]
    except UnknownFact:
        if number(box, "hbm_gb") and any(number(box, f"peak_{p}_tflops") for p in _PEAKS):
            return None
        raise


def describe(chip: Chip | None, box: Mapping[str, Any]) -> Hardware:
    """Hardware from the record's own fields, completed by the catalog. Raises BadRequest."""

    def fact(name: str) -> float:
        value = chip.get(name) if chip else None
        return float(value) if value else 0.0

    peak = {p: fact(f"peak_{p}") for p in _PEAKS if fact(f"peak_{p}")}
    own = {p: number(box, f"peak_{p}_tflops") for p in _PEAKS}
    peak |= {p: value * _TERA for p, value in own.items() if value}
    memory = (number(box, "hbm_gb") or 0.0) * _GB or fact("memory")
    if not (peak.get("bf16") or peak.get("fp16")) or not memory:
        raise BadRequest("its 16-bit rate or its memory is not known", field="hardware.chip")
    bandwidth = (number(box, "hbm_bw_GBps", 1e6) or 0.0) * _GB or fact("memory_bandwidth")
    if not bandwidth:
        raise BadRequest("its memory bandwidth is not known", field="hardware.chip")
    inside = (number(box, "intra_bw_GBps_per_chip_uni", 1e6) or 0.0) * _GB or fact("scaleup_bandwidth")
    outside = (number(box, "inter_bw_GBps_per_chip_uni", 1e6) or 0.0) * _GB or fact("scaleout_bandwidth")
    domain = whole(box, "scaleup_domain") or whole(box, "chips_per_node") or int(fact("scaleup_domain") or 8)
    return Hardware(
        chip=chip.id if chip else str(box["chip"]),
        generation=chip.generation if chip else "",
        vendor=chip.vendor if chip else "",
        year=0,
        peak=peak,
        memory=memory,
        memory_bandwidth=bandwidth,
        power=fact("power") or None,
        scaleup_domain=domain,
        scaleup_bandwidth=inside or _FALLBACK_LINK,
        scaleout_bandwidth=outside or _FALLBACK_LINK,
    )


_FALLBACK_LINK = 32e9  # bytes/s one way of PCIe 4.0 x16 (PCI-SIG), where a chip has no link of its own


def model(record: Mapping[str, Any], world: World) -> Architecture:
    """Architecture of the record's model: its own `config`, else the catalog's. Raises UnknownFact."""
    given = record.get("model")
    if isinstance(given, Mapping):
        if isinstance(given.get("config"), Mapping):
            return workload.read(given["config"], str(given.get("name", "model")))
        return workload.from_record(given)
    names = [n for n in (words(record, "model"), words(record, "model_key")) if n]
    if not names:
        raise BadRequest("is missing", field="model")
    for name in names[:-1]:
        try:
            found = world.models[resolve(world, "models", name, "model")]
        except UnknownFact:
            continue
        return workload.read(found.config, found.id)
    found = world.models[resolve(world, "models", names[-1], "model")]
    return workload.read(found.config, found.id)


def precision(record: Mapping[str, Any], arch: Architecture, world: World, assumed: Assumed) -> str:
    """Precision of the weights; absent: that of the published checkpoint. 8-bit floats of makers
    that publish checkpoints scaled by block (`block_scaled` of the calibration) are taken as such."""
    given = words(record, "weight_precision")
    if given is None:
        return str(assumed.take("weight_precision", arch.weight_precision, text("that of the published checkpoint")))
    if given.casefold() not in _PRECISIONS:
        raise not_allowed("weight_precision", given, _PRECISIONS)
    found = _PRECISIONS[given.casefold()]
    maker = (words(record, "model") or "").partition("/")[0].casefold() if isinstance(record.get("model"), str) else ""
    return "fp8_block" if found == "fp8" and maker in world.calibration["serving"]["block_scaled"] else found


def cache_precision(record: Mapping[str, Any], weights: str, assumed: Assumed) -> str:
    """Precision of the cache; absent: 8 bits for 8-bit and 4-bit float checkpoints, else 16."""
    given = (words(record, "kv_precision") or "").casefold()
    for name in ("fp8", "int8", "bf16", "fp16", "fp32"):
        if given.startswith(name):
            return name
    taken = "fp8" if weights.startswith(("fp8", "nvfp4")) else "bf16"
    assumed.take("kv_precision", taken, text("8 bits for fp8 and nvfp4 checkpoints, else 16"))
    return taken


def speculation(
    record: Mapping[str, Any],
    arch: Architecture,
    engine: tuple[str, World],
    k: ServingConstants,
    assumed: Assumed,
) -> tuple[float, float, bool]:
    """(tokens drafted, tokens kept per step, whether speculation is guessed). Unrecorded: what the engine is
    known to do with a model that carries MTP modules; a published method without acceptance: a geometric
    chain of the assumed chance."""
    given = record.get("speculative")
    if isinstance(given, Mapping):
        draft = number(given, "draft_tokens_max", 64) or 1.0
        kept = number(given, "accept_length", 65)
        if kept is None:
            kept = sum(k.accept**i for i in range(int(draft) + 1))
            assumed.take("speculative.accept_length", round(kept, 2), text("a fixed chance per drafted token"))
        return draft, max(kept, 1.0), False
    family, world = engine
    habits = world.calibration["serving"]["engines"].get(family, {})
    unknown = given is None or str(given).startswith("not recorded")
    pools = isinstance(record.get("disaggregated"), Mapping)
    if unknown and arch.mtp_layers and habits.get("speculates") and not pools:
        assumed.take("speculative", "MTP", text("the engine is known to use the model's MTP modules"))
        return 0.0, 1.0 / k.speculative, True
    if unknown:
        assumed.take("speculative", "none", text("not recorded"))
    return 0.0, 1.0, False


def lengths(record: Mapping[str, Any], assumed: Assumed) -> Lengths:
    """Mean input and output tokens. A length that is missing equals the other."""
    isl, osl = number(record, "isl", 1e8), number(record, "osl", 1e8)
    if isl is None and osl is None:
        isl = osl = assumed.take("isl, osl", _USUAL, text("the lengths most often published"))
    if isl is None:
        isl = assumed.take("isl", osl, text("as long as the output"))
    if osl is None:
        osl = assumed.take("osl", isl, text("as long as the input"))
    given, made = float(isl or 1.0), float(osl or 1.0)
    if str(record.get("length_type", "")).startswith("nominal"):
        given *= _NOMINAL_SHARE if given in _NOMINAL else 1.0
        made *= _NOMINAL_SHARE if made in _NOMINAL else 1.0
    return Lengths(given, made)


def widths(
    split: Mapping[str, Any], chips: int | None, plan: ServingPlan, assumed: Assumed
) -> tuple[ServingPlan, int | None]:
    """The plan with the record's widths, repaired where they contradict themselves, and the chips.

    Three patterns of corruption are known (a width multiplied by the expert width): moe_tp = ep and
    tp = ep squared; dp = ep squared; tp = dp with ep = tp dp. In each of them tp and dp are divided.
    """
    tp, pp = whole(split, "tp", 1) or 1, whole(split, "pp", 1) or 1
    ep, inner = whole(split, "ep"), whole(split, "moe_tp", 1) or 1
    dp = whole(split, "attention_dp", 1) or 1
    if "dp_attention" in split:
        dp = (whole(split, "dp") or tp) if split["dp_attention"] is True else 1
        tp = max(tp // dp, 1)
    clean = (tp, dp, ep)
    if ep is not None and ep > 1:
        if inner > 1 and dp == 1 and tp == inner * ep:
            tp = tp // ep
        elif dp == ep * ep:
            dp = ep
        elif tp == dp and ep == tp * dp:
            tp, ep = 1, dp
    if clean != (tp, dp, ep):
        chips = assumed.take("n_chips", tp * dp * pp, text("parallel widths contradict each other"))
    if chips is not None and tp * dp * pp > chips:  # widths that count cores, not chips
        tp = assumed.take("tp", max(chips // (dp * pp), 1), text("the width counts cores, not chips"))
    if ep is None and plan.weights:
        ep = tp * dp if dp > 1 else 1
    plan = ServingPlan(
        tp=tp, dp=dp, pp=pp, ep=min(ep or 1, tp * dp), weights=plan.weights, kv=plan.kv, draft=plan.draft,
        accept=plan.accept, prefix=plan.prefix,
    )  # fmt: skip
    return plan, chips if chips is not None else tp * dp * pp
