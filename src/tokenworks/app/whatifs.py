"""`whatif`: one request in two worlds; `whatif --list`: the scenarios of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tokenworks import catalog, deliver, files, scenario
from tokenworks.app.heavy import pyplot
from tokenworks.app.options import Options, common, options, progress
from tokenworks.errors import BadRequest
from tokenworks.language import LANGUAGES, Translator
from tokenworks.quote import compare, inline_models, read_request
from tokenworks.records import World
from tokenworks.scenario import Scenario

INFEASIBLE = 3


@click.command()
@click.argument("request_file", metavar="REQUEST", required=False)
@click.option("--scenario", "names", multiple=True, metavar="S", help="Name or file; repeat to stack.")
@click.option("--against", "others", multiple=True, metavar="S0", help="Compare with this instead of the actual world.")
@click.option("--list", "listed", is_flag=True, help="The scenarios of the catalog.")
@click.option("-o", "folder", default=None, help="Write answer, report and plot here.")
@common
def whatif(
    request_file: str | None,
    names: tuple[str, ...],
    others: tuple[str, ...],
    listed: bool,
    folder: str | None,
    form: str,
    overlay: str | None,
    language: str,
) -> int:
    """Answer one request in two worlds, side by side."""
    opts = options(form, overlay, language)
    facts = catalog.load(opts.catalog)
    if listed:
        _list(facts, opts)
        return 0
    if request_file is None or not names:
        raise BadRequest("needs a request and at least one --scenario", field="whatif")
    path = Path(request_file)
    request = read_request(inline_models(files.load(path), path.parent))
    world = catalog.world(facts, request.when)
    one, other = ([chosen(world, name) for name in chain] for chain in (others, names))
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


def chosen(world: World, name: str) -> Scenario:
    """A scenario by its name in the catalog, or from a file of the user's. Errors of a file name its line."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml", ".json"):
        return scenario.named(world, name)
    text = files.read_text(path)
    try:
        return scenario.read(files.parse(text, path.name), path.stem)
    except BadRequest as error:
        line = files.line_of(text, error.field.split(".")[1:])
        if line is None or not error.field.startswith(f"{path.stem}."):
            raise
        raise BadRequest(error.text.template, field=f"{path.name}:{line}", **dict(error.text.values)) from error


def _pages(answer: Mapping[str, Any]) -> dict[str, str | bytes]:
    pages: dict[str, str | bytes] = {
        "whatif.json": files.dump_json(answer),
        "whatif.svg": deliver.whatif_plot(answer, Translator("en"), pyplot()),
    }
    for code in LANGUAGES:
        name = "whatif.md" if code == "en" else f"whatif.{code}.md"
        pages[name] = deliver.whatif_page(answer, Translator(code), "whatif.svg")
    return pages
