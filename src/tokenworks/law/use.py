"""Layers 3 and 4 for US items: party and use override; then letters, scope, exception and review policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokenworks.language import Text, text
from tokenworks.law import party, place
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, current, in_force
from tokenworks.law.item import NONE
from tokenworks.records import Citation, Line

US_ITEM = "US item"
DENIAL, POLICY_DENIAL = "presumption_of_denial", "policy_of_denial"
APPROVAL, CASE = "presumption_of_approval", "case_by_case"


def required(
    eccn: str | None,
    policy: str | None,
    cites: tuple[Citation, ...],
    *reasons: Text,
    conditions: tuple[Text, ...] = (),
) -> Line:
    """A licence is required."""
    return Line(US_ITEM, "required", eccn, None, policy, cites, reasons, conditions)


# ------------------------------------------------------------------------------ layer 3: party and use


def overriding(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line | None:
    """Party and use rules that come before exceptions: embargo, lists, supercomputer, military, nuclear."""
    on = asked.shipment.on
    domestic = asked.destination == "US"
    embargo = place.embargo(asked.destination, law, on)
    if embargo is not None:
        return required(eccn, POLICY_DENIAL, (cite(embargo),), text("the destination is under an embargo"))
    listed = _listed(asked, law)
    if listed is not None and asked.use == "foundry service for own design":
        rule = law["licensing"]["foundry"]
        why = text("a foundry may not make the design of a listed party: foreign direct product rule")
        return required(None, DENIAL, (cite(rule), *listed.citations), why)
    if listed is not None:
        return Line(US_ITEM, "required", eccn, None, DENIAL, listed.citations, listed.reasons)
    affiliate = _affiliate(asked, eccn, law)
    if affiliate is not None:
        return affiliate
    if domestic:
        return None
    return _end_use(asked, eccn, law)


def _listed(asked: Asked, law: Mapping[str, Any]) -> Line | None:
    """The Entity List: by name, or because the request says that the buyer is listed."""
    hits = party.screen(asked.buyer_name, law, asked.shipment.on) if asked.buyer_name else ()
    sure = [h for h in hits if h.score >= party.MATCH]
    if sure:
        best = sure[0]
        why = text(
            "the buyer is on the Entity List as {name} (similarity {score})",
            name=best.party.name,
            score=f"{best.score:.0f}",
        )
        return Line(US_ITEM, "required", None, None, DENIAL, (party.cite(best.party),), (why,))
    if asked.buyer_kind == "entity_list":
        cites = (Citation(str(law["parties"]["cite"]), None, None, True),)
        why = text("the buyer is stated to be on the Entity List")
        return Line(US_ITEM, "required", None, None, DENIAL, cites, (why,))
    return None


def _affiliate(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line | None:
    """Parties at least half owned by listed ones: in force, stayed, or disputed."""
    if asked.buyer_kind != "affiliate_of_listed":
        return None
    rule = current(law["licensing"]["affiliates"], asked.shipment.on)
    if rule is None or rule["state"] == "stayed":
        return None
    if rule["state"] == "in_force":
        return required(eccn, DENIAL, (cite(rule),), text("half or more is owned by listed parties"))
    why = text("whether the affiliates rule is stayed on this day is disputed: its text says no, both governments yes")
    return Line(US_ITEM, "unresolved", eccn, None, None, (cite(rule),), (why,))


def _end_use(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line | None:
    on = asked.shipment.on
    rule = law["items"]["supercomputer"]
    china = asked.destination in (place.CHINA, place.HONG_KONG) or place.headquarters_prong(asked.hq, law, on)
    if (
        asked.use == "supercomputer"
        and in_force(rule, on)
        and (china or place.arms_embargoed(asked.destination, law, on))
    ):
        return required(eccn, DENIAL, (cite(rule),), text("for a supercomputer in or of a country of concern"))
    military = law["places"]["military"]
    soldier = asked.buyer_kind == "military" or asked.use == "military"
    named = asked.destination in military["countries"] or asked.hq in military["countries"]
    if soldier and named and in_force(military, on):
        return required(eccn, DENIAL, (cite(military),), text("military end user or end use"))
    if asked.use == "nuclear 744.2 activity":
        cites = (Citation("15 CFR 744.2", None, None, False),)
        why = text("nuclear end use: a licence is required; its review policy is not modelled")
        return required(eccn, None, cites, why)
    if asked.use == "IaaS for CN customer" and eccn != NONE:
        cites = (Citation("BIS guidance 2025-05-13", "2025-05-13", None, True),)
        why = text("selling computing time abroad is not itself an export; red flags must be cleared")
        return Line(US_ITEM, "conditional", eccn, None, None, cites, (why,))
    return None


# ---------------------------------------------------------------- letters, scope, exception and policy


def placed(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line:
    """Layers 2 and 4: letters to companies, grants, the scope of the day, exceptions, review policy."""
    on = asked.shipment.on
    if asked.destination == "US":
        domestic = (Citation("15 CFR 734.13", None, None, False),)
        return Line(US_ITEM, "none", eccn, None, None, domestic, (text("inside the United States: no export"),))
    if asked.diffusion and in_force(law["places"]["diffusion"], on) and eccn.endswith("A090.a"):
        return _diffusion(asked, eccn, law)
    covered, cites = place.in_scope(asked.destination, asked.hq, law, on)
    if eccn == "3A090.c":
        covered = place.arms_embargoed(asked.destination, law, on) or place.arms_embargoed(asked.hq, law, on)
    letter = _letter(asked, law) if eccn == NONE or not covered else None
    if letter is not None:
        return _by_letter(letter, eccn)
    if eccn == NONE or not covered:
        why = text("the item is below every threshold") if eccn == NONE else text("the destination is out of scope")
        fallback = cite(law["items"]["versions"][0])
        return Line(US_ITEM, "none", eccn, None, None, cites or (fallback,), (why,))
    exempt = law["places"]["uae_exempt"]
    spared = asked.buyer_kind in exempt["kinds"] or _named(asked.buyer_name, exempt["names"])
    there = asked.destination == "AE" and in_force(exempt, on)
    if there and spared and not place.headquarters_prong(asked.hq, law, on):
        why = text("the recipient is exempt in the UAE")
        return Line(US_ITEM, "none", eccn, None, None, (cite(exempt),), (why,))
    granted = _granted(asked, law)
    if granted is not None:
        return granted if granted.eccn else Line(**{**_fields(granted), "eccn": eccn})
    return _exception_or_policy(asked, eccn, law, cites)


def _named(name: str | None, names: Iterable[str]) -> bool:
    """Whether a buyer is one of the named groups or a unit that carries its name (Microsoft UAE)."""
    words = set(party.plain(name or "").split())
    return any(set(party.plain(n).split()) <= words for n in names)


def _fields(line: Line) -> dict[str, Any]:
    return {name: getattr(line, name) for name in line.__dataclass_fields__}


def _granted(asked: Asked, law: Mapping[str, Any]) -> Line | None:
    for grant in law["licensing"]["grants"]:
        same = grant["country"] == asked.destination and _named(asked.buyer_name, (grant["name"],))
        same = same and asked.chip in grant["chips"]
        if same and in_force(grant, asked.shipment.on) and asked.shipment.quantity <= grant["quantity"]:
            why = text("granted for up to {n} chips", n=grant["quantity"])
            return Line(US_ITEM, "required", None, None, "granted", (cite(grant),), (why,))
    return None


def _letter(asked: Asked, law: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A company letter that binds this exporter for this item, place and day."""
    on, it = asked.shipment.on, asked.item
    for letter in law["licensing"]["letters"]:
        if asked.exporter not in letter["exporters"] or not in_force(letter, on):
            continue
        if not _letter_place(asked, letter, law):
            continue
        memory, links = it.memory_bandwidth or 0.0, it.io_bandwidth or 0.0
        if "sum" in letter:
            if it.accelerator and it.datacentre and _above(letter, memory, links):
                return dict(letter)
        elif _advanced(letter, it.tpp or 0.0, links) and (it.datacentre or not letter.get("datacentre")):
            return dict(letter)
    return None


def _advanced(letter: Mapping[str, Any], performance: float, links: float) -> bool:
    return bool(performance >= letter["tpp"] and links >= letter.get("io_bandwidth", 0.0))


def _above(letter: Mapping[str, Any], memory: float, links: float) -> bool:
    together = memory + links >= letter["sum"]
    return bool(memory >= letter["memory_bandwidth"] or links >= letter["io_bandwidth"] or together)


def _letter_place(asked: Asked, letter: Mapping[str, Any], law: Mapping[str, Any]) -> bool:
    on = asked.shipment.on
    if letter.get("d5"):
        owner = letter.get("headquarters") and place.arms_embargoed(asked.hq, law, on)
        return place.arms_embargoed(asked.destination, law, on) or bool(owner)
    if letter.get("scope_2023"):
        scope = next(s for s in law["places"]["scopes"] if s["id"] == "scope-2023")
        return place.listed(asked.destination, scope, law, on) or place.arms_embargoed(asked.hq, law, on)
    return asked.destination in letter["countries"]


def _by_letter(letter: Mapping[str, Any], eccn: str) -> Line:
    if letter.get("unnamed"):
        why = text("a letter to the exporter reaches customers and regions that it does not name in public")
        return Line(US_ITEM, "conditional", eccn, None, None, (cite(letter),), (why,))
    why = text("a letter to the exporter requires a licence; it binds nobody else")
    return required(eccn, letter["policy"], (cite(letter),), why)


def _exception_or_policy(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line:
    on, rules = asked.shipment.on, law["licensing"]
    scope = current(law["places"]["scopes"], on)
    concern = place.arms_embargoed(asked.destination, law, on) or bool(
        scope and scope["headquarters"] and place.arms_embargoed(asked.hq, law, on)
    )
    if eccn == "3A090.c":
        return _memory(asked, eccn, law, cites)
    eligible = eccn.endswith(".b") or (eccn.endswith(".a") and asked.item.datacentre is False)
    if eligible:
        name = "NAC_2023" if in_force(rules["exceptions"]["NAC_2023"], on) else "NAC" if concern else "ACA"
        rule = rules["exceptions"][name]
        conditions = (text("notify BIS 25 days before and wait for the number"),) if concern else ()
        why = text("not a data-centre part of 3A090.a: exception {name}", name=name.split("_")[0])
        return Line(US_ITEM, "exception", eccn, name.split("_")[0], None, (*cites, cite(rule)), (why,), conditions)
    first = rules["policy"]["first"]
    if in_force(first, on):
        friendly = asked.hq == "US" or any(place.in_group(asked.hq, g, law, on) for g in ("A5", "A6"))
        policy = CASE if friendly else DENIAL
        return required(eccn, policy, (*cites, cite(first)), text("in the scope of 2022"))
    path = _path_2026(asked, eccn, law, cites)
    if path is not None:
        return path
    policy = DENIAL if concern else APPROVAL
    why = text("Macau, D:5 or an owner there") if concern else text("Country Group D:1 or D:4, or named")
    return required(eccn, policy, (*cites, cite(rules["policy"]["second"])), why)


def _memory(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line:
    rules = law["licensing"]
    why = text("stand-alone high-bandwidth memory to Macau, D:5 or an owner there")
    if (asked.item.stack_density or 0.0) < law["items"]["hbm"]["exception_density"]:
        condition = text("bought by the packaging site, with accounting of returns")
        cited = (*cites, cite(rules["exceptions"]["HBM"]))
        return Line(US_ITEM, "exception", eccn, "HBM", None, cited, (why,), (condition,))
    return required(eccn, DENIAL, (*cites, cite(rules["policy"]["hbm"])), why)


def _path_2026(asked: Asked, eccn: str, law: Mapping[str, Any], cites: tuple[Citation, ...]) -> Line | None:
    """The case-by-case path of January 2026: from the US, to a user in China, Hong Kong or Macau, below limits."""
    path, it = law["licensing"]["policy"]["path_2026"], asked.item
    inside = in_force(path, asked.shipment.on) and asked.destination in path["countries"]
    if not inside or asked.ship_from != path["ship_from"] or it.origin not in ("US", ""):
        return None
    below = (it.tpp or 0.0) < path["tpp_below"] and (it.memory_bandwidth or 0.0) < path["memory_bandwidth_below"]
    share = asked.shipment.facts.get("share_of_us_sales")
    if not below or (share is not None and float(share) > path["share_of_us_sales"]):
        return None
    conditions = (
        text("cumulative TPP to China and Macau at most half of the same product's US sales"),
        text("test in an independent US laboratory before each shipment"),
        text("know-your-customer with control of remote users; US supply ample; no foundry capacity diverted"),
        text("no military, military-intelligence or listed end user"),
    )
    why = text("under 21,000 TPP and 6,500 GB/s, exported from the United States")
    return required(eccn, CASE, (*cites, cite(path)), why, conditions=conditions)


def _diffusion(asked: Asked, eccn: str, law: Mapping[str, Any]) -> Line:
    """The AI diffusion rule as its text stands: worldwide, with exceptions by place, owner and volume."""
    rule, exceptions = law["places"]["diffusion"], law["licensing"]["exceptions"]
    on, cites = asked.shipment.on, (cite(rule),)
    friends = rule["supplement_5a"]
    concern = place.arms_embargoed(asked.destination, law, on) or place.arms_embargoed(asked.hq, law, on)

    def excepted(name: str, why: Text) -> Line:
        return Line(US_ITEM, "exception", eccn, name, None, (*cites, cite(exceptions[name])), (why,))

    if concern:
        return required(eccn, DENIAL, cites, text("Macau, D:5 or an owner there"))
    if asked.destination in friends and asked.hq in (*friends, "US"):
        return excepted("AIA", text("destination and owner are in Supplement No. 5(a)"))
    if asked.item.datacentre is False:
        return excepted("ACA", text("not a data-centre part"))
    if asked.hq in (*friends, "US"):
        return excepted("UVEU", text("universal validated end user: 75 % at home and with friends, 7 % a country"))
    amount = (asked.item.tpp or 0.0) * asked.shipment.quantity
    if amount <= rule["low_tpp_per_year"]:
        return excepted("LPP", text("{tpp} TPP a year: low processing performance", tpp=f"{amount:.3g}"))
    policy = APPROVAL if amount <= rule["country_tpp"] else POLICY_DENIAL
    return required(eccn, policy, cites, text("{tpp} TPP against the country's allocation", tpp=f"{amount:.3g}"))
