"""Headline runs that a reader will try: predicted with their interval, beside where the published figure stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.records import World
from tokenworks.validate.predict import predict


def headline(run: Mapping[str, Any], world: World) -> Mapping[str, Any]:
    """A headline run's prediction. `hours` is chip-hours for the run's tokens, without failures.

    run: a training record with `tokens` (of the whole training) and `published` (where the figure stands).
    """
    (answer,) = predict([run], world)["predictions"]
    rate = answer["metrics"].get("tokens_per_s_per_chip")
    hours = None
    if rate is not None:
        value, low, high = (
            None if rate[k] is None else float(run["tokens"]) / rate[k] / 3600.0 for k in ("value", "high", "low")
        )
        hours = {"value": value, "low": low, "high": high}
    return {
        "id": run["id"],
        "published": run["published"],
        "chips": run["hardware"]["n_chips"],
        "tokens_per_s_per_chip": rate,
        "chip_hours": hours,
        "fits": answer["fits"],
        "class": (answer["bars"] or {}).get("class"),
        "error": answer["error"],
    }
