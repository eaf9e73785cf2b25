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
LEAST_SHOWN = 0.5  # USD: what the solver leaves below it is nothing
MEASURE: Mapping[str, Text] = {
    "sales_open": text("sold while allowed"),
    "sales_barred": text("sold while barred"),
    "lost": text("lost to the rule"),
    "charge": text("charge on stock"),
}


def market(answer: Mapping[str, Any], say: Translator) -> str:
    """For a terminal."""
    return as_text(market_blocks(answer, say))


def market_blocks(answer: Mapping[str, Any], say: Translator) -> list[Block]:
    """Who sells, who buys, who goes without, and what the difference costs."""
    found: list[Block] = [_head(answer, say)]
    found.append(_sales(answer, say))
    found.append(_table(say("Vendors"), answer["vendors"], ("revenue_usd", "chips"), say))
    found.append(_table(say("Countries"), answer["countries"], ("spend_usd", "chips", "training_flops"), say))
    called = _called(answer, say)
    unmet = {called[k]: v for k, v in answer["unmet"].items() if max(v["jobs"]["a"], v["jobs"]["b"]) > 1e-6}
    found.append(_table(say("Unmet demand"), unmet, ("jobs",), say))
    found.append(_jobs({called[k]: v for k, v in answer["per_job"].items()}, say))
    names = tuple(n for n in answer["price_of_rule"] if n != "time_s")
    found.append(_table(say("Price of the rule"), {say("all buyers"): answer["price_of_rule"]}, names, say))
    found += [_published(answer["published"], say), _distance(answer, say)]
    return [b for b in found if (b.rows if isinstance(b, Table) else b.lines)]


def _head(answer: Mapping[str, Any], say: Translator) -> Lines:
    lines = [_in(say, answer["title"], answer["title_zh"])]
    if answer["assumed"]:
        lines.append(say("Illustrative: {source}", source=answer["source"]))
    for side in ("a", "b"):
        names = ", ".join(answer[side]["scenarios"]) or say("the world as it is")
        lines.append(say("{side}: {names}", side=side, names=names))
        if answer[side]["without_offers"]:
            called = _called(answer, say)
            nobody = ", ".join(called[name] for name in answer[side]["without_offers"])
            lines.append(say("{side}: nothing may be sold, or does the job, for {names}", side=side, names=nobody))
    lines.append(say("Change: 80 % interval of b - a over {n} draws of prices, speeds, supplies and licences granted",
                     n=f"{answer['draws']:,}"))  # fmt: skip
    if answer["supply_unknown"]:
        lines.append(say("No published supply, so not limited: {chips}", chips=", ".join(answer["supply_unknown"])))
    vendor = next(iter(answer["vendors"]), None)
    if vendor is not None:
        lines.append(words.ask(f"/vendors/{vendor}/revenue_usd/b", say))
    return Lines(say("Market"), tuple(lines))


def _in(say: Translator, english: str, chinese: str) -> str:
    """A name of the demand file in the reader's language, as far as it has one."""
    return chinese if chinese and say.language != "en" else english


def _called(answer: Mapping[str, Any], say: Translator) -> Mapping[str, str]:
    """What each group of buyers is called."""
    return {buyer["name"]: _in(say, buyer["name"], buyer["name_zh"]) for buyer in answer["demand"]}


def _sales(answer: Mapping[str, Any], say: Translator) -> Table:
    """Who buys what in either world."""
    rows, called = [], _called(answer, say)
    for buyer in answer["demand"]:
        cells = []
        for side in ("a", "b"):
            mine = [s for s in answer[side]["sales"] if s["buyer"] == buyer["name"]]
            cells.append("; ".join(_sold(s, say) for s in mine) or say("buys nothing"))
        rows.append((called[buyer["name"]], buyer["where"], f"{buyer['copies']:,.0f}", *cells))
    head = (say("buyers"), say("country"), say("jobs asked"), say("in a"), say("in b"))
    return Table(say("Who buys what"), head, tuple(rows))


def _sold(sale: Mapping[str, Any], say: Translator) -> str:
    return say("{jobs} jobs on {chips} x {chip}", jobs=f"{sale['jobs']:,.4g}", chips=f"{sale['chips']:,.0f}",
               chip=sale["chip"])  # fmt: skip


def _jobs(rows: Mapping[str, Any], say: Translator) -> Table:
    """What a job costs and takes where the worlds differ: what buyers pay and wait for the rule."""
    head = (say("buyers"), say("cost in a"), say("cost in b"), say("time in a"), say("time in b"))
    found = []
    for name, row in rows.items():
        cost, time = row["cost_usd"], row["time_s"]
        if _alike(cost) and _alike(time):
            continue
        money = [say("none done") if cost[k] is None else units.money(cost[k]) for k in ("a", "b")]
        spans = ["-" if time[k] is None else words.duration(time[k], say) for k in ("a", "b")]
        found.append((name, *money, *spans))
    return Table(say("What a job costs and takes, where that changes"), head, tuple(found))


def _alike(pair: Mapping[str, float | None]) -> bool:
    a, b = pair["a"], pair["b"]
    return a == b or (a is not None and b is not None and abs(a - b) <= 1e-6 * abs(a))


def _published(rows: Sequence[Mapping[str, Any]], say: Translator) -> Table:
    """The market beside what vendors published, oldest first."""
    head = (say("no."), say("chip"), say("period"), say("what"), say("published"), say("this market"), say("of it"),
            say("chips at this price"), say("supply a quarter"))  # fmt: skip
    found = []
    for i, r in enumerate(rows, 1):
        nothing = say("not compared") if r["measure"] == "charge" else say("nothing here")
        found.append((
            str(i), r["chip"], f"{r['from']} - {r['to']}", words.word(MEASURE, r["measure"], say),
            units.money(r["published"]), nothing if r["model"] is None else units.money(r["model"]),
            "-" if r["ratio"] is None else f"{r['ratio']:.0%}",
            "-" if not r["implied_chips"] else f"{r['implied_chips']:,.0f}",
            "-" if r["supply"] is None else f"{r['supply']:,.0f}",
        ))  # fmt: skip
    return Table(say("Beside what was published"), head, tuple(found))


def _distance(answer: Mapping[str, Any], say: Translator) -> Lines:
    """How to read the distance, and where each figure was published."""
    rows = answer["published"]
    if not rows:
        return Lines("", ())
    return Lines(say("How far, and why"), (
        say("The demand here is illustrative: a share other than 100 % says how far its size is from the real one."),
        say("What does not hang on our demand: revenue over price, beside the supply that the market data assume."),
        say("A charge is stock and commitments that lay ready: a bound, not sales, and compared with nothing."),
        say("Published figures count boards and what is sold with them; this market counts chips alone."),
        *(say("In {side} all {chips} {chip} that the market data let the vendor deliver are sold; supply binds.",
              side=side, chips=f"{chips:,.0f}", chip=chip) for side, chip, chips in _sold_out(answer)),
        *(f"{i}: {r['note']} ({r['source']})" for i, r in enumerate(rows, 1)),
    ))  # fmt: skip


def _sold_out(answer: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """Chips of which a world sells as many as the market data let the vendor deliver."""
    limits = {r["chip"]: r["supply"] for r in answer["published"] if r["supply"] is not None}
    sold = {chip: answer["chips"].get(chip, {}).get("chips", {}) for chip in limits}
    return [(side, chip, limits[chip]) for chip, figures in sorted(sold.items()) for side in ("a", "b")
            if figures.get(side, 0.0) >= limits[chip] * (1.0 - 1e-6)]  # fmt: skip


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
        value = 0.0 if abs(value) < LEAST_SHOWN else value
        return units.money(value) if value >= 0 else f"-{units.money(-value)}"
    if name == "chips":
        return f"{round(value):,}"
    return f"{0.0 if abs(value) < 1e-6 else value:,.4g}"
