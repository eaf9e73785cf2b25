"""What a worker does until the first question comes, so that the first visitor does not wait for it.

It asks itself a few small questions, one after another, and stops as soon as somebody else asks: libraries are loaded,
tables of the engine are made. Answers go nowhere. The simulator's compiled code, which takes a quarter of a minute to
make on a new machine, is made by a process of its own that gives way to every other.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokenworks import catalog
from tokenworks.app.web.asks import answer
from tokenworks.catalog import Catalog
from tokenworks.errors import TokenworksError
from tokenworks.quote.flow import Load, simulate_design
from tokenworks.simulate import loop
from tokenworks.simulate.serving import FEW, MANY

PATIENCE = 2.0  # s between two looks for compiled code that another process makes
GIVES_WAY = 15  # how much nicer than others the process is that compiles
TRAIN = MappingProxyType({
    "make": {"train": {"model": "llama-2-7b", "tokens": "200B", "within": "60 days"}}, "where": "US", "when": "2025-06",
    "limits": {"chips": ["nvidia-h100-sxm"], "chips_max": 64},
})  # fmt: skip
SERVE = MappingProxyType({
    "make": {"serve": {"model": "qwen2.5-72b", "requests_per_second": 1, "input": 1000, "output": 300}},
    "where": "US", "when": "2025-06", "limits": {"chips": ["nvidia-h200-sxm"], "chips_max": 64},
})  # fmt: skip
LOAD: Mapping[str, Any] = MappingProxyType({"rate": 1.0, "input": 1000, "output": 300})
SHIPMENT = MappingProxyType({"chip": "nvidia-h100-sxm", "to": "CN", "on": "2025-06-01", "buyer": "華為"})


class Warming:
    """What is left to do. A step that fails is left out: the question that meets the same error will say it."""

    def __init__(self, facts: Catalog) -> None:
        self._facts = facts
        self._served: Mapping[str, Any] = {}
        self._quiet = 0.0
        self._left: deque[tuple[Callable[[], object], Callable[[], bool]]] = deque(
            [
                (lambda: self._ask("quote", TRAIN), _always),
                (self._serve, _always),
                (lambda: self._ask("file", {"about": self._served, "name": "all.zip"}), _always),
                (lambda: self._ask("law-check", SHIPMENT), _always),
                (self._flow, loop.at_hand),
            ]
        )

    @property
    def pause(self) -> float | None:
        """Seconds to wait for a question before the next step; None: nothing is left to do."""
        if not self._left:
            return None
        return self._quiet if self._left[0][1]() else PATIENCE

    def asked(self) -> None:
        """Somebody asks, and will probably ask again: the next step waits until it is quiet."""
        self._quiet = PATIENCE

    def step(self) -> None:
        """Do the next thing, if it can be done."""
        self._quiet = 0.0
        if self._left and self._left[0][1]():
            work, _ = self._left.popleft()
            with suppress(TokenworksError, MemoryError):
                work()

    def _ask(self, kind: str, parameters: Mapping[str, Any]) -> bytes:
        return answer(kind, dict(parameters), self._facts, "en", lambda said: None)

    def _serve(self) -> None:
        self._served = json.loads(self._ask("quote", SERVE))

    def _flow(self) -> None:
        self._ask("simulate", {"about": self._served, **LOAD, "requests": FEW + 1})


def _always() -> bool:
    return True


def compile_simulator(overlay: str | None) -> None:
    """The life of the process that makes the compiled code, where this machine has none yet: it lets so many requests
    flow that it pays to compile. The code stays on disk for all workers."""
    if loop.at_hand():
        return
    if hasattr(os, "nice"):
        os.nice(GIVES_WAY)
    with suppress(TokenworksError, KeyboardInterrupt):
        facts = catalog.load(None if overlay is None else Path(overlay))
        served = json.loads(answer("quote", dict(SERVE), facts, "en", lambda said: None))
        world = catalog.world(facts, dt.date.fromisoformat(served["world"]["date"]))
        simulate_design(served, None, Load(**LOAD, requests=MANY + 1), world)
