"""The training model's constants, read from calibration data and narrowed to one chip and one software."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tokenworks.errors import Defect
from tokenworks.perf.layout import Software
from tokenworks.perf.roofline import Column
from tokenworks.records import Hardware

# Where a chip has no constant for a precision: the nearest kind of arithmetic it was measured on.
_STAND_IN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bf16": ("fp8", "int8"),
        "fp8": ("int8", "bf16"),
        "int8": ("fp8", "bf16"),
        "fp4": ("fp8", "bf16"),
    }
)


_DENSITIES = (4e-13, 1.4e-12)  # W per bf16 FLOP/s between the densest and the least dense chip that was measured
_MOST = 0.95  # share of a peak that no measured generation passes


@dataclass(frozen=True)
class TrainingConstants:
    """Constants for one chip generation and one software release.

    values: the globals by name (SI; meanings in calibration/training.yaml). gemm: peak kind (bf16, fp8, int8,
    fp4) -> sustained share. attention: sustained share of the bf16 peak. factor: software factor on the step.
    expert_software: factor on expert exchange, permutation and synchronisation. framework: its habits.
    expert_software_hybrid: the same for models with recurrent layers. releases: the places in the calibration
    of the steps of software generation that gave the two. graph, graph_hybrid: whether such releases capture the whole
    iteration as one graph. narrow_head: exponent of the width of heads narrower than 128 in `attention`.
    evidence: "generation" where the chip's generation was measured, else "vendor" or "all". flash2_lags: the
    chip needs newer attention kernels than FlashAttention-2 to reach `attention`. cooling: power per peak FLOP/s
    over that of the chips that the shares were measured on.
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
    cooling: Column = 1.0
    expert_software_hybrid: Column = 1.0
    releases: tuple[int | None, int | None] = (None, None)
    graph: bool = False
    graph_hybrid: bool = False
    narrow_head: Column = 0.16

    def __getitem__(self, name: str) -> Column:
        return self.values[name]

    def sustained(self, peak: str) -> Column:
        """Sustained share of the peak of that kind, or of the kind nearest to it."""
        for kind in (peak, *_STAND_IN.get(peak, ())):
            if kind in self.gemm:
                return np.minimum(self.gemm[kind] * self.throttle, np.maximum(self.gemm[kind], _MOST))
        raise Defect("no sustained share for {peak} among {known}", peak=peak, known=sorted(self.gemm))

    @property
    def throttle(self) -> Column:
        """Factor on the GEMM shares from the power that a chip has for each FLOP/s: chips clock down under dense
        arithmetic, the more the less power they have for their peak (cooling^power_share)."""
        return np.power(self.cooling, self.values["power_share"])

    def for_model(self, hybrid: bool, mixture: bool = False) -> TrainingConstants:
        """The same constants for a model with (hybrid) or without recurrent layers, and with the framework's habits of
        its own mixtures of experts where it is one."""
        own = self.framework.get("mixtures") if mixture else None
        chosen = replace(self, framework={**self.framework, **own}) if own else self
        if not hybrid:
            return chosen
        return replace(chosen, expert_software=self.expert_software_hybrid, graph=self.graph_hybrid)

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
        density: float | None = None,
    ) -> TrainingConstants:
        """Narrow calibration/training.yaml to a generation and a software.

        An unknown generation takes the mean of its vendor's known ones drawn towards that of all, an unknown
        framework family the entry `other`. `domain`: chips of the scale-up domain, on which the expert exchange
        software depends. `density`: the chip's power over its bf16 peak, W per FLOP/s; None where unknown.
        """
        generations = calibration["generations"]
        gemm, attention, evidence, name, usual = _chip(generations, (chip, generation), vendor)
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
            factor=framework["factor"] if "factor" in framework else kindred_factor(families, software.family),
            expert_software=1.0 if plain is None else steps[plain]["value"],
            expert_software_hybrid=1.0 if hybrid is None else steps[hybrid]["value"],
            releases=(plain, hybrid),
            graph=plain is not None and bool(steps[plain].get("graph")),
            graph_hybrid=hybrid is not None and bool(steps[hybrid].get("graph")),
            narrow_head=generations.get(name, {}).get("narrow_head", values["head_power"]),
            framework=framework,
            adapter_factor=calibration["adapter_factor"]["value"],
            evidence=evidence,
            known_framework=known and not framework.get("assumed", False),
            cooling=density / usual if density and usual else 1.0,
            generation=name,
            flash2_lags=bool(generations.get(name, {}).get("flash2_lags", False)),
        )


def density(hardware: Hardware) -> float | None:
    """Power over bf16 peak, W per FLOP/s, within the range of measured chips; None where the power is not known."""
    peak = hardware.peak.get("bf16")
    if not hardware.power or not peak:
        return None
    return float(np.clip(float(hardware.power) / float(peak), *_DENSITIES))


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


class _Shares(NamedTuple):
    """Sustained shares of a generation, what they rest on, its name and the power per FLOP/s they go with."""

    gemm: Mapping[str, Column]
    attention: Column
    evidence: str
    name: str
    density: float | None


def _chip(generations: Mapping[str, Any], names: tuple[str, str], vendor: str) -> _Shares:
    """The shares of a generation; of one never measured the mean of its vendor's, drawn towards the mean of all
    vendors by the weight of one more (shrinkage in the manner of Efron and Morris, JASA 70, 1975)."""
    found = find_generation(generations, *names)
    if found is not None:
        entry = generations[found]
        return _Shares(entry["gemm"], entry["attention"], "generation", found, entry.get("density"))
    vendors: dict[str, list[Mapping[str, Any]]] = {}
    measured = [entry for entry in generations.values() if not entry.get("assumed")] or list(generations.values())
    for entry in measured:
        vendors.setdefault(entry["vendor"].casefold(), []).append(entry)
    like = vendors.get(vendor.casefold(), [])
    kinds = sorted({kind for e in like or measured for kind in e["gemm"]})

    def mean(read: Callable[[Mapping[str, Any]], float | None]) -> float | None:
        each = [geometric([read(e) for e in of]) for of in vendors.values()]
        return drawn([read(e) for e in like], geometric(each))

    gemm = {k: share for k in kinds if (share := mean(lambda e, k=k: e["gemm"].get(k)))}  # type: ignore[misc]
    attention = mean(lambda e: e["attention"]) or 0.0
    return _Shares(gemm, attention, "vendor" if like else "all", names[1], mean(lambda e: e.get("density")))


def geometric(values: Sequence[float | None]) -> float | None:
    """The geometric mean of those that are known; None of none.

    >>> geometric([2.0, None, 8.0])
    4.0
    """
    known = [float(np.log(v)) for v in values if v]
    return float(np.exp(sum(known) / len(known))) if known else None


def drawn(like: Sequence[float | None], every: float | None) -> float | None:
    """The geometric mean of what is alike, drawn towards a general mean by the weight of one more.

    >>> drawn([4.0, None], 1.0)
    2.0
    """
    return geometric([*like, every])


def kindred_factor(families: Mapping[str, Any], name: str) -> float:
    """The software factor of a family that no run has: drawn from those of its kind (`kind` in the file) towards
    the mean of all."""
    kind = families[name].get("kind") if name in families else None
    measured = {k: e for k, e in families.items() if "factor" in e and k != name}
    like = [e["factor"] for e in measured.values() if e.get("kind") == kind]
    return drawn(like, geometric([e["factor"] for e in measured.values()])) or 1.0


def _release(steps: Any, generation: str, software: Software, kind: tuple[bool, float]) -> int | None:
    """The place of the last step of software generation that holds for this chip, family and year, and for the
    kind of job: (hybrid model, chips of the scale-up domain). None where none does."""
    hybrid, domain = kind
    found = None
    for place, step in enumerate(steps):
        fits = step["since"] <= software.year < step.get("until", np.inf)
        fits = fits and (not hybrid or step.get("hybrid", True))
        fits = fits and step.get("domain_above", 0) < domain <= step.get("domain_up_to", np.inf)
        fits = fits and generation in step.get("generations", (generation,))
        if fits and software.family in step.get("families", (software.family,)):
            found = place
    return found
