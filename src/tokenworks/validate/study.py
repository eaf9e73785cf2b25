"""Cross-validation: fit without some runs, predict those, keep what was measured over what was predicted.

One way for every kind of run. The predictions are those of `tokenworks predict`, so nothing is scored that a
user would not get.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

from tokenworks.perf.evidence import labels_of
from tokenworks.records import World

Record = Mapping[str, Any]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Split:
    """Fit on some records, predict others. name: the kind of split; left: which part of it."""

    name: str
    left: str
    fitted: tuple[Record, ...]
    held: tuple[Record, ...]


@dataclass(frozen=True)
class Study:
    """One kind of run: all that cross-validation, tables, error bars and the refit need to know of it.

    To add a kind, write such a value beside its predictor (training_study.py is the pattern), give its
    evidence class in `bars` of every answer, and add a `Plan` to flow.PLANS; nothing else changes.

    name: its section of the calibration. runs: the files of published runs it is of (catalog.RUNS).
    fit: (sets of records, world, progress) -> for each set, in order, the constants fitted to that set and nothing
    else known of its runs; all sets come at once, so that what they share is computed once. A calibration holds
    `seen` (what the fitted runs had, for perf.evidence). predict: the records' answers, in order. truths: metric ->
    its published value in a record, None where it has none. group: runs of one group are never on both sides of a
    split. configuration: its runs differ in nothing that a prediction asks for but the software's release. kinds: what
    is left out whole -> which one a record has. tables: what errors are shown by -> which one a record has. baseline:
    residuals of a plain guess over the main splits, where there is one.
    """

    name: str
    runs: tuple[str, ...]
    fit: Callable[[Sequence[Sequence[Record]], World, Progress], Iterator[Mapping[str, Any]]]
    predict: Callable[[Sequence[Record], World], Sequence[Mapping[str, Any]]]
    truths: Mapping[str, Callable[[Record], float | None]]
    group: Callable[[Record], str]
    configuration: Callable[[Record], str]
    kinds: Mapping[str, Callable[[Record, World], str]]
    tables: Mapping[str, Callable[[Record, World], str]]
    baseline: Callable[[Sequence[Split], World], Sequence[Residual]] | None = None


@dataclass(frozen=True)
class Residual:
    """One measured figure against its prediction. ratio: log(measured / predicted); None where the run could
    not be predicted. labels: its evidence class under the fit that predicted it. left: what was left out. group,
    configuration: as the study names them."""

    split: str
    left: str
    record: Record
    metric: str
    group: str
    configuration: str
    labels: tuple[str, ...]
    predicted: float | None
    ratio: float | None


def residuals(study: Study, records: Sequence[Record], world: World, split: str, left: str) -> Iterator[Residual]:
    """Predict records with the constants in the world and compare."""
    for record, answer in zip(records, study.predict(records, world), strict=True):
        labels = labels_of(answer["bars"]["class"]) if answer["bars"] else ()
        for metric, truth in study.truths.items():
            measured = truth(record)
            if not measured:
                continue
            found = (answer["metrics"] or {}).get(metric)
            value = None if found is None else float(found["value"])
            ratio = None if value is None else log(measured / value)
            like = study.group(record), study.configuration(record)
            yield Residual(split, left, record, metric, *like, labels, value, ratio)


def with_constants(world: World, study: Study, calibration: Mapping[str, Any]) -> World:
    """The world with the study's constants replaced."""
    return replace(world, calibration={**world.calibration, study.name: calibration})


def folds(study: Study, records: Sequence[Record], parts: int, name: str) -> list[Split]:
    """The records in `parts` folds by group, each fold held out once. Groups are dealt in sorted order."""
    place = {g: i % parts for i, g in enumerate(sorted({study.group(r) for r in records}))}
    return [
        Split(
            name,
            f"part {k + 1} of {parts}",
            tuple(r for r in records if place[study.group(r)] != k),
            tuple(r for r in records if place[study.group(r)] == k),
        )
        for k in range(parts)
    ]


def one_out(study: Study, records: Sequence[Record], world: World, kinds: Sequence[str]) -> list[Split]:
    """Each value of the given kinds left out once, jointly: one kind leaves out each chip (say); two leave out
    each pair that occurs, with all runs that have either of them."""
    keys = [tuple(study.kinds[k](r, world) for k in kinds) for r in records]
    found = []
    for cell in sorted(set(keys)):
        held = tuple(r for r, key in zip(records, keys, strict=True) if key == cell)
        others = zip(records, keys, strict=True)
        fitted = tuple(r for r, key in others if not any(a == b for a, b in zip(key, cell, strict=True)))
        if fitted:
            found.append(Split(" and ".join(kinds), ", ".join(cell), fitted, held))
    return found


def cross_validate(study: Study, splits: Sequence[Split], world: World, progress: Progress) -> tuple[Residual, ...]:
    """The residuals of all held-out runs, each predicted by constants that were fitted without it."""
    found: list[Residual] = []
    constants = study.fit([split.fitted for split in splits], world, progress)
    for done, (split, fitted) in enumerate(zip(splits, constants, strict=True), 1):
        found += residuals(study, split.held, with_constants(world, study, fitted), split.name, split.left)
        progress(f"{study.name}: {split.name} {done}/{len(splits)} ({split.left})")
    return tuple(found)


def one_by_one(
    fit: Callable[[Sequence[Record], World], Mapping[str, Any]],
) -> Callable[[Sequence[Sequence[Record]], World, Progress], Iterator[Mapping[str, Any]]]:
    """A `Study.fit` from a fit of one set of records, for studies whose sets share no work."""

    def each(sets: Sequence[Sequence[Record]], world: World, progress: Progress) -> Iterator[Mapping[str, Any]]:
        return (fit(records, world) for records in sets)

    return each
