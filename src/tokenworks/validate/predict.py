"""Published-run records -> predictions, one element per record, in order (DESIGN.md section 3, `predict`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from tokenworks.errors import TokenworksError
from tokenworks.perf import evidence
from tokenworks.records import World
from tokenworks.validate import inference, training

SCHEMA = "tokenworks/predictions/1"
# A metric without residuals of its own -> the one of which it is the inverse, but for known factors.
INVERSE: Mapping[str, str] = MappingProxyType({"step_time_s": "tokens_per_s_per_chip"})


def predict(records: Iterable[Any], world: World) -> Mapping[str, Any]:
    """Predict every record: a mapping with `load` is an inference run, any other a training run.

    A record that cannot be expressed gets an `error` in its element and never stops the rest; an element of
    `records` that is itself an error (a line that could not be read) is answered with that error.
    """
    given = list(records)
    served = [place for place, record in enumerate(given) if isinstance(record, Mapping) and "load" in record]
    bars = world.calibration["bars"].get("serving", {})
    predicted = inference.predict_all([given[place] for place in served], world)
    found = {place: with_bars(answer, bars) for place, answer in zip(served, predicted, strict=True)}
    answers = [found[place] if place in found else _other(record, world) for place, record in enumerate(given)]
    return {"schema": SCHEMA, "predictions": answers}


def _other(record: Any, world: World) -> Mapping[str, Any]:
    if isinstance(record, TokenworksError):
        return unanswered(None, "bad_value", str(record))
    if not isinstance(record, Mapping):
        return unanswered(None, "bad_value", f"expected a record, read {type(record).__name__}")
    return with_bars(training.predict(record, world), world.calibration["bars"].get("training", {}))


def with_bars(answer: Mapping[str, Any], bars: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer with the intervals that its evidence class has earned.

    bars: calibration/bars.yaml, one study: metric -> class -> interval. `bars` of the answer names the class
    and the runs that stand behind its first metric's interval.
    """
    if answer["bars"] is None:
        return answer
    labels = evidence.labels_of(answer["bars"]["class"])
    metrics, used = {}, None
    for name, figure in answer["metrics"].items():
        inverse = name in INVERSE
        found = evidence.bar(bars.get(INVERSE.get(name, name), {}), labels)
        used = used or found
        if found is not None and inverse:
            found = found.inverted()
        low, high = evidence.interval(figure["value"], found)
        metrics[name] = {**figure, "low": low, "high": high}
    return {
        **answer,
        "metrics": metrics,
        "bars": {"class": used.name, "runs": used.runs} if used else {**answer["bars"], "runs": 0},
    }


def unanswered(identity: object, kind: str, message: str) -> Mapping[str, Any]:
    """The element for a record without an answer."""
    return {
        "id": identity,
        "metrics": {},
        "fits": None,
        "memory": {},
        "bound": None,
        "bars": None,
        "assumed": [],
        "error": {"kind": kind, "message": message},
    }
