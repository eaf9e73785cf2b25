"""Layer 2, place and owner: country groups with their history, scopes, the headquarters prong.

Hong Kong is China under the EAR since 2020-12-23; Macau is in no D:5 list and is added by hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from tokenworks.law.dated import cite, current, in_force
from tokenworks.records import Citation

CHINA, HONG_KONG, MACAU = "CN", "HK", "MO"


def in_group(country: str, group: str, law: Mapping[str, Any], on: dt.date) -> bool:
    """Whether a country is in a group of Supplement No. 1 to Part 740 on a day."""
    places = law["places"]
    asked = CHINA if country == HONG_KONG else country
    changes = [h for h in places["history"] if h["group"] == group and h["country"] == asked]
    if changes:
        return any(in_force(h, on) for h in changes)
    return asked in places["groups"][group]


def arms_embargoed(country: str, law: Mapping[str, Any], on: dt.date) -> bool:
    """Macau or Country Group D:5."""
    return country == MACAU or in_group(country, "D5", law, on)


def headquarters_prong(hq: str, law: Mapping[str, Any], on: dt.date) -> bool:
    """Headquartered, or with an ultimate parent headquartered, in Macau or D:5 (744.23(a)(3) from 2023)."""
    scope = current(law["places"]["scopes"], on)
    return bool(scope and scope["headquarters"]) and arms_embargoed(hq, law, on)


def in_scope(destination: str, hq: str, law: Mapping[str, Any], on: dt.date) -> tuple[bool, tuple[Citation, ...]]:
    """Whether 3A090/4A090 items need a licence for this destination or this owner, by place alone."""
    scope = current(law["places"]["scopes"], on)
    if scope is None:
        return False, ()
    return listed(destination, scope, law, on) or headquarters_prong(hq, law, on), (cite(scope),)


def listed(destination: str, scope: Mapping[str, Any], law: Mapping[str, Any], on: dt.date) -> bool:
    """Whether a scope names the destination: by country, or (D:1, D:4 or D:5) less (A:5 or A:6), plus Macau."""
    if "countries" in scope:
        return destination in scope["countries"]
    controlled = any(in_group(destination, g, law, on) for g in ("D1", "D4", "D5"))
    spared = any(in_group(destination, g, law, on) for g in ("A5", "A6"))
    return (controlled and not spared) or destination == MACAU or destination in scope.get("also", ())


def embargo(destination: str, law: Mapping[str, Any], on: dt.date) -> Mapping[str, Any] | None:
    """The embargo of Part 746 on a destination, or None."""
    return next((e for e in law["places"]["embargoed"] if e["country"] == destination and in_force(e, on)), None)
