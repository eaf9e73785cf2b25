"""Times matrix products and one small training step on this machine's GPU and prints predicted against measured.

python bench/device.py [--chip NAME]    (needs PyTorch and a GPU; without them it says so and measures nothing)
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from tokenworks import catalog
from tokenworks.perf.roofline import Rates, gemm_time
from tokenworks.records import Chip, World
from tokenworks.validate.predict import predict
from tokenworks.validate.training_hardware import find_chip

SHAPES = ((4096, 4096, 4096), (8192, 8192, 8192), (8192, 28672, 8192), (512, 8192, 8192))  # tokens, outputs, inputs
MODEL = {"name": "small", "type": "dense", "layers": 8, "hidden": 2048, "heads": 16, "kv_heads": 16, "head_dim": 128,
         "ffn": 8192, "gated_mlp": False, "vocab": 32000, "tied_embeddings": False}  # fmt: skip
SEQUENCE, BATCH, REPEATS = 2048, 4, 10


def median_seconds(work: Callable[[], object], wait: Callable[[], None]) -> float:
    """Median wall time of a piece of work, after three that warm up."""
    found = []
    for turn in range(REPEATS + 3):
        wait()
        start = time.perf_counter()
        work()
        wait()
        if turn >= 3:
            found.append(time.perf_counter() - start)
    return statistics.median(found)


def operators(torch: Any, chip: Chip, world: World) -> None:
    """bf16 products: the measured time beside that of the operator constants of the chip, where it has some."""
    table = world.calibration["operators"]["gemm"]
    known = [row for row in table if row["generation"] == chip.generation and row["precision"] == "bf16"]
    for rows, outputs, inputs in SHAPES:
        a = torch.randn(rows, inputs, device="cuda", dtype=torch.bfloat16)
        b = torch.randn(inputs, outputs, device="cuda", dtype=torch.bfloat16)
        seconds = median_seconds(lambda a=a, b=b: a @ b, torch.cuda.synchronize)
        line = f"gemm {rows} x {outputs} x {inputs}: measured {seconds * 1e6:.1f} us"
        if known:
            row = known[0]
            compute = float(chip.get("peak_bf16")) * row["compute"]
            bandwidth = float(chip.get("memory_bandwidth")) * row["memory"]
            rates = Rates(compute, bandwidth, row["launch"], row["sharpness"])
            line += f", predicted {float(gemm_time(rows, outputs, inputs, rates)) * 1e6:.1f} us"
        print(line)


def step(torch: Any) -> Callable[[], object]:
    """One optimizer step of a small decoder: forward, backward and AdamW in bf16 with fp32 states."""
    nn = torch.nn
    block = nn.TransformerEncoderLayer(
        MODEL["hidden"], MODEL["heads"], MODEL["ffn"], dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    body = nn.TransformerEncoder(block, MODEL["layers"], enable_nested_tensor=False).cuda()
    embed, head = (
        nn.Embedding(MODEL["vocab"], MODEL["hidden"]).cuda(),
        nn.Linear(MODEL["hidden"], MODEL["vocab"]).cuda(),
    )
    weights = [*body.parameters(), *embed.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, fused=True)
    tokens = torch.randint(0, MODEL["vocab"], (BATCH, SEQUENCE + 1), device="cuda")
    mask = nn.Transformer.generate_square_subsequent_mask(SEQUENCE, device="cuda")

    def once() -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            logits = head(body(embed(tokens[:, :-1]), mask=mask, is_causal=True))
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return once


def record(name: str) -> Mapping[str, Any]:
    """The step as a record of `predict`."""
    return {
        "id": "this machine", "framework": "PyTorch", "precision": "bf16", "recompute": "none", "seq_len": SEQUENCE,
        "hardware": {"chip": name, "n_chips": 1}, "model": MODEL, "global_batch_seqs": BATCH, "micro_batch_seqs": BATCH,
        "parallelism": {"tp": 1, "pp": 1, "cp": 1, "dp": 1, "zero_stage": 0},
    }  # fmt: skip


def main() -> None:
    """Measure, or say why not."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--chip", help="the catalog's name of this GPU; by default what the driver calls it")
    asked = options.parse_args()
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed here: nothing was measured")
        return
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        print("no GPU here: nothing was measured")
        return
    world = catalog.world(catalog.load(), dt.date.today())
    name = asked.chip or torch.cuda.get_device_name()
    chip = find_chip(name, world)
    if chip is None:
        print(f"the catalog lacks '{name}'; give its name with --chip: nothing was measured")
        return
    operators(torch, chip, world)
    seconds = median_seconds(step(torch), torch.cuda.synchronize)
    (answer,) = predict([record(chip.id)], world)["predictions"]
    found = answer["metrics"]["step_time_s"]
    print(f"training step: measured {seconds:.4f} s, predicted {found['value']:.4f} s "
          f"({found['low']:.4f} to {found['high']:.4f}; {answer['bars']['class']})")  # fmt: skip
    print(f"peak memory: measured {torch.cuda.max_memory_allocated() / 1e9:.1f} GB, "
          f"predicted {answer['metrics']['peak_memory_bytes']['value'] / 1e9:.1f} GB")  # fmt: skip


if __name__ == "__main__":
    main()
