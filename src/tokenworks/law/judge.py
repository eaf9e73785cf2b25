"""One shipment through the four layers, in order: item, place and owner, party and use, exception and policy.

A missing fact is tried at every value that some threshold separates: if the answers differ, the verdict is
`unknown` and names the fact. The only road to `none` is that every such world answers `none`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tokenworks.errors import BadRequest
from tokenworks.language import Text, text
from tokenworks.law import foundry, nuclear, possible, regimes, us
from tokenworks.law import item as items
from tokenworks.law.asked import Asked, fill
from tokenworks.law.dated import cite, in_force
from tokenworks.law.item import Item
from tokenworks.law.line import FREE, US_ITEM, key
from tokenworks.law.standing import worst
from tokenworks.records import Line, Shipment, Verdict, World


def judge(shipment: Shipment, world: World) -> Verdict:
    """What the law says of one shipment, all regimes, with reasons and citations.

    Raises BadRequest for a day before the rules are known, for a quantity below one, and for a country or a kind
    of buyer that the rules do not know. The decision's vocabulary: shared by law/cases.yaml.
    """
    law = world.law
    known_from = str(law["meta"]["known_from"])
    if shipment.on.isoformat() < known_from:
        raise BadRequest(
            "'{value}' is before the first rule ({first})", field="when", value=shipment.on, first=known_from
        )
    if shipment.quantity < 1:
        raise BadRequest("expected a whole number, read '{value}'", field="quantity", value=shipment.quantity)
    asked, assumed = fill(shipment, world)
    ways = possible.possible_items(asked.item, law, shipment.on, shipment.quantity)
    return answered(asked, assumed, ways, world)


def answered(asked: Asked, assumed: tuple[tuple[str, str], ...], ways: tuple[Item, ...], world: World) -> Verdict:
    """The verdict of a shipment whose item may be in these ways (`possible.possible_items`)."""
    law = world.law
    lines = decided(asked, ways, law)
    if asked.shipment.part == "equipment":
        lines = tuple(_own_class(line) for line in lines)
    deciding = worst(tuple(line for line in lines if line.regime.startswith("US")))
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
        text_only=text_only(asked, ways, lines[0], law),
        stale=asked.on > world.law_known_to,
        flags=deciding.flags,
    )


def _own_class(line: Line) -> Line:
    """Equipment without an AI chip: where embargo, lists and uses leave it free, its own ECCN decides, which is not
    modelled (5A991, 5A992, 5A002 and others): unknown, never none."""
    if line.regime != US_ITEM or line.licence not in FREE or line.eccn is None:
        return line
    why = text("its own classification (5A991, 5A992, 5A002 and the like) is not modelled: ask its maker")
    return replace(line, licence="unknown", eccn=None, reasons=(why,))


def text_only(asked: Asked, ways: tuple[Item, ...], enforced: Line, law: Mapping[str, Any]) -> Line | None:
    """What the text of the diffusion rule says where it differs from what is enforced; None where it does not."""
    if asked.diffusion or not in_force(law["diffusion"], asked.on):
        return None
    classes = (items.classify(way, law, asked.on)[0] for way in ways)
    if asked.use != foundry.USE and not any(eccn.endswith("A090.a") for eccn in classes):
        return None  # the text reaches .a only
    would = decided(replace(asked, diffusion=True), ways, law)[0]
    if key(would) == key(enforced):
        return None
    kept = (*would.citations, cite(law["diffusion"]["not_enforced"]))
    return replace(would, regime="US item, text not enforced", citations=kept)


def decided(asked: Asked, ways: tuple[Item, ...], law: Mapping[str, Any]) -> tuple[Line, ...]:
    """Every line, if the lines are the same whatever the missing facts are; else an unknown one for US items.

    Beside an unknown one stands what the national rules say in every way that the item may be.
    """
    answers: list[tuple[Line, ...]] = []
    for one in possible.worlds(asked, ways, law):
        answers.append(_all(one, law))
        if _keys(answers[-1]) != _keys(answers[0]):
            return (_unknown(asked, law, answers), *_certain(asked, ways, law))
    if len(answers) == 1:
        return answers[0]
    common = answers[0][0].eccn if len({a[0].eccn for a in answers}) == 1 else None
    first = answers[0][0]
    tried = {
        items.arithmetic(one.item, a[0].eccn) for one, a in zip(possible.worlds(asked, ways, law), answers, strict=True)
    }
    shown = items.arithmetic(asked.item, common)  # with what is known, not with what was tried
    reasons = tuple(shown if r in tried else r for r in first.reasons)
    return (replace(first, eccn=common, reasons=reasons), *answers[0][1:])


def _certain(asked: Asked, ways: tuple[Item, ...], law: Mapping[str, Any]) -> tuple[Line, ...]:
    """The national lines that hold in every way that the item may be; none where more than the item is missing."""
    if possible.choices(asked, law):
        return ()
    told = [regimes.beside(replace(asked, item=way), law) for way in ways]
    return tuple(line for line in told[0] if all(key(line) in _keys(other) for other in told))


def _all(asked: Asked, law: Mapping[str, Any]) -> tuple[Line, ...]:
    """The lines of every regime for a fully known shipment."""
    return (*us.decide(asked, law), *regimes.beside(asked, law), *nuclear.line(asked, law))


def _keys(lines: tuple[Line, ...]) -> tuple[tuple[str, str, str | None, str | None], ...]:
    return tuple(key(line) for line in lines)


def _unknown(asked: Asked, law: Mapping[str, Any], answers: list[tuple[Line, ...]]) -> Line:
    """The facts that would change the answer by themselves; all that are missing where only jointly."""
    alone = []
    for name in possible.missing_names(asked, law):
        found = {_keys(_all(one, law)) for one in possible.without(asked, name, law)}
        if len(found) > 1:
            alone.append(name)
    names = ", ".join(alone or possible.missing_names(asked, law))
    reason: Text = text("not known, and it would change the answer: {facts}", facts=names)
    cites = tuple({c.rule: c for a in answers for line in a for c in line.citations}.values())
    return Line(US_ITEM, "unknown", None, None, None, cites, (reason,))
