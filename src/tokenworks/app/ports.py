"""`porting`: how well a model fits each chip, what it costs there, and what it could change."""

from __future__ import annotations

from pathlib import Path

import click

from tokenworks import catalog, deliver, scenario, units
from tokenworks.app.options import common, options, progress, read_day
from tokenworks.app.whatifs import chosen
from tokenworks.errors import not_allowed
from tokenworks.quote import Ask, inline_models
from tokenworks.quote import porting as table
from tokenworks.records import World

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
@click.option("--scenario", "names", multiple=True, metavar="S", help="Name or file; repeat to stack.")
@common
def porting(
    model: str,
    days: tuple[str, ...],
    where: str,
    chips: tuple[str, ...],
    makes: tuple[str, ...],
    tokens: str,
    within: str,
    names: tuple[str, ...],
    form: str,
    overlay: str | None,
    language: str,
) -> None:
    """How well MODEL fits each chip, what it costs there by date, and what it could change to suit the chip."""
    opts = options(form, overlay, language)
    for make in makes:
        if make not in MAKES:
            raise not_allowed("--make", make, MAKES)
    facts = catalog.load(opts.catalog)
    wanted = inline_models({"make": {"serve": {"model": model}}}, Path.cwd())["make"]["serve"]["model"]
    ask = Ask(
        wanted,
        where,
        chips or USUAL,
        tokens=units.parse(tokens, "count", "--tokens"),
        within=units.parse(within, "time", "--within"),
        makes=makes or MAKES,
    )
    worlds = [_world(facts, day, names) for day in days]
    progress(f"{len(worlds)} x {len(ask.chips)}")
    answer = table(ask, worlds)
    opts.answer(answer, lambda say: deliver.porting(answer, say))


def _world(facts: catalog.Catalog, day: str, names: tuple[str, ...]) -> World:
    world = catalog.world(facts, read_day(day, "--on"))
    for name in names:
        world = scenario.apply(world, chosen(world, name))
    return world
