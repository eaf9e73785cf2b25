"""`predict` and `simulate`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from tokenworks import catalog, deliver, files
from tokenworks.app.flowing import run
from tokenworks.app.options import common, options
from tokenworks.app.runs import read_answer, read_runs
from tokenworks.deliver.flows import over_time_svg
from tokenworks.errors import BadRequest
from tokenworks.quote.flow import Flow, Load
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
@click.option("--lengths", default=None, help="ServeGen: histograms of lengths (JSON); --trace names the rates (CSV).")
@click.option("--rate", type=float, default=None, help="Requests per second.")
@click.option("--input", "input_tokens", type=int, default=None)
@click.option("--output", "output_tokens", type=int, default=None)
@click.option("--seed", type=int, default=0)
@click.option("--requests", type=int, default=2000, help="How many requests arrive.")
@click.option("--strict", is_flag=True, help="Stop at a bad line of the trace.")
@click.option("--router", default="least_loaded", help="round_robin | least_loaded | shared | prefix")
@click.option("--prefix-cache", is_flag=True, help="Replicas keep blocks of prompts that the trace names (hash ids).")
@click.option("--failures", type=(float, float), default=None, help="Mean s that a replica is up, and s of repair.")
@click.option("--scaling", type=(int, float), default=None, help="Least replicas, and requests that each is to have.")
@click.option("--csv", "table", default=None, help="A file for every request.")
@click.option("--chrome-trace", "events", default=None, help="A file for chrome://tracing or Perfetto.")
@click.option("--plot", default=None, help="A file (SVG) for queue and cache over time.")
@common
def simulate(
    quote_file: str,
    design: str | None,
    trace: str | None,
    lengths: str | None,
    rate: float | None,
    input_tokens: int | None,
    output_tokens: int | None,
    seed: int,
    requests: int,
    strict: bool,
    router: str,
    prefix_cache: bool,
    failures: tuple[float, float] | None,
    scaling: tuple[int, float] | None,
    table: str | None,
    events: str | None,
    plot: str | None,
    form: str,
    overlay: str | None,
    language: str,
) -> None:
    """Let requests flow through a design of a quote, one by one."""
    opts = options(form, overlay, language)
    content = read_answer(Path(quote_file))
    if not isinstance(content, dict) or content.get("schema") != "tokenworks/quote/1":
        raise BadRequest("is not a quote (schema tokenworks/quote/1)", field=quote_file)
    lines = None if trace is None else files.lines(Path(trace))
    histograms = None if lengths is None else read_answer(Path(lengths))
    load = Load(rate, input_tokens, output_tokens, requests, seed, lines, strict, router, prefix_cache, failures,
                scaling, histograms)  # fmt: skip
    world = catalog.world(catalog.load(opts.catalog), dt.date.fromisoformat(content["world"]["date"]))
    flow = Flow(content, design, load, world)
    total = requests if trace is None else None
    stopped = run(flow, total, (Path(table) if table else None, Path(events) if events else None), opts.say)
    answer = flow.answer()
    if plot is not None and answer["over_time"]:
        files.write(Path(plot), over_time_svg(answer, opts.say))
    opts.answer(answer, lambda say: deliver.simulation(answer, say))
    if stopped:
        raise KeyboardInterrupt
