"""Shards on local processes: a worker that dies costs only the shard it was working on."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tokenworks.errors import Defect

TRIES = 3  # of one shard, before it is said to kill its workers

Work = Callable[[Any, int], bytes]


@dataclass
class _Worker:
    """A process, the pipe to it, and the shard it has."""

    process: BaseProcess
    pipe: Connection
    shard: int | None = None


def _serve(pipe: Connection, work: Work, plan: Any) -> None:
    """A worker's life: shards in, bytes out, until the pipe closes."""
    while True:
        try:
            number = pipe.recv()
        except EOFError:
            return
        pipe.send(work(plan, number))


def on_processes(work: Work, plan: Any, shards: Sequence[int], count: int) -> Iterator[tuple[int, bytes]]:
    """(shard, bytes) in the order in which they finish. Raises Defect where a shard kills every worker it gets."""
    context = multiprocessing.get_context("spawn")
    waiting, tried = deque(shards), dict.fromkeys(shards, 0)
    workers: list[_Worker] = []

    def start() -> _Worker:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, work, plan), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def give(worker: _Worker) -> None:
        worker.shard = waiting.popleft() if waiting else None
        if worker.shard is not None:
            tried[worker.shard] += 1
            if tried[worker.shard] > TRIES:
                raise Defect("shard {number} killed {n} workers", number=worker.shard, n=TRIES)
            worker.pipe.send(worker.shard)

    try:
        workers = [start() for _ in range(min(count, len(waiting)))]
        for worker in workers:
            give(worker)
        while any(w.shard is not None for w in workers):
            ready = wait([w.pipe for w in workers if w.shard is not None])
            for k, worker in enumerate(workers):
                if worker.pipe not in ready or worker.shard is None:
                    continue
                shard = worker.shard
                try:
                    done = worker.pipe.recv()
                except (EOFError, ConnectionResetError):
                    waiting.append(shard)
                    worker.pipe.close()
                    worker.process.join()
                    workers[k] = start()
                    give(workers[k])
                    continue
                give(worker)
                yield shard, done
    finally:
        for worker in workers:
            worker.pipe.close()
        for worker in workers:
            worker.process.terminate()
            worker.process.join()
