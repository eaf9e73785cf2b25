"""How much is known about runs like this one: the evidence class and the interval that it has earned.

A class is a chain of labels from the most to the least telling (chip, software, kind of model, what is stated).
Its interval holds the middle 80 % of measured / predicted over runs outside the fit of the same class; a class
with too few runs is answered by the chain without its last label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tokenworks.workload.architecture import Architecture

SEEN, FAMILY, UNSEEN = "chip seen", "chip family seen", "chip not seen"
SOFTWARE, NO_SOFTWARE = "software seen", "software not seen"
DENSE, MIXED = "dense", "mixture or hybrid"
RECURRENT = ("linear", "mamba")
STATED, ASSUMED = "all stated", "something assumed"


# What a serving run is loaded with, by `load.kind` of the record format; separate pools are a class of their own.
POOLS = "separate pools"
LOADS = {
    "max_throughput": "most tokens",
    "concurrency": "requests in flight",
    "batch": "one batch",
    "request_rate": "a rate",
}


class Bar(NamedTuple):
    """The interval of one evidence class. low, high: factors on the predicted value (80 % of the measured
    ones lie between); runs, groups: how many stand behind it."""

    name: str
    runs: int
    groups: int
    low: float
    high: float

    def inverted(self) -> Bar:
        """The interval of the inverse of the figure (a time from a rate)."""
        return self._replace(low=1.0 / self.high, high=1.0 / self.low)


def chip_label(seen: Mapping[str, Any], chip: str, generation: str) -> str:
    """How well a chip is known to a fit. seen: {chips, generations} that the fitted runs had."""
    if chip in seen["chips"]:
        return SEEN
    return FAMILY if generation in seen["generations"] else UNSEEN


def software_label(seen: Mapping[str, Any], family: str) -> str:
    """Whether the fitted runs had a framework or engine family."""
    return SOFTWARE if family in seen["software"] else NO_SOFTWARE


def kind_label(arch: Architecture) -> str:
    """Whether a model is dense, or has routed experts or recurrent layers."""
    plain = all(
        layer.attention is not None
        and layer.attention.kind not in RECURRENT
        and (layer.ffn is None or not layer.ffn.experts)
        for layer, _ in arch.layers
    )
    return DENSE if plain else MIXED


def serving_labels(
    seen: Mapping[str, Any], chip: tuple[str, str], family: str, load: str, arch: Architecture
) -> tuple[str, ...]:
    """The evidence class of a serving run. chip: its id and generation; family: of the engine; load: a value of
    LOADS, or POOLS."""
    return (chip_label(seen, *chip), software_label(seen, family), load, kind_label(arch))


def chain(labels: Sequence[str]) -> str:
    """The name of a class.

    >>> labels_of(chain((SEEN, DENSE)))
    ('chip seen', 'dense')
    """
    return ", ".join(labels)


def labels_of(name: str) -> tuple[str, ...]:
    """The labels of a class."""
    return tuple(name.split(", "))


def bar(classes: Mapping[str, Any], labels: Sequence[str]) -> Bar | None:
    """The interval of the longest chain of labels that has one; None where none has.

    classes: calibration/bars.yaml, one study and metric: class name -> {runs, groups, low, high}.

    >>> bar({"a": {"runs": 40, "groups": 30, "low": 0.9, "high": 1.2}}, ("a", "b")).high
    1.2
    """
    for length in range(len(labels), 0, -1):
        name = chain(labels[:length])
        if name in classes:
            found = classes[name]
            return Bar(name, int(found["runs"]), int(found["groups"]), float(found["low"]), float(found["high"]))
    return None


def interval(value: float, found: Bar | None) -> tuple[float | None, float | None]:
    """(low, high) of a predicted value; None, None without a bar."""
    return (None, None) if found is None else (value * found.low, value * found.high)
