"""The compiled pass: made from the column formulas, equal to them, and no second version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tokenworks import catalog
from tokenworks.app.kernels import compiler
from tokenworks.catalog import Catalog
from tokenworks.errors import Defect
from tokenworks.quote.request import read_request
from tokenworks.quote.story import problems, resolved
from tokenworks.search import Found, fused, search, shared, training
from tokenworks.search.choose import front, preference
from tokenworks.search.problem import Problem
from tokenworks.search.trace import Symbol, Trace


def interpreted(source: str) -> Callable[..., None]:
    """The same function, run by Python itself."""
    scope: dict[str, Any] = {}
    exec(source, scope)
    return scope["score"]


def asked(facts: Catalog, **more: Any) -> Problem:
    train = {"model": more.pop("model", "llama-3.1-8b"), "tokens": 1e10, "within": "30 days"}
    source = {"make": {"train": train}, "where": "US", "when": "2025-06-01",
              "limits": {"chips": ["h100"], "chips_max": 32, **more.pop("limits", {})}, **more}  # fmt: skip
    request = read_request(source)
    world = catalog.world(facts, request.when)
    return problems(resolved(request, world), world)[0]


def points(found: Found) -> list[tuple[float, ...]]:
    d = found.state.designs
    rows = front(d, preference(found.state)) if len(d) else []
    return sorted({tuple(float(f"{d[n][r]:.12g}") for n in ("total", "time", "energy", "carbon")) for r in rows})


@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen3-30b-a3b"])
@pytest.mark.parametrize("chip", ["h100", "mi300x", "ascend-910b", "tpu-v5p"])
def test_scalar_equals_vector(facts: Catalog, model: str, chip: str) -> None:
    """Memory, time, energy, cost of ownership and rent of single designs to 1e-9 of the columns'."""
    problem = asked(facts, model=model, limits={"chips": [chip]})
    seen: list[Any] = []

    def keeping(source: str) -> Callable[..., None]:
        function = interpreted(source)

        def run(p: Any, x: Any, i: Any, out: Any, *tables: Any) -> None:
            some = np.linspace(0, out.shape[1] - 1, 200).astype(int)
            part = np.empty((out.shape[0], len(some)))
            with np.errstate(divide="ignore", invalid="ignore"):
                function(p, x[:, some], i[:, some], part, *tables)
            out[:] = np.inf
            seen.append((some, part))

        return run

    for block in training.blocks(problem, exhaustive=True):
        state = block()
        seen.clear()
        fused.scorer(keeping).score(state)
        whole = shared.wire(state)
        n = len(state.designs)
        for k, over in enumerate((1, 2, 4)):
            rows, scored = seen[k]
            d = whole.designs.take(whole.designs["oversubscription"] == over)
            at = {tuple(r): j for j, r in enumerate(_keys(d))}
            there = [(j, at[key]) for j, key in enumerate(_keys(state.designs.take(rows))) if key in at]
            if not there:
                continue
            mine, theirs = (np.array(x) for x in zip(*there, strict=True))
            part = whole.__class__(problem, d.take(theirs), verdicts=whole.verdicts)
            part = shared.power(training.time(training.fit(shared.judge_all(part))))
            if len(part.designs) < len(theirs):
                continue  # a limit cut some: the other sizes have been compared
            bought, owned = shared.owning(part)
            for name, column in (("memory", part.designs["memory_needed"]), ("time", part.designs["time"]),
                                 ("energy", part.designs["energy"]), ("owned", owned.total)):  # fmt: skip
                np.testing.assert_allclose(scored[fused.RESULTS.index(name)][mine], column, rtol=1e-9)
            assert bought is not None
        assert n


def _keys(d: Any) -> list[tuple[int, ...]]:
    names = ("chips", "tp", "pp", "vpp", "cp", "ep", "micro_batch", "recompute", "zero")
    return [tuple(row) for row in np.stack([d[n] for n in names], axis=1).tolist()]


def _same(problem: Problem, compile_: Callable[[str], Callable[..., None]]) -> None:
    bounded, columns = search(problem), search(problem, exhaustive=True)
    compiled = search(problem, exhaustive=True, score=fused.scorer(compile_))
    assert points(compiled) == points(columns) == points(bounded)
    a, b = compiled.state, columns.state
    assert (a.spanned, a.scored) == (b.spanned, b.scored)
    ways = ("has no known rent", "is not sold, only rented", "costs more than the budget")  # of designs that are left
    assert {k: n for k, n in a.cut.items() if k not in ways} == {k: n for k, n in b.cut.items() if k not in ways}


CASES: tuple[Mapping[str, Any], ...] = (
    {},
    {"prefer": "time", "limits": {"power": 3e4}},
    {"where": "CN", "limits": {"chips": ["h100", "ascend-910b"], "budget": 3e6}},
    {"acquire": "rent", "limits": {"chips_max": 16}},
)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_compiled_pass_gives_the_same_front_and_counts(facts: Catalog, case: int) -> None:
    """Run by Python itself, so that nothing hangs on the compiler."""
    one = CASES[case]
    limits = {"chips_max": 16, **one.get("limits", {})}
    with np.errstate(divide="ignore", invalid="ignore"):
        _same(asked(facts, **{**one, "limits": limits}), interpreted)


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_compiled_for_real(facts: Catalog, tmp_path: Path) -> None:
    _same(asked(facts, model="qwen3-30b-a3b", limits={"chips_max": 256}), compiler(tmp_path))
    assert list(tmp_path.glob("score_*.py"))


def test_a_trace_writes_each_thing_once_and_refuses_branches() -> None:
    t = Trace()
    a, b = t.column("a"), t.gathered("b", "k")
    c = np.where(a * b > 3.0, np.maximum(a, b), (a + b) ** 4.0) + (a * b)
    function = interpreted(t.source({"c": c}))
    out, x = np.empty((1, 2)), np.array([[1.0, 4.0]])
    function(np.array(t.parameters), x, np.array([[1, 0]], np.int32), out, np.array([5.0, 2.0]))
    assert out[0].tolist() == [max(1.0, 2.0) ** 0 * (1.0 + 2.0) ** 4 + 2.0, 5.0 + 20.0]
    assert sum("v0 * v1" in line for line in t.lines) == 1
    with pytest.raises(Defect):
        bool(a > b)
    with pytest.raises(Defect):
        np.sin(a)
    with pytest.raises(Defect):
        np.sum(a)
    assert isinstance(np.clip(a, 0.0, 1.0), Symbol)
