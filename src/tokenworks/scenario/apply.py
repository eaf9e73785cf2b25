"""World and Scenario -> World: facts, prices, constants, market parameters and rules changed, nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from tokenworks.errors import BadRequest, UnknownFact, nearest
from tokenworks.records import Entry, Fact, World
from tokenworks.scenario import energy
from tokenworks.scenario.read import ACTUAL, Change, Scenario, read, same_days

ENTRIES = ("chips", "systems", "switches", "nics", "optics", "sites")
NEVER = {
    "from": "0001-01-01",
    "to": "0001-01-01",
}  # a rule taken away keeps its limits and holds on no day that is asked of
PRICED = ("chips", "systems", "switches", "nics", "optics")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a scenario changes: what, before, after (None: not there), from when to when, on whose word."""

    target: str
    before: Any
    after: Any
    source: str
    assumed: bool
    since: str | None = None
    until: str | None = None


def named(world: World, name: str, field: str = "scenario") -> Scenario:
    """A scenario of the catalog by its name; `actual` changes nothing. Raises UnknownFact, naming the field that the
    name was read from."""
    if name == ACTUAL:
        return Scenario(ACTUAL, {}, ())
    known = world.overlays
    if name not in known:
        close = nearest(name, [*known, ACTUAL])
        listed = ", ".join(sorted(known))
        if close is None:
            raise UnknownFact("the scenario '{value}' is not in the catalog; known: {known}", field=field,
                              value=name, known=listed)  # fmt: skip
        raise UnknownFact("the scenario '{value}' is not in the catalog; did you mean '{nearest}'?", field=field,
                          value=name, nearest=close)  # fmt: skip
    return read(known[name], name)


def applied(world: World, names: Iterable[str]) -> World:
    """The world with scenarios of the catalog laid over it in order; those it already carries are left out."""
    for name in names:
        if name not in world.scenarios:
            world = apply(world, named(world, name))
    return world


def apply(world: World, scenario: Scenario) -> World:
    """The world as the scenario has it. Raises BadRequest where a change names nothing that exists."""
    return _walk(world, scenario)[0]


def differences(world: World, scenario: Scenario) -> tuple[Difference, ...]:
    """What the scenario changes in this world, in its order."""
    return _walk(world, scenario)[1]


def _walk(world: World, scenario: Scenario) -> tuple[World, tuple[Difference, ...]]:
    found: list[Difference] = []
    seen: dict[str, Change] = {}
    for change in scenario.changes:
        if change.kind != "rule" and not change.holds(world.date):
            continue
        world, more = CHANGES[change.kind](world, change)
        if not more:
            raise BadRequest("names nothing that the catalog holds on {date}: '{value}'", field=change.where,
                             value=change.target, date=world.date)  # fmt: skip
        _no_overlap(seen, change, more)
        found += more
    if not scenario.changes:
        return world, ()
    print_of = json.dumps([world.catalog, scenario.document], sort_keys=True, default=str)
    digest = hashlib.sha256(print_of.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return replace(world, catalog=digest, scenarios=(*world.scenarios, scenario.name)), tuple(found)


def _no_overlap(seen: dict[str, Change], change: Change, found: Iterable[Difference]) -> None:
    """Two changes of a scenario that come down to the same thing, by wildcards or `only`, may not meet in time."""
    if change.action == "add":
        return
    for each in found:
        before = seen.get(each.target)
        if before is not None and before is not change and same_days(before, change):
            raise BadRequest("changes the same as {other} on the same days", field=change.where, other=before.where)
        seen[each.target] = change


def _as(old: Any, change: Change) -> None:
    """What stands as a number can only be made a number. Raises BadRequest."""
    number = isinstance(old, int | float) and not isinstance(old, bool)
    read = isinstance(change.value, int | float) and not isinstance(change.value, bool)
    if number != read and (number or change.action == "scale"):
        raise BadRequest("expected a number, read '{value}'", field=change.where,
                         value=change.value if number else old)  # fmt: skip


def _new(fact: Fact | None, change: Change) -> Fact:
    """The fact that a change makes: scaled with its range, or set. Raises BadRequest where it cannot be."""
    if fact is not None:
        _as(fact.value, change)
    if change.action == "scale":
        assert fact is not None  # callers scale only what is there
        low, high = (None if x is None else x * change.value for x in (fact.low, fact.high))
        return replace(fact, value=fact.value * change.value, low=low, high=high, source=change.source,
                       assumed=change.assumed, note=f"x {change.value:g} of: {fact.source}")  # fmt: skip
    unit = fact.unit if fact is not None else ""
    return Fact(change.value, unit, change.source, assumed=change.assumed)


def _difference(target: str, before: Any, after: Any, change: Change) -> Difference:
    days = (None if d is None else d.isoformat() for d in (change.since, change.until))
    return Difference(target, before, after, change.source, change.assumed, *days)


def _chosen(entry: Entry, only: Mapping[str, str]) -> bool:
    return all(str(getattr(entry, name, "")).casefold() == want.casefold() for name, want in only.items())


def _facts(world: World, change: Change) -> tuple[World, list[Difference]]:
    kind, _, rest = change.target.partition("/")
    which, _, name = rest.partition("/")
    if kind not in ENTRIES or not which or not name:
        raise BadRequest("expected a path such as {example}", field=change.where, example="sites/JP/carbon_intensity")
    entries: dict[str, Entry] = dict(getattr(world, kind))
    known = {fact for entry in entries.values() for fact in entry.facts}
    if not any(fnmatchcase(fact, name) for fact in known):
        close = nearest(name, sorted(known)) or ", ".join(sorted(known)[:12])
        raise BadRequest("no entry of {kind} has a fact '{value}'; nearest: {nearest}", field=change.where, kind=kind,
                         value=name, nearest=close)  # fmt: skip
    found = []
    for key, entry in entries.items():
        old = entry.facts.get(name)
        if not fnmatchcase(key, which) or not _chosen(entry, change.only) or (old is None and change.action == "scale"):
            continue
        fact = _new(old, change)
        entries[key] = replace(entry, facts={**entry.facts, name: fact})
        found.append(_difference(f"{kind}/{key}/{name}", None if old is None else old.value, fact.value, change))
    changed: Mapping[str, Any] = {kind: entries}
    return replace(world, **changed), found


def _prices(world: World, change: Change) -> tuple[World, list[Difference]]:
    prices, found = dict(world.prices), []
    owners = {key: (kind, entry) for kind in PRICED for key, entry in getattr(world, kind).items()}
    for key, old in world.prices.items():
        kind, owner = owners.get(key.rpartition("/")[0], ("", None))
        fits = fnmatchcase(key, change.target) or fnmatchcase(f"{kind}/{key}", change.target)
        if not fits or (change.only and (owner is None or not _of(owner, change, world))):
            continue
        prices[key] = _new(old, change)
        found.append(_difference(f"prices/{key}", old.value, prices[key].value, change))
    return replace(world, prices=prices), found


def _of(owner: Entry, change: Change, world: World) -> bool:
    """A system belongs to its own vendor or to its chip's."""
    chip = world.chips.get(getattr(owner, "chip", ""))
    return _chosen(owner, change.only) or (chip is not None and _chosen(chip, change.only))


def _constants(world: World, change: Change) -> tuple[World, list[Difference]]:
    constants, found = dict(world.constants), []
    for key, old in world.constants.items():
        if fnmatchcase(key, change.target):
            constants[key] = _new(old, change)
            found.append(_difference(f"constants/{key}", old.value, constants[key].value, change))
    return replace(world, constants=constants), found


def _market(world: World, change: Change) -> tuple[World, list[Difference]]:
    section, _, pattern = change.target.partition("/")
    rows: dict[str, Any] = dict(world.market.get(section, {}))
    found = []
    for key, old in rows.items():
        if not fnmatchcase(key, pattern):
            continue
        _as(old["value"], change)
        value = old["value"] * change.value if change.action == "scale" else change.value
        factor = change.value if change.action == "scale" else 1.0
        ends = {end: old[end] * factor for end in ("low", "high") if end in old and change.action == "scale"}
        kept = {k: v for k, v in old.items() if k not in ("low", "high")}
        rows[key] = {**kept, **ends, "value": value, "source": change.source, "assumed": change.assumed}
        found.append(_difference(f"market/{section}/{key}", old["value"], value, change))
    return replace(world, market={**world.market, section: rows}), found


# -------------------------------------------------------------------------------------------- energy


def _energy(world: World, change: Change) -> tuple[World, list[Difference]]:
    """The site as it is in the quarter of the world's date."""
    site = world.sites.get(change.target)
    if site is None or change.since is None:
        return world, []
    lose, before = change.value, _site_before(site, change)
    now = energy.supply(lose, before, energy.quarter_of(change.since, world.date))
    fuel, by = f"mix_{lose['fuel']}", f"mix_{lose['by']}"
    values = {
        fuel: before["share"] * now.remaining / (1.0 - now.short),
        by: (before["by"] + now.lost * now.made_up) / (1.0 - now.short),
        "carbon_intensity": now.carbon,
        "electricity_price": now.price,
        "power_delivered": now.delivered,
    }
    note = f"quarter {now.number} after supply of {lose['fuel']} ended (scenario/energy.py)"
    facts, found = dict(site.facts), []
    for name, value in values.items():
        old = facts.get(name)
        facts[name] = Fact(value, old.unit if old is not None else "share", change.source, assumed=True, note=note)
        if old is None or old.value != value:
            found.append(_difference(f"sites/{site.id}/{name}", None if old is None else old.value, value, change))
    return replace(world, sites={**world.sites, site.id: replace(site, facts=facts)}), found


def _site_before(site: Entry, change: Change) -> Mapping[str, float]:
    """What the formulas start from. Raises BadRequest for a fact that the catalog lacks."""
    fuels = {"share": f"mix_{change.value['fuel']}", "by": f"mix_{change.value['by']}"}
    wanted = {**fuels, **{name: name for name in energy.NEEDED}}
    missing = [name for name in wanted.values() if site.get(name) is None]
    if missing:
        raise BadRequest("the catalog lacks {names} of {value}", field=change.where, names=", ".join(missing),
                         value=site.id)  # fmt: skip
    return {key: float(site.get(name)) for key, name in wanted.items()}


def ramps(world: World, scenario: Scenario) -> tuple[Mapping[str, Any], ...]:
    """What a scenario makes of a country's power by quarters, until nothing changes any more, with the numbers behind
    it. world: as it is before the scenario."""
    found = []
    for change in scenario.changes:
        site = world.sites.get(change.target)
        if change.kind != "energy" or site is None or change.since is None:
            continue
        lose, before = change.value, _site_before(site, change)
        rows = [energy.supply(lose, before, q) for q in range(energy.last_quarter(lose) + 1)]
        found.append({
            "where": site.id,
            "fuel": lose["fuel"],
            "by": lose["by"],
            "from": change.since.isoformat(),
            "source": change.source,
            "before": dict(before),
            "numbers": [{"name": name, **lose[name]} for name in energy.NUMBERS],
            "quarters": [asdict(row) for row in rows],
        })  # fmt: skip
    return tuple(found)


# -------------------------------------------------------------------------------------------- rules


def _rules(world: World, change: Change) -> tuple[World, list[Difference]]:
    file, *path = change.target.split("/")
    if file not in world.law:
        raise BadRequest("expected a path such as {example}", field=change.where, example="letters/letters/L4-grants")
    found: list[Difference] = []
    law = {**world.law, file: _rewritten(world.law[file], path, change, file, found)}
    return replace(world, law=law), found


def _rewritten(node: Any, path: list[str], change: Change, at: str, found: list[Difference]) -> Any:
    """The node with every rule under the path changed. Rules in a list are named by their `id`, else by number."""
    if not path:
        return _rule(node, change, at, found)
    pattern, rest = path[0], path[1:]
    if isinstance(node, Mapping):
        return {
            k: _rewritten(v, rest, change, f"{at}/{k}", found) if fnmatchcase(k, pattern) else v
            for k, v in node.items()
        }
    if isinstance(node, list):
        names = [str(row.get("id", i)) if isinstance(row, Mapping) else str(row) for i, row in enumerate(node)]
        if change.action == "remove" and not rest:
            gone = [n for n in names if fnmatchcase(n, pattern)]
            found += [_difference(f"law/{at}/{n}", "in force", None, change) for n in gone]
            kept = [({**row, **NEVER} if n in gone else row) for row, n in zip(node, names, strict=True)
                    if isinstance(row, Mapping) or n not in gone]  # fmt: skip
            return kept
        return [
            _rewritten(row, rest, change, f"{at}/{n}", found) if fnmatchcase(n, pattern) else row
            for row, n in zip(node, names, strict=True)
        ]
    return node


def _rule(node: Any, change: Change, at: str, found: list[Difference]) -> Any:
    dated = {name: day.isoformat() for name, day in (("from", change.since), ("to", change.until)) if day is not None}
    cited = {"cite": change.source, "verified": not change.assumed}
    if change.action == "set" and isinstance(node, Mapping):
        for name, value in change.value.items():
            found.append(_difference(f"law/{at}/{name}", node.get(name), value, change))
        return {
            **node,
            **change.value,
            **dated,
            **({"cite": f"{node['cite']}; {change.source}"} if "cite" in node else {}),
        }
    if change.action == "add" and isinstance(node, list):
        row = {"from": None, "to": None, **change.value, **dated, **cited}
        found.append(_difference(f"law/{at}", None, row.get("text") or row.get("id") or "a rule", change))
        return [*node, row]
    raise BadRequest("'{action}' does not fit what stands at '{value}'", field=change.where, action=change.action,
                     value=change.target)  # fmt: skip


CHANGES: Mapping[str, Callable[[World, Change], tuple[World, list[Difference]]]] = {
    "fact": _facts,
    "price": _prices,
    "constant": _constants,
    "market": _market,
    "rule": _rules,
    "energy": _energy,
}
