"""A market beside what vendors published: how far apart, and whether the two can be compared at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from tokenworks.market.demand import Demand

NEAR = dt.timedelta(days=366)  # a figure of a period farther than this from the demand is of another market
# What a published figure is set beside: the chip's revenue in the world where it sells more, where it sells less, or
# the difference; a charge is stock and commitments, and is set beside nothing.
SAME = 1e-6  # share of a revenue within which two worlds sell the same
MEASURES = ("sales_open", "sales_barred", "lost", "charge")


def compared(
    rows: Mapping[str, Any], figures: Mapping[tuple[str, str, str], Any], demand: Demand, supply: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """A line a published figure of a country that somebody buys in, whose period is near the demand's.

    model: the market's figure, USD, None where the worlds show nothing to set beside; ratio: model / published, None
    where either is missing or nothing was published to divide by; implied_chips: published revenue / the chip's price
    there; supply: what the market data let the vendor deliver in a quarter. The demand is illustrative: a ratio says
    how far its size is from the real one.
    """
    days = [b.request.when for b in demand.buyers]
    places = {b.request.where for b in demand.buyers}
    found: list[Mapping[str, Any]] = []
    for key, row in sorted(rows.items(), key=lambda item: (item[1]["chip"], str(item[1]["to"]), item[0])):
        since, until = dt.date.fromisoformat(str(row["from"])), dt.date.fromisoformat(str(row["to"]))
        if row["country"] not in places or until < min(days) - NEAR or since > max(days) + NEAR:
            continue
        pair, sold = (figures.get(("chip", row["chip"], what)) for what in ("revenue_usd", "chips"))
        model, value = None if pair is None else _model(row["measure"], pair), float(row["value"])
        price = None if pair is None or sold is None else _price(pair, sold)
        limit = [g for g, s in supply.items() if any(fnmatchcase(row["chip"], p) for p in s["chips"])]
        found.append({
            "name": key,
            **{k: row[k] for k in ("vendor", "chip", "country", "measure", "unit", "source")},
            "note": row.get("note", ""),
            "assumed": bool(row.get("assumed", False)),
            "from": since.isoformat(),
            "to": until.isoformat(),
            "published": value,
            "model": model,
            "ratio": None if model is None or not value else model / value,
            "implied_chips": None if price is None or row["measure"] == "charge" else value / price,
            "supply": None if not limit else float(supply[limit[0]]["value"]),
        })  # fmt: skip
    return found


def _model(measure: str, pair: Mapping[str, float]) -> float | None:
    """The market's figure; None where the chip is sold in neither world, or what is measured is a difference between
    worlds that there is not."""
    ends = sorted((pair["a"], pair["b"]))
    if ends[1] <= 0.0 or (measure != "sales_open" and ends[1] - ends[0] <= SAME * ends[1]):
        return None
    return {"sales_open": ends[1], "sales_barred": ends[0], "lost": ends[1] - ends[0]}.get(measure)


def _price(paid: Mapping[str, float], sold: Mapping[str, float]) -> float | None:
    """USD a chip, from whichever world sells any."""
    return next((paid[side] / sold[side] for side in ("a", "b") if sold[side] > 0.0), None)
