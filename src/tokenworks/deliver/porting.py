"""How well a model fits each chip, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.deliver import words
from tokenworks.deliver.render import as_text
from tokenworks.deliver.tables import Block, Lines, Table
from tokenworks.language import Text, Translator, text
from tokenworks.quote.porting import NOTICED

WHAT: Mapping[str, Text] = {
    "precision": text("weights stored as"),
    "experts": text("experts"),
    "heads": text("attention heads"),
    "degrees": text("parallel degrees"),
}
SHOWN = 3  # changes a chip and job that are listed


def porting(answer: Mapping[str, Any], say: Translator) -> str:
    """For a terminal."""
    return as_text(porting_blocks(answer, say))


def porting_blocks(answer: Mapping[str, Any], say: Translator) -> list[Block]:
    """Fit, costs and changes of each table, and how to read them."""
    found: list[Block] = []
    for table in answer["tables"]:
        found += [_fit(table, say), _costs(table, answer["where"], say), _changes(table, say)]
    found.append(_notes(answer, say))
    return [b for b in found if (b.rows if isinstance(b, Table) else b.lines)]


def _title(table: Mapping[str, Any], what: str) -> str:
    laid = f" ({', '.join(table['scenarios'])})" if table["scenarios"] else ""
    return f"{table['model']}, {table['date']}{laid}: {what}"


def _yes(value: bool | None, say: Translator) -> str:
    return "-" if value is None else say("yes") if value else say("no")


def _fit(table: Mapping[str, Any], say: Translator) -> Table:
    head = (say("chip"), say("vendor"), say("stored as {precision}: native?", precision=table["precision"]),
            say("computes in"), say("chips to hold it"), say("scale-up domain"), say("experts divide over it"),
            say("software (serve, train)"))  # fmt: skip
    rows = tuple(
        (
            r["chip_name"],
            r["vendor"],
            _yes(r["fit"]["native_precision"], say),
            " ".join(r["fit"]["precisions"]) or say("unknown"),
            ", ".join(f"{p} {n}" for p, n in r["fit"]["chips_to_hold"].items()) or say("unknown"),
            str(r["fit"]["scaleup_domain"]),
            _yes(r["fit"]["experts_divide_over_domain"], say),
            f"{r['fit']['serving_engine']}, {r['fit']['training_framework']}",
        )
        for r in table["chips"]
    )
    return Table(_title(table, say("does it fit?")), head, rows)


def _costs(table: Mapping[str, Any], where: str, say: Translator) -> Table:
    heads = [say("chip"), say("law in {where}", where=where)]
    if "serve" in table["makes"]:
        heads += [say("serve: USD a million tokens"), say("chip-seconds a million tokens"), say("how")]
    if "train" in table["makes"]:
        heads += [say("train: total"), say("chips"), say("how")]
    heads.append(say("evidence"))
    return Table(_title(table, say("what it costs")), tuple(heads), tuple(_cost(r, table, say) for r in table["chips"]))


def _cost(row: Mapping[str, Any], table: Mapping[str, Any], say: Translator) -> tuple[str, ...]:
    cells = [row["chip_name"], words.word(words.STANDING, row["law"]["standing"], say)]
    if row["missing"]:
        cells.append(say("not known: {facts}", facts=", ".join(row["missing"])))
        return (*cells, *[""] * (3 * len(table["makes"])))
    for kind in ("serve", "train"):
        one = row[kind]
        if kind in table["makes"] and one is None:
            cells += [say("cannot"), "", ""]
        elif kind == "serve" and one is not None:
            seconds = f"{one['chip_seconds_per_million_tokens']:,.0f}"
            cells += [_price(one["per_million_tokens_usd"], say), seconds, _how(one)]
        elif one is not None:
            cells += [words.money(one["total_usd"], say), f"{one['chips']:,}", _how(one)]
    bars = next((row[kind]["bars"] for kind in ("train", "serve") if row[kind] is not None and row[kind]["bars"]), None)
    return (*cells, say("no interval yet") if bars is None else words.evidence(bars["class"], say))


def _price(value: float | None, say: Translator) -> str:
    return say("price unknown") if value is None else f"{value:.3g}"


def _how(one: Mapping[str, Any]) -> str:
    return f"{one['precision']} {words.split(one)}"


def _changes(table: Mapping[str, Any], say: Translator) -> Table:
    rows = []
    for r in table["chips"]:
        for kind in ("serve", "train"):
            rows += [_degrees(r, d, say) for d in r["degrees"] if d["make"] == kind and _matters(d)]
            for c in [c for c in r["changes"] if c["make"] == kind][:SHOWN]:
                rows.append((r["chip_name"], words.word(words.MAKE, kind, say), words.word(WHAT, c["what"], say),
                             c["before"], c["after"], f"{c['gain']:.1%}", _how(c)))  # fmt: skip
    title = _title(table, say("what the model could change, and what it would gain"))
    head = (say("chip"), say("make"), say("what"), say("as published"), say("changed"), say("saved"), say("how"))
    return Table(title, head, tuple(rows))


def _matters(change: Mapping[str, Any]) -> bool:
    return change["gain"] is None or bool(change["gain"] > NOTICED)


def _degrees(row: Mapping[str, Any], change: Mapping[str, Any], say: Translator) -> tuple[str, ...]:
    """The split that suits this chip against that of the chip that does the job most cheaply."""
    there, here = words.split({"parallelism": change["there"]}), words.split({"parallelism": change["here"]})
    gain = say("the old split does not fit") if change["gain"] is None else f"{change['gain']:.1%}"
    make, what = words.word(words.MAKE, change["make"], say), words.word(WHAT, "degrees", say)
    before = say("{split} (as on {chip})", split=there, chip=change["like_name"])
    return row["chip_name"], make, what, before, here, gain, _how(row[change["make"]])


def _notes(answer: Mapping[str, Any], say: Translator) -> Lines:
    lines = [
        say("Costs hold whatever the law says; its answer for a single chip stands beside."),
        say("Parallel degrees: what is saved against the split of the chip that does the job most cheaply here."),
        say("Changed models keep their parameters and work a token; how well they would learn is not judged."),
    ]
    later = sorted({name for table in answer["tables"] for name in table["later"]})
    if later:
        lines.append(say("Not launched on a date asked: {chips}", chips=", ".join(later)))
    lines.append(words.ask("/tables/0/chips/0/fit/chips_to_hold/bf16", say))
    return Lines(say("How to read this"), tuple(lines))
