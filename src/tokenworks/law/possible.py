"""Possible worlds: a missing fact is tried on all sides of every threshold (docs/why/0002).

Missing are the parameters of a chip that nobody published and whatever a shipment says is `unknown`. Values that
no rule tells apart are tried once: for an item what its class, its letters and its path come to; for a country
the groups and lists that hold it on the day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from tokenworks.law import item as items
from tokenworks.law import letters, policy
from tokenworks.law.asked import UNKNOWN, Asked
from tokenworks.law.dated import in_force
from tokenworks.law.item import Item

_JUST_OVER = 1.0 + 1e-9  # the other side of a limit that a value may reach but not pass
_BY_NAME = ("CN", "HK", "MO", "US")  # countries that the code itself tells apart
_SKIPPED = ("parties", "military_users", "military_companies", "vocabulary", "coverage", "meta")


def candidates(item: Item, law: Mapping[str, Any], quantity: int) -> dict[str, tuple[float | bool | str, ...]]:
    """For every unknown parameter, values on all sides of every threshold that the rules know."""
    letter, path = law["letters"]["letters"][-1], law["policy"]["path_2026"]
    first, second = law["items"]["versions"]
    low, country = law["exceptions"]["LPP"]["tpp_per_year"], law["diffusion"]["country_tpp_2025_2027"]
    amounts = tuple(a / (quantity * item.chips) * f for a in (low, country) for f in (1.0, _JUST_OVER))
    wanted: dict[str, tuple[float | bool | str, ...]] = {
        "tpp": (0.0, second["a2_tpp"], second["b1_tpp"], second["a_tpp"], path["tpp_below"], *amounts),
        "density": (0.0, second["b1_density"], second["b2_density"], second["a2_density"]),
        "memory_bandwidth": (0.0, letter["memory_bandwidth"], path["memory_bandwidth_below"]),
        "io_bandwidth": (0.0, first["io_bandwidth"], letter["io_bandwidth"], letter["sum"]),
        "datacentre": (True, False),
        "origin": ("US", "CN"),
    }  # fmt: skip
    if item.stack_density is not None or not item.accelerator:
        return {}
    missing = (None, "")
    return {name: values for name, values in wanted.items() if getattr(item, name) in missing}


def profile(item: Item, law: Mapping[str, Any], on: dt.date, quantity: int) -> tuple[object, ...]:
    """All that the rules of a day can tell about so many of a fully known item."""
    reached = tuple(letters.reaches(item, x) for x in law["letters"]["letters"] if in_force(x, on))
    return (
        items.classify(item, law, on)[0],
        item.datacentre,
        item.origin,
        item.accelerator,
        item.computer,
        reached,
        policy.below_path(item, law),
        item.stack_density is not None and item.stack_density < law["exceptions"]["HBM"]["density_below"],
        item.stack_density is None,
        amounts(item, law, quantity) if in_force(law["diffusion"], on) else None,
    )


def amounts(item: Item, law: Mapping[str, Any], quantity: int) -> tuple[bool, bool]:
    """On which side of the two volumes of the diffusion rule a shipment is."""
    tpp = (item.tpp or 0.0) * item.chips * quantity
    return tpp <= law["exceptions"]["LPP"]["tpp_per_year"], tpp <= law["diffusion"]["country_tpp_2025_2027"]


def possible_items(item: Item, law: Mapping[str, Any], on: dt.date, quantity: int) -> tuple[Item, ...]:
    """The item in every way that differs for the rules of a day; itself where everything is known."""
    missing = candidates(item, law, quantity)
    if not missing:
        return (item,)
    found: dict[tuple[object, ...], Item] = {}
    for values in product(*missing.values()):
        known = replace(item, **_named(missing, values))
        found.setdefault(profile(known, law, on, quantity), known)
    return tuple(found.values())


def _named(names: Iterable[str], values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def mentions(
    law: Mapping[str, Any], names: frozenset[str] | None = None
) -> Mapping[str, tuple[tuple[str, str | None, str | None], ...]]:
    """For every country, or every other name asked for: where the rules name it (path), from when, to when."""
    wanted = frozenset(law["places"]["iso"]) if names is None else names
    found: dict[str, list[tuple[str, str | None, str | None]]] = {c: [] for c in wanted}
    stack: list[tuple[str, Any, str | None, str | None]] = [(k, v, None, None) for k, v in law.items()]
    while stack:
        path, node, since, until = stack.pop()
        if path in _SKIPPED or path == "places/iso":
            continue
        if isinstance(node, Mapping):
            since, until = node.get("from", since), node.get("to", until)
            stack.extend((f"{path}/{k}", v, since, until) for k, v in node.items())
        elif isinstance(node, list):
            stack.extend((path if isinstance(v, str) else f"{path}/{i}", v, since, until) for i, v in enumerate(node))
        elif isinstance(node, str) and node in wanted:
            found[node].append((path, since, until))
    return {c: tuple(sorted(v, key=str)) for c, v in found.items()}


def country_class(country: str, where: Mapping[str, Any], on: dt.date) -> tuple[object, ...]:
    """What the rules of a day can tell about a country: the lists that name it, and the four that the code names."""
    return (country if country in _BY_NAME else "", *named_on(country, where, on))


def named_on(name: str, where: Mapping[str, Any], on: dt.date) -> tuple[str, ...]:
    """The lists that hold a name on a day."""
    day = on.isoformat()
    return tuple(path for path, since, until in where[name] if (since or "") <= day and (until is None or day <= until))


def representatives(law: Mapping[str, Any], on: dt.date) -> tuple[str, ...]:
    """One country for every class of a day."""
    where = mentions(law)
    found: dict[tuple[object, ...], str] = {}
    for country in sorted(law["places"]["iso"]):
        found.setdefault(country_class(country, where, on), country)
    return tuple(found.values())


def choices(asked: Asked, law: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """For every field that is said to be unknown, the values that some rule tells apart."""
    fields = [n for n in ("destination", "hq", "ship_from", "buyer_kind", "use", "exporter")
              if getattr(asked, n) == UNKNOWN]  # fmt: skip
    if not fields:
        return {}
    addressed = {e for letter in law["letters"]["letters"] for e in letter["exporters"]}
    places = representatives(law, asked.on) if {"destination", "hq", "ship_from"} & set(fields) else ()
    values: dict[str, tuple[str, ...]] = {
        "destination": places,
        "hq": places,
        "ship_from": places,
        "buyer_kind": tuple(law["vocabulary"]["kinds"]),
        "use": tuple(law["vocabulary"]["uses"]),
        "exporter": ("any", *sorted(addressed)),
    }
    return {name: values[name] for name in fields}


def worlds(asked: Asked, ways: tuple[Item, ...], law: Mapping[str, Any]) -> Iterable[Asked]:
    """The shipment in every way that it may be, its item in each of these; itself where everything is known."""
    missing = choices(asked, law)
    for values in product(*missing.values()):
        for known in ways:
            yield replace(asked, item=known, **_named(missing, values))


def missing_names(asked: Asked, law: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the facts that are missing."""
    return (*choices(asked, law), *candidates(asked.item, law, asked.shipment.quantity))


def without(asked: Asked, name: str, law: Mapping[str, Any]) -> Iterable[Asked]:
    """The shipment with one missing fact tried on all sides, the others held at their last value."""
    mine: Mapping[str, tuple[Any, ...]] = choices(asked, law)
    parameters = candidates(asked.item, law, asked.shipment.quantity)
    held = {k: v[-1] for k, v in mine.items() if k != name}
    of_item: dict[str, Any] = {k: v[-1] for k, v in parameters.items() if k != name}
    for value in mine.get(name) or parameters[name]:
        fields = held if name in parameters else {**held, name: value}
        item = replace(asked.item, **({**of_item, name: value} if name in parameters else of_item))
        yield replace(asked, item=item, **fields)
