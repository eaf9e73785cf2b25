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
    return {"schema": SCHEMA, "predictions": [_one(record, world) for record in records]}


def _one(record: Any, world: World) -> Mapping[str, Any]:
    if isinstance(record, TokenworksError):
        return unanswered(None, "bad_value", str(record))
    if not isinstance(record, Mapping):
        return unanswered(None, "bad_value", f"expected a record, read {type(record).__name__}")
    if "load" in record:
        return inference.predict(record, world)
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
