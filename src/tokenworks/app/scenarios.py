"""Scenarios on the command line: the options that name them, and the worlds that they make."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from tokenworks import catalog, files, scenario
from tokenworks.app.options import within_rules
from tokenworks.errors import BadRequest
from tokenworks.records import World
from tokenworks.scenario import ACTUAL, Scenario

stacked = click.option("--scenario", "names", multiple=True, metavar="S", help="Name or file; repeat to stack.")
against = click.option(
    "--against", "others", multiple=True, metavar="S0", help="Compare with this instead of the actual world."
)


def _place(_: click.Context, __: click.Parameter, folder: str | None) -> str | None:
    """The folder of an answer, refused before the work where nothing could be written into it."""
    if folder is not None:
        files.writable(Path(folder) / "answer")
    return folder


into = click.option("-o", "folder", default=None, help="Write answer, report and plot here.", callback=_place)


def chosen(world: World, name: str) -> Scenario:
    """A scenario by its name in the catalog, or from a file of the user's. Errors of a file name its line, those that
    only show when it is laid over a world too."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml", ".json"):
        return scenario.named(world, name)
    text = files.read_text(path)
    try:
        found = scenario.read(files.parse(text, path.name), path.stem)
    except BadRequest as error:
        if not error.field.startswith(f"{path.stem}."):
            raise
        template, values = error.text.template, dict(error.text.values)
        raise BadRequest(template, field=_line(error.field, text, path), **values) from error
    placed = [replace(change, where=_line(change.where, text, path)) for change in found.changes]
    return replace(found, changes=tuple(placed))


def _line(where: str, text: str, path: Path) -> str:
    """File and line of a change of the scenario, or the place as it was where the text has no such line."""
    line = files.line_of(text, where.split(".")[1:])
    return where if line is None else f"{path.name}:{line}"


def chain(world: World, names: Sequence[str]) -> list[Scenario]:
    """Scenarios in order; `actual` changes nothing and is left out. Raises BadRequest for one that stands twice."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadRequest("the scenario '{value}' stands twice", field="--scenario", value=twice)
    return [chosen(world, name) for name in names if name != ACTUAL]


def laid(facts: catalog.Catalog, day: dt.date, names: Sequence[str]) -> World:
    """The world of a day with scenarios laid over it in order. Raises BadRequest for a day before the first rule."""
    world = catalog.world(facts, day)
    within_rules(day, world, "--on")
    for each in chain(world, names):
        world = scenario.apply(world, each)
    return world
