"""A model changed to suit a chip keeps its parameters and its work a token."""

from __future__ import annotations

import pytest

from tokenworks.records import World
from tokenworks.workload import parameters, read
from tokenworks.workload.variants import TILE, mixtures, variants

MODELS = ("deepseek-r1", "qwen3-235b-a22b", "pangu-pro-moe", "qwen3-32b")


@pytest.mark.parametrize("name", MODELS)
def test_the_same_size_in_other_shapes(name: str, world: World) -> None:
    published = read(world.models[name].config, name)
    before = parameters(published)
    found = variants(published, ("fp8",), 384)
    assert {"precision", "heads"} <= {v.what for v in found}
    for one in found:
        after = parameters(one.architecture)
        assert after.total == pytest.approx(before.total, rel=0.05)
        assert after.active == pytest.approx(before.active, rel=0.05)
        assert one.before != one.after
        assert all(m.expert_width % TILE == 0 for m in mixtures(one.architecture)) or one.what != "experts"


def test_experts_are_brought_to_divide_over_a_scale_up_domain(world: World) -> None:
    published = read(world.models["deepseek-r1"].config, "deepseek-r1")
    counts = {next(mixtures(v.architecture)).experts for v in variants(published, (), 384) if v.what == "experts"}
    assert counts == {128, 512, 384}
    assert 384 not in {
        next(mixtures(v.architecture)).experts for v in variants(published, (), 8) if v.what == "experts"
    }


def test_a_dense_model_has_no_experts_to_change(world: World) -> None:
    published = read(world.models["qwen3-32b"].config, "qwen3-32b")
    assert {v.what for v in variants(published, (), 8)} == {"heads"}
