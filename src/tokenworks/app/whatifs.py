"""`whatif`: one request in two worlds; `whatif --list`: the scenarios of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tokenworks import catalog, deliver, files, scenario
from tokenworks.app.heavy import pyplot
from tokenworks.app.options import Options, progress, with_options
from tokenworks.app.scenarios import against, chain, into, stacked
from tokenworks.errors import BadRequest
from tokenworks.language import LANGUAGES, Translator
from tokenworks.quote import compare, inline_files, read_request

INFEASIBLE = 3


@click.command()
@click.argument("request_file", metavar="REQUEST", required=False)
@stacked
@against
@click.option("--list", "listed", is_flag=True, help="The scenarios of the catalog.")
@into
@with_options
def whatif(
    opts: Options,
    request_file: str | None,
    names: tuple[str, ...],
    others: tuple[str, ...],
    listed: bool,
    folder: str | None,
) -> int:
    """Answer one request in two worlds, side by side."""
    facts = catalog.load(opts.catalog)
    if listed:
        _list(facts, opts)
        return 0
    if request_file is None or not names:
        raise BadRequest("needs a request and at least one --scenario", field="whatif")
    path = Path(request_file)
    request = read_request(inline_files(files.load(path), path.parent))
    world = catalog.world(facts, request.when)
    one, other = (chain(world, each) for each in (others, names))
    answer = compare(request, world, one, other)
    if folder is not None:
        progress(str(files.write_folder(Path(folder), _pages(answer))))
    opts.answer(answer, lambda say: deliver.whatif(answer, say))
    return INFEASIBLE if all(answer[side]["infeasible"] is not None for side in ("a", "b")) else 0


def _list(facts: catalog.Catalog, opts: Options) -> None:
    found = [scenario.read(document, name) for name, document in sorted(facts.overlays.items())]
    rows = [{"name": s.name, "says": dict(s.says), "changes": len(s.changes)} for s in found]
    answer = {"schema": "tokenworks/scenarios/1", "scenarios": rows}
    opts.answer(answer, lambda say: deliver.scenario_list(answer, say))


def _pages(answer: Mapping[str, Any]) -> dict[str, str | bytes]:
    pages: dict[str, str | bytes] = {
        "whatif.json": files.dump_json(answer),
        "whatif.svg": deliver.whatif_plot(answer, Translator("en"), pyplot()),
    }
    for code in LANGUAGES:
        name = "whatif.md" if code == "en" else f"whatif.{code}.md"
        pages[name] = deliver.whatif_page(answer, Translator(code), "whatif.svg")
    return pages
