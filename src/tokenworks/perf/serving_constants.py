"""Constants of the serving model for one chip generation, vendor and engine family: data in, floats out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenworks.errors import Defect
from tokenworks.perf.roofline import Column
from tokenworks.records import Hardware

_FAMILIES = (  # folded fragment of an engine's name -> family; the first that fits wins
    ("ascend", "vllm-ascend"),
    ("mindie", "vllm-ascend"),
    ("neuron", "neuron"),
    ("nxd", "neuron"),
    ("jetstream", "jetstream"),
    ("habana", "habana"),
    ("edge", "edge"),
    ("mlc", "edge"),
    ("llama.cpp", "edge"),
    ("sglang", "sglang"),
    ("vllm", "vllm"),
    ("tensorrt", "tensorrt-llm"),
    ("trt", "tensorrt-llm"),
)


def engine_family(name: str) -> str:
    """Family of an engine as anyone spells it; "default" where it is none that we know.

    >>> engine_family("TensorRT-LLM (Triton backend)"), engine_family("trtllm"), engine_family("vLLM-Ascend")
    ('tensorrt-llm', 'tensorrt-llm', 'vllm-ascend')
    """
    folded = name.casefold()
    return next((family for fragment, family in _FAMILIES if fragment in folded), "default")


def release_of(version: str | None) -> str:
    """Release of an engine (its numbers) as the calibration names it; "" where it has no number.

    >>> release_of("1.0.0rc3"), release_of("0.5.10.post1"), release_of("0.5"), release_of("nightly")
    ('v1_0_0', 'v0_5_10', 'v0_5', '')
    """
    numbers = re.match(r"v?(\d+(?:\.\d+){1,2})", version or "")
    return "v" + numbers[1].replace(".", "_") if numbers else ""


def _of_release(releases: Mapping[str, Mapping[str, float]], release: str) -> Mapping[str, float]:
    """Habits of a release by its three numbers, else of its first two, else none of its own."""
    series = "_".join(release.split("_")[:2])
    return releases.get(release) or releases.get(series) or {}


_REFERENCE = 700.0 / 989.4  # W per TFLOP/s of an H100 SXM, the chip that the shares of the peak are of
_KNEE = 4.0  # sharpness between a chip held back by its power and one that is not


def watts_per_teraflop(hardware: Hardware) -> float | None:
    """Power limit over 16-bit peak; None where either is unknown."""
    peak = hardware.peak.get("bf16") or hardware.peak.get("fp16")
    return float(hardware.power) / (float(peak) / 1e12) if hardware.power and peak else None


def clock_share(watts: float, power: float | None) -> float:
    """The share of its datasheet peak that a chip's power lets it sustain, over an H100's:
    ((1 + x^-4) / (1 + x_H100^-4))^(-1/4), x = power per TFLOP/s over `watts`, what one costs at full clock.

    Datasheet peaks are at boost clock; a chip with few watts per TFLOP/s does not hold it under matrix products. The
    form and 0.53 W follow GEMM tables of eight NVIDIA chips (0.65 to 0.84 of the peak at 0.44 to 1.28 W per TFLOP/s;
    aiconfigurator-core 0.12.0). watts 0, or no power: no such limit.

    >>> round(clock_share(0.53, 700 / 989.4), 6), clock_share(0.0, 0.5)
    (1.0, 1.0)
    """
    if not watts or power is None:
        return 1.0
    own, reference = (watts / power) ** _KNEE, (watts / _REFERENCE) ** _KNEE
    return float(((1.0 + own) / (1.0 + reference)) ** (-1.0 / _KNEE))


@dataclass(frozen=True, slots=True)
class ServingConstants:
    """Efficiencies (shares of a datasheet rate), times (s) and engine habits, each a float or a column.
    Names and units: catalog/data/calibration/serving.yaml."""

    sharpness: Column
    compute_16: Column
    compute_8: Column
    compute_4: Column
    scaled_8: Column
    bandwidth: Column
    cache_bandwidth: Column
    prefill_attention: Column
    expert: Column
    expert_width: Column
    tile_tokens: Column
    weight_only: Column
    imbalance: Column
    dp_imbalance: Column
    passes: Column
    expert_passes: Column
    launch_layer: Column
    launch_moe: Column
    launch_latent: Column
    launch_recurrent: Column
    launch_quantise_8: Column
    launch_quantise_4: Column
    eager_layer: Column
    collective_latency: Column
    collective_hop: Column
    collective_far: Column
    link: Column
    host: Column
    host_sequence: Column
    host_prefill: Column
    interference: Column
    alone: Column
    ttft_fixed: Column
    ttft_launches: Column
    ttft_prefill: Column
    burst: Column
    look_few: Column
    look_many: Column
    look_from: Column
    slot: Column
    ranks_wait: Column
    open_fixed: Column
    dp_wait: Column
    drain: Column
    speculative: Column
    memory_share: Column
    reserve: Column
    reserve_share: Column
    accept: Column
    held_output: Column
    whole_windows: Column
    chunk: Column
    sequences_max: Column
    transfer: Column
    prefix: Column

    @classmethod
    def from_calibration(
        cls,
        mapping: Mapping[str, Any],
        generation: str,
        vendor: str,
        engine: str,
        eager: bool | None = None,
        power: float | None = None,
        release: str = "",
    ) -> ServingConstants:
        """Constants for a silicon `generation` of a `vendor` under an `engine` (any spelling).

        An unknown generation takes its vendor's factors, an unknown vendor the vendors' default, an unknown
        engine the engines' default. `eager` overrides whether the engine launches without graphs.
        power: watts per TFLOP/s of the 16-bit peak (`watts_per_teraflop`), None where unknown. release: of the
        engine (`release_of`); one without habits of its own has its family's.
        Raises Defect where the calibration lacks a constant.
        """
        try:
            base = dict(mapping["base"])
            engines, vendors, generations = mapping["engines"], mapping["vendors"], mapping["generations"]
            own_habits = engines.get(engine_family(engine), {})
            habits = {**engines["default"], **engines.get(own_habits.get("like"), {}), **own_habits}
            habits |= _of_release(habits.get("releases", {}), release)
            maker = vendors.get(vendor.casefold(), vendors["default"])
            silicon = _generation(generations, generation)
            launch = maker["launch"] * silicon.get("launch", 1.0) * habits["launch"]
            compute = maker["compute"] * silicon.get("compute", 1.0) * clock_share(maker["watts"], power)
            bandwidth = maker["bandwidth"] * silicon.get("bandwidth", 1.0)
            if habits["eager"] if eager is None else eager:
                base |= mapping["eager"]
            scaled = {
                **{k: base[k] * launch for k in base if k.startswith("launch_")},
                **{k: base[k] * compute for k in base if k.startswith("compute_")},
                "prefill_attention": base["prefill_attention"] * compute * silicon.get("attention", 1.0),
                "bandwidth": base["bandwidth"] * bandwidth,
                "cache_bandwidth": base["cache_bandwidth"] * bandwidth,
                "host": habits["host"] * maker["host"],
                "host_sequence": habits["host_sequence"] * maker["host"],
                "burst": base["burst"] * habits["burst"],
            }
            own = {
                k: habits[k]
                for k in (
                    "interference",
                    "alone",
                    "ttft_fixed",
                    "ttft_launches",
                    "ttft_prefill",
                    "look_few",
                    "look_many",
                    "dp_wait",
                    "held_output",
                    "whole_windows",
                )
            }
            values = {**base, **own, **scaled}
            return cls(**{name: float(values[name]) for name in cls.__slots__})
        except KeyError as error:
            raise Defect("calibration of serving lacks '{name}'", name=error.args[0]) from error


def _generation(table: Mapping[str, Any], generation: str) -> Mapping[str, float]:
    """The factors of a generation: its own row, else the row whose name it begins with, else none."""
    if generation in table:
        return dict(table[generation])
    close = [name for name in table if generation.startswith(name)]
    return dict(table[max(close, key=len)]) if close else {}
