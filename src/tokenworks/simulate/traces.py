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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.records import Floats
from tokenworks.simulate.requests import REQUESTS_MAX, Prefixes, Requests

BAD_KEPT = 100  # bad lines remembered with their reason; the rest are only counted
TOKENS_MAX = 10_000_000  # of one request
_WINDOW_MAX = 1e7  # requests that one window of a rate table may hold
BATCH = 65_536  # requests read at a time
MOONCAKE_BLOCK = 512  # tokens of a block that a hash id names (the trace's own documentation)
_NAME = 2**62  # hash ids are below
Row = tuple[float, int, int, Sequence[int]]


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
    """Read a whole trace (see `stream`). Raises BadRequest where nothing is left, or more than can be held at once.

    >>> read(["0.5,10,3", "2,20,4", "x,1,1"]).bad
    ((3, 'expected seconds, input and output tokens'),)
    """
    bad = BadLines(strict)
    parts: list[Requests] = []
    for part in stream(lines, bad, form):
        parts.append(part)
        if sum(len(p) for p in parts) > REQUESTS_MAX:
            raise BadRequest("holds more than {most} requests", field="trace", most=REQUESTS_MAX)
    return joined(parts, bad)


def stream(lines: Iterable[str], bad: BadLines, form: str | None = None, size: int = BATCH) -> Iterator[Requests]:
    """Read a trace in the form azure, mooncake or simple (None: told from its first line), `size` requests at a
    time, in the memory of two such batches.

    Arrivals are shifted so that the first is at 0, and sorted; a line that comes too late for that (by more than a
    batch) or cannot be read goes to `bad`. Raises BadRequest where nothing is left.
    """
    parsers: Mapping[str, Callable[[str], Row | None]] = {
        "azure": _azure, "mooncake": _mooncake, "simple": _simple,
    }  # fmt: skip
    parser: Callable[[str], Row | None] | None = parsers.get(form) if form else None
    if form is not None and parser is None:
        raise BadRequest("expected azure, mooncake or simple", field="trace", value=form)
    rows: list[Row] = []
    zero, sent = 0.0, -math.inf
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parser = parser or parsers[sniff(line)]
        try:
            row = parser(line)
            if row is not None and row[0] < sent:
                raise _Bad("comes earlier than requests already sent on")
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            bad.add(number, error)
            continue
        if row is not None:
            rows.append(row)
        if len(rows) >= 2 * size:
            rows.sort(key=itemgetter(0))
            zero = rows[0][0] if sent == -math.inf else zero
            sent = rows[size - 1][0]
            yield _requests(rows[:size], zero)
            del rows[:size]
    rows.sort(key=itemgetter(0))
    if rows:
        yield _requests(rows, rows[0][0] if sent == -math.inf else zero)
    elif sent == -math.inf:
        raise BadRequest("holds no request that can be read", field="trace")


def joined(parts: Sequence[Requests], bad: BadLines) -> Requests:
    """Batches, one after another, as one."""
    arrival, given, made = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("arrival", "input", "output")
    )
    named = [p.prefixes for p in parts if p.prefixes is not None]
    prefixes = None
    if named:
        many = np.concatenate([np.diff(p.start) for p in named])
        start = np.concatenate([[0], np.cumsum(many)])
        prefixes = Prefixes(named[0].size, start, np.concatenate([p.names for p in named]))
    return Requests(arrival, given, made, bad.count, tuple(bad.kept), prefixes)


_EXPECTED = "expected seconds, input and output tokens"


class _Bad(ValueError):
    """A line whose numbers make no sense."""


class BadLines:
    """Counts bad lines and remembers the first of them with their numbers; strict: stops at the first."""

    def __init__(self, strict: bool) -> None:
        self.strict, self.count = strict, 0
        self.kept: list[tuple[int, str]] = []

    def add(self, number: int, error: Exception) -> None:
        """One more. Raises BadRequest where strict."""
        why = str(error) if isinstance(error, _Bad) else _EXPECTED
        if self.strict:
            raise BadRequest("cannot be read: {why}", field=f"trace:{number}", why=why) from error
        self.count += 1
        if len(self.kept) < BAD_KEPT:
            self.kept.append((number, why))


def _requests(rows: Sequence[Row], zero: float) -> Requests:
    """Sorted rows as columns."""
    prefixes = None
    if any(len(r[3]) for r in rows):
        start = np.concatenate([[0], np.cumsum([len(r[3]) for r in rows])]).astype(np.int64)
        names = np.fromiter(itertools.chain.from_iterable(r[3] for r in rows), np.int64, int(start[-1]))
        prefixes = Prefixes(MOONCAKE_BLOCK, start, names)
    arrival, given, made = (np.array([r[k] for r in rows]) for k in range(3))
    return Requests(arrival - zero, given.astype(np.int64), made.astype(np.int64), prefixes=prefixes)


def _row(seconds: float, given: int, made: int, names: Sequence[int] = ()) -> Row:
    if not math.isfinite(seconds):
        raise _Bad("the time is not a finite number")
    if not 0 <= given <= TOKENS_MAX or not 0 <= made <= TOKENS_MAX:
        raise _Bad("tokens out of range")
    return seconds, max(given, 1), max(made, 1), names


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
    names = record.get("hash_ids", ())
    if not isinstance(names, list | tuple) or any(type(n) is not int or not -_NAME < n < _NAME for n in names):
        raise _Bad("expected whole numbers as hash_ids")
    return _row(float(stamp) / 1e3, int(given), int(made), names)


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
    bad = BadLines(strict)
    windows = _windows(rates, bad)
    try:
        tables = sorted(((float(k), _histograms(v)) for k, v in lengths.items()), key=itemgetter(0))
    except (TypeError, ValueError) as error:
        raise BadRequest("expected histograms by the second in which their window starts", field="lengths") from error
    if not tables or len(windows) < 2:
        raise BadRequest("holds no request that can be read", field="trace")
    found: list[Requests] = []
    for (start, rate, variation), (end, _, _) in itertools.pairwise(windows):
        times = _gaps(random, rate, variation, (start, end))
        table = max((t for t in tables if t[0] <= start), default=tables[0])[1]
        given, made = (random.choice(values, len(times), p=shares).astype(np.int64) for values, shares in table)
        found.append(Requests(times, given, made))
    if not sum(len(f) for f in found):
        raise BadRequest("holds no request that can be read", field="trace")
    drawn = joined(found, bad)
    order = np.argsort(drawn.arrival, kind="stable")
    shifted = drawn.arrival[order] - drawn.arrival.min()
    return Requests(shifted, drawn.input[order], drawn.output[order], bad.count, tuple(bad.kept))


def _windows(rates: Iterable[str], bad: BadLines) -> list[tuple[float, float, float]]:
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
