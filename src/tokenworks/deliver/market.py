"""A market in two worlds, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenworks import units
from tokenworks.deliver import words
from tokenworks.deliver.render import as_text
from tokenworks.deliver.tables import Block, Lines, Table
from tokenworks.language import Text, Translator, text

WHAT: Mapping[str, Text] = {
    "revenue_usd": text("chip revenue"),
    "chips": text("chips"),
    "spend_usd": text("total cost"),
    "tpp": text("TPP"),
    "training_flops": text("training FLOP/s"),
    "jobs": text("jobs"),
    "time_s": text("time of all jobs"),
    "revenue_moved_usd": text("revenue that moves"),
}


def market(answer: Mapping[str, Any], say: Translator) -> str:
    """For a terminal."""
    return as_text(market_blocks(answer, say))


def market_blocks(answer: Mapping[str, Any], say: Translator) -> list[Block]:
    """Who sells, who buys, who goes without, and what the difference costs."""
    found: list[Block] = [_head(answer, say)]
    found.append(_table(say("Vendors"), answer["vendors"], ("revenue_usd", "chips"), say))
    found.append(_table(say("Countries"), answer["countries"], ("spend_usd", "chips", "training_flops"), say))
    unmet = {k: v for k, v in answer["unmet"].items() if max(v["jobs"]["a"], v["jobs"]["b"]) > 1e-6}
    found.append(_table(say("Unmet demand"), unmet, ("jobs",), say))
    names = tuple(n for n in answer["price_of_rule"] if n != "time_s")
    found.append(_table(say("Price of the rule"), {say("all buyers"): answer["price_of_rule"]}, names, say))
    return [b for b in found if (b.rows if isinstance(b, Table) else b.lines)]


def _head(answer: Mapping[str, Any], say: Translator) -> Lines:
    lines = [answer["title"]]
    if answer["assumed"]:
        lines.append(say("Illustrative: {source}", source=answer["source"]))
    for side in ("a", "b"):
        names = ", ".join(answer[side]["scenarios"]) or say("the world as it is")
        lines.append(say("{side}: {names}", side=side, names=names))
        if answer[side]["without_offers"]:
            nobody = ", ".join(answer[side]["without_offers"])
            lines.append(say("{side}: nothing may be sold, or does the job, for {names}", side=side, names=nobody))
    lines.append(say("Change: 80 % interval of b - a over {n} draws of prices, speeds, supplies and licences granted",
                     n=f"{answer['draws']:,}"))  # fmt: skip
    if answer["supply_unknown"]:
        lines.append(say("No published supply, so not limited: {chips}", chips=", ".join(answer["supply_unknown"])))
    return Lines(say("Market"), tuple(lines))


def _table(title: str, rows: Mapping[str, Any], names: Sequence[str], say: Translator) -> Table:
    head = ("", say("what"), "a", "b", say("change, low"), say("change, high"))
    found = []
    for who, figures in rows.items():
        for name in names:
            f = figures[name]
            if f["a"] == f["b"] == 0.0:
                continue
            found.append((who, words.word(WHAT, name, say), *(_shown(name, f[k]) for k in ("a", "b", "low", "high"))))
    return Table(title, head, tuple(found))


def _shown(name: str, value: float) -> str:
    if name.endswith("_usd"):
        return units.money(value) if value >= 0 else f"-{units.money(-value)}"
    return f"{value:,.0f}" if name == "chips" else f"{value:,.4g}"
