"""What can be asked over HTTP, as plain functions of the engine. They run in a worker process.

A question is (kind, parameters); an answer is the mapping that the command line prints for the same question, so
that both have the same numbers. Parameters come from outside: everything is checked here or by the engine.
"""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files as package
from typing import Any

from tokenworks import catalog, deliver, files, workload
from tokenworks import fabric as wires
from tokenworks.app.explaining import BOOKS
from tokenworks.app.heavy import pdf_pages
from tokenworks.app.web import asks_law, asks_whatif
from tokenworks.app.web.parameters import Parameters
from tokenworks.app.web.reading import refuse_files
from tokenworks.catalog import Catalog
from tokenworks.errors import UnknownFact, nearest, not_allowed
from tokenworks.language import LANGUAGES, Translator
from tokenworks.quote import problems, quote, read_request, resolved
from tokenworks.quote.explain import explain as why
from tokenworks.quote.facts import plain
from tokenworks.quote.flow import Load, architectures, simulate_design
from tokenworks.records import World
from tokenworks.validate import flow
from tokenworks.validate.predict import predict as predict_runs

GIGABIT = 1e9 / 8.0  # bytes/s
LAST_DAY = dt.date(9999, 12, 31)
RECORDS_MAX, ARRIVALS_MAX, SIDE_MAX = 2000, 20_000, 12
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What a question's function gets: parameters, the catalog, the reader's language, where to say progress."""

    given: Parameters
    facts: Catalog
    say: Translator
    progress: Progress

    def world(self, on: dt.date = LAST_DAY) -> World:
        """The world at a date; by default with every chip that the catalog knows."""
        return catalog.world(self.facts, on)


def ask_quote(asked: Asked) -> Mapping[str, Any]:
    """The main question: a request -> a quote. Raises as `tokenworks.quote`."""
    body = dict(asked.given.all)
    refuse_files(body)
    request = read_request(body)
    made = quote(request, asked.world(request.when))
    return {**made.content, "seconds": made.seconds}


def ask_check(asked: Asked) -> Mapping[str, Any]:
    """Whether a request can be read and its names are known; which chips it would weigh, and which lack a fact."""
    body = dict(asked.given.all)
    refuse_files(body)
    request = read_request(body)
    world = asked.world(request.when)
    found = problems(resolved(request, world), world)
    return {
        "schema": "tokenworks/asked/1",
        "world": {"date": world.date.isoformat(), "law_known_to": world.law_known_to.isoformat(), "stale": world.stale},
        "jobs": [
            {
                "model": problem.architecture.name,
                "systems": sorted({offer.system.id for offer in problem.offers}),
                "chips": sorted({offer.chip.id for offer in problem.offers}),
                "missing": {key: list(names) for key, names in sorted(problem.apart.items())},
            }
            for problem in found
        ],
    }


def ask_predict(asked: Asked) -> Mapping[str, Any]:
    """Published-run records -> predictions, one each, in order."""
    records = asked.given.records("records", RECORDS_MAX)
    return predict_runs(records, asked.world())


def ask_explain(asked: Asked) -> Mapping[str, Any]:
    """Formula, inputs and sources of a figure of a kept answer."""
    content = asked.given.about
    answer = why(content, asked.given.text("figure"), BOOKS[content["schema"]])
    return {**answer, "meaning": asked.say(answer["meaning"]), "formula": asked.say(answer["formula"])}


def ask_simulate(asked: Asked) -> Mapping[str, Any]:
    """Let requests flow through a serving design of a stored quote, one by one."""
    given = asked.given
    text = given.maybe_text("trace", None, 2_000_000)
    load = Load(
        rate=given.maybe_number("rate", 1e-9, 1e9),
        input=given.maybe_whole("input", 1, 10_000_000),
        output=given.maybe_whole("output", 1, 10_000_000),
        requests=given.whole("requests", 2000, 1, ARRIVALS_MAX),
        seed=given.whole("seed", 0, 0, 2**31),
        lines=None if text is None else text.splitlines(),
        strict=given.flag("strict"),
    )
    world = asked.world(dt.date.fromisoformat(given.about["world"]["date"]))
    return simulate_design(given.about, given.maybe_text("design"), load, world)


def ask_files(asked: Asked) -> bytes:
    """One file of a stored quote, or all of them as a zip."""
    content = {k: v for k, v in asked.given.about.items() if k != "seconds"}
    world = asked.world(dt.date.fromisoformat(content["world"]["date"]))
    made = deliver.contents(content, asked.say, architectures(content, world), pdf_pages())
    name = asked.given.text("name")
    if name in made:
        found = made[name]
        return found if isinstance(found, bytes) else found.encode("utf-8")
    if name != "all.zip":
        raise not_allowed("name", name, (*made, "all.zip"), UnknownFact)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as folder:
        for path, body in made.items():
            folder.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), body, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def ask_fabric(asked: Asked) -> Mapping[str, Any]:
    """Count a network: switches, cables, optics, cost, power, bisection."""
    given = asked.given
    dims = given.maybe_text("dims")
    spec = wires.FabricSpec(
        topology=given.text("topology"),
        chips=given.whole("chips", None, 1, 10_000_000),
        chips_per_node=given.whole("chips_per_node", 8, 1, 100_000),
        nics_per_node=given.whole("nics_per_node", 8, 1, 100_000),
        radix=given.whole("radix", 64, 2, 100_000),
        port_bandwidth=given.number("port_gbps", 400.0, 1e-3, 1e6) * GIGABIT,
        oversubscription=given.number("oversubscription", 1.0, 1e-3, 1e6),
        planes=given.maybe_whole("planes", 1, 100_000),
        dims=None if dims is None else asks_law.dims(dims),
        groups=given.maybe_whole("groups", 1, 1_000_000),
    )
    built, world = wires.build(spec), asked.world()
    parts = wires.pick(world.switches, world.optics, world.prices, spec.port_bandwidth, None, spec.radix)
    return wires.answer(built, wires.price(built, parts, world.prices))


def ask_model(asked: Asked) -> Mapping[str, Any]:
    """Parameters, FLOPs per token, cache and weight bytes of a catalog id, or of an inline config.json."""
    given, world = asked.given, asked.world()
    sequence = given.whole("sequence", 4096, 1, 100_000_000)
    if "config" in given.all:
        config = given.mapping("config")
        arch = workload.read(config, given.maybe_text("name") or "model", given.all.get("quantisation"))
    else:
        key = catalog.resolve(world, "models", given.text("model"), "model")
        arch = workload.read(world.models[key].config, key)
    summary = workload.model_summary(arch, sequence)
    return {"schema": "tokenworks/model/1", "model": arch.name, "sequence": sequence, **summary}


def ask_list(asked: Asked) -> Mapping[str, Any]:
    """Ids and names of chips, systems, switches, nics, optics, models or sites."""
    kind = asked.given.text("kind")
    if kind not in catalog.KINDS:
        raise not_allowed("kind", kind, catalog.KINDS, UnknownFact)
    rows = [{"id": e.id, "name": e.name, "vendor": e.vendor} for e in asked.facts.entries(kind).values()]
    return {"schema": "tokenworks/catalog/1", "kind": kind, "entries": rows}


def ask_entry(asked: Asked) -> Mapping[str, Any]:
    """Every fact of a catalog entry, with its source."""
    name, world = asked.given.text("name"), asked.world()
    for kind in catalog.KINDS:
        if world.aliases[kind].get(catalog.fold(name), ()):
            entry = asked.facts.entries(kind)[catalog.resolve(world, kind, name, "name")]
            body = {k: plain(f) for k, f in entry.facts.items()}
            return {"schema": "tokenworks/entry/1", "kind": kind, "id": entry.id, "name": entry.name, "facts": body}
    everything = [i for kind in catalog.KINDS for i in asked.facts.entries(kind)]
    raise UnknownFact(
        "'{value}' is not in the catalog; did you mean '{nearest}'?",
        field="name", value=name, nearest=nearest(name, everything) or everything[0],
    )  # fmt: skip


def ask_catalog_check(asked: Asked) -> Mapping[str, Any]:
    """Problems of the catalog: schema, units, ranges, cross-references, sources, aliases."""
    return {"schema": "tokenworks/check/1", "problems": [str(p) for p in catalog.check(asked.facts)]}


def ask_schema(asked: Asked) -> Mapping[str, Any]:
    """JSON Schema of a request or an answer; without a name, the list of them."""
    folder = package("tokenworks") / "app" / "schemas"
    names = sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name.endswith(".json"))
    kind = asked.given.maybe_text("kind")
    if kind is None:
        return {"schema": "tokenworks/schemas/1", "kinds": names}
    if kind not in names:
        raise not_allowed("kind", kind, names, UnknownFact)
    found: Mapping[str, Any] = files.parse((folder / f"{kind}.json").read_text(encoding="utf-8"), kind)
    return found


def ask_validation(asked: Asked) -> Mapping[str, Any]:
    """The validation report that came with the fitted constants."""
    return catalog.validation()


def ask_validation_anew(asked: Asked) -> Mapping[str, Any]:
    """Predicted against measured, cross-validated on the published runs that ship with the program."""
    records = {kind: catalog.published(kind) for kind in catalog.RUNS}
    world = asked.world()
    return flow.report(flow.PLANS, records, flow.assess(flow.PLANS, records, world, asked.progress), world)


def ask_messages(asked: Asked) -> Mapping[str, Any]:
    """Sentences of answers in a language, by their English template: what the page says warnings with."""
    language = asked.given.text("language")
    if language not in LANGUAGES:
        raise not_allowed("language", language, LANGUAGES, UnknownFact)
    return {"schema": "tokenworks/messages/1", "language": language, "messages": Translator(language).sentences()}


QUESTIONS: Mapping[str, Callable[[Asked], Mapping[str, Any] | bytes]] = {
    "quote": ask_quote,
    "check": ask_check,
    "predict": ask_predict,
    "explain": ask_explain,
    "simulate": ask_simulate,
    "file": ask_files,
    "fabric": ask_fabric,
    "model": ask_model,
    "catalog": ask_list,
    "entry": ask_entry,
    "catalog-check": ask_catalog_check,
    "schema": ask_schema,
    "validation": ask_validation,
    "validation-anew": ask_validation_anew,
    "messages": ask_messages,
    "whatif": asks_whatif.ask_whatif,
    "market": asks_whatif.ask_market,
    "scenarios": asks_whatif.ask_scenarios,
    "demands": asks_whatif.ask_demands,
    "why-not": asks_whatif.ask_why_not,
    "without-rules": asks_whatif.ask_without_rules,
    "law-check": asks_law.ask_verdict,
    "law-cases": asks_law.ask_cases,
    "law-timeline": asks_law.ask_timeline,
    "law-grid": asks_law.ask_grid,
    "law-diff": asks_law.ask_diff,
}


def answer(kind: str, parameters: Mapping[str, Any], facts: Catalog, language: str, progress: Progress) -> bytes:
    """The answer to a question as JSON (or as a file's bytes). Raises TokenworksError."""
    asked = Asked(Parameters(parameters), facts, Translator(language), progress)
    found = QUESTIONS[kind](asked)
    return found if isinstance(found, bytes) else files.dump_json(found).encode("utf-8")
