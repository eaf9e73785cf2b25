"""Cases of each rule, on the day of a change and around it, at a threshold and just under it (rules/*.yaml).

A case says only what matters to its rule; the rest is a commercial buyer of the destination, shipped from the
United States by nobody in particular for a data centre. Chips are those of cases.yaml, or stated `with` figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tokenworks import files, law
from tokenworks.app.laws import finder
from tokenworks.records import World

FOLDER = Path(__file__).parent
CHIPS = files.load(FOLDER / "cases.yaml")["chips"]


def cases() -> Iterator[Any]:
    for path in sorted((FOLDER / "rules").glob("*.yaml")):
        file = files.load(path)
        assert file["cite"]
        for n, case in enumerate(file["cases"]):
            yield pytest.param({"scenario": file.get("scenario", "actual"), **case}, id=f"{path.stem}-{n}")


def written(case: dict[str, Any]) -> dict[str, Any]:
    """The case in the format of cases.yaml."""
    return {
        "id": "one",
        "date": case["on"],
        "chip": case.get("chip", "stated"),
        "qty": case.get("quantity", 1),
        "ship_from": case.get("from", "US"),
        "exporter": case.get("exporter", "any"),
        "destination": case["to"],
        "end_user": {
            "type": case.get("kind", "commercial"),
            "hq": case.get("hq", case["to"]),
            "name": case.get("name"),
        },
        "end_use": case.get("use", "AI data centre"),
        "scenario": case["scenario"],
        "facts": case.get("facts"),
    }


@pytest.mark.parametrize("case", tuple(cases()))
def test_rule(case: dict[str, Any], world: World) -> None:
    chips = {**CHIPS, "stated": case.get("with", {})}
    answer = law.answer_file({"chips": chips, "cases": [written(case)]}, world, finder(world))["verdicts"][0]
    assert "error" not in answer, answer
    licence, _, more = case["answer"].partition(" ")
    assert (answer["licence"], answer["exception"] or answer["review_policy"] or "") == (licence, more)
    if "eccn" in case:
        assert answer["eccn"] == case["eccn"]
    assert answer["flags"] == case.get("flags", answer["flags"])
    found = {line["regime"]: line for line in answer["lines"]}
    for regime, said in case.get("lines", {}).items():
        line = found.get(regime)
        assert (line and " ".join(filter(None, (line["licence"], line["review_policy"])))) == said
    assert answer["citations"]
    assert answer["reasons"]
