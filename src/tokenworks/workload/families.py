"""What the model types of Hugging Face config.json leave unsaid: the conventions of each, as a table.

Each row was checked against the modelling code of its type (transformers, or the repository's own) and, where
a total is published, against that total. A type that is not here is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """One model type's conventions.

    norms: norm vectors of a layer with both parts (parallel blocks share one, sandwiches have four).
    head_norm: none | each (one vector of the head's width for queries, one for keys) | wide (as wide as the
    projections) | bare (without weights). biased: which projections of attention carry
    biases when they do, qkv or qkvo.
    output_gate: attention's output is gated unless the file says otherwise.
    window: layers that see a window where the file does not list them: none | all | pattern (by period).
    """

    gated: bool = True
    tied: bool = False
    norms: int = 2
    norm_bias: bool = False
    head_norm: str = "none"
    biased: str = "qkvo"
    bias: bool = False
    bias_fields: tuple[str, ...] = ("attention_bias",)
    mlp_bias: bool = False
    mlp_bias_fields: tuple[str, ...] = ()
    head_bias: bool = False
    positions: int | None = None  # rows of a learned position table beyond max_position_embeddings; None: no table
    window: str = "none"
    period: int = 0
    latent: bool = False
    output_gate: bool = False
    head_dim: int | None = None  # where the file does not say and it is not hidden / heads
    layers: str = "uniform"  # which function reads the layers: uniform | side_by_side | shortcut | compressed
    multi_query: bool = False  # the field multi_query means one key-value head
    halved: bool = False  # intermediate_size counts both halves of a gated block
    shared: str = "count"  # shared experts: count x expert width, or one of the routed width
    expert_bias: bool = False
    sinks: bool = False  # one learned logit a head
    correction: bool = False  # a balancing bias per expert


LLAMA = Family(mlp_bias_fields=("mlp_bias",))
QWEN2 = Family(biased="qkv", bias=True, bias_fields=())
QWEN3 = Family(head_norm="each")
GEMMA = Family(tied=True)
SANDWICH = replace(GEMMA, norms=4, window="pattern")
DEEPSEEK = Family(latent=True, correction=True)
GLM = Family(biased="qkv")
GPT2 = Family(
    gated=False, tied=True, norm_bias=True, bias=True, bias_fields=(), mlp_bias=True, positions=0
)  # fmt: skip
NEOX = replace(GPT2, tied=False, positions=None, bias_fields=("attention_bias",))
GPTJ = replace(NEOX, norms=1, bias=False, bias_fields=(), head_bias=True)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        **dict.fromkeys(("llama", "Yi", "granite", "granitemoe", "granitemoeshared", "deepseek", "baichuan"), LLAMA),
        "smollm3": replace(LLAMA, tied=True),
        "mimo": replace(QWEN2, bias_fields=("attention_bias",)),
        "internlm": replace(LLAMA, bias_fields=("bias",)),
        "internlm2": replace(LLAMA, bias_fields=("bias",)),
        "internlm3": Family(bias_fields=("qkv_bias",), biased="qkv"),
        **dict.fromkeys(("mistral", "mixtral"), Family(window="all", bias_fields=())),
        **dict.fromkeys(("qwen2", "qwen2_moe", "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text",
                         "qwen2_5_omni_text"), QWEN2),
        "qwen": replace(QWEN2, halved=True),
        **dict.fromkeys(("qwen3", "qwen3_moe", "qwen3_vl_text", "qwen3_vl_moe_text", "qwen3_omni_moe_text"),
                        QWEN3),
        **dict.fromkeys(("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"), replace(QWEN3, output_gate=True,
                                                                                   head_dim=256)),
        **dict.fromkeys(("deepseek_v2", "kimi_vl_text"), Family(latent=True)),
        **dict.fromkeys(("deepseek_v3", "deepseek_v32", "kimi_k2", "glm_moe_dsa", "glm4_moe_lite",
                         "pangu_ultra_moe"), DEEPSEEK),
        "kimi_linear": Family(correction=True),
        "minicpm": replace(LLAMA, tied=True),
        "minicpm3": Family(latent=True, tied=True),
        **dict.fromkeys(("glm", "glm4v_moe_text"), GLM),
        "chatglm": replace(GLM, bias_fields=("add_qkv_bias",), mlp_bias_fields=()),
        "glm4": replace(GLM, norms=4),
        "glm4_moe": replace(GLM, correction=True),
        "glm4v_text": replace(GLM, norms=4),
        "gpt_oss": Family(window="pattern", period=2, bias=True, expert_bias=True, sinks=True),
        "gemma": GEMMA,
        "gemma2": replace(SANDWICH, period=2),
        **dict.fromkeys(("gemma3", "gemma3_text", "gemma4_text"), replace(SANDWICH, period=6, head_norm="each")),
        **dict.fromkeys(("minimax", "minimax_m1", "minimax_text_01"), Family()),
        "minimax_m2": Family(head_norm="wide", correction=True),
        "minimax_m3": Family(head_norm="each", correction=True),
        "llama4_text": Family(shared="one", head_norm="bare"),
        "step3_text": Family(),
        "step3p7": Family(head_norm="each", correction=True),
        "pangu_moe": Family(biased="qkv"),
        **dict.fromkeys(("grok", "grok-1", "git"), replace(Family(), norms=4)),
        "phi3": Family(window="all", bias_fields=()),
        "phimoe": Family(norm_bias=True, window="all"),
        "olmo2": Family(head_norm="wide"),
        "olmo3": Family(head_norm="wide", window="pattern", period=4),
        "olmo": Family(norms=0),
        "olmoe": Family(head_norm="wide"),
        "exaone": Family(bias_fields=()),
        "exaone4": Family(head_norm="each", window="pattern", period=4),
        "seed_oss": Family(biased="qkv"),
        "apertus": Family(gated=False, head_norm="each"),
        "arcee": replace(LLAMA, gated=False),
        "dots1": Family(head_norm="each", correction=True),
        "bailing_moe": Family(bias_fields=("use_qkv_bias",)),
        "bailing_moe_v2": Family(bias_fields=("use_qkv_bias",), head_norm="each", correction=True),
        **dict.fromkeys(("ernie4_5", "ernie4_5_moe"), Family(tied=True, bias_fields=("use_bias",))),
        **dict.fromkeys(("hunyuan", "hunyuan_v1_dense", "hunyuan_v1_moe"), Family(tied=True, head_norm="each")),
        "stablelm": Family(norm_bias=True, biased="qkv", bias_fields=("use_qkv_bias",)),
        "stablelm_epoch": Family(norm_bias=True, biased="qkv", bias_fields=("use_qkv_bias",)),
        "cohere": Family(tied=True, norms=1),
        "cohere2": Family(tied=True, norms=1, window="pattern", period=4),
        "dbrx": Family(bias_fields=()),
        "arctic": Family(norms=3, bias_fields=()),
        "nemotron-nas": LLAMA,
        "jamba": Family(bias_fields=()),
        "bamba": LLAMA,
        "granitemoehybrid": LLAMA,
        **dict.fromkeys(("gpt2", "gpt3", "megatron"), GPT2),
        "gpt_bigcode": replace(GPT2, multi_query=True),
        "opt": replace(GPT2, positions=2, bias_fields=("enable_bias",), mlp_bias_fields=("enable_bias",)),
        "gpt_neo": replace(GPT2, biased="o"),
        "bloom": replace(GPT2, positions=None),
        "mpt": replace(GPT2, positions=None, bias=False, mlp_bias=False, norm_bias=False),
        "gpt_neox": NEOX,
        "phi": replace(NEOX, norms=1, bias_fields=(), head_bias=True),
        **dict.fromkeys(("gptj", "codegen"), GPTJ),
        "falcon": Family(gated=False, tied=True, norms=1, norm_bias=True, multi_query=True, bias_fields=("bias",),
                         mlp_bias_fields=("bias",)),
        "starcoder2": Family(gated=False, tied=True, norm_bias=True, window="all", bias=True,
                             bias_fields=("use_bias",), mlp_bias=True, mlp_bias_fields=("use_bias",)),
        "nemotron": Family(gated=False, norm_bias=True, mlp_bias_fields=("mlp_bias",)),
        "nemotron_h": Family(gated=False, correction=True),
        **dict.fromkeys(("mamba", "falcon_mamba"), Family(tied=True)),
        "mamba2": Family(),
        "falcon_h1": replace(LLAMA, layers="side_by_side"),
        "longcat_flash": Family(latent=True, correction=True, norms=2, layers="shortcut"),
        "deepseek_v4": Family(correction=True, layers="compressed", sinks=True),
        "minimax_m3_vl_text": Family(head_norm="each", correction=True),
        "bailing_hybrid": Family(latent=True, correction=True),
        "mimo_v2_flash": Family(correction=True, bias_fields=()),
        **dict.fromkeys(("lfm2", "lfm2_moe"), Family(tied=True, head_norm="each", bias_fields=())),
        **dict.fromkeys(("ministral", "ministral3", "solar_open", "helium", "cwm"), LLAMA),
        "granite_swa": replace(LLAMA, tied=True),
        **dict.fromkeys(("hy_v3", "exaone_moe", "afmoe"), Family(head_norm="each", correction=True)),
        "flex_olmo": Family(head_norm="wide"),
        "olmo_hybrid": Family(head_norm="wide"),
        "youtu": Family(latent=True, tied=True),
        "vaultgemma": replace(GEMMA, window="pattern", period=2),
        "cohere2_moe": Family(tied=True, norms=1, window="pattern", period=4),
        "persimmon": replace(NEOX, head_norm="each"),
        "bitnet": LLAMA,
    }
)  # fmt: skip

# Older or outer spellings of `model_type`.
SPELLED: Mapping[str, str] = MappingProxyType({
    "RefinedWeb": "falcon", "RefinedWebModel": "falcon", "grok_1": "grok", "gemma4": "gemma4_text",
    "gemma4_unified_text": "gemma4_text", "llama4": "llama4_text", "kimi_k25": "kimi_k2", "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text", "qwen3_vl": "qwen3_vl_text", "qwen3_vl_moe": "qwen3_vl_moe_text",
    "chatglm3": "chatglm", "phi-msft": "phi", "mimo_v2": "mimo_v2_flash",
})  # fmt: skip

# What the config classes fill in where the text model inside a wrapper leaves a field out.
NESTED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "llama": {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
                  "num_attention_heads": 32},
        "mistral": {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                    "num_attention_heads": 32, "num_key_value_heads": 8, "sliding_window": 4096},
        "qwen2": {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
                  "num_attention_heads": 32, "num_key_value_heads": 32},
        "gemma": {"vocab_size": 256000, "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28,
                  "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 256},
        "gemma2": {"vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
                   "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096},
        "gemma3_text": {"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216,
                        "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4,
                        "head_dim": 256, "sliding_window": 4096},
    }
)  # fmt: skip
