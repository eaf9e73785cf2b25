"""What a simulation says in the end: counts, percentiles, goodput, the verdict. Memory does not grow with requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tokenworks.records import Floats

if TYPE_CHECKING:
    from tokenworks.simulate.serving import Machines, Part

_OVERLOAD = 2.0  # times that waiting in the last quarter exceeds the second, where waits are called growing
_FULL = 1.0  # busy share of the time in which requests came
_FEWEST = 8  # requests from which a trend is read
_WINDOWS = 256  # of a trend
_FINE = np.log(1.001)  # a bin of a sketch is 0.1 % wide
_LEAST, _MOST = 1e-7, 1e9  # s
_BINS = int(np.ceil(np.log(_MOST / _LEAST) / _FINE)) + 2


class Level(NamedTuple):
    """Service level that a good request keeps, s."""

    ttft: float = float("inf")
    tpot: float = float("inf")


class Sketch:
    """Counts of values (s) in bins 0.1 % wide, with exact mean, least and most: percentiles within 0.05 % in memory
    that does not grow (Masson, Rim and Lee, DDSketch, VLDB 2019)."""

    def __init__(self) -> None:
        self.bins = np.zeros(_BINS, np.int64)
        self.count, self.sum = 0, 0.0
        self.least, self.most = float("inf"), float("-inf")

    def add(self, values: Floats) -> None:
        """Count values of 0 or more."""
        if not len(values):
            return
        place = np.log(np.maximum(values, _LEAST) / _LEAST) / _FINE
        self.bins += np.bincount(np.minimum(place + 0.5, _BINS - 1).astype(np.int64), minlength=_BINS)
        self.count += len(values)
        self.sum += float(np.sum(values))
        self.least, self.most = min(self.least, float(np.min(values))), max(self.most, float(np.max(values)))

    def quantile(self, share: float) -> float:
        """The value below which a share of all lies, between the two nearest as numpy does."""
        rank = share * (self.count - 1)
        low = int(rank)
        below = np.cumsum(self.bins)
        ranks = np.searchsorted(below, [low, min(low + 1, self.count - 1)], side="right")
        one, two = np.clip(_LEAST * np.exp(ranks * _FINE), self.least, self.most)
        return float(one + (two - one) * (rank - low))

    def spread(self) -> Mapping[str, float | None]:
        """Mean and percentiles; None where there is nothing."""
        if not self.count:
            return dict.fromkeys(("mean", "p50", "p90", "p99"))
        p50, p90, p99 = (self.quantile(q) for q in (0.5, 0.9, 0.99))
        return {"mean": self.sum / self.count, "p50": p50, "p90": p90, "p99": p99}


def spread(values: Floats) -> Mapping[str, float | None]:
    """Mean and percentiles; None where there is nothing.

    >>> spread(np.array([1.0, 3.0]))["mean"]
    2.0
    """
    sketch = Sketch()
    sketch.add(values)
    return sketch.spread()


class _Trend:
    """Mean waits over equal numbers of requests in order of arrival; windows merge where there would be too many."""

    def __init__(self) -> None:
        self.size = 1
        self.count, self.sum = np.zeros(_WINDOWS), np.zeros(_WINDOWS)

    def add(self, number: Any, wait: Floats) -> None:
        if not len(number):
            return
        while int(number.max()) >= self.size * _WINDOWS:
            self.size *= 2
            for column in (self.count, self.sum):
                column[: _WINDOWS // 2] = column[0::2] + column[1::2]
                column[_WINDOWS // 2 :] = 0.0
        window = number // self.size
        self.count += np.bincount(window, minlength=_WINDOWS)
        self.sum += np.bincount(window, weights=wait, minlength=_WINDOWS)

    def mean(self, start: float, end: float, total: int) -> float:
        """Mean wait between two shares of all requests."""
        low, high = int(start * total) // self.size, max(int(np.ceil(end * total / self.size)), 1)
        return float(np.sum(self.sum[low:high]) / max(np.sum(self.count[low:high]), 1.0))


class Tally:
    """Adds up the parts of a simulation; `summary` answers at any time."""

    def __init__(self, level: Level | None = None) -> None:
        self.level = level or Level()
        self.ttft, self.tpot, self.e2e, self.decode = Sketch(), Sketch(), Sketch(), Sketch()
        self.trend = _Trend()
        self.left = self.finished = self.good = self.output = 0
        self.begin, self.latest = float("inf"), 0.0
        self.machines: Machines | None = None
        self.partial = True

    def add(self, part: Part) -> None:
        """Count the requests that left."""
        kept = np.isfinite(part.done)
        arrival, output = part.arrival[kept], part.output[kept]
        ttft, decode = part.first[kept] - arrival, part.done[kept] - part.first[kept]
        more = output > 1
        each = np.zeros(len(ttft))
        each[more] = decode[more] / (output[more] - 1)
        self.ttft.add(ttft)
        self.decode.add(decode)
        self.e2e.add(part.done[kept] - arrival)
        self.tpot.add(each[more])
        self.trend.add(part.number[kept], ttft)
        self.left += len(kept)
        self.finished += len(arrival)
        self.good += int(np.count_nonzero((ttft <= self.level.ttft) & (each <= self.level.tpot)))
        self.output += int(np.sum(output))
        if len(kept):
            self.begin = min(self.begin, float(part.arrival[0]))
            self.latest = max(self.latest, float(part.arrival[-1]))
        self.machines, self.partial = part.machines, not part.last

    def summary(self, bad_lines: int = 0) -> dict[str, Any]:
        """The answer of `tokenworks simulate`: counts, latency statistics in s, goodput, state. partial: it was
        stopped before all requests had left."""
        m = self.machines
        span = m.end - self.begin if m is not None and self.left else 0.0
        powered = float(np.sum(m.on)) if m is not None else 0.0

        def per_second(count: float) -> float | None:
            return count / span if span > 0 else None

        return {
            "requests": {
                "arrived": self.left,
                "finished": self.finished,
                "rejected": self.left - self.finished,
                "bad_lines": bad_lines,
            },
            "partial": self.partial,
            "ttft_s": self.ttft.spread(),
            "tpot_s": self.tpot.spread(),
            "e2e_s": self.e2e.spread(),
            "goodput_per_s": per_second(self.good),
            "output_tokens_per_s": per_second(self.output),
            "utilisation": float(np.sum(m.busy)) / powered if m is not None and powered > 0 else None,
            "mean_in_system": None if m is None else per_second(m.area),
            "preempted": 0 if m is None else m.counts["preempted"],
            "counts": {} if m is None else dict(m.counts),
            "powered_s": powered,
            "over_time": {} if m is None else over_time(m.watch),
            "state": self.state(),
        }

    def state(self) -> str:
        """stable | backlogged | overloaded.

        Overloaded: first tokens take ever longer (the last quarter of the requests waits over twice as long as
        the second, by more than a request takes) and the machines worked longer than requests came, so that
        the queue has no end; or nothing could be served. Backlogged: waits grew as much, or as many as half
        the last quarter still waited when no more arrived, but the machines can catch up.
        """
        m = self.machines
        if m is None or not self.finished:
            return "overloaded" if self.left else "stable"
        if self.finished < _FEWEST:
            return "stable"
        early, late = self.trend.mean(0.25, 0.5, self.left), self.trend.mean(0.75, 1.0, self.left)
        service = self.decode.quantile(0.5) + self.ttft.least
        growing = late > _OVERLOAD * early and late - early > service
        if growing and float(np.sum(m.busy)) > _FULL * self._served(m):
            return "overloaded"
        waits = m.pending > self.left // 4 / 2 and late > service
        return "backlogged" if growing or waits else "stable"

    def _served(self, m: Machines) -> float:
        """Seconds that the powered replicas had while requests came."""
        span = m.end - self.begin
        return float(np.sum(m.on)) * (self.latest - self.begin) / span if span > 0 else 0.0


def over_time(watch: Floats) -> dict[str, list[float]]:
    """Columns by name of the moments that were watched."""
    names = ("time_s", "waiting", "cache_tokens", "running", "replicas")
    return {name: [float(v) for v in row] for name, row in zip(names, watch, strict=True)}
