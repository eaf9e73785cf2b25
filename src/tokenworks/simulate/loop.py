"""The event loop of a simulation, which can stop where the next arrival is not read yet and go on later."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tokenworks import kernels
from tokenworks.simulate import columns as at
from tokenworks.simulate.columns import Clock, Farmyard
from tokenworks.simulate.engine import admit, finish, land, offer, plan

_MODULES = tuple(
    f"tokenworks.simulate.{name}" for name in ("bare", "columns", "structures", "prefix", "engine", "loop")
)
_SOURCE = """from tokenworks.simulate import engine, loop, prefix, structures
from tokenworks.simulate.bare import bare, bared, take_in

take_in((structures, prefix, engine, loop))
run = loop.run


def entry(f, c, watch, more):
    return run(bared(f), c, bare(watch), more)
"""


def look(f: Farmyard, watch: Any, seen: int, due: float, every: float, now: float) -> tuple[int, float, float]:
    """Write down queue, cache, sequences and replicas at the times that are due; where the columns are full, every
    second one goes and the distance doubles. Returns (columns used, next time, distance)."""
    s = f.s
    while due <= now:
        if seen == watch.shape[1]:
            seen //= 2
            for k in range(seen):
                for j in range(watch.shape[0]):
                    watch[j, k] = watch[j, 2 * k]
            every *= 2.0
            due = watch[0, seen - 1] + every
            continue
        watch[0, seen] = due
        waiting, held, running, on = 0, 0, 0, 0
        for r in range(s.n.shape[1]):
            waiting += s.n[at.LENGTH, r]
            held += s.n[at.HELD, r]
            running += s.n[at.FILLING, r] + s.n[at.DECODING, r]
            on += 1 if at.STARTING <= s.n[at.MODE, r] <= at.DRAINING else 0
        watch[1, seen], watch[2, seen], watch[3, seen], watch[4, seen] = waiting, held, running, on
        seen += 1
        due += every
    return seen, due, every


def run(f: Farmyard, c: Clock, watch: Any, more: bool) -> Clock:
    """Go on with a run until all requests have left, or where `more` will come until the next arrival is not known,
    or until a rare event is due; returns where it stands. Of several events at once: the end of a step, a cache
    that lands, a rare event, an arrival.

    watch: (5, n) columns of times, requests waiting, tokens of cache in use, sequences running and replicas on.
    """
    w, s = f.w, f.s
    replicas, count = s.t.shape[1], w.t.shape[1]
    now, area, inside, turn, upcoming = c.now, c.area, c.inside, c.turn, c.upcoming
    seen, due, every, rare = c.seen, c.due, c.every, False
    while upcoming < count or not (more or inside == 0):
        r = 0
        for k in range(1, replicas):
            if s.t[at.END, k] < s.t[at.END, r]:
                r = k
        then, arrives = s.t[at.END, r], False
        lands = s.next[1] < then
        then = min(then, s.next[1])
        rare = s.next[0] < then
        then = min(then, s.next[0])
        if upcoming < count and w.t[at.ARRIVAL, upcoming] < then:
            then, arrives, rare = w.t[at.ARRIVAL, upcoming], True, False
        if then == np.inf:
            break
        if due <= then:
            seen, due, every = look(f, watch, seen, due, every, then)
        area += inside * (then - now)
        now = then
        if rare:
            break
        if arrives:
            upcoming += 1
            turn += 1
            inside += arrive(f, upcoming - 1, turn, now)
        elif lands:
            turn += 1
            land(f, turn, now)
        else:
            inside -= finish(f, r)
            admit(f, r, now)
            plan(f, r, now)
    return Clock(now, area, inside, turn, upcoming, seen, due, every, c.tick, c.enough, rare)


def arrive(f: Farmyard, request: int, turn: int, now: float) -> int:
    """A request comes; it is turned away (returns 0) where no cache can hold it."""
    w, fronts = f.w, f.policy.fronts
    prompt, room = w.n[at.PROMPT, request], f.rules.n[at.CACHE, fronts]
    if prompt + w.n[at.OUTPUT, request] > room or (fronts > 0 and prompt > f.rules.n[at.CACHE, 0]):
        w.n[at.REPLICA, request] = at.REJECTED
        return 0
    offer(f, request, turn, now)
    return 1


@cache
def compiled() -> Any:
    """The compiled `run`, with all functions that it calls: it stays on disk until one of their files changes. The
    first time on a machine takes a quarter of a minute, later ones as long as loading numba (a third of a second)."""
    return kernels.exact(_SOURCE, _MODULES)


def at_hand() -> bool:
    """Whether `compiled` need not compile."""
    return compiled.cache_info().currsize > 0 or kernels.stands(_SOURCE, _MODULES)
