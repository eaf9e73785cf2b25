"""The long checks of `make test-all`: whole grids, more fuzz, looser limits on random requests."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks import catalog, files, law
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest
from tokenworks.law.dated import change_dates
from tokenworks.quote import quote, read_request
from tokenworks.records import Shipment, World

pytestmark = pytest.mark.long
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.integers(),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=9), x, max_size=4),
)
PLACES = ("CN", "MO", "AE", "SA", "JP", "TW", "RU", "IN", "MY", "KH", "GB", "KZ", "US")


def test_the_grid_of_chips_places_and_change_days(world: World) -> None:
    """Every data-centre chip x place x change day -1, 0, +1: it cites, and no exception stands without its name."""
    first = dt.date(2022, 8, 26)
    days = sorted({d + dt.timedelta(days=k) for d in change_dates(world.law) if d > first for k in (-1, 0, 1)})
    chips = [c.id for c in world.chips.values() if c.kind == "datacentre"]
    seen = 0
    for day in days:
        for chip in chips:
            for place in PLACES:
                verdict = law.judge(Shipment(chip, place, day), world)
                seen += 1
                assert verdict.reasons
                assert verdict.citations or verdict.licence == "none"
                assert (verdict.exception is None) == (verdict.licence != "exception")
    assert seen > 50_000


def request(pick: random.Random) -> dict:
    models = ["llama-3.1-8b", "qwen2.5-72b", "qwen3-30b-a3b"]
    job = {"model": pick.choice(models), "tokens": pick.choice([1e11, 1e12]), "within": f"{pick.choice([20, 60])} days"}
    return {
        "make": {"train": job},
        "where": pick.choice(["US", "JP", "AE", "CN"]),
        "when": pick.choice(["2024-06-01", "2025-06-01", "2026-03-01"]),
        "limits": {"power": pick.choice([1e6, 1e7]), "budget": pick.choice([2e7, 2e8])},
        "acquire": "buy",
    }


@pytest.mark.parametrize("seed", range(30))
def test_looser_limits_never_make_the_best_dearer(seed: int, facts: Catalog) -> None:
    tight = request(random.Random(seed))
    loose = {**tight, "limits": {k: 2 * v for k, v in tight["limits"].items()}}
    best = []
    for asked in (read_request(tight), read_request(loose)):
        designs = quote(asked, catalog.world(facts, asked.when)).content["designs"]
        standing = {s: min((d["cost"]["total_usd"] for d in designs if d["law"]["standing"] == s), default=None)
                    for s in ("lawful", "licence")}  # fmt: skip
        best.append(standing)
    for standing, price in best[0].items():
        if price is not None:
            assert best[1][standing] <= price * (1 + 1e-9)


@given(ANYTHING)
@settings(max_examples=20_000, deadline=None)
def test_anything_at_all_is_read_or_refused(value: object) -> None:
    try:
        read_request(value)
    except BadRequest as error:
        assert error.field


@given(st.binary(max_size=400))
@settings(max_examples=20_000, deadline=None)
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        files.parse(raw.decode("utf-8", "replace"))
    except BadRequest as error:
        assert error.field
