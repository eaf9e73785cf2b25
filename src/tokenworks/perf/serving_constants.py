"""Constants of the serving model for one chip generation, vendor and engine family: data in, floats out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenworks.errors import Defect

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


@dataclass(frozen=True, slots=True)
class ServingConstants:
    """Efficiencies (shares of a datasheet rate), times (s) and engine habits. Names and units:
    catalog/data/calibration/serving.yaml."""

    sharpness: float
    compute_16: float
    compute_8: float
    compute_4: float
    bandwidth: float
    cache_bandwidth: float
    prefill_attention: float
    expert: float
    expert_width: float
    tile_tokens: float
    weight_only: float
    imbalance: float
    dp_imbalance: float
    passes: float
    expert_passes: float
    launch_layer: float
    launch_moe: float
    launch_latent: float
    launch_recurrent: float
    eager_layer: float
    collective_latency: float
    collective_hop: float
    collective_far: float
    link: float
    host: float
    host_sequence: float
    host_prefill: float
    interference: float
    alone: float
    ttft_fixed: float
    ttft_prefill: float
    burst: float
    slot: float
    ranks_wait: float
    open_fixed: float
    dp_wait: float
    speculative: float
    memory_share: float
    reserve: float
    reserve_share: float
    accept: float
    chunk: float
    sequences_max: float
    transfer: float
    prefix: float

    @classmethod
    def from_calibration(
        cls, mapping: Mapping[str, Any], generation: str, vendor: str, engine: str, eager: bool | None = None
    ) -> ServingConstants:
        """Constants for a silicon `generation` of a `vendor` under an `engine` (any spelling).

        An unknown generation takes its vendor's factors, an unknown vendor the vendors' default, an unknown
        engine the engines' default. `eager` overrides whether the engine launches without graphs.
        Raises Defect where the calibration lacks a constant.
        """
        try:
            base = dict(mapping["base"])
            engines, vendors, generations = mapping["engines"], mapping["vendors"], mapping["generations"]
            habits = {**engines["default"], **engines.get(engine_family(engine), {})}
            maker = vendors.get(vendor.casefold(), vendors["default"])
            silicon = _generation(generations, generation)
            launch = maker["launch"] * silicon.get("launch", 1.0) * habits["launch"]
            compute = maker["compute"] * silicon.get("compute", 1.0)
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
            own = {k: habits[k] for k in ("interference", "alone", "ttft_fixed", "ttft_prefill", "dp_wait")}
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
