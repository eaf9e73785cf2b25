"""`catalog check`: schema, units, ranges, cross-references, sources, aliases, recomputed TPP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tokenworks.catalog.reader import KINDS, Catalog, aliases
from tokenworks.language import Text, text
from tokenworks.records import Entry, Fact

CHECKED = ("chips", "systems", "sites")  # kinds whose facts the schema lists completely


def check(catalog: Catalog) -> tuple[Text, ...]:
    """Everything that is wrong with a catalog, in order; nothing if all is well."""
    return (
        *_facts(catalog),
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
                if kind in CHECKED and name not in schema:
                    yield text("{where}: not in the schema", where=where)
                elif kind in CHECKED:
                    yield from _one(where, fact, schema[name])
            for name, rule in schema.items():
                if rule.get("required") and name not in entry.facts and name not in catalog.constants:
                    yield text("{where}: is missing", where=f"{kind}/{entry.id}/{name}")


def _one(where: str, fact: Fact, rule: Mapping[str, Any]) -> Iterator[Text]:
    kinds = {"number": (int, float), "flag": (bool,), "text": (str,)}
    wanted = kinds[rule["type"]]
    if not isinstance(fact.value, wanted) or (rule["type"] == "number" and isinstance(fact.value, bool)):
        yield text("{where}: expected a {kind}", where=where, kind=rule["type"])
    elif rule["type"] == "number" and not rule["low"] <= fact.value <= rule["high"]:
        yield text("{where}: {value} is outside {low} to {high}", where=where, value=f"{fact.value:g}",
                   low=f"{rule['low']:g}", high=f"{rule['high']:g}")  # fmt: skip
    if fact.low is not None and fact.high is not None and not fact.low <= fact.high:
        yield text("{where}: low is above high", where=where)


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
        families = {getattr(e, "family", "") for e in entries.values()} - {""}
        folded = {f.replace("-", "") for f in families}
        for spelling, ids in aliases(entries).items():
            if len(ids) > 1 and spelling not in folded:
                yield text("{where}: '{name}' means {ids}", where=kind, name=spelling, ids=", ".join(ids))


def _prices(catalog: Catalog) -> Iterator[Text]:
    known = {*catalog.chips, *catalog.systems, *catalog.switches, *catalog.nics, *catalog.optics}
    for price in catalog.prices:
        where = f"prices/{price.item}"
        if price.item not in known:
            yield text("{where}: not in the catalog", where=where)
        if not price.fact.value > 0 or price.kind not in ("purchase", "rent"):
            yield text("{where}: expected a positive purchase or rent price", where=where)
