"""Nuclear treaties: the NPT, IAEA safeguards, the Nuclear Suppliers Group, and Japan's agreement with the US.

They touch the reactor that feeds a factory and a nuclear use, never the chip's own class. Leaving the NPT ends the
safeguards agreement that rests on it, and with it the ground on which suppliers deliver.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from tokenworks.errors import BadRequest
from tokenworks.language import Text, text
from tokenworks.law import place
from tokenworks.law.asked import Asked
from tokenworks.law.dated import cite, in_force
from tokenworks.law.end_use import NUCLEAR
from tokenworks.records import Citation, Line

REGIME = "NPT and NSG"
JAPAN = "JP"


def leaves_on(facts: Mapping[str, Any], law: Mapping[str, Any]) -> dt.date | None:
    """The day on which a withdrawal notified on `npt_withdrawal_notice` takes effect (Article X: three months).

    Raises BadRequest where the fact is no date.
    """
    notice = facts.get("npt_withdrawal_notice")
    if notice is None:
        return None
    try:
        day = dt.date.fromisoformat(str(notice))
    except ValueError as error:
        raise BadRequest(
            "expected a date such as 2025-05-02, read '{value}'", field="facts.npt_withdrawal_notice", value=notice
        ) from error
    months = day.month - 1 + int(law["regimes"]["nuclear"]["notice_months"])
    first = dt.date(day.year + months // 12, months % 12 + 1, 1)
    following = (first + dt.timedelta(days=31)).replace(day=1)
    return first.replace(day=min(day.day, (following - dt.timedelta(days=1)).day))


def line(asked: Asked, law: Mapping[str, Any]) -> tuple[Line, ...]:
    """The line of the treaties for a nuclear use, or for a destination that has given notice; else nothing."""
    leaving = leaves_on(asked.facts, law)
    if asked.use != NUCLEAR and leaving is None:
        return ()
    rules = law["regimes"]["nuclear"]
    cites = (cite(rules["treaty"]), cite(rules["suppliers"]))
    if leaving is not None and asked.on >= leaving:
        return (_left(asked, law, cites, leaving),)
    outside = any(o["country"] == asked.destination and in_force(o, asked.on) for o in rules["outside"])
    if outside:
        why = text("outside the NPT: suppliers of the group ask for full-scope safeguards first")
        return (Line(REGIME, "required", None, None, "presumption_of_denial", cites, (why,)),)
    supplier = asked.destination in rules["suppliers"]["also"] or place.in_group(asked.destination, "A4", law, asked.on)
    why = (
        text("party to the NPT and a member of the suppliers group: supply under safeguards goes on")
        if supplier
        else text("party to the NPT: supply under full-scope safeguards")
    )
    ends = () if leaving is None else (text("from {day} on the withdrawal takes effect", day=leaving.isoformat()),)
    return (Line(REGIME, "conditional", None, None, None, cites, (why,), ends),)


def _left(asked: Asked, law: Mapping[str, Any], cites: tuple[Citation, ...], since: dt.date) -> Line:
    """After withdrawal: what ends, what may be asked back, what stays."""
    rules = law["regimes"]["nuclear"]
    reasons: tuple[Text, ...] = (
        text(
            "the withdrawal from the NPT took effect on {day}; its safeguards agreement lapses", day=since.isoformat()
        ),
        text("suppliers stop fuel, reactor parts and enrichment services: no new nuclear power for the factory"),
        text("the chip's own class does not change: 3A090 does not ask for the NPT"),
    )
    if asked.destination == JAPAN:
        japan = rules["japan"]
        cites = (*cites, *(cite(japan[name]) for name in ("party", "safeguards", "agreement", "principles")))
        reasons = (
            *reasons,
            text("the United States may end cooperation and ask for the return of what it supplied (Art. 12)"),
            text("the three non-nuclear principles are policy, not law: leaving the treaty does not repeal them"),
        )
    return Line(REGIME, "required", None, None, "policy_of_denial", cites, reasons)
