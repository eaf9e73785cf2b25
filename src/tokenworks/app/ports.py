"""`porting`: how well a model fits each chip, what it costs there, and what it could change. `carry`: whether the chip
of a car or a board holds a model's rate, and what must shrink."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenworks import catalog, deliver, units
from tokenworks.app.options import Options, in_range, progress, read_day, with_options
from tokenworks.app.scenarios import laid, stacked
from tokenworks.errors import not_allowed
from tokenworks.quote import Ask, Carried, inline_files
from tokenworks.quote import carry as carried
from tokenworks.quote import porting as table

LONGEST = 10**7  # tokens
MAKES = ("serve", "train")
# What a buyer in China compares: chips made at home, and those that were sold there or are asked for.
USUAL = ("huawei-ascend-910b3", "huawei-ascend-910c", "cambricon-mlu590", "hygon-k100-ai", "nvidia-h20",
         "nvidia-h800-sxm", "nvidia-h200-sxm", "amd-mi308x")  # fmt: skip


@click.command()
@click.argument("model")
@click.option("--on", "days", multiple=True, required=True, metavar="DATE", help="A day; repeat to compare days.")
@click.option("--where", default="CN", metavar="CC")
@click.option(
    "--chip", "chips", multiple=True, metavar="C", help="A chip; repeat. Default: those a buyer in China compares."
)
@click.option("--make", "makes", multiple=True, metavar="serve|train", help="Default: both.")
@click.option("--tokens", default="1T", help="To train on.")
@click.option("--within", default="100 days", help="To train within.")
@stacked
@with_options
def porting(
    opts: Options,
    model: str,
    days: tuple[str, ...],
    where: str,
    chips: tuple[str, ...],
    makes: tuple[str, ...],
    tokens: str,
    within: str,
    names: tuple[str, ...],
) -> None:
    """How well MODEL fits each chip, what it costs there by date, and what it could change to suit the chip."""
    for make in makes:
        if make not in MAKES:
            raise not_allowed("--make", make, MAKES)
    facts = catalog.load(opts.catalog)
    ask = Ask(
        _model(model),
        where,
        chips or USUAL,
        tokens=units.parse(tokens, "count", "--tokens"),
        within=units.parse(within, "time", "--within"),
        makes=makes or MAKES,
    )
    worlds = [laid(facts, read_day(day, "--on"), names) for day in days]
    progress(f"{len(worlds)} x {len(ask.chips)}")
    answer = table(ask, worlds)
    opts.answer(answer, lambda say: deliver.porting(answer, say))


@click.command()
@click.argument("model")
@click.option("--on", "day", required=True, metavar="DATE")
@click.option("--rate", required=True, help="Decisions per second, such as 10 Hz.")
@click.option("--input", "read", type=int, default=600, help="Tokens read a decision.")
@click.option("--output", "written", type=int, default=6, help="Tokens written a decision.")
@click.option("--chip", "chips", multiple=True, metavar="C", help="A chip; repeat. Default: all of cars and boards.")
@click.option("--power", default=None, help="The most that the chip may draw, such as 60 W.")
@click.option("--where", default="JP", metavar="CC")
@stacked
@with_options
def carry(
    opts: Options,
    model: str,
    day: str,
    rate: str,
    read: int,
    written: int,
    chips: tuple[str, ...],
    power: str | None,
    where: str,
    names: tuple[str, ...],
) -> None:
    """Does the chip of a car or a board carry MODEL at a rate, within memory and power; what must shrink."""
    for field, value in (("--input", read), ("--output", written)):
        in_range(field, value, 1, LONGEST)
    limit = None if power is None else units.parse(power, "power", "--power")
    ask = Carried(_model(model), units.parse(rate, "rate", "--rate"), read, written, chips, limit, where)
    answer = carried(ask, laid(catalog.load(opts.catalog), read_day(day, "--on"), names))
    opts.answer(answer, lambda say: deliver.carry(answer, say))


def _model(name: str) -> Any:
    """A catalog id, or the config.json that a path leads to."""
    return inline_files({"make": {"serve": {"model": name}}}, Path.cwd())["make"]["serve"]["model"]
