"""`tokenworks validate`: every study cross-validated, scored and reported; and the refit of all constants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokenworks.catalog import numbers, overlaid
from tokenworks.records import World
from tokenworks.validate import bars
from tokenworks.validate.headlines import headline
from tokenworks.validate.report import SCHEMA, study_report
from tokenworks.validate.serving_study import STUDY as SERVING
from tokenworks.validate.study import (
    Progress,
    Record,
    Residual,
    Split,
    Study,
    cross_validate,
    folds,
    one_out,
    with_constants,
)
from tokenworks.validate.training_study import STUDY as TRAINING


@dataclass(frozen=True)
class Plan:
    """How a study is cross-validated. parts, name: the main split by groups; left_out: kinds left out whole,
    alone or in pairs (one name, or two: the runs that have either are then unseen)."""

    study: Study
    parts: int
    name: str
    left_out: tuple[tuple[str, ...], ...]

    def main(self, records: Sequence[Record]) -> list[Split]:
        """The splits by groups."""
        return folds(self.study, records, self.parts, self.name)

    def splits(self, records: Sequence[Record], world: World) -> list[Split]:
        """All splits, the main ones first."""
        found = self.main(records)
        for kinds in self.left_out:
            found += one_out(self.study, records, world, kinds)
        return found


PLANS = (
    Plan(TRAINING, 5, "five folds", (("framework",), ("chip",), ("generation",), ("generation", "framework"))),
    Plan(SERVING, 2, "halves of the cells", (("chip",), ("model",), ("engine",))),
)


def runs_of(study: Study, records: Mapping[str, Sequence[Record]]) -> Sequence[Record]:
    """A study's published runs, each with the `file` it is of. records: file of catalog.RUNS -> its runs."""
    return tuple({**record, "file": name} for name in study.runs for record in records[name])


def assess(
    plans: Sequence[Plan], records: Mapping[str, Sequence[Record]], world: World, progress: Progress
) -> Mapping[str, tuple[Residual, ...]]:
    """Cross-validate every study. records: file of catalog.RUNS -> its runs. Minutes; progress says where."""
    found = {}
    for plan in plans:
        splits = plan.splits(runs_of(plan.study, records), world)
        found[plan.study.name] = cross_validate(plan.study, splits, world, progress)
    return found


def report(
    plans: Sequence[Plan],
    records: Mapping[str, Sequence[Record]],
    found: Mapping[str, Sequence[Residual]],
    world: World,
) -> Mapping[str, Any]:
    """The validation report (schema tokenworks/validation/1) from the residuals of all studies."""
    studies = {}
    for plan in plans:
        runs = runs_of(plan.study, records)
        guess = plan.study.baseline(plan.main(runs), world) if plan.study.baseline else ()
        studies[plan.study.name] = study_report(plan.study, runs, found[plan.study.name], guess, world)
    return {
        "schema": SCHEMA,
        "catalog": world.catalog,
        "studies": studies,
        "headlines": [headline(run, world) for run in records["headlines"]],
    }


def refitted(
    plans: Sequence[Plan], records: Mapping[str, Sequence[Record]], world: World, on: dt.date, progress: Progress
) -> Mapping[str, Any]:
    """Every study's constants fitted to all its runs: the content of calibration/fitted.yaml."""
    studies = {}
    for plan in plans:
        study, runs = plan.study, runs_of(plan.study, records)
        progress(f"{study.name}: fit to all runs")
        before = {k: v for k, v in world.calibration[study.name].items() if k != "fitted"}
        old, after = numbers(before), next(iter(study.fit([runs], world, progress)))
        fitted = world.calibration[study.name].get("fitted", {"values": {}})["values"]
        values = {p: _rounded(v) for p, v in sorted(numbers(after).items()) if p in fitted or old.get(p, v) != v}
        studies[study.name] = {
            "date": on.isoformat(),
            "data": "catalog/data/runs (sources in its ATTRIBUTION.md)",
            "runs": sum(any(truth(r) for truth in study.truths.values()) for r in runs),
            "groups": len({study.group(r) for r in runs}),
            "seen": after["seen"],
            "values": values,
        }
    return {"schema": "tokenworks/calibration/fitted/1", "made_by": "tokenworks validate --refit", "studies": studies}


def _rounded(value: float) -> float:
    """Four significant digits: more are noise."""
    return float(f"{value:.4g}")


def earned(found: Mapping[str, Sequence[Residual]], on: dt.date) -> Mapping[str, Any]:
    """The error bars that residuals of unseen runs give: the content of calibration/bars.yaml."""
    made: dict[str, Any] = {
        "schema": "tokenworks/calibration/bars/1",
        "made_by": "tokenworks validate --refit",
        "date": on.isoformat(),
    }
    for name, residuals in found.items():
        metrics = dict.fromkeys(r.metric for r in residuals)
        made[name] = {m: dict(bars.classes(bars.known(residuals, m))) for m in metrics}
    return made


def with_refit(world: World, fitted: Mapping[str, Any], made: Mapping[str, Any], plans: Sequence[Plan]) -> World:
    """The world with new error bars and refitted constants (what the next start of the program reads)."""
    fresh = replace(world, calibration={**world.calibration, "bars": made})
    for plan in plans:
        name = plan.study.name
        fresh = with_constants(fresh, plan.study, overlaid(world.calibration[name], fitted["studies"][name]))
    return fresh
