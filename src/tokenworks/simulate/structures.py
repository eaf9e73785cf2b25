"""Queues as linked lists through a column, sequences as heaps by their last step, step times from a grid.

Plain functions that numba also compiles; the scheduling that uses them is in `engine.py`.
"""

from __future__ import annotations

from typing import Any

from tokenworks.simulate import columns as at
from tokenworks.simulate.columns import State, Steps, Work


def place(grids: Any, pool: int, size: int, value: float) -> tuple[int, float]:
    """The cell of a pool's grid that holds a value, and how far into it (beyond the end: the last)."""
    low, high = 0, size - 2
    while low < high:
        middle = (low + high + 1) // 2
        if grids[pool, middle] < value:
            low = middle
        else:
            high = middle - 1
    return low, (value - grids[pool, low]) / (grids[pool, low + 1] - grids[pool, low])


def step_time(steps: Steps, pool: int, batch: int, context: float, prompt: int) -> float:
    """Seconds of one step, bilinear in the grid."""
    i, x = place(steps.batches, pool, steps.sizes[pool, 0], float(batch))
    j, y = place(steps.prompts, pool, steps.sizes[pool, 1], float(prompt))
    base, slope = steps.base, steps.slope
    one = base[pool, i, j] + (base[pool, i, j + 1] - base[pool, i, j]) * y
    two = base[pool, i + 1, j] + (base[pool, i + 1, j + 1] - base[pool, i + 1, j]) * y
    per_token = slope[pool, i] + (slope[pool, i + 1] - slope[pool, i]) * x
    seconds: float = one + (two - one) * x + per_token * context
    return seconds


def push(s: State, r: int, last: int, request: int) -> None:
    """A sequence that ends with step `last` joins the heap of a replica."""
    keys, names, k = s.heap_step, s.heap_request, s.n[at.DECODING, r]
    s.n[at.DECODING, r] += 1
    while k > 0:
        up = (k - 1) // 2
        if keys[r, up] < last or (keys[r, up] == last and names[r, up] < request):
            break
        keys[r, k], names[r, k] = keys[r, up], names[r, up]
        k = up
    keys[r, k], names[r, k] = last, request


def pull(s: State, r: int, k: int) -> int:
    """Take the sequence at place k out of the heap; return its request."""
    keys, names = s.heap_step, s.heap_request
    gone: int = names[r, k]
    s.n[at.DECODING, r] -= 1
    n = s.n[at.DECODING, r]
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


def enqueue(s: State, w: Work, q: int, request: int, front: bool) -> None:
    """A request joins waiting queue q, at its end or (preempted) at its front."""
    if s.n[at.LENGTH, q] == 0:
        s.n[at.HEAD, q] = s.n[at.TAIL, q] = request
    elif front:
        w.n[at.AFTER, request] = s.n[at.HEAD, q]
        s.n[at.HEAD, q] = request
    else:
        w.n[at.AFTER, s.n[at.TAIL, q]] = request
        s.n[at.TAIL, q] = request
    s.n[at.LENGTH, q] += 1
    s.n[at.QUEUED, q] += w.n[at.LEFT, request]


def dequeue(s: State, w: Work, q: int) -> int:
    """Take the first of waiting queue q."""
    request: int = s.n[at.HEAD, q]
    s.n[at.HEAD, q] = w.n[at.AFTER, request]
    s.n[at.LENGTH, q] -= 1
    s.n[at.QUEUED, q] -= w.n[at.LEFT, request]
    return request


def begin_fill(s: State, w: Work, r: int, request: int) -> None:
    """A request joins those that a replica prefills."""
    s.n[at.TO_FILL, r] += w.n[at.LEFT, request]
    if s.n[at.FILLING, r] == 0:
        s.n[at.FILL_HEAD, r] = request
    else:
        w.n[at.AFTER, s.n[at.FILL_TAIL, r]] = request
    s.n[at.FILL_TAIL, r] = request
    s.n[at.FILLING, r] += 1


def end_fill(s: State, w: Work, r: int) -> int:
    """Take the first of those that a replica prefills."""
    request: int = s.n[at.FILL_HEAD, r]
    s.n[at.FILL_HEAD, r] = w.n[at.AFTER, request]
    s.n[at.FILLING, r] -= 1
    return request


def load_of(s: State, r: int) -> int:
    """Requests that a replica runs or keeps waiting."""
    requests: int = s.n[at.FILLING, r] + s.n[at.DECODING, r] + s.n[at.LENGTH, r]
    return requests
