"""Why this design: draws within error bars, turning points, and why not another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tokenworks import catalog
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest, UnknownFact
from tokenworks.quote import quote, read_request
from tokenworks.quote.story import problems, resolved
from tokenworks.quote.uncertain import levers_of
from tokenworks.quote.whynot import why_not, without_rules
from tokenworks.records import Request, World
from tokenworks.search import search
from tokenworks.search.chance import chances, factors, normals
from tokenworks.search.levers import PRICE, SPEED, Costed, Lever

ASKED: Mapping[str, Any] = {
    "make": {"train": {"model": "llama-3.1-8b", "tokens": 1e12, "within": "60 days"}},
    "where": "US",
    "when": "2025-06-01",
    "limits": {"chips": ["h100", "h200", "mi300x"]},
    "acquire": "buy",
}
CHINA: Mapping[str, Any] = {**ASKED, "where": "CN", "limits": {"chips": ["h100", "ascend-910b"]}}


def asked(facts: Catalog, source: Mapping[str, Any] = ASKED) -> tuple[Request, World]:
    request = read_request(source)
    return request, catalog.world(facts, request.when)


def best(request: Request, world: World) -> str:
    return str(quote(request, world).content["best"]["train"])


def test_levers_at_one_give_the_search_s_own_figures(facts: Catalog) -> None:
    request, world = asked(facts, {**ASKED, "acquire": "either"})
    (problem,) = problems(resolved(request, world), world)
    state = search(problem).state
    found = levers_of(state)
    same = Costed(state, found, np.ones((1, len(found.levers))))
    for name in ("total", "capital", "time", "energy", "carbon", "tokens_per_s"):
        np.testing.assert_allclose(same[name][0], state.designs[name], rtol=1e-12)


def test_the_winner_turns_where_sensitivity_says(facts: Catalog) -> None:
    """Prices are moved to either side of each turning point and the whole request is answered again."""
    request, world = asked(facts)
    content = quote(request, world).content
    turns = [t for t in content["sensitivity"]["train"] if t["kind"] == PRICE and t["winner"] and "/" in t["lever"]]
    assert turns
    for turn in turns[:3]:
        key = turn["lever"].removeprefix("prices/")
        seen = []
        for beyond in (-0.003, 0.003):
            factor = turn["factor"] * (1.0 + beyond * np.sign(turn["factor"] - 1.0))
            moved = replace(world.prices[key], value=world.prices[key].value * factor)
            seen.append(best(request, replace(world, prices={**world.prices, key: moved})))
        assert seen[0] == content["best"]["train"]
        assert seen[1] == turn["winner"]


def test_shares_add_up_and_are_always_the_same(facts: Catalog) -> None:
    request, world = asked(facts)
    (problem,) = problems(resolved(request, world), world)
    state = search(problem).state
    found = levers_of(state)
    drawn, again = (chances(state, found, 0.03, draws=2000) for _ in range(2))
    assert drawn.share.sum() + drawn.none == pytest.approx(1.0)
    assert np.array_equal(drawn.share, again.share)
    for place in range(len(drawn.rows)):
        low, middle, high = drawn.quantiles(place)
        assert low <= middle <= high
    still = replace(found, levers=tuple(lever._replace(low=1.0, high=1.0) for lever in found.levers))
    sure = chances(state, still, 0.03, draws=50)
    assert sure.share[0] == 1.0


def test_draws_keep_their_interval() -> None:
    """80 of 100 draws of a lever lie between its ends, and the part that is each design's own is taken off."""
    speed, price = Lever("speed/x", SPEED, 1.0, "", 0.8, 1.4), Lever("prices/x", PRICE, 5.0, "USD", 0.9, 1.6)
    drawn = factors((speed, price), 0.05, 40_000)
    together = drawn[:, 0] * np.exp(0.05 * normals("own", 40_000))
    for column, lever in ((together, speed), (drawn[:, 1], price)):
        assert np.quantile(column, 0.1) == pytest.approx(lever.low, rel=0.01)
        assert np.quantile(column, 0.9) == pytest.approx(lever.high, rel=0.01)
    assert np.median(drawn[:, 1]) == pytest.approx(1.0, rel=0.01)


def test_why_not_names_what_binds_or_by_how_much_it_loses(facts: Catalog) -> None:
    request, world = asked(facts)
    content = quote(request, world).content
    first = content["best"]["train"]
    assert why_not(request, world, first)["status"] == "best"
    for design in content["designs"][1:]:
        told = why_not(request, world, design["id"])
        assert told["design"]["id"] == design["id"]
        assert told["status"] == ("front" if design["id"] in content["front"] else "beaten")
        assert told["by"]["total_usd"]["this"] == pytest.approx(design["cost"]["total_usd"])
        assert told["against"] == first
    for spec, reason in (
        ("chip=h100 tp=3", "attention heads are not a multiple of tp"),
        ("chip=h100 tp=16", "tensor parallel does not reach beyond a scale-up domain"),
        ("chip=h100 chips=8", "is too slow"),
        ("chip=h100 chips=100 tp=8", "chips are not a multiple of tp x pp x cp"),
        ("chip=gb200", "limits.chips"),
    ):
        told = why_not(request, world, spec)
        assert (told["status"], told["binding"]["reason"]) == ("cut", reason), spec
    assert why_not(request, world, "chip=h100 chips=8")["nearest"]["change"] == "make.train.within"


def test_why_not_takes_sizes_off_the_grid(facts: Catalog) -> None:
    request, world = asked(facts)
    told = why_not(request, world, "system=hgx-h100-8 chips=136 tp=1 pp=1 dp=136")
    assert told["status"] in ("beaten", "front", "best", "cut")
    assert told.get("design", {"chips": 136})["chips"] == 136


@pytest.mark.parametrize(
    ("spec", "error"),
    [("h100", BadRequest), ("tp=x", BadRequest), ("tp=0", BadRequest), ("chip=h1000", UnknownFact),
     ("system=nonsense", UnknownFact), ("make=serve", BadRequest), ("precision=fp3", BadRequest),
     ("chips=64 tp=8 pp=1 dp=3", BadRequest), ("acquire=steal", BadRequest), ("", BadRequest)],
)  # fmt: skip
def test_why_not_refuses_what_it_cannot_read(facts: Catalog, spec: str, error: type[Exception]) -> None:
    request, world = asked(facts)
    with pytest.raises(error):
        why_not(request, world, spec)


def test_the_rules_that_change_the_winner_are_named(facts: Catalog) -> None:
    request, world = asked(facts, CHINA)
    told = why_not(request, world, "chip=h100")
    assert told["binding"]["reason"] == "barred by export rules"
    assert told["binding"]["citations"]
    (job,) = without_rules(request, world)
    assert "910b" in job["best"]
    assert "h100" in job["without"]
    assert job["citations"]
    (home,) = without_rules(*asked(facts))
    assert home["without"] is None
