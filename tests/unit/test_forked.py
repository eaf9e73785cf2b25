"""Blocks side by side: the same answers in the same order, whatever happens to a child."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tokenworks import catalog
from tokenworks.app import forked
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest
from tokenworks.quote import read_request
from tokenworks.quote.story import problems, resolved
from tokenworks.search import search

PARENT = os.getpid()


def _square(x: int) -> int:
    return x * x


def _lost(x: int) -> int:
    if os.getpid() != PARENT:
        os._exit(1)
    return x * x


def _refused(x: int) -> int:
    raise BadRequest("no", field=f"item {x}")


@pytest.mark.parametrize("work", [_square, _lost])
def test_every_item_is_answered_in_order(work: object) -> None:
    assert forked.each(work, range(7)) == [x * x for x in range(7)]  # type: ignore[arg-type]


def test_an_error_is_the_first_one_s_and_nothing_of_a_child_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadRequest) as met:
        forked.each(_refused, range(4))
    assert met.value.field == "item 0"
    assert capfd.readouterr().err == ""


def test_a_search_side_by_side_finds_the_same(facts: Catalog) -> None:
    source = {
        "make": {"train": {"model": "llama-3.1-8b", "tokens": "100B", "sequence": 4096, "within": "60 d"}},
        "where": "US", "when": "2025-05-02", "limits": {"chips_max": 256},
    }  # fmt: skip
    request = read_request(source)
    world = catalog.world(facts, request.when)
    (problem,) = problems(resolved(request, world), world)
    one, two = search(problem).state, search(problem, score=forked.scorer()).state
    assert len(one.designs) > 0
    assert two.problem is problem
    assert one.designs.columns.keys() == two.designs.columns.keys()
    for name, column in one.designs.columns.items():
        np.testing.assert_array_equal(column, two.designs[name])
    assert (one.cut, one.bounded, one.scored, one.beaten) == (two.cut, two.bounded, two.scored, two.beaten)
    assert one.verdicts.keys() == two.verdicts.keys()
