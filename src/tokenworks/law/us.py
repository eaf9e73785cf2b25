"""The US lines of a fully known shipment: four layers in order (item, place, party and use, exception and policy)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tokenworks.language import Text, text
from tokenworks.law import diffusion, end_use, exceptions, foundry, item, letters, listed, place, policy, regimes
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, current, in_force
from tokenworks.law.item import NONE
from tokenworks.law.line import FREE, POLICY_DENIAL, US_ITEM, required
from tokenworks.records import Citation, Line


def decide(asked: Asked, law: Mapping[str, Any]) -> tuple[Line, ...]:
    """The line of the US item rules and, where it is touched, that of General Prohibition 10."""
    eccn, cites, shown = _classified(asked, law)
    gp10 = regimes.gp10(asked, eccn, law)
    beside = () if gp10 is None else (gp10,)
    if asked.item.origin in law["regimes"]["gp10"]["countries"] and asked.use != foundry.USE:
        why = text("designed outside the United States: not a US item by itself")
        return (Line(US_ITEM, "none", eccn, None, None, cites, (shown, why)), *beside)
    line = _ordered(asked, eccn, law)
    return (replace(line, citations=(*cites, *line.citations), reasons=(shown, *line.reasons)), *beside)


def _classified(asked: Asked, law: Mapping[str, Any]) -> tuple[str, tuple[Citation, ...], Text]:
    """Layer 1: by the figures, or by presumption where a foundry makes somebody else's design."""
    eccn, cites = item.classify(asked.item, law, asked.on)
    shown = item.arithmetic(asked.item, eccn)
    if foundry.presumed(asked, law):
        why = text("a foundry presumes 3A090.a: no approved or authorised designer attests the figures")
        return "3A090.a", (*cites, cite(law["items"]["foundry"])), why
    if asked.item.origin not in (place.HOME, "") and eccn != NONE:
        cites = (*cites, cite(law["end_uses"]["foreign_direct_product"]))
    return eccn, cites, shown


def _ordered(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line:
    """Layers 2 to 4: embargo, lists and uses override; then letters, scope, exceptions, review policy."""
    embargo = place.embargo(asked.destination, law, asked.on)
    if embargo is not None:
        return required(eccn, POLICY_DENIAL, (cite(embargo),), text("the destination is under an embargo"))
    found = listed.listing(asked, law)
    if found is not None:
        for_design = foundry.for_listed(asked, found, law)
        return for_design or listed.by_listing(found, eccn, law)
    if asked.destination == place.HOME:
        domestic = (Citation("15 CFR 734.13", None, None, False),)
        return Line(US_ITEM, "none", eccn, None, None, domestic, (text("inside the United States: no export"),))
    used = end_use.prohibited(asked, eccn, law)
    otherwise = used if used is not None else end_use.touched(asked, _placed(asked, eccn, law), law)
    return _owned(asked, eccn, otherwise, law)


def _owned(asked: Asked, eccn: str, otherwise: Line, law: Mapping[str, Any]) -> Line:
    """The affiliates rule over the answer that holds without it."""
    rule = listed.affiliates_rule(asked, law)
    if rule is None or rule["state"] == "stayed":
        stay = () if rule is None else (cite(rule),)
        return listed.flagged(asked, replace(otherwise, citations=(*otherwise.citations, *stay)), law)
    strict = listed.by_affiliates(rule, eccn)
    if otherwise.review_policy in (strict.review_policy, POLICY_DENIAL):
        return otherwise
    return strict if rule["state"] == "in_force" else listed.disputed(rule, eccn, otherwise)


def _placed(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line:
    """Layers 2 and 4: the scope of the day, who is exempt, exceptions, letters, review policy."""
    if diffusion.applies(asked, eccn, law):
        return diffusion.worldwide(asked, eccn, law)
    line = _by_scope(asked, eccn, law)
    letter = letters.binding(asked, law) if line.licence in FREE else None
    if letter is not None:
        return letters.by_letter(asked, letter, eccn, law)
    others = letters.others_bound(asked, law) if line.licence in FREE else ()
    flags = ("letter_binds_others",) if others else ()
    return replace(line, conditions=(*line.conditions, *others), flags=(*line.flags, *flags))


def _by_scope(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line:
    scope = law["places"]["scope_hbm"] if eccn == "3A090.c" else current(law["places"]["scopes"], asked.on)
    if eccn == NONE or scope is None:
        first = scope or law["places"]["scopes"][0]
        why = text("the item is below every threshold") if scope is not None else text("before the first chip rule")
        return Line(US_ITEM, "none", eccn, None, None, (cite(first),), (why,))
    cites = (cite(scope),)
    if not _covered(asked, eccn, scope, law):
        return Line(US_ITEM, "none", eccn, None, None, cites, (text("the destination is out of scope"),))
    exempt = policy.exempt_in_uae(asked, law)
    if exempt is not None:
        return Line(US_ITEM, "none", eccn, None, None, (*cites, cite(exempt)), (text("exempt in the UAE"),))
    return (
        policy.granted(asked, eccn, law, cites)
        or exceptions.exception(asked, eccn, law, cites)
        or policy.reviewed(asked, eccn, law, cites)
    )


def _covered(asked: Asked, eccn: str, scope: Mapping[str, Any], law: Mapping[str, Any]) -> bool:
    if eccn == "3A090.c":
        owners = (asked.destination, asked.hq)
        return in_force(scope, asked.on) and any(place.arms_embargoed(c, law, asked.on) for c in owners)
    return place.within(asked.destination, asked.hq, scope, law, asked.on)
