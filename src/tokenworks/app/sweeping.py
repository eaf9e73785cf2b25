"""`sweep`: grids of requests in shards, on processes or a Dask cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tokenworks import deliver
from tokenworks.app import heavy
from tokenworks.app.options import common, in_range, options, progress


@click.command()
@click.argument("sweep_file", metavar="SWEEP.yaml")
@click.option(
    "-o", "--output", default=None, help="Folder of the result (default: beside the file, its name + .sweep)."
)
@click.option("--scheduler", default=None, metavar="ADDRESS", help="A Dask scheduler, such as tcp://10.0.0.1:8786.")
@click.option("--processes", type=int, default=None, help="Local processes (default: one a processor).")
@click.option("--sql", default=None, metavar="QUERY", help="Ask the finished shards, as a table 'sweep' (DuckDB).")
@common
def sweep(
    sweep_file: str, output: str | None, scheduler: str | None, processes: int | None, sql: str | None, **shared: Any
) -> None:
    """Answer a grid of requests x worlds x dates x draws; go on where a killed sweep was."""
    opts = options(shared["form"], shared["overlay"], shared["language"])
    room = heavy.sweep()
    if processes is not None:
        in_range("--processes", processes, 1, 4096)
    path = Path(sweep_file)
    plan = room.read_plan(path)
    folder = Path(output) if output is not None else path.with_suffix(".sweep")
    tell = _teller(opts.say)
    if scheduler is None:
        done = room.sweep(plan, folder, room.local(processes or os.cpu_count() or 1), tell)
    else:
        distributed = heavy.distributed()
        with heavy.dask_client(scheduler) as client:
            done = room.sweep(plan, folder, room.cluster(client, distributed.as_completed), tell)
    answer: dict[str, Any] = {
        "schema": "tokenworks/sweep/1", "folder": str(folder), "cells": plan.count, "shards": done.total,
        "shards_found": done.before, "draws": plan.draws,
    }  # fmt: skip
    if sql is not None:
        heads, rows = room.query(folder, sql)
        answer |= {"columns": heads, "rows": [[_plain(v) for v in row] for row in rows]}
    opts.answer(answer, lambda say: deliver.swept(answer, say))


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _teller(say: Callable[..., str]) -> Callable[[Any], None]:
    """Says how far the sweep is, with the time left at the pace so far."""
    began = time.monotonic()

    def tell(at: Any) -> None:
        now = at.done - at.before
        if at.done == at.total or not now:
            progress(say("{done} of {total} shards", done=at.done, total=at.total))
            return
        left = (time.monotonic() - began) / now * (at.total - at.done)
        minutes, seconds = divmod(round(left), 60)
        progress(say("{done} of {total} shards, {minutes}:{seconds} left", done=at.done, total=at.total,
                     minutes=minutes, seconds=f"{seconds:02d}"))  # fmt: skip

    return tell
