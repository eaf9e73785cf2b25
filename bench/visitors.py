"""Fifty visitors of the HTTP API arrive over thirty seconds, each with a question of their own.

python bench/visitors.py [VISITORS [SECONDS]]

Prints how long they waited for a whole quote; ends with 1 where an answer is missing or wrong.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

START = "from tokenworks.app.cli import main; main()"
MODELS = ("deepseek-r1", "qwen2.5-72b", "llama-3.1-70b", "gpt-oss-120b", "kimi-k2", "llama-2-70b", "mixtral-8x22b")
PLACES = ("MY", "TW", "JP", "US", "AE", "SG", "DE", "IN")
DAYS = ("2025-06", "2026-01", "2026-06")


def questions(count: int) -> list[dict[str, Any]]:
    """So many different questions, alternating between serving and training."""
    found = []
    for i, (day, model, place) in enumerate(itertools.islice(itertools.product(DAYS, MODELS, PLACES), count)):
        serve = {"serve": {"model": model, "requests_per_second": 10 + i, "input": 2000, "output": 500}}
        train = {"train": {"model": model, "tokens": f"{200 + i}B", "within": "60 days"}}
        found.append({"make": train if i % 2 else serve, "where": place, "when": day, "limits": {"power": "100 MW"}})
    return found


def visit(address: str, asked: dict[str, Any], after: float) -> float:
    """Wait, ask, and give the seconds until the whole answer was there. Raises ValueError where it is wrong."""
    time.sleep(after)
    body = json.dumps(asked).encode()
    request = urllib.request.Request(f"{address}/v1/quote", body, {"Content-Type": "application/json"})
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=300) as answer:
        content = json.load(answer)
    took = time.perf_counter() - started
    if content["request"] != asked or (not content["designs"] and content["infeasible"] is None):
        raise ValueError(f"not an answer to {asked}")
    return took


def main() -> int:
    """Start a server, send the visitors, say how long they waited."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    store = str(Path(tempfile.mkdtemp()) / "answers.sqlite")
    command = [sys.executable, "-c", START, "web", "--port", "0", "--store", store, "--workers", "2"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        address = server.stderr.readline().split()[3].rstrip(";")
        for asked in questions(2):  # both workers have compiled what they need
            visit(address, {**asked, "where": "FR"}, 0.0)
        with ThreadPoolExecutor(count) as crowd:
            tasks = [
                crowd.submit(visit, address, asked, i * seconds / count) for i, asked in enumerate(questions(count))
            ]
            took = sorted(task.result() for task in tasks)
    finally:
        server.terminate()
        server.wait()
    at = {p: took[min(len(took) - 1, int(p * len(took)))] for p in (0.5, 0.95)}
    print(
        f"{count} visitors over {seconds:g} s: all answered; half within {at[0.5]:.2f} s, 95 % within {at[0.95]:.2f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
