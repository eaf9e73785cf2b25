"""Training with failures and checkpoints, event by event: the oracle of Young's and Daly's closed forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tokenworks.errors import BadRequest

_EVENTS_MAX = 10_000_000  # segments of one simulated run


class Faults(NamedTuple):
    """mean: s between failures of the whole machine (infinity: none). restart: s to be back at work.
    checkpoint: s that writing one takes. interval: s of work between checkpoints."""

    mean: float
    restart: float
    checkpoint: float
    interval: float


@dataclass(frozen=True)
class TrainingRun:
    """Where the time of a simulated run went, s; `elapsed` is the sum of the others."""

    elapsed: float
    work: float
    lost: float  # work done again, and checkpoints broken off
    checkpoints: float
    restarts: float
    failures: int

    @property
    def goodput(self) -> float:
        """Useful share of the time."""
        return self.work / self.elapsed


def simulate(work: float, faults: Faults, seed: int) -> TrainingRun:
    """Run `work` seconds of training to its end under exponential failures (also during restarts and
    checkpoints; work since the last whole checkpoint is lost; no checkpoint after the last segment).

    Source of the setting: Daly, FGCS 22(3), 2006, section 2. The same seed gives the same run. Raises
    BadRequest for times that are not positive or that need more than ten million segments.

    >>> run = simulate(100.0, Faults(float("inf"), 1.0, 2.0, 10.0), seed=0)
    >>> run.elapsed, run.checkpoints, run.failures
    (118.0, 18.0, 0)
    """
    if not (0.0 < work < 1e12 and faults.mean > 0.0 and faults.interval > 0.0):
        raise BadRequest("expected positive times", field="training")
    if faults.restart < 0.0 or faults.checkpoint < 0.0 or work / faults.interval > _EVENTS_MAX:
        raise BadRequest("expected positive times", field="training")
    random = np.random.Generator(np.random.PCG64(seed))
    done = lost = saved = restarts = clock = 0.0
    failures = events = 0
    failing = _next(random, faults.mean, clock)
    while done < work:
        events += 1
        if events > _EVENTS_MAX:
            raise BadRequest("failures come faster than work can be saved", field="training")
        piece = min(faults.interval, work - done)
        last = done + piece >= work
        whole = piece + (0.0 if last else faults.checkpoint)
        if clock + whole <= failing:
            clock, done = clock + whole, done + piece
            saved += whole - piece
            continue
        lost += failing - clock
        clock = failing
        failures += 1
        failing = _next(random, faults.mean, clock)
        while clock + faults.restart > failing:  # it fails again before it is back
            restarts += failing - clock
            clock = failing
            failures += 1
            failing = _next(random, faults.mean, clock)
            events += 1
            if events > _EVENTS_MAX:
                raise BadRequest("failures come faster than work can be saved", field="training")
        restarts += faults.restart
        clock += faults.restart
    return TrainingRun(clock, work, lost, saved, restarts, failures)


def _next(random: np.random.Generator, mean: float, clock: float) -> float:
    return clock + float(random.exponential(mean)) if np.isfinite(mean) else float("inf")
