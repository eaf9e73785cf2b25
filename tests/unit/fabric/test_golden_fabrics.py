"""Published cluster networks come out exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest
from tokenworks.fabric import TOPOLOGIES, FabricSpec, build


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


def test_a_torus_is_cut_across_its_longest_ring() -> None:
    built = build(FabricSpec("torus", 64, port_bandwidth=1.0))
    assert built.cables == {"local": 192}
    assert built.bisection == 32.0
