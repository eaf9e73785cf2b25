"""Work on several items in as many processes as there are processors: the first answer of a cold command."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from tokenworks.errors import TokenworksError
from tokenworks.search.problem import State
from tokenworks.search.run import Scorer


class _Out(pickle.Pickler):
    """Pickles what a child found; what its parent already has goes by its place in `common`."""

    def __init__(self, file: Any, common: Sequence[Any]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.places = {id(one): k for k, one in enumerate(common)}

    def persistent_id(self, obj: Any) -> int | None:
        return self.places.get(id(obj))


class _In(pickle.Unpickler):
    def __init__(self, file: Any, common: Sequence[Any]) -> None:
        super().__init__(file)
        self.common = common

    def persistent_load(self, pid: int) -> Any:
        return self.common[pid]


def scorer() -> Scorer:
    """How an ordinary search of one command goes over its blocks."""
    return Scorer(None, each)


def each(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """`map` over the blocks of a search, in order, side by side in children that start as copies of this process.

    A child that is lost, and one that meets an error, cost only their time: their blocks are worked on here.
    """
    listed = list(items)
    many = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, len(listed))
    if many < 2 or "fork" not in multiprocessing.get_all_start_methods():
        return list(map(work, listed))
    shared = _shared(listed)
    context = multiprocessing.get_context("fork")
    away: list[tuple[int, Connection, Any]] = []
    for k in range(1, many):
        mine, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(theirs, work, listed[k::many], shared), daemon=True)
        child.start()
        theirs.close()
        away.append((k, mine, child))
    found: list[Any] = [None] * len(listed)
    found[0::many] = map(work, listed[0::many])
    for k, mine, child in away:
        try:
            found[k::many] = _In(io.BytesIO(mine.recv_bytes()), shared).load()
        except EOFError:
            found[k::many] = map(work, listed[k::many])
        child.join()
    return found


def _shared(items: Sequence[Any]) -> list[Any]:
    """What the blocks have in common, which a child need not send back: the problem and its verdicts."""
    states = [one for item in items if isinstance(item, partial) for one in item.args if isinstance(one, State)]
    return list({id(one): one for state in states for one in (state.problem, state.verdicts)}.values())


def _child(out: Connection, work: Callable[[Any], Any], items: Sequence[Any], shared: Sequence[Any]) -> None:
    with suppress(TokenworksError, KeyboardInterrupt):  # the parent meets the error at the same block, and says it
        written = io.BytesIO()
        _Out(written, shared).dump([work(item) for item in items])
        out.send_bytes(written.getbuffer())
