"""A request's own trace: which stretch of it is kept, what is refused, and that finalists are simulated on it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tokenworks import catalog
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest
from tokenworks.quote import inline_files, quote, read_request
from tokenworks.quote.trace import BUSIEST, busiest, read_trace, requests_of, trace
from tokenworks.records import Trace
from tokenworks.simulate.requests import Requests

ASKED = {"model": "llama-3.1-70b", "ttft_p99": "1 s", "tpot_p99": "60 ms"}
REST = {"where": "US", "when": "2026-01-01", "limits": {"chips": ["h100", "h200"]}}


def written(path: Path, arrival: Any, given: int = 1000, made: int = 200) -> Path:
    path.write_text("".join(f"{a:.3f},{given},{made}\n" for a in arrival))
    return path


def test_the_busiest_stretch_is_kept(tmp_path: Path) -> None:
    arrival = np.concatenate([np.arange(0.0, 9000.0, 1.0), 9000.0 + np.arange(0.0, 1100.0, 0.1)])
    found = read_trace(written(tmp_path / "t.csv", arrival))
    assert (found["name"], found["requests"], found["bad_lines"]) == ("t.csv", 20_000, 0)
    assert len(found["arrival"]) == BUSIEST
    assert found["arrival"][0] == 0.0
    read = trace(found, "trace")
    assert read.rate == pytest.approx(10.0)
    every = Requests(np.array([0.0, 4.0]), np.array([1, 2]), np.array([3, 4]))
    assert busiest(every).arrival.tolist() == [0.0, 4.0]


def test_a_stretch_is_repeated_evenly() -> None:
    short = Trace("t", (0.0, 1.0, 2.0), (1, 2, 3), (4, 5, 6))
    found = requests_of(short, 7.0, 100)
    assert found.arrival.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert found.input.tolist() == [1, 2, 3] * 3
    assert len(requests_of(short, 1e9, 10)) == 9


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ("t.csv", "t.csv"), (7, "file"), ({"arrival": [0.0, 1.0], "input": [1, 2], "output": [1]}, "each"),
        ({"arrival": [0.0, 1.0], "input": [1, 2.5], "output": [1, 1]}, "whole"),
        ({"arrival": [1.0, 0.0], "input": [1, 1], "output": [1, 1]}, "order"),
        ({"arrival": [0.0, "x"], "input": [1, 1], "output": [1, 1]}, "numbers"),
        ({"arrival": [0.0, 1.0], "input": [1, 1], "output": [1, 1], "inputs": []}, "inputs"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_refused(wrong: Any, word: str) -> None:
    with pytest.raises(BadRequest, match=word):
        read_request({"make": {"serve": {**ASKED, "trace": wrong}}, **REST})


def test_a_trace_says_its_own_rate_and_lengths(tmp_path: Path) -> None:
    written(tmp_path / "t.csv", np.arange(100) / 4.0)
    asked = {"make": {"serve": {**ASKED, "trace": "t.csv"}}, **REST}
    (job,) = read_request(inline_files(asked, tmp_path)).jobs
    assert (job.requests_per_second, job.input, job.output) == (pytest.approx(4.0), 1000, 200)
    for name in ("requests_per_second", "input", "output"):
        with pytest.raises(BadRequest, match="trace"):
            read_request(inline_files({"make": {"serve": {**asked["make"]["serve"], name: 1}}, **REST}, tmp_path))
    with pytest.raises(BadRequest, match="cannot be read"):
        inline_files({"make": {"serve": {**ASKED, "trace": "none.csv"}}, **REST}, tmp_path)
    (tmp_path / "one.csv").write_text("1,2,3\n")
    with pytest.raises(BadRequest):
        read_request(inline_files({"make": {"serve": {**ASKED, "trace": "one.csv"}}, **REST}, tmp_path))


def test_finalists_are_simulated_on_the_trace(facts: Catalog, tmp_path: Path) -> None:
    """The same mean load, evenly and in bursts: what holds one does not hold the other, and the answer costs more."""
    even = np.arange(6000) / 20.0
    bursts = np.repeat(np.arange(100) * 3.0, 60) + np.tile(np.arange(60) * 1e-3, 100)
    world = catalog.world(facts, dt.date(2026, 1, 1))
    best = {}
    for name, arrival in (("even", even), ("bursts", bursts)):
        written(tmp_path / f"{name}.csv", arrival)
        asked = {"make": {"serve": {**ASKED, "trace": f"{name}.csv"}}, **REST}
        content = quote(read_request(inline_files(asked, tmp_path)), world).content
        tried = [d["simulated"] for d in content["designs"] if "simulated" in d]
        assert content["designs"][0]["simulated"]["holds"]
        assert all(s["requests"] >= 6000 for s in tried)
        assert content["designs"][0]["job"]["trace"] == f"{name}.csv"
        assert json.dumps(content["request"])  # the stretch stands in the request: the quote can be asked again
        again = quote(read_request(content["request"]), world).content
        assert again["id"] == content["id"]
        best[name] = content["designs"][0]["cost"]["total_usd"], len(tried)
    assert best["bursts"] > best["even"]
