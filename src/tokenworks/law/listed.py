"""Layer 3, the party: Entity List, footnotes, half-owned affiliates (744.11, 744.16, 744.21(a)(3))."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenworks.language import Text, text
from tokenworks.law import party
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, current
from tokenworks.law.line import DENIAL, POLICY_DENIAL, US_ITEM, required
from tokenworks.records import Citation, Line

# How a case describes a buyer by its owner: "60% subsidiary of Inspur Group".
_OWNED = re.compile(
    r"(?P<percent>\d+(?:\.\d+)?)\s*%\s*(?:-?owned)?\s*(?:subsidiary|affiliate|unit)\s+of\s+(?P<owner>.+)"
)


@dataclass(frozen=True, slots=True)
class Listing:
    """Why the buyer counts as listed: the citation, the reason, the footnotes where they are known."""

    citation: Citation
    reason: Text
    footnotes: tuple[str, ...] | None


def listing(asked: Asked, law: Mapping[str, Any]) -> Listing | None:
    """The Entity List: by name, or because the request says that the buyer is listed."""
    hits = party.screen(asked.buyer_name, law, asked.on) if asked.buyer_name else ()
    sure = [h for h in hits if h.score >= party.MATCH]
    if sure:
        best = sure[0]
        score = f"{best.score:.0f}"
        why = text("the buyer is on the Entity List as {name} (similarity {score})", name=best.party.name, score=score)
        return Listing(party.cite(best.party), why, best.party.footnotes)
    if asked.buyer_kind == "entity_list":
        why = text("the buyer is stated to be on the Entity List")
        return Listing(cite(law["end_uses"]["entity_list"]), why, None)
    return None


def by_listing(found: Listing, eccn: str | None, law: Mapping[str, Any]) -> Line:
    """All items subject to the EAR; policy of denial for the footnotes that say so, else a presumption."""
    denied = set(found.footnotes or ()) & set(law["end_uses"]["denied_footnotes"])
    return required(eccn, POLICY_DENIAL if denied else DENIAL, (found.citation,), found.reason)


def share(asked: Asked) -> float | None:
    """The share that listed parties hold of the buyer, from the facts or from its description; None if not said."""
    stated = asked.amount("ownership_share")
    if stated is not None:
        return stated
    match = _OWNED.search(asked.buyer_name or "")
    return float(match["percent"]) / 100.0 if match else None


def affiliate(asked: Asked, law: Mapping[str, Any]) -> bool:
    """Whether the buyer is owned to half or more by listed parties.

    As its kind says, unless the share is given and smaller; or by its description, where the owner named there
    is on the list.
    """
    held = share(asked)
    if held is not None and held < law["end_uses"]["affiliates"]["share"]:
        return False
    if asked.buyer_kind == "affiliate_of_listed":
        return True
    match = _OWNED.search(asked.buyer_name or "")
    if match is None:
        return False
    return any(h.score >= party.MATCH for h in party.screen(match["owner"], law, asked.on))


def affiliates_rule(asked: Asked, law: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The state of the 50 % rule on the day for a half-owned buyer: in force, stayed, unresolved; None otherwise."""
    if not affiliate(asked, law):
        return None
    return current(law["end_uses"]["affiliates"]["states"], asked.on)


def red_flag(asked: Asked, law: Mapping[str, Any]) -> tuple[Text, ...]:
    """What to look at where the owner is listed and no rule binds (Supplement No. 3 to Part 732)."""
    flag = text("red flag: an owner is on the Entity List; find out who receives the items")
    return (flag,) if affiliate(asked, law) else ()


def by_affiliates(rule: Mapping[str, Any], eccn: str | None) -> Line:
    """The rule in force: the owner's restriction."""
    return required(eccn, DENIAL, (cite(rule),), text("half or more is owned by listed parties"))


def disputed(rule: Mapping[str, Any], eccn: str | None, otherwise: Line) -> Line:
    """Text and announcement disagree: both answers are told, the stricter one is the safe one."""
    why = text("whether the affiliates rule is stayed on this day is disputed: its text says no, both governments yes")
    strict = text("by its text: a licence is required, with a presumption of denial")
    loose = text("as announced: {licence}", licence=otherwise.licence)
    return Line(US_ITEM, "unresolved", eccn, None, None, (cite(rule), *otherwise.citations), (why, strict, loose))
