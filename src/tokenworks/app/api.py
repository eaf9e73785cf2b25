"""The public Python API: `import tokenworks as tw`. The command line calls the same rooms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tokenworks import catalog, law, records, scenario
from tokenworks.quote import quote as answer
from tokenworks.quote import read_request
from tokenworks.validate.predict import predict as predict_runs

LAST_DAY = dt.date(9999, 12, 31)  # published runs may be on any chip that the catalog knows


class World(records.World):
    """Everything known and in force at a date."""

    @classmethod
    def at(cls, date: dt.date, overlay: Path | None = None) -> World:
        """The world on a day; `overlay` is a folder of your own facts, laid over ours."""
        return cls._of(catalog.world(catalog.load(overlay), date))

    def with_(self, what_if: str | Mapping[str, Any]) -> World:
        """This world with a scenario of the catalog (by name), or one of your own (its document), laid over it.

        Raises UnknownFact for a name that the catalog lacks, BadRequest for a document that cannot be read.
        """
        read = scenario.named(self, what_if) if isinstance(what_if, str) else scenario.read(what_if, "scenario")
        return self._of(scenario.apply(self, read))

    @classmethod
    def _of(cls, world: records.World) -> World:
        return cls(**{f.name: getattr(world, f.name) for f in fields(records.World)})


def quote(request: Mapping[str, Any] | records.Request, world: records.World | None = None) -> records.Quote:
    """Answer a request (a mapping as in a request file, or a Request read before).

    Raises BadRequest or UnknownFact (tokenworks.errors); nothing feasible is an answer.
    """
    read = request if isinstance(request, records.Request) else read_request(request)
    return answer(read, world or World.at(read.when))


def predict(runs: Iterable[Any], world: records.World | None = None) -> Mapping[str, Any]:
    """Predict runs in the format of published measurements; one element each, in order."""
    return predict_runs(runs, world or World.at(LAST_DAY))


def verdict(shipment: records.Shipment, on: dt.date, world: records.World | None = None) -> records.Verdict:
    """What the law says of a shipment on a day."""
    return law.judge(replace(shipment, on=on), world or World.at(LAST_DAY))
