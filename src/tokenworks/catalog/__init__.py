"""Catalog: facts, prices, rules and calibration, read and checked into a World at a date."""

from tokenworks.catalog.reader import Catalog, aliases, fold, load
from tokenworks.catalog.world import expand, resolve, world

__all__ = ["Catalog", "aliases", "expand", "fold", "load", "resolve", "world"]
