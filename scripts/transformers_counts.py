"""Count models with the classes of Hugging Face transformers, as an oracle for workload's own counts.

    python scripts/transformers_counts.py > tests/oracles/transformers_counts.yaml

Needs transformers and torch, which the project does not install. Every model is made from its class's default
configuration on the meta device (no weights exist), and its parameters are counted.
"""

from __future__ import annotations

import json
import sys

import torch
import transformers

TYPES = (
    "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5_text",
    "qwen3_5_moe_text", "deepseek_v3", "deepseek_v32", "deepseek_v4", "gemma", "gemma2", "gemma3_text", "phi",
    "phi3", "phimoe", "falcon", "falcon_h1", "falcon_mamba", "jamba", "bamba", "granite", "granitemoe",
    "granitemoehybrid", "granitemoeshared", "granite_swa", "olmo", "olmo2", "olmo3", "olmo_hybrid", "olmoe",
    "flex_olmo", "cohere", "cohere2", "cohere2_moe", "gpt_oss", "gpt2", "gpt_neo", "gpt_neox", "gptj",
    "gpt_bigcode", "opt", "bloom", "mpt", "starcoder2", "stablelm", "exaone4", "exaone_moe", "glm", "glm4",
    "glm4_moe_lite", "glm_moe_dsa", "ernie4_5", "ernie4_5_moe", "internlm3", "minicpm3", "minimax",
    "minimax_m2", "minimax_m3_vl_text", "mamba", "mamba2", "nemotron_h", "persimmon", "seed_oss", "smollm3",
    "arcee", "apertus", "bitnet", "kimi_linear", "bailing_hybrid", "mimo_v2_flash", "lfm2", "solar_open",
    "llama4_text", "ministral3", "afmoe", "helium", "hy_v3", "youtu", "vaultgemma",
)  # fmt: skip
NESTED = ("attn_config", "ffn_config")
UNUSED = ("_eps", "dropout", "pdrop", "_token_id", "initializer", "time_step_m", "router_", "multiplier", "norm_topk")


def used(config: dict[str, object]) -> dict[str, object]:
    """The fields that may bear on a count: whole numbers, switches, words and lists of them."""
    plain = {k: v for k, v in config.items() if isinstance(v, int | str | list) and v not in ([], "")}
    plain |= {k: used(v) for k, v in config.items() if k in NESTED and isinstance(v, dict)}
    return {k: v for k, v in plain.items() if not k.startswith("_") and not any(u in k for u in UNUSED)}


def main() -> None:
    """Write one row a model type."""
    print(f"# Parameters counted by transformers {transformers.__version__} from each class's default configuration.")
    print("rows:")
    for kind in TYPES:
        config = transformers.AutoConfig.for_model(kind)
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)
        total = sum(p.numel() for p in model.parameters())
        row = {"type": kind, "total": total, "config": used(config.to_dict()) | {"model_type": kind}}
        print("- " + json.dumps(row))
        print(kind, total, file=sys.stderr)


if __name__ == "__main__":
    main()
