"""The hardware of a training record: its own fields first, then the catalog's chip, then stated
assumptions."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tokenworks.catalog import resolve
from tokenworks.errors import UnknownFact
from tokenworks.records import Chip, Hardware, World
from tokenworks.validate.fields import Refusal, count, number, part, string

_TERA = 1e12
_GIGA = 1e9
_GIBI = 2.0**30  # sizes of DRAM are printed in GB and built in GiB
VENDOR_WORDS = frozenset(
    ("nvidia", "geforce", "tesla", "quadro", "amd", "instinct", "google", "cloud", "aws", "amazon", "intel", "habana",
     "huawei", "data", "center", "gpu", "npu")
)  # fmt: skip
_MEMORY_RATE = re.compile(r"HBM\w* (\d{1,2}(?:\.\d{1,3})?) TB/s")
_POWER_LIMIT = re.compile(r"(\d{2,4}) W power limit")
Assumed = list[dict[str, Any]]
# Peaks by kind: the record's field, and the catalog's fact.
_PEAKS = (
    ("bf16", "peak_bf16_tflops", "peak_bf16"),
    ("fp8", "peak_fp8_tflops", "peak_fp8"),
    ("fp4", "peak_fp4_tflops", "peak_fp4"),
    ("int8", "peak_int8_tops", "peak_int8"),
)


def spellings(name: str) -> Iterator[str]:
    """What a published name of a chip may mean, the likeliest first: itself, then without its vendor's words, then
    without its last words (form, memory, rack) one by one.

    >>> list(spellings("NVIDIA GB200-NVL72"))
    ['NVIDIA GB200-NVL72', 'GB200 NVL72', 'GB200']
    """
    yield name
    words = [w for w in re.split(r"[\s_/(),-]+", name) if w and w.casefold() not in VENDOR_WORDS]
    for end in range(len(words), 0, -1):
        yield " ".join(words[:end])


def find_chip(name: str, world: World) -> Chip | None:
    """The catalog's chip of that name; None where the catalog lacks it."""
    for spelling in spellings(name):
        try:
            return world.chips.get(resolve(world, "chips", spelling, "hardware.chip"))
        except UnknownFact:
            continue
    return None


def assume(assumed: Assumed, field: str, value: Any, why: str) -> Any:
    """Note an assumption and pass its value on."""
    assumed.append({"field": field, "value": value, "why": why})
    return value


def _fact(chip: Chip | None, name: str) -> float | None:
    value = None if chip is None else chip.get(name)
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _peaks(given: Mapping[str, Any], chip: Chip | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for kind, field, fact in _PEAKS:
        own = number(given, field, low=1e-3, high=1e9, within="hardware")
        value = own * _TERA if own is not None else _fact(chip, fact)
        if value:
            found[kind] = value
    half = _fact(chip, "peak_fp16")
    if "bf16" not in found and half:
        found["bf16"] = half
    if "bf16" not in found:
        raise Refusal(
            "missing_field",
            "neither the record nor the catalog has its peak rate",
            field="hardware.peak_bf16_tflops",
        )
    return found


def _links(
    given: Mapping[str, Any],
    chip: Chip | None,
    bandwidth: float,
    practice: Mapping[str, Any],
    assumed: Assumed,
) -> tuple[float, float]:
    """Scale-up and scale-out bytes/s one way per chip."""
    own = number(given, "intra_bw_GBps_per_chip_uni", low=1e-3, high=1e6, within="hardware")
    fast = own * _GIGA if own is not None else _fact(chip, "scaleup_bandwidth")
    if not fast:
        fast = bandwidth * practice["fast_share"]["value"]
        why = "no link rate is known; a share of the memory bandwidth"
        assume(assumed, "hardware.intra_bw_GBps_per_chip_uni", fast / _GIGA, why)
    own = number(given, "inter_bw_GBps_per_chip_uni", low=1e-3, high=1e6, within="hardware")
    slow = own * _GIGA if own is not None else _fact(chip, "scaleout_bandwidth")
    if not slow:
        slow = fast * practice["slow_share"]["value"]
        why = "no scale-out rate is known; a share of the scale-up rate"
        assume(assumed, "hardware.inter_bw_GBps_per_chip_uni", slow / _GIGA, why)
    return fast, slow


def read_hardware(
    record: Mapping[str, Any], world: World, practice: Mapping[str, Any], assumed: Assumed
) -> tuple[Hardware, float]:
    """Hardware of one worker and workers per chip (2 where the degrees count cores of a Trainium chip).

    Raises Refusal where no peak rate or memory is known.
    """
    given = part(record, "hardware")
    name = string(given, "chip", within="hardware")
    chip = find_chip(name, world) if name else None
    if not name:
        raise Refusal("missing_field", "no chip is named", field="hardware.chip")
    peaks = _peaks(given, chip)
    own = number(given, "hbm_gb", low=1e-3, high=1e6, within="hardware")
    memory = own * _GIBI if own is not None else _fact(chip, "memory")
    if not memory:
        raise Refusal("missing_field", "no memory size is known", field="hardware.hbm_gb")
    bandwidth = _stated(given, _MEMORY_RATE, _TERA) or _fact(chip, "memory_bandwidth")
    if not bandwidth:
        bandwidth = peaks["bf16"] / practice["flops_per_byte"]["value"]
        why = "the catalog has no memory bandwidth for this chip"
        assume(assumed, "hardware.memory_bandwidth", bandwidth, why)
    fast, slow = _links(given, chip, bandwidth, practice, assumed)
    domain = count(given, "scaleup_domain", within="hardware") or _fact(chip, "scaleup_domain") or 8.0
    cores = count(given, "neuron_cores_per_chip", high=64, within="hardware") or 1.0
    vendor = chip.vendor if chip is not None else string(record, "vendor")
    hardware = Hardware(
        chip=chip.id if chip is not None else name,
        generation=chip.generation if chip is not None else name,
        vendor=vendor,
        year=launch_year(chip, world),
        peak={kind: value / cores for kind, value in peaks.items()},
        memory=memory / cores,
        memory_bandwidth=bandwidth / cores,
        scaleup_domain=domain * cores,
        scaleup_bandwidth=fast / cores,
        scaleout_bandwidth=slow / cores,
        torus=vendor == "Google",
        power=_shared(_stated(given, _POWER_LIMIT, 1.0) or _fact(chip, "power"), cores),
    )
    return hardware, cores


def _stated(given: Mapping[str, Any], pattern: re.Pattern[str], unit: float) -> float | None:
    """A figure that the record's remark on its hardware gives for these very chips."""
    said = given.get("bw_source")
    found = pattern.search(said) if isinstance(said, str) else None
    return float(found[1]) * unit if found else None


def _shared(value: float | None, cores: float) -> float | None:
    return None if value is None else value / cores


def launch_year(chip: Chip | None, world: World) -> int:
    """Year of launch; the world's year for a chip that the catalog does not date."""
    for fact in ("launched", "announced"):
        value = None if chip is None else chip.get(fact)
        if isinstance(value, str) and value[:4].isdigit():
            return int(value[:4])
    return world.date.year if isinstance(world.date, dt.date) else 0
