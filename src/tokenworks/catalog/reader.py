"""Package data and a user's overlay -> Catalog: everything known, at all dates. The only room that opens it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files as package
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from tokenworks import files, kept
from tokenworks.catalog.calibration import with_fitted
from tokenworks.errors import BadRequest, Defect, not_allowed
from tokenworks.records import Chip, Entry, Fact, Model, System

KINDS = ("chips", "systems", "switches", "nics", "optics", "models", "sites")
OVERLAY = (*KINDS, "prices", "constants")
WORDS = ("name", "vendor", "country", "family", "generation", "kind", "chip", "developer", "name_zh", "item")
LISTS = "parties"  # an overlay's own lists of parties, as `law lists import` writes them, in place of ours
BYTES_MAX = 5_000_000  # of one file of an overlay


@dataclass(frozen=True)
class Price:
    """One dated price. kind: purchase (USD each) | rent (USD per chip-second)."""

    item: str
    kind: str
    fact: Fact


@dataclass(frozen=True)
class Catalog:
    """All facts, rules and calibration, at all dates; `digest` names exactly this content."""

    chips: Mapping[str, Chip]
    systems: Mapping[str, System]
    switches: Mapping[str, Entry]
    nics: Mapping[str, Entry]
    optics: Mapping[str, Entry]
    models: Mapping[str, Model]
    sites: Mapping[str, Entry]
    prices: tuple[Price, ...]
    constants: Mapping[str, Fact]
    law: Mapping[str, Any]
    calibration: Mapping[str, Any]
    schema: Mapping[str, Any]
    topologies: tuple[Any, ...]
    digest: str
    overlays: Mapping[str, Any]
    market: Mapping[str, Any]

    def entries(self, kind: str) -> Mapping[str, Entry]:
        """The entries of one of KINDS by id."""
        found: Mapping[str, Entry] = getattr(self, kind)
        return found


def gather(overlay: Path | None = None) -> Catalog:
    """Read the shipped catalog, with the files of the folder `overlay` laid over it, its values as yet unchecked.

    An overlay file has the name and shape of ours (chips.yaml, prices.yaml, ...); its entries are merged by
    id, fact by fact. Raises BadRequest naming file, entry and field; Defect where our own data is bad.
    """
    text = kept.kept("catalog", (), _parsed)
    shipped = json.loads(text)
    raw, law = shipped["facts"], shipped["law"]
    digest = hashlib.sha256(text)
    if overlay is not None:
        _lay_over(raw, overlay)
        law = {**law, **raw.pop(LISTS, {})}
        digest.update(json.dumps([raw, law], sort_keys=True).encode())
    constants = raw["constants"]["constants"]
    return Catalog(
        chips={e["id"]: _chip(e) for e in raw["chips"]["chips"]},
        systems={e["id"]: _system(e) for e in raw["systems"]["systems"]},
        switches=_plain(raw, "switches"),
        nics=_plain(raw, "nics"),
        optics=_plain(raw, "optics"),
        models={e["id"]: _model(e) for e in raw["models"]["models"]},
        sites=_plain(raw, "sites"),
        prices=tuple(_price(p) for p in raw["prices"]["prices"]),
        constants={name: fact(f, name) for name, f in constants.items()},
        law=law,
        calibration=with_fitted(shipped["calibration"]),
        schema=raw["schema"],
        topologies=tuple(raw["topologies"]["topologies"]),
        digest=digest.hexdigest()[:16],
        overlays=shipped["scenarios"],
        market=shipped["market"],
    )


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Dates stay texts, as in a user's files (YAML 1.2). Values are made straight from the parser's events, and each
    plain word is understood once: a node for every word, as yaml builds them, takes four times as long."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, form) for tag, form in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def get_single_data(self) -> Any:
        """The value of the document. Raises YAMLError where it is none, or uses anchors, merges or tags of its own."""
        self.plain: dict[str, Any] = {}
        self._expect(self.get_event(), yaml.StreamStartEvent)
        self._expect(self.get_event(), yaml.DocumentStartEvent)
        found = self._value(self.get_event())
        self._expect(self.get_event(), yaml.DocumentEndEvent)
        self._expect(self.get_event(), yaml.StreamEndEvent)
        return found

    def _value(self, event: Any) -> Any:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            return self._word(event)
        if kind is yaml.SequenceStartEvent:
            row: list[Any] = []
            while type(event := self.get_event()) is not yaml.SequenceEndEvent:
                row.append(self._value(event))
            return row
        self._expect(event, yaml.MappingStartEvent)
        found: dict[Any, Any] = {}
        while type(event := self.get_event()) is not yaml.MappingEndEvent:
            name = self._value(event)
            found[name] = self._value(self.get_event())
        return found

    def _word(self, event: Any) -> Any:
        text, (plain, quoted) = event.value, event.implicit
        if not plain:
            return text if quoted else self.construct_object(yaml.ScalarNode(event.tag, text))
        if text not in self.plain:
            tag = self.resolve(yaml.ScalarNode, text, event.implicit)
            self.plain[text] = self.construct_object(yaml.ScalarNode(tag, text))
        return self.plain[text]

    def _expect(self, event: Any, kind: type) -> None:
        if type(event) is not kind or getattr(event, "tag", None) is not None:
            raise yaml.YAMLError(f"{event} where {kind.__name__} was expected")


def _parsed() -> bytes:
    """Everything shipped, as JSON: package data is ours, read fast here and checked strictly by `catalog check`."""
    root = package("tokenworks")
    data = root / "catalog" / "data"
    found = {
        "facts": {stem: _shipped(data / f"{stem}.yaml") for stem in (*OVERLAY, "schema", "topologies")},
        "law": _folder(root / "law" / "data"),
        "calibration": _folder(data / "calibration"),
        "scenarios": _folder(data / "scenarios"),
        "market": _folder(data / "market"),
    }
    return json.dumps(found, ensure_ascii=False).encode()


def _shipped(path: Traversable) -> Any:
    with path.open("r", encoding="utf-8") as file:
        return yaml.load(file, Loader=_Loader)  # a safe loader


def _folder(folder: Traversable) -> Mapping[str, Any]:
    if not folder.is_dir():
        return {}
    found = sorted((p for p in folder.iterdir() if p.name.endswith(".yaml")), key=lambda p: p.name)
    return {p.name.removesuffix(".yaml"): _shipped(p) for p in found}


# ----------------------------------------------------------------------------------------- entries


def fact(raw: Any, where: str, unit: str = "", sources: Mapping[str, str] | None = None) -> Fact:
    """Read one fact mapping. Raises Defect where value or source is missing."""
    if not isinstance(raw, Mapping) or raw.get("value") is None or not raw.get("source"):
        raise Defect("a fact needs a value and a source", field=where)
    source = str(raw["source"])
    return Fact(
        value=raw["value"],
        unit=str(raw.get("unit", unit)),
        source=(sources or {}).get(source, source),
        date=None if raw.get("date") is None else str(raw["date"]),
        verified=bool(raw.get("verified", False)),
        low=raw.get("low"),
        high=raw.get("high"),
        assumed=bool(raw.get("assumed", False)),
        note=str(raw.get("note", "")),
    )


def _facts(entry: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> Mapping[str, Fact]:
    return {k: fact(f, f"{entry['id']}.{k}", sources=sources) for k, f in (entry.get("facts") or {}).items()}


def _common(entry: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {
        "id": entry["id"],
        "name": entry["name"],
        "vendor": entry.get("vendor", ""),
        "country": entry.get("country", ""),
        "facts": _facts(entry, sources),
        "aliases": tuple(entry.get("aliases", ())),
    }


def _chip(entry: Mapping[str, Any]) -> Chip:
    return Chip(
        **_common(entry),
        family=entry.get("family", ""),
        generation=entry.get("generation", ""),
        kind=entry.get("kind", "datacentre"),
    )


def _system(entry: Mapping[str, Any]) -> System:
    return System(**_common(entry), chip=entry["chip"], assumed=bool(entry.get("assumed", False)))


def _model(entry: Mapping[str, Any]) -> Model:
    source = entry.get("config_source") or {}
    facts = {"config": Fact("config.json", source=source.get("source", ""), verified=bool(source.get("verified")))}
    if entry.get("released"):
        facts["released"] = fact(entry["released"], f"{entry['id']}.released")
    if entry.get("training_tokens"):
        facts["training_tokens"] = fact(entry["training_tokens"], f"{entry['id']}.training_tokens")
    published = entry.get("published") or {}
    for name in ("total", "active"):
        if published.get(name):
            facts[f"published_{name}"] = fact({**published, "value": published[name]}, f"{entry['id']}.published")
    return Model(
        id=entry["id"],
        name=entry["name"],
        vendor=entry.get("developer", ""),
        country=entry.get("country", ""),
        facts=facts,
        aliases=tuple(entry.get("aliases", ())),
        config=entry["config"],
    )


def _plain(raw: Mapping[str, Any], kind: str) -> Mapping[str, Entry]:
    sources = raw[kind].get("sources")
    found = {}
    for e in raw[kind][kind]:
        aliases = (*e.get("aliases", ()), e["name_zh"]) if "name_zh" in e else tuple(e.get("aliases", ()))
        found[e["id"]] = Entry(**{**_common(e, sources), "aliases": tuple(aliases)})
    return found


def _price(raw: Mapping[str, Any]) -> Price:
    return Price(raw["item"], raw["kind"], fact({**raw, "unit": "USD"}, f"prices.{raw['item']}"))


# ----------------------------------------------------------------------------------------- overlay


def _lists(body: Any, path: Path) -> Mapping[str, Any]:
    """Lists of parties by key; every line has six cells, tab separated."""
    known = ("parties", "military_users", "military_companies")
    if not isinstance(body, Mapping) or not body or not set(body) <= set(known):
        raise BadRequest("expected lists named {allowed}", field=str(path), allowed=", ".join(known))
    for key, one in body.items():
        if not isinstance(one, Mapping) or not isinstance(one.get("list"), str) or not one.get("cite"):
            raise BadRequest("expected the field '{name}' at the top", field=f"{path}: {key}", name="list")
        for n, line in enumerate(one["list"].splitlines(), 1):
            if line.count("\t") != 5 or not line.split("\t")[0].strip():
                raise BadRequest("expected six cells with tabs between them", field=f"{path}: {key} line {n}")
    return body


def _lay_over(raw: dict[str, Any], folder: Path) -> None:
    if not folder.is_dir():
        raise BadRequest("is not a folder", field=f"--catalog {folder}")
    found = sorted(p for p in folder.glob("*.yaml"))
    if not found:
        raise BadRequest("holds no .yaml file such as chips.yaml or prices.yaml", field=f"--catalog {folder}")
    for path in found:
        if path.stem not in (*OVERLAY, LISTS):
            raise BadRequest(
                "is not part of a catalog; allowed: {allowed}",
                field=str(path),
                allowed=", ".join(f"{s}.yaml" for s in (*OVERLAY, LISTS)),
            )
        theirs = files.load(path, bytes_max=BYTES_MAX)
        if not isinstance(theirs, Mapping) or path.stem not in theirs:
            raise BadRequest("expected the field '{name}' at the top", field=str(path), name=path.stem)
        body = theirs[path.stem]
        if path.stem == LISTS:
            raw[LISTS] = _lists(body, path)
        elif path.stem == "constants":
            for name in body if isinstance(body, Mapping) else ():
                if name not in raw["constants"]["constants"]:
                    raise not_allowed(str(path), name, raw["constants"]["constants"])
            raw["constants"] = {"constants": {**raw["constants"]["constants"], **_checked(body, path)}}
        elif path.stem == "prices":
            raw["prices"] = {"prices": [*raw["prices"]["prices"], *_rows(body, path, ("item", "kind"))]}
        else:
            raw[path.stem] = {**raw[path.stem], path.stem: _merged(raw[path.stem][path.stem], body, path)}


def _checked(body: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise BadRequest("expected constants by name", field=str(path))
    for name, value in body.items():
        if not isinstance(value, Mapping) or value.get("value") is None or not value.get("source"):
            raise BadRequest("a fact needs a value and a source", field=f"{path}: {name}")
    return body


def _rows(body: Any, path: Path, needed: Iterable[str]) -> list[Any]:
    if not isinstance(body, list):
        raise BadRequest("expected a list of entries", field=str(path))
    for row in body:
        absent = [k for k in needed if not isinstance(row, Mapping) or not isinstance(row.get(k), str)]
        if absent:
            raise BadRequest("an entry lacks '{name}'", field=str(path), name=absent[0])
        if "kind" in needed:  # a price is a fact itself
            _checked({row["item"]: row}, path)
        _checked(row.get("facts") or {}, path)
        _words(row, path)
    return body


def _words(row: Mapping[str, Any], path: Path) -> None:
    """The fields of an entry that are words, or lists of them."""
    for name in WORDS:
        if name in row and not isinstance(row[name], str):
            raise BadRequest("expected a word, read '{value}'", field=f"{path}: {name}", value=row[name])
    spelled = row.get("aliases", [])
    if not isinstance(spelled, list) or not all(isinstance(a, str) for a in spelled):
        raise BadRequest("expected a list of words, read '{value}'", field=f"{path}: aliases", value=spelled)
    if "config" in row and not isinstance(row["config"], Mapping):
        raise BadRequest(
            "expected the fields of a config.json, read '{value}'", field=f"{path}: config", value=row["config"]
        )
    for name in ("released", "training_tokens", "published"):
        if row.get(name) is not None:
            _checked({name: {"value": 0, **row[name]} if isinstance(row[name], Mapping) else row[name]}, path)
    if not isinstance(row.get("config_source") or {}, Mapping):
        raise BadRequest("expected a source", field=f"{path}: config_source")
    if not isinstance(row.get("assumed", False), bool):
        raise BadRequest("expected true or false, read '{value}'", field=f"{path}: assumed", value=row["assumed"])


def _merged(ours: list[Any], body: Any, path: Path) -> list[Any]:
    merged = {e["id"]: e for e in ours}
    for entry in _rows(body, path, ("id",)):
        old = merged.get(entry["id"])
        if old is None:
            absent = [k for k in _REQUIRED.get(path.stem, ("name",)) if k not in entry]
            if absent:
                raise BadRequest("the new entry {id} lacks '{name}'", field=str(path), id=entry["id"], name=absent[0])
            merged[entry["id"]] = entry
        else:
            facts = {**(old.get("facts") or {}), **(entry.get("facts") or {})}
            merged[entry["id"]] = {**old, **entry, "facts": facts}
    return list(merged.values())


_REQUIRED = {
    "chips": ("name", "vendor", "country"),
    "systems": ("name", "chip"),
    "models": ("name", "config"),
}


# ----------------------------------------------------------------------------------------- aliases


def fold(name: str) -> str:
    """A spelling without case and punctuation, other scripts kept.

    >>> fold("H100-SXM5 80GB"), fold("臺灣")
    ('h100sxm580gb', '臺灣')
    """
    return re.sub(r"[\W_]", "", name.casefold())


def aliases(entries: Mapping[str, Entry]) -> Mapping[str, tuple[str, ...]]:
    """Every folded spelling -> the ids it names. A family word names its members, the plain meaning first."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries.values():
        for spelling in (entry.id, entry.name, *entry.aliases):
            key = fold(spelling)
            if entry.id not in found.get(key, ()):
                found[key] = (*found.get(key, ()), entry.id)
    families: dict[str, tuple[str, ...]] = {}
    for entry in entries.values():
        family = getattr(entry, "family", "")
        if family:
            families[fold(family)] = (*families.get(fold(family), ()), entry.id)
    return {**found, **families}
