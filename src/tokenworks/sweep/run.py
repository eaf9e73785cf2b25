"""A sweep into a folder: finished shards stay, a killed sweep goes on where it was, the bytes are the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from tokenworks import catalog, files
from tokenworks.errors import BadRequest
from tokenworks.sweep.plan import Plan
from tokenworks.sweep.rows import shard
from tokenworks.sweep.workers import on_processes
from tokenworks.version import VERSION

MANIFEST = "sweep.json"
SHARDS = "shards"


@dataclass(frozen=True)
class Progress:
    """How far a sweep is: shards done, all of them, and those that were there when it began."""

    done: int
    total: int
    before: int


Runner = Callable[[Plan, list[int]], Iterator[tuple[int, bytes]]]


def name_of(number: int) -> str:
    """The file of a shard.

    >>> name_of(12)
    'part-000012.parquet'
    """
    return f"part-{number:06d}.parquet"


def sweep(plan: Plan, folder: Path, runner: Runner, tell: Callable[[Progress], None]) -> Progress:
    """Answer every cell of a plan into `folder`/shards, each shard whole or not at all.

    runner: where shards are worked on (`local`, `cluster`). Raises BadRequest where the folder holds another sweep.
    """
    _claim(plan, folder)
    there = {n for n in range(plan.shards) if (folder / SHARDS / name_of(n)).exists()}
    missing = [n for n in range(plan.shards) if n not in there]
    done = Progress(len(there), plan.shards, len(there))
    tell(done)
    for number, content in runner(plan, missing) if missing else ():
        files.write(folder / SHARDS / name_of(number), content)
        done = Progress(done.done + 1, done.total, done.before)
        tell(done)
    return done


def _claim(plan: Plan, folder: Path) -> None:
    """Write what the folder holds, or check that it holds this very sweep."""
    digests = [catalog.load(None if c is None else Path(c)).digest for c in plan.catalogs]
    identity = plan.identity(json.dumps([VERSION, digests]))
    path = folder / MANIFEST
    if path.exists():
        held = files.load(path)
        if not isinstance(held, dict) or held.get("id") != identity:
            raise BadRequest("holds another sweep, or one of other facts or of another version", field=str(folder))
        return
    if (folder / SHARDS).exists():
        raise BadRequest("holds shards of a sweep that it does not name", field=str(folder))
    content = {
        "schema": "tokenworks/sweep/1",
        "id": identity,
        "version": VERSION,
        "cells": plan.count,
        "shards": plan.shards,
        "draws": plan.draws,
        "grid": {k: len(v) for k, v in plan.grid.items()},
    }
    files.write(path, files.dump_json(content))


def local(count: int) -> Runner:
    """On `count` processes of this machine."""
    return partial(_local, count=count)


def _local(plan: Plan, missing: list[int], count: int) -> Iterator[tuple[int, bytes]]:
    return on_processes(shard, plan, missing, count)


def cluster(client: Any, completed: Callable[[Any], Any]) -> Runner:
    """On the workers of a Dask cluster. client: distributed.Client; completed: distributed.as_completed. A worker
    that is lost costs its shard, which the scheduler gives to another."""
    return partial(_cluster, client=client, completed=completed)


def _cluster(plan: Plan, missing: list[int], client: Any, completed: Any) -> Iterator[tuple[int, bytes]]:
    futures = {client.submit(shard, plan, n, key=f"shard-{plan.identity('')}-{n}", retries=2): n for n in missing}
    for future in completed(list(futures)):
        yield futures[future], future.result()
        future.release()


def query(folder: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Ask the finished shards in SQL: heads and rows of the answer, over a table `sweep`. No file is reachable from
    the query. Raises BadRequest where it is not SQL, not one SELECT, or there is nothing to ask."""
    paths = sorted(str(p) for p in (folder / SHARDS).glob("part-*.parquet"))
    if not paths:
        raise BadRequest("holds no finished shard", field=str(folder))
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("CREATE TABLE sweep AS SELECT * FROM read_parquet(?) ORDER BY cell, make, draw", [paths])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        if [each.type for each in connection.extract_statements(sql)] != [duckdb.StatementType.SELECT]:
            raise BadRequest("is not one question (SELECT): '{value}'", field="--sql", value=sql)
        found = connection.execute(sql)
        heads = [column[0] for column in found.description or ()]
        return heads, found.fetchall()
    except duckdb.Error as error:
        raise BadRequest("cannot be answered: {why}", field="--sql", why=str(error).splitlines()[0]) from error
    finally:
        connection.close()
