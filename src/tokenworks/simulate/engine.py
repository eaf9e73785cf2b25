"""The scheduler: iteration-level batching of requests on replicas, one event at a time. numba compiles `run`.

A replica runs steps one after another. In a step every decoding sequence gives one token and some prompt
tokens are prefilled; a request's first token appears with the step that ends its prefill. Between two events
that change the batch (an arrival, a finished sequence, a full cache) all steps are alike, so they are jumped
over at once: the time of k equal decode steps is k times the step at their mean context, which is exact for
step times linear in the context.

State is columns: one element a replica or a request. Queues are linked lists through `after`; the decoding
sequences of a replica are a heap by the step in which they end. The plain functions are the reference: `run` is
called as they stand for a few requests, compiled for many.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.extending import register_jitable

ROUND_ROBIN, LEAST_LOADED, SHARED = 0, 1, 2
NOBODY = -1


class Rules(NamedTuple):
    """slots: sequences at once. cache: tokens. chunk: tokens of a step. alone: prompts in steps of their own.
    paged: a sequence takes cache as it grows, and the youngest is preempted where it runs out (else its whole
    output is promised at admission). router: one of the three above."""

    slots: int
    cache: int
    chunk: int
    alone: bool
    paged: bool
    router: int


class Steps(NamedTuple):
    """Seconds of a step on a grid of batches and prompt tokens, plus a slope per cached token (tables.py)."""

    batches: Any
    prompts: Any
    base: Any
    slope: Any


class Work(NamedTuple):
    """Requests, one element each. prompt, left: tokens to prefill and what is left of them; output: tokens
    still to come; first, done: when they came, s; after: the next in the same queue."""

    arrival: Any
    prompt: Any
    left: Any
    output: Any
    first: Any
    done: Any
    after: Any


class State(NamedTuple):
    """Replicas, one element each; `head`, `tail`, `length` of waiting queues have one more, the shared one.
    held: tokens of the cache in use or promised; context: tokens that decoding sequences have there; counter:
    steps so far; end: of the plan under way; heap_step, heap_request: (replicas, slots)."""

    head: Any
    tail: Any
    length: Any
    fill_head: Any
    fill_tail: Any
    filling: Any
    to_fill: Any
    decoding: Any
    heap_step: Any
    heap_request: Any
    held: Any
    context: Any
    counter: Any
    busy: Any
    started: Any
    steps: Any
    each: Any
    taken: Any
    end: Any


@register_jitable
def place(grid: Any, value: float) -> tuple[int, float]:
    """The cell of a grid that holds a value, and how far into it (beyond the end: the last)."""
    low, high = 0, len(grid) - 2
    while low < high:
        middle = (low + high + 1) // 2
        if grid[middle] < value:
            low = middle
        else:
            high = middle - 1
    return low, (value - grid[low]) / (grid[low + 1] - grid[low])


@register_jitable
def step_time(steps: Steps, batch: int, context: float, prompt: int) -> float:
    """Seconds of one step, bilinear in the grid."""
    i, x = place(steps.batches, float(batch))
    j, y = place(steps.prompts, float(prompt))
    base = steps.base
    one = base[i, j] + (base[i, j + 1] - base[i, j]) * y
    two = base[i + 1, j] + (base[i + 1, j + 1] - base[i + 1, j]) * y
    seconds: float = one + (two - one) * x + (steps.slope[i] + (steps.slope[i + 1] - steps.slope[i]) * x) * context
    return seconds


@register_jitable
def push(s: State, r: int, last: int, request: int) -> None:
    """A sequence that ends with step `last` joins the heap of a replica."""
    keys, names, k = s.heap_step, s.heap_request, s.decoding[r]
    s.decoding[r] += 1
    while k > 0:
        up = (k - 1) // 2
        if keys[r, up] < last or (keys[r, up] == last and names[r, up] < request):
            break
        keys[r, k], names[r, k] = keys[r, up], names[r, up]
        k = up
    keys[r, k], names[r, k] = last, request


@register_jitable
def pull(s: State, r: int, k: int) -> int:
    """Take the sequence at place k out of the heap; return its request."""
    keys, names = s.heap_step, s.heap_request
    gone: int = names[r, k]
    s.decoding[r] -= 1
    n = s.decoding[r]
    last, request = keys[r, n], names[r, n]
    if k == n:
        return gone
    while k > 0:  # the last one may belong above
        up = (k - 1) // 2
        if keys[r, up] < last or (keys[r, up] == last and names[r, up] < request):
            break
        keys[r, k], names[r, k] = keys[r, up], names[r, up]
        k = up
    while True:
        down = 2 * k + 1
        if down >= n:
            break
        other = down + 1
        if other < n and (
            keys[r, other] < keys[r, down] or (keys[r, other] == keys[r, down] and names[r, other] < names[r, down])
        ):
            down = other
        if last < keys[r, down] or (last == keys[r, down] and request < names[r, down]):
            break
        keys[r, k], names[r, k] = keys[r, down], names[r, down]
        k = down
    keys[r, k], names[r, k] = last, request
    return gone


@register_jitable
def enqueue(s: State, w: Work, q: int, request: int, front: bool) -> None:
    """A request joins waiting queue q, at its end or (preempted) at its front."""
    if s.length[q] == 0:
        s.head[q] = s.tail[q] = request
    elif front:
        w.after[request] = s.head[q]
        s.head[q] = request
    else:
        w.after[s.tail[q]] = request
        s.tail[q] = request
    s.length[q] += 1


@register_jitable
def fits(s: State, w: Work, rules: Rules, r: int, request: int) -> bool:
    """Whether a replica has a slot and cache for a request now."""
    need = w.prompt[request] + (1 if rules.paged else w.output[request])
    return bool(s.filling[r] + s.decoding[r] < rules.slots and s.held[r] + need <= rules.cache)


@register_jitable
def admit(s: State, w: Work, rules: Rules, r: int, q: int) -> None:
    """Move requests from the head of a queue into the replica while a slot and cache are free."""
    while s.length[q] > 0 and fits(s, w, rules, r, s.head[q]):
        request = s.head[q]
        s.head[q] = w.after[request]
        s.length[q] -= 1
        s.held[r] += w.prompt[request] + (0 if rules.paged else w.output[request])
        w.left[request] = w.prompt[request]
        s.to_fill[r] += w.prompt[request]
        if s.filling[r] == 0:
            s.fill_head[r] = request
        else:
            w.after[s.fill_tail[r]] = request
        s.fill_tail[r] = request
        s.filling[r] += 1


@register_jitable
def preempt(s: State, w: Work, r: int, q: int) -> None:
    """The youngest decoding sequence gives up its cache and waits at the front, to be prefilled anew with the
    tokens that it has made."""
    youngest = 0
    for k in range(s.decoding[r]):
        if s.heap_request[r, k] > s.heap_request[r, youngest]:
            youngest = k
    to_come = s.heap_step[r, youngest] - s.counter[r]
    request = pull(s, r, youngest)
    made = w.output[request] - to_come
    cached = w.prompt[request] + made
    s.held[r] -= cached
    s.context[r] -= cached
    w.prompt[request] = cached
    w.output[request] = to_come
    enqueue(s, w, q, request, True)


@register_jitable
def plan(s: State, w: Work, rules: Rules, steps: Steps, r: int, q: int, now: float) -> int:
    """Decide what the replica does next and when it ends (infinity: nothing to do). Returns preemptions."""
    gone = 0
    while rules.paged and s.decoding[r] > 1 and s.held[r] + s.decoding[r] > rules.cache:
        preempt(s, w, r, q)
        gone += 1
    batch = s.decoding[r]
    s.taken[r] = 0
    s.started[r] = now
    if s.filling[r] > 0:
        room = max(rules.chunk - (0 if rules.alone else batch), 1)
        s.taken[r] = min(room, s.to_fill[r])
        s.steps[r] = 1
        if rules.alone:
            s.each[r] = step_time(steps, 0, 0.0, s.taken[r])
        else:
            s.each[r] = step_time(steps, batch, float(s.context[r]), s.taken[r])
    elif batch > 0:
        count = s.heap_step[r, 0] - s.counter[r]
        if rules.paged:
            count = min(count, max((rules.cache - s.held[r]) // batch, 1))
        s.steps[r] = count
        s.each[r] = step_time(steps, batch, s.context[r] + batch * (count - 1) / 2.0, 0)
    else:
        s.steps[r] = 0
        s.end[r] = np.inf
        return gone
    s.end[r] = now + s.steps[r] * s.each[r]
    return gone


@register_jitable
def cut(s: State, r: int, now: float) -> None:
    """Shorten a jump to the end of the step that is under way."""
    if s.steps[r] <= 1 or s.taken[r] > 0:
        return
    run = max(int(np.ceil((now - s.started[r]) / s.each[r])), 1)
    if run < s.steps[r]:
        s.steps[r] = run
        s.end[r] = s.started[r] + run * s.each[r]


@register_jitable
def finish(s: State, w: Work, rules: Rules, r: int) -> int:
    """Carry the planned steps out at their end; returns how many requests left."""
    now, ended = s.end[r], 0
    s.busy[r] += s.steps[r] * s.each[r]
    if not (s.taken[r] > 0 and rules.alone):
        s.counter[r] += s.steps[r]
        made = s.steps[r] * s.decoding[r]
        s.context[r] += made
        if rules.paged:
            s.held[r] += made
        while s.decoding[r] > 0 and s.heap_step[r, 0] <= s.counter[r]:
            request = pull(s, r, 0)
            w.done[request] = now
            size = w.prompt[request] + w.output[request]
            s.context[r] -= size
            s.held[r] -= size
            ended += 1
    left = s.taken[r]
    s.to_fill[r] -= left
    while left > 0 and s.filling[r] > 0:
        request = s.fill_head[r]
        part = min(left, w.left[request])
        w.left[request] -= part
        left -= part
        if w.left[request] > 0:
            break
        s.fill_head[r] = w.after[request]
        s.filling[r] -= 1
        if np.isnan(w.first[request]):
            w.first[request] = now
        if w.output[request] == 1:
            w.done[request] = now
            s.held[r] -= w.prompt[request] + (0 if rules.paged else 1)
            ended += 1
        else:
            push(s, r, s.counter[r] + w.output[request] - 1, request)
            s.context[r] += w.prompt[request] + 1
            s.held[r] += 1 if rules.paged else 0
    s.steps[r] = 0
    return ended


@register_jitable
def load_of(s: State, r: int) -> int:
    """Requests that a replica runs or keeps waiting."""
    requests: int = s.filling[r] + s.decoding[r] + s.length[r]
    return requests


@register_jitable
def best(s: State, replicas: int, idle: bool) -> int:
    """The least loaded replica (of those that stand idle, if any is wanted); NOBODY where there is none."""
    found = NOBODY
    for r in range(replicas):
        if idle and s.steps[r] > 0:
            continue
        if found == NOBODY or load_of(s, r) < load_of(s, found):
            found = r
    return found


@register_jitable
def run(w: Work, s: State, rules: Rules, steps: Steps, watch: Any) -> Any:
    """Run all requests through the replicas to the end.

    watch: (4, n) columns whose first row holds times; the others are filled with requests waiting, tokens of
    cache in use and sequences running at those times. Returns (request-seconds in the system, s of the last event,
    preemptions).
    """
    replicas, count = len(s.busy), len(w.arrival)
    area, clock, inside, gone = 0.0, 0.0, 0, 0
    turn, nxt, seen = 0, 0, 0
    while True:
        r = 0
        for k in range(1, replicas):
            if s.end[k] < s.end[r]:
                r = k
        arrives = nxt < count and w.arrival[nxt] < s.end[r]
        if not arrives and s.end[r] == np.inf:
            break
        now = w.arrival[nxt] if arrives else s.end[r]
        while seen < watch.shape[1] and watch[0, seen] <= now:
            for k in range(replicas):
                watch[1, seen] += s.length[k]
                watch[2, seen] += s.held[k]
                watch[3, seen] += s.filling[k] + s.decoding[k]
            watch[1, seen] += s.length[replicas]
            seen += 1
        area += inside * (now - clock)
        clock = now
        if not arrives:
            inside -= finish(s, w, rules, r)
            q = replicas if rules.router == SHARED else r
            admit(s, w, rules, r, q)
            gone += plan(s, w, rules, steps, r, q, now)
            continue
        request = nxt
        nxt += 1
        if w.prompt[request] + w.output[request] > rules.cache:
            continue
        inside += 1
        turn = (turn + 1) % replicas
        r = turn if rules.router == ROUND_ROBIN else best(s, replicas, rules.router == SHARED)
        shared = rules.router == SHARED
        if r == NOBODY:
            r = best(s, replicas, False)
        q = replicas if shared else r
        enqueue(s, w, q, request, False)
        if s.steps[r] == 0:
            admit(s, w, rules, r, q)
            gone += plan(s, w, rules, steps, r, q, now)
        elif s.length[q] == 1:  # else those before it are still blocked: first come, first served
            for k in range(replicas if shared else 1):
                own = k if shared else r
                if fits(s, w, rules, own, request):
                    cut(s, own, now)
                    break
    return area, clock, gone


compiled = njit(cache=True, nogil=True)(run)
