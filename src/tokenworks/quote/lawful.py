"""The law of a design: the verdict on its chips, and on every line of its bill of materials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tokenworks import law
from tokenworks.language import Text
from tokenworks.records import Shipment, Verdict
from tokenworks.search import shared
from tokenworks.search.problem import Offer, Problem

LOCAL = ("building and power chain",)  # built where it stands: nothing crosses a border by it
RENTED = "chip-s"  # a rented chip stays its owner's


def lines(bill: list[Mapping[str, Any]], offer: Offer, verdict: Verdict, problem: Problem) -> list[Mapping[str, Any]]:
    """The bill with `law` in each of its lines: the server as a computer of its chips, equipment as what has no AI
    chip, what is built on the spot as null. The server's line also carries the chip and the memory in its package."""
    found: list[Mapping[str, Any]] = []
    for n, line in enumerate(bill):
        if line["item"] in LOCAL:
            found.append({**line, "law": None})
        elif n == 0:
            found.append({**line, "law": _machines(line, offer, verdict, problem)})
        else:
            equipment = replace(_shipment(offer, line, problem), chip=line["item"], part="equipment", ship_from=None)
            found.append({**line, "law": {"part": "equipment", **short(law.judge(equipment, problem.world), problem)}})
    return found


def _machines(line: Mapping[str, Any], offer: Offer, verdict: Verdict, problem: Problem) -> Mapping[str, Any]:
    chip = {"part": "chip", "item": offer.chip.id, **short(verdict, problem)}
    if RENTED in line["item"]:
        return {**chip, "inside": []}
    size, _ = shared.units(offer)
    server = replace(_shipment(offer, line, problem), part="computer", chips_each=max(int(size), 1))
    # 3A090.c does not reach memory packaged with a chip whose main function is processing: it goes by that chip
    memory = {**chip, "part": "memory", "item": "in the package of the chip"}
    return {"part": "server", **short(law.judge(server, problem.world), problem), "inside": [chip, memory]}


def _shipment(offer: Offer, line: Mapping[str, Any], problem: Problem) -> Shipment:
    return shared.shipment(problem, offer, max(int(line["quantity"]), 1))


def outcome(verdict: Verdict, problem: Problem) -> Mapping[str, Any]:
    """What a verdict comes to for this buyer, its reasons left out."""
    followed = law.followed(problem.request.buyer.headquarters or problem.request.where, problem.request.law_followed)
    return {
        "verdict": verdict.licence,
        "standing": law.standing(verdict, followed),
        "eccn": verdict.eccn,
        "exception": verdict.exception,
        "review_policy": verdict.review_policy,
    }


def short(verdict: Verdict, problem: Problem) -> Mapping[str, Any]:
    """A verdict in a line of the bill."""
    return {
        **outcome(verdict, problem),
        "reasons": [_said(r) for r in verdict.reasons],
        "citations": list(dict.fromkeys(c.rule for c in verdict.citations)),
    }


def _said(sentence: Text) -> Mapping[str, Any]:
    return {"template": sentence.template, "values": {k: str(v) for k, v in sentence.values}}
