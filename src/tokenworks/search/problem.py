"""What the search is asked, what it can buy, and what it has found so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tokenworks.language import Text
from tokenworks.records import Bools, Chip, Designs, Hardware, Ints, Job, Request, System, Verdict, World
from tokenworks.workload.architecture import Architecture


@dataclass(frozen=True)
class Offer:
    """A chip in a system that can be bought or rented at the date, as the performance model sees it."""

    chip: Chip
    system: System
    hardware: Hardware
    node: int  # chips per node: the smallest number that is sold


@dataclass(frozen=True)
class Problem:
    """One job of one request in one world."""

    request: Request
    world: World
    job: Job
    architecture: Architecture
    offers: tuple[Offer, ...]
    apart: Mapping[str, tuple[str, ...]]  # system id -> names of the facts that are missing


@dataclass(frozen=True)
class State:
    """The search between two passes: the designs still in, why the others went, what was learned."""

    problem: Problem
    designs: Designs
    spanned: int = 0
    scored: int = 0
    cut: Mapping[str, int] = field(default_factory=dict)  # reason -> designs
    verdicts: Mapping[tuple[int, int], Verdict] = field(default_factory=dict)  # (offer, chips) -> verdict
    nearest: Mapping[str, float] = field(default_factory=dict)  # limit -> least value that would let one in
    notes: tuple[Text, ...] = ()

    def groups(self, precisions: Sequence[str]) -> Iterator[tuple[Ints, Offer, str]]:
        """Rows of the same offer and precision: what the performance model takes in one call."""
        d = self.designs
        keys = d["system"] * len(precisions) + d["precision"]
        for key in np.unique(keys):
            system, precision = divmod(int(key), len(precisions))
            yield np.flatnonzero(keys == key), self.problem.offers[system], precisions[precision]

    def keep(self, rows: Bools, reason: str) -> State:
        """Keep the marked rows and count the others under `reason`."""
        gone = int(len(rows) - np.count_nonzero(rows))
        if not gone:
            return self
        return replace(
            self,
            designs=self.designs.take(rows),
            cut={**self.cut, reason: self.cut.get(reason, 0) + gone},
        )

    def with_nearest(self, limit: str, value: float) -> State:
        """Remember the least value of a limit that would have let a design in."""
        if not np.isfinite(value):
            return self
        return replace(self, nearest={**self.nearest, limit: min(value, self.nearest.get(limit, np.inf))})
