"""How sure a quote's choice is, and what would change it: the search's draws and turning points as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokenworks.perf.evidence import kind_label
from tokenworks.quote.design import design_id, rate_bar
from tokenworks.records import Ints, Train
from tokenworks.search import software
from tokenworks.search.chance import DRAWS, Chances, chances
from tokenworks.search.levers import SPEED, Levers, Speed, levers
from tokenworks.search.problem import Offer, Problem, State
from tokenworks.search.sensitivity import turns

TURNS_SHOWN = 24


def speed_of(problem: Problem, offer: Offer) -> Speed:
    """What an offer's predictions may be off by together: one interval a chip, framework and kind of model."""
    if not isinstance(problem.job, Train):
        engine = software.serving(offer.chip)
        return Speed(f"speed/{offer.chip.id}/{engine}/{kind_label(problem.architecture)}", None, None)
    family = software.training(offer.chip, problem.world.date.year)[1].family
    name = f"speed/{offer.chip.id}/{family}/{kind_label(problem.architecture)}"
    rate = rate_bar(problem, offer)
    return Speed(name, None, None) if rate is None else Speed(name, rate.inverted().low, rate.inverted().high)


def levers_of(state: State) -> Levers:
    """The levers of a search's designs."""
    return levers(state, [speed_of(state.problem, offer) for offer in state.problem.offers])


def uncertainty(state: State, found: Levers, rows: Ints) -> tuple[Mapping[str, Any] | None, Mapping[int, float]]:
    """The `uncertainty` of a job, and the share of draws that each row wins. rows: the designs shown, best first.

    None where no priced design is there to draw.
    """
    if not len(rows):
        return None, {}
    drawn = drawn_winners(state, found, DRAWS)
    if not len(drawn.rows):
        return None, {}
    share = dict(zip(drawn.rows.tolist(), drawn.share.tolist(), strict=True))
    offers = [state.problem.offers[int(s)] for s in state.designs["system"][drawn.rows]]
    unknown = sorted({v.name for v in found.levers if v.kind == SPEED and v.low == v.high})
    best = int(rows[0])
    return {
        "draws": DRAWS,
        "considered": len(drawn.rows),
        "best_share": share.get(best, 0.0),
        "best_chip_share": _sums([o.chip.id for o in offers], drawn).get(_chip(state, best), 0.0),
        "none_share": drawn.none,
        "by_chip": _sums([o.chip.id for o in offers], drawn),
        "total_usd": _quantiles(drawn, best),
        "speeds_without_interval": unknown,
    }, share


def drawn_winners(state: State, found: Levers, draws: int, figures: Sequence[str] = ()) -> Chances:
    """The best design of each draw, and figures of it (levers.Costed)."""
    return chances(state, found, float(state.problem.world.constants["design_error"].value), draws, figures)


def _chip(state: State, row: int) -> str:
    return state.problem.offers[int(state.designs["system"][row])].chip.id


def _sums(names: Sequence[str], drawn: Chances) -> Mapping[str, float]:
    """Shares added up by name, the largest first; what never wins is left out."""
    total: dict[str, float] = {}
    for name, share in zip(names, drawn.share.tolist(), strict=True):
        total[name] = total.get(name, 0.0) + share
    return {k: round(v, 6) for k, v in sorted(total.items(), key=lambda kv: (-kv[1], kv[0])) if v > 0.0}


def _quantiles(drawn: Chances, row: int) -> Mapping[str, float] | None:
    place = np.flatnonzero(drawn.rows == row)
    if not len(place):
        return None
    p10, p50, p90 = drawn.quantiles(int(place[0]))
    return {"p10": p10, "p50": p50, "p90": p90}


def sensitivity(state: State, found: Levers, best: int) -> list[Mapping[str, Any]]:
    """The nearest changes of the winner: {lever, kind, factor, value, unit, within_range, winner}. `winner` is the
    design that is best beyond, null where none of those compared is."""
    if not np.isfinite(state.designs["total"][best]):
        return []
    return [
        {
            "lever": t.lever.name,
            "kind": t.lever.kind,
            "factor": t.factor,
            "value": t.factor * t.lever.value,
            "unit": t.lever.unit,
            "within_range": bool(t.lever.low <= t.factor <= t.lever.high),
            "winner": None if t.row is None else design_id(state, t.row),
        }
        for t in turns(state, found, best)[:TURNS_SHOWN]
    ]
