"""Catalog at a date -> World: what was launched, the last prices, the rules known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from statistics import median

from tokenworks.catalog.reader import KINDS, Catalog, Price, aliases, fold
from tokenworks.errors import UnknownFact, nearest
from tokenworks.language import Text
from tokenworks.records import Chip, Fact, World

PURCHASE, RENT = "purchase", "rent"
NAMED = {"chips": "chip", "systems": "system", "models": "model", "sites": "country"}


def world(catalog: Catalog, on: dt.date) -> World:
    """Everything known and in force on a day.

    Chips launched on or before it (launch unknown: announcement plus the constant `launch_lag`), the last
    price of each item on or before it (else the nearest, said in its note), all rules.
    """
    lag = dt.timedelta(seconds=float(catalog.constants["launch_lag"].value))
    chips = {k: c for k, c in catalog.chips.items() if (day := launched(c, lag)) is not None and day <= on}
    systems = {k: s for k, s in catalog.systems.items() if s.chip in chips}
    known_to = dt.date.fromisoformat(str(catalog.law.get("meta", {}).get("known_to", dt.date.max)))
    return World(
        date=on,
        catalog=catalog.digest,
        chips=chips,
        systems=systems,
        switches=catalog.switches,
        nics=catalog.nics,
        optics=catalog.optics,
        models=catalog.models,
        sites=catalog.sites,
        prices=_prices(catalog, chips, on),
        constants=catalog.constants,
        law=catalog.law,
        calibration=catalog.calibration,
        aliases={kind: aliases(catalog.entries(kind)) for kind in KINDS},
        law_known_to=known_to,
        stale=on > known_to,
        overlays=catalog.overlays,
        market=catalog.market,
    )


def first_day(value: str) -> dt.date | None:
    """The first day of a day, month, quarter, half or year as ISO text; None where it is none.

    >>> first_day("2025-Q3"), first_day("2026-H2"), first_day("2024")
    (datetime.date(2025, 7, 1), datetime.date(2026, 7, 1), datetime.date(2024, 1, 1))
    >>> first_day("2025-13"), first_day("soon")
    (None, None)
    """
    text = value.strip()[:10]
    year, _, rest = text.partition("-")
    rest = rest.split(" ")[0]
    try:
        if rest.startswith("Q"):
            return dt.date(int(year), 3 * int(rest[1:2]) - 2, 1)
        if rest.startswith("H"):
            return dt.date(int(year), 6 * int(rest[1:2]) - 5, 1)
        month, _, day = rest.partition("-")
        return dt.date(int(year[:4]), int(month) if month.isdigit() else 1, int(day) if day.isdigit() else 1)
    except ValueError:  # no such day
        return None


def launched(chip: Chip, lag: dt.timedelta) -> dt.date | None:
    """The day a chip counts as launched; None where not even an announcement is known."""
    stated = chip.get("launched")
    if stated is not None:
        return first_day(str(stated))
    announced = chip.get("announced")
    day = first_day(str(announced)) if announced is not None else None
    return None if day is None else day + lag


# ------------------------------------------------------------------------------------------- prices


def _prices(catalog: Catalog, chips: Mapping[str, Chip], on: dt.date) -> Mapping[str, Fact]:
    by_key: dict[str, list[Price]] = {}
    for price in catalog.prices:
        by_key.setdefault(f"{price.item}/{price.kind}", []).append(price)
    found = {key: _at(rows, on) for key, rows in by_key.items()}
    for chip in chips.values():
        key = f"{chip.id}/{PURCHASE}"
        if key not in found and (guess := _from_peers(chip, chips, found)) is not None:
            found[key] = guess
    return found


def _at(rows: list[Price], on: dt.date) -> Fact:
    """The last price on or before a day, else the nearest after it, marked so."""
    dated = sorted(rows, key=lambda p: (p.fact.date or "", p.fact.value))
    before = [p for p in dated if (day := first_day(p.fact.date or "")) is not None and day <= on]
    if before:
        return before[-1].fact
    later = dated[0].fact
    return replace(later, assumed=True, note=f"nearest known price, of {later.date}; {later.note}".strip("; "))


def _from_peers(chip: Chip, chips: Mapping[str, Chip], prices: Mapping[str, Fact]) -> Fact | None:
    """An unpriced chip at its own vendor's USD per 16-bit FLOP/s in the same generation, marked assumed.

    None without a peer: then the chip stays unpriced.
    """
    rate = chip.get("peak_bf16") or chip.get("peak_fp16")
    if not rate or not chip.vendor:
        return None
    ratios = []
    for peer in chips.values():
        price = prices.get(f"{peer.id}/{PURCHASE}")
        own = peer.get("peak_bf16") or peer.get("peak_fp16")
        same = peer.vendor == chip.vendor and peer.generation == chip.generation and peer.kind == chip.kind
        if same and peer.id != chip.id and price is not None and own:
            ratios.append(price.value / own)
    if not ratios:
        return None
    return Fact(
        value=median(ratios) * rate,
        unit="USD",
        source="assumed: median price per 16-bit FLOP/s of the same vendor's priced chips of the same generation",
        low=min(ratios) * rate,
        high=max(ratios) * rate,
        assumed=True,
    )


# -------------------------------------------------------------------------------------------- names


def expand(world: World, kind: str, name: str, field: str) -> tuple[str, ...]:
    """The ids that a name means: one for an id or alias, all variants for a family word.

    Raises UnknownFact with the nearest name. Names that exist but are not launched yet are unknown at the date.
    """
    entries = getattr(world, kind)
    found = world.aliases[kind].get(fold(name), ())
    present = tuple(i for i in found if i in entries)
    if present:
        return present
    if found:
        raise UnknownFact("'{value}' was not launched on {date}", field=field, value=name, date=world.date.isoformat())
    what = NAMED.get(kind, kind)
    close = nearest(name.casefold(), entries)
    if close is None:
        raise UnknownFact(
            "the {kind} '{value}' is not in the catalog; 'tokenworks catalog list {list}' names all",
            field=field, kind=Text(what), value=name, list=Text(kind),
        )  # fmt: skip
    raise UnknownFact(
        "the {kind} '{value}' is not in the catalog; did you mean '{nearest}'?",
        field=field, kind=Text(what), value=name, nearest=close,
    )  # fmt: skip


def resolve(world: World, kind: str, name: str, field: str) -> str:
    """The one id that a name means. A family word is refused with the names of its variants, unless one of
    them carries the bare word among its own aliases: its plain meaning (h100 is the SXM part).
    """
    found = expand(world, kind, name, field)
    if len(found) == 1:
        return found[0]
    plain = [i for i in found if fold(name) in map(fold, getattr(world, kind)[i].aliases)]
    if len(plain) == 1:
        return plain[0]
    raise UnknownFact(
        "'{value}' means several; name one of {allowed}",
        field=field,
        value=name,
        allowed=Text(", ".join(found)),
    )
