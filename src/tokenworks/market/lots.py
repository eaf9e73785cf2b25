"""Draws: factors on prices, speeds and supplies, and shares of licences granted, the same for both worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokenworks.market.allocate import Board
from tokenworks.market.bids import Bid
from tokenworks.records import Floats

SEED = 0
TENTH = 1.2816  # standard normal deviates to the ninetieth percentile


@dataclass(frozen=True)
class Lots:
    """Draws by row. price, speed: factor by chip; place: where in low..high a supply or a share of licences lies, in
    [0, 1], by name (NaN: at its stated value)."""

    chips: tuple[str, ...]
    price: Floats
    speed: Floats
    names: tuple[str, ...]
    place: Floats

    def __len__(self) -> int:
        return len(self.price)

    def of(self, at: Board) -> tuple[Floats, Floats]:
        """Price and speed factors of a board's offers, shape (draws, offers) each."""
        column = np.array([self.chips.index(b.chip) for b in at.bids], np.int64)
        return self.price[:, column], self.speed[:, column]

    def granted_to(self, at: Board, draw: int) -> Floats:
        """Upper bound of each offer's share in a draw: 1 where no licence is needed."""
        policies = {b.policy for b in at.bids if b.policy is not None}
        share = {p: self._inside(at.licences[p], p, draw) for p in policies}
        return np.array([1.0 if b.policy is None else min(1.0, share[b.policy]) for b in at.bids])

    def supply_of(self, at: Board, draw: int) -> Floats:
        """Chips of each pool in a draw."""
        return np.array([self._inside(at.supplies[group], group, draw) for group, _ in at.pools])

    def _inside(self, row: tuple[float, float, float], name: str, draw: int) -> float:
        """Below the middle of the draw between low and value, above it between value and high."""
        value, low, high = row
        place = float(self.place[draw, self.names.index(name)])
        if np.isnan(place):
            return value
        return low + 2.0 * place * (value - low) if place < 0.5 else value + (2.0 * place - 1.0) * (high - value)


def middle(boards: Sequence[Board]) -> Lots:
    """One draw in which everything has its stated value."""
    chips, names = _all(boards)
    ones = np.ones((1, len(chips)))
    return Lots(tuple(chips), ones, ones, names, np.full((1, len(names)), np.nan))


def drawn(boards: Sequence[Board], draws: int) -> Lots:
    """Random draws, always the same ones: prices triangular over their published range, speeds lognormal with the
    80 % interval of their evidence class, supplies and shares uniform on either side of their value."""
    random = np.random.default_rng(SEED)
    chips, names = _all(boards)
    price, speed = np.ones((draws, len(chips))), np.ones((draws, len(chips)))
    for k, bid in enumerate(chips.values()):
        low, high = bid.price
        if high > low:
            price[:, k] = random.triangular(low, min(max(1.0, low), high), high, draws)
        low, high = bid.speed
        if high > low:
            mean, deviation = np.log(low * high) / 2.0, np.log(high / low) / 2.0 / TENTH
            speed[:, k] = np.exp(mean + deviation * random.standard_normal(draws))
    return Lots(tuple(chips), price, speed, names, random.random((draws, len(names))))


def _all(boards: Sequence[Board]) -> tuple[dict[str, Bid], tuple[str, ...]]:
    chips = {b.chip: b for at in boards for b in at.bids}
    names = {name for at in boards for name in (*at.licences, *at.supplies)}
    return dict(sorted(chips.items())), tuple(sorted(names))
