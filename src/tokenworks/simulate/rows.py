"""The table of requests in memory: those in the system and the next batch; who left makes room for who comes.

So a simulation of any length needs memory for what is in the system at once, not for all that ever came.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.simulate import columns as at
from tokenworks.simulate.columns import Blocks, Farmyard, Work
from tokenworks.simulate.requests import Requests

BLOCKS_MAX = 400_000_000  # entries of the table of cached blocks: replicas x distinct blocks


def empty_work() -> Work:
    """No requests."""
    return Work(np.zeros((3, 0)), np.zeros((8, 0), np.int64), np.zeros(0, np.int64))


def staying(w: Work) -> Any:
    """Mask of the requests that are still in the system."""
    return np.isnan(w.t[at.DONE]) & (w.n[at.REPLICA] != at.REJECTED)


def refill(f: Farmyard, names: Any, batch: Requests) -> tuple[Farmyard, Any]:
    """Drop the requests that left, append a batch, and name everything anew: rows of requests, and blocks by their
    place in the sorted `names` of those that are cached or wanted. Returns the yard and these names."""
    kept = np.flatnonzero(staying(f.w))
    row = np.zeros(f.w.t.shape[1] + 1, np.int64)
    row[kept] = np.arange(len(kept))
    w = _appended(f.w, kept, batch, row, int(np.max(f.rules.n[at.BLOCK])))
    count = w.t.shape[1]
    s = f.s
    for column in (*(s.n[k] for k in (at.HEAD, at.TAIL, at.FILL_HEAD, at.FILL_TAIL)), s.heap_request, s.fly_request):
        column[...] = row[np.clip(column, 0, len(row) - 1)]
    width = min(int(np.max(f.rules.n[at.SLOTS])), count) + 1
    s = s._replace(
        heap_step=_wider(s.heap_step, width), heap_request=_wider(s.heap_request, width),
        fly_time=_longer(s.fly_time, count + 1), fly_request=_longer(s.fly_request, count + 1),
    )  # fmt: skip
    f = f._replace(w=w, s=s)
    return _renamed(f, names, len(kept)) if np.any(f.rules.n[at.BLOCK]) else (f, names)


def _appended(w: Work, kept: Any, batch: Requests, row: Any, size: int) -> Work:
    """Rows that stay, then the batch; size: tokens of a block."""
    old, own = w.n[:, kept], _gathered(w, kept)
    old[at.AFTER] = row[np.clip(old[at.AFTER], 0, len(row) - 1)]
    old[at.START] = own[0]
    fresh = np.zeros((8, len(batch)), np.int64)
    fresh[at.PROMPT] = fresh[at.LEFT] = batch.input
    fresh[at.OUTPUT] = batch.output
    fresh[at.AFTER] = fresh[at.REPLICA] = at.NOBODY
    fresh[at.START] = len(own[1])
    blocks = own[1]
    if size and batch.prefixes is not None:
        fresh[at.START] += batch.prefixes.start[:-1]
        fresh[at.MANY] = np.minimum(np.diff(batch.prefixes.start), batch.input // size)
        blocks = np.concatenate([blocks, np.asarray(batch.prefixes.names, np.int64)])
    times = np.full((3, len(batch)), np.nan)
    times[at.ARRIVAL] = batch.arrival
    times, numbers = np.concatenate([w.t[:, kept], times], axis=1), np.concatenate([old, fresh], axis=1)
    # row after row, as compiled code reads them
    return Work(np.ascontiguousarray(times), np.ascontiguousarray(numbers), blocks)


def _gathered(w: Work, kept: Any) -> tuple[Any, Any]:
    """Where the blocks of the rows that stay begin, and these blocks."""
    many = w.n[at.MANY, kept]
    start = np.concatenate([[0], np.cumsum(many)]).astype(np.int64)
    place = np.repeat(w.n[at.START, kept] - start[:-1], many) + np.arange(start[-1])
    return start[:-1], w.blocks[place]


def _renamed(f: Farmyard, names: Any, kept: int) -> tuple[Farmyard, Any]:
    """Blocks are numbered by their place among the names that matter from here on: those of the rows that stay and of
    the caches have numbers, those of the batch their own names."""
    w, b = f.w, f.b
    old = int(np.sum(w.n[at.MANY, :kept]))
    used = np.any(b.table[at.USES] >= 0, axis=0)
    used[w.blocks[:old]] = True
    now = np.unique(np.concatenate([names[used], w.blocks[old:]]))
    if len(now) * b.ends.shape[1] > BLOCKS_MAX:
        raise BadRequest("holds more than {most} blocks to keep", field="trace", most=BLOCKS_MAX // b.ends.shape[1])
    place = np.full(len(names) + 1, at.NOBODY, np.int64)  # the last: of nobody
    place[:-1][used] = np.searchsorted(now, names[used])
    w.blocks[:old] = place[w.blocks[:old]]
    w.blocks[old:] = np.searchsorted(now, w.blocks[old:])
    table = np.full((3, b.ends.shape[1], len(now)), at.NOBODY, np.int32)
    to = place[:-1][used]
    table[at.USES][:, to] = b.table[at.USES][:, used]
    for k in (at.OLDER, at.NEWER):
        table[k][:, to] = place[b.table[k][:, used]]
    ends = np.stack([place[b.ends[at.OLDEST]], place[b.ends[at.NEWEST]], b.ends[at.FREE]])
    return f._replace(b=Blocks(table, ends)), now


def _wider(column: Any, width: int) -> Any:
    if column.shape[1] >= width:
        return column
    found = np.zeros((len(column), width), column.dtype)
    found[:, : column.shape[1]] = column
    return found


def _longer(column: Any, size: int) -> Any:
    return column if len(column) >= size else np.concatenate([column, np.zeros(size - len(column), column.dtype)])
