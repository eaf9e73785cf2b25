"""One shipment through the four layers, in order: item, place and owner, party and use, exception and policy.

A missing fact is tried at every value that some threshold separates: if the answers differ, the verdict is
`unknown` and names the fact. The only road to `none` is that every such world answers `none`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from tokenworks.errors import BadRequest
from tokenworks.language import Text
from tokenworks.law import item as items
from tokenworks.law import regimes, use
from tokenworks.law.asked import Asked, fill
from tokenworks.law.dated import in_force
from tokenworks.law.item import Item
from tokenworks.law.standing import worst
from tokenworks.records import Line, Shipment, Verdict, World

US_ITEM = "US item"


def judge(shipment: Shipment, world: World) -> Verdict:
    """What the law says of one shipment, all regimes, with reasons and citations.

    Raises BadRequest for a date before the first rule. The decision's vocabulary: shared by law/cases.yaml.
    """
    law = world.law
    known_from = str(law["meta"]["known_from"])
    if shipment.on.isoformat() < known_from:
        raise BadRequest(
            "'{value}' is before the first rule ({first})", field="when", value=shipment.on, first=known_from
        )
    asked, assumed = fill(shipment, world)
    lines = _possible(asked, law)
    lines += regimes.beside(asked.shipment, asked.item, asked.chip, asked.destination, asked.ship_from, law)
    text_only = None
    if not asked.diffusion:
        would = _possible(replace(asked, diffusion=True), law)[0]
        if _differs(would, lines[0]) and in_force(law["places"]["diffusion"], shipment.on):
            text_only = replace(would, regime="US item, text not enforced")
    deciding = worst(tuple(line for line in lines if line.regime.startswith("US")))
    stale = shipment.on > world.law_known_to
    return Verdict(
        licence=deciding.licence,
        eccn=deciding.eccn,
        exception=deciding.exception,
        review_policy=deciding.review_policy,
        standing="",
        lines=lines,
        citations=deciding.citations,
        reasons=deciding.reasons,
        facts=asked.item.data or {},
        assumed=assumed,
        text_only=text_only,
        stale=stale,
    )


def _differs(one: Line, other: Line) -> bool:
    return (one.licence, one.exception, one.review_policy) != (
        other.licence,
        other.exception,
        other.review_policy,
    )


# --------------------------------------------------------------------------------- possible worlds


def _possible(asked: Asked, law: Mapping[str, Any]) -> tuple[Line, ...]:
    """The US lines, if they are the same whatever the missing parameters are; else an unknown one."""
    missing = items.candidates(asked.item, law)
    if not missing:
        return _decide(asked, law)
    answers = []
    for values in product(*missing.values()):
        known = replace(asked.item, **_values(missing, values))
        answers.append(_decide(replace(asked, item=known), law))
    if all(not _differs(a[0], answers[0][0]) and len(a) == len(answers[0]) for a in answers):
        eccns = {a[0].eccn for a in answers}
        common = answers[0][0].eccn if len(eccns) == 1 else None
        first = answers[0][0]
        shown = _arithmetic(asked.item, common or "?")  # with what is known, not with what was tried
        reasons = tuple(shown if r.template == shown.template else r for r in first.reasons)
        return (replace(first, eccn=common, reasons=reasons), *answers[0][1:])
    names = ", ".join(_needed(missing, asked, law))
    reason = Text("not known, and it would change the answer: {facts}", (("facts", names),))
    cites = tuple({c.rule: c for a in answers for line in a for c in line.citations}.values())
    return (Line(US_ITEM, "unknown", None, None, None, cites, (reason,)),)


def _values(missing: Mapping[str, Any], values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(missing, values, strict=True))


def _needed(missing: Mapping[str, Any], asked: Asked, law: Mapping[str, Any]) -> list[str]:
    """Of the missing parameters, those that can change the answer by themselves; all where only jointly."""
    alone = []
    for name in missing:
        others: dict[str, Any] = {k: v[-1] for k, v in missing.items() if k != name}
        found = [
            _decide(replace(asked, item=replace(asked.item, **{**others, name: value})), law)[0]
            for value in missing[name]
        ]
        if any(_differs(f, found[0]) for f in found):
            alone.append(name)
    return alone or list(missing)


def _decide(asked: Asked, law: Mapping[str, Any]) -> tuple[Line, ...]:
    """The US lines of a fully known item."""
    on = asked.shipment.on
    eccn, cites = items.classify(asked.item, law, on)
    gp10 = regimes.gp10(asked.item, eccn, law, on)
    if gp10 is not None or asked.item.origin in place_of_origin(law):
        foreign = Line(
            US_ITEM, "none", eccn, None, None, cites,
            (Text("designed outside the United States: not a US item by itself"),),
        )  # fmt: skip
        return (foreign,) if gp10 is None else (foreign, gp10)
    reasons = (_arithmetic(asked.item, eccn),)
    over = use.overriding(asked, eccn, law)
    if over is not None:
        return (replace(over, citations=(*cites, *over.citations), reasons=(*reasons, *over.reasons)),)
    line = use.placed(asked, eccn, law)
    return (replace(line, citations=(*cites, *line.citations), reasons=(*reasons, *line.reasons)),)


def place_of_origin(law: Mapping[str, Any]) -> tuple[str, ...]:
    """Countries whose own designs are judged under General Prohibition 10 rather than as US items."""
    return tuple(law["regimes"]["gp10"]["countries"])


def _arithmetic(item: Item, eccn: str) -> Text:
    """The arithmetic behind the classification, shown."""
    if item.stack_density is not None:
        return Text(
            "memory bandwidth density {density} GB/s/mm2: {eccn}",
            (("density", f"{item.stack_density:g}"), ("eccn", eccn)),
        )
    shown = {
        "tpp": "?" if item.tpp is None else f"{item.tpp:.0f}",
        "density": "?" if item.density is None else f"{item.density:.2f}",
        "eccn": eccn,
    }
    return Text("TPP {tpp}, performance density {density}: {eccn}", tuple(sorted(shown.items())))
