"""A quote -> a folder of files. All are made in memory first, so that a failure leaves nothing half-written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenworks import files
from tokenworks.deliver import launch, render, sheets, tables
from tokenworks.deliver.network import svg
from tokenworks.deliver.pdf import Pages, as_pdf
from tokenworks.language import Translator
from tokenworks.workload import Architecture


def contents(
    quote: Mapping[str, Any], say: Translator, architectures: Mapping[str, Architecture], pages: Pages | None = None
) -> Mapping[str, str | bytes]:
    """Every file of a quote by its relative name; a PDF where there is something to draw its pages with."""
    made: dict[str, str | bytes] = {
        "quote.json": files.dump_json(quote),
        "report.md": render.as_markdown(tables.blocks(quote, say)),
        "report.html": render.as_html(quote, say),
    }
    if pages is not None:
        made["report.pdf"] = as_pdf(render.whole(quote, say), f"{say('Quote')} {quote['id']}", pages)
    if quote["designs"]:
        first = quote["designs"][0]
        made["bom.csv"] = sheets.as_csv(first, say)
        made["bom.xlsx"] = sheets.as_xlsx(first, say)
        made["network.svg"] = svg(first, say)
    for i, design in enumerate(quote["designs"]):
        architecture = architectures.get(design["model"])
        if architecture is None or design["make"] == "run_on":
            continue
        for name, content in launch.files(design, architecture).items():
            made[f"launch/{i:02d}-{design['chip']}/{name}"] = content
    return made


def write(
    quote: Mapping[str, Any],
    folder: Path,
    say: Translator,
    architectures: Mapping[str, Architecture],
    pages: Pages | None = None,
) -> list[Path]:
    """Write all files of a quote, or none. Raises BadRequest where the folder cannot be written."""
    return files.write_folder(folder, contents(quote, say, architectures, pages))
