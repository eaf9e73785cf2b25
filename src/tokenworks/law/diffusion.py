"""The AI diffusion rule as its text stands (90 FR 4544): 3A090.a and 4A090.a worldwide, exceptions, allocations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.language import text
from tokenworks.law import place
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, in_force
from tokenworks.law.exceptions import excepted, notified_or_authorised, validated
from tokenworks.law.line import APPROVAL, DENIAL, POLICY_DENIAL, required
from tokenworks.records import Line


def applies(asked: Asked, eccn: str, law: Mapping[str, Any]) -> bool:
    """Whether the question is what the text says, and the text reaches the item on the day."""
    return asked.diffusion and in_force(law["diffusion"], asked.on) and eccn.endswith("A090.a")


def worldwide(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line:
    """The answer of the text: exceptions in the order of Part 740, then the country's allocation.

    `facts` may hold what was used before: lpp_tpp_this_year (of the consignee), country_tpp_2025_2027; and
    whether the user is a private developer or producer (private_production) or a validated one.
    """
    rule, limits = law["diffusion"], law["exceptions"]
    cites = (cite(rule),)
    friends = rule["supplement_5a"]
    consumer = notified_or_authorised(asked, eccn, law, cites)
    if consumer is not None:
        return consumer
    if any(place.arms_embargoed(c, law, asked.on) for c in (asked.destination, asked.hq)):
        return required(eccn, DENIAL, cites, text("Macau, D:5 or an owner there"))
    at_home = asked.hq == place.HOME or asked.hq in friends
    if asked.destination in friends and at_home and not asked.soldier:
        why = text("destination and owner are in Supplement No. 5(a)")
        return excepted("AIA", eccn, cites, why, (text("the consignee certifies its headquarters"),), law)
    if asked.facts.get("private_production") and not asked.soldier:
        why = text("a private developer or producer; final customers outside Macau and D:5")
        return excepted("ACM", eccn, cites, why, (text("development, production or storage only"),), law)
    amount = asked.processing
    year = amount + (asked.amount("lpp_tpp_this_year") or 0.0)
    if year <= limits["LPP"]["tpp_per_year"] and not asked.soldier:
        why = text("{tpp} TPP a year: low processing performance", tpp=f"{year:.3g}")
        keep = text("at most {limit} TPP a calendar year for one consignee", limit=limits["LPP"]["tpp_per_year"])
        return excepted("LPP", eccn, cites, why, (keep,), law)
    if at_home and not asked.soldier and _spread(asked, limits["UVEU"]):
        why = text("universal validated end user: 75 % at home and with friends, 7 % a country")
        return excepted("UVEU", eccn, cites, why, (text("validated by BIS before the shipment"),), law)
    national = validated(asked, eccn, law, cites) if not asked.soldier else None
    if national is not None:
        return national
    total = amount + (asked.amount("country_tpp_2025_2027") or 0.0)
    policy = APPROVAL if total <= rule["country_tpp_2025_2027"] else POLICY_DENIAL
    return required(eccn, policy, cites, text("{tpp} TPP against the country's allocation", tpp=f"{total:.3g}"))


def _spread(asked: Asked, limits: Mapping[str, Any]) -> bool:
    """Whether what is said of a universal validated user's installed TPP is within 748.15; not said, it counts as kept.

    Facts: `uveu_share_at_home` (inside Supplement No. 5(a)), `uveu_share_of_country` (in the destination).
    """
    home, there = asked.amount("uveu_share_at_home"), asked.amount("uveu_share_of_country")
    enough = home is None or home >= limits["share_at_home"]
    return enough and (there is None or there <= limits["share_elsewhere"])
