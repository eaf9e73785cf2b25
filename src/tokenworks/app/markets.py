"""`market`: many buyers in two worlds."""

from __future__ import annotations

import datetime as dt
from functools import partial
from pathlib import Path

import click

from tokenworks import catalog, deliver, files
from tokenworks.app.options import Options, in_range, interactive, progress, with_options
from tokenworks.app.scenarios import against, chain, stacked
from tokenworks.market import by_day, compare
from tokenworks.market import read as read_demand

NOBODY = 3
DRAWS_MAX = 100_000


@click.command()
@click.argument("requests", metavar="REQUESTS")
@stacked
@against
@click.option("--draws", type=int, default=10_000, help="Draws of prices, speeds, supplies and licences.")
@click.option("-o", "output", default=None, help="Write the answer (JSON) here.")
@with_options
def market(
    opts: Options, requests: str, names: tuple[str, ...], others: tuple[str, ...], draws: int, output: str | None
) -> int:
    """Who sells, who buys and who goes without when a rule changes. REQUESTS: a file of buyers, or world-2025."""
    in_range("--draws", draws, 1, DRAWS_MAX)
    if output is not None:
        files.writable(Path(output))
    named = Path(requests).suffix == ""
    document = catalog.shipped_demand(requests, "REQUESTS") if named else files.load(Path(requests))
    demand = read_demand(document, Path(requests).stem)
    facts = catalog.load(opts.catalog)
    known = catalog.world(facts, dt.date.max)
    chains = [chain(known, each) for each in (others, names)]
    say = progress if interactive() else (lambda sentence: None)
    answer = compare(demand, by_day(demand, partial(catalog.world, facts)), (chains[0], chains[1]), say, draws)
    if output is not None:
        files.write(Path(output), files.dump_json(answer).encode())
    opts.answer(answer, lambda translate: deliver.market(answer, translate))
    empty = [set(answer[side]["without_offers"]) == {b.name for b in demand.buyers} for side in ("a", "b")]
    return NOBODY if all(empty) else 0
