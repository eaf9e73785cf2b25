"""Questions of doubt over HTTP: another world, another design, no rules; as the commands say them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tokenworks import catalog, scenario
from tokenworks.app.web.reading import refuse_files
from tokenworks.errors import BadRequest
from tokenworks.market import by_day
from tokenworks.market import compare as compare_markets
from tokenworks.market import read as read_demand
from tokenworks.quote import compare, read_request
from tokenworks.quote.whynot import why_not, without_rules
from tokenworks.records import Request, World
from tokenworks.scenario import ACTUAL, Scenario

if TYPE_CHECKING:
    from tokenworks.app.web.asks import Asked

SCENARIOS_MAX, BUYERS_MAX, DRAWS_MAX = 10, 50, 10_000


def _request(asked: Asked) -> tuple[Request, World]:
    body = dict(asked.given.mapping("request"))
    refuse_files(body)
    request = read_request(body)
    return request, asked.world(request.when)


def ask_whatif(asked: Asked) -> Mapping[str, Any]:
    """One request in two worlds. Scenarios: names of the catalog, or documents of the user's own."""
    asked.given.only("request", "scenarios", "against")
    request, world = _request(asked)
    chains = [_chain(asked.given.all.get(side, []), world, side) for side in ("against", "scenarios")]
    if not chains[1]:
        raise BadRequest("needs a request and at least one --scenario", field="scenarios")
    return compare(request, world, *chains)


def ask_market(asked: Asked) -> Mapping[str, Any]:
    """Many buyers in two worlds. Demand: the name of a shipped one, or a document of the user's own."""
    asked.given.only("demand", "scenarios", "against", "draws")
    draws = asked.given.whole("draws", DRAWS_MAX, 1, DRAWS_MAX)
    wanted = asked.given.all.get("demand")
    document, name = (
        (catalog.shipped_demand(wanted, "demand"), wanted) if isinstance(wanted, str) else (wanted, "demand")
    )
    if isinstance(document, Mapping) and isinstance(document.get("buyers"), list):
        for buyer in document["buyers"]:
            refuse_files(buyer.get("request") if isinstance(buyer, Mapping) else None)
    elif not isinstance(document, Mapping):
        raise BadRequest("expected the field '{name}' at the top", field="demand", name="buyers")
    demand = read_demand(document, name)
    if len(demand.buyers) > BUYERS_MAX:
        raise BadRequest("holds {n} elements; at most {most} are read",
                         field="demand.buyers", n=len(demand.buyers), most=BUYERS_MAX)  # fmt: skip
    known = asked.world()
    one, other = (_chain(asked.given.all.get(side, []), known, side) for side in ("against", "scenarios"))
    return compare_markets(demand, by_day(demand, asked.world), (one, other), asked.progress, draws)


def _chain(wanted: Any, world: World, field: str) -> list[Scenario]:
    if not isinstance(wanted, list) or len(wanted) > SCENARIOS_MAX:
        raise BadRequest("expected a list of at most {n}", field=field, n=SCENARIOS_MAX)
    found: list[Scenario] = []
    for i, each in enumerate(wanted):
        if each in wanted[:i]:
            raise BadRequest("the scenario '{value}' stands twice", field=f"{field}.{i}", value=each)
        if each == ACTUAL:
            continue
        if isinstance(each, str):
            found.append(scenario.named(world, each, f"{field}.{i}"))
        elif isinstance(each, Mapping):
            found.append(scenario.read(each, f"{field}.{i}"))
        else:
            raise BadRequest("expected a scenario's name or its document", field=f"{field}.{i}")
    return found


def ask_scenarios(asked: Asked) -> Mapping[str, Any]:
    """The scenarios of the catalog."""
    asked.given.only()
    found = [scenario.read(document, name) for name, document in sorted(asked.facts.overlays.items())]
    rows = [{"name": s.name, "says": dict(s.says), "changes": len(s.changes)} for s in found]
    return {"schema": "tokenworks/scenarios/1", "scenarios": rows}


def ask_demands(asked: Asked) -> Mapping[str, Any]:
    """The demand documents that come with the program."""
    asked.given.only()
    found = [(name, read_demand(catalog.shipped_demand(name, "demand"), name)) for name in catalog.shipped_demands()]
    rows = [
        {"name": name, "says": {"en": d.title, "zh-Hant": d.title_zh or d.title}, "source": d.source,
         "assumed": d.assumed, "buyers": len(d.buyers)}
        for name, d in found
    ]  # fmt: skip
    return {"schema": "tokenworks/demands/1", "demands": rows}


def ask_why_not(asked: Asked) -> Mapping[str, Any]:
    """Why a design that the reader names is not the answer."""
    asked.given.only("request", "design")
    request, world = _request(asked)
    return why_not(request, world, asked.given.text("design"))


def ask_without_rules(asked: Asked) -> Mapping[str, Any]:
    """What the export rules change, and which rules."""
    asked.given.only("request")
    request, world = _request(asked)
    return {"schema": "tokenworks/without-rules/1", "jobs": without_rules(request, world)}
