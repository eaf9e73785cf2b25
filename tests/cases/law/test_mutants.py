"""Mutants of the law: one operator, constant or parameter changed at a time, asked of the rule cases (long).

A mutant is killed if some case of rules/*.yaml or cases.yaml has another answer than the one written there. Code is
swapped inside the function, so that every importer runs the mutant; parameters are changed in a copy of the rules.
"""

from __future__ import annotations

import ast
import copy
import datetime as dt
import functools
import importlib
import random
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_rules import CHIPS, FOLDER, cases, cited, written
from test_worked_cases import DISAGREE

from tokenworks import catalog, law
from tokenworks.app.laws import finder
from tokenworks.records import World

MODULES = (
    "item",
    "place",
    "us",
    "listed",
    "end_use",
    "exceptions",
    "policy",
    "letters",
    "diffusion",
    "foundry",
    "regimes",
    "dated",
    "line",
    "asked",
)
SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.GtE: ast.Gt,
    ast.Gt: ast.GtE,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ORDER = (ast.GtE, ast.Gt, ast.Lt, ast.LtE)
LISTS = ("parties", "military_users", "military_companies", "coverage", "meta", "vocabulary")  # no rules in them
# Days that nothing can show, because another rule of the same day decides: the letters of 2022 end as 3A090 begins.
EQUAL = ((("letters", "letters"), "2022-10-21"),)
SHADOWED = (
    ("places", "history", 3),
)  # Nicaragua came to D:1 on the day that it came to D:5: every scope asks for either
Asserted = tuple[Any, ...]
LEAST = 0.90


def questions() -> Iterator[tuple[dict[str, Any], dict[str, Any], Asserted]]:
    """Every case: its chips, the case, and what is asserted of the answer (None: not asserted)."""
    for parameter in cases():
        case = parameter.values[0]
        licence, _, more = case["answer"].partition(" ")
        yield (
            {**CHIPS, "stated": case.get("with", {})},
            written(case),
            (licence, more, case.get("eccn", ...), case.get("lines", {}), case.get("flags"), case.get("cites", {})),
        )
    for case in yaml.safe_load((FOLDER / "cases.yaml").read_text())["cases"]:
        if case["id"] not in DISAGREE:
            e = case["expected"]
            yield CHIPS, case, (e["licence"], e["exception"] or e["review_policy"] or "", e["eccn"], {}, None, {})


def survives(asked: list[Any], world: World, find: Callable[[str], str | None]) -> bool:
    """Whether all cases still have their answers; a failure of any kind is a kill."""
    for chips, case, (licence, more, eccn, lines, flags, cites) in asked:
        try:
            found = law.answer_file({"chips": chips, "cases": [case]}, world, find)["verdicts"][0]
        except Exception:  # whatever a mutant breaks, it is noticed
            return False
        if licence == "error" or "error" in found:
            if licence == "error" and "error" in found:
                continue
            return False
        if (found.get("licence"), found.get("exception") or found.get("review_policy") or "") != (licence, more):
            return False
        if eccn is not ... and found["eccn"] != eccn:
            return False
        if flags is not None and found["flags"] != flags:
            return False
        if not set(cites.items()) <= cited(found):
            return False
        told = {x["regime"]: " ".join(filter(None, (x["licence"], x["review_policy"]))) for x in found["lines"]}
        if any(told.get(regime) != said for regime, said in lines.items()):
            return False
    return True


class Mutate(ast.NodeTransformer):
    """Changes the n-th place that can be changed; `places` tells what each is."""

    def __init__(self, at: int) -> None:
        self.at, self.places = at, list[str]()

    def _here(self, what: str) -> bool:
        self.places.append(what)
        return len(self.places) - 1 == self.at

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for i, op in enumerate(node.ops):
            if type(op) in SWAPS and self._here("order" if isinstance(op, ORDER) else "compare"):
                node.ops[i] = SWAPS[type(op)]()
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if self._here("bool"):
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node.operand if isinstance(node.op, ast.Not) and self._here("not") else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool) and self._here("constant"):
            return ast.copy_location(ast.Constant(not node.value), node)
        return node


def functions(module: types.ModuleType) -> Iterator[tuple[str, types.FunctionType]]:
    for name, thing in vars(module).items():
        if isinstance(thing, types.FunctionType) and thing.__module__ == module.__name__:
            yield name, thing


def mutants(module: types.ModuleType) -> Iterator[tuple[str, str, types.FunctionType, types.CodeType]]:
    """(where, what, function, its mutated code) for every place of every function of a module."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name, function in functions(module):
        if name not in defined:
            continue
        count = Mutate(-1)
        count.visit(copy.deepcopy(defined[name]))
        for at, what in enumerate(count.places):
            node = Mutate(at).visit(copy.deepcopy(defined[name]))
            page = ast.fix_missing_locations(
                ast.Module([ast.parse("from __future__ import annotations").body[0], node], [])
            )
            space: dict[str, Any] = dict(vars(module))
            exec(compile(page, str(module.__file__), "exec"), space)  # a mutant of our own source
            yield f"{module.__name__}.{name}:{at}", what, function, space[name].__code__


def count_killed(kill: Callable[[], bool], tally: dict[str, list[int]], what: str) -> bool:
    dead = kill()
    tally.setdefault(what, [0, 0])
    tally[what][0] += dead
    tally[what][1] += 1
    return dead


@pytest.mark.long
def test_the_cases_kill_the_mutants_of_the_rules(world: World) -> None:
    """LEAST of all mutants die, and all that change the order at a threshold (a score never sits on its own)."""
    asked = list(questions())
    random.Random(1).shuffle(asked)  # unlike cases early: most mutants die within a few
    find = functools.cache(finder(world))
    assert survives(asked, world, find)
    tally: dict[str, list[int]] = {}
    alive: list[str] = []
    for name in MODULES:
        for where, what, function, code in mutants(importlib.import_module(f"tokenworks.law.{name}")):
            kept = function.__code__
            function.__code__ = code
            try:
                dead = count_killed(
                    lambda: not survives(asked, world, find),
                    tally,
                    "score" if (name, what) == ("listed", "order") else what,
                )
            finally:
                function.__code__ = kept
            if not dead:
                alive.append(f"{where} ({what})")
    killed, all_of_them = (sum(t[i] for t in tally.values()) for i in (0, 1))
    print(f"killed {killed} of {all_of_them}: {tally}\nalive: {alive}")
    assert killed / all_of_them >= LEAST
    assert tally["order"][0] == tally["order"][1]


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value of the rules' parameters with its path, and every mapping of them before what it holds."""
    if isinstance(node, dict):
        yield path, node
        for key, below in node.items():
            if path or key not in LISTS:
                yield from leaves(below, (*path, key))
    elif isinstance(node, list):
        for i, below in enumerate(node):
            yield from leaves(below, (*path, i))
    else:
        yield path, node


def limits() -> list[tuple[Any, ...]]:
    """Every number that stands in the rules: a threshold, a quantity, a term."""
    return [p for p, v in leaves(catalog.load().law) if isinstance(v, int | float) and not isinstance(v, bool)]


def next_day(value: str, way: int) -> str:
    return (dt.date.fromisoformat(value) + dt.timedelta(days=way)).isoformat()


def days() -> dict[tuple[tuple[Any, ...], str], list[tuple[Any, ...]]]:
    """Every day from which on the rules of one group differ, with the first and last days of theirs that say so.

    A group is a list, or a mapping of rules by name: where one version ends as the next begins, the two move together.
    """
    law_files = catalog.load().law
    known = str(law_files["meta"]["known_from"])
    found: dict[tuple[tuple[Any, ...], str], list[tuple[Any, ...]]] = {}
    for path, value in leaves(law_files):
        if path and path[-1] in ("from", "to") and value is not None:
            begins = value if path[-1] == "from" else next_day(value, 1)
            if begins > known:
                found.setdefault((path[:-2], begins), []).append(path)
    for equal in EQUAL:
        found.pop(equal)
    return found


def rules() -> list[tuple[Any, ...]]:
    """Every rule that carries a citation of its own."""
    return [
        p
        for p, v in leaves(catalog.load().law)
        if isinstance(v, dict) and {"cite", "from"} <= set(v) and p not in SHADOWED
    ]


def named(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


@pytest.mark.long
@pytest.mark.parametrize("path", limits(), ids=named)
def test_a_threshold_moved_by_a_hair_is_noticed_both_ways(path: tuple[Any, ...], world: World) -> None:
    """A case sits on the limit, and another just off it."""
    assert unnoticed([path], functools.partial(hair, path), world) == []


@pytest.mark.long
@pytest.mark.parametrize("paths", days().values(), ids=lambda p: named(p[0]))
def test_a_day_moved_by_one_is_noticed_both_ways(paths: list[tuple[Any, ...]], world: World) -> None:
    """A case asks on the first day of a rule, and another on the day before."""
    assert unnoticed(paths, next_day, world) == []


@pytest.mark.long
@pytest.mark.parametrize("path", rules(), ids=named)
def test_a_rule_that_never_comes_is_missed(path: tuple[Any, ...], world: World) -> None:
    """Every rule of the rules' files decides some case: put off for ever, another answer comes out."""
    asked, find = list(questions()), functools.cache(finder(world))
    assert not survives(asked, changed(world, [path], lambda rule: {**rule, "from": "9999-12-31"}), find)


def unnoticed(paths: list[tuple[Any, ...]], how: Callable[[Any, int], Any], world: World) -> list[int]:
    """The ways, down or up, in which parameters may be moved with no case the wiser."""
    asked, find = list(questions()), functools.cache(finder(world))

    def moved(way: int) -> World:
        return changed(world, paths, lambda value: how(value, way))

    return [way for way in (-1, 1) if survives(asked, moved(way), find)]


def hair(path: tuple[Any, ...], value: float, way: int) -> float:
    """A limit moved by one where it is a count, else by 0.05 %."""
    counted = isinstance(value, int) and (value > 10**5 or path[-1] in ("quantity", "notice_months"))
    return value + way if counted else value * (1 + way * 5e-4)


def changed(world: World, paths: list[tuple[Any, ...]], how: Callable[[Any], Any]) -> World:
    """The world with parameters of one file of the rules changed."""
    top = paths[0][0]
    whole = copy.deepcopy({top: world.law[top]})
    for path in paths:
        node: Any = whole
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = how(node[path[-1]])
    return replace(world, law={**world.law, **whole})
