"""From step time to wall time: failures, checkpoints, restarts (Young 1974; Daly 2006)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tokenworks.perf.roofline import Column


class Reliability(NamedTuple):
    """failure_rate: interruptions per chip-second. restart: s from failure to the first new step. checkpoint:
    s that saving one holds the training up."""

    failure_rate: Column
    restart: Column
    checkpoint: Column


def failure_rate(interruptions: float, chips: float, seconds: float) -> float:
    """Interruptions per chip-second of an observed fleet.

    Llama 3: 419 unexpected interruptions in 54 days on 16,384 GPUs (arXiv 2407.21783, section 3.3.4), which
    is one per 50,677 chip-hours.

    >>> round(1.0 / failure_rate(419, 16384, 54 * 86400) / 3600)
    50677
    """
    return interruptions / (chips * seconds)


def reliability(calibration: Mapping[str, Any]) -> Reliability:
    """What calibration/goodput.yaml says of failures and their cost."""
    rate, restart, checkpoint = (
        float(calibration[name]["value"]) for name in ("interruptions_per_chip_second", "restart", "checkpoint")
    )
    return Reliability(rate, restart, checkpoint)


def mean_time_between(rate: Column, chips: Column) -> Column:
    """Seconds between interruptions of a job that any one chip can stop.

    >>> float(mean_time_between(1e-6, 100.0))
    10000.0
    """
    return 1.0 / (rate * np.maximum(chips, 1.0))


def checkpoint_interval(checkpoint: Column, between: Column) -> Column:
    """Seconds of work between checkpoints that lose least: sqrt(2 c M) (Young, CACM 17(9), 1974), at least c.

    >>> float(checkpoint_interval(50.0, 10000.0))
    1000.0
    """
    return np.maximum(np.sqrt(2.0 * checkpoint * between), checkpoint)


def goodput(chips: Column, reliability: Reliability) -> Column:
    """Share of wall time that is new training steps, at the best checkpoint interval.

    With work w between checkpoints of cost c, failures every M and restart R, a segment of w + c takes
    (M + R) (e^((w + c) / M) - 1) of wall time on average (Daly, FGCS 22(3), 2006, equation 9); goodput is
    w over that.

    >>> no_failures = Reliability(1e-30, 0.0, 0.0)
    >>> round(float(goodput(8.0, no_failures)), 6)
    1.0
    """
    between = mean_time_between(reliability.failure_rate, chips)
    work = work_between(between, reliability.checkpoint)
    segment = work + reliability.checkpoint
    wall = (between + reliability.restart) * np.expm1(segment / between)
    return np.clip(work / wall, 0.0, 1.0)


class WallTime(NamedTuple):
    """Shares of the wall time of a long run; they sum to one. training: new steps. checkpoints: writing them. lost:
    work since the last one, done again, and checkpoints broken off. restarts: getting back to work.
    failures: interruptions per wall second. interval: s of work between checkpoints."""

    training: Column
    checkpoints: Column
    lost: Column
    restarts: Column
    failures: Column
    interval: Column


def wall_time(chips: Column, reliability: Reliability) -> WallTime:
    """Where the wall time goes at the best checkpoint interval, in the setting of `goodput`: of a segment's
    (M + R) (e^((w + c) / M) - 1), R (e^(..) - 1) is restarts, c checkpoints, w new work, the rest lost.

    >>> found = wall_time(1000.0, Reliability(1e-8, 600.0, 30.0))
    >>> round(float(found.training + found.checkpoints + found.lost + found.restarts), 9)
    1.0
    """
    between = mean_time_between(reliability.failure_rate, chips)
    work = work_between(between, reliability.checkpoint)
    segment = work + reliability.checkpoint
    failures = np.expm1(segment / between)
    wall = (between + reliability.restart) * failures
    lost = between * failures - segment
    return WallTime(
        work / wall,
        reliability.checkpoint / wall,
        lost / wall,
        reliability.restart * failures / wall,
        failures / wall,
        work,
    )


def work_between(between: Column, checkpoint: Column) -> Column:
    """Seconds of work between checkpoints: Young's interval, within 0.001 and 10 times the time between failures;
    next to nothing where a checkpoint costs nothing."""
    work = np.maximum(checkpoint_interval(checkpoint, between), 1e-3 * between)
    return np.where(checkpoint > 0, np.minimum(work, between * 10.0), 1e-9 * between)


def time_to_train(tokens: Column, rate: Column, chips: Column, reliability: Reliability) -> Column:
    """Wall seconds to train on `tokens` at `rate` tokens/s of all chips together.

    >>> round(float(time_to_train(1e6, 1e3, 8.0, Reliability(1e-30, 0.0, 0.0))))
    1000
    """
    return tokens / rate / goodput(chips, reliability)
