"""From verdict lines to what a buyer may do: DESIGN.md's mapping, and nowhere else."""

from __future__ import annotations

from tokenworks.records import Line, Verdict

LAWFUL, LICENCE, BARRED, APART = "lawful", "licence", "barred", "apart"
_HARD = (BARRED, APART, LICENCE, LAWFUL)
_OBTAINABLE = ("presumption_of_approval", "case_by_case", "granted")
_DENIED = ("presumption_of_denial", "policy_of_denial", "gp10_risk")
GP10 = "US GP10"
CHINESE = ("CN", "HK", "MO")


def of(line: Line) -> str:
    """Standing of one line: lawful | licence | barred | apart."""
    if line.licence in ("none", "exception"):
        return LAWFUL
    if line.licence == "conditional":
        return LICENCE
    if line.licence == "required" and line.review_policy in _OBTAINABLE:
        return LICENCE
    if line.licence == "required" and line.review_policy in _DENIED:
        return BARRED
    return APART


def worst(lines: tuple[Line, ...]) -> Line:
    """The line that binds most."""
    return min(lines, key=lambda line: (_HARD.index(of(line)), line.licence == "none"))


def followed(headquarters: str, law_followed: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The regimes that bind a buyer: None for all; a buyer headquartered in CN, HK or MO does not follow US
    law beyond what binds the exporter, unless the request says so."""
    if law_followed is not None:
        return tuple(r.upper() for r in law_followed)
    return ("CN",) if headquarters in CHINESE else None


def standing(verdict: Verdict, regimes: tuple[str, ...] | None) -> str:
    """What a buyer who follows these regimes may do; a stale `none` counts as licence needed: confirm."""
    lines = [x for x in verdict.lines if x.regime != GP10 or regimes is None or "US" in regimes]
    found = of(worst(tuple(lines))) if lines else APART
    return LICENCE if found == LAWFUL and verdict.stale else found
