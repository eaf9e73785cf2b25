"""A simulation as files: requests as CSV, what happened when as a Chrome trace, queue and cache over time as SVG."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tokenworks.language import Translator
from tokenworks.quote.flow import Part

CSV_HEAD = "request,arrival_s,input_tokens,output_tokens,first_token_s,done_s,replica\n"
CHROME_HEAD, CHROME_END = '{"traceEvents":[\n', '\n],"displayTimeUnit":"ms"}\n'
CHROME_MOST = 200_000  # requests in a Chrome trace: viewers hold no more
LEFT, WIDTH, HEIGHT = 90, 900, 110


def csv_rows(part: Part) -> str:
    """A line for each request that left, in order of arrival; empty times where it was rejected."""
    columns = (part.number, part.arrival, part.input, part.output, part.first, part.done, part.replica)
    return "".join(
        f"{n},{a!r},{i},{o},{_seconds(f)},{_seconds(d)},{r if r >= 0 else ''}\n"
        for n, a, i, o, f, d, r in zip(*(c.tolist() for c in columns), strict=True)
    )


def _seconds(value: float) -> str:
    return repr(value) if np.isfinite(value) else ""


def chrome_events(part: Part) -> Iterator[str]:
    """Two complete events for each finished request (to its first token, from there to its last) in the Trace Event
    Format: microseconds, the replica as process, the request as thread."""
    columns = (part.number, part.arrival, part.first, part.done, part.replica, part.input, part.output)
    for n, a, f, d, r, i, o in zip(*(c.tolist() for c in columns), strict=True):
        if n >= CHROME_MOST or not np.isfinite(d):
            continue
        for name, start, end in (("first token", a, f), ("decode", f, d)):
            event = {"name": name, "ph": "X", "pid": r, "tid": n, "ts": start * 1e6, "dur": (end - start) * 1e6,
                     "args": {"input": i, "output": o}}  # fmt: skip
            yield json.dumps(event, separators=(",", ":"))


def over_time_svg(answer: Mapping[str, Any], say: Translator) -> str:
    """Requests waiting, sequences running, tokens in the cache and replicas on, over time."""
    over = answer["over_time"]
    rows = (
        (say("requests waiting"), over["waiting"]), (say("sequences running"), over["running"]),
        (say("tokens in the cache"), over["cache_tokens"]), (say("replicas on"), over["replicas"]),
    )  # fmt: skip
    times = over["time_s"]
    span = max(times[-1] - times[0], 1e-9)
    body = []
    for k, (name, values) in enumerate(rows):
        top, most = 30 + k * (HEIGHT + 30), max([*values, 1e-9])
        points = " ".join(
            f"{LEFT + (WIDTH - LEFT - 10) * (t - times[0]) / span:.1f},{top + HEIGHT * (1 - v / most):.1f}"
            for t, v in zip(times, values, strict=True)
        )
        body += [
            f'<text x="{LEFT}" y="{top - 6}">{name}</text>',
            f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.4g}</text>',
            f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>',
            f'<path d="M{LEFT},{top}V{top + HEIGHT}H{WIDTH - 10}" fill="none" stroke="#999"/>',
            f'<polyline points="{points}" fill="none" stroke="#2b6cb0" stroke-width="1.5"/>',
        ]
    height = 30 + len(rows) * (HEIGHT + 30) + 14
    body.append(f'<text x="{WIDTH - 10}" y="{height - 6}" text-anchor="end">{times[0]:.4g} - {times[-1]:.4g} s</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n"
    )
