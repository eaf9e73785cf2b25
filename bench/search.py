"""Prints how fast the search is, as ratios within one run: times depend on the machine, ratios less so.

python bench/search.py

A design counts as scored when time, memory, energy and cost were computed for it. CPU seconds are those of this
process; on a machine that does nothing else they are the wall's.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenworks import catalog, files
from tokenworks.app import heavy
from tokenworks.quote import inline_files, quote, read_request
from tokenworks.quote.story import problems, resolved
from tokenworks.search import search
from tokenworks.search.problem import Problem

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "train-deepseek-v3-in-abu-dhabi.yaml"
# Turing-NLG 530B (arXiv 2201.11990, table 1): 105 layers of 20,480, 128 heads, sequence 2,048
TURING = {"config": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 105, "n_embd": 20480,
                     "n_head": 128, "n_positions": 2048, "vocab_size": 51200}, "name": "turing-530b"}  # fmt: skip


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """The answer, wall seconds and CPU seconds of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    return answer, time.perf_counter() - wall, time.process_time() - cpu


def posed(facts: catalog.Catalog, source: dict[str, Any]) -> Problem:
    """The first job of a request as the search takes it."""
    request = read_request(source)
    world = catalog.world(facts, request.when)
    return problems(resolved(request, world), world)[0]


def said(name: str, found: Any, wall: float, cpu: float) -> None:
    """One line of the report."""
    s = found.state
    print(f"{name}: {wall:.2f} s wall, {cpu:.2f} s CPU; {s.spanned:,} spanned ({s.spanned / cpu:,.0f} a CPU second), "
          f"{s.scored:,} scored ({s.scored / cpu:,.0f} a CPU second)")  # fmt: skip


def main() -> None:
    """Time the space of the first example, the peers' spaces, and growth with chips and with the catalog."""
    command = [sys.executable, "-c", "import tokenworks.app.cli"]
    _, imported, _ = timed(lambda: subprocess.run(command, check=True))
    print(f"importing the command line: {imported:.2f} s")
    facts = catalog.load()
    source = dict(files.load(EXAMPLE))
    problem = posed(facts, source)
    score = heavy.scorer()
    cold = timed(lambda: search(problem, exhaustive=True, score=score))
    said("exhaustive, cold (compiled code from disk, or compiled now)", *cold)
    warm = timed(lambda: search(problem, exhaustive=True, score=score))
    said("exhaustive, warm", *warm)
    bounded = timed(lambda: search(problem))
    said("bounded", *bounded)
    long = posed(facts, {**source, "make": {"train": {**source["make"]["train"], "sequence": 32768}}})
    said("exhaustive, sequences of 32,768", *timed(lambda: search(long, exhaustive=True, score=score)))
    print(f"exhaustive over bounded: {warm[2] / bounded[2]:.1f} x the time for {warm[0].state.scored:,} designs scored")

    turing = {"make": {"train": {"model": TURING, "tokens": 2.7e11, "sequence": 2048, "global_batch": 2520}},
              "where": "US", "when": "2022-01-01", "limits": {"chips": ["a100"], "chips_max": 5128}}  # fmt: skip
    every = posed(facts, turing)
    exact = replace(every, fixed={"chips": 5128})
    for name, asked in (("Turing-530B, all counts to 5,128 A100", every), ("Turing-530B, 5,128 A100 exactly", exact)):
        timed(lambda asked=asked: search(asked, exhaustive=True, score=score))
        said(name, *timed(lambda asked=asked: search(asked, exhaustive=True, score=score)))

    serve = {"make": {"serve": {"model": "deepseek-v3", "input": 4000, "output": 1000, "ttft_p99": "2 s",
                                "tpot_p99": "30 ms"}}, "where": "US", "when": "2025-06-01",
             "limits": {"chips": ["h200"], "chips_max": 64}}  # fmt: skip
    found, wall, cpu = timed(lambda: search(posed(facts, serve)))
    said("DeepSeek-V3 served on 64 H200", found, wall, cpu)

    base = None
    for most in (8, 64, 512, 4096, 32768, 100_000):
        limits = {**source["limits"], "chips_max": most}
        found, wall, cpu = timed(lambda limits=limits: search(posed(facts, {**source, "limits": limits})))
        base = base or cpu
        print(f"to {most:,} chips: {cpu / base:.2f} x the time for {found.state.spanned:,} designs")
    base = None
    for share in (0.125, 0.25, 0.5, 1.0):
        part = replace(problem, offers=problem.offers[: max(1, round(share * len(problem.offers)))])
        found, wall, cpu = timed(lambda part=part: search(part))
        base = base or cpu
        print(f"{len(part.offers)} systems: {cpu / base:.2f} x the time for {found.state.spanned:,} designs")
    request = read_request(inline_files(source, EXAMPLE.parent))
    _, wall, cpu = timed(lambda: quote(request, catalog.world(facts, request.when)))
    print(f"the whole quote: {wall:.2f} s wall, {cpu:.2f} s CPU, {cpu / bounded[2]:.1f} x its search")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
