"""`predict` and `simulate`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from tokenworks import catalog, deliver, files
from tokenworks.app.options import common, options
from tokenworks.app.runs import read_runs
from tokenworks.errors import BadRequest
from tokenworks.quote.flow import Load, simulate_design
from tokenworks.validate.predict import predict as predict_runs

LAST_DAY = dt.date(9999, 12, 31)  # published runs may be on any chip that the catalog knows


@click.command()
@click.argument("runs", metavar="RUNS")
@common
def predict(runs: str, form: str, overlay: str | None, language: str) -> None:
    """Predict runs in the format of published measurements (YAML or JSON list, or JSON lines)."""
    opts = options(form, overlay, language)
    world = catalog.world(catalog.load(opts.catalog), LAST_DAY)
    answer = predict_runs(read_runs(Path(runs)), world)
    opts.answer(answer, lambda say: deliver.predictions(answer, say))


@click.command()
@click.argument("quote_file", metavar="QUOTE.json")
@click.option("--design", default=None, help="Id of a design; default the best that serves.")
@click.option("--trace", default=None, help="A trace file (Azure CSV, Mooncake JSONL, simple CSV).")
@click.option("--rate", type=float, default=None, help="Requests per second.")
@click.option("--input", "input_tokens", type=int, default=None)
@click.option("--output", "output_tokens", type=int, default=None)
@click.option("--seed", type=int, default=0)
@click.option("--requests", type=int, default=2000, help="How many requests arrive.")
@click.option("--strict", is_flag=True, help="Stop at a bad line of the trace.")
@common
def simulate(
    quote_file: str,
    design: str | None,
    trace: str | None,
    rate: float | None,
    input_tokens: int | None,
    output_tokens: int | None,
    seed: int,
    requests: int,
    strict: bool,
    form: str,
    overlay: str | None,
    language: str,
) -> None:
    """Let requests flow through a design of a quote, one by one."""
    opts = options(form, overlay, language)
    content = files.parse(files.read_text(Path(quote_file), bytes_max=64_000_000), quote_file, bytes_max=64_000_000)
    if not isinstance(content, dict) or content.get("schema") != "tokenworks/quote/1":
        raise BadRequest("is not a quote (schema tokenworks/quote/1)", field=quote_file)
    lines = None if trace is None else files.read_text(Path(trace), bytes_max=1_000_000_000).splitlines()
    load = Load(rate, input_tokens, output_tokens, requests, seed, lines, strict)
    world = catalog.world(catalog.load(opts.catalog), dt.date.fromisoformat(content["world"]["date"]))
    answer = simulate_design(content, design, load, world)
    opts.answer(answer, lambda say: deliver.simulation(answer, say))
