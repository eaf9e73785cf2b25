"""One request in two worlds, side by side: what can be had in one and not in the other, and what changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from tokenworks import scenario
from tokenworks.quote.story import quote
from tokenworks.records import Request, World
from tokenworks.scenario import Scenario

SCHEMA = "tokenworks/whatif/1"
CRITERION = {"cost": "total_usd", "time": "time_s", "energy": "energy_j", "carbon": "carbon_kg"}
FIGURES = ("chips", "capital_usd", "total_usd", "time_s", "power_w", "energy_j", "carbon_kg")
Key = tuple[str, str]  # make, system


def compare(request: Request, world: World, one: Iterable[Scenario], other: Iterable[Scenario]) -> Mapping[str, Any]:
    """Answer a request in the world of scenarios `other` (b) against that of `one` (a).

    `gained` and `lost`: systems shown as offered (lawful, or licence obtainable) in b only, in a only, each with
    the verdict of both worlds; `not shown` elsewhere means neither barred nor among the best that a quote
    shows. `changed`: systems offered in both, whose figures or verdict differ. Raises what `quote` and the
    scenarios raise.
    """
    worlds, changes = zip(*(_laid(world, chain) for chain in (one, other)), strict=True)
    answers = [quote(request, w).content for w in worlds]
    offers = [_offers(answer, request.prefer) for answer in answers]
    a, b = offers
    return {
        "schema": SCHEMA,
        "request": request.source,
        "a": _side(answers[0], changes[0]),
        "b": _side(answers[1], changes[1]),
        "gained": [_moved(key, b[key], answers[0]) for key in b if key not in a],
        "lost": [_moved(key, a[key], answers[1]) for key in a if key not in b],
        "changed": [_pair(key, a[key], b[key]) for key in a if key in b and _differs(a[key], b[key])],
        "winner": {make: _winner(make, request.prefer, offers) for make in answers[0]["best"]},
    }


def _laid(world: World, chain: Iterable[Scenario]) -> tuple[World, list[Mapping[str, Any]]]:
    found: list[Mapping[str, Any]] = []
    for each in chain:
        found += [asdict(d) for d in scenario.differences(world, each)]
        world = scenario.apply(world, each)
    return world, found


def _side(answer: Mapping[str, Any], changes: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        "scenarios": answer["world"]["scenarios"],
        "catalog": answer["world"]["catalog"],
        "quote": answer["id"],
        "best": answer["best"],
        "infeasible": answer["infeasible"],
        "changes": changes,
    }


def _figures(design: Mapping[str, Any]) -> Mapping[str, float | None]:
    cost, predicted = design["cost"], design["predicted"]
    return {
        "chips": design["chips"],
        "capital_usd": cost["capital_usd"],
        "total_usd": cost["total_usd"],
        "time_s": predicted["time_s"]["value"] if "time_s" in predicted else cost["horizon_s"],
        "power_w": design["power_w"],
        "energy_j": design["energy_j"],
        "carbon_kg": design["carbon_kg"],
    }


def _offers(answer: Mapping[str, Any], prefer: str) -> Mapping[Key, Mapping[str, Any]]:
    """The best design of every system that is offered, in the quote's order of makes and systems."""
    found: dict[Key, Mapping[str, Any]] = {}
    for design in answer["designs"]:
        key = design["make"], design["system"]
        if key not in found or _worth(design, prefer) < _worth(found[key], prefer):
            found[key] = design
    return found


def _worth(design: Mapping[str, Any], prefer: str) -> float:
    value = _figures(design)[CRITERION[prefer]]
    return float("inf") if value is None else float(value)


def _named(key: Key, design: Mapping[str, Any]) -> dict[str, Any]:
    return {"make": key[0], "chip": design["chip"], "chip_name": design["chip_name"], "vendor": design["vendor"],
            "system": key[1], "id": design["id"]}  # fmt: skip


def _verdict(design: Mapping[str, Any]) -> Mapping[str, Any]:
    law = design["law"]
    cites = dict.fromkeys(c["rule"] for line in law["lines"] for c in line["citations"])
    return {"standing": law["standing"], "licence": law["verdict"], "exception": law["exception"],
            "review_policy": law["review_policy"], "citations": list(cites)}  # fmt: skip


def _moved(key: Key, design: Mapping[str, Any], elsewhere: Mapping[str, Any]) -> Mapping[str, Any]:
    """A system offered in one world only: its design there, and why not in the other."""
    for row in elsewhere["barred"]:
        if row["chip"] == design["chip"] and row["make"] == key[0]:
            other = {"standing": "barred", "licence": row["licence"], "exception": None,
                     "review_policy": row["review_policy"], "citations": row["citations"]}  # fmt: skip
            break
    else:
        other = {"standing": "not shown", "licence": None, "exception": None, "review_policy": None, "citations": []}
    return {**_named(key, design), "figures": _figures(design), "law": _verdict(design), "law_elsewhere": other}


def _differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _figures(one) != _figures(other) or _verdict(one)["standing"] != _verdict(other)["standing"]


def _pair(key: Key, one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    before, after = _figures(one), _figures(other)
    return {
        **_named(key, other),
        "figures": {n: {"a": before[n], "b": after[n]} for n in FIGURES},
        "law": {"a": _verdict(one), "b": _verdict(other)},
    }


def _winner(make: str, prefer: str, offers: list[Mapping[Key, Mapping[str, Any]]]) -> Mapping[str, Any] | None:
    """The best of either world on the preferred criterion, and by what share it leads the best of another chip."""
    sides = [_leader([d for (kind, _), d in offered.items() if kind == make], prefer) for offered in offers]
    return None if sides == [None, None] else {"criterion": CRITERION[prefer], "a": sides[0], "b": sides[1]}


def _leader(designs: list[Mapping[str, Any]], prefer: str) -> Mapping[str, Any] | None:
    priced = sorted(
        (d for d in designs if _worth(d, prefer) < float("inf")), key=lambda d: (_worth(d, prefer), d["id"])
    )
    lawful = [d for d in priced if d["law"]["standing"] == "lawful"] or priced
    if not lawful:
        return None
    best = lawful[0]
    rival = next((d for d in lawful if d["chip"] != best["chip"]), None)
    value = _worth(best, prefer)
    margin = None if rival is None or not value else _worth(rival, prefer) / value - 1.0
    return {"id": best["id"], "chip": best["chip"], "chip_name": best["chip_name"], "value": value, "margin": margin}
