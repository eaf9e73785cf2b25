"""Sweeps: the same bytes after any number of kills; a lost worker costs its shard; asked with SQL."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tokenworks.errors import BadRequest, Defect
from tokenworks.sweep import query, read_plan, sweep
from tokenworks.sweep.rows import shard
from tokenworks.sweep.run import SHARDS, local, name_of
from tokenworks.sweep.workers import on_processes

TEXT = """
request:
  make: {{train: {{model: llama-3.1-8b, tokens: 1e11, within: 20 days}}}}
  where: US
  when: 2025-06-01
  limits: {{chips: [h100], chips_max: 64}}
grid:
  limits.power: [{powers}]
  where: [US, CN]
draws: 3
cells_per_shard: 1
"""


def plan_file(folder: Path, powers: str = "40 kW, 1 MW") -> Path:
    path = folder / "sweep.yaml"
    path.write_text(TEXT.format(powers=powers))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / SHARDS).iterdir())}


def test_a_sweep_answers_every_cell_and_is_asked_in_sql(tmp_path: Path) -> None:
    plan = read_plan(plan_file(tmp_path))
    told: list[Any] = []
    done = sweep(plan, tmp_path / "out", local(1), told.append)
    assert (done.done, done.total, done.before) == (4, 4, 0)
    assert [t.done for t in told] == [0, 1, 2, 3, 4]
    heads, rows = query(
        tmp_path / "out", 'SELECT "where", draw, feasible, chip FROM sweep WHERE draw = 0 ORDER BY cell'
    )
    assert heads == ["where", "draw", "feasible", "chip"]
    assert [r[0] for r in rows] == ["US", "CN", "US", "CN"]
    assert [bool(r[2]) for r in rows][2:] == [True, False]
    (count,) = query(tmp_path / "out", "SELECT count(*) FROM sweep")[1]
    assert count == (16,)
    again = sweep(plan, tmp_path / "out", local(1), told.append)
    assert again.before == 4
    with pytest.raises(BadRequest, match="another sweep"):
        sweep(read_plan(plan_file(tmp_path, "50 kW")), tmp_path / "out", local(1), told.append)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nonsense",
        "COPY sweep TO '/tmp/x.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "DROP TABLE sweep",
        "SELECT 1; SELECT 2",
        "",
        "not SQL",
    ],
)
def test_a_query_reaches_no_file(tmp_path: Path, sql: str) -> None:
    plan = read_plan(plan_file(tmp_path, "1 MW"))
    (tmp_path / "out" / SHARDS).mkdir(parents=True)
    (tmp_path / "out" / SHARDS / name_of(0)).write_bytes(shard(plan, 0))
    with pytest.raises(BadRequest):
        query(tmp_path / "out", sql)


@pytest.mark.parametrize(
    ("text", "field"),
    [("{}", "request"), ("{request: {}, grids: {}}", "grids"), ("{request: 3}", "request"),
     ("{request: {make: {}, where: US, when: 2025-01}}", "make"),
     ("{request: x.yaml}", "x.yaml")],
)  # fmt: skip
def test_a_bad_file_is_refused(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(BadRequest):
        read_plan(tmp_path / "bad.yaml")


@pytest.mark.parametrize("line", ["draws: -1", "draws: x", "cells_per_shard: 0", "grid: {limits.power: 3}", "grid: [1]",
                                  "grid: {make.train.model.x.y: [1]}"])  # fmt: skip
def test_a_bad_field_is_refused(tmp_path: Path, line: str) -> None:
    text = TEXT.format(powers="1 MW").split("grid:")[0] + line + "\n"
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(BadRequest):
        read_plan(tmp_path / "bad.yaml")


def lost_once(folder: str, number: int) -> bytes:
    """Work that kills its worker the first time it meets shard 1."""
    mark = Path(folder) / f"met-{number}"
    met = mark.exists()
    mark.write_text("")
    if number == 1 and not met:
        os.kill(os.getpid(), signal.SIGKILL)
    return str(number).encode()


def always_lost(folder: str, number: int) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def test_a_lost_worker_costs_only_its_shard(tmp_path: Path) -> None:
    done = dict(on_processes(lost_once, str(tmp_path), range(4), 2))
    assert done == {n: str(n).encode() for n in range(4)}
    with pytest.raises(Defect, match="killed"):
        list(on_processes(always_lost, str(tmp_path), [0], 1))


def _killed(tmp_path: Path, kills: int, seed: int) -> None:
    path = plan_file(tmp_path, "40 kW, 200 kW, 1 MW")
    sweep(read_plan(path), tmp_path / "whole", local(1), lambda _: None)
    command = [sys.executable, "-c", "from tokenworks.app.cli import main; main()", "sweep", str(path),
               "-o", str(tmp_path / "killed"), "--processes", "2"]  # fmt: skip
    pick = random.Random(seed)
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(pick.uniform(0.2, 4.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        held = tmp_path / "killed" / SHARDS
        for part in held.glob("part-*") if held.exists() else ():
            assert part.read_bytes() == (tmp_path / "whole" / SHARDS / part.name).read_bytes()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    parts = {n: b for n, b in contents(tmp_path / "killed").items() if n.startswith("part-")}
    assert parts == contents(tmp_path / "whole")
    assert json.loads((tmp_path / "killed" / "sweep.json").read_text()) == json.loads(
        (tmp_path / "whole" / "sweep.json").read_text()
    )


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.long)])
def test_a_killed_sweep_goes_on_to_the_same_bytes(tmp_path: Path, kills: int) -> None:
    _killed(tmp_path, kills, seed=kills)


@pytest.mark.long
def test_a_cluster_gives_the_same_bytes(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    path = plan_file(tmp_path)
    sweep(read_plan(path), tmp_path / "whole", local(1), lambda _: None)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        command = [sys.executable, "-c", "from tokenworks.app.cli import main; main()", "sweep", str(path),
                   "-o", str(tmp_path / "far"), "--scheduler", cluster.scheduler_address]  # fmt: skip
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert contents(tmp_path / "far") == contents(tmp_path / "whole")
