"""Request traces as others publish them -> requests. Pure: lines in, requests out; the caller opens files.

Azure: "TIMESTAMP,ContextTokens,GeneratedTokens" (Patel et al., Splitwise, ISCA 2024). Mooncake: JSON lines of
timestamp (ms), input_length, output_length, hash_ids (Qin et al., FAST 2025). Simple: "seconds,input,output"
with or without a header. ServeGen: a client's rate per window and histograms of lengths (Xiang et al., 2025).
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.records import Floats
from tokenworks.simulate.requests import REQUESTS_MAX, Requests

BAD_KEPT = 100  # bad lines remembered with their reason; the rest are only counted
TOKENS_MAX = 10_000_000  # of one request
_WINDOW_MAX = 1e7  # requests that one window of a rate table may hold
Row = tuple[float, int, int]


def sniff(line: str) -> str:
    """Format of a trace from its first line: azure | mooncake | simple.

    >>> sniff('{"timestamp": 0}'), sniff("TIMESTAMP,ContextTokens,GeneratedTokens"), sniff("0.5,10,3")
    ('mooncake', 'azure', 'simple')
    """
    folded = line.lstrip("\ufeff \t").casefold()
    if folded.startswith("{"):
        return "mooncake"
    return "azure" if folded.startswith("timestamp") and "contexttokens" in folded else "simple"


def read(lines: Iterable[str], form: str | None = None, *, strict: bool = False) -> Requests:
    """Read a trace in the form azure, mooncake or simple (None: told from its first line).

    Arrivals are shifted so that the first is at 0 and sorted. A line that cannot be read is remembered with
    its number and left out; with `strict` it raises BadRequest. Raises BadRequest where nothing is left.

    >>> read(["0.5,10,3", "2,20,4", "x,1,1"]).bad
    ((3, 'expected seconds, input and output tokens'),)
    """
    parsers: Mapping[str, Callable[[str], Row | None]] = {
        "azure": _azure, "mooncake": _mooncake, "simple": _simple,
    }  # fmt: skip
    columns = array("d"), array("q"), array("q")
    bad = _BadLines(strict)
    parser: Callable[[str], Row | None] | None = parsers.get(form) if form else None
    if form is not None and parser is None:
        raise BadRequest("expected azure, mooncake or simple", field="trace", value=form)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parser = parser or parsers[sniff(line)]
        try:
            row = parser(line)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            bad.add(number, error)
            continue
        if row is not None:
            columns[0].append(row[0])
            columns[1].append(row[1])
            columns[2].append(row[2])
        if len(columns[0]) > REQUESTS_MAX:
            raise BadRequest("holds more than {most} requests", field="trace", most=REQUESTS_MAX)
    return _requests(columns, bad)


_EXPECTED = "expected seconds, input and output tokens"


class _Bad(ValueError):
    """A line whose numbers make no sense."""


class _BadLines:
    """Counts bad lines and remembers the first of them; strict: stops at the first."""

    def __init__(self, strict: bool) -> None:
        self.strict, self.count = strict, 0
        self.kept: list[tuple[int, str]] = []

    def add(self, number: int, error: Exception) -> None:
        why = str(error) if isinstance(error, _Bad) else _EXPECTED
        if self.strict:
            raise BadRequest("cannot be read: {why}", field=f"trace:{number}", why=why) from error
        self.count += 1
        if len(self.kept) < BAD_KEPT:
            self.kept.append((number, why))


def _requests(columns: tuple[Any, Any, Any], bad: _BadLines) -> Requests:
    arrival = np.array(columns[0], dtype=np.float64)
    if not len(arrival):
        raise BadRequest("holds no request that can be read", field="trace")
    order = np.argsort(arrival, kind="stable")
    given, made = (np.array(c, dtype=np.int64)[order] for c in columns[1:])
    return Requests(arrival[order] - arrival.min(), given, made, bad.count, tuple(bad.kept))


def _row(seconds: float, given: int, made: int) -> Row:
    if not math.isfinite(seconds):
        raise _Bad("the time is not a finite number")
    if not 0 <= given <= TOKENS_MAX or not 0 <= made <= TOKENS_MAX:
        raise _Bad("tokens out of range")
    return seconds, max(given, 1), max(made, 1)


def _azure(line: str) -> Row | None:
    stamp, given, made = line.strip().split(",")[:3]
    if stamp.strip().casefold() == "timestamp":
        return None
    whole, _, fraction = stamp.strip().partition(".")
    moment = dt.datetime.fromisoformat(whole).replace(tzinfo=dt.UTC)
    part = fraction.partition("+")[0]
    return _row(moment.timestamp() + (float(f"0.{part}") if part else 0.0), int(given), int(made))


def _mooncake(line: str) -> Row:
    record = json.loads(line)
    stamp, given, made = record["timestamp"], record["input_length"], record["output_length"]
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in (stamp, given, made)):
        raise _Bad("expected numbers")
    return _row(float(stamp) / 1e3, int(given), int(made))


def _simple(line: str) -> Row | None:
    cells = [c.strip() for c in line.strip().lstrip("\ufeff").split(",")]
    if cells[0].casefold() in ("time", "seconds", "arrival", "arrival_s", "timestamp"):
        return None
    seconds, given, made = cells[:3]
    return _row(float(seconds), int(given), int(made))


# ------------------------------------------------------------------------------------------- ServeGen


def servegen(rates: Iterable[str], lengths: Mapping[str, Any], seed: int, *, strict: bool = False) -> Requests:
    """Draw the requests of one ServeGen client.

    rates: lines "start s,requests per s,coefficient of variation,distribution,shape,scale" of windows whose
    length is the distance to the next line. lengths: {start s: {"input_tokens": histogram, "output_tokens":
    histogram}}, a histogram being a mapping or its text {tokens: share}. Gaps are gamma distributed with the
    window's rate and variation. Raises BadRequest.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    bad = _BadLines(strict)
    windows = _windows(rates, bad)
    tables = sorted((float(k), _histograms(v)) for k, v in lengths.items())
    if not tables or len(windows) < 2:
        raise BadRequest("holds no request that can be read", field="trace")
    columns = array("d"), array("q"), array("q")
    for (start, rate, variation), (end, _, _) in itertools.pairwise(windows):
        times = _gaps(random, rate, variation, (start, end))
        table = max((t for t in tables if t[0] <= start), default=tables[0])[1]
        columns[0].extend(times.tolist())
        for column, (values, shares) in zip(columns[1:], table, strict=True):
            column.extend(random.choice(values, len(times), p=shares).astype(np.int64).tolist())
    return _requests(columns, bad)


def _windows(rates: Iterable[str], bad: _BadLines) -> list[tuple[float, float, float]]:
    """(start, rate, coefficient of variation) by start; a window without requests has an empty third cell."""
    found: list[tuple[float, float, float]] = []
    for number, line in enumerate(rates, start=1):
        cells = line.strip().split(",")
        try:
            start, rate = float(cells[0]), float(cells[1])
            variation = float(cells[2]) if cells[2] else 0.0
            if not (math.isfinite(start) and 0.0 <= rate <= 1e6 and 0.0 <= variation <= 1e3):
                raise _Bad("start, rate or variation out of range")
        except (ValueError, IndexError) as error:
            bad.add(number, error)
            continue
        found.append((start, rate, variation))
    return sorted(found)


def _gaps(random: np.random.Generator, rate: float, variation: float, window: tuple[float, float]) -> Floats:
    """Arrival times in a window from gamma gaps of mean 1 / rate and the given coefficient of variation."""
    start, end = window
    expected = rate * (end - start)
    if expected <= 0.0:
        return np.zeros(0)
    if expected > _WINDOW_MAX:
        raise BadRequest("a window holds more than {most} requests", field="trace", most=int(_WINDOW_MAX))
    shape = 1.0 / max(variation, 0.05) ** 2
    count = int(expected + 6.0 * max(variation, 1.0) * math.sqrt(expected) + 10)
    times = start + np.cumsum(random.gamma(shape, 1.0 / (rate * shape), count))
    return times[times < end]


def _histograms(table: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    if not isinstance(table, Mapping):
        raise BadRequest("expected histograms of input_tokens and output_tokens", field="trace")
    return _histogram(table.get("input_tokens")), _histogram(table.get("output_tokens"))


def _histogram(given: Any) -> tuple[Any, Any]:
    if isinstance(given, str):
        pairs = [p.split(":") for p in given.strip("{} ").split(",") if p.strip()]
    elif isinstance(given, Mapping):
        pairs = [[str(k), str(v)] for k, v in given.items()]
    else:
        raise BadRequest("expected histograms of input_tokens and output_tokens", field="trace")
    try:
        values = np.array([float(p[0]) for p in pairs])
        shares = np.array([float(p[1]) for p in pairs])
    except (ValueError, IndexError) as error:
        raise BadRequest("expected a histogram {tokens: share}", field="trace") from error
    usable = len(values) and np.all((values >= 0) & (values <= TOKENS_MAX)) and np.all(shares >= 0)
    if not usable or not shares.sum() > 0:
        raise BadRequest("expected a histogram {tokens: share}", field="trace")
    return np.maximum(values, 1.0), shares / shares.sum()
