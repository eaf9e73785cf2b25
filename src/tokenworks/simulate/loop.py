"""The event loop of a simulation, which can stop where the next arrival is not read yet and go on later."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

from tokenworks.deferred import Deferred
from tokenworks.simulate import columns as at
from tokenworks.simulate import engine, prefix, structures
from tokenworks.simulate.columns import Clock, Farmyard
from tokenworks.simulate.engine import admit, finish, land, offer, plan

_NUMBA, _EXTENDING = Deferred("numba"), Deferred("numba.extending")  # half a second to load


def look(f: Farmyard, watch: Any, seen: int, due: float, every: float, now: float) -> tuple[int, float, float]:
    """Write down queue, cache, sequences and replicas at the times that are due; where the columns are full, every
    second one goes and the distance doubles. Returns (columns used, next time, distance)."""
    s = f.s
    while due <= now:
        if seen == watch.shape[1]:
            seen //= 2
            for k in range(seen):
                watch[:, k] = watch[:, 2 * k]
            every *= 2.0
            due = watch[0, seen - 1] + every
            continue
        watch[0, seen] = due
        watch[1, seen] = np.sum(s.n[at.LENGTH])
        watch[2, seen] = np.sum(s.n[at.HELD])
        watch[3, seen] = np.sum(s.n[at.FILLING]) + np.sum(s.n[at.DECODING])
        watch[4, seen] = 0
        for r in range(s.t.shape[1]):
            watch[4, seen] += 1 if at.STARTING <= s.n[at.MODE, r] <= at.DRAINING else 0
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
    """The compiled `run`, with all functions that it calls. numba keeps it on disk by the source of one file and by
    what it closes over: that is the code of those functions, so that a change in any of them compiles anew. The first
    time on a machine takes half a minute."""
    called = [
        (name, function)
        for module in (structures, prefix, engine, sys.modules[__name__])
        for name, function in sorted(vars(module).items())
        if isinstance(function, FunctionType) and function.__module__ == module.__name__
    ]
    parts = []
    for name, function in called:
        code = function.__code__
        parts.append((name, code.co_code, code.co_names, [k for k in code.co_consts if isinstance(k, int | float)]))
        _EXTENDING.register_jitable(function)
    numbers = [(n, v) for n, v in sorted(vars(at).items()) if isinstance(v, int)]
    seal = hashlib.sha256(repr((parts, numbers)).encode()).hexdigest()

    def entry(f: Farmyard, c: Clock, watch: Any, more: bool) -> Clock:
        return run(f, c, watch, more) if len(seal) else c

    return _NUMBA.njit(cache=True, nogil=True)(entry)
