"""Requests simulated per second on one core: a conversation-like load on one replica, compiled.

Lengths are lognormal with about the means of a conversation trace (1,150 tokens in, 210 out). Reading a trace file
is timed apart. Prints one line a case.
"""

from __future__ import annotations

import time

import numpy as np

from tokenworks.simulate import traces
from tokenworks.simulate.requests import Requests
from tokenworks.simulate.serving import Engine, Farm, simulate
from tokenworks.simulate.tables import tabulate

COUNT = 1_000_000
TABLE = tabulate(lambda b, c, p: 0.006 + 3e-5 * b + 6e-9 * c + 2.2e-5 * p, 512, 8192, 1300)


def load(count: int, rate: float) -> Requests:
    """Poisson arrivals at `rate` per second."""
    draw = np.random.default_rng(0)
    arrival = np.cumsum(draw.exponential(1.0 / rate, count))
    given = np.clip(draw.lognormal(6.6, 1.0, count), 1, 14_000).astype(np.int64)
    made = np.clip(draw.lognormal(4.95, 0.9, count), 1, 1_000).astype(np.int64)
    return Requests(arrival, given, made)


def main() -> None:
    for name, rate, paged in (("half load", 8.0, False), ("near full", 13.0, False), ("near full, paged", 13.0, True)):
        farm = Farm(1, Engine(512, 600_000, 8192, paged=paged))
        simulate(load(100_000, rate), farm, TABLE)  # compiles, or loads what was compiled
        drawn = load(COUNT, rate)
        start = time.process_time()
        result = simulate(drawn, farm, TABLE)
        seconds = time.process_time() - start
        busy = result.busy / result.end
        print(f"{name}: {COUNT / seconds:,.0f} requests/s ({seconds:.2f} s of one core; replica busy {busy:.0%})")
    lines = [f"{a:.3f},{i},{o}" for a, i, o in zip(drawn.arrival, drawn.input, drawn.output, strict=True)]
    start = time.process_time()
    traces.read(lines)
    print(f"reading the same as simple CSV: {COUNT / (time.process_time() - start):,.0f} lines/s")


if __name__ == "__main__":
    main()
