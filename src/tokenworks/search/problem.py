"""What the search is asked, what it can buy, and what it has found so far."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tokenworks.language import Text
from tokenworks.records import Bools, Chip, Designs, Floats, Hardware, Ints, Job, Request, System, Verdict, World
from tokenworks.workload.architecture import Architecture


@dataclass(frozen=True)
class Offer:
    """A chip in a system that can be bought or rented at the date, as the performance model sees it."""

    chip: Chip
    system: System
    hardware: Hardware
    node: int  # chips per node: the smallest number that is sold

    @cached_property
    def unit(self) -> tuple[float, float]:
        """Chips of a sold unit, and its IT power (chips' own power where the system's is unknown)."""
        size = float(self.system.get("unit_chips") or self.node)
        draw = self.system.get("power")
        return size, float(draw) if draw else size * float(self.hardware.power)


@dataclass(frozen=True)
class Problem:
    """One job of one request in one world."""

    request: Request
    world: World
    job: Job
    architecture: Architecture
    offers: tuple[Offer, ...]
    apart: Mapping[str, tuple[str, ...]]  # system id -> names of the facts that are missing
    fixed: Mapping[str, int] = field(default_factory=dict)  # axes of the space that are held at a value

    @cached_property
    def known(self) -> dict[Hashable, Any]:
        """What has been worked out for the problem and is asked for again: networks by what they are and their parts,
        switches, calibrations by system, the most chips. Nothing in it depends on who asked first."""
        return {}


@dataclass(frozen=True)
class State:
    """The search between two passes: the designs still in, why the others went, what was learned.

    exhaustive: bounds are off and nothing leaves before everything is computed: until then a cut only marks its
    rows in `dead` (None: rows leave at once), and `settle` takes them out.
    """

    problem: Problem
    designs: Designs
    spanned: int = 0
    scored: int = 0  # time, memory, energy and cost computed
    beaten: int = 0  # scored, and beaten (or equalled) in every criterion by a design of the same system that stays
    cut: Mapping[str, int] = field(default_factory=dict)  # reason -> designs that a rule or a limit excludes
    bounded: Mapping[str, int] = field(default_factory=dict)  # reason -> designs that a bound proves not better
    verdicts: Mapping[tuple[int, int], Verdict] = field(default_factory=dict)  # (offer, chips) -> verdict
    nearest: Mapping[str, float] = field(default_factory=dict)  # limit -> least value that would let one in
    notes: tuple[Text, ...] = ()
    binding: tuple[str, str] = (
        "",
        "",
    )  # the reason that took the last design away, and its limit; "" while some are in
    exhaustive: bool = False
    dead: Bools | None = None
    copies: int = 1  # designs that a row stands for: all its networks until it is wired

    def groups(self, precisions: Sequence[str]) -> Iterator[tuple[Ints | slice, Offer, str]]:
        """Rows of the same offer and precision (all of them: a slice): what the performance model takes in one call."""
        d = self.designs
        keys = d["system"] * len(precisions) + d["precision"]
        alone = keys.min() == keys.max()  # a block of one offer and precision need not be sorted
        for key in keys[:1] if alone else np.unique(keys):
            system, precision = divmod(int(key), len(precisions))
            rows = slice(None) if alone else np.flatnonzero(keys == key)
            yield rows, self.problem.offers[system], precisions[precision]

    @property
    def live(self) -> Bools:
        """The rows that no cut has marked."""
        return np.ones(len(self.designs), np.bool_) if self.dead is None else ~self.dead

    def count(self, reason: str, n: int) -> State:
        """Count `n` more rows as cut under a reason."""
        return replace(self, cut=self._more(self.cut, reason, n)) if n else self

    def bound(self, reason: str, n: int) -> State:
        """Count `n` more rows as cut by a bound."""
        return replace(self, bounded=self._more(self.bounded, reason, n)) if n else self

    def _more(self, counts: Mapping[str, int], reason: str, n: int) -> Mapping[str, int]:
        return {**counts, reason: counts.get(reason, 0) + n * self.copies}

    def keep(self, rows: Bools, reason: str, limit: str = "") -> State:
        """Keep the marked rows and count the others under `reason`; `limit`: what of the request it rests on."""
        live = self.live
        kept = live & rows
        gone = int(np.count_nonzero(live)) - int(np.count_nonzero(kept))
        if not gone:
            return self
        last = (reason, limit) if not kept.any() else self.binding
        state = replace(self.count(reason, gone), binding=last)
        return replace(state, designs=self.designs.take(kept)) if self.dead is None else replace(state, dead=~kept)

    def within(self, values: Floats, most: Floats | float, reason: str, limit: tuple[str, float] = ("", 1.0)) -> State:
        """Keep rows of `values` up to `most`. Where that leaves none, remember under limit[0] the least value,
        in units of limit[1], that would have let one in."""
        rows = values <= most
        live = self.live
        state = self
        if limit[0] and live.any() and not (rows & live).any():
            state = self.with_nearest(limit[0], float(np.min(values[live]) / limit[1]))
        return state.keep(rows, reason, limit[0])

    def settle(self) -> State:
        """Take the marked rows out."""
        if self.dead is None:
            return self
        return replace(self, designs=self.designs.take(self.live), dead=None)

    def with_nearest(self, limit: str, value: float) -> State:
        """Remember the least value of a limit that would have let a design in."""
        if not np.isfinite(value):
            return self
        return replace(self, nearest={**self.nearest, limit: min(value, self.nearest.get(limit, np.inf))})
