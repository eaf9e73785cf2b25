"""The scheduler: iteration-level batching of requests on replicas, one event at a time (`loop.py` has the loop).

A replica runs steps one after another. In a step every decoding sequence gives one token and some prompt
tokens are prefilled; a request's first token appears with the step that ends its prefill. Between two events
that change the batch (an arrival, a finished sequence, a full cache) all steps are alike, so they are jumped
over at once: the time of k equal decode steps is k times the step at their mean context, which is exact for
step times linear in the context.

Where some replicas only prefill, a sequence travels with its cache to one that decodes; its first token is
passed on when that one takes it in. Rare events (a failure, a replica that comes up, a look at the scale) are in
`rare.py`; the next of them is always in `State.next`.

State is columns (columns.py). These plain functions are the reference; numba compiles them.
"""

from __future__ import annotations

import numpy as np

from tokenworks.simulate import columns as at
from tokenworks.simulate.columns import Farmyard
from tokenworks.simulate.prefix import matched, pin, publish, release, trim
from tokenworks.simulate.structures import (
    begin_fill,
    dequeue,
    end_fill,
    enqueue,
    load_of,
    pull,
    push,
    step_time,
)  # fmt: skip

CROWDED, SPARE = 1.5, 8  # a prefix draws to a replica while its load is at most 1.5 times the least plus 8


def need(f: Farmyard, r: int, request: int) -> int:
    """Tokens of cache that a request takes on admission, before what is shared."""
    output: int = 0 if f.rules.n[at.HANDS, r] else f.w.n[at.OUTPUT, request]
    tokens: int = f.w.n[at.PROMPT, request] + (0 if f.rules.n[at.PAGED, r] else output)
    return tokens


def fits(f: Farmyard, r: int, request: int) -> bool:
    """Whether a replica has a slot and cache for a request now."""
    s, rules = f.s, f.rules
    if s.n[at.FILLING, r] + s.n[at.DECODING, r] >= rules.n[at.SLOTS, r]:
        return False
    tokens = s.n[at.HELD, r] + need(f, r, request) + (1 if rules.n[at.PAGED, r] and not rules.n[at.HANDS, r] else 0)
    if tokens > rules.n[at.CACHE, r] and rules.n[at.BLOCK, r] > 0:
        tokens -= matched(f.w, f.b, rules, r, request)[1] * rules.n[at.BLOCK, r]
    return bool(tokens <= rules.n[at.CACHE, r])


def waiting(f: Farmyard, r: int) -> int:
    """The queue that a replica serves: its own, or one shared by its pool."""
    if f.policy.router != at.SHARED:
        return r
    q: int = f.s.t.shape[1] + (1 if r < f.policy.fronts else 0)
    return q


def admit(f: Farmyard, r: int, now: float) -> None:
    """Move requests from the head of its queue into a replica while a slot and cache are free."""
    w, s, rules = f.w, f.s, f.rules
    q = waiting(f, r)
    up = q == r or s.n[at.MODE, r] == at.UP
    while up and s.n[at.LENGTH, q] > 0 and fits(f, r, s.n[at.HEAD, q]):
        request = dequeue(s, w, q)
        w.n[at.REPLICA, request] = r
        if w.n[at.LEFT, request] == 0:  # its cache came from another replica
            s.n[at.HELD, r] += need(f, r, request)
            s.counts[at.MADE] += 1
            if np.isnan(w.t[at.FIRST, request]):
                w.t[at.FIRST, request] = now
            decode(f, r, request)
            continue
        found, used = matched(w, f.b, rules, r, request)
        s.n[at.HELD, r] += need(f, r, request) - used * rules.n[at.BLOCK, r]
        if found > 0:
            pin(w, f.b, r, request, found)
            s.counts[at.REUSED] += found * rules.n[at.BLOCK, r]
            w.n[at.LEFT, request] -= found * rules.n[at.BLOCK, r]
        begin_fill(s, w, r, request)


def decode(f: Farmyard, r: int, request: int) -> None:
    """A prefilled sequence, whose first token is made, begins to decode."""
    s, w = f.s, f.w
    push(s, r, s.n[at.COUNTER, r] + w.n[at.OUTPUT, request] - 1, request)
    s.n[at.CONTEXT, r] += w.n[at.PROMPT, request] + 1
    s.n[at.HELD, r] += 1 if f.rules.n[at.PAGED, r] else 0


def evict(f: Farmyard, r: int, k: int) -> int:
    """The sequence at place k of the heap loses its cache and has to be prefilled anew, with the tokens that
    it has made; returns its request."""
    s, w = f.s, f.w
    to_come = s.heap_step[r, k] - s.n[at.COUNTER, r]
    request = pull(s, r, k)
    cached = w.n[at.PROMPT, request] + w.n[at.OUTPUT, request] - to_come
    release(w, s, f.b, f.rules, r, request, cached + (0 if f.rules.n[at.PAGED, r] else to_come))
    s.n[at.CONTEXT, r] -= cached
    w.n[at.PROMPT, request] = w.n[at.LEFT, request] = cached
    w.n[at.OUTPUT, request] = to_come
    return request


def preempt(f: Farmyard, r: int) -> None:
    """The youngest decoding sequence gives up its cache and waits at the front."""
    s = f.s
    youngest = 0
    for k in range(s.n[at.DECODING, r]):
        if s.heap_request[r, k] > s.heap_request[r, youngest]:
            youngest = k
    enqueue(s, f.w, waiting(f, r), evict(f, r, youngest), True)
    s.counts[at.PREEMPTED] += 1


def plan(f: Farmyard, r: int, now: float) -> None:
    """Decide what the replica does next and when it ends (infinity: nothing to do)."""
    s, rules = f.s, f.rules
    while (
        rules.n[at.PAGED, r]
        and s.n[at.DECODING, r] > 1
        and s.n[at.HELD, r] + s.n[at.DECODING, r] > rules.n[at.CACHE, r]
    ):
        preempt(f, r)
    if rules.n[at.BLOCK, r] > 0:
        trim(s, f.b, rules, r)
    batch, alone = s.n[at.DECODING, r], rules.n[at.ALONE, r]
    s.n[at.TAKEN, r] = 0
    s.t[at.STARTED, r] = now
    if s.n[at.FILLING, r] > 0:
        room = max(rules.n[at.CHUNK, r] - (0 if alone else batch), 1)
        s.n[at.TAKEN, r] = min(room, s.n[at.TO_FILL, r])
        s.n[at.STEPS, r] = 1
        context = 0.0 if alone else float(s.n[at.CONTEXT, r])
        s.t[at.EACH, r] = step_time(f.steps, rules.n[at.POOL, r], 0 if alone else batch, context, s.n[at.TAKEN, r])
    elif batch > 0:
        count = s.heap_step[r, 0] - s.n[at.COUNTER, r]
        if rules.n[at.PAGED, r]:
            count = min(count, max((rules.n[at.CACHE, r] - s.n[at.HELD, r]) // batch, 1))
        s.n[at.STEPS, r] = count
        mean = s.n[at.CONTEXT, r] + batch * (count - 1) / 2.0
        s.t[at.EACH, r] = step_time(f.steps, rules.n[at.POOL, r], batch, mean, 0)
    else:
        s.n[at.STEPS, r] = 0
        s.t[at.END, r] = np.inf
        if s.n[at.MODE, r] == at.DRAINING:
            s.n[at.MODE, r] = at.OFF
            s.t[at.ON, r] += now - s.t[at.SINCE, r]
        return
    s.t[at.END, r] = now + s.n[at.STEPS, r] * s.t[at.EACH, r]


def cut(f: Farmyard, r: int, now: float) -> None:
    """Shorten a jump to the end of the step that is under way."""
    s = f.s
    if s.n[at.STEPS, r] <= 1 or s.n[at.TAKEN, r] > 0:
        return
    run = max(int(np.ceil((now - s.t[at.STARTED, r]) / s.t[at.EACH, r])), 1)
    if run < s.n[at.STEPS, r]:
        s.n[at.STEPS, r] = run
        s.t[at.END, r] = s.t[at.STARTED, r] + run * s.t[at.EACH, r]


def advance(f: Farmyard, r: int, now: float) -> int:
    """Decode the planned steps; returns how many requests left."""
    s, w = f.s, f.w
    s.n[at.COUNTER, r] += s.n[at.STEPS, r]
    made = s.n[at.STEPS, r] * s.n[at.DECODING, r]
    s.counts[at.MADE] += made
    s.n[at.CONTEXT, r] += made
    if f.rules.n[at.PAGED, r]:
        s.n[at.HELD, r] += made
    ended = 0
    while s.n[at.DECODING, r] > 0 and s.heap_step[r, 0] <= s.n[at.COUNTER, r]:
        request = pull(s, r, 0)
        w.t[at.DONE, request] = now
        size = w.n[at.PROMPT, request] + w.n[at.OUTPUT, request]
        s.n[at.CONTEXT, r] -= size
        release(w, s, f.b, f.rules, r, request, size)
        ended += 1
    return ended


def finish(f: Farmyard, r: int) -> int:
    """Carry the planned steps out at their end; returns how many requests left."""
    s, w, rules = f.s, f.w, f.rules
    now, left, ended = s.t[at.END, r], s.n[at.TAKEN, r], 0
    s.t[at.BUSY, r] += s.n[at.STEPS, r] * s.t[at.EACH, r]
    if not (left > 0 and rules.n[at.ALONE, r]):
        ended = advance(f, r, now)
    s.n[at.TO_FILL, r] -= left
    s.counts[at.PREFILLED] += left
    while left > 0 and s.n[at.FILLING, r] > 0:
        request = s.n[at.FILL_HEAD, r]
        part = min(left, w.n[at.LEFT, request])
        w.n[at.LEFT, request] -= part
        left -= part
        if w.n[at.LEFT, request] > 0:
            break
        ended += filled(f, r, end_fill(s, w, r), now)
    s.n[at.STEPS, r] = 0
    return ended


def filled(f: Farmyard, r: int, request: int, now: float) -> int:
    """A prompt is prefilled and its first token made: it ends, decodes here, or travels. Returns how many
    requests left."""
    s, w = f.s, f.w
    if f.rules.n[at.BLOCK, r] > 0:
        publish(w, s, f.b, f.rules, r, request)
    hands = f.rules.n[at.HANDS, r]
    if w.n[at.OUTPUT, request] == 1:
        s.counts[at.MADE] += 1
        if np.isnan(w.t[at.FIRST, request]):
            w.t[at.FIRST, request] = now
        w.t[at.DONE, request] = now
        release(w, s, f.b, f.rules, r, request, w.n[at.PROMPT, request] + (0 if f.rules.n[at.PAGED, r] or hands else 1))
        return 1
    if hands:
        k = s.counts[at.FLYING]
        s.fly_time[k] = now + f.policy.latency + f.policy.per_token * w.n[at.PROMPT, request]
        s.fly_request[k] = request
        s.counts[at.FLYING] += 1
        s.next[1] = min(s.next[1], s.fly_time[k])
        return 0
    s.counts[at.MADE] += 1
    if np.isnan(w.t[at.FIRST, request]):
        w.t[at.FIRST, request] = now
    decode(f, r, request)
    return 0


def best(f: Farmyard, low: int, high: int, idle: bool) -> int:
    """The least loaded replica that is up (of those that stand idle, if any is wanted); at.NOBODY where there is
    none."""
    s, found = f.s, at.NOBODY
    for r in range(low, high):
        if s.n[at.MODE, r] != at.UP or (idle and s.n[at.STEPS, r] > 0):
            continue
        if found == at.NOBODY or load_of(s, r) < load_of(s, found):
            found = r
    return found


def nearest(f: Farmyard, low: int, high: int, request: int) -> int:
    """The replica with the least prompt tokens to compute until this request is prefilled, its own included, among
    those that are not crowded: what is cached draws, what waits repels (Qin et al., Mooncake, FAST 2025, algorithm
    1; the limit on imbalance as in SGLang's router)."""
    s, least = f.s, best(f, low, high, False)
    if least == at.NOBODY:
        return at.NOBODY
    limit = CROWDED * load_of(s, least) + SPARE
    found, cost = at.NOBODY, 0
    for r in range(low, high):
        if s.n[at.MODE, r] != at.UP or load_of(s, r) > limit:
            continue
        reused = matched(f.w, f.b, f.rules, r, request)[0] * f.rules.n[at.BLOCK, r]
        own = s.n[at.QUEUED, r] + s.n[at.TO_FILL, r] - reused
        if found == at.NOBODY or own < cost or (own == cost and load_of(s, r) < load_of(s, found)):
            found, cost = r, own
    return found


def route(f: Farmyard, request: int, turn: int) -> int:
    """The replica that a request goes to; at.NOBODY where none of its pool is up."""
    fronts, replicas = f.policy.fronts, f.s.t.shape[1]
    fresh = fronts > 0 and f.w.n[at.LEFT, request] > 0
    low, high = (0, fronts) if fresh else (fronts, replicas)
    if f.policy.router == at.ROUND_ROBIN:
        for k in range(high - low):
            r = low + (turn + k) % (high - low)
            if f.s.n[at.MODE, r] == at.UP:
                return r
        return at.NOBODY
    if f.policy.router == at.PREFIX and f.w.n[at.LEFT, request] > 0:
        return nearest(f, low, high, request)
    if f.policy.router == at.SHARED:
        r = best(f, low, high, True)
        if r != at.NOBODY:
            return r
    return best(f, low, high, False)


def offer(f: Farmyard, request: int, turn: int, now: float) -> None:
    """Send a request to a replica's queue, which begins at once where it stands idle."""
    s, w = f.s, f.w
    replicas, shared = s.t.shape[1], f.policy.router == at.SHARED
    r = route(f, request, turn)
    fresh = f.policy.fronts > 0 and w.n[at.LEFT, request] > 0
    q = replicas + (1 if fresh else 0) if shared or r == at.NOBODY else r
    enqueue(s, w, q, request, False)
    if r == at.NOBODY:
        return
    if s.n[at.STEPS, r] == 0:
        admit(f, r, now)
        plan(f, r, now)
    elif s.n[at.LENGTH, q] == 1:  # else those before it are still blocked: first come, first served
        low, high = (0, f.policy.fronts) if fresh else (f.policy.fronts, replicas)
        for k in range(low if shared else r, high if shared else r + 1):
            if s.n[at.MODE, k] == at.UP and fits(f, k, request):
                cut(f, k, now)
                break


def soonest_flight(f: Farmyard) -> int:
    """Place of the cache that lands first (of two at once: the older request); at.NOBODY where none travels."""
    s, found = f.s, at.NOBODY
    for k in range(s.counts[at.FLYING]):
        if (
            found == at.NOBODY
            or s.fly_time[k] < s.fly_time[found]
            or (s.fly_time[k] == s.fly_time[found] and s.fly_request[k] < s.fly_request[found])
        ):
            found = k
    return found


def take_flight(f: Farmyard, k: int) -> int:
    """Take a travelling cache off the list; its source has room again. Returns the request."""
    s, w = f.s, f.w
    request: int = s.fly_request[k]
    s.counts[at.FLYING] -= 1
    last = s.counts[at.FLYING]
    s.fly_time[k], s.fly_request[k] = s.fly_time[last], s.fly_request[last]
    release(w, s, f.b, f.rules, w.n[at.REPLICA, request], request, w.n[at.PROMPT, request])
    return request


def next_landing(f: Farmyard) -> None:
    """Write down when the next cache lands."""
    k = soonest_flight(f)
    f.s.next[1] = np.inf if k == at.NOBODY else f.s.fly_time[k]


def land(f: Farmyard, turn: int, now: float) -> None:
    """A cache arrives at the decoding pool; the replica that it comes from may take in the next prompt."""
    request = take_flight(f, soonest_flight(f))
    next_landing(f)
    source = f.w.n[at.REPLICA, request]
    if f.s.n[at.STEPS, source] == 0:
        admit(f, source, now)
        plan(f, source, now)
    offer(f, request, turn, now)
