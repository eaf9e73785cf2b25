"""What the tests of the training model share: a hand-built chip, a model, the shipped constants."""

from __future__ import annotations

from importlib.resources import files

from tokenworks.files import parse
from tokenworks.perf.layout import Layout, Software
from tokenworks.perf.training_constants import TrainingConstants
from tokenworks.records import Hardware
from tokenworks.workload.architecture import Architecture, Attention, FeedForward, Layer

FOLDER = files("tokenworks") / "catalog" / "data" / "calibration"
CALIBRATION = parse((FOLDER / "training.yaml").read_text("utf-8"))
GOODPUT = parse((FOLDER / "goodput.yaml").read_text("utf-8"))
A100 = Hardware(
    chip="nvidia-a100-sxm-80", generation="ampere", vendor="NVIDIA", year=2020,
    peak={"bf16": 312e12, "int8": 624e12}, memory=80e9, memory_bandwidth=2.039e12,
    scaleup_domain=8, scaleup_bandwidth=300e9, scaleout_bandwidth=25e9,
)  # fmt: skip
H100 = Hardware(
    chip="nvidia-h100-sxm", generation="hopper", vendor="NVIDIA", year=2022,
    peak={"bf16": 989.4e12, "fp8": 1978.9e12}, memory=80e9, memory_bandwidth=3.35e12,
    scaleup_domain=8, scaleup_bandwidth=450e9, scaleout_bandwidth=50e9,
)  # fmt: skip
DENSE = Architecture(
    name="llama-3-8b", hidden=4096, vocab=128256,
    layers=((Layer(Attention("full", 32, 8, 128, 128), FeedForward(14336)), 32),),
)  # fmt: skip
MIXTURE = Architecture(
    name="qwen3-30b-a3b", hidden=2048, vocab=151936,
    layers=((Layer(Attention("full", 32, 4, 128, 128), FeedForward(0, True, 128, 8, 768)), 48),),
)  # fmt: skip
GPT_175B = Architecture(
    name="gpt-3-175b", hidden=12288, vocab=51200, tied=True,
    layers=((Layer(Attention("full", 96, 96, 128, 128), FeedForward(49152, gated=False)), 96),),
)  # fmt: skip


def constants(hardware: Hardware = H100, software: Software | None = None) -> TrainingConstants:
    """Shipped constants for a chip and a software."""
    chosen = software or Software()
    return TrainingConstants.from_calibration(CALIBRATION, hardware.generation, hardware.vendor, chosen, hardware.chip)


SMALL = Layout(dp=8.0, micro_batch=1.0, global_batch=128.0, sequence=8192.0)

__all__ = ["A100", "CALIBRATION", "DENSE", "GOODPUT", "GPT_175B", "H100", "MIXTURE", "SMALL", "constants"]
