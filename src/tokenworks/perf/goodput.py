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
    work = np.maximum(checkpoint_interval(reliability.checkpoint, between), 1e-3 * between)
    work = np.where(reliability.checkpoint > 0, np.minimum(work, between * 10.0), 1e-9 * between)
    segment = work + reliability.checkpoint
    wall = (between + reliability.restart) * np.expm1(segment / between)
    return np.clip(work / wall, 0.0, 1.0)


def time_to_train(tokens: Column, rate: Column, chips: Column, reliability: Reliability) -> Column:
    """Wall seconds to train on `tokens` at `rate` tokens/s of all chips together.

    >>> round(float(time_to_train(1e6, 1e3, 8.0, Reliability(1e-30, 0.0, 0.0))))
    1000
    """
    return tokens / rate / goodput(chips, reliability)
