"""The search: a visible tuple of passes, State to State, for each kind of job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tokenworks.records import RunOn, Serve, Train
from tokenworks.search import serving, shared, training
from tokenworks.search.choose import distinct
from tokenworks.search.problem import Problem, State

Pass = Callable[[State], State]

# Training knows its number of chips from the start; serving learns it from the load a replica carries.
PASSES: Mapping[type, tuple[Callable[[Problem], State], tuple[Pass, ...]]] = MappingProxyType(
    {
        Train: (
            training.candidates,
            (shared.screen, shared.wire, training.fit, training.time, shared.power, shared.price, distinct),
        ),
        Serve: (
            serving.candidates,
            (serving.fit, serving.time, shared.screen, shared.wire, shared.power, shared.price, distinct),
        ),
        RunOn: (
            serving.candidates,
            (serving.fit, serving.time, shared.screen, shared.wire, shared.power, shared.price, distinct),
        ),
    }
)


@dataclass(frozen=True)
class Found:
    """What is left when all passes are through, and after which pass nothing was left (None: something is)."""

    state: State
    emptied_by: str | None


def search(problem: Problem) -> Found:
    """Run one job's passes in order. "Nothing feasible" is an answer: see Found.emptied_by."""
    candidates, passes = PASSES[type(problem.job)]
    state = candidates(problem)
    emptied = None if len(state.designs) else "candidates"
    for step in passes:
        state = step(state)
        if emptied is None and not len(state.designs):
            emptied = step.__name__
    return Found(state, emptied)
