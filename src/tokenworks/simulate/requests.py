"""Requests that flow through a simulation: columns, read from a trace or drawn from a distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.records import Floats, Ints

REQUESTS_MAX = 20_000_000  # held at once; 480 MB of columns
STREAMED_MAX = 1_000_000_000


@dataclass(frozen=True)
class Prefixes:
    """The blocks that prompts begin with. size: tokens of a block. names: of all blocks, request after request; a
    name stands for its tokens and all before them. start: (n + 1) where each request's names begin."""

    size: int
    start: Ints
    names: Ints


@dataclass(frozen=True)
class Requests:
    """One row a request, in order of arrival (s from the start), with its tokens in and out.

    bad_lines: lines of a trace that could not be read. bad: (line number, why) of the first of them. prefixes: what
    their prompts begin with, where that is known.
    """

    arrival: Floats
    input: Ints
    output: Ints
    bad_lines: int = 0
    bad: tuple[tuple[int, str], ...] = ()
    prefixes: Prefixes | None = None

    def __len__(self) -> int:
        return len(self.arrival)


def poisson(rate: float, count: int, lengths: tuple[float, float], seed: int, spread: str = "fixed") -> Requests:
    """Draw `count` requests with exponential gaps at `rate` per second and mean `lengths` (input, output).

    spread: "fixed", or "exponential" (rounded up to whole tokens). The same seed gives the same requests.
    Raises BadRequest for a rate, count or length that is not positive.

    >>> drawn = poisson(2.0, 3, (10, 5), seed=0)
    >>> len(drawn), drawn.input.tolist(), drawn.output.tolist()
    (3, [10, 10, 10], [5, 5, 5])
    """
    if not 0.0 < rate < 1e9:
        raise BadRequest("expected a rate above 0 and below 1e9 per second", field="rate", value=rate)
    if not 1 <= count <= REQUESTS_MAX:
        raise BadRequest("expected 1 to {most} requests", field="requests", most=REQUESTS_MAX)
    for name, mean in zip(("input", "output"), lengths, strict=True):
        if not 1.0 <= mean <= 1e8:
            raise BadRequest("expected 1 to 1e8 tokens", field=name, value=mean)
    if spread not in ("fixed", "exponential"):
        raise BadRequest("expected fixed or exponential", field="spread", value=spread)
    random = np.random.Generator(np.random.PCG64(seed))
    arrival = np.cumsum(random.exponential(1.0 / rate, count))
    columns = [_lengths(random, mean, count, spread) for mean in lengths]
    return Requests(arrival, columns[0], columns[1])


def poisson_stream(rate: float, count: int, lengths: tuple[float, float], seed: int, size: int) -> Iterator[Requests]:
    """The requests of `poisson` with fixed lengths, `size` at a time: the same ones. Raises BadRequest as that.

    >>> whole = poisson(2.0, 5, (10, 5), seed=0)
    >>> [batch.arrival.tolist() for batch in poisson_stream(2.0, 5, (10, 5), 0, 3)] == [
    ...     whole.arrival[:3].tolist(), whole.arrival[3:].tolist()]
    True
    """
    poisson(rate, 1, lengths, seed)  # says what is wrong
    if not 1 <= count <= STREAMED_MAX:
        raise BadRequest("expected 1 to {most} requests", field="requests", most=STREAMED_MAX)
    random = np.random.Generator(np.random.PCG64(seed))
    now = 0.0
    for start in range(0, count, size):
        many = min(size, count - start)
        arrival = np.cumsum(np.concatenate([[now], random.exponential(1.0 / rate, many)]))[1:]
        now = float(arrival[-1])
        given, made = (np.full(many, round(mean), dtype=np.int64) for mean in lengths)
        yield Requests(arrival, given, made)


def _lengths(random: np.random.Generator, mean: float, count: int, spread: str) -> Ints:
    if spread == "fixed":
        return np.full(count, round(mean), dtype=np.int64)
    return np.maximum(np.ceil(random.exponential(mean, count)), 1.0).astype(np.int64)
