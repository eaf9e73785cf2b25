"""The evidence class and intervals of a serving design."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.perf import evidence
from tokenworks.perf.evidence import Bar
from tokenworks.perf.serving_constants import engine_family
from tokenworks.quote.intervals import bar_of, derived, shown
from tokenworks.records import RunOn, Serve
from tokenworks.search import software
from tokenworks.search.problem import Offer, Problem


def serving_class(problem: Problem, offer: Offer) -> tuple[str, ...]:
    """The evidence class of a serving design: requests at a rate, the most tokens, or one at a time."""
    alone = isinstance(problem.job, RunOn)
    open_ended = isinstance(problem.job, Serve) and problem.job.requests_per_second is None
    load = "batch" if alone else "max_throughput" if open_ended else "request_rate"
    seen, family = problem.world.calibration["serving"]["seen"], engine_family(software.serving(offer.chip))
    chip = (offer.chip.id, offer.chip.generation)
    return evidence.serving_labels(seen, chip, family, evidence.LOADS[load], problem.architecture)


def serving_bar(problem: Problem, offer: Offer, metric: str) -> Bar | None:
    """The interval of a serving design's metric, as `predict` names it."""
    return bar_of(problem.world, "serving", metric, serving_class(problem, offer))


def most_bar(problem: Problem, offer: Offer) -> Bar | None:
    """The interval of tokens per second where as many as the limits allow are asked; an asked rate is no
    prediction."""
    if isinstance(problem.job, Serve) and problem.job.requests_per_second is None:
        return serving_bar(problem, offer, "output_tokens_per_s_per_chip")
    return None


def serving_intervals(problem: Problem, offer: Offer, money: Mapping[str, Any]) -> Mapping[str, Any]:
    """Money over a horizon does not depend on speed; money per token does where the tokens are predicted."""
    most = most_bar(problem, offer)
    figures = {"/cost/per_million_tokens_usd": money["per_million_tokens_usd"]}
    shows = most or serving_bar(problem, offer, "tpot_ms")
    return {
        "bars": shown(shows, serving_class(problem, offer)),
        "intervals": derived(figures, None if most is None else most.inverted()),
    }
