"""The prefix cache: whole blocks of prompt tokens that a replica keeps for requests that begin alike.

A block's name stands for its tokens and all before them (a hash chain, as in vLLM and in the traces of Mooncake), so
that a request can use its leading blocks as far as they are cached. Blocks in use are shared and counted once;
those without a use stay until their room is needed, the least recently used first, the end of a prompt before
its beginning (Kwon et al., SOSP 2023; Zheng et al., SGLang, 2024). Plain functions that numba also compiles.
"""

from __future__ import annotations

from tokenworks.simulate import columns as at
from tokenworks.simulate.columns import Blocks, Rules, State, Work


def matched(w: Work, b: Blocks, rules: Rules, r: int, request: int) -> tuple[int, int]:
    """Leading blocks of a request that a replica has (one token at least is always computed), and how many of
    them are in use."""
    size = rules.n[at.BLOCK, r]
    if size == 0 or w.n[at.MANY, request] == 0:
        return 0, 0
    most = min(w.n[at.MANY, request], (w.n[at.PROMPT, request] - 1) // size)
    found, used, start = 0, 0, w.n[at.START, request]
    while found < most:
        uses = b.table[at.USES, r, w.blocks[start + found]]
        if uses < 0:
            break
        found += 1
        used += 1 if uses > 0 else 0
    return found, used


def unlink(b: Blocks, r: int, block: int) -> None:
    """A block without a use leaves the list."""
    older, newer = b.table[at.OLDER, r, block], b.table[at.NEWER, r, block]
    if older == at.NOBODY:
        b.ends[at.OLDEST, r] = newer
    else:
        b.table[at.NEWER, r, older] = newer
    if newer == at.NOBODY:
        b.ends[at.NEWEST, r] = older
    else:
        b.table[at.OLDER, r, newer] = older
    b.ends[at.FREE, r] -= 1


def keep(b: Blocks, r: int, block: int) -> None:
    """A block that lost its last use joins the list as the newest."""
    b.table[at.OLDER, r, block], b.table[at.NEWER, r, block] = b.ends[at.NEWEST, r], at.NOBODY
    if b.ends[at.NEWEST, r] == at.NOBODY:
        b.ends[at.OLDEST, r] = block
    else:
        b.table[at.NEWER, r, b.ends[at.NEWEST, r]] = block
    b.ends[at.NEWEST, r] = block
    b.ends[at.FREE, r] += 1


def pin(w: Work, b: Blocks, r: int, request: int, found: int) -> None:
    """A request takes the `found` leading blocks that are cached."""
    start = w.n[at.START, request]
    for k in range(found):
        block = w.blocks[start + k]
        if b.table[at.USES, r, block] == 0:
            unlink(b, r, block)
        b.table[at.USES, r, block] += 1
    w.n[at.PINNED, request] = found


def publish(w: Work, s: State, b: Blocks, rules: Rules, r: int, request: int) -> None:
    """The blocks of a prefilled prompt can be used by others; where another made the same, one copy goes."""
    start = w.n[at.START, request]
    for k in range(w.n[at.PINNED, request], w.n[at.MANY, request]):
        block = w.blocks[start + k]
        if b.table[at.USES, r, block] > 0:
            s.n[at.HELD, r] -= rules.n[at.BLOCK, r]
        elif b.table[at.USES, r, block] == 0:
            unlink(b, r, block)
        b.table[at.USES, r, block] = max(b.table[at.USES, r, block], 0) + 1
    w.n[at.PINNED, request] = w.n[at.MANY, request]


def release(w: Work, s: State, b: Blocks, rules: Rules, r: int, request: int, size: int) -> None:
    """A request gives up its `size` tokens of cache; its blocks stay while there is room."""
    shared = w.n[at.PINNED, request]
    s.n[at.HELD, r] -= size - shared * rules.n[at.BLOCK, r]
    start = w.n[at.START, request]
    for k in range(shared - 1, -1, -1):
        block = w.blocks[start + k]
        b.table[at.USES, r, block] -= 1
        if b.table[at.USES, r, block] == 0:
            keep(b, r, block)
            s.n[at.HELD, r] -= rules.n[at.BLOCK, r]
    w.n[at.PINNED, request] = 0


def trim(s: State, b: Blocks, rules: Rules, r: int) -> None:
    """Drop the least recently used blocks until what is in use has its room."""
    while b.ends[at.FREE, r] > 0 and s.n[at.HELD, r] + b.ends[at.FREE, r] * rules.n[at.BLOCK, r] > rules.n[at.CACHE, r]:
        block = b.ends[at.OLDEST, r]
        unlink(b, r, block)
        b.table[at.USES, r, block] = at.NOBODY


def forget(b: Blocks, r: int) -> None:
    """A replica lost its memory."""
    b.table[at.USES, r, :] = at.NOBODY
    b.ends[at.OLDEST, r] = b.ends[at.NEWEST, r] = at.NOBODY
    b.ends[at.FREE, r] = 0
