"""Published cluster networks come out exactly."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks import catalog
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest
from tokenworks.fabric import TOPOLOGIES, FabricSpec, answer, build, pick, price


def rows(facts: Catalog, name: str) -> list[dict]:
    return next(t for t in facts.topologies if t["id"] == name)["rows"]


@pytest.mark.parametrize("name", ["superpod-h100", "superpod-b200"])
def test_superpod_tables(name: str, facts: Catalog) -> None:
    for row in rows(facts, name):
        built = build(FabricSpec("rail-fat-tree", row["gpus"]))
        assert built.switches["leaf"] == row["leaf"]
        assert built.switches["spine"] == row["spine"]
        # the H100 table counts the four management ports beside the nodes' cables
        nodes = row.get("cables_node_leaf") or row["cables_compute_and_ufm"] - 4
        assert built.cables["node-leaf"] == nodes
        assert built.cables["leaf-spine"] == (row.get("cables_leaf_spine") or row["cables_spine_leaf"])


def test_superpod_b300_two_planes(facts: Catalog) -> None:
    """800G twin-port cables carry one 400G link into each of two planes."""
    for row in rows(facts, "superpod-b300-ethernet"):
        spec = FabricSpec("multi-plane", row["gpus"], nics_per_node=16, radix=128, planes=2)
        built = build(spec)
        assert built.switches == {"leaf": row["leaf"], "spine": row["spine"]}
        assert built.cables["node-leaf"] == 2 * row["cables_node_leaf"]
        assert built.cables["leaf-spine"] == 2 * row["cables_leaf_spine"]


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("FT2", FabricSpec("fat-tree", 2048)),
        ("MPFT", FabricSpec("multi-plane", 16384)),
        ("FT3", FabricSpec("fat-tree", 65536)),
        ("DF", FabricSpec("dragonfly", 261632, groups=511)),
        ("SF", FabricSpec("slim-fly", 32928)),
    ],
)
def test_deepseek_isca_table(name: str, spec: FabricSpec, facts: Catalog) -> None:
    row = next(r for r in rows(facts, "deepseek-isca25-table3") if r["topology"] == name)
    built = build(spec)
    assert sum(built.switches.values()) == row["switches"]
    between = sum(n for cable, n in built.cables.items() if not cable.startswith("node-"))
    assert between == row["links"]


@given(st.sampled_from(["rail-fat-tree", "fat-tree"]), st.integers(1, 7000), st.sampled_from([32, 40, 64, 128]))
def test_no_switch_has_more_cables_than_ports(kind: str, nodes: int, radix: int) -> None:
    spec = FabricSpec(kind, nodes * 8, radix=radix)
    try:
        built = build(spec)
    except BadRequest:
        assert nodes * 8 > radix**3 // 8  # only what three layers do not reach is refused
        return
    c, s = built.cables, built.switches
    assert c["node-leaf"] + c.get("leaf-spine", 0) <= radix * s["leaf"]
    if "spine" in s:
        assert c["leaf-spine"] + c.get("spine-core", 0) <= radix * s["spine"]
    if "core" in s:
        assert c["spine-core"] <= radix * s["core"]
    assert c["node-leaf"] == nodes * 8


@given(st.integers(1, 200), st.integers(0, 200))
def test_more_chips_never_take_fewer_switches(nodes: int, more: int) -> None:
    small = build(FabricSpec("rail-fat-tree", nodes * 8))
    large = build(FabricSpec("rail-fat-tree", (nodes + more) * 8))
    assert sum(small.switches.values()) <= sum(large.switches.values())


@given(st.sampled_from(TOPOLOGIES), st.integers(-5, 10**9), st.integers(-5, 5000), st.floats(allow_nan=True))
def test_any_numbers_are_counted_or_refused(kind: str, chips: int, radix: int, over: float) -> None:
    try:
        built = build(FabricSpec(kind, chips, radix=radix, oversubscription=over))
    except BadRequest as error:
        assert error.field
    else:
        assert all(n > 0 for n in (*built.switches.values(), *built.cables.values()))


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (FabricSpec("torus", 64, dims=(4, 4, 5)), "dims"),
        (FabricSpec("torus", 64, dims=(4, 4, 2)), "dims"),
        (FabricSpec("torus", 64, dims=(0, 4, 2)), "dims"),
        (FabricSpec("multi-plane", 1024, planes=0), "planes"),
        (FabricSpec("multi-plane", 1024, planes=3), "planes"),
        (FabricSpec("multi-plane", 1024, planes=2000), "planes"),
        (FabricSpec("slim-fly", 100_000), "radix"),
        (FabricSpec("fat-tree", 65_544), "radix"),
        (FabricSpec("dragonfly", 1000, groups=1), "groups"),
        (FabricSpec("ring", 8), "topology"),
        (FabricSpec("fat-tree", 8, chips_per_node=0), "chips_per_node"),
        (FabricSpec("fat-tree", 8, nics_per_node=-1), "nics_per_node"),
    ],
)
def test_numbers_that_make_no_network_are_refused_by_field(spec: FabricSpec, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        build(spec)
    assert caught.value.field == field


def test_one_chip_a_prime_number_and_a_hundred_thousand() -> None:
    assert build(FabricSpec("fat-tree", 1, chips_per_node=1, nics_per_node=1)).switches == {"leaf": 1}
    prime = build(FabricSpec("rail-fat-tree", 1009))  # 127 nodes, the last one half empty
    assert prime.cables == {"node-leaf": 1016, "leaf-spine": 1024}
    large = build(FabricSpec("fat-tree", 100_003, radix=128))
    assert large.cables["node-leaf"] == 100_008
    assert large.layers == 3
    split = build(FabricSpec("multi-plane", 100_000, radix=512, planes=8, nics_per_node=8))
    assert split.layers == 2
    assert sum(split.switches.values()) == 8 * (49 + 32)


def test_an_oversubscribed_leaf_has_fewer_links_up() -> None:
    full, half = (build(FabricSpec("rail-fat-tree", 1024, oversubscription=o)) for o in (1.0, 3.0))
    assert full.cables["leaf-spine"] == 1024
    assert half.switches["leaf"] == 8 * 3  # 48 of 64 ports down: 128 nodes take three leaves a rail
    assert half.cables["leaf-spine"] == 24 * 16
    assert half.bisection < full.bisection


def test_links_that_come_with_the_chips_have_no_price_of_their_own(facts: Catalog) -> None:
    world = catalog.world(facts, dt.date(2026, 1, 1))
    for kind in ("torus", "scale-up"):
        built = build(FabricSpec(kind, 64))
        parts = pick(world.switches, world.optics, world.prices, built.spec.port_bandwidth, None, 64)
        said = answer(built, price(built, parts, world.prices))
        assert said["cost_usd"] is None
        assert said["power_w"] is None


def test_a_torus_is_cut_across_its_longest_ring() -> None:
    built = build(FabricSpec("torus", 64, port_bandwidth=1.0))
    assert built.cables == {"local": 192}
    assert built.bisection == 32.0
