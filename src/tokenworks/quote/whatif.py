"""One request in two worlds, side by side: what can be had in one and not in the other, and what changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tokenworks import scenario
from tokenworks.quote import facts as ground
from tokenworks.quote.design import design, make
from tokenworks.quote.explain import resolve
from tokenworks.quote.story import answered, of_every_system
from tokenworks.records import Request, World
from tokenworks.scenario import Scenario
from tokenworks.search.choose import MOST, preference

SCHEMA = "tokenworks/whatif/1"
CRITERION = {"cost": "total_usd", "time": "time_s", "energy": "energy_j", "carbon": "carbon_kg", MOST: "tokens_per_s"}
# Where a design says each figure; the first that it has.
FIGURES: Mapping[str, tuple[str, ...]] = {
    "chips": ("/chips",),
    "capital_usd": ("/cost/capital_usd",),
    "total_usd": ("/cost/total_usd",),
    "time_s": ("/predicted/time_s", "/cost/horizon_s"),
    "tokens_per_s": ("/predicted/tokens_per_s",),
    "power_w": ("/power_w",),
    "energy_j": ("/energy_j",),
    "carbon_kg": ("/carbon_kg",),
}
Key = tuple[str, str]  # make, system


@dataclass(frozen=True)
class Side:
    """One world's answer: its quote, the best design of every system that is offered there (with the pointer to where
    it stands in the comparison), the facts they rest on, and each make's criterion."""

    name: str
    quote: Mapping[str, Any]
    changes: tuple[Mapping[str, Any], ...]
    energy: tuple[Mapping[str, Any], ...]  # what its scenarios make of a country's power by quarters
    designs: tuple[Mapping[str, Any], ...]
    offers: Mapping[Key, int]  # place in designs
    facts: Mapping[str, Any]
    prefer: Mapping[str, str]

    def at(self, key: Key) -> str:
        """The pointer to the design of a system."""
        return f"/{self.name}/designs/{self.offers[key]}"

    def of(self, key: Key) -> Mapping[str, Any]:
        """The design of a system."""
        return self.designs[self.offers[key]]


def compare(request: Request, world: World, one: Iterable[Scenario], other: Iterable[Scenario]) -> Mapping[str, Any]:
    """Answer a request in the world of scenarios `other` (b) against that of `one` (a).

    `gained` and `lost`: systems offered (lawful, or licence obtainable) in b only, in a only, each with the verdict of
    both worlds; `unmet` elsewhere: no design of it meets the request there. All systems are compared, not only those
    that a quote shows. `changed`: systems offered in both, whose figures or verdict differ. Each side carries its
    designs and facts as a quote does, so that every figure can be explained. Raises what `quote` and the scenarios
    raise.
    """
    a, b = (_side(request, world, chain, name) for name, chain in (("a", one), ("b", other)))
    return {
        "schema": SCHEMA,
        "request": request.source,
        "a": _shown(a),
        "b": _shown(b),
        "gained": [_moved(key, b, a) for key in b.offers if key not in a.offers],
        "lost": [_moved(key, a, b) for key in a.offers if key not in b.offers],
        "changed": [_pair(key, a, b) for key in a.offers if key in b.offers and _differs(a.of(key), b.of(key))],
        "winner": {make: _winner(make, (a, b)) for make in a.quote["best"]},
    }


def _side(request: Request, world: World, chain: Iterable[Scenario], name: str) -> Side:
    changes: list[Mapping[str, Any]] = []
    energy: list[Mapping[str, Any]] = []
    for each in chain:
        energy += scenario.ramps(world, each)
        changes += [asdict(d) for d in scenario.differences(world, each)]
        world = scenario.apply(world, each)
    answer, found = answered(request, world)
    content = answer.content
    designs, facts = list(content["designs"]), dict(content["facts"])
    known = {(d["make"], d["system"]) for d in designs}
    for (problem, result), rows in zip(found, of_every_system(request, found), strict=True):
        for row in rows:
            offer = problem.offers[int(result.state.designs["system"][int(row)])]
            if (make(problem), offer.system.id) in known:
                continue
            designs.append(design(result.state, int(row)))
            more = ground.of_acquired(problem.world, offer)
            facts |= {key: ground.plain(fact) for key, fact in more.items()}
    offers: dict[Key, int] = {}
    for i, one in enumerate(designs):  # a quote's designs stand best first
        offers.setdefault((one["make"], one["system"]), i)
    prefer = {make(problem): preference(result.state) for problem, result in found}
    return Side(
        name, content, tuple(changes), tuple(energy), tuple(designs), offers, dict(sorted(facts.items())), prefer
    )


def _shown(side: Side) -> Mapping[str, Any]:
    answer = side.quote
    return {
        "scenarios": answer["world"]["scenarios"],
        "catalog": answer["world"]["catalog"],
        "quote": answer["id"],
        "best": answer["best"],
        "infeasible": answer["infeasible"],
        "changes": list(side.changes),
        "energy": list(side.energy),
        "designs": list(side.designs),
        "facts": side.facts,
    }


def where_of(design: Mapping[str, Any], figure: str) -> str:
    """The path inside a design at which it says a figure."""
    paths = FIGURES[figure]
    return next((p for p in paths[:-1] if p.rsplit("/", 1)[-1] in design["predicted"]), paths[-1])


def _figures(design: Mapping[str, Any]) -> Mapping[str, float | None]:
    found = {}
    for name in FIGURES:
        value = resolve(design, where_of(design, name))
        found[name] = value["value"] if isinstance(value, Mapping) else value
    return found


def _worth(design: Mapping[str, Any], criterion: str) -> float:
    """What is compared, smaller is better."""
    value = _figures(design)[criterion]
    if value is None:
        return float("inf")
    return -float(value) if criterion == CRITERION[MOST] else float(value)


def _named(key: Key, design: Mapping[str, Any]) -> dict[str, Any]:
    return {"make": key[0], "chip": design["chip"], "chip_name": design["chip_name"], "vendor": design["vendor"],
            "system": key[1], "id": design["id"]}  # fmt: skip


def _verdict(design: Mapping[str, Any]) -> Mapping[str, Any]:
    law = design["law"]
    cites = dict.fromkeys(c["rule"] for line in law["lines"] for c in line["citations"])
    return {"standing": law["standing"], "licence": law["verdict"], "exception": law["exception"],
            "review_policy": law["review_policy"], "citations": list(cites)}  # fmt: skip


def _moved(key: Key, here: Side, elsewhere: Side) -> Mapping[str, Any]:
    """A system offered in one world only: its design there, and why not in the other."""
    design = here.of(key)
    return {**_named(key, design), "design": here.at(key), "figures": _figures(design), "law": _verdict(design),
            "law_elsewhere": _why_not(key, design["chip"], elsewhere.quote)}  # fmt: skip


def _why_not(key: Key, chip: str, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Barred there; apart (its verdict or its price is open); or no design of it meets the request."""
    nothing: dict[str, Any] = {
        "standing": "unmet",
        "licence": None,
        "exception": None,
        "review_policy": None,
        "citations": [],
    }
    for row in answer["barred"]:
        if row["chip"] == chip and row["make"] == key[0]:
            return {**nothing, "standing": "barred", **{k: row[k] for k in ("licence", "review_policy", "citations")}}
    for row in answer["apart"]:
        if row["chip"] == chip and row["make"] == key[0]:
            return {**nothing, **(_verdict(row) if "law" in row else {}), "standing": "apart"}
    return nothing


def _differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _figures(one) != _figures(other) or _verdict(one)["standing"] != _verdict(other)["standing"]


def _pair(key: Key, one: Side, other: Side) -> Mapping[str, Any]:
    before, after = _figures(one.of(key)), _figures(other.of(key))
    return {
        **_named(key, other.of(key)),
        "design": {"a": one.at(key), "b": other.at(key)},
        "figures": {n: {"a": before[n], "b": after[n]} for n in FIGURES},
        "law": {"a": _verdict(one.of(key)), "b": _verdict(other.of(key))},
    }


def _winner(make: str, sides: tuple[Side, Side]) -> Mapping[str, Any] | None:
    """The best of either world on the criterion, and by what share it leads the best of another chip."""
    criterion = next((CRITERION[s.prefer[make]] for s in sides if make in s.prefer), CRITERION["cost"])
    found = [_leader(side, make, criterion) for side in sides]
    return None if found == [None, None] else {"criterion": criterion, "a": found[0], "b": found[1]}


def _leader(side: Side, make: str, criterion: str) -> Mapping[str, Any] | None:
    """The quote's best, and the best of another chip that stands no worse in law."""
    chosen = side.quote["best"][make]
    if chosen is None:
        return None
    place = next(i for i, d in enumerate(side.designs) if d["id"] == chosen)
    best = side.designs[place]
    rivals = [
        i for i, d in enumerate(side.designs)
        if d["make"] == make and d["chip"] != best["chip"] and d["law"]["standing"] == best["law"]["standing"]
        and d.get("simulated", {}).get("holds", True) and _worth(d, criterion) < float("inf")
    ]  # fmt: skip
    rival = min(rivals, key=lambda i: (_worth(side.designs[i], criterion), side.designs[i]["id"]), default=None)
    value = _figures(best)[criterion]
    margin = None
    if rival is not None and value:
        margin = abs(_worth(side.designs[rival], criterion) / _worth(best, criterion) - 1.0)
    return {
        "id": best["id"],
        "chip": best["chip"],
        "chip_name": best["chip_name"],
        "value": value,
        "margin": margin,
        "at": f"/{side.name}/designs/{place}{where_of(best, criterion)}",
        "next_at": None if rival is None else f"/{side.name}/designs/{rival}{where_of(side.designs[rival], criterion)}",
    }
