"""Layer 2, place and owner: country groups with their history, scopes, the headquarters prong.

Hong Kong is China under the EAR since 2020-12-23; Macau is in no D:5 list and is added by hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from tokenworks.law.dated import current, holding, in_force

CHINA, HONG_KONG, MACAU, HOME = "CN", "HK", "MO", "US"


def in_group(country: str, group: str, law: Mapping[str, Any], on: dt.date) -> bool:
    """Whether a country is in a group of Supplement No. 1 to Part 740 on a day."""
    places = law["places"]
    asked = CHINA if country == HONG_KONG and in_force(places["hong_kong"], on) else country
    changes = [h for h in places["history"] if h["country"] == asked and h["group"] == group]
    return bool(holding(changes, on)) if changes else asked in places["groups"][group]


def arms_embargoed(country: str, law: Mapping[str, Any], on: dt.date) -> bool:
    """Macau or Country Group D:5."""
    return country == MACAU or in_group(country, "D5", law, on)


def friendly(country: str, law: Mapping[str, Any], on: dt.date) -> bool:
    """The United States or Country Group A:5 or A:6."""
    return country == HOME or any(in_group(country, g, law, on) for g in ("A5", "A6"))


def of_concern(destination: str, hq: str, law: Mapping[str, Any], on: dt.date) -> bool:
    """Macau or D:5 as a destination or, where the scope of the day has a headquarters prong, as an owner.

    The prong: headquartered, or with an ultimate parent headquartered, there (744.23(a)(3) from 2023).
    """
    scope = current(law["places"]["scopes"], on)
    owned = scope is not None and scope["headquarters"] and arms_embargoed(hq, law, on)
    return arms_embargoed(destination, law, on) or bool(owned)


def within(destination: str, hq: str, scope: Mapping[str, Any], law: Mapping[str, Any], on: dt.date) -> bool:
    """Whether a scope reaches a shipment to this destination for this owner.

    The scopes of 2022 name countries; from 2023 on: (D:1, D:4 or D:5) less (A:5 or A:6), what is named beside
    them, and owners in Macau or D:5 anywhere.
    """
    if "countries" in scope:
        return destination in scope["countries"]
    if scope["headquarters"] and arms_embargoed(hq, law, on):
        return True
    controlled = any(in_group(destination, g, law, on) for g in ("D1", "D4", "D5"))
    spared = any(in_group(destination, g, law, on) for g in ("A5", "A6"))
    return (controlled and not spared) or destination in scope["also"]


def embargo(destination: str, law: Mapping[str, Any], on: dt.date) -> Mapping[str, Any] | None:
    """The embargo of Part 746 on a destination, or None."""
    return current((e for e in law["places"]["embargoed"] if e["country"] == destination), on)
