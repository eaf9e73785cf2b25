"""The public Python API: `import tokenworks as tw`. The command line calls the same rooms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenworks import catalog, law, records
from tokenworks import quote as story
from tokenworks.validate.predict import predict as predict_runs

LAST_DAY = dt.date(9999, 12, 31)  # published runs may be on any chip that the catalog knows


class World:
    """Where a World comes from: everything known and in force at a date."""

    @staticmethod
    def at(date: dt.date, overlay: Path | None = None) -> records.World:
        """The world on a day; `overlay` is a folder of your own facts, laid over ours."""
        return catalog.world(catalog.load(overlay), date)


def quote(request: Mapping[str, Any] | records.Request, world: records.World | None = None) -> records.Quote:
    """Answer a request (a mapping as in a request file, or a Request read before).

    Raises BadRequest or UnknownFact (tokenworks.errors); nothing feasible is an answer.
    """
    read = request if isinstance(request, records.Request) else story.read_request(request)
    return story.quote(read, world or World.at(read.when))


def predict(runs: Iterable[Any], world: records.World | None = None) -> Mapping[str, Any]:
    """Predict runs in the format of published measurements; one element each, in order."""
    return predict_runs(runs, world or World.at(LAST_DAY))


def verdict(shipment: records.Shipment, on: dt.date, world: records.World | None = None) -> records.Verdict:
    """What the law says of a shipment on a day."""
    return law.judge(replace(shipment, on=on), world or World.at(LAST_DAY))
