"""What a config.json leaves unsaid: the habits of each `model_type`, as its published code has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Family:
    """Habits of one family of models. Where the config states a thing itself, the config holds.

    gated: three matrices in the feed-forward block. tied: output matrix is the embedding. bias: none | qkv |
    all (every linear layer of attention and feed-forward). output_gate: attention output is gated. norms:
    norm vectors a layer. head_dim: where it is not hidden / heads. learned: positions are learned vectors.
    windowed: `sliding_window` holds for every layer, not only for named ones. reader: which function reads
    the layers.
    """

    gated: bool = True
    tied: bool = False
    bias: str = "none"
    output_gate: bool = False
    norms: int = 2
    head_dim: int | None = None
    learned: bool = False
    windowed: bool = False
    reader: str = "uniform"


PLAIN = Family()
_NAMED: Mapping[str, Family] = {
    **dict.fromkeys(
        (
            "llama", "qwen3", "qwen3_moe", "glm4_moe", "qwen3_vl_text", "qwen3_vl_moe_text", "deepseek_v2",
            "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_linear", "glm_moe_dsa", "glm4_moe_lite", "minimax",
            "minimax_m1", "minimax_m2", "llama4_text", "step3p7", "pangu_moe", "pangu_ultra_moe", "grok", "phi3",
            "phimoe", "granite", "granitemoe", "granitemoeshared", "olmo", "olmo2", "olmo3", "olmoe", "flex_olmo",
            "exaone4", "exaone_moe", "internlm2", "internlm3", "stablelm", "ministral", "ministral3", "solar_open",
            "hy_v3", "helium", "bitnet", "dots1", "yi", "baichuan", "xverse", "aquila", "minicpm", "skywork",
            "hunyuan_v1_dense", "hunyuan_v1_moe", "hunyuan", "bailing_moe", "bailing_moe_v2", "ernie4_5_text", "mimo",
            "telechat3", "cwm", "olmo_hybrid", "nanbeige", "deepseek", "decilm",
        ),
        PLAIN,
    ),
    **dict.fromkeys(("mistral", "mixtral"), Family(windowed=True)),
    **dict.fromkeys(("qwen2", "qwen2_moe", "qwen", "seed_oss"),
                    Family(bias="qkv")),
    **dict.fromkeys(("glm", "glm4"), Family(bias="qkv", head_dim=128)),
    **dict.fromkeys(("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"), Family(output_gate=True, head_dim=256)),
    **dict.fromkeys(("gemma", "gemma4_text"), Family(tied=True, head_dim=256)),
    **dict.fromkeys(("gemma2", "gemma3", "gemma3_text", "vaultgemma"), Family(tied=True, head_dim=256, norms=4)),
    **dict.fromkeys(("cohere", "cohere2"), Family(tied=True, norms=1)),
    "cohere2_moe": Family(tied=True, norms=1),
    **dict.fromkeys(("ernie4_5", "ernie4_5_moe", "minicpm3", "smollm3", "youtu"), Family(tied=True)),
    "gpt_oss": Family(bias="all", head_dim=64),
    "afmoe": Family(output_gate=True, norms=4),
    "mimo_v2_flash": PLAIN,
    "dbrx": PLAIN,
    **dict.fromkeys(("arcee", "apertus", "nemotron"), Family(gated=False)),
    "persimmon": Family(gated=False, bias="all", norms=4),
    **dict.fromkeys(("gpt2", "gpt_neo", "gpt_bigcode", "opt"), Family(gated=False, tied=True, bias="all", norms=4,
                                                                      learned=True)),
    "gpt3": Family(gated=False, bias="qkv", learned=True),
    "megatron": Family(gated=False, bias="qkv", learned=True),
    "bloom": Family(gated=False, tied=True, bias="all", norms=4),
    "gpt_neox": Family(gated=False, bias="all", norms=4),
    **dict.fromkeys(("gptj", "codegen"), Family(gated=False)),
    "phi": Family(gated=False, bias="all"),
    "falcon": Family(gated=False, tied=True),
    "mpt": Family(gated=False, tied=True),
    "starcoder2": Family(gated=False, tied=True, bias="all", norms=4),
    "chatglm": Family(bias="qkv"),
    "nemotron_h": Family(gated=False, reader="pattern"),
    **dict.fromkeys(("jamba", "bamba", "granitemoehybrid"), Family(reader="hybrid")),
    "falcon_h1": Family(reader="side_by_side"),
    **dict.fromkeys(("mamba", "falcon_mamba", "mamba2"), Family(tied=True, norms=1, reader="recurrent")),
    "lfm2": Family(tied=True, reader="hybrid"),
    "lfm2_moe": Family(tied=True, reader="hybrid"),
    "deepseek_v4": Family(reader="compressed"),
    "longcat_flash": Family(reader="shortcut"),
    "bailing_hybrid": PLAIN,
    "granite_swa": Family(tied=True),
    "minimax_m3": PLAIN,
    "minimax_m3_vl_text": PLAIN,
}  # fmt: skip
FAMILIES: Mapping[str, Family] = MappingProxyType(dict(_NAMED))

# Older or wrapped spellings of `model_type`.
SPELLED: Mapping[str, str] = MappingProxyType({
    "refinedweb": "falcon", "refinedwebmodel": "falcon", "internlm": "internlm2", "grok-1": "grok", "grok_1": "grok",
    "gemma4": "gemma4_text", "gemma4_unified_text": "gemma4_text", "llama4": "llama4_text", "kimi_k25": "kimi_k2",
    "qwen3_5": "qwen3_5_text", "qwen3_5_moe": "qwen3_5_moe_text", "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text", "qwen2_vl": "qwen2", "qwen2_5_vl": "qwen2", "qwen2_5_vl_text": "qwen2",
    "qwen2_vl_text": "qwen2", "deepseek_vl_v2": "deepseek_v2", "bailing_moe_linear": "bailing_moe",
    "chatglm3": "chatglm", "phi-msft": "phi", "orion": "llama", "minicpmv": "minicpm",
})  # fmt: skip
