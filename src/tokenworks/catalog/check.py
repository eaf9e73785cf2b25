"""`catalog check`: schema, units, ranges, cross-references, sources, aliases, recomputed TPP."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenworks.catalog.reader import KINDS, Catalog, aliases, fold, gather
from tokenworks.catalog.world import first_day
from tokenworks.errors import BadRequest
from tokenworks.language import Text, text
from tokenworks.records import Entry, Fact

CHECKED = ("chips", "systems", "sites")  # kinds whose facts the schema lists completely
ANY_NUMBER = {"type": "number", "low": -1e30, "high": 1e30}
KINDS_OF_PRICE = ("purchase", "rent")


def load(overlay: Path | None = None) -> Catalog:
    """The shipped catalog, or a user's facts laid over it and checked. Raises BadRequest with the first thing that
    is wrong with theirs (ours is checked by the tests)."""
    catalog = gather(overlay)
    if overlay is not None:
        for problem in check(catalog):
            raise BadRequest("{problem}", field=f"--catalog {overlay}", problem=problem)
    return catalog


def check(catalog: Catalog) -> tuple[Text, ...]:
    """Everything that is wrong with a catalog, in order; nothing if all is well."""
    return (
        *_facts(catalog),
        *_constants(catalog),
        *_references(catalog),
        *_aliases(catalog),
        *_prices(catalog),
    )


def _facts(catalog: Catalog) -> Iterator[Text]:
    for kind in KINDS:
        schema = catalog.schema.get(kind, {})
        for entry in catalog.entries(kind).values():
            for name, fact in entry.facts.items():
                where = f"{kind}/{entry.id}/{name}"
                if not fact.source:
                    yield text("{where}: no source", where=where)
                if name in schema:
                    yield from _one(where, fact, schema[name])
                elif kind in CHECKED:
                    yield text("{where}: not in the schema", where=where)
            for name, rule in schema.items():
                if rule.get("required") and name not in entry.facts and name not in catalog.constants:
                    yield text("{where}: is missing", where=f"{kind}/{entry.id}/{name}")


def _one(where: str, fact: Fact, rule: Mapping[str, Any]) -> Iterator[Text]:
    kinds = {"number": (int, float), "flag": (bool,), "text": (str,)}
    wanted = kinds[rule["type"]]
    if not isinstance(fact.value, wanted) or (rule["type"] == "number" and isinstance(fact.value, bool)):
        yield text("{where}: expected a {kind}", where=where, kind=rule["type"])
    elif rule["type"] == "number" and not rule["low"] <= fact.value <= rule["high"]:  # NaN is outside too
        yield text("{where}: {value} is outside {low} to {high}", where=where, value=f"{fact.value:g}",
                   low=f"{rule['low']:g}", high=f"{rule['high']:g}")  # fmt: skip
    yield from _interval(where, fact)


def _interval(where: str, fact: Fact) -> Iterator[Text]:
    """The ends of a range are numbers, and in order."""
    ends = [end for end in (fact.low, fact.high) if end is not None]
    if not all(isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in ends):
        yield text("{where}: low and high must be numbers", where=where)
    elif len(ends) == 2 and not ends[0] <= ends[1]:
        yield text("{where}: low is above high", where=where)


def _constants(catalog: Catalog) -> Iterator[Text]:
    schema = catalog.schema["constants"]
    for name, fact in catalog.constants.items():
        where = f"constants/{name}"
        yield from _one(where, fact, schema.get(name, ANY_NUMBER))


def _references(catalog: Catalog) -> Iterator[Text]:
    for system in catalog.systems.values():
        if system.chip not in catalog.chips:
            yield text(
                "{where}: the chip {chip} is not in the catalog",
                where=f"systems/{system.id}",
                chip=system.chip,
            )
    for name, fact in catalog.constants.items():
        if not fact.source:
            yield text("{where}: no source", where=f"constants/{name}")


def _aliases(catalog: Catalog) -> Iterator[Text]:
    """A spelling with two meanings, unless it is a family word."""
    for kind in KINDS:
        entries: Mapping[str, Entry] = catalog.entries(kind)
        folded = {fold(getattr(e, "family", "")) for e in entries.values()} - {""}
        for entry in entries.values():  # a family word may be the plain name of one member, never of a stranger
            for spelling in {fold(s) for s in (entry.id, entry.name, *entry.aliases)} & folded:
                if fold(getattr(entry, "family", "")) != spelling:
                    ids = (entry.id, *(e.id for e in entries.values() if fold(getattr(e, "family", "")) == spelling))
                    yield text("{where}: '{name}' means {ids}", where=kind, name=spelling, ids=", ".join(ids))
        for spelling, ids in aliases(entries).items():
            if len(ids) > 1 and spelling not in folded:
                yield text("{where}: '{name}' means {ids}", where=kind, name=spelling, ids=", ".join(ids))


def _prices(catalog: Catalog) -> Iterator[Text]:
    known = {*catalog.chips, *catalog.systems, *catalog.switches, *catalog.nics, *catalog.optics}
    for price in catalog.prices:
        where = f"prices/{price.item}"
        if price.item not in known:
            yield text("{where}: not in the catalog", where=where)
        value = price.fact.value
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value <= 0 or price.kind not in KINDS_OF_PRICE:
            yield text("{where}: expected a positive purchase or rent price", where=where)
        if price.fact.date is not None and first_day(price.fact.date) is None:
            yield text("{where}: expected a date such as 2025-05-02 or 2025-05", where=where)
        yield from _interval(where, price.fact)
