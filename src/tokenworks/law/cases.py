"""Worked cases (the format of law/cases.yaml) -> answers in the same vocabulary."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from tokenworks.errors import BadRequest, not_allowed
from tokenworks.law.asked import UNKNOWN, exporter_of, use_of
from tokenworks.law.judge import judge
from tokenworks.records import Buyer, Line, Shipment, Verdict, World

SCHEMA = "tokenworks/verdicts/1"
COMPUTER = ("dgx", "hgx", "server", "rack", "nvl72 system", "superpod", "cluster")
MANY = re.compile(r"\b(?P<n>\d{1,5})\s?x\b", re.IGNORECASE)  # DGX H100 (8x H100)


def answer_file(file: Any, world: World, find: Callable[[str], str | None]) -> Mapping[str, Any]:
    """Answer every case of a file {chips: {...}, cases: [...]}; `find` gives a catalog id for a name or None.

    Raises BadRequest where the file has no cases; a case that cannot be read gets an `error` of its own.
    """
    if not isinstance(file, Mapping) or not isinstance(file.get("cases"), list):
        raise BadRequest("expected the field '{name}' at the top", field="cases", name="cases")
    chips = file.get("chips") or {}
    if not isinstance(chips, Mapping):
        raise BadRequest("expected chips by name", field="chips")
    return {"schema": SCHEMA, "verdicts": [_one(case, chips, world, find) for case in file["cases"]]}


def _one(case: Any, chips: Mapping[str, Any], world: World, find: Callable[[str], str | None]) -> Mapping[str, Any]:
    identity = case.get("id") if isinstance(case, Mapping) else None
    try:
        shipment = read(case, chips, world, find)
        return {"id": identity, **answer(judge(shipment, world))}
    except BadRequest as error:
        return {"id": identity, "error": {"field": error.field, "message": str(error.text)}}


def read(case: Any, chips: Mapping[str, Any], world: World, find: Callable[[str], str | None]) -> Shipment:
    """A case as a shipment. Raises BadRequest naming the field."""
    if not isinstance(case, Mapping):
        raise BadRequest("expected a case, read '{value}'", field="cases", value=case)
    name = _word(case, "chip")
    user = case.get("end_user") or {}
    if not isinstance(user, Mapping):
        raise BadRequest("expected type, hq and name, read '{value}'", field="end_user", value=user)
    stated = chips.get(name)
    if stated is not None and not isinstance(stated, Mapping):
        raise BadRequest("expected parameters, read '{value}'", field=f"chips.{name}", value=stated)
    chip = find(name.split("(")[0].strip()) or name
    item = dict(stated) if stated else {}
    if chip not in world.chips and not item:
        raise BadRequest("the chip '{value}' is neither in the catalog nor in the file", field="chip", value=name)
    if item and any(word in name.casefold() for word in COMPUTER):
        item["computer"] = True
        found = MANY.search(name)
        item["chips"] = int(found["n"]) if found else 1
    if item and chip not in world.chips and "origin" not in item:
        named = [c for c, words in world.law["vocabulary"]["origins"].items() for w in words if w in name.casefold()]
        item |= {"origin": named[0]} if named else {}
    return Shipment(
        chip=chip,
        destination=_place(_word(case, "destination")),
        on=_date(case),
        ship_from=_place(_optional(case, "ship_from")),
        exporter=_checked(case, "exporter", exporter_of, world),
        buyer=Buyer(_optional(user, "type"), _place(_optional(user, "hq")), _optional(user, "name")),
        use=_checked(case, "end_use", use_of, world),
        quantity=_quantity(case),
        scenario=_scenario(case, world),
        item=item,
        facts=_facts(case, user),
    )


def _place(code: str | None) -> Any:
    """A country code in capitals; `unknown` and nothing stay as they are."""
    return code if code is None or code.casefold() == UNKNOWN else code.upper()


def _scenario(case: Mapping[str, Any], world: World) -> str:
    known = world.law["vocabulary"]["scenarios"]
    said = _optional(case, "scenario") or "actual"
    if said not in known:
        raise not_allowed("scenario", said, known)
    return said


def _facts(case: Mapping[str, Any], user: Mapping[str, Any]) -> Mapping[str, Any]:
    facts = case.get("facts") or {}
    if not isinstance(facts, Mapping):
        raise BadRequest("expected facts by name, read '{value}'", field="facts", value=facts)
    for name, value in facts.items():
        number = isinstance(value, int | float) and (isinstance(value, bool) or 0 <= value < 1e30)
        if not number and not isinstance(value, str):
            raise BadRequest(
                "expected a number, yes or no, or a word, read '{value}'", field=f"facts.{name}", value=value
            )
    parent = _place(_optional(user, "ultimate_parent"))
    return {**({} if parent is None else {"ultimate_parent": parent}), **facts}


def _word(case: Mapping[str, Any], field: str) -> str:
    value = case.get(field)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest("expected a name, read '{value}'", field=field, value=value)
    return value.strip()


def _optional(case: Mapping[str, Any], field: str) -> str | None:
    return None if case.get(field) is None else _word(case, field)


def _checked(case: Mapping[str, Any], field: str, of: Callable[..., str], world: World) -> str | None:
    said = _optional(case, field)
    return None if said is None else of(field, said, world.law)


def _quantity(case: Mapping[str, Any]) -> int:
    value = case.get("qty", case.get("quantity", 1))
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e12:
        raise BadRequest("expected a whole number, read '{value}'", field="qty", value=value)
    return int(value)


def _date(case: Mapping[str, Any]) -> dt.date:
    value = str(case.get("date"))
    try:
        return dt.date.fromisoformat(value)
    except ValueError as error:
        raise BadRequest("expected a date such as 2025-05-02, read '{value}'", field="date", value=value) from error


def answer(verdict: Verdict) -> Mapping[str, Any]:
    """A verdict in the vocabulary of the cases, as plain values."""
    return {
        "eccn": verdict.eccn,
        "licence": verdict.licence,
        "exception": verdict.exception,
        "review_policy": verdict.review_policy,
        "citations": _cited(verdict.citations),
        "reasons": [str(r) for r in verdict.reasons],
        "lines": [_line(line) for line in verdict.lines],
        "facts": {k: {"value": f.value, "source": f.source, "verified": f.verified} for k, f in verdict.facts.items()},
        "assumed": [{"field": field, "value": value} for field, value in verdict.assumed],
        "text_only": None if verdict.text_only is None else _line(verdict.text_only),
        "stale": verdict.stale,
        "flags": list(verdict.flags),
    }


def _cited(citations: Any) -> list[Mapping[str, Any]]:
    unique = {(c.rule, c.since): c for c in citations}
    return [{"rule": c.rule, "from": c.since, "to": c.until, "verified": c.verified} for c in unique.values()]


def _line(line: Line) -> Mapping[str, Any]:
    return {
        "regime": line.regime,
        "licence": line.licence,
        "eccn": line.eccn,
        "exception": line.exception,
        "review_policy": line.review_policy,
        "citations": _cited(line.citations),
        "reasons": [str(r) for r in line.reasons],
        "conditions": [str(c) for c in line.conditions],
        "flags": list(line.flags),
    }
