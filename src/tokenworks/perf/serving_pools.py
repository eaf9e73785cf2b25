"""Separate prefill and decode workers under Poisson arrivals: each as loaded as its share of a service level allows.

A prefill worker runs prompts and nothing else, a decode worker only decodes; the cache is handed over between the
two. The step times are those of `serving.disaggregated`, which answers for a fixed number of requests in flight;
here requests come at random, and the 99th percentiles matter. Everything broadcasts.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from tokenworks.perf.roofline import Column
from tokenworks.perf.serving import (
    Lengths,
    Replica,
    Steady,
    chunk_tokens,
    fresh_tokens,
    mixed_step,
    places,
    token_time,
)
from tokenworks.perf.serving_open import FULL, SHARED, first_token_delay, largest
from tokenworks.perf.serving_step import Load

_TAIL = np.log(100.0)  # the 99th percentile of an exponential, in means
_NINETY_NINE = 2.33  # standard deviations of a normal distribution
_KEPT = 0.86  # of a batch's deviation is left in its mean over one stay: sqrt(2 / e), as of an M/M/infinity queue
_PASSES = 6  # of the mean prompts in a step
_HALVINGS = 18  # of the rate that is looked for


class Prompts(NamedTuple):
    """How a prefill worker takes prompts; columns, s. one: a step with one prompt (or with what fits of it). more:
    what a further prompt adds up to one a rank (`ranks`). most: what one adds beyond. own: steps of one prompt,
    alone. each: per prompt in full steps. many: prompts that one step takes, at least one. delay: of a first token
    beyond queue and steps."""

    one: Column
    more: Column
    ranks: Column
    most: Column
    own: Column
    each: Column
    many: Column
    delay: Column

    def step(self, count: Column) -> Column:
        """Seconds of a step with `count` prompts, at least one."""
        first = np.minimum(count, self.ranks) - 1.0
        return self.one + first * self.more + np.maximum(count - self.ranks, 0.0) * self.most


def prompts(replica: Replica, lengths: Lengths) -> Prompts:
    """The steps of a prefill worker. Pipeline stages work side by side: a step's share is its time over pp, and the
    way through the stages is part of the delay. Prompts up to one an attention rank run beside each other."""
    fresh, room = np.maximum(fresh_tokens(replica, lengths), 1.0), chunk_tokens(replica)
    fits, many = np.minimum(fresh, room), np.maximum(room / fresh, 1.0)
    ranks = np.minimum(np.asarray(replica.plan.dp, dtype=float), many)
    pp = np.asarray(replica.plan.pp, dtype=float)
    one, full = step_of(replica, lengths, fits) / pp, step_of(replica, lengths, room) / pp
    knee = np.where(ranks > 1.0, step_of(replica, lengths, np.minimum(ranks * fresh, room)) / pp, one)
    more = np.where(ranks > 1.0, (knee - one) / np.maximum(ranks - 1.0, 1e-9), 0.0)
    most = np.where(many > ranks * 1.001, (full - knee) / np.maximum(many - ranks, 1e-9), 0.0)
    pieces = np.maximum(np.ceil(fresh / room - 1e-9), 1.0)
    start = np.maximum(2.0 * step_of(replica, lengths, 0.5 * room) / pp - full, 0.0)  # of a step that carries little
    own = np.where(fresh > room, full * fresh / room + (pieces - fresh / room) * start, one)
    delay = first_token_delay(replica, lengths, one)
    return Prompts(one, more, ranks, np.maximum(most, 0.0), own, full * fresh / room, many, delay)


def step_of(replica: Replica, lengths: Lengths, tokens: Column) -> Column:
    """Seconds of a step with so many prompt tokens and nothing that decodes; 0 without any."""
    some = np.asarray(tokens, dtype=float)
    spread = np.clip(some / np.maximum(fresh_tokens(replica, lengths), 1.0), 1.0, replica.plan.dp)
    time = mixed_step(replica, Load(prefill=some, prompt=lengths.input, spread=spread)).time
    return np.where(some > 0.0, time, 0.0)


class Wait(NamedTuple):
    """First token of a prefill worker at a rate: its mean and 99th percentile, s, and the utilisation."""

    mean: Column
    tail: Column
    busy: Column


def prefill_at(p: Prompts, rate: Column) -> Wait:
    """What a first token takes at `rate` prompts per second.

    Where a prompt fills a step: M/D/1 (Pollaczek and Khinchine), with the tail P(W > t) = rho exp(-x t / S), rho
    (e^x - 1) = x to the third order. Where several fit, a step takes all that came during the one before it: the mean
    number is m = a + e^-a (one that comes to an idle worker starts at once), a = rate x step; a prompt waits for
    half a step if one is under way, and for what a full step leaves over: ever rarer with the number that fit.
    """
    busy = np.asarray(rate * p.each, dtype=float)
    rho = np.clip(np.maximum(busy, np.where(p.many < SHARED, rate * p.own, 0.0)), 1e-9, FULL)
    wait = rho / (2.0 * (1.0 - rho)) * p.own
    x = 3.0 * (np.sqrt(0.25 + (2.0 / 3.0) * (1.0 - rho) / rho) - 0.5)
    late = np.maximum(p.own / x * np.log(np.maximum(100.0 * rho, 1.0)), p.own * (1.0 - 0.01 / rho))
    step, came = p.one, rate * p.one
    for _ in range(_PASSES):
        many = np.minimum(came + np.exp(-came), p.many)
        step = p.step(many)
        came = np.minimum(rate * step, p.many)
    slope = np.where(came > p.ranks, p.most, p.more)
    feeds = np.clip(rate * slope, 0.0, FULL)  # a long step is followed by a long one: variance / (1 - feeds^2)
    swing = np.sqrt(came / (1.0 - feeds**2))
    biased = 1.0 + (swing * slope / step) ** 2  # steps as prompts meet them, over the mean one
    under = np.clip(step / (step + np.exp(-came) / rate), 1e-9, 1.0)  # share of time a step is under way
    left = 0.5 * step * rho**p.many / (p.many * (1.0 - rho))
    beside = np.minimum(1.0 + came * biased, p.many)  # a prompt and those that came with it
    mean = under * (0.5 * step * biased + p.step(beside) - p.one) + left
    crowd = np.minimum(1.0 + came * biased + _NINETY_NINE * swing, p.many)
    longer = p.step(np.minimum(many * biased + swing, p.many))
    tail = np.maximum(longer * (1.0 - 0.01 / under), 0.0) + p.step(crowd) - p.one + _TAIL * left
    alone = p.many < SHARED
    first = p.delay + p.own
    return Wait(first + np.where(alone, wait, mean), first + np.where(alone, np.maximum(late, 0.0), tail), busy)


def prefill_within(p: Prompts, ttft: Column) -> Column:
    """The greatest rate, prompts per second, whose 99th percentile of a first token stays within `ttft`; 0 where
    none does. By halving: the percentile rises with the rate."""
    slowest: Column = np.where(p.many < SHARED, np.maximum(p.own, p.each), p.each)
    most = FULL / slowest
    low, high = np.zeros(np.shape(most)), np.asarray(most, dtype=float)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        good = prefill_at(p, np.maximum(middle, 1e-12)).tail <= ttft
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    return np.where(prefill_at(p, np.maximum(low, 1e-12)).tail <= ttft, low, 0.0)


def decode_at(replica: Replica, lengths: Lengths, batch: Column) -> Steady:
    """Steady state of a decode worker that holds `batch` sequences on average: by Little's law the rate is
    B / ((osl - 1) TPOT). `ttft` is what the hand-over adds to a first token: the transfer and half a step (at most a
    whole one in the tail)."""
    held, batch = places(replica, lengths), np.asarray(batch, dtype=float)
    tokens = np.maximum(np.asarray(lengths.output, dtype=float) - 1.0, 1.0)
    seen = batch + 1.0  # a sequence sees itself and the mean of the others (Wolff 1982)
    tpot = token_time(replica, seen, lengths.context)
    crowd = token_time(replica, seen + _NINETY_NINE * np.sqrt(batch), lengths.context)
    rate = batch / (tokens * tpot)
    transfer = replica.constants.transfer
    return Steady(
        batch, held, transfer + 0.5 * tpot, tpot, transfer + tpot, tpot + _KEPT * (crowd - tpot), rate,
        rate * np.asarray(lengths.output, dtype=float), batch / np.maximum(held, 1e-9),
    )  # fmt: skip


def decode_within(replica: Replica, lengths: Lengths, tpot: Column) -> Steady:
    """The most loaded state of a decode worker whose 99th percentile of TPOT stays within `tpot` (check it: a batch
    of 0.001 where none does)."""
    return largest(partial(decode_at, replica, lengths), places(replica, lengths), lambda s: s.tpot_p99 / tpot)
