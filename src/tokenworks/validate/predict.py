"""Published-run records -> predictions, one element per record, in order (DESIGN.md section 3, `predict`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokenworks.errors import TokenworksError
from tokenworks.records import World
from tokenworks.validate import inference, training

SCHEMA = "tokenworks/predictions/1"


def predict(records: Iterable[Any], world: World) -> Mapping[str, Any]:
    """Predict every record: a mapping with `load` is an inference run, any other a training run.

    A record that cannot be expressed gets an `error` in its element and never stops the rest; an element of
    `records` that is itself an error (a line that could not be read) is answered with that error.
    """
    given = list(records)
    served = [place for place, record in enumerate(given) if isinstance(record, Mapping) and "load" in record]
    found = dict(zip(served, inference.predict_all([given[place] for place in served], world), strict=True))
    answers = [found[place] if place in found else _other(record, world) for place, record in enumerate(given)]
    return {"schema": SCHEMA, "predictions": answers}


def _other(record: Any, world: World) -> Mapping[str, Any]:
    if isinstance(record, TokenworksError):
        return unanswered(None, "bad_value", str(record))
    if not isinstance(record, Mapping):
        return unanswered(None, "bad_value", f"expected a record, read {type(record).__name__}")
    return training.predict(record, world)


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
