"""The scheduler: iteration-level batching of requests on replicas, one event at a time.

A replica runs steps one after another. In a step every decoding sequence gives one token and some prompt
tokens are prefilled; a request's first token appears with the step that ends its prefill. Between two events
that change the batch (an arrival, a finished sequence) all steps are alike, so they are jumped over at once:
the time of k equal decode steps is k times the step at their mean context, which is exact for step times
linear in the context.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

StepTime = Callable[[int, float, int], float]  # (decoding sequences, their cached tokens, prompt tokens) -> s


class Engine(NamedTuple):
    """What each replica may do. slots: sequences at once. cache: tokens that its cache holds. chunk: tokens
    of one step, decoding sequences included. prefill_first: prompts run in steps of their own, before
    decoding (else mixed into decode steps)."""

    slots: int
    cache: int
    chunk: int
    prefill_first: bool = False


@dataclass
class Replica:
    """State of one replica. Times in s, counts in tokens or sequences.

    counter numbers its decode steps; a sequence that starts decoding at step k with n tokens to go ends
    at step k + n. version marks the plan in the event heap that is still valid.
    """

    waiting: deque[int] = field(default_factory=deque)
    filling: deque[list[int]] = field(default_factory=deque)  # [request, prompt tokens left]
    decoding: list[tuple[int, int]] = field(default_factory=list)  # heap of (last step, request)
    held: int = 0  # tokens of the cache promised to running requests
    context: int = 0  # tokens in the cache of decoding sequences
    counter: int = 0
    busy: float = 0.0
    started: float = 0.0
    steps: int = 0  # of the plan under way; 0: idle
    each: float = 0.0  # s per step of the plan
    prompt: int = 0  # prompt tokens of the plan's single step
    version: int = 0

    @property
    def running(self) -> int:
        """Sequences admitted and not finished."""
        return len(self.filling) + len(self.decoding)


def admit(replica: Replica, queue: deque[int], engine: Engine, needs: list[int], inputs: list[int]) -> None:
    """Move requests from the head of a queue into the replica while a slot and cache are free."""
    while queue and replica.running < engine.slots and replica.held + needs[queue[0]] <= engine.cache:
        request = queue.popleft()
        replica.held += needs[request]
        replica.filling.append([request, inputs[request]])


def plan(replica: Replica, engine: Engine, step: StepTime, now: float) -> float:
    """Decide what the replica does next; return the time at which it ends (infinity: nothing to do)."""
    replica.version += 1
    batch = len(replica.decoding)
    replica.prompt = 0
    if replica.filling:
        room = engine.chunk - (0 if engine.prefill_first else batch)
        replica.prompt = min(max(room, 1), sum(left for _, left in replica.filling))
        alone = engine.prefill_first
        replica.steps = 1
        replica.each = step(0 if alone else batch, 0.0 if alone else float(replica.context), replica.prompt)
    elif batch:
        replica.steps = replica.decoding[0][0] - replica.counter
        mean = replica.context + batch * (replica.steps - 1) / 2.0
        replica.each = step(batch, mean, 0)
    else:
        replica.steps = 0
        return float("inf")
    replica.started = now
    return now + replica.steps * replica.each


def cut(replica: Replica, now: float) -> float | None:
    """Shorten a jump at the end of the step that is under way; return the new end, or None if it stays."""
    if replica.steps <= 1 or replica.prompt:
        return None
    done = max(int(-(-(now - replica.started) // replica.each)), 1)  # ceiling
    if done >= replica.steps:
        return None
    replica.steps = done
    replica.version += 1
    return replica.started + done * replica.each


def finish(replica: Replica, engine: Engine, inputs: list[int], outputs: list[int]) -> tuple[list[int], list[int]]:
    """Carry the planned steps out; return the requests that got their first token and those that ended."""
    first: list[int] = []
    ended: list[int] = []
    replica.busy += replica.steps * replica.each
    if not (replica.prompt and engine.prefill_first):
        replica.counter += replica.steps
        replica.context += replica.steps * len(replica.decoding)
        while replica.decoding and replica.decoding[0][0] <= replica.counter:
            _, request = heapq.heappop(replica.decoding)
            replica.context -= inputs[request] + outputs[request]
            ended.append(request)
    left = replica.prompt
    while left and replica.filling:
        head = replica.filling[0]
        taken = min(left, head[1])
        head[1] -= taken
        left -= taken
        if head[1] == 0:
            replica.filling.popleft()
            request = head[0]
            first.append(request)
            if outputs[request] == 1:
                ended.append(request)
            else:
                heapq.heappush(replica.decoding, (replica.counter + outputs[request] - 1, request))
                replica.context += inputs[request] + 1
    for request in ended:
        replica.held -= inputs[request] + outputs[request]
    replica.steps = 0
    return first, ended
