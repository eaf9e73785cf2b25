"""Parameters and FLOPs against published totals and published runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tokenworks import workload
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest
from tokenworks.workload import Attention, FeedForward, Layer

HERE = Path(__file__).parent
TOTALS = yaml.safe_load((HERE / "totals.yaml").read_text())["rows"]
RUNS = yaml.safe_load((HERE / "flops.yaml").read_text())["rows"]
ROUNDED = 0.03  # published totals are rounded to whole or tenths of billions, some with a vision tower
OFF = {"openvla-7b"}  # its published total counts the vision towers


@pytest.mark.parametrize("row", TOTALS, ids=lambda r: r["model"])
def test_parameters_match_the_count_from_the_config(row: dict, facts: Catalog) -> None:
    counted = workload.parameters(workload.read(facts.models[row["model"]].config, row["model"]))
    assert counted.total / 1e9 == pytest.approx(row["total"], rel=0.005)
    assert counted.active / 1e9 == pytest.approx(row["active"], rel=0.005)
    assert counted.active_without_embedding / 1e9 == pytest.approx(row["without_embedding"], rel=0.005)
    assert counted.active_without_embedding <= counted.active <= counted.total
    if row["published_total"] and row["model"] not in OFF:
        assert counted.total / 1e9 == pytest.approx(row["published_total"], rel=ROUNDED)


def test_at_least_seventy_models_are_known(facts: Catalog) -> None:
    assert len(facts.models) >= 70


@pytest.mark.parametrize("row", RUNS, ids=lambda r: f"{r['model']['name']}-{r['sequence']}")
def test_flops_per_token_match_published_runs(row: dict) -> None:
    arch = workload.from_record(row["model"])
    flops = workload.flops_per_token(arch, row["sequence"])
    trained = flops.training_causal_with_mtp if arch.mtp_layers else flops.training_causal
    assert trained / 1e9 == pytest.approx(row["gflops_causal"], rel=0.01)
    if not arch.mtp_layers:
        assert flops.training_noncausal / 1e9 == pytest.approx(row["gflops_noncausal"], rel=0.01)


def test_parameters_are_the_sum_of_the_matrices(facts: Catalog) -> None:
    for name, model in facts.models.items():
        arch = workload.read(model.config, name)
        body = sum(
            n * m.rows * m.columns * m.copies for layer, n in arch.layers for m in workload.matrices(layer, arch.hidden)
        )
        counted = workload.parameters(arch)
        rest = arch.learned_positions * arch.hidden + arch.extra_parameters
        assert counted.total == body + counted.embedding + counted.head + rest


def test_narrower_weights_are_never_larger(facts: Catalog) -> None:
    arch = workload.read(facts.models["deepseek-v3"].config, "deepseek-v3")
    sizes = [workload.weight_bytes(arch, p) for p in ("fp32", "bf16", "mxfp8", "fp8", "nvfp4", "mxfp4")]
    assert sizes == sorted(sizes, reverse=True)


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_a_window_never_costs_more_than_full_attention(sequence: int, window: int) -> None:
    full = Attention("full", 8, 2, 64, 64)
    slid = Attention("window", 8, 2, 64, 64, window=window)
    for causal in (True, False):
        cheap = float(workload.attention_flops(slid, sequence, sequence, causal))
        assert cheap <= float(workload.attention_flops(full, sequence, sequence, causal)) * (1 + 1e-12)


@given(st.integers(1, 64), st.integers(1, 16), st.integers(1, 512))
def test_flops_are_twice_the_active_weights_plus_attention(hidden: int, experts: int, width: int) -> None:
    layer = Layer(None, FeedForward(0, True, experts, 1, width))
    arch = workload.Architecture("m", hidden, 10, ((layer, 3),))
    active = workload.parameters(arch).active_without_embedding
    assert workload.flops_per_token(arch, 7).forward_causal == pytest.approx(2.0 * active)


GOOD = {
    "model_type": "deepseek_v3", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 4, "intermediate_size": 128, "vocab_size": 100, "kv_lora_rank": 16, "q_lora_rank": 8,
    "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "n_shared_experts": 1, "first_k_dense_replace": 1, "layer_types": None,
    "quantization_config": {"quant_method": "fp8"}, "tie_word_embeddings": False,
}  # fmt: skip
HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**400), 10**400), st.floats(), st.text(max_size=20),
    st.lists(st.integers(), max_size=4), st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)  # fmt: skip


@given(st.sampled_from(sorted(GOOD)), HOSTILE)
def test_a_hostile_config_is_read_or_refused_by_field(key: str, value: object) -> None:
    try:
        arch = workload.read({**GOOD, key: value}, "m")
    except BadRequest as error:
        assert error.field.startswith("m")
    else:
        assert workload.parameters(arch).total > 0


def test_an_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(BadRequest, match="model_type"):
        workload.read({**GOOD, "model_type": "mystery"}, "m")
