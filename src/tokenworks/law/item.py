"""Layer 1, the item: 3A090 and 4A090 in the version of the day (Supplement No. 1 to Part 774).

TPP and performance density are computed, never typed in: TPP is the largest dense rate times the operand
bits, density is TPP over the die area made with non-planar transistors (3A090 technical notes 1 to 3).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenworks.language import Text, text
from tokenworks.law.dated import cite, current, in_force
from tokenworks.records import Chip, Citation, Fact

BITS = {"fp64": 64, "fp64_tensor": 64, "fp32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "fp4": 4}
TERA = 1e12
SQUARE_MM = 1e-6  # m2
GIGA = 1e9
NONE = "not_3A090"


@dataclass(frozen=True)
class Item:
    """What the rules ask about a chip; None where nobody knows. Rates in bytes/s, density per mm2.

    datacentre: designed or marketed for data centres. computer: a server or rack of so many `chips`. stack: a
    stand-alone memory stack. origin: country whose designer made it, "" where nobody knows. data: the facts it
    was computed from.
    """

    name: str
    vendor: str
    origin: str
    tpp: float | None = None
    density: float | None = None
    memory_bandwidth: float | None = None
    io_bandwidth: float | None = None
    datacentre: bool | None = True
    computer: bool = False
    chips: int = 1
    stack_density: float | None = None
    accelerator: bool = True
    rates: Mapping[str, float] = field(default_factory=dict)  # FLOP/s by precision: fp64, fp32
    data: Mapping[str, Fact] | None = None


def tpp(chip: Chip) -> float | None:
    """Total processing performance: the largest dense rate (TOPS) times its operand bits; None if unknown.

    TF32 is left out: its operands are 19 bits wide and its rate never decides.
    """
    found = [float(rate) / TERA * bits for name, bits in BITS.items() if (rate := chip.get(f"peak_{name}"))]
    stated = chip.get("tpp_published")
    return max(found) if found else (float(stated) if stated else None)


def density(chip: Chip) -> float | None:
    """Performance density: TPP per mm2 of applicable die area; None if either is unknown."""
    performance, area = tpp(chip), chip.get("applicable_die_area") or chip.get("die_area")
    return None if performance is None or not area else performance / (float(area) / SQUARE_MM)


_USED = (*(f"peak_{n}" for n in BITS), "tpp_published", "die_area", "applicable_die_area", "memory_bandwidth",
         "io_bandwidth", "scaleup_bandwidth", "datacentre_design")  # fmt: skip


def from_chip(chip: Chip) -> Item:
    """The item as the catalog knows it. Input/output bandwidth counts both directions (2022 version)."""
    stated = chip.get("io_bandwidth")
    links = chip.get("scaleup_bandwidth")
    design = chip.get("datacentre_design")
    return Item(
        name=chip.name,
        vendor=chip.vendor,
        origin=chip.country,
        tpp=tpp(chip),
        density=density(chip),
        memory_bandwidth=chip.get("memory_bandwidth"),
        io_bandwidth=float(stated) if stated else (2.0 * float(links) if links else None),
        datacentre=bool(design) if design is not None else chip.kind == "datacentre",
        rates=_rates(chip),
        data={name: chip.facts[name] for name in _USED if name in chip.facts},
    )


def _rates(chip: Chip | None) -> Mapping[str, float]:
    """Peak FLOP/s in 64 and 32 bits by the fastest unit, which the size of a supercomputer counts (15 CFR 772.1)."""
    units = {"fp64": ("fp64", "fp64_tensor"), "fp32": ("fp32",)}
    found = {n: [float(r) for u in of if (r := chip.get(f"peak_{u}"))] for n, of in units.items()} if chip else {}
    return {name: max(rates) for name, rates in found.items() if rates}


def from_parameters(name: str, p: Mapping[str, Any], chip: Chip | None) -> Item:
    """The item as a case states it (law/cases.yaml: tpp, die_mm2, pd, mem_GBps, io_GBps, datacenter).

    Beside these fp64_TFLOPS and fp32_TFLOPS, which the size of a supercomputer counts, for chips of no catalog.
    """

    def scaled(key: str, factor: float) -> float | None:
        return None if p.get(key) is None else float(p[key]) * factor

    stack = p.get("memory_bandwidth_density")
    return Item(
        name=name,
        vendor=chip.vendor if chip else str(p.get("vendor", "")),
        origin=chip.country if chip else str(p.get("origin", "US")),
        tpp=scaled("tpp", 1.0),
        density=scaled("pd", 1.0),
        memory_bandwidth=scaled("mem_GBps", GIGA),
        io_bandwidth=scaled("io_GBps", GIGA),
        datacentre=p.get("datacenter"),
        computer=bool(p.get("computer", False)),
        chips=int(p.get("chips", 1)),
        stack_density=None if stack is None else float(stack),
        accelerator=stack is None and p.get("tpp") != 0,
        rates={**_rates(chip), **{n: float(p[f"{n}_TFLOPS"]) * TERA for n in ("fp64", "fp32") if p.get(f"{n}_TFLOPS")}},
    )


def classify(item: Item, law: Mapping[str, Any], on: dt.date) -> tuple[str, tuple[Citation, ...]]:
    """ECCN of a fully known item on a day, with its citation; "not_3A090" outside.

    Every parameter must be known: `judge` tries all that matter where one is not.
    """
    if item.stack_density is not None:
        rule = law["items"]["hbm"]
        return ("3A090.c" if in_force(rule, on) and item.stack_density > rule["density"] else NONE), (cite(rule),)
    version = current(law["items"]["versions"], on)
    if version is None or not item.accelerator:
        return NONE, (cite(version or law["items"]["versions"][0]),)
    paragraph = _first(item, version) if "bit_tops" in version else _second(item, version)
    if item.computer and paragraph != NONE:
        paragraph = paragraph.replace("3A090", "4A090")
    return paragraph, (cite(version),)


def _first(item: Item, v: Mapping[str, Any]) -> str:
    """Version of 2022: fast arithmetic and fast links, both."""
    fast = (item.tpp or 0.0) >= v["bit_tops"] and (item.io_bandwidth or 0.0) >= v["io_bandwidth"]
    return "3A090" if fast else NONE


def _second(item: Item, v: Mapping[str, Any]) -> str:
    """Version of 2023: .a by TPP or density, .b below it; Note 2 lets consumer parts under 4800 out."""
    performance, dense = item.tpp or 0.0, item.density or 0.0
    if performance >= v["a_tpp"]:
        return "3A090.a"
    if not item.datacentre:
        return NONE
    if performance >= v["a2_tpp"] and dense >= v["a2_density"]:
        return "3A090.a"
    if performance >= v["b1_tpp"] and dense >= v["b1_density"]:
        return "3A090.b"
    if performance >= v["b2_tpp"] and dense >= v["b2_density"]:
        return "3A090.b"
    return NONE


def arithmetic(item: Item, eccn: str | None) -> Text:
    """The arithmetic behind the classification, shown; what is not known as a question mark."""
    said = eccn or "?"
    if item.stack_density is not None:
        density_said = f"{item.stack_density:g}"
        return text("memory bandwidth density {density} GB/s/mm2: {eccn}", density=density_said, eccn=said)
    return text(
        "TPP {tpp}, performance density {density}, input/output {io} GB/s, memory {memory} GB/s: {eccn}",
        tpp=_number(item.tpp, 1.0, 0),
        density=_number(item.density or None, 1.0, 2),  # zero stands for unknown in a possible world
        io=_number(item.io_bandwidth or None, GIGA, 0),
        memory=_number(item.memory_bandwidth, GIGA, 0),
        eccn=said,
    )


def _number(value: float | None, unit: float, digits: int) -> str:
    return "?" if value is None else f"{value / unit:.{digits}f}"
