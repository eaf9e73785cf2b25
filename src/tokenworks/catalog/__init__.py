"""Catalog: facts, prices, rules and calibration, read and checked into a World at a date."""

from tokenworks.catalog.check import check
from tokenworks.catalog.reader import KINDS, Catalog, aliases, fold, load
from tokenworks.catalog.world import expand, resolve, world

__all__ = ["KINDS", "Catalog", "aliases", "check", "expand", "fold", "load", "resolve", "world"]
