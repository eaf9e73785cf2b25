"""Scenarios: what-ifs as overlays of dated facts and rules, World -> World. Models never branch on them."""

from tokenworks.scenario.apply import Difference, applied, apply, differences, named, ramps
from tokenworks.scenario.read import ACTUAL, Change, Scenario, read

__all__ = ["ACTUAL", "Change", "Difference", "Scenario", "applied", "apply", "differences", "named", "ramps", "read"]
