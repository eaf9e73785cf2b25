"""What a buyer may buy: the best lawful design of every chip, from the same search that answers one buyer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np

from tokenworks import scenario
from tokenworks.catalog.world import launched
from tokenworks.law.item import tpp
from tokenworks.quote.design import design_id
from tokenworks.quote.story import problems, resolved
from tokenworks.quote.uncertain import speed_of
from tokenworks.records import Designs, Fact, Request, Train, Verdict, World
from tokenworks.search import search
from tokenworks.search.choose import preference, ranked
from tokenworks.search.problem import Offer, Problem
from tokenworks.search.shared import STANDINGS
from tokenworks.workload import flops_per_token

OFFERED = tuple(STANDINGS.index(s) for s in ("lawful", "licence"))


@dataclass(frozen=True)
class Bid:
    """One way for one buyer to do its job. chips, total (USD over the horizon) and revenue (USD that the chips cost,
    NaN unknown) are of one buyer. policy: the review policy that stands before the sale, None where none does.
    compute: TPP of all chips; flops: training FLOP/s delivered. speed: low and high of measured over predicted time;
    price: low and high of the chip's price over its value. design: its id, of every job; priced: the chip's price."""

    chip: str
    vendor: str
    chips: float
    total: float
    revenue: float
    time: float
    compute: float
    flops: float
    policy: str | None
    speed: tuple[float, float]
    price: tuple[float, float]
    design: str = ""
    priced: Fact | None = None


def bids(request: Request, world: World) -> tuple[Bid, ...]:
    """The best design of every chip that may be sold to this buyer, cheapest in the preferred criterion first.

    Of a request with several jobs each job's best is added up chip by chip; a chip must do all of them. A chip that was
    launched longer ago than vendors go on making one (market/buying.yaml, made_for) is not offered.
    """
    world = scenario.applied(world, request.scenarios)
    request = resolved(request, world)
    jobs = [_of_job(_still_made(problem, world), world) for problem in problems(request, world)]
    common = [chip for chip in jobs[0] if all(chip in job for job in jobs)]
    return tuple(_together([job[chip] for job in jobs]) for chip in common)


def _still_made(problem: Problem, world: World) -> Problem:
    """The job with the offers of chips that are still made."""
    lag = dt.timedelta(seconds=float(world.constants["launch_lag"].value))
    longest = dt.timedelta(seconds=float(world.market["buying"]["made_for"]["value"]))
    made = [o for o in problem.offers if (day := launched(o.chip, lag)) is not None and world.date - day <= longest]
    return replace(problem, offers=tuple(made))


def _together(parts: list[Bid]) -> Bid:
    first = parts[0]
    return Bid(
        first.chip, first.vendor, sum(p.chips for p in parts), sum(p.total for p in parts),
        sum(p.revenue for p in parts), max(p.time for p in parts), sum(p.compute for p in parts),
        sum(p.flops for p in parts), next((p.policy for p in parts if p.policy is not None), None), first.speed,
        first.price, " + ".join(p.design for p in parts), first.priced,
    )  # fmt: skip


def _of_job(problem: Problem, world: World) -> dict[str, Bid]:
    found: dict[str, Bid] = {}
    if not problem.offers:
        return found
    state = search(problem).state
    d = state.designs
    if not len(d):
        return found
    for row in ranked(d, preference(state)):
        if int(d["standing"][row]) not in OFFERED or not np.isfinite(d["total"][row]):
            continue
        offer = problem.offers[int(d["system"][row])]
        if offer.chip.id not in found:
            verdict = state.verdicts[int(d["system"][row]), int(d["chips"][row])]
            one = _bid(problem, world, d.take(np.array([row])), (offer, verdict))
            found[offer.chip.id] = replace(one, design=design_id(state, int(row)))
    return found


def _bid(problem: Problem, world: World, one: Designs, by: tuple[Offer, Verdict]) -> Bid:
    offer, verdict = by
    chips = float(one["chips"][0])
    price = world.prices.get(f"{offer.chip.id}/purchase")
    speed = speed_of(problem, offer)
    trained = 0.0
    if isinstance(problem.job, Train):
        each = flops_per_token(problem.architecture, problem.job.sequence).training_causal
        trained = float(one["tokens_per_s"][0]) * each
    return Bid(
        offer.chip.id,
        offer.chip.vendor,
        chips,
        float(one["total"][0]),
        float("nan") if price is None else chips * float(price.value),
        float(one["time"][0]),
        chips * float(tpp(offer.chip) or 0.0),
        trained,
        policy_of(verdict, STANDINGS[int(one["standing"][0])]),
        (speed.low or 1.0, speed.high or 1.0),
        _spread(price),
        priced=price,
    )


def policy_of(verdict: Verdict, standing: str) -> str | None:
    """What stands between an offer and its sale: None for a lawful one, else the policy of the line that asks."""
    if standing == "lawful":
        return None
    for line in verdict.lines:
        if line.review_policy is not None and line.licence == "required":
            return line.review_policy
    return "conditional"


def _spread(price: Fact | None) -> tuple[float, float]:
    if price is None or price.low is None or price.high is None:
        return 1.0, 1.0
    return float(price.low) / float(price.value), float(price.high) / float(price.value)
