"""Residuals -> the validation report as plain values (schema tokenworks/validation/1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import exp, isfinite
from typing import Any

from tokenworks.records import World
from tokenworks.validate import bars
from tokenworks.validate.scoring import Score, by, noise_floor, score
from tokenworks.validate.study import Record, Residual, Study

SCHEMA = "tokenworks/validation/1"
WORST = 10


def study_report(
    study: Study, records: Sequence[Record], found: Sequence[Residual], guess: Sequence[Residual], world: World
) -> Mapping[str, Any]:
    """Everything that validation says of one kind of run.

    found: residuals of all splits; the first split's is the main cross-validation, whose runs the tables are of.
    guess: residuals of the study's baseline; none where it has none.
    """
    main = found[0].split
    return {
        "runs": len(records),
        "split": main,
        "metrics": {metric: _metric(study, metric, main, found, world) for metric in study.truths},
        "noise": _noise(study, records),
        "baseline": {metric: plain(score(of)) for metric in study.truths if (of := _of(guess, metric))},
    }


def _of(found: Sequence[Residual], metric: str) -> list[Residual]:
    return [r for r in found if r.metric == metric]


def _metric(study: Study, metric: str, main: str, found: Sequence[Residual], world: World) -> Mapping[str, Any]:
    all_of = _of(found, metric)
    unseen = [r for r in all_of if r.split == main]
    made = bars.classes(bars.known(all_of, metric))
    tables = {
        name: {k: plain(s) for k, s in by(unseen, lambda r, f=of: f(r.record, world), made).items()}  # type: ignore[misc]
        for name, of in study.tables.items()
    }
    left_out = {}
    for split in dict.fromkeys(r.split for r in all_of):
        if split == main:
            continue
        rows = [r for r in all_of if r.split == split]
        left_out[split] = {
            "all": plain(score(rows, made, each_group=True)),
            **{k: plain(s) for k, s in by(rows, lambda r: r.left, made, each_group=True).items()},
        }
    held = bars.cross_checked(bars.known(all_of, metric))
    return {
        "all": plain(score(unseen, made)),
        "tables": tables,
        "left_out": left_out,
        "bars": made,
        "held": {name: h._asdict() for name, h in held.items()},
        "worst": [_worst(r) for r in worst(unseen)],
        "points": [[r.predicted, r.predicted * exp(r.ratio), r.labels[0]] for r in unseen if r.predicted and r.ratio],
    }


def plain(found: Score) -> Mapping[str, Any]:
    """A score as JSON: null where it is not a number."""
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in asdict(found).items()}


def worst(found: Sequence[Residual]) -> list[Residual]:
    """The residuals farthest off, one a group, the farthest first."""
    ordered = sorted((r for r in found if r.ratio is not None), key=lambda r: -abs(r.ratio or 0.0))
    first = {r.group: r for r in reversed(ordered)}  # of each group the farthest stays
    return [r for r in ordered if first[r.group] is r][:WORST]


def _worst(r: Residual) -> Mapping[str, Any]:
    ratio = r.ratio or 0.0
    return {
        "id": r.record.get("id"),
        "predicted": r.predicted,
        "measured": (r.predicted or 0.0) * exp(ratio),
        "error": exp(-ratio) - 1.0,
        "class": ", ".join(r.labels),
        "source": r.record.get("source"),
    }


def _noise(study: Study, records: Sequence[Record]) -> Mapping[str, Any]:
    found = {}
    for metric, truth in study.truths.items():
        floor = noise_floor(records, truth, study.group)
        if floor is not None:
            found[metric] = dict(zip(("configurations", "median", "p90"), floor, strict=True))
    return found
