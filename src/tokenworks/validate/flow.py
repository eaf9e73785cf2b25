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
from tokenworks.validate.scoring import score
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
from tokenworks.validate.training_study import baseline


@dataclass(frozen=True)
class Plan:
    """How a study is cross-validated. parts, name: the main split by groups; left_out: kinds left out whole,
    alone or in pairs."""

    study: Study
    parts: int
    name: str
    left_out: tuple[tuple[str, ...], ...]

    def splits(self, records: Sequence[Record], world: World) -> list[Split]:
        """All splits, the main ones first."""
        found = folds(self.study, records, self.parts, self.name)
        for kinds in self.left_out:
            found += one_out(self.study, records, world, kinds)
        return found


PLANS = (Plan(TRAINING, 5, "five folds", (("framework",), ("chip",), ("generation",), ("generation", "framework"))),)


def assess(
    plans: Sequence[Plan], records: Mapping[str, Sequence[Record]], world: World, workers: int, progress: Progress
) -> Mapping[str, tuple[Residual, ...]]:
    """Cross-validate every study. records: study name -> its published runs. Minutes; progress says where."""
    found = {}
    for plan in plans:
        splits = plan.splits(records[plan.study.name], world)
        found[plan.study.name] = cross_validate(plan.study, splits, world, workers, progress)
    return found


def report(
    plans: Sequence[Plan],
    records: Mapping[str, Sequence[Record]],
    found: Mapping[str, Sequence[Residual]],
    world: World,
) -> Mapping[str, Any]:
    """The validation report (schema tokenworks/validation/1) from the residuals of all studies."""
    studies = {
        plan.study.name: study_report(plan.study, records[plan.study.name], found[plan.study.name], world)
        for plan in plans
    }
    main = folds(TRAINING, records[TRAINING.name], PLANS[0].parts, PLANS[0].name)
    guess = score(baseline(main, world))
    return {
        "schema": SCHEMA,
        "catalog": world.catalog,
        "studies": studies,
        "baseline": {"n": guess.n, "covered": guess.covered, "median": guess.median, "p90": guess.p90},
        "headlines": [headline(run, world) for run in records["headlines"]],
    }


def refitted(
    plans: Sequence[Plan], records: Mapping[str, Sequence[Record]], world: World, on: dt.date, progress: Progress
) -> Mapping[str, Any]:
    """Every study's constants fitted to all its runs: the content of calibration/fitted.yaml."""
    studies = {}
    for plan in plans:
        study, runs = plan.study, records[plan.study.name]
        progress(f"{study.name}: fit to all runs")
        before = {k: v for k, v in world.calibration[study.name].items() if k != "fitted"}
        old, after = numbers(before), study.fit(runs, world)
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
