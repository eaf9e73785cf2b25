"""The training model's constants, read from calibration data and narrowed to one chip and one software."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from tokenworks.errors import Defect
from tokenworks.perf.layout import Software
from tokenworks.perf.roofline import Column

# Where a chip has no constant for a precision: the nearest kind of arithmetic it was measured on.
_STAND_IN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bf16": ("fp8", "int8"),
        "fp8": ("int8", "bf16"),
        "int8": ("fp8", "bf16"),
        "fp4": ("fp8", "bf16"),
    }
)


@dataclass(frozen=True)
class TrainingConstants:
    """Constants for one chip generation and one software release.

    values: the globals by name (SI; meanings in calibration/training.yaml). gemm: peak kind (bf16, fp8, int8,
    fp4) -> sustained share. attention: sustained share of the bf16 peak. factor: software factor on the step.
    expert_software: factor on expert exchange, permutation and synchronisation. framework: its habits.
    expert_software_hybrid: the same for models with recurrent layers. releases: the places in the calibration
    of the steps of software generation that gave the two.
    evidence: "generation" where the chip's generation was measured, else "vendor" or "all". flash2_lags: the
    chip needs newer attention kernels than FlashAttention-2 to reach `attention`.
    """

    values: Mapping[str, Column]
    gemm: Mapping[str, Column]
    attention: Column
    factor: Column
    expert_software: Column
    framework: Mapping[str, Any]
    adapter_factor: Column
    evidence: str
    known_framework: bool
    generation: str = ""
    flash2_lags: bool = False
    expert_software_hybrid: Column = 1.0
    releases: tuple[int | None, int | None] = (None, None)

    def __getitem__(self, name: str) -> Column:
        return self.values[name]

    def sustained(self, peak: str) -> Column:
        """Sustained share of the peak of that kind, or of the kind nearest to it."""
        for kind in (peak, *_STAND_IN.get(peak, ())):
            if kind in self.gemm:
                return self.gemm[kind]
        raise Defect("no sustained share for {peak} among {known}", peak=peak, known=sorted(self.gemm))

    def for_model(self, hybrid: bool) -> TrainingConstants:
        """The same constants for a model with (hybrid) or without recurrent layers."""
        return replace(self, expert_software=self.expert_software_hybrid) if hybrid else self

    def with_values(self, **values: Column) -> TrainingConstants:
        """Some globals replaced (what-ifs, refits)."""
        return replace(self, values={**self.values, **values})

    @classmethod
    def from_calibration(
        cls,
        calibration: Mapping[str, Any],
        generation: str,
        vendor: str,
        software: Software,
        chip: str = "",
        domain: float = 8.0,
    ) -> TrainingConstants:
        """Narrow calibration/training.yaml to a generation and a software.

        An unknown generation takes the mean of its vendor's known ones, an unknown vendor the mean of all;
        an unknown framework family the entry `other`. `domain`: chips of
        the scale-up domain, on which the expert exchange software depends.
        """
        gemm, attention, evidence, name = _chip(calibration["generations"], (chip, generation), vendor)
        families = calibration["frameworks"]
        known = software.family in families
        framework = families[software.family if known else "other"]
        steps = calibration["expert_software"]
        plain, hybrid = (_release(steps, name, software, (recurrent, domain)) for recurrent in (False, True))
        values = {k: entry["value"] for k, entry in calibration["globals"].items()}
        values["memory_aim"] = calibration["practice"]["memory_aim"]["value"]
        return cls(
            values=values,
            gemm=gemm,
            attention=attention,
            factor=framework["factor"],
            expert_software=1.0 if plain is None else steps[plain]["value"],
            expert_software_hybrid=1.0 if hybrid is None else steps[hybrid]["value"],
            releases=(plain, hybrid),
            framework=framework,
            adapter_factor=calibration["adapter_factor"]["value"],
            evidence=evidence,
            known_framework=known and not framework.get("assumed", False),
            generation=name,
            flash2_lags=bool(calibration["generations"].get(name, {}).get("flash2_lags", False)),
        )


def find_generation(generations: Mapping[str, Any], *names: str) -> str | None:
    """The calibration's key for the first name (chip id, spelling or generation) that it knows; None where
    that chip was never measured.

    >>> find_generation({"hopper": {"aliases": ["h100"]}}, "NVIDIA H100 SXM")
    'hopper'
    """
    for name in names:
        folded = "-" + name.casefold().replace(" ", "-").replace("_", "-")
        for key, entry in generations.items():
            if folded == f"-{key}" or any(f"-{alias}" in folded for alias in entry.get("aliases", ())):
                return key
    return None


def _chip(
    generations: Mapping[str, Any], names: tuple[str, str], vendor: str
) -> tuple[Mapping[str, Column], Column, str, str]:
    """Sustained shares of a generation, or the mean of its vendor's, or of all."""
    found = find_generation(generations, *names)
    if found is not None:
        entry = generations[found]
        return entry["gemm"], entry["attention"], "generation", found
    like = [e for e in generations.values() if e["vendor"].casefold() == vendor.casefold()]
    evidence = "vendor" if like else "all"
    like = like or list(generations.values())
    kinds = sorted({kind for e in like for kind in e["gemm"]})
    gemm = {k: float(np.mean([e["gemm"][k] for e in like if k in e["gemm"]])) for k in kinds}
    return gemm, float(np.mean([e["attention"] for e in like])), evidence, names[1]


def _release(steps: Any, generation: str, software: Software, kind: tuple[bool, float]) -> int | None:
    """The place of the last step of software generation that holds for this chip, family and year, and for the
    kind of job: (hybrid model, chips of the scale-up domain). None where none does."""
    hybrid, domain = kind
    found = None
    for place, step in enumerate(steps):
        fits = software.year >= step["since"]
        fits = fits and (not hybrid or step.get("hybrid", True))
        fits = fits and domain > step.get("domain_above", 0)
        fits = fits and generation in step.get("generations", (generation,))
        if fits and software.family in step.get("families", (software.family,)):
            found = place
    return found
