"""Residuals -> the validation report as plain values (schema tokenworks/validation/1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import exp, isfinite
from typing import Any

from tokenworks.perf.evidence import ASSUMED, MIXED
from tokenworks.records import World
from tokenworks.validate import bars
from tokenworks.validate.scoring import Score, by, noise_floor, score
from tokenworks.validate.study import Record, Residual, Study

SCHEMA = "tokenworks/validation/1"
WORST = 10
REPEATS = 1.2  # spread of one configuration's figures from which its release explains an error
FEW = 5  # configurations of a chip or framework below which a fit knows it badly
LEAST = 8  # runs from which a row of a table can be a weak spot
TWICE = 2.0  # times the whole's error from which it is one


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
        "worst": [{**_worst(r), "why": reason(r, unseen, study, world)} for r in worst(unseen)],
        "weak": weak(tables, plain(score(unseen))),
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


def reason(r: Residual, unseen: Sequence[Residual], study: Study, world: World) -> str:
    """The likeliest reason for a bad prediction that the runs themselves show, the strongest first: `repeats` (one
    configuration was published with figures far apart), `alone` (few configurations of its kind in the fit),
    `mixture` (experts or recurrent layers), `assumed` (the record leaves fields out), else `unknown`."""
    same = [
        (o.predicted or 0.0) * exp(o.ratio)
        for o in unseen
        if o.configuration == r.configuration and o.ratio is not None
    ]
    if max(same) > REPEATS * min(same):
        return "repeats"
    for of in study.kinds.values():
        if len({o.group for o in unseen if of(o.record, world) == of(r.record, world)}) < FEW:
            return "alone"
    if MIXED in r.labels:
        return "mixture"
    return "assumed" if ASSUMED in r.labels else "unknown"


def weak(tables: Mapping[str, Mapping[str, Any]], whole: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of the tables that are predicted worst: at least LEAST runs, and a median or a 90th percentile of
    more than TWICE the whole's; the worst first."""
    found = [
        {"by": by, "of": key, **row}
        for by, table in tables.items()
        for key, row in table.items()
        if row["n"] >= LEAST and row["median"] is not None and whole["median"]
        and (row["median"] > TWICE * whole["median"] or row["p90"] > TWICE * whole["p90"])
    ]  # fmt: skip
    return sorted(found, key=lambda row: -row["median"])


def _noise(study: Study, records: Sequence[Record]) -> Mapping[str, Any]:
    found = {}
    for metric, truth in study.truths.items():
        floor = noise_floor(records, truth, study.configuration)
        if floor is not None:
            found[metric] = dict(zip(("configurations", "median", "p90"), floor, strict=True))
    return found
