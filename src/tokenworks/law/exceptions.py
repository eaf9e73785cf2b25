"""Layer 4, licence exceptions of Part 740, each with its conditions; the first that applies is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.language import Text, text
from tokenworks.law import place
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, in_force
from tokenworks.law.line import US_ITEM
from tokenworks.records import Citation, Line


def excepted(
    name: str,
    eccn: str | None,
    cites: tuple[Citation, ...],
    why: Text,
    conditions: tuple[Text, ...],
    law: Mapping[str, Any],
) -> Line:
    """An exception with its citation and its conditions: there is none without conditions."""
    rule = law["exceptions"][name]
    return Line(US_ITEM, "exception", eccn, name.split("_")[0], None, (*cites, cite(rule)), (why,), conditions)


def exception(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line | None:
    """The exception that a shipment in scope may use, or None.

    Not for military end uses or users (740.2(a), 740.8). NAC and ACA: 3A090.b, and 3A090.a not meant for data
    centres. HBM: stacks under 3.3 GB/s per mm2. VEU: users that say they are validated.
    """
    if asked.soldier:
        return None
    if eccn == "3A090.c":
        return _memory(asked, eccn, law, cites)
    return notified_or_authorised(asked, eccn, law, cites) or validated(asked, eccn, law, cites)


def notified_or_authorised(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line | None:
    """740.8: NAC to Macau, D:5 and owners there after notice to BIS; elsewhere ACA, until 2024-04-03 NAC too."""
    eligible = eccn.endswith("A090.b") or (eccn.endswith("A090.a") and asked.item.datacentre is False)
    if not eligible or asked.soldier:
        return None
    concern = place.of_concern(asked.destination, asked.hq, law, asked.on)
    name = "NAC_2023" if in_force(law["exceptions"]["NAC_2023"], asked.on) else "NAC" if concern else "ACA"
    if not in_force(law["exceptions"][name], asked.on):
        return None
    notice = (
        text("notify BIS 25 days before and wait for the authorisation number"),
        text("one end user, one ultimate consignee and six items in a notice"),
    )
    common = (text("a written purchase order; no military end use and none of Part 744"),)
    why = text("not a data-centre part of 3A090.a: exception {name}", name=name.split("_")[0])
    return excepted(name, eccn, cites, why, (*notice, *common) if concern else common, law)


def _memory(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line | None:
    rule = law["exceptions"]["HBM"]
    if not in_force(rule, asked.on) or (asked.item.stack_density or 0.0) >= rule["density_below"]:
        return None
    why = text("a memory stack under {limit} GB/s per mm2", limit=rule["density_below"])
    condition = text("bought by the packaging site, with accounting of returns")
    return excepted("HBM", eccn, cites, why, (condition,), law)


def validated(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line | None:
    """748.15: data-centre validated end users, outside Macau and D:5 and not owned from there."""
    if not asked.facts.get("validated_end_user") or not eccn.endswith("A090.a"):
        return None
    if any(place.arms_embargoed(c, law, asked.on) for c in (asked.destination, asked.hq)):
        return None
    universal = asked.hq == place.HOME or asked.hq in law["diffusion"]["supplement_5a"]
    names = ("VEU", "UVEU" if universal else "NVEU")
    name = next((n for n in names if in_force(law["exceptions"][n], asked.on)), None)
    if name is None:
        return None
    if (
        name == "NVEU"
        and asked.processing + (asked.amount("nveu_tpp_installed") or 0.0) > (law["exceptions"]["NVEU"]["tpp_end_2027"])
    ):
        return None
    why = text("a data-centre validated end user")
    keep = text("within the authorisation: its sites, its quantities, its reports")
    return excepted(name, eccn, cites, why, (keep,), law)
