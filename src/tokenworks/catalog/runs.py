"""The published runs that ship with the package: facts with their sources, read only when asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files as package
from typing import Any

KINDS = ("training", "inference", "serving", "headlines")


def validation() -> Mapping[str, Any]:
    """The validation report that ships with the package (schema tokenworks/validation/1), as `tokenworks validate`
    made it together with the fitted constants."""
    path = package("tokenworks") / "catalog" / "data" / "validation.json"
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def published(kind: str) -> tuple[Mapping[str, Any], ...]:
    """The published runs of one of KINDS, in file order, as records of `predict`'s input format with their
    measurements (sources: data/runs/ATTRIBUTION.md and each record's `source`)."""
    path = package("tokenworks") / "catalog" / "data" / "runs" / f"{kind}.jsonl"
    with path.open("r", encoding="utf-8") as lines:
        return tuple(json.loads(line) for line in lines)
