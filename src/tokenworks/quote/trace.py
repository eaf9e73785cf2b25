"""A request's own trace: the busiest stretch of it, which the finalists of a served load are simulated on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tokenworks import files
from tokenworks.errors import BadRequest, not_allowed
from tokenworks.records import Trace
from tokenworks.simulate import traces
from tokenworks.simulate.requests import Requests

BUSIEST = 10_000  # requests of the stretch that is kept with a request
_COLUMNS = ("arrival", "input", "output")
_KNOWN = ("name", "requests", "bad_lines", *_COLUMNS)
_MILLISECONDS = 3  # decimals of an arrival that are kept


def read_trace(path: Path) -> Mapping[str, Any]:
    """The busiest stretch of a trace (Azure, Mooncake or simple; see simulate/traces.py), as it stands in a request:
    {name, requests, bad_lines of the whole; arrival (s), input, output (tokens) of the stretch}.

    Raises BadRequest where the file cannot be read, or holds fewer than two requests.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            whole = traces.read(lines)
    except OSError as error:
        raise BadRequest("cannot be read: {why}", field="make.serve.trace", why=files.why(error)) from error
    stretch = busiest(whole)
    return {
        "name": path.name, "requests": len(whole), "bad_lines": whole.bad_lines,
        "arrival": np.round(stretch.arrival, _MILLISECONDS).tolist(), "input": stretch.input.tolist(),
        "output": stretch.output.tolist(),
    }  # fmt: skip


def busiest(whole: Requests, most: int = BUSIEST) -> Requests:
    """The `most` requests in a row that come in the least time, or all; the first at 0 s.

    >>> from tokenworks.simulate.requests import Requests
    >>> one = np.ones(5, np.int64)
    >>> busiest(Requests(np.array([0.0, 5.0, 6.0, 7.0, 20.0]), one, one), 3).arrival.tolist()
    [0.0, 1.0, 2.0]
    """
    count = min(most, len(whole))
    at = int(np.argmin(whole.arrival[count - 1 :] - whole.arrival[: len(whole) - count + 1]))
    some = slice(at, at + count)
    return Requests(whole.arrival[some] - whole.arrival[at], whole.input[some], whole.output[some])


def trace(value: Any, field: str) -> Trace:
    """A trace that stands in a request, as `read_trace` gives it. Raises BadRequest."""
    if isinstance(value, str):
        raise BadRequest("no file is read here: give the requests of '{value}' as arrival, input and output",
                         field=field, value=value)  # fmt: skip
    if not isinstance(value, Mapping):
        raise BadRequest("expected a file's name", field=field)
    for key in value:
        if key not in _KNOWN:
            raise not_allowed(f"{field}.{str(key)[:40]}", key, _KNOWN)
    arrival, given, made = (_column(value.get(name), f"{field}.{name}") for name in _COLUMNS)
    if not 2 <= len(arrival) == len(given) == len(made) <= BUSIEST:
        raise BadRequest("expected 2 to {most} requests, each with arrival, input and output", field=field,
                         most=BUSIEST)  # fmt: skip
    if np.any(np.diff(arrival) < 0.0) or arrival[0] != 0.0 or not arrival[-1] > 0.0:
        raise BadRequest("expected arrivals in order, the first at 0 s and the last later", field=f"{field}.arrival")
    for name, tokens in (("input", given), ("output", made)):
        if np.any(tokens < 1.0) or np.any(tokens > traces.TOKENS_MAX) or np.any(tokens != np.floor(tokens)):
            raise BadRequest("expected whole tokens from 1 to {most}", field=f"{field}.{name}", most=traces.TOKENS_MAX)
    return Trace(str(value.get("name") or "trace")[:200], tuple(arrival.tolist()), tuple(given.astype(int).tolist()),
                 tuple(made.astype(int).tolist()))  # fmt: skip


def _column(value: Any, field: str) -> Any:
    numbers = isinstance(value, list | tuple) and all(
        isinstance(x, int | float) and not isinstance(x, bool) for x in value
    )
    column = np.array(value if numbers else [np.nan], dtype=float)
    if not np.all(np.isfinite(column)):
        raise BadRequest("expected a list of numbers", field=field)
    return column


def requests_of(found: Trace, seconds: float, most: int) -> Requests:
    """The stretch, repeated until it lasts so long, or has `most` requests."""
    span = found.arrival[-1] + found.arrival[-1] / (len(found.arrival) - 1)  # to where the next one would come
    times = int(np.clip(np.ceil(seconds / span), 1, max(1, most // len(found.arrival))))
    shifts = np.repeat(np.arange(times) * span, len(found.arrival))
    arrival, given, made = (np.tile(np.array(c), times) for c in (found.arrival, found.input, found.output))
    return Requests(arrival + shifts, given.astype(np.int64), made.astype(np.int64))
