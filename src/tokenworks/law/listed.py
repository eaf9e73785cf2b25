"""Layer 3, the party: Entity List, footnotes, half-owned affiliates (744.11, 744.16, 744.21(a)(3))."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tokenworks.errors import not_allowed
from tokenworks.language import Text, text
from tokenworks.law import party
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, current
from tokenworks.law.line import DENIAL, FREE, POLICY_DENIAL, US_ITEM, required
from tokenworks.records import Citation, Line

# How a case describes a buyer by its owner: "60% subsidiary of Inspur Group".
_OWNED = re.compile(
    r"(?P<percent>\d+(?:\.\d+)?)\s*%\s*(?:-?owned)?\s*(?:subsidiary|affiliate|unit)\s+of\s+(?P<owner>.+)"
)


SWITCH = ("in_force", "stayed")


@dataclass(frozen=True, slots=True)
class Listing:
    """Why the buyer counts as listed: the citation, the reason, the footnotes where they are known."""

    citation: Citation
    reason: Text
    footnotes: tuple[str, ...] | None


def listing(asked: Asked, law: Mapping[str, Any]) -> Listing | None:
    """The Entity List or the Military End-User List: by name, or because the request says that the buyer is listed."""
    best = next(iter(_hits(asked, law, party.MATCH, 101.0)), None)
    if best is not None:
        why = text("the buyer is on the {list} as {name} (similarity {score}, by {feature})",
                   list=party.LISTS[best.party.list], name=best.party.name, score=f"{best.score:.0f}",
                   feature=best.feature)  # fmt: skip
        return Listing(party.cite(best.party), why, best.party.footnotes)
    if asked.buyer_kind == "entity_list":
        why = text("the buyer is stated to be on the Entity List")
        return Listing(cite(law["end_uses"]["entity_list"]), why, None)
    return None


def _hits(asked: Asked, law: Mapping[str, Any], least: float, below: float) -> list[party.Hit]:
    """Parties of the lists that bear on a licence which the buyer's name resembles that much."""
    found = party.screen(asked.buyer_name, law, asked.on) if asked.buyer_name else ()
    return [h for h in found if h.party.list != "military_companies" and least <= h.score < below]


def resembling(asked: Asked, line: Line, law: Mapping[str, Any]) -> Line:
    """A buyer whose name is near a listed one is not free before a person has looked (Supplement No. 3 to Part 732)."""
    near = next(iter(_hits(asked, law, party.REVIEW, party.MATCH)), None)
    if near is None:
        return line
    look = text("possibly {name} of the {list} (similarity {score}): a person must decide",
                name=near.party.name, list=party.LISTS[near.party.list], score=f"{near.score:.0f}")  # fmt: skip
    cites, flags = (*line.citations, party.cite(near.party)), (*line.flags, "possible_match")
    if line.licence not in FREE:
        return replace(line, citations=cites, conditions=(*line.conditions, look), flags=flags)
    why = text("no licence unless the buyer is the listed party that its name resembles")
    return replace(line, licence="conditional", exception=None, citations=cites, reasons=(*line.reasons, why),
                   conditions=(*line.conditions, look), flags=flags)  # fmt: skip


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
    """The state of the 50 % rule on the day for a half-owned buyer: in force, stayed, unresolved; None otherwise.

    While it is unresolved, the fact `affiliates_rule` chooses a reading: in_force or stayed.
    """
    if not affiliate(asked, law):
        return None
    rule = current(law["end_uses"]["affiliates"]["states"], asked.on)
    said = asked.facts.get("affiliates_rule")
    if rule is None or rule["state"] != "unresolved" or said is None:
        return rule
    if said not in SWITCH:
        raise not_allowed("facts.affiliates_rule", str(said), SWITCH)
    return {**rule, "state": said}


def flagged(asked: Asked, line: Line, law: Mapping[str, Any]) -> Line:
    """What to look at where no rule binds: an owner on the list, a listed name at the head of the buyer's own."""
    if affiliate(asked, law) or (asked.buyer_name and party.related(asked.buyer_name, law, asked.on)):
        look = text("red flag: an owner is on the Entity List; find out who receives the items")
        line = replace(line, conditions=(*line.conditions, look), flags=(*line.flags, "red_flag_parent_listed"))
    on_1260h = [h for h in (party.screen(asked.buyer_name, law, asked.on) if asked.buyer_name else ())
                if h.party.list == "military_companies" and h.score >= party.MATCH]  # fmt: skip
    if on_1260h:
        look = text("on the list of section 1260H, which adds no licence duty: {name}", name=on_1260h[0].party.name)
        cites = (*line.citations, party.cite(on_1260h[0].party))
        line = replace(line, citations=cites, conditions=(*line.conditions, look), flags=(*line.flags, "dod_1260h"))
    return resembling(asked, line, law)


def by_affiliates(rule: Mapping[str, Any], eccn: str | None) -> Line:
    """The rule in force: the owner's restriction."""
    return required(eccn, DENIAL, (cite(rule),), text("half or more is owned by listed parties"))


def disputed(rule: Mapping[str, Any], eccn: str | None, otherwise: Line) -> Line:
    """Text and announcement disagree: both answers are told, the stricter one is the safe one."""
    why = text("whether the affiliates rule is stayed on this day is disputed: its text says no, both governments yes")
    strict = text("by its text: a licence is required, with a presumption of denial")
    loose = text("as announced: {licence}", licence=otherwise.licence)
    return Line(US_ITEM, "unresolved", eccn, None, None, (cite(rule), *otherwise.citations), (why, strict, loose))
