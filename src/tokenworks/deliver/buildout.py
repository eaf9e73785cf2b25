"""A national build-out in words and as a plot."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from tokenworks import units
from tokenworks.deliver import words
from tokenworks.deliver.render import as_markdown, as_text
from tokenworks.deliver.tables import Block, Lines, Table
from tokenworks.language import Text, Translator, text

BINDING: Mapping[str, Text] = {
    "construction": text("building time"),
    "budget": text("budget"),
    "power": text("power"),
    "supply": text("chips delivered"),
    "law": text("no chip may be had"),
}
ASSUMED: Mapping[str, Text] = {
    "site_power": text("power of a site"),
    "construction_time": text("building time"),
    "construction_jobs_per_w": text("people building, per watt"),
    "operation_jobs_per_w": text("people operating, per watt"),
    "power_growth_share": text("new data-centre power a quarter, share of generation"),
    "supply_share": text("share of the vendor's deliveries"),
}


def buildout(answer: Mapping[str, Any], say: Translator) -> str:
    """For a terminal."""
    return as_text(buildout_blocks(answer, say))


def buildout_page(answer: Mapping[str, Any], say: Translator, image: str) -> str:
    """As a Markdown page; image: the plot's file beside it."""
    return f"# {say('National build-out')}\n\n![{image}]({image})\n\n{as_markdown(buildout_blocks(answer, say))}"


def buildout_blocks(answer: Mapping[str, Any], say: Translator) -> list[Block]:
    """The sum, the factory of each year, the quarters, and what is assumed."""
    return [_sum(answer, say), _factories(answer, say), _quarters(answer, say), _assumed(answer, say)]


def _sum(answer: Mapping[str, Any], say: Translator) -> Lines:
    total = answer["total"]
    lines = [
        say("{where}, {budget} over {years} years from {date}", where=answer["where"],
            budget=units.money(answer["budget_usd"]), years=answer["years"], date=answer["from"]),
        say("At the end: {chips} chips, {power} on {sites} sites, {spent} spent, {unspent} not",
            chips=f"{total['chips']:,}", power=units.prefixed(total["power_w"], "W"), sites=total["sites"],
            spent=units.money(total["capital_usd"]), unspent=units.money(max(0.0, total["unspent_usd"]))),
        say("It then serves {tokens} tokens a year, or does {runs} training runs instead",
            tokens=f"{total['tokens_a_year_then']:.3g}", runs=f"{total['training_runs_a_year_then']:,.0f}"),
        say("Jobs: up to {building} building, {operating} operating at the end",
            building=f"{total['construction_jobs_peak']:,}", operating=f"{total['operation_jobs']:,}"),
        words.ask("/total/capital_usd", say),
    ]  # fmt: skip
    return Lines(say("National build-out"), tuple(lines))


def _factories(answer: Mapping[str, Any], say: Translator) -> Table:
    head = (say("year"), say("chip"), say("system"), say("law"), say("USD a W"), say("USD a million tokens"),
            say("chips a quarter at most"))  # fmt: skip
    rows = []
    for i, one in enumerate(answer["factories"]):
        if one is None:
            rows.append((str(i + 1), say("nothing may be had"), *[""] * 5))
            continue
        cap = answer["limits"]["chips_a_quarter"][i]
        standing = words.word(words.STANDING, one["law"]["standing"], say)
        rows.append((str(i + 1), one["chip_name"], one["system"], standing,
                     f"{one['capital_usd'] / one['power_w']:.3g}", f"{one['per_million_tokens_usd']:.3g}",
                     say("no published limit") if cap is None else f"{cap:,.0f}"))  # fmt: skip
    return Table(say("The factory of each year"), head, tuple(rows))


def _quarters(answer: Mapping[str, Any], say: Translator) -> Table:
    head = (say("from"), say("chip"), say("chips opened"), say("chips"), say("capital"), say("power"), say("sites"),
            say("building"), say("operating"), say("tokens a quarter"), say("limited by"))  # fmt: skip
    rows = tuple(
        (
            r["from"],
            r["chip"] or "-",
            f"{r['opened']['chips']:,}",
            f"{r['standing']['chips']:,}",
            units.money(r["standing"]["capital_usd"]),
            units.prefixed(r["standing"]["power_w"], "W"),
            str(r["standing"]["sites"]),
            f"{r['construction_jobs']:,}",
            f"{r['standing']['operation_jobs']:,}",
            f"{r['standing']['tokens_a_quarter']:.3g}",
            words.word(BINDING, r["binding"], say),
        )
        for r in answer["quarters"]
    )
    return Table(say("By quarter"), head, rows)


def _assumed(answer: Mapping[str, Any], say: Translator) -> Table:
    head = (say("what"), say("value"), say("range"), say("unit"), say("source"))
    rows = tuple(
        (
            words.word(ASSUMED, a["name"], say),
            f"{a['value']:.3g}",
            "-" if a["low"] is None else f"{a['low']:.3g} - {a['high']:.3g}",
            a["unit"],
            a["source"] + (f" ({a['note']})" if a["note"] else ""),
        )
        for a in answer["assumptions"]
    )
    return Table(say("Numbers to change"), head, rows)


def buildout_plot(answer: Mapping[str, Any], pyplot: Any) -> str:
    """Power and people by quarter, as SVG text. pyplot: handed in by the app's gate."""
    rows = answer["quarters"]
    at = range(len(rows))
    figure, (top, below) = pyplot.subplots(2, 1, figsize=(7.2, 5.0), sharex=True)
    top.bar(at, [r["standing"]["power_w"] / 1e9 for r in rows], color="#c4622d")
    top.set(ylabel="GW")
    below.step(at, [r["construction_jobs"] / 1e3 for r in rows], where="mid", label="building", color="#7a8ca3")
    below.step(
        at, [r["standing"]["operation_jobs"] / 1e3 for r in rows], where="mid", label="operating", color="#c4622d"
    )
    below.set(ylabel="thousand people", xticks=list(at)[::2], xticklabels=[r["from"][:7] for r in rows][::2])
    below.legend(fontsize=8)
    out = io.StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return out.getvalue()
