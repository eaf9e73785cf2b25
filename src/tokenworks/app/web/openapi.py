"""The routes that ask the engine, as a table, and the OpenAPI 3.1 document made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files as package
from typing import Any

from tokenworks import files
from tokenworks.app.web.problems import KINDS
from tokenworks.version import VERSION

Schema = Mapping[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 300}
DATE: Schema = {"type": "string", "format": "date", "examples": ["2025-05-02"]}
PLACE: Schema = {"type": "string", "pattern": "^[A-Za-z]{2}$", "examples": ["AE"]}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 1_000_000}
LANGUAGE: Mapping[str, Any] = {
    "name": "lang", "in": "query", "schema": {"enum": ["en", "zh-Hant"]},
    "description": "Language of sentences; without it that of Accept-Language.",
}  # fmt: skip


@dataclass(frozen=True)
class Route:
    """A question over HTTP. kind: asks.QUESTIONS; query: parameter -> (schema, required); body: its JSON Schema."""

    method: str
    path: str
    kind: str
    says: str
    query: Mapping[str, tuple[Schema, bool]] | None = None
    body: Schema | None = None
    answer: str | None = None  # name of the answer's JSON Schema in app/schemas
    about: tuple[str, ...] = ()  # kinds of kept answers, one of which the question names by its id
    list_as: str | None = None  # a body that is a list is taken as this field


def _object(required: tuple[str, ...], **fields: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": fields, "additionalProperties": False}


NAMES: Schema = {"type": "array", "items": TEXT, "maxItems": 200}
SHIPMENT: Mapping[str, Schema] = {
    "chip": TEXT, "to": PLACE, "on": DATE, "from": PLACE, "exporter": TEXT, "buyer_hq": PLACE,
    "buyer_kind": {"enum": ["commercial", "government", "military", "entity_list", "affiliate_of_listed"]},
    "buyer": TEXT, "use": TEXT, "quantity": COUNT, "scenario": TEXT,
}  # fmt: skip
WIRES: Mapping[str, Schema] = {
    "topology": {"enum": ["rail-fat-tree", "fat-tree", "multi-plane", "dragonfly", "torus", "scale-up"]},
    "chips": COUNT, "chips_per_node": COUNT, "nics_per_node": COUNT, "radix": COUNT,
    "port_gbps": {"type": "number", "exclusiveMinimum": 0, "maximum": 100_000},
    "oversubscription": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
    "planes": COUNT, "dims": {"type": "string", "pattern": "^[0-9]{1,3}(x[0-9]{1,3}){0,4}$"}, "groups": COUNT,
}  # fmt: skip
ARRIVALS: Mapping[str, Schema] = {
    "quote": TEXT, "design": TEXT,
    "rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},
    "input": COUNT, "output": COUNT, "requests": {"type": "integer", "minimum": 1, "maximum": 20_000},
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**31}, "strict": {"type": "boolean"},
    "trace": {"type": "string", "maxLength": 2_000_000, "description": "The lines of a trace (not a file's name)."},
}  # fmt: skip
REQUEST: Schema = {"$ref": "#/components/schemas/request"}
WORLDS: Schema = {"type": "array", "maxItems": 10, "items": {"oneOf": [TEXT, {"type": "object"}]}}


def _asked(fields: Mapping[str, Schema], *required: str) -> Mapping[str, tuple[Schema, bool]]:
    return {name: (schema, name in required) for name, schema in fields.items()}


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/quote", "quote", "Answer a request with lawful, simulated, priced designs.", body=REQUEST,
          answer="quote"),
    Route("POST", "/v1/check", "check", "Can a request be read, and which facts are missing?", body=REQUEST),
    Route("POST", "/v1/predict", "predict", "Predict published runs.", answer="predictions", list_as="records",
          body={"oneOf": [{"type": "array", "items": {"type": "object"}, "maxItems": 2000},
                          _object(("records",), records={"type": "array", "items": {"type": "object"}})]}),
    Route("POST", "/v1/explain", "explain", "Formula, inputs and sources of a figure of a kept answer.",
          body=_object(("figure",), figure=TEXT, quote=TEXT, whatif=TEXT, market=TEXT), answer="explanation",
          about=("quote", "whatif", "market")),
    Route("POST", "/v1/simulate", "simulate", "Let requests flow through a serving design of a kept quote.",
          body=_object(("quote",), **ARRIVALS), answer="simulation", about=("quote",)),
    Route("GET", "/v1/law/check", "law-check", "What the law says of one shipment. Not legal advice.",
          query=_asked(SHIPMENT, "chip", "to", "on"), answer="verdict"),
    Route("POST", "/v1/law/check", "law-check", "What the law says of one shipment. Not legal advice.",
          body=_object(("chip", "to", "on"), **SHIPMENT), answer="verdict"),
    Route("POST", "/v1/law/cases", "law-cases", "Answer a list of cases.", answer="verdicts", list_as="cases",
          body=_object(("cases",), cases={"type": "array", "items": {"type": "object"}, "maxItems": 1000},
                       chips={"type": "object"})),
    Route("GET", "/v1/law/timeline", "law-timeline", "Every day on which a verdict changes.",
          query=_asked({"chip": TEXT, "to": PLACE, "buyer_hq": PLACE, "buyer_kind": TEXT}, "chip", "to")),
    Route("GET", "/v1/law/grid", "law-grid", "Chips against countries on a day.",
          query=_asked({"on": DATE, "chips": TEXT, "to": TEXT}, "on")),
    Route("GET", "/v1/law/diff", "law-diff", "What changed between two days.",
          query=_asked({"a": DATE, "b": DATE, "chips": TEXT, "to": TEXT}, "a", "b")),
    Route("GET", "/v1/fabric", "fabric", "Count a network.", query=_asked(WIRES, "topology", "chips"), answer="fabric"),
    Route("POST", "/v1/fabric", "fabric", "Count a network.", body=_object(("topology", "chips"), **WIRES),
          answer="fabric"),
    Route("GET", "/v1/models/{model}", "model", "What a model of the catalog is made of.",
          query=_asked({"sequence": COUNT}), answer="model"),
    Route("POST", "/v1/models/import", "model", "What a Hugging Face config.json makes.", answer="model",
          body=_object(("config",), config={"type": "object"}, name=TEXT, sequence=COUNT,
                       quantisation={"type": "object"})),
    Route("GET", "/v1/catalog/check", "catalog-check", "Problems of the catalog."),
    Route("GET", "/v1/catalog/{kind}", "catalog", "Ids and names of chips, systems, models, sites and parts."),
    Route("GET", "/v1/catalog/entry/{name}", "entry", "Every fact of an entry, with its source."),
    Route("GET", "/v1/schemas", "schema", "Names of the JSON Schemas."),
    Route("GET", "/v1/schemas/{kind}", "schema", "JSON Schema of a request or an answer."),
    Route("POST", "/v1/whatif", "whatif", "One request in two worlds, side by side.", answer="whatif",
          body=_object(("request", "scenarios"), request=REQUEST, scenarios=WORLDS, against=WORLDS)),
    Route("POST", "/v1/market", "market", "Many buyers in two worlds: who sells, who buys, who loses.", answer="market",
          body=_object(("demand",), demand={"oneOf": [TEXT, {"type": "object"}]}, scenarios=WORLDS, against=WORLDS,
                       draws={"type": "integer", "minimum": 1, "maximum": 10_000})),
    Route("GET", "/v1/scenarios", "scenarios", "The scenarios of the catalog."),
    Route("GET", "/v1/demands", "demands", "The demand documents that come with the program, for /v1/market."),
    Route("POST", "/v1/why-not", "why-not", "Why a design is not the answer: its id, or 'chip=h100 tp=8'.",
          body=_object(("request", "design"), request=REQUEST, design=TEXT)),
    Route("POST", "/v1/without-rules", "without-rules", "What the export rules change, and which rules.",
          body=_object(("request",), request=REQUEST)),
    Route("GET", "/v1/validation", "validation", "Predicted against measured, cross-validated, as it was shipped."),
    Route("POST", "/v1/validation", "validation-anew", "The same, worked out anew; takes minutes.", body=_object(())),
    Route("GET", "/v1/messages/{language}", "messages", "Sentences of answers by their English template."),
)  # fmt: skip


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document. The JSON Schemas of the program are its components."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    for path, method, says, answer in PLAIN:
        paths.setdefault(path, {})[method] = _plain(path, method, says, answer)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tokenworks", "version": VERSION,
                 "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                 "description": "Lawful, simulated, priced AI factories. Not legal advice."},
        "paths": paths,
        "components": {"schemas": {**_schemas(), "problem": PROBLEM}, "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "description": "Where the server was started with one."}}},
    }  # fmt: skip


PLAIN = (
    ("/v1/quotes/{id}", "get", "A kept quote: the same id gives the same numbers for ever.", "quote"),
    ("/v1/whatifs/{id}", "get", "A kept whatif.", "whatif"),
    ("/v1/markets/{id}", "get", "A kept market.", "market"),
    ("/v1/quotes/{id}/files/{name}", "get", "A file of a kept quote; all.zip holds them all.", None),
    ("/v1/jobs/{id}", "get", "How far a job is.", None),
    ("/v1/jobs/{id}", "delete", "Cancel a job.", None),
    ("/v1/jobs/{id}/result", "get", "The answer of a job; 202 while it is on its way.", None),
    ("/v1/jobs/{id}/events", "get", "Progress as server-sent events.", None),
    ("/v1/health", "get", "Whether the server is up and a worker ready.", None),
    ("/v1/metrics", "get", "Counters for Prometheus.", None),
    ("/v1/openapi.json", "get", "This document.", None),
)
PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"enum": [f"urn:tokenworks:problem:{kind}" for kind in KINDS]},
        "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"},
        "field": {"type": "string"},
    },
}  # fmt: skip
REFUSED: Schema = {"description": "A problem.", "content": {
    "application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}}}  # fmt: skip
TAKEN: Schema = {"description": "Taken: a job, where its Location says.", "content": {"application/json": {}}}


def _operation(route: Route) -> dict[str, Any]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    found: dict[str, Any] = {
        "operationId": f"{route.method.lower()}-{route.path[4:].replace('/', '-').replace('{', '').replace('}', '')}",
        "summary": route.says,
        "parameters": [_path(n) for n in names]
        + [{"name": n, "in": "query", "required": r, "schema": s} for n, (s, r) in (route.query or {}).items()]
        + [LANGUAGE],
        "responses": {"200": _ok(route.answer), "202": TAKEN, **_refusals()},
    }
    if route.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body}}}
    return found


def _plain(path: str, method: str, says: str, answer: str | None) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    kind = {"/v1/metrics": "text/plain", "/v1/jobs/{id}/events": "text/event-stream"}.get(path)
    ok = {"description": "The answer.", "content": {kind: {}}} if kind else _ok(answer)
    if path.endswith("{name}"):
        ok = {"description": "The file.", "content": {"*/*": {}}}
    return {
        "operationId": f"{method}-{path[4:].replace('/', '-').replace('{', '').replace('}', '')}",
        "summary": says,
        "parameters": [_path(n) for n in names],
        "responses": {"200": ok, "202": TAKEN, **_refusals()},
    }


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _ok(answer: str | None) -> dict[str, Any]:
    schema = {} if answer is None else {"schema": {"$ref": f"#/components/schemas/{answer}"}}
    return {"description": "The answer.", "content": {"application/json": schema}}


def _refusals() -> dict[str, Any]:
    return {str(status): REFUSED for status in sorted({status for status, _ in KINDS.values()})}


def _schemas() -> dict[str, Any]:
    folder = package("tokenworks") / "app" / "schemas"
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        if path.name.endswith(".json"):
            name = path.name.removesuffix(".json")
            found[name] = _moved(files.parse(path.read_text(encoding="utf-8"), path.name), name)
    return found


def _moved(value: Any, name: str) -> Any:
    """A schema whose inner references point into the document; its own identity is left out."""
    if isinstance(value, list):
        return [_moved(v, name) for v in value]
    if not isinstance(value, Mapping):
        return value
    found = {k: _moved(v, name) for k, v in value.items() if k not in ("$schema", "$id")}
    reference = found.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        found["$ref"] = f"#/components/schemas/{name}{reference[1:]}"
    return found
