"""Catalog: facts, prices, rules and calibration, read and checked into a World at a date."""

from tokenworks.catalog.calibration import numbers, overlaid
from tokenworks.catalog.check import check, load
from tokenworks.catalog.demand import shipped_demand, shipped_demands
from tokenworks.catalog.reader import KINDS, Catalog, aliases, fold, gather
from tokenworks.catalog.runs import KINDS as RUNS
from tokenworks.catalog.runs import published, validation
from tokenworks.catalog.world import expand, resolve, world

__all__ = [
    "KINDS",
    "RUNS",
    "Catalog",
    "aliases",
    "check",
    "expand",
    "fold",
    "gather",
    "load",
    "numbers",
    "overlaid",
    "published",
    "resolve",
    "shipped_demand",
    "shipped_demands",
    "validation",
    "world",
]
