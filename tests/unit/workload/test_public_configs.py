"""config.json of many families against the number of weights in their published checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tokenworks import workload
from tokenworks.errors import BadRequest
from tokenworks.workload.families import FAMILIES

ROWS = yaml.safe_load((Path(__file__).parent / "public_configs.yaml").read_text())["rows"]
BY_NAME = {row["model"]: row["config"] for row in ROWS}
ROUNDED = 0.005


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r["model"])
def test_every_weight_of_the_checkpoint_is_counted(row: dict) -> None:
    counted = workload.parameters(workload.read(row["config"], row["model"]))
    assert counted.total == (row["total"] if row["exact"] else pytest.approx(row["total"], rel=ROUNDED))
    assert 0 < counted.active <= counted.total


def _attentions(name: str, **changes: object) -> list[workload.Attention]:
    arch = workload.read({**BY_NAME[name], **changes}, name)
    return [layer.attention for layer, n in arch.layers for _ in range(n) if layer.attention is not None]


def test_gemma_2_windows_every_other_layer_and_gemma_3_five_of_six() -> None:
    assert [a.window for a in _attentions("gemma-2-9b")].count(4096) == 21
    assert [a.window for a in _attentions("gemma-3-1b")].count(512) == 22


def test_falcon_7b_has_one_key_value_head_whatever_num_kv_heads_says() -> None:
    assert {a.kv_heads for a in _attentions("falcon-7b")} == {1}
    assert {a.kv_heads for a in _attentions("falcon-40b")} == {8}


def test_qwen_windows_start_at_max_window_layers_and_only_when_used() -> None:
    said = {"sliding_window": 4096, "max_window_layers": 20}
    assert {a.window for a in _attentions("qwen2.5-7b", use_sliding_window=False, **said)} == {None}
    assert [a.window for a in _attentions("qwen2.5-7b", use_sliding_window=True, **said)].count(4096) == 8


def test_jamba_keeps_a_cache_in_one_layer_of_eight() -> None:
    arch = workload.read(BY_NAME["jamba"], "jamba")
    assert workload.kv_bytes_per_token(arch, 2.0) == 4 * 2 * 8 * 128 * 2.0
    assert workload.state_bytes_per_sequence(arch, 2.0) == 28 * 8192 * 16 * 2.0


def test_gemma_4_shares_the_projection_of_keys_and_values_but_caches_both() -> None:
    arch = workload.read(BY_NAME["gemma4-31b"], "gemma4")
    assert workload.kv_bytes_per_token(arch, 1.0) == 10 * 4 * (512 + 512)


def test_a_text_model_inside_a_wrapper_takes_the_defaults_of_its_class() -> None:
    arch = workload.read(BY_NAME["gemma-3-4b text"], "gemma3")
    assert arch.vision_parameters is None
    assert {layer.attention.heads for layer, _ in arch.layers if layer.attention} == {8}


def test_an_audio_model_s_thinker_is_found_two_wrappers_deep() -> None:
    config = {"model_type": "qwen3_omni_moe", "thinker_config": {"text_config": BY_NAME["qwen3-8b"],
                                                                 "vision_config": {"depth": 1}}}  # fmt: skip
    arch = workload.read(config, "omni")
    assert workload.parameters(arch).total == 8190735360
    assert arch.vision_parameters is None


def test_layers_found_by_architecture_search_are_read_one_by_one() -> None:
    plain = {"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 5.25}}
    none = {"attention": {"no_op": True}, "ffn": {"ffn_mult": 2.625}}
    config = {"model_type": "nemotron-nas", "hidden_size": 8192, "num_attention_heads": 64, "vocab_size": 128256}
    whole = workload.parameters(workload.read({**config, "block_configs": [plain] * 80}, "m")).total
    assert whole == 70553706496  # Llama 3.1 70B, which such a list describes
    assert workload.parameters(workload.read({**config, "block_configs": [plain, none]}, "m")).total < whole
    with pytest.raises(BadRequest, match="block_configs"):
        workload.read({**config, "block_configs": [{"attention": {"replace_with_linear": True}, "ffn": {}}]}, "m")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("use_cla", True),
        ("cross_attention_layers", [3, 8]),
        ("num_kv_shared_layers", 15),
        ("hidden_size_per_layer_input", 256),
        ("is_encoder_decoder", True),
        ("word_embed_proj_dim", 512),
        ("moe_topk", [8] * 31 + [4]),
    ],
)
def test_what_changes_the_arithmetic_and_is_not_modelled_is_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(BadRequest, match=field):
        workload.read({**BY_NAME["hunyuan-a13b"], field: value}, "m")


@pytest.mark.parametrize("kind", ["rwkv", "t5", "zamba2", "gemma3n_text", "mllama_text_model", "bert"])
def test_an_architecture_that_is_not_known_is_refused(kind: str) -> None:
    assert kind not in FAMILIES
    with pytest.raises(BadRequest, match="model_type"):
        workload.read({**BY_NAME["llama-3.1-8b"], "model_type": kind}, "m")


@pytest.mark.parametrize(
    ("quantisation", "precision"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8_block"),
        ({"quant_method": "gptq", "bits": 4}, "int4"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "awq", "bits": 4}, "int4"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
        ({"quant_method": "fbgemm_fp8"}, "fp8"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized"}, "mxfp4"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "fp8",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}}},
            },
            "int4",
        ),
    ],
)
def test_the_precision_of_a_checkpoint_is_read(quantisation: dict, precision: str) -> None:
    arch = workload.read({**BY_NAME["llama-3.1-8b"], "quantization_config": quantisation}, "m")
    assert arch.weight_precision == precision


def test_a_quantisation_that_is_not_known_is_refused_by_field() -> None:
    with pytest.raises(BadRequest, match="quantization_config"):
        workload.read({**BY_NAME["llama-3.1-8b"], "quantization_config": {"quant_method": "vptq"}}, "m")
    with pytest.raises(BadRequest, match="bits"):
        workload.read({**BY_NAME["llama-3.1-8b"], "quantization_config": {"quant_method": "gptq", "bits": 3}}, "m")
