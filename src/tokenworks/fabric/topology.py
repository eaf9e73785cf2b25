"""Chip count -> switches, cables, optics and bisection of a network. Pure counting: prices come later."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tokenworks.errors import BadRequest, not_allowed

TOPOLOGIES = ("rail-fat-tree", "fat-tree", "multi-plane", "dragonfly", "slim-fly", "torus", "scale-up")
MODULES_PER_CABLE = 2  # every cable is taken as optical, a transceiver module at each end


@dataclass(frozen=True, slots=True)
class FabricSpec:
    """What is to be wired. port_bandwidth: bytes/s one way. oversubscription: leaf ports down over up.

    planes: independent networks (multi-plane; default one per network port of a node). dims: torus shape.
    groups: dragonfly groups (default: as many as the chips need).
    """

    topology: str
    chips: int
    chips_per_node: int = 8
    nics_per_node: int = 8
    radix: int = 64
    port_bandwidth: float = 5e10
    oversubscription: float = 1.0
    planes: int | None = None
    dims: tuple[int, ...] | None = None
    groups: int | None = None


@dataclass(frozen=True)
class Fabric:
    """A wired network: counts by tier (absent tiers absent), transceiver modules, bisection bytes/s one way."""

    spec: FabricSpec
    switches: Mapping[str, int]
    cables: Mapping[str, int]
    optics: int
    bisection: float
    layers: int


def build(spec: FabricSpec) -> Fabric:
    """Count a fabric. Raises BadRequest where a number makes no network.

    >>> build(FabricSpec("rail-fat-tree", 1016)).switches
    {'leaf': 32, 'spine': 16}
    >>> sum(build(FabricSpec("fat-tree", 65536)).switches.values())
    5120
    """
    if spec.topology not in TOPOLOGIES:
        raise not_allowed("topology", spec.topology, TOPOLOGIES)
    _check(spec)
    if spec.topology == "scale-up":
        return Fabric(spec, {}, {}, 0, spec.chips / 2 * spec.port_bandwidth, 0)
    if spec.topology == "torus":
        return _torus(spec)
    if spec.topology == "dragonfly":
        return _dragonfly(spec)
    if spec.topology == "slim-fly":
        return _slim_fly(spec)
    return _fat_trees(spec)


def _check(s: FabricSpec) -> None:
    for name in ("chips", "chips_per_node", "nics_per_node"):
        value = getattr(s, name)
        if not 1 <= value <= 100_000_000:
            raise BadRequest(
                "'{value}' is out of range; allowed: {low} to {high}",
                field=name,
                value=value,
                low=1,
                high=100_000_000,
            )
    if not 2 <= s.radix <= 4096:
        raise BadRequest(
            "'{value}' is out of range; allowed: {low} to {high}",
            field="radix",
            value=s.radix,
            low=2,
            high=4096,
        )
    if not 1.0 <= s.oversubscription <= s.radix - 1:
        raise BadRequest(
            "'{value}' is out of range; allowed: {low} to {high}",
            field="oversubscription", value=s.oversubscription, low=1, high=s.radix - 1,
        )  # fmt: skip
    if not (math.isfinite(s.port_bandwidth) and s.port_bandwidth > 0):
        raise BadRequest("'{value}' is not a finite number", field="port-gbps", value=s.port_bandwidth)


def _nodes(s: FabricSpec) -> int:
    return -(-s.chips // s.chips_per_node)


# ------------------------------------------------------------------------------------------ fat trees


@dataclass(frozen=True, slots=True)
class _Tree:
    leaf: int
    spine: int = 0
    core: int = 0
    leaf_spine: int = 0
    spine_core: int = 0


def _fat_trees(s: FabricSpec) -> Fabric:
    """Rails are leaves of one tree; planes are trees of their own.

    Rail-optimised: port r of every node goes to the leaves of rail r (DGX SuperPOD reference architecture).
    """
    nodes = _nodes(s)
    ports = nodes * s.nics_per_node
    if s.topology == "multi-plane":
        planes = _planes(s)
        # each port of a node is in one plane; planes beyond the ports split every port
        per_plane = nodes * -(-s.nics_per_node // planes)
        tree, copies, cables_down = _tree(_leaves(per_plane, s), s), planes, max(ports, per_plane * planes)
    else:
        down = _down(s)
        railed = s.topology == "rail-fat-tree" and ports > s.radix  # one switch needs no rails
        leaves = s.nics_per_node * -(-nodes // down) if railed else _leaves(ports, s)
        tree, copies, cables_down = _tree(leaves, s), 1, ports
    switches = {"leaf": tree.leaf * copies, "spine": tree.spine * copies, "core": tree.core * copies}
    cables = {
        "node-leaf": cables_down,
        "leaf-spine": tree.leaf_spine * copies,
        "spine-core": tree.spine_core * copies,
    }
    switches = {k: v for k, v in switches.items() if v}
    cables = {k: v for k, v in cables.items() if v}
    across = [cables_down, *(v for k, v in cables.items() if k != "node-leaf")]
    bisection = min(across) / 2 * s.port_bandwidth
    return Fabric(s, switches, cables, MODULES_PER_CABLE * sum(cables.values()), bisection, len(switches))


def _planes(s: FabricSpec) -> int:
    """Independent networks: a whole number of a node's ports in each, or every port split evenly among them."""
    planes = s.nics_per_node if s.planes is None else s.planes
    if not 1 <= planes <= 1024:
        raise BadRequest(
            "'{value}' is out of range; allowed: {low} to {high}", field="planes", value=planes, low=1, high=1024
        )
    if s.nics_per_node % planes and planes % s.nics_per_node:
        raise BadRequest(
            "{planes} planes do not share the {ports} ports of a node evenly",
            field="planes", planes=planes, ports=s.nics_per_node,
        )  # fmt: skip
    return planes


def _down(s: FabricSpec) -> int:
    """Leaf ports to nodes: radix * o / (1 + o)."""
    return max(1, min(s.radix - 1, int(s.radix * s.oversubscription / (1.0 + s.oversubscription))))


def _leaves(ports: int, s: FabricSpec) -> int:
    if ports <= s.radix:
        return 1
    return -(-ports // _down(s))


def _tree(leaves: int, s: FabricSpec) -> _Tree:
    """Layers above the leaves: none for one leaf, spines, or pods of spines under cores."""
    if leaves == 1:
        return _Tree(1)
    up = max(1, min(s.radix - _down(s), round(_down(s) / s.oversubscription)))
    spines = _evenly(-(-leaves * up // s.radix), up)
    if spines is not None and leaves <= s.radix:
        return _Tree(leaves, spines, leaf_spine=leaves * up)
    return _three_layers(leaves, up, s)


def _evenly(least: int, links: int) -> int | None:
    """The least number >= `least` of upper switches that share `links` in whole numbers, None if there is none.

    >>> _evenly(12, 32), _evenly(33, 32)
    (16, None)
    """
    return next((n for n in range(max(1, least), links + 1) if links % n == 0), None)


def _three_layers(leaves: int, up: int, s: FabricSpec) -> _Tree:
    """Pods of radix/2 leaves with `up` spines, one link each; the spines' upper halves meet in the cores."""
    half = s.radix // 2
    pods = -(-leaves // half)
    if pods > s.radix:
        raise BadRequest("three layers of {radix}-port switches do not reach {n} leaves; give a larger radix",
                         field="radix", radix=s.radix, n=leaves)  # fmt: skip
    spines = pods * up
    links = spines * half
    cores_per_rank = _evenly(-(-pods * half // s.radix), half) or half  # spine i of every pod shares its cores
    return _Tree(leaves, spines, up * cores_per_rank, leaves * up, links)


# -------------------------------------------------------------------------------- dragonfly and torus


def _dragonfly(s: FabricSpec) -> Fabric:
    """Balanced dragonfly, a = 2p = 2h (Kim et al., ISCA 2008): routers of a group joined all to all."""
    p = max(1, (s.radix + 1) // 4)
    a, h = 2 * p, p
    ports = _nodes(s) * s.nics_per_node
    groups = s.groups or -(-ports // (a * p))
    if groups > a * h + 1:
        raise BadRequest(
            "'{value}' is out of range; allowed: {low} to {high}",
            field="groups",
            value=groups,
            low=1,
            high=a * h + 1,
        )
    if groups * a * p < ports:
        raise BadRequest("{groups} groups of {n} ports do not hold {ports} ports",
                         field="groups", groups=groups, n=a * p, ports=ports)  # fmt: skip
    routers = groups * a
    local = groups * a * (a - 1) // 2
    across = routers * h // 2 if groups > 1 else 0
    cables = {k: v for k, v in {"node-router": ports, "local": local, "global": across}.items() if v}
    cut = across / 2 if groups > 1 else (a / 2) ** 2
    bisection = min(ports / 2, cut) * s.port_bandwidth
    return Fabric(s, {"router": routers}, cables, MODULES_PER_CABLE * sum(cables.values()), bisection, 1)


def _slim_fly(s: FabricSpec) -> Fabric:
    """Slim Fly (Besta and Hoefler, SC 2014): 2 q^2 routers of degree k' = (3 q - delta) / 2, diameter two.

    q = 4 w + delta, delta in -1, 0, 1. Such graphs are built for prime powers q; the counts hold for the
    formula, as published tables use it.
    """
    ports = _nodes(s) * s.nics_per_node
    for q in range(3, s.radix):
        delta = {0: 0, 1: 1, 2: None, 3: -1}[q % 4]
        if delta is None:
            continue
        degree = (3 * q - delta) // 2
        ends = -(-degree // 2)
        if degree + ends > s.radix:
            break
        if 2 * q * q * ends >= ports:
            routers = 2 * q * q
            cables = {"node-router": ports, "local": routers * degree // 2}
            bisection = min(ports / 2, cables["local"] / 2) * s.port_bandwidth
            return Fabric(s, {"router": routers}, cables, MODULES_PER_CABLE * sum(cables.values()), bisection, 1)
    raise BadRequest("a slim fly of {radix}-port switches does not reach {ports} ports; give a larger radix",
                     field="radix", radix=s.radix, ports=ports)  # fmt: skip


def _torus(s: FabricSpec) -> Fabric:
    """A torus of chips; every chip routes. Wrap-around links from three chips a ring on."""
    dims = s.dims or _cube(s.chips)
    if math.prod(dims) != s.chips:
        raise BadRequest(
            "a torus of {dims} has {held} chips, not {chips}",
            field="dims", dims="x".join(map(str, dims)), held=math.prod(dims), chips=s.chips,
        )  # fmt: skip
    n = math.prod(dims)
    links = sum(n if d > 2 else n // 2 if d == 2 else 0 for d in dims)
    longest = max(dims)
    rings = 2 if longest > 2 else 1
    bisection = (n // longest) * rings * s.port_bandwidth if longest > 1 else 0.0
    return Fabric(s, {"router": n}, {"local": links}, 0, bisection, 1)


def _cube(chips: int) -> tuple[int, ...]:
    """The most cube-like whole box that holds exactly `chips`, by its divisors.

    >>> _cube(64), _cube(48)
    ((4, 4, 4), (4, 4, 3))
    """
    best = (chips, 1, 1)
    for a in range(1, round(chips ** (1 / 3)) + 2):
        if chips % a:
            continue
        rest = chips // a
        b = next(b for b in range(math.isqrt(rest), 0, -1) if rest % b == 0)
        box = tuple(sorted((a, b, rest // b), reverse=True))
        if sum(box) < sum(best):
            best = (box[0], box[1], box[2])
    return best
