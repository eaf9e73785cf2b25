"""Serving with Poisson arrivals: what a replica does at a rate, and the most it holds within a service level.

An engine runs steps one after another. In each, every decoding sequence gives a token and what waits of the
prompts is prefilled, at most a chunk. In steady state the tokens prefilled per step are those that arrive in
one, so the mean step follows from three step times alone, and Little's law gives the rate. Everything
broadcasts. The simulator runs the very same step (`engine_step`), one request at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from tokenworks.perf.roofline import Column
from tokenworks.perf.serving import Lengths, Replica, Steady, fixed_delay, mixed_step, places
from tokenworks.perf.serving_step import Load

_TRIALS = 10  # evaluations of the batch: the bracket then is narrower than 1e-6
_CLOSE = 1e-4  # of a limit, in logarithms: near enough
SHARED = 1.5  # prompts that fit into a step, below which they queue as if one filled it
_PASSES = 8  # of the share of steps that carry prompts
_LEAST = 1e-3  # sequences: the smallest batch that is tried
FULL = 0.98  # utilisation beyond which an open queue is called overloaded
_TAIL = np.log(100.0)  # the 99th percentile of an exponential, in means
_NINETY_NINE = 2.33  # standard deviations of a normal distribution
_FAR = 5.0  # how far, in logarithms, a trial may seem from its limit


def fresh_tokens(replica: Replica, lengths: Lengths) -> Column:
    """Tokens of a prompt that no cache holds."""
    return np.asarray(lengths.input, dtype=float) * (1.0 - np.asarray(replica.plan.prefix))


def chunk_tokens(replica: Replica) -> Column:
    """Tokens that one step of the replica takes at most, decoding sequences included."""
    return replica.constants.chunk * np.asarray(replica.plan.dp, dtype=float)


def engine_step(replica: Replica, lengths: Lengths, batch: Column, context: Column, tokens: Column) -> Column:
    """Seconds of a step with `batch` sequences of mean `context` decoding and `tokens` of prompts: the decode
    step, and what the prompts add to it: t(B, 0) + kappa (t(B, n) - t(B, 0)) / pp.

    An engine that prefills alone adds the whole prefill step. With pipeline stages a prompt holds up one of
    the groups of sequences at a time.
    """
    decode = mixed_step(replica, Load(batch, context)).time
    return _decoding(replica, decode) + _prompts(replica, lengths, Load(batch, context, tokens), decode)


def _decoding(replica: Replica, decode: Column) -> Column:
    plan = replica.plan
    return decode * (1.0 + np.asarray(plan.draft, dtype=float) / max(replica.arch.depth, 1)) / plan.accept


def _prompts(replica: Replica, lengths: Lengths, load: Load, decode: Column) -> Column:
    """What the prompt tokens of a load add to its decode step, s."""
    tokens, alone = np.asarray(load.prefill, dtype=float), np.asarray(replica.constants.alone) > 0
    spread = np.clip(tokens / np.maximum(fresh_tokens(replica, lengths), 1.0), 1.0, replica.plan.dp)
    load = load._replace(prompt=lengths.input, spread=spread)
    more = mixed_step(replica, load).time - decode
    if np.any(alone):
        more = np.where(alone, mixed_step(replica, load._replace(decode=0.0, context=0.0)).time, more)
    return replica.constants.interference * np.where(tokens > 0, more, 0.0) / replica.plan.pp


def first_token_delay(replica: Replica, lengths: Lengths, step: Column) -> Column:
    """Seconds of a first token that are neither queue nor step: the engine's own delay, ranks that wait for
    each other (`step`: a mean step, s), and the stages that a prompt still has to pass."""
    k, pp = replica.constants, np.asarray(replica.plan.pp, dtype=float)
    ranks = np.where(np.asarray(replica.plan.dp) > 1, k.dp_wait, 0.0) * step
    tokens = fresh_tokens(replica, lengths)
    through = (1.0 - 1.0 / pp) * mixed_step(replica, Load(prefill=np.minimum(tokens, k.chunk), prompt=tokens)).time
    return k.open_fixed * fixed_delay(replica) + ranks + np.where(pp > 1, through, 0.0)


class _Steps(NamedTuple):
    """Step times at one batch as a line in the prompt tokens n > 0: alone + jump + slope n. spread: what a
    step is longer by where the batch is _NINETY_NINE standard deviations above its mean."""

    alone: Column
    jump: Column
    slope: Column
    spread: Column
    room: Column  # prompt tokens that fit into a step


def _steps(replica: Replica, lengths: Lengths, batch: Column) -> _Steps:
    """A sequence sees itself and the mean of the others (arrivals see time averages: Wolff 1982)."""
    seen, context = np.asarray(batch, dtype=float) + 1.0, lengths.context
    room = np.maximum(chunk_tokens(replica) - seen, 1.0)
    one = np.minimum(fresh_tokens(replica, lengths), room)
    decode = mixed_step(replica, Load(seen, context)).time
    alone = _decoding(replica, decode)
    crowd = seen + _NINETY_NINE * np.sqrt(batch)
    busier = _decoding(replica, mixed_step(replica, Load(crowd, context)).time)
    first = alone + _prompts(replica, lengths, Load(seen, context, one), decode)
    full = alone + _prompts(replica, lengths, Load(seen, context, room), decode)
    wide = room > one * 1.001
    slope = np.where(wide, (full - first) / np.maximum(room - one, 1e-9), (first - alone) / np.maximum(one, 1e-9))
    return _Steps(alone, first - alone - slope * one, np.maximum(slope, 0.0), busier - alone, room)


class _Mix(NamedTuple):
    """How prompts fall into steps. rate: requests per second. step: mean step, s. mixed: share of steps with
    prompts. long: mean step with prompts, s. square: mean squared step, s^2. tpot: mean step as decoding
    sequences see it, s. many, pieces: prompts that one step takes; steps that one prompt takes. busy: share of
    the room for prompts that is used, in time. own: steps of a prompt, s. rest, queue: mean wait for the end of
    the step under way, and behind the prompts before it, s."""

    rate: Column
    step: Column
    mixed: Column
    long: Column
    square: Column
    tpot: Column
    many: Column
    pieces: Column
    busy: Column
    own: Column
    rest: Column
    queue: Column


def _mix(steps: _Steps, fresh: Column, batch: Column, tokens: Column) -> _Mix:
    """The chain of steps: one has prompts where some came during the step before it. A prompt longer than a
    step's room takes several; where the next one waits already, it shares the last of them."""
    parts, many = fresh / steps.room, np.maximum(steps.room / fresh, 1.0)
    pieces = np.maximum(np.ceil(parts - 1e-9), 1.0)
    queued = many < SHARED
    mixed, ratio = np.minimum(batch / tokens, 0.99), 1.0
    for _ in range(_PASSES):
        each = np.minimum(ratio * batch * fresh / tokens, steps.room)  # prompt tokens per step
        step = steps.alone + mixed * steps.jump + steps.slope * each
        long = steps.alone + steps.jump + steps.slope * each / mixed
        rate = each / (fresh * step)
        quiet, still = np.exp(-rate * steps.alone), np.exp(-rate * long)
        short = 1.0 - still / np.maximum(1.0 - quiet + still, 1e-12)
        several = rate * step * (pieces - mixed * (pieces - parts))
        mixed = np.clip(np.where(queued, several, np.maximum(short, each / steps.room)), 1e-9, 1.0)
        mix = _waits(steps, fresh, (tokens, rate, step, mixed, long), (many, pieces, quiet, still))
        ratio = 0.5 * ratio + 0.5 * step / mix.tpot
    return mix


def _waits(steps: _Steps, fresh: Column, chain: tuple[Column, ...], shape: tuple[Column, ...]) -> _Mix:
    """Waits, and the step that decoding sequences see.

    A prompt waits for the end of the step under way and for the prompts before it, as in M/G/1 whose server
    takes decode steps as vacations (Fuhrmann and Cooper 1985): R / (1 - rho), where R is the mean rest of a step
    and one prompt fills a step; where K fit into one, a queue is left over ever more rarely: R (1 + rho^K / (K (1 -
    rho))), which has the right limits for K = 1 and for rho near 1.

    A sequence begins to decode when prompts are under way, so that more of its steps carry prompts than of
    all steps: an excess that fades from its first step (rho, or a step after a mixed one) to none.
    """
    tokens, rate, step, mixed, long = chain
    many, pieces, quiet, still = shape
    queued = many < SHARED
    came = -np.log1p(-np.minimum(mixed, 1.0 - 1e-9))  # prompts per step, were they Poisson
    mean = np.minimum(came / mixed, many)
    varied = (steps.slope * fresh) ** 2 * mean * np.clip(1.0 + came - mean, 0.0, many) * (1.0 - 1.0 / many)
    square = (1.0 - mixed) * steps.alone**2 + mixed * (long**2 + varied)
    full = steps.alone + steps.jump + steps.slope * steps.room
    busy = rate * full * fresh / steps.room
    rho = np.clip(busy, 0.0, FULL)
    others = np.where(queued, 0.0, rate * square / step)
    own = pieces * (steps.alone + steps.jump) + steps.slope * np.minimum(fresh * (1.0 + others), pieces * steps.room)
    held = np.clip(rate * own, 0.0, FULL)
    rest = np.where(queued, (held * own + (1.0 - held) * steps.alone) / 2.0, square / (2.0 * step))
    queue = np.where(queued, rest * held / (1.0 - held), rest * rho**many / (many * (1.0 - rho)))
    # the excess of steps with prompts that a sequence sees, over its whole stay
    present = rate * (own + rest + queue)
    shown = np.clip(1.0 - (1.0 - held) * quiet - mixed, 1e-12, 1.0)
    over_time = np.clip(mixed * long / step, 1e-12, 1.0)
    growth = np.clip(1.0 - rate * pieces * (long - steps.alone), 1.0 - FULL, 1.0)
    lasting = pieces * present * np.clip(1.0 - mixed / over_time, 0.0, 1.0) / growth
    slow = lasting * -np.expm1(-tokens * shown / np.maximum(lasting, 1e-12))
    memory = np.clip(quiet - still, 0.0, 0.999)
    quick = np.clip(1.0 - still - mixed, 0.0, 1.0) * (1.0 - memory**tokens) / (1.0 - memory)
    share = np.minimum(np.where(queued, slow, quick) / tokens + mixed, 1.0)
    tpot = step + (share - mixed) * (long - steps.alone)
    return _Mix(rate, step, mixed, long, square, tpot, many, pieces, busy, own, rest, queue)


def at_batch(replica: Replica, lengths: Lengths, batch: Column) -> Steady:
    """Steady state with Poisson arrivals that keep `batch` sequences decoding (open loop): by Little's law
    the rate is B / ((osl - 1) TPOT)."""
    held = places(replica, lengths)
    batch = np.asarray(batch, dtype=float)
    tokens = np.maximum(np.asarray(lengths.output, dtype=float) - 1.0, 1.0)
    fresh = fresh_tokens(replica, lengths)
    steps = _steps(replica, lengths, batch)
    mix = _mix(steps, fresh, batch, tokens)
    first = first_token_delay(replica, lengths, mix.step) + mix.own
    tail = first + _wait_tail(steps, mix, fresh)
    delay = (mix.tpot - steps.alone) / np.maximum(mix.rate * mix.tpot, 1e-12)  # of all others by one prompt, s
    more = _NINETY_NINE * np.sqrt(batch) / tokens * delay + _KEPT * steps.spread
    slower = more * mix.tpot / steps.alone  # longer stays meet more prompts yet: 1 / (1 - rate delay)
    return Steady(
        batch, held, first + mix.rest + mix.queue, mix.tpot, tail, mix.tpot + slower, mix.rate,
        mix.rate * np.asarray(lengths.output, dtype=float), np.maximum(mix.busy, batch / np.maximum(held, 1e-9)),
    )  # fmt: skip


def _wait_tail(steps: _Steps, mix: _Mix, fresh: Column) -> Column:
    """The 99th percentile of what a first token waits beyond its own steps, s.

    Where a prompt fills a step: of M/D/1, P(W > t) = rho exp(-x t / S) with rho (e^x - 1) = x (to the third
    order), or of the rest of one service where that is longer. Where several fit: the rest of a step with prompts
    and the prompts that came meanwhile (Poisson), or the queue's.
    """
    held = np.clip(mix.rate * mix.own, 1e-9, FULL)
    x = 3.0 * (np.sqrt(0.25 + (2.0 / 3.0) * (1.0 - held) / held) - 0.5)
    one = np.maximum(mix.own / x * np.log(np.maximum(100.0 * held, 1.0)), mix.own * (1.0 - 0.01 / held))
    share = np.clip(mix.mixed * mix.long / mix.step, 1e-9, 1.0)
    others = mix.rate * mix.square / mix.step
    more = np.where(others > 0.01, _NINETY_NINE * np.sqrt(others) + 1.0, 0.0) * steps.slope * fresh
    rest = np.maximum(mix.long * (1.0 - 0.01 / share), mix.rest)
    several = rest + np.minimum(more, steps.slope * steps.room) + _TAIL * mix.queue
    return np.where(mix.many < SHARED, np.maximum(one, 0.0) + steps.alone, several)


_KEPT = 0.86  # of a batch's deviation is left in its mean over one stay: sqrt(2 / e), as of an M/M/infinity queue


def at_rate(replica: Replica, lengths: Lengths, rate: Column) -> Steady:
    """Steady state with `rate` requests per second offered to one replica (Poisson). Where the rate cannot
    be held, the replica runs full: utilisation says by how much, and the first token has no mean."""
    wanted = np.asarray(rate, dtype=float)
    state = largest(partial(at_batch, replica, lengths), places(replica, lengths), lambda s: s.requests / wanted)
    over = wanted > state.requests * (1.0 + 5e-3)
    busy = np.where(over, wanted / np.maximum(state.requests, 1e-12), state.utilisation)
    return state._replace(utilisation=busy)


def within(replica: Replica, lengths: Lengths, ttft: Column = np.inf, tpot: Column = np.inf) -> Steady:
    """The most loaded steady state of a replica whose 99th percentiles stay within `ttft` and `tpot` (s),
    with Poisson arrivals; a batch of 0.001 where none does (check ttft_p99 and tpot_p99)."""
    return largest(
        partial(at_batch, replica, lengths),
        places(replica, lengths),
        lambda s: np.maximum(s.ttft_p99 / ttft, s.tpot_p99 / tpot),
    )


def largest(state_at: Callable[[Column], Steady], most: Column, share: Callable[[Steady], Column]) -> Steady:
    """The state of the greatest batch up to `most` whose `share` of a limit, and whose utilisation, are at
    most one: false position on logarithms with halved ends (Illinois; Dowell and Jarratt 1971). Both must
    rise with the batch. state_at: the steady state of a batch."""

    def excess(x: Column) -> Column:
        state = state_at(np.exp(x))
        worst = np.maximum(np.maximum(share(state), state.utilisation), 1e-300)
        return np.clip(np.log(worst), -_FAR, _FAR)

    room = np.log(np.maximum(most, _LEAST))
    over = excess(room)
    high = np.broadcast_to(room, np.shape(over)).astype(float)
    low = np.full(np.shape(over), np.log(_LEAST))
    under = excess(low)
    low = np.where(over <= 0.0, high, low)
    before = np.zeros(np.shape(over), dtype=np.bool_)
    reached: Column = np.where(over <= 0.0, over, under)
    for trial in range(_TRIALS):
        if np.all((reached > -_CLOSE) | (high - low < _CLOSE)):
            break
        part = np.where(over > under, -under / np.maximum(over - under, 1e-12), 0.5)
        x = low + np.clip(part, 0.005, 0.995) * (high - low)
        value = excess(x)
        good = value <= 0.0
        again = (good == before) & (trial > 0)
        before = good
        low, high, reached = np.where(good, x, low), np.where(good, high, x), np.where(good, value, reached)
        under, over = (
            np.where(good, value, np.where(again, 0.5, 1.0) * under),
            np.where(good, np.where(again, 0.5, 1.0) * over, value),
        )
    return state_at(np.exp(low))
