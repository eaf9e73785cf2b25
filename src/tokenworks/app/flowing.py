"""Running a simulation: a progress line, files written as requests leave, and an end when Ctrl-C asks for one."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from tokenworks import files
from tokenworks.app.options import interactive, progress
from tokenworks.deliver import flows as written
from tokenworks.errors import BadRequest
from tokenworks.language import Translator
from tokenworks.quote.flow import Flow, Part

EVERY = 2.0  # s between progress lines that nobody overwrites


class Stop:
    """Whether Ctrl-C was pressed; `with` takes the signal over, so that a batch is always ended whole."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Stop:
        self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def _ask(self, *_: object) -> None:
        self.asked = True


class Meter:
    """Says on stderr how far a run is and how long it will take yet."""

    def __init__(self, total: int | None, say: Translator) -> None:
        self.total, self.say = total, say
        self.start = self.said = time.monotonic()

    def show(self, done: int) -> None:
        """At most now and then."""
        now = time.monotonic()
        if now - self.said < (0.2 if interactive() else EVERY):
            return
        self.said = now
        if self.total is None:
            line = self.say("{n} requests simulated", n=f"{done:,}")
        else:
            left = (now - self.start) * max(self.total - done, 0) / max(done, 1)
            line = self.say("{n} of {total} requests simulated, {left} s left", n=f"{done:,}",
                            total=f"{self.total:,}", left=f"{left:.0f}")  # fmt: skip
        click.echo(f"\r{line}   ", err=True, nl=False) if interactive() else progress(line)


def run(flow: Flow, total: int | None, outputs: tuple[Path | None, Path | None], say: Translator) -> bool:
    """Run to the end, or to the batch in which Ctrl-C was pressed; returns whether it was. outputs: where to write
    requests as CSV, and the Chrome trace."""
    meter, done = Meter(total, say), 0
    with Stop() as stop, ExitStack() as opened:
        table = opened.enter_context(_open(outputs[0], written.CSV_HEAD, ""))
        trace = opened.enter_context(_open(outputs[1], written.CHROME_HEAD, written.CHROME_END))
        comma = ""
        for part in flow:
            done += len(part.number)
            meter.show(done)
            if table is not None:
                table.write(written.csv_rows(part))
            comma = _events(trace, part, comma)
            if stop.asked:
                break
    return stop.asked


def _events(trace: TextIO | None, part: Part, comma: str) -> str:
    """Append the events of a part; returns what goes before the next."""
    if trace is None:
        return comma
    for event in written.chrome_events(part):
        trace.write(comma + event)
        comma = ",\n"
    return comma


@contextmanager
def _open(path: Path | None, head: str, end: str) -> Iterator[TextIO | Any]:
    """A file with a head, and an end whatever happens; None for no path. Raises BadRequest."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise BadRequest("cannot be written: {why}", field=str(path), why=files.why(error)) from error
    with file:
        file.write(head)
        yield file
        file.write(end)
