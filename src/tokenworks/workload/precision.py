"""The precision of a checkpoint's weights, from quantization_config and hf_quant_config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.workload.config import Fields

# quant_method or quant_algo -> the precision of the weights that dominate
QUANTISED = {
    "nvfp4": "nvfp4", "mxfp4": "mxfp4", "fp8_pb_wo": "fp8_block", "fp8": "fp8", "fp8_block": "fp8_block",
    "fbgemm_fp8": "fp8", "int8": "int8", "w4a16_awq": "int4", "w4a8_awq": "int4", "w8a8_sq": "int8",
}  # fmt: skip
BY_BITS = ("awq", "gptq", "bitsandbytes", "compressed-tensors", "quark", "hqq", "auto-round", "intel/auto-round")
STATED = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "auto": "bf16"}


def weight_precision(outer: Fields, inner: Fields, quantisation: Mapping[str, Any] | None) -> str:
    """The precision that most weights are stored in. Raises BadRequest where the method is not known."""
    if quantisation is not None:
        where = outer.where("quantisation")
        part = Fields(quantisation, where).part("quantization")
        algorithm = part.text("quant_algo") if part else None
        if algorithm:
            return _named(f"{where}.quant_algo", algorithm)
    found = outer.part("quantization_config") or inner.part("quantization_config")
    if found is not None:
        return _configured(found)
    stated = outer.text("torch_dtype", "dtype") or inner.text("torch_dtype", "dtype") or "bfloat16"
    return STATED.get(stated.removeprefix("torch."), "bf16")


def _configured(part: Fields) -> str:
    method = (part.text("quant_algo") or part.text("quant_method") or "").lower()
    if method == "fp8" and part.has("weight_block_size"):
        return "fp8_block"
    if method == "modelopt":
        return "nvfp4" if "NVFP4" in str(part.config) else "fp8"
    if method in BY_BITS:
        return _by_bits(part, method)
    return _named(part.where("quant_method"), method)


def _by_bits(part: Fields, method: str) -> str:
    """Methods that serve several widths say which: in `bits`, in a flag, or group by group."""
    shape = str(part.config.get("format") or "")
    if "mxfp4" in shape:
        return "mxfp4"
    if "nvfp4" in shape:
        return "nvfp4"
    if method == "bitsandbytes":
        return "int8" if part.flag("load_in_8bit") and not part.flag("load_in_4bit") else "int4"
    weights = _first_group(part)
    bits = (weights or part).optional("num_bits", "bits", "w_bit", kind="bits", default=4)
    if bits not in (4, 8):
        raise BadRequest(
            "'{value}' bits a weight are not modelled; allowed: {allowed}",
            field=part.where("bits"), value=bits, allowed="4, 8",
        )  # fmt: skip
    floating = weights is not None and weights.text("type") == "float"
    if bits == 4:
        return "nvfp4" if floating else "int4"
    return "fp8" if floating else "int8"


def _first_group(part: Fields) -> Fields | None:
    groups = part.part("config_groups")
    if groups is None or not groups.config:
        return None
    first = groups.part(str(next(iter(groups.config))))
    return first.part("weights") if first is not None else None


def _named(field: str, algorithm: str) -> str:
    key = algorithm.lower()
    if key == "mixed_precision":
        return "nvfp4"
    if key not in QUANTISED:
        raise not_allowed(field, algorithm, (*QUANTISED, *BY_BITS))
    return QUANTISED[key]
