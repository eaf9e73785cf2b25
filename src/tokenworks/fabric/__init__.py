"""Fabric: chip count -> topology, switches, optics, cables, bisection, cost and power."""

from tokenworks.fabric.parts import FabricBill, Parts, answer, pick, price
from tokenworks.fabric.topology import TOPOLOGIES, Fabric, FabricSpec, build

__all__ = [
    "TOPOLOGIES",
    "Fabric",
    "FabricBill",
    "FabricSpec",
    "Parts",
    "answer",
    "build",
    "pick",
    "price",
]
