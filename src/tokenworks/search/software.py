"""Which software runs on whose chips: launch files and performance model name the same."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tokenworks.perf.layout import Software
from tokenworks.records import Chip

# vendor -> (framework of the launch files, family of the calibration)
TRAINING: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "NVIDIA": ("megatron-lm", "megatron-core"),
        "AMD": ("megatron-lm", "primus"),
        "Huawei": ("mindspeed", "mindspeed"),
        "Google": ("maxtext", "maxtext"),
        "AWS": ("neuronx", "neuronx"),
        "Intel": ("megatron-lm", "gaudi"),
    }
)
TRAINING_OTHERS = ("megatron-lm", "other")
SERVING: Mapping[str, str] = MappingProxyType({"Huawei": "vllm-ascend", "Google": "vllm", "AWS": "vllm"})
SERVING_OTHERS = "vllm"

# Vendors on whose chips vLLM drafts with a model's own MTP modules (docs.vllm.ai, speculative decoding: method "mtp";
# vllm-ascend documentation, MTP).
DRAFTS = ("NVIDIA", "AMD", "Huawei")

# Chips that are only ever rented, in their maker's own cloud.
CLOUD_ONLY = ("Google", "AWS", "Microsoft", "Meta")


def training(chip: Chip, year: int) -> tuple[str, Software]:
    """Framework for the launch files, and the software as the performance model knows it in a year."""
    framework, family = TRAINING.get(chip.vendor, TRAINING_OTHERS)
    return framework, Software(family=family, year=float(year))


def serving(chip: Chip) -> str:
    """Serving engine for a chip."""
    return SERVING.get(chip.vendor, SERVING_OTHERS)


def drafts(chip: Chip, modules: int) -> tuple[int, ...]:
    """Tokens drafted per step that are tried: none, and one where the engine drafts with the model's MTP modules."""
    return (0, 1) if modules and chip.vendor in DRAFTS else (0,)


def training_precisions(chip: Chip) -> tuple[str, ...]:
    """Precisions to train in: 16 bit always, 8 bit where the chip has it. `bf16` stands for fp16 on chips
    that only have that."""
    wide = ("bf16",) if chip.get("peak_bf16") or chip.get("peak_fp16") else ()
    return wide + (("fp8",) if chip.get("peak_fp8") else ())


def serving_precisions(chip: Chip, published: str) -> tuple[str, ...]:
    """Weight precisions to serve in: the published one where the chip computes in it, else 16 bit, else 8 bit
    integers (a quantised copy of the checkpoint; W8A8 is common practice on chips without 8-bit floats)."""
    if published in ("fp8", "fp8_block", "mxfp8") and not chip.get("peak_fp8"):
        return ("bf16", "int8") if chip.get("peak_int8") else ("bf16",)
    if published in ("nvfp4", "mxfp4") and not chip.get("peak_fp4"):
        return (published, "fp8") if chip.get("peak_fp8") else (published,)
    return (published,)
