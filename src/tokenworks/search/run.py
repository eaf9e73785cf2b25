"""The search: a visible tuple of passes, State to State, for each kind of job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tokenworks.records import Designs, RunOn, Serve, Train
from tokenworks.search import bounds, load, serving, shared, training
from tokenworks.search.choose import contenders, distinct
from tokenworks.search.problem import Problem, State

Pass = Callable[[State], State]
Blocks = Callable[[Problem, bool], Iterable[Callable[[], State]]]


class Scorer(NamedTuple):
    """blocks: the blocks of an exhaustive training search with everything scored in one go (search/fused.py): what is
    left of them goes through the passes; None: the search makes its own. each: maps the passes over the blocks, in
    order: `map`, or side by side."""

    blocks: Callable[[Problem], Iterable[Callable[[], State]]] | None
    each: Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]] = map


def _at_once(problem: Problem, exhaustive: bool) -> Iterable[Callable[[], State]]:
    """Few splits of a replica: one block."""
    return [partial(_held if isinstance(problem.job, RunOn) else serving.candidates, problem, exhaustive)]


def _held(problem: Problem, exhaustive: bool) -> State:
    state = serving.candidates(problem, exhaustive)
    held = np.ones(len(state.designs), np.bool_)
    for name, value in problem.fixed.items():
        if name in state.designs.columns:
            held &= state.designs[name] == value
    return state.keep(held, load.HELD)


# Training knows its number of chips from the start; serving learns it from the load a replica carries.
PASSES: Mapping[type, tuple[Blocks, tuple[Pass, ...]]] = MappingProxyType(
    {
        Train: (
            training.blocks,
            (shared.screen, training.fit, training.hopeful, shared.wire, training.time, bounds.fastest, shared.power,
              shared.price, contenders, distinct),
        ),
        Serve: (
            _at_once,
            (shared.screen_least, serving.fit, load.time, shared.screen, shared.wire, shared.power, shared.price,
             contenders, distinct),
        ),
        RunOn: (
            _at_once,
            (serving.fit, load.time, shared.screen, shared.wire, shared.power, shared.price, contenders, distinct),
        ),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What is left when all passes are through, and after which pass nothing was left (None: something is)."""

    state: State
    emptied_by: str | None


def unscreened(state: State) -> State:
    """Judge every design, and let all of them through as lawful: what the rules change."""
    judged = shared.judge_all(state)
    return replace(judged, designs=judged.designs.with_(standing=np.zeros(len(judged.designs), np.int64)))


def search(
    problem: Problem, exhaustive: bool = False, screen: Pass = shared.screen, score: Scorer | None = None
) -> Found:
    """Run one job's passes, block by block, in order. "Nothing feasible" is an answer: see Found.emptied_by.

    exhaustive: no bound cuts anything, and everything is computed for every design of the space that divides.
    screen: the pass that stands for the law. score: how blocks are gone over and, in an exhaustive training search,
    scored in one go; None: one after the other, by the passes.
    """
    make, every = PASSES[type(problem.job)]
    passes = tuple(screen if step is shared.screen else step for step in every)
    if screen is not shared.screen:  # what stands for the law judges what is sized
        passes = tuple(step for step in passes if step is not shared.screen_least)
    each: Callable[..., Iterable[tuple[State, int]]] = map if score is None else score.each
    blocks = make(problem, exhaustive)
    if exhaustive and isinstance(problem.job, Train):  # first of all, what is no network is no design
        passes = (shared.wire, *(step for step in passes if step is not shared.wire))
        if score is not None and score.blocks is not None:
            blocks = score.blocks(problem)
    last, done, binding = -1, [], ("", "")
    for state, here in each(partial(_run, passes), blocks):
        if here > last or not binding[0]:
            binding = state.binding
        last = max(last, here)
        done.append(state)
    names = ["candidates", *(step.__name__ for step in passes)]
    whole = replace(joined(problem, done), binding=binding)
    return Found(whole, None if len(whole.designs) else names[last + 1])


def _run(passes: tuple[Pass, ...], block: Callable[[], State]) -> tuple[State, int]:
    """One block through all passes, and after how many of them something was left (-1: never)."""
    state = block()
    here = 0 if len(state.designs) else -1
    for k, step in enumerate(passes):
        state = step(state)
        if here >= 0 and np.any(state.live):
            here = k + 1
    return state, here


def joined(problem: Problem, states: Iterable[State]) -> State:
    """The states of all blocks as one."""
    found = list(states)
    whole = State(problem, Designs({}))
    if not found:
        return whole
    filled = [s.designs for s in found if len(s.designs)]
    columns = filled[0].columns if filled else {}
    nearest: dict[str, float] = {}
    for s in found:
        for limit, value in s.nearest.items():
            nearest[limit] = min(value, nearest.get(limit, np.inf))
    return replace(
        whole,
        designs=Designs({k: np.concatenate([d[k] for d in filled]) for k in columns}),
        spanned=sum(s.spanned for s in found),
        scored=sum(s.scored for s in found),
        beaten=sum(s.beaten for s in found),
        cut=_added(s.cut for s in found),
        bounded=_added(s.bounded for s in found),
        verdicts={k: v for s in found for k, v in s.verdicts.items()},
        nearest=nearest,
        notes=tuple(dict.fromkeys(n for s in found for n in s.notes)),
        exhaustive=found[0].exhaustive,
    )


def _added(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for reason, n in one.items():
            total[reason] = total.get(reason, 0) + n
    return total
