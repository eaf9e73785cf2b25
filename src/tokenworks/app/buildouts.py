"""`buildout`: a budget, a country and years -> factories, sites, power, chips, jobs and tokens by quarter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tokenworks import catalog, deliver, files, units
from tokenworks.app.heavy import pyplot
from tokenworks.app.options import Options, in_range, progress, read_day, with_options
from tokenworks.app.scenarios import into, laid, stacked
from tokenworks.language import LANGUAGES, Translator
from tokenworks.quote import Plan
from tokenworks.quote import buildout as planned
from tokenworks.records import World

MOST_YEARS = 20
INFEASIBLE = 3


@click.command()
@click.option("--where", required=True, metavar="CC")
@click.option("--budget", required=True, help="Capital, such as '500B USD'.")
@click.option("--years", type=int, required=True)
@click.option("--on", "day", required=True, metavar="DATE", help="First day of the plan.")
@click.option("--model", default="deepseek-r1", help="What the factories serve, or train.")
@click.option("--tokens", default="15T", help="Tokens of a training run.")
@click.option("--chip", "chips", multiple=True, metavar="C", help="A chip; repeat. Default: any that may be had.")
@stacked
@into
@with_options
def buildout(
    opts: Options,
    where: str,
    budget: str,
    years: int,
    day: str,
    model: str,
    tokens: str,
    chips: tuple[str, ...],
    names: tuple[str, ...],
    folder: str | None,
) -> int:
    """What a country builds with a budget over years: factories, sites, power, chips, jobs and tokens by quarter."""
    in_range("--years", years, 1, MOST_YEARS)
    start = read_day(day, "--on")
    facts = catalog.load(opts.catalog)
    plan = Plan(where, units.parse(budget, "money", "--budget"), years, model,
                units.parse(tokens, "tokens", "--tokens"), chips=chips)  # fmt: skip
    answer = planned(plan, [_world(facts, start, i, names) for i in range(years)])
    if folder is not None:
        progress(str(files.write_folder(Path(folder), _pages(answer))))
    opts.answer(answer, lambda say: deliver.buildout(answer, say))
    return INFEASIBLE if not answer["total"]["chips"] else 0


def _world(facts: catalog.Catalog, start: dt.date, year: int, names: tuple[str, ...]) -> World:
    """The world of a year of the plan; the 29th of February stands for the 1st of March after."""
    first = start if (start.month, start.day) != (2, 29) else dt.date(start.year, 3, 1)
    in_range("--on", first.year + year, dt.MINYEAR, dt.MAXYEAR)
    return laid(facts, first.replace(year=first.year + year), names)


def _pages(answer: Mapping[str, Any]) -> dict[str, str | bytes]:
    pages: dict[str, str | bytes] = {
        "buildout.json": files.dump_json(answer),
        "buildout.svg": deliver.buildout_plot(answer, pyplot()),
    }
    for code in LANGUAGES:
        name = "buildout.md" if code == "en" else f"buildout.{code}.md"
        pages[name] = deliver.buildout_page(answer, Translator(code), "buildout.svg")
    return pages
