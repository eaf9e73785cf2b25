"""The compiled pass: made from the column formulas, equal to them, and no second version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tokenworks import catalog, cost
from tokenworks.catalog import Catalog
from tokenworks.errors import Defect
from tokenworks.kernels import compiler
from tokenworks.quote.request import read_request
from tokenworks.quote.story import problems, resolved
from tokenworks.search import Found, fused, nest, search, shared, training
from tokenworks.search.choose import front, preference
from tokenworks.search.problem import Problem, State
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
    """Memory, time, energy, cost of ownership and rent of every design to 1e-9 of the columns'."""
    problem = asked(facts, model=model, limits={"chips": [chip]})
    blocks = 0
    for state, index, precision, sizes in training.parts(problem, exhaustive=True):
        block, offer = (index, precision), problem.offers[index]
        full = fused.spanned(training.shape_of(problem, offer), sizes.tried).space
        assert full is not None
        source, run = fused.prepared(state, block, full, fused.grounded(state, index, sizes.tried))
        gates = run.gates.copy()
        for name, value in (("excluded", -1), ("powered", 1), ("buy", 1), ("rent", 1)):
            gates[:, :, nest.GATES.index(name)] = value  # no limit cuts anything, and all are equally good:
        run = run._replace(caps=np.full(4, np.inf), first=np.zeros(3), gates=gates)  # everything is handed back
        with np.errstate(divide="ignore", invalid="ignore"):
            found = run.through(interpreted(source), 1 << 18)
        assert found is not None
        rows, values = found
        assert len(rows) == run.counts[0]
        some = np.linspace(0, len(rows) - 1, 5000).astype(int)
        designs = fused.designs_of(run, rows[some], block)
        part = State(problem, designs, verdicts=state.verdicts, exhaustive=True, dead=np.zeros(len(some), np.bool_))
        part = shared.power(training.time(training.fit(shared.judge_all(shared.wire(part)))))
        _, owned = shared.owning(part)
        rent = cost.renting(designs["chips"].astype(float), shared.rent(problem, offer), part.designs["time"])
        for name, column in (("memory", part.designs["memory_needed"]), ("time", part.designs["time"]),
                             ("energy", part.designs["energy"]), ("owned", owned.total), ("rent", rent)):  # fmt: skip
            place = nest.RESULTS.index(name)
            np.testing.assert_allclose(values[some, place], column, rtol=1e-9)
            assert run.least[place] == values[:, place].min() or np.isnan(values[:, place]).all()
        blocks += 1
    assert blocks


def _same(problem: Problem, compile_: Callable[[str], Callable[..., None]]) -> None:
    bounded, columns = search(problem), search(problem, exhaustive=True)
    compiled = search(problem, exhaustive=True, score=fused.scorer(compile_))
    assert points(compiled) == points(columns) == points(bounded)
    a, b = compiled.state, columns.state
    assert (a.spanned, a.scored, a.cut, a.beaten) == (b.spanned, b.scored, b.cut, b.beaten)
    assert points(compiled) or not len(b.designs)


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


def test_a_trace_writes_each_thing_once_as_far_out_as_it_can_and_refuses_branches() -> None:
    t = Trace(("j", "k"))
    a, b = t.axis("j"), t.gathered("b", ("k",))
    twice = a * 2.0
    c = np.where(a * b > 3.0, np.maximum(a, b), (a + b) ** 4.0) + (a * b) + twice
    inside = {2: [f"out[i0, i1] = {t.written(c)}"]}
    source = "\n".join(["import math", "def score(P, A0, A1, T0, out):", *t.loops(inside)])
    out = np.empty((2, 2))
    interpreted(source)(np.array(t.parameters), np.array([1.0, 4.0]), np.zeros(2), np.array([5.0, 2.0]), out)
    assert out.tolist() == [[5.0 + 5.0 + 2.0, 3.0**4 + 2.0 + 2.0], [5.0 + 20.0 + 8.0, 4.0 + 8.0 + 8.0]]
    assert sum("v0 * v1" in line for line in t.lines) == 1
    assert t.levels[twice.place] == 1  # worked out before the inner loop
    with pytest.raises(Defect):
        bool(a > b)
    with pytest.raises(Defect):
        np.sin(a)
    with pytest.raises(Defect):
        np.sum(a)
    assert isinstance(np.clip(a, 0.0, 1.0), Symbol)
