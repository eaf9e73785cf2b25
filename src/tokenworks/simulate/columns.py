"""The columns that the scheduler works on: one element a replica or a request, plain arrays that numba can compile.

`structures.py` has the queues and heaps in them, `prefix.py` the cached blocks, `engine.py` the scheduling.
"""

from __future__ import annotations

from typing import Any, NamedTuple

ROUND_ROBIN, LEAST_LOADED, SHARED, PREFIX = 0, 1, 2, 3
OFF, STARTING, UP, DRAINING, FAILED = 0, 1, 2, 3, 4  # what a replica does
NOBODY, REJECTED = -1, -2

# What is counted in State.counts.
PREEMPTED, REQUEUED, FAILURES, STARTS, PREFILLED, REUSED, MADE, FLYING, GAPS = range(9)
COUNTS = 9


# Rows of the tables, one element a request or a replica in each.
ARRIVAL, FIRST, DONE = range(3)  # Work.t: when it came, its first token, its last, s
PROMPT, LEFT, OUTPUT, AFTER, REPLICA, START, MANY, PINNED = range(8)  # Work.n, see there
BUSY, STARTED, EACH, END, WAKE, FAIL, SINCE, ON = range(8)  # State.t
(
    HEAD, TAIL, LENGTH, QUEUED, FILL_HEAD, FILL_TAIL, FILLING, TO_FILL, DECODING, HELD, CONTEXT, COUNTER, STEPS, TAKEN,
    MODE,
) = range(15)  # fmt: skip # State.n
SLOTS, CACHE, CHUNK, ALONE, PAGED, BLOCK, HANDS, POOL = range(8)  # Rules.n
USES, OLDER, NEWER = range(3)  # Blocks.table
OLDEST, NEWEST, FREE = range(3)  # Blocks.ends


class Rules(NamedTuple):
    """What each replica may do, n[row, replica]. SLOTS: sequences at once. CACHE: tokens. CHUNK: tokens of a
    step. ALONE: prompts in steps of their own. PAGED: a sequence takes cache as it grows, and the youngest is
    preempted where it runs out (else its whole output is promised at admission). BLOCK: tokens of a block of
    the prefix cache (0: none). HANDS: prefills only, then hands the sequence over. POOL: row of its step times."""

    n: Any


class Policy(NamedTuple):
    """How the farm is run. router: one of the four above. fronts: replicas, from the first, that prefill only.
    latency, per_token: s that a cache takes to the decoding pool. least, target, interval, startup, patience: of
    autoscaling (interval infinite: none). repair: s that a failed replica is away."""

    router: int
    fronts: int
    latency: float
    per_token: float
    least: int
    target: float
    interval: float
    startup: float
    patience: float
    repair: float


class Steps(NamedTuple):
    """Seconds of a step on a grid of batches and prompt tokens, plus a slope per cached token (tables.py); the
    first index is the pool. sizes: how much of each padded grid is used."""

    sizes: Any
    batches: Any
    prompts: Any
    base: Any
    slope: Any


class Work(NamedTuple):
    """Requests, t[row, request] and n[row, request]. PROMPT, LEFT: tokens to prefill and what is left of them;
    OUTPUT: tokens still to come; AFTER: the next in the same queue; REPLICA: where it is or was; its prefix blocks are
    blocks[START : START + MANY]; PINNED: how many of them it holds."""

    t: Any
    n: Any
    blocks: Any


class State(NamedTuple):
    """Replicas, t[row, replica] and n[row, replica]; the waiting queues (HEAD, TAIL, LENGTH, QUEUED prompt tokens) have
    two more: those that wait for any decoding, and for any prefilling replica.

    FILL_HEAD, FILL_TAIL, FILLING, TO_FILL: prompts under way and their tokens. DECODING: sequences. HELD: tokens of
    the cache in use or promised. CONTEXT: tokens that decoding sequences have there. COUNTER: steps so far. STEPS,
    EACH, TAKEN, STARTED, END: the plan under way (how many steps, s of each, prompt tokens). MODE, WAKE, FAIL: what it
    does, when it will be up, when it will fail. BUSY: s of steps. SINCE, ON: powered. heap_*: (replicas, slots)
    sequences by the step in which they end. fly_*: caches on their way. gaps: times between failures, s. counts: see
    above. next: time of the next rare event, and of the next cache that lands.
    """

    t: Any
    n: Any
    heap_step: Any
    heap_request: Any
    fly_time: Any
    fly_request: Any
    gaps: Any
    counts: Any
    next: Any


class Blocks(NamedTuple):
    """The prefix cache of each replica. table[row, replica, block]: USES (-1: not cached), and the list of those
    without a use; ends[row, replica]: its OLDEST and NEWEST, and how many are in it, FREE."""

    table: Any
    ends: Any


class Farmyard(NamedTuple):
    """All that stays the same or is changed in place during a run."""

    w: Work
    s: State
    b: Blocks
    rules: Rules
    policy: Policy
    steps: Steps


class Clock(NamedTuple):
    """Where a run stands between two calls. area: request-seconds in the system; inside: requests there; turn:
    of round robin; upcoming: the next to arrive; seen, due, every: of the watch; tick: of autoscaling; enough:
    when there were last no more replicas than wanted. rare: it stands before a rare event."""

    now: float
    area: float
    inside: int
    turn: int
    upcoming: int
    seen: int
    due: float
    every: float
    tick: float
    enough: float
    rare: bool
