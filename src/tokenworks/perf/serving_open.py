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
from tokenworks.perf.serving import (
    Lengths,
    Replica,
    Steady,
    chunk_tokens,
    fixed_delay,
    fresh_tokens,
    mixed_step,
    places,
)
from tokenworks.perf.serving_step import Load

_TRIALS = 10  # evaluations of the batch: the bracket then is narrower than 1e-6
_CLOSE = 1e-4  # of a limit, in logarithms: near enough
SHARED = 1.5  # prompts that fit into a step, below which they queue as if one filled it
_PASSES = 10  # of the share of steps that carry prompts: within 0.6 % of the end, up to a load of 0.9
_WEIGHT = 0.6  # of a new guess: undamped, prompts that lie beside each other on many ranks make it swing for ever
_LEAST = 1e-3  # sequences: the smallest batch that is tried
FULL = 0.98  # utilisation beyond which an open queue is called overloaded
_SHORTEST = 0.5  # of a step at the mean batch: the least that its mean over batches is taken to be
_LOGISTIC = 1.702  # of a standard deviation is the scale of the logistic curve next to a normal one
_TAILS = 50.0  # such scales, beyond which a chance is nought
_TAIL = np.log(100.0)  # the 99th percentile of an exponential, in means
_NINETY_NINE = 2.33  # standard deviations of a normal distribution
_FAR = 5.0  # how far, in logarithms, a trial may seem from its limit


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
    tokens = fresh_tokens(replica, lengths)
    through = (1.0 - 1.0 / pp) * mixed_step(replica, Load(prefill=np.minimum(tokens, k.chunk), prompt=tokens)).time
    return k.open_fixed * fixed_delay(replica) + _ranks(replica) * step + np.where(pp > 1, through, 0.0)


def _ranks(replica: Replica) -> Column:
    """Steps that a first token waits for other ranks."""
    return np.where(np.asarray(replica.plan.dp) > 1, replica.constants.dp_wait, 0.0)


class _Steps(NamedTuple):
    """Step times near a mean batch: of n > 0 prompt tokens and b decoding sequences alone + each (b - seen) + bend
    (b - seen)^2 / 2 + jump + slope n. seen: the mean batch and one. spread: what a step is longer by where the batch
    is _NINETY_NINE standard deviations of a Poisson number above its mean. room: prompt tokens that fit. full: a step
    that is full of them. Prompts of up to `knee` tokens lie beside each other on attention ranks: there `more` times
    their distance from it is to be added."""

    seen: Column
    alone: Column
    each: Column
    bend: Column
    jump: Column
    slope: Column
    spread: Column
    room: Column
    full: Column
    knee: Column
    more: Column

    def bent(self, mean: Column, deviation: Column) -> _Steps:
        """The line in n that fits best where steps with prompts carry so many tokens: above the knee with the chance
        of a logistic distribution, which also says how far above it they are on average."""
        if not np.any(self.more):
            return self
        scale = np.maximum(deviation, 1.0) / _LOGISTIC
        below = (self.knee - mean) / scale
        share, short = 1.0 / (1.0 + np.exp(np.clip(-below, -_TAILS, _TAILS))), scale * np.logaddexp(0.0, below)
        slope = np.maximum(self.slope - self.more * share, 0.0)
        return self._replace(jump=self.jump + self.more * short + (self.slope - slope) * mean, slope=slope)

    def decode(self, batch: Column, variance: Column) -> Column:
        """Mean seconds of a step without prompts, by mean and variance of the batch."""
        line = self.alone + self.each * (batch - self.seen)
        return np.maximum(line + 0.5 * self.bend * variance, _SHORTEST * line)


def _steps(replica: Replica, lengths: Lengths, batch: Column) -> _Steps:
    """A sequence sees itself and the mean of the others (arrivals see time averages: Wolff 1982)."""
    seen, context = np.asarray(batch, dtype=float) + 1.0, lengths.context
    room = np.maximum(chunk_tokens(replica) - seen, 1.0)
    one = np.minimum(fresh_tokens(replica, lengths), room)
    up = _NINETY_NINE * np.sqrt(batch)
    down = np.minimum(up, 0.5 * (seen - 1.0))
    decode = mixed_step(replica, Load(seen, context)).time
    alone, busier, calmer = (
        _decoding(replica, time)
        for time in (decode, *(mixed_step(replica, Load(seen + d, context)).time for d in (up, -down)))
    )
    knee = np.minimum(one * np.asarray(replica.plan.dp, dtype=float), room)
    several = np.any(knee > one)
    first, most, least = (
        alone + _prompts(replica, lengths, Load(seen, context, n), decode)
        for n in ((one, room, knee) if several else (one, room, one))
    )
    wide = room > knee * 1.001
    beside = np.where(knee > one, (least - first) / np.maximum(knee - one, 1e-9), 0.0)
    single = np.where(knee > one, beside, (first - alone) / np.maximum(one, 1e-9))
    slope = np.maximum(np.where(wide, (most - least) / np.maximum(room - knee, 1e-9), single), 0.0)
    above, below = (busier - alone) / np.maximum(up, 1e-9), (alone - calmer) / np.maximum(down, 1e-9)
    each = np.clip((above * down + below * up) / np.maximum(up + down, 1e-9), 0.0, alone / seen)
    bend = 2.0 * (above - below) / np.maximum(up + down, 1e-9)
    more = np.where(knee > one, slope - beside, 0.0)
    jump = least - alone - slope * knee
    return _Steps(seen, alone, each, bend, jump, slope, busier - alone, room, most, knee, more)


class _Fit(NamedTuple):
    """How prompts fit into steps. work: s that one adds beyond `jump`. many, pieces: prompts that one step takes; steps
    that one prompt takes. over: share of a prompt that the last of its steps has room for besides. queued: one prompt
    fills a step, so that others wait behind it."""

    fresh: Column
    work: Column
    many: Column
    pieces: Column
    over: Column
    queued: Column

    @staticmethod
    def of(steps: _Steps, fresh: Column) -> _Fit:
        """Of prompts with so many fresh tokens."""
        parts, many = fresh / steps.room, np.maximum(steps.room / fresh, 1.0)
        pieces = np.maximum(np.ceil(parts - 1e-9), 1.0)
        return _Fit(fresh, steps.slope * fresh, many, pieces, pieces / parts - 1.0, many < SHARED)


class _Mix(NamedTuple):
    """How prompts fall into steps. rate: requests per second. step: mean step, s. mixed: share of steps with
    prompts. long: mean step with prompts, s. square: mean squared step, s^2. tpot: mean step as decoding
    sequences see it, s; alone: without prompts. busy: share of the room for prompts that is used, in time. own: steps
    of a prompt, s. rest, queue: mean wait for the end of the step under way, and behind the prompts before it, s."""

    rate: Column
    step: Column
    mixed: Column
    long: Column
    square: Column
    tpot: Column
    alone: Column
    busy: Column
    own: Column
    rest: Column
    queue: Column


class _Chain(NamedTuple):
    """The chain of steps at a guess. count: mean batch over steps. come: prompts per step. alone, step, long: mean s of
    a step without prompts, of all, of those with prompts. mixed: share with prompts. delay: s that one more prompt
    adds to the steps."""

    rate: Column
    count: Column
    come: Column
    alone: Column
    step: Column
    long: Column
    mixed: Column
    delay: Column


def _mix(steps: _Steps, fit: _Fit, batch: Column, tokens: Column) -> _Mix:
    """The fixed point of chain and clusters: the batch as steps, sequences and time see it.

    With Little's law the time average of the batch is rate x tokens x TPOT; that over steps is rate x tokens x mean
    step, as each step gives a token to each.
    """
    ratio, guess = 1.0, (np.minimum(batch / tokens, 0.99), np.zeros(()), np.ones(()))
    for trial in range(_PASSES):
        line, fit = _bent(steps, fit, ratio * batch / tokens, guess)
        chain, extra = _chain(line, fit, (ratio * batch, tokens), guess), guess[1]
        crowd, more = _clusters(line, fit, chain, (batch, tokens, extra))
        variance = _variance(line, fit, chain, (crowd, more, extra))
        square = variance + chain.step**2
        lost = 2.0 * _left(line, fit, chain, square)
        extra = np.maximum(chain.rate**2 * variance / chain.come - lost, 0.0)
        weight = _WEIGHT if trial else 1.0
        found = chain.mixed, extra, crowd
        guess = tuple(old + weight * (new - old) for old, new in zip(guess, found, strict=True))
        alone = line.decode(chain.count + crowd, crowd * (chain.count + crowd - 1.0))
        tpot = alone + chain.step - chain.alone + chain.delay * more
        ratio = 0.5 * ratio + 0.5 * chain.step / tpot
    return _waits(line, fit, chain, (batch, square, tpot, alone))


def _bent(steps: _Steps, fit: _Fit, come: Column, guess: tuple[Column, ...]) -> tuple[_Steps, _Fit]:
    """Both where steps carry the guessed prompts. come: per step. guess: see _chain."""
    mixed, extra = guess[:2]
    mean = np.clip(come / mixed, 1.0, fit.many)
    variance = np.clip(come * (1.0 + extra + come) / mixed - mean**2, _LEAST, (fit.many - mean) * mean + _LEAST)
    line = steps.bent(np.minimum(mean * fit.fresh, steps.room), np.sqrt(variance) * fit.fresh)
    return line, fit._replace(work=line.slope * fit.fresh)


def _chain(steps: _Steps, fit: _Fit, sizes: tuple[Column, Column], guess: tuple[Column, ...]) -> _Chain:
    """One pass over the steps. sizes: mean batch over steps; tokens of a sequence. guess: share of steps with prompts,
    extra variance of the prompts in a step over their mean, variance of the batch over its mean.

    A step has no prompts where none came during the one before it: p0 = E exp(-rate step). With negative binomial
    prompts (a gamma mixture of Poisson ones) of the given mean and variance this can be solved for p0.
    """
    (count, tokens), (mixed, extra, crowd) = sizes, guess
    each = np.minimum(count * fit.fresh / tokens, steps.room)  # prompt tokens per step
    alone = steps.decode(count, crowd * count)
    step = alone + mixed * steps.jump + steps.slope * each
    rate = each / (fit.fresh * step)
    come = rate * step
    quiet, start, work = np.exp(-rate * alone), np.exp(-rate * steps.jump), -np.expm1(-rate * fit.work)
    among = np.exp(-come * np.where(extra * work > 1e-6, np.log1p(extra * work) / np.maximum(extra, 1e-9), work))
    some = 1.0 - quiet * start * among / (1.0 - quiet * (1.0 - start))
    several = come * fit.pieces * (1.0 - mixed * fit.over / (1.0 + fit.over))
    mixed = np.clip(np.where(fit.queued, several, np.maximum(some, each / steps.room)), 1e-9, 1.0)
    long = alone + steps.jump + steps.slope * each / mixed
    delay = fit.work + steps.jump * np.where(fit.queued, fit.pieces, (1.0 - mixed) / (1.0 + extra))
    return _Chain(rate, count, come, alone, step, long, mixed, delay)


def _clusters(steps: _Steps, fit: _Fit, c: _Chain, sizes: tuple[Column, ...]) -> tuple[Column, Column]:
    """Variance of the batch over its mean, over steps; and prompts per step that a decoding sequence sees beyond the
    mean of all steps. sizes: mean batch, tokens of a sequence, extra variance of the prompts in a step.

    Prompts beget prompts: while one makes a step longer by d, rate d = rho others come, and while its sequence makes
    `tokens` steps longer by s each, rate s tokens = sigma more. Counted in steps the prompts thus are a linear
    self-exciting process (Hawkes 1971) with a fast kernel of mass rho and a slow one of mass sigma; its covariance
    follows from its spectrum, (prompts per step) / |1 - h(w)|^2. Its clusters have 1 / (1 - rho) prompts on average
    and the covariance over all lags is 1 / (1 - rho)^2 prompts a prompt, the half of what is not the prompt itself
    (`fast`) being seen after it. The batch is the sum of the prompts of the last `tokens` steps, so that its variance
    over its mean is 1 / ((1 - rho) (1 - rho - sigma)); without prompts this is the 1 / (1 - sigma) of a processor
    shared by all, whatever the lengths are (Kelly 1979). A cluster that outlasts a sequence counts only in part: its
    covariance is taken to fade exponentially from what it is at one step.
    """
    batch, tokens, extra = sizes
    free = np.clip(1.0 - c.rate * c.delay, 1.0 - FULL, 1.0)  # 1 - rho
    left = np.clip(free - c.rate * tokens * steps.each, 1.0 - FULL, 1.0)
    held = np.clip(c.rate * _own(steps, fit, batch), 0.0, FULL)
    several = np.minimum(1.0 + extra, np.maximum(fit.many - c.come, 0.0))
    one = np.where(
        fit.queued, np.maximum(1.0 - c.come * fit.pieces, 0.0), several
    )  # variance of those in a step / mean
    fast = np.maximum(0.5 * (1.0 / free**2 - one), 1e-12)
    waits = (1.0 - (1.0 - held) * np.exp(-c.rate * c.alone) - c.mixed) / fit.pieces
    rho = 1.0 - free
    first = np.clip(np.where(fit.queued, waits, rho / (1.0 - rho**2)), 1e-12, 1.0)
    stays = tokens * first / fast  # of a sequence, in those of a cluster
    seen = -np.expm1(-stays)
    crowd = (one + 2.0 * fast * (1.0 - seen / stays)) * free / left
    return crowd, c.rate * steps.each * crowd / free + fast * seen / tokens


def _own(steps: _Steps, fit: _Fit, batch: Column) -> Column:
    """Steps of one prompt alone, s."""
    return fit.pieces * (steps.decode(batch, 0.0) + steps.jump) + fit.work


def _variance(steps: _Steps, fit: _Fit, c: _Chain, moments: tuple[Column, ...]) -> Column:
    """Variance of a step, s^2: of the batch, of its prompts, and of both together."""
    crowd, more, extra = moments
    spread = c.come * np.minimum(1.0 + extra, np.maximum(fit.many - c.come, 0.0))
    some = c.mixed * (1.0 - c.mixed)
    several = steps.jump**2 * some + fit.work**2 * spread + 2.0 * steps.jump * fit.work * c.come * (1.0 - c.mixed)
    prompts = np.where(fit.queued, (steps.jump + steps.slope * steps.room) ** 2 * some, several)
    return steps.each**2 * crowd * c.count + 2.0 * steps.each * c.delay * c.count * more + prompts


def _left(steps: _Steps, fit: _Fit, c: _Chain, square: Column) -> Column:
    """What a full step leaves over, as it lowers the variance of the prompts in a step over their mean: K (1 - rho) l
    over the prompts per step, l prompts being left over a step (from E[Q^2] in steady state, Q those at its start)."""
    full = steps.full
    rho = np.clip(c.rate * full / fit.many, 0.0, FULL)
    return square / (2.0 * c.step * full) * rho**fit.many


def _waits(steps: _Steps, fit: _Fit, c: _Chain, state: tuple[Column, ...]) -> _Mix:
    """What a first token waits for, from Little's law for the prompts that are not done.

    The end of the step under way (R, half the mean squared step over the mean one), the prompts before it, and its own
    step with those that it shares it with. Where one prompt fills a step, as in M/G/1 whose server takes decode steps
    as vacations (Fuhrmann and Cooper 1985): R / (1 - rho). Where K fit into one, a queue is left over ever more
    rarely: R (1 + rho^K / (K (1 - rho))), which has the right limits for K = 1 and for rho near 1.

    A full step takes the beginning of a prompt whose end is in the next one, which delays it by that part: half of a
    prompt where the steps of a busy time are many, less where each takes but a little (`over`) of the next.
    """
    batch, square, tpot, seen = state[:4]
    full = steps.full
    busy = c.rate * full * fit.fresh / steps.room
    rho = np.clip(busy, 0.0, FULL)
    own = _own(steps, fit, batch)
    held = np.clip(c.rate * own, 0.0, FULL)
    decoding = steps.decode(batch, 0.0) * -np.expm1(-batch)  # an idle replica begins at once
    rest = np.where(fit.queued, (held * own + (1.0 - held) * decoding) / 2.0, square / (2.0 * c.step))
    queue = np.where(fit.queued, rest * held / (1.0 - held), rest * rho**fit.many / (fit.many * (1.0 - rho)))
    others = np.maximum(c.rate * square / c.step - 2.0 * rest / full * rho**fit.many, 0.0)
    followed = 1.0 - (1.0 - held) * np.exp(held)  # share of prompts in M/D/1 that start with another one behind them
    place = 0.5 + 0.5 / (1.0 - held) ** 2  # mean place in a busy time
    ahead = fit.work * followed * 0.5 * -np.expm1(-2.0 * fit.over * place)
    split = np.where(fit.queued, ahead, queue / (1.0 + rho**fit.many / (1.0 - rho)))
    own = own + np.where(fit.queued, 0.0, fit.work * others) + split
    return _Mix(c.rate, c.step, c.mixed, c.long, square, tpot, seen, busy, own, rest, queue)


class _Still(NamedTuple):
    """What no load changes. held: sequences that fit. delay: of a first token, without ranks that wait, s."""

    held: Column
    delay: Column

    @staticmethod
    def of(replica: Replica, lengths: Lengths) -> _Still:
        """Of a replica."""
        return _Still(places(replica, lengths), first_token_delay(replica, lengths, 0.0))


def at_batch(replica: Replica, lengths: Lengths, batch: Column) -> Steady:
    """Steady state with Poisson arrivals that keep `batch` sequences decoding (open loop): by Little's law
    the rate is B / ((osl - 1) TPOT)."""
    return _at_batch(replica, lengths, _Still.of(replica, lengths), batch)


def _at_batch(replica: Replica, lengths: Lengths, still: _Still, batch: Column) -> Steady:
    batch = np.asarray(batch, dtype=float)
    tokens = np.maximum(np.asarray(lengths.output, dtype=float) - 1.0, 1.0)
    steps = _steps(replica, lengths, batch)
    fit = _Fit.of(steps, fresh_tokens(replica, lengths))
    mix = _mix(steps, fit, batch, tokens)
    first = still.delay + _ranks(replica) * mix.step + mix.own
    tail = first + _wait_tail(steps, fit, mix)
    delay = (mix.tpot - mix.alone) / np.maximum(mix.rate * mix.tpot, 1e-12)  # of all others by one prompt, s
    more = _NINETY_NINE * np.sqrt(batch) / tokens * delay + _KEPT * steps.spread
    slower = more * mix.tpot / mix.alone  # longer stays meet more prompts yet: 1 / (1 - rate delay)
    return Steady(
        batch, still.held, first + mix.rest + mix.queue, mix.tpot, tail, mix.tpot + slower, mix.rate,
        mix.rate * np.asarray(lengths.output, dtype=float), np.maximum(mix.busy, batch / np.maximum(still.held, 1e-9)),
    )  # fmt: skip


def _wait_tail(steps: _Steps, fit: _Fit, mix: _Mix) -> Column:
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
    more = np.where(others > 0.01, _NINETY_NINE * np.sqrt(others) + 1.0, 0.0) * fit.work
    rest = np.maximum(mix.long * (1.0 - 0.01 / share), mix.rest)
    several = rest + np.minimum(more, steps.slope * steps.room) + _TAIL * mix.queue
    return np.where(fit.queued, np.maximum(one, 0.0) + steps.alone, several)


_KEPT = 0.86  # of a batch's deviation is left in its mean over one stay: sqrt(2 / e), as of an M/M/infinity queue


def at_rate(replica: Replica, lengths: Lengths, rate: Column) -> Steady:
    """Steady state with `rate` requests per second offered to one replica (Poisson). Where the rate cannot
    be held, the replica runs full: utilisation says by how much, and the first token has no mean."""
    wanted, still = np.asarray(rate, dtype=float), _Still.of(replica, lengths)
    state = largest(partial(_at_batch, replica, lengths, still), still.held, lambda s: s.requests / wanted)
    over = wanted > state.requests * (1.0 + 5e-3)
    busy = np.where(over, wanted / np.maximum(state.requests, 1e-12), state.utilisation)
    return state._replace(utilisation=busy)


def within(replica: Replica, lengths: Lengths, ttft: Column = np.inf, tpot: Column = np.inf) -> Steady:
    """The most loaded steady state of a replica whose 99th percentiles stay within `ttft` and `tpot` (s),
    with Poisson arrivals; a batch of 0.001 where none does (check ttft_p99 and tpot_p99)."""
    still = _Still.of(replica, lengths)
    return largest(
        partial(_at_batch, replica, lengths, still),
        still.held,
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
