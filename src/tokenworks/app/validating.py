"""`validate`: published runs against predictions, by cross-validation; and the refit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from tokenworks import catalog, deliver, files
from tokenworks.app.heavy import pyplot
from tokenworks.app.options import common, options, progress
from tokenworks.language import LANGUAGES, Translator
from tokenworks.validate import flow

REPORT = "validation.json"
LAST_DAY = dt.date(9999, 12, 31)  # published runs may be on any chip that the catalog knows


@click.command()
@click.option("--refit", is_flag=True, help="Fit the constants and error bars anew; -o DIR receives them.")
@click.option("-o", "folder", default=None, help="Write the report with plots (and the fitted constants) here.")
@common
def validate(refit: bool, folder: str | None, form: str, overlay: str | None, language: str) -> None:
    """Cross-validate the models on the published runs that ship with the program. Takes minutes."""
    opts = options(form, overlay, language)
    if folder is not None:
        files.writable(Path(folder) / REPORT)
    world = catalog.world(catalog.load(opts.catalog), LAST_DAY)
    records = {kind: catalog.published(kind) for kind in catalog.RUNS}
    found = flow.assess(flow.PLANS, records, world, progress)
    made: dict[str, str | bytes] = {}
    if refit:
        today = dt.date.today()
        fitted, bars = flow.refitted(flow.PLANS, records, world, today, progress), flow.earned(found, today)
        world = flow.with_refit(world, fitted, bars, flow.PLANS)
        made["fitted.yaml"], made["bars.yaml"] = (
            yaml.safe_dump(content, sort_keys=False, width=120) for content in (fitted, bars)
        )
    report = flow.report(flow.PLANS, records, found, world)
    if folder is not None:
        made |= _pages(report)
        files.write_folder(Path(folder), made)
    opts.answer(report, lambda say: deliver.validation(report, say))


def _pages(report: Mapping[str, Any]) -> dict[str, str | bytes]:
    """The report as JSON, as a page in every language, and its plots."""
    english = Translator("en")
    plots = {
        f"{study}-{metric}.svg": deliver.plot(report, study, metric, english, pyplot())
        for study, of in report["studies"].items()
        for metric in of["metrics"]
    }
    pages = {
        f"validation{'' if code == 'en' else '.' + code}.md": deliver.validation_page(
            report, Translator(code), tuple(plots)
        )
        for code in LANGUAGES
    }
    return {REPORT: files.dump_json(report), **pages, **plots}
