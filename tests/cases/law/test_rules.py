"""Cases of each rule, on the day of a change and around it, at a threshold and just under it (rules/*.yaml).

A case says only what matters to its rule; the rest is a commercial buyer of the destination, shipped from the
United States by nobody in particular for a data centre. Chips are those of cases.yaml, or stated `with` figures.
`cites` names a rule with its first day where the verdict turns on nothing else that shows;
an `answer` of `error` says that the case is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tokenworks import files, law
from tokenworks.app.laws import finder
from tokenworks.law.dated import LISTED
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


def cited(answer: Mapping[str, Any]) -> set[tuple[str, str | None]]:
    """Rule and first day of every citation of every line, that of the text which is not enforced among them."""
    lines = [*answer["lines"], *([answer["text_only"]] if answer["text_only"] else [])]
    return {(c["rule"], c["from"]) for line in lines for c in line["citations"]}


@pytest.mark.parametrize("case", tuple(cases()))
def test_rule(case: dict[str, Any], world: World) -> None:
    chips = {**CHIPS, "stated": case.get("with", {})}
    answer = law.answer_file({"chips": chips, "cases": [written(case)]}, world, finder(world))["verdicts"][0]
    if case["answer"] == "error":
        assert answer["error"]["message"]
        return
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
    assert set(case.get("cites", {}).items()) <= cited(answer)
    assert answer["citations"]
    assert answer["reasons"]


def test_every_rule_has_a_case_that_names_it(world: World) -> None:
    """What carries a citation in the rules' files, and may hold on a day that is asked for, is cited by some case."""
    file = {"chips": dict(CHIPS), "cases": []}
    for n, parameter in enumerate(cases()):
        case = parameter.values[0]
        file["chips"][f"stated {n}"] = case.get("with", {})
        if case["answer"] != "error":
            file["cases"].append(written({"chip": f"stated {n}", **case}))
    answers = law.answer_file(file, world, finder(world))["verdicts"]
    named = set().union(*(cited(a) for a in answers))
    assert {(str(r["cite"]), r.get("from")) for r in rules(world.law)} - named == set()


# What stands in the files without deciding a line of its own: why.
BESIDE = {
    "items": ("designers", "transistors"),  # cited by the presumption that they end
    "places": ("cite", "history", "hong_kong"),  # groups: the scope that asks for them is cited
    "policy": (),
}


def rules(node: Any, path: tuple[str, ...] = ()) -> Iterator[Mapping[str, Any]]:
    """Every rule of the rules' files that carries a citation, less what BESIDE names and the lists of parties."""
    if isinstance(node, Mapping):
        if not path:
            node = {k: v for k, v in node.items() if k not in LISTED}
        elif set(path) & set(BESIDE.get(path[0], ())):
            return
        if "cite" in node and path != ("places",):
            yield node
        for key, below in node.items():
            yield from rules(below, (*path, str(key)))
    elif isinstance(node, list):
        for below in node:
            yield from rules(below, path)
