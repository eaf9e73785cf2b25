"""`quote`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenworks import catalog, deliver, files
from tokenworks.app import heavy
from tokenworks.app.heavy import pdf_pages
from tokenworks.app.options import common, options, progress
from tokenworks.quote import inline_models, read_request
from tokenworks.quote import quote as make_quote
from tokenworks.quote.flow import architectures
from tokenworks.quote.whynot import why_not, without_rules

INFEASIBLE = 3


@click.command()
@click.argument("request_file", metavar="REQUEST")
@click.option("-o", "--output", default=None, help="Folder for the files: quote, bill, drawing, launch, report.")
@click.option("--stats", is_flag=True, help="How many designs were spanned, cut and scored.")
@click.option("--exhaustive", is_flag=True, help="Switch the bounds off: score every design that divides.")
@click.option(
    "--why-not",
    "doubt",
    default=None,
    metavar="DESIGN",
    help="Why this design is not the answer: its id, or words such as 'chip=h100 tp=8'.",
)
@click.option("--without-rules", "free", is_flag=True, help="What the export rules change, and which rules.")
@common
def quote(
    request_file: str, output: str | None, stats: bool, exhaustive: bool, doubt: str | None, free: bool, **shared: Any
) -> int:
    """Answer a request file (YAML, TOML or JSON) with lawful, simulated, priced designs."""
    opts = options(shared["form"], shared["overlay"], shared["language"])
    path = Path(request_file)
    request = read_request(inline_models(files.load(path), path.parent))
    facts = catalog.load(opts.catalog)
    world = catalog.world(facts, request.when)
    if doubt is not None:
        told = why_not(request, world, doubt)
        opts.answer(told, lambda say: deliver.why_not(told, say))
        return 0
    if free:
        changed = {"schema": "tokenworks/without-rules/1", "jobs": without_rules(request, world)}
        opts.answer(changed, lambda say: deliver.without_rules(changed, say))
        return 0
    answer = make_quote(request, world, exhaustive, heavy.scorer() if exhaustive else None)
    if output is not None:
        found = architectures(answer.content, world)
        for written in deliver.write(answer.content, Path(output), opts.say, found, pdf_pages()):
            progress(str(written))
    opts.answer(
        {**answer.content, "seconds": answer.seconds},
        lambda say: deliver.text(answer.content, say) + (deliver.stats(answer, say) if stats else ""),
    )
    return INFEASIBLE if answer.content["infeasible"] is not None else 0
