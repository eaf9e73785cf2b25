"""What happens seldom: replicas that fail, come up, start and stop. Not compiled: the loop returns for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenworks.simulate import columns as at
from tokenworks.simulate.columns import Clock, Farmyard
from tokenworks.simulate.engine import admit, advance, evict, next_landing, offer, plan, take_flight
from tokenworks.simulate.prefix import forget
from tokenworks.simulate.structures import dequeue, end_fill, load_of


def offer_again(f: Farmyard, requests: Any, turn: int, now: float) -> int:
    """Send requests, the oldest first, to other replicas; returns the turn of the router."""
    for request in np.sort(requests):
        turn += 1
        offer(f, request, turn, now)
    return turn


def empty_queue(f: Farmyard, q: int) -> Any:
    """All requests of a waiting queue, which is empty afterwards."""
    found = np.empty(f.s.n[at.LENGTH, q], np.int64)
    for k in range(len(found)):
        found[k] = dequeue(f.s, f.w, q)
    return found


def fail(f: Farmyard, r: int, turn: int, now: float) -> int:
    """A replica loses its cache and the step under way; its requests go to others, where each is prefilled with the
    tokens that it has. Returns the turn of the router."""
    s, w = f.s, f.w
    if s.n[at.STEPS, r] > 0:
        s.t[at.BUSY, r] += now - s.t[at.STARTED, r]
        whole = 0 if s.n[at.TAKEN, r] > 0 else int((now - s.t[at.STARTED, r]) / s.t[at.EACH, r])
        s.n[at.STEPS, r] = min(whole, s.n[at.STEPS, r] - 1)
        advance(f, r, now)
    flights = 0
    for k in range(s.counts[at.FLYING]):
        flights += 1 if w.n[at.REPLICA, s.fly_request[k]] == r else 0
    lost = np.empty(s.n[at.DECODING, r] + s.n[at.FILLING, r] + flights, np.int64)
    n = 0
    while s.n[at.DECODING, r] > 0:
        lost[n] = evict(f, r, s.n[at.DECODING, r] - 1)
        n += 1
    while s.n[at.FILLING, r] > 0:
        lost[n] = end_fill(s, w, r)
        n += 1
    for k in range(s.counts[at.FLYING] - 1, -1, -1):
        if w.n[at.REPLICA, s.fly_request[k]] == r:
            lost[n] = take_flight(f, k)
            n += 1
    next_landing(f)
    for request in lost:
        w.n[at.LEFT, request] = w.n[at.PROMPT, request]
        w.n[at.PINNED, request] = 0
    s.n[at.HELD, r] = s.n[at.CONTEXT, r] = s.n[at.TO_FILL, r] = s.n[at.STEPS, r] = 0
    s.t[at.END, r] = np.inf
    forget(f.b, r)
    s.t[at.ON, r] += now - s.t[at.SINCE, r]
    gone = s.n[at.MODE, r] == at.DRAINING
    s.n[at.MODE, r] = at.OFF if gone else at.FAILED
    s.t[at.WAKE, r] = np.inf if gone else now + f.policy.repair
    s.t[at.FAIL, r] = np.inf
    s.counts[at.FAILURES] += 1
    s.counts[at.REQUEUED] += len(lost) + s.n[at.LENGTH, r]
    queued = empty_queue(f, r)
    turn = offer_again(f, lost, turn, now)
    return offer_again(f, queued, turn, now)


def rise(f: Farmyard, r: int, turn: int, now: float) -> int:
    """A replica is up (again): those that found none up are sent anew. Returns the turn of the router."""
    s = f.s
    if s.n[at.MODE, r] == at.FAILED:
        s.t[at.SINCE, r] = now
    s.n[at.MODE, r] = at.UP
    s.t[at.WAKE, r] = np.inf
    s.t[at.FAIL, r] = now + next_gap(f)
    turn = offer_again(f, empty_queue(f, s.t.shape[1] + (1 if r < f.policy.fronts else 0)), turn, now)
    if s.n[at.STEPS, r] == 0:
        admit(f, r, now)
        plan(f, r, now)
    return turn


def next_gap(f: Farmyard) -> float:
    """Seconds until the next failure of a replica that is just up (the drawn ones are used in turn)."""
    gaps = f.s.gaps
    gap: float = gaps[f.s.counts[at.GAPS] % len(gaps)]
    f.s.counts[at.GAPS] += 1
    return gap


def rescale(f: Farmyard, c: Clock) -> tuple[int, float]:
    """Look at the requests of the deciding pool, and start or stop replicas: as many as give each its target, more
    at once, fewer only after that was so for a while (the rule of Kubernetes' horizontal autoscaler). Returns the
    turn of the router and when there were last no more replicas than wanted."""
    s, low, high = f.s, f.policy.fronts, f.s.t.shape[1]
    there, requests = 0, s.n[at.LENGTH, high]
    for r in range(low, high):
        there += 1 if s.n[at.MODE, r] in (at.STARTING, at.UP, at.FAILED) else 0
        requests += load_of(s, r)
    wanted = min(max(int(np.ceil(requests / f.policy.target)), f.policy.least), high - low)
    turn, enough = c.turn, c.enough
    if wanted >= there:
        enough = c.now
        for r in range(low, high):  # those that are on their way out first
            if there < wanted and s.n[at.MODE, r] == at.DRAINING:
                s.n[at.MODE, r] = at.UP
                there += 1
        for r in range(low, high):
            if there < wanted and s.n[at.MODE, r] == at.OFF:
                s.n[at.MODE, r], s.t[at.WAKE, r], s.t[at.SINCE, r] = at.STARTING, c.now + f.policy.startup, c.now
                s.counts[at.STARTS] += 1
                there += 1
    elif c.now - enough >= f.policy.patience:
        while there > wanted:
            turn = retire(f, low, turn, c.now)
            there -= 1
    return turn, enough


def retire(f: Farmyard, low: int, turn: int, now: float) -> int:
    """Stop one replica: one that only starts, or that failed, or the least loaded, which ends what it runs. Returns
    the turn of the router."""
    s, found = f.s, at.NOBODY
    for r in range(low, s.t.shape[1]):
        if s.n[at.MODE, r] not in (at.STARTING, at.UP, at.FAILED):
            continue
        if (
            found == at.NOBODY
            or (s.n[at.MODE, r] != at.UP and s.n[at.MODE, found] == at.UP)
            or (s.n[at.MODE, found] == at.UP and load_of(s, r) <= load_of(s, found))
        ):
            found = r
    if s.n[at.MODE, found] == at.UP and s.n[at.FILLING, found] + s.n[at.DECODING, found] > 0:
        s.n[at.MODE, found] = at.DRAINING
    else:
        if s.n[at.MODE, found] != at.FAILED:
            s.t[at.ON, found] += now - s.t[at.SINCE, found]
        s.n[at.MODE, found] = at.OFF
        s.t[at.FAIL, found] = np.inf
    s.t[at.WAKE, found] = np.inf
    return offer_again(f, empty_queue(f, found), turn, now)


def rare_event(f: Farmyard, c: Clock) -> Clock:
    """The rare event that is due: one of a failure, a rise and a look at the scale, in this order; then the next one
    is found."""
    s, turn, enough, tick = f.s, c.turn, c.enough, c.tick
    failing, rising = int(np.argmin(s.t[at.FAIL])), int(np.argmin(s.t[at.WAKE]))
    if s.t[at.FAIL, failing] <= c.now:
        turn = fail(f, failing, turn, c.now)
    elif s.t[at.WAKE, rising] <= c.now:
        turn = rise(f, rising, turn, c.now)
    elif tick <= c.now:
        turn, enough = rescale(f, c)
        tick += f.policy.interval
    s.next[0] = min(float(np.min(s.t[at.FAIL])), float(np.min(s.t[at.WAKE])), tick)
    return c._replace(turn=turn, tick=tick, enough=enough, rare=False)
