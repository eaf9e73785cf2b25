"""What a quote says, as titled tables and lines: text, Markdown and HTML are made from this one description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenworks import units
from tokenworks.deliver import bill_law, words
from tokenworks.language import Translator

DISCLAIMER = "Not legal advice."


@dataclass(frozen=True)
class Table:
    """A table with a title; every cell is text."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    spare: tuple[int, ...] = ()  # columns that a narrow terminal does without, in the order in which they go


@dataclass(frozen=True)
class Lines:
    """A list of sentences with a title."""

    title: str
    lines: tuple[str, ...]


Block = Table | Lines


def blocks(quote: Mapping[str, Any], say: Translator) -> list[Block]:
    """The whole quote in reading order."""
    found: list[Block] = [_headline(quote, say)]
    if quote["designs"]:
        found.append(_designs(quote, say))
        found += [_licences(quote, say), _law_of_bill(quote["designs"][0], say), _best(quote, say)]
    if quote["barred"]:
        found.append(_barred(quote, say))
    if quote["apart"]:
        found.append(_apart(quote, say))
    found.append(_notes(quote, say))
    return [b for b in found if (b.rows if isinstance(b, Table) else b.lines)]


def _headline(quote: Mapping[str, Any], say: Translator) -> Lines:
    request, world = quote["request"], quote["world"]
    asked = "; ".join(f"{words.word(words.MAKE, k, say)} {_asked(job)}" for k, job in request["make"].items())
    lines = [
        say("Asked: {make}, in {where}, on {date}", make=asked, where=request["where"], date=world["date"]),
        say("{n} designs considered, {scored} fully timed and priced, {shown} shown",
            n=f"{quote['search']['spanned']:,}", scored=f"{quote['search']['scored']:,}",
            shown=len(quote["designs"])),
    ]  # fmt: skip
    nothing = quote["infeasible"]
    if nothing is not None:
        lines.append(say("Nothing feasible. {why}", why=words.sentence(nothing["binding"], say)))
        if nothing["nearest"]:
            lines.append(say("Nearest change: {change}", change=words.sentence(nothing["nearest"], say)))
    for make, best in quote["best"].items():
        chosen = next((d for d in quote["designs"] if d["id"] == best), None)
        if chosen is not None:
            lines.append(
                say(
                    "Best to {make}: {n} x {chip} ({standing}), {speed}, {total}",
                    make=words.word(words.MAKE, make, say),
                    n=chosen["chips"],
                    chip=chosen["chip_name"],
                    standing=words.word(words.STANDING, chosen["law"]["standing"], say),
                    speed=words.speed(chosen, say),
                    total=words.money(chosen["cost"]["total_usd"], say),
                )
            )
    if world["stale"]:
        lines.append(say("The rules are known to {date} only: confirm.", date=world["law_known_to"]))
    return Lines("Tokenworks", tuple(lines))


def _asked(job: Mapping[str, Any]) -> str:
    name = _called(job.get("model"), "model")
    rest = ", ".join(f"{k} {_called(v, k)}" for k, v in job.items() if k != "model")
    return f"{name} ({rest})" if rest else str(name)


def _called(value: Any, what: str) -> str:
    """A value of a request; what stands in it as a whole (a model, a trace) goes by its name."""
    return str(value.get("name", what)) if isinstance(value, Mapping) else str(value)


def _designs(quote: Mapping[str, Any], say: Translator) -> Table:
    head = [
        say(h)
        for h in (
            "chip", "vendor", "chips", "split", "precision", "speed", "power", "acquire", "total", "per M tokens",
            "law",
        )
    ]  # fmt: skip
    if all(d["make"] == "serve" for d in quote["designs"]):
        head[5] = say("TTFT, TPOT")
    rows = []
    for d in quote["designs"]:
        mark = " *" if d["id"] in quote["best"].values() else ""
        rows.append(
            (
                words.name(d, quote["designs"]) + mark,
                d["vendor"],
                f"{d['chips']:,}",
                words.split(d),
                d["precision"],
                words.pace(d, say),
                units.prefixed(d["power_w"], "W"),
                words.word(words.ACQUIRE, d["cost"]["acquire"], say),
                words.money(d["cost"]["total_usd"], say),
                words.money(d["cost"]["per_million_tokens_usd"], say),
                words.word(words.STANDING, d["law"]["standing"], say),
            )
        )
    return Table(say("Designs offered (* best)"), tuple(head), tuple(rows), spare=(1, 4, 7))


def _licences(quote: Mapping[str, Any], say: Translator) -> Table:
    """One row a chip: what the law says, why, under which citation, on which conditions."""
    rows: dict[str, tuple[str, ...]] = {}
    for d in quote["designs"]:
        for line in d["law"]["lines"]:
            key = f"{d['chip']}/{line['regime']}"
            rows.setdefault(
                key,
                (
                    d["chip_name"],
                    words.word(words.REGIME, line["regime"], say),
                    words.word(words.LICENCE, line["licence"], say),
                    words.word(words.POLICY, line["review_policy"], say) or (line["exception"] or ""),
                    "; ".join(words.sentence(r, say) for r in (*line["reasons"], *line["conditions"])),
                    "; ".join(dict.fromkeys(c["rule"] for c in line["citations"])),
                ),
            )
    head = tuple(say(h) for h in ("chip", "regime", "licence", "review", "why", "citation"))
    return Table(say("Law"), head, tuple(rows.values()))


def _law_of_bill(design: Mapping[str, Any], say: Translator) -> Table:
    """What the law says of every line of the first design's bill, lines of one kind and answer together."""
    head = tuple(say(h) for h in ("part", "item", "ECCN", "law", "citation"))
    return Table(say("Law of the bill"), head, bill_law.rows(design, say), spare=(4,))


def _best(quote: Mapping[str, Any], say: Translator) -> Table:
    """The first design in detail: time, memory, network, money."""
    d = quote["designs"][0]
    rows: list[tuple[str, str]] = [
        (say("design"), d["id"]),
        (say("system"), f"{d['units']:,} x {d['system_name']}"),
    ]
    rows += _earned(d, say)
    for name, value in d["time_parts"].items():
        if value > 0:
            rows.append((say("time: {part}", part=words.word(words.PART, name, say)), words.duration(value, say)))
    for name, value in d["memory"].items():
        if value > 0 and name in words.PART and name != "total":
            rows.append((say("memory: {part}", part=words.word(words.PART, name, say)), units.prefixed(value, "B")))
    rows.append((say("memory used of usable"), f"{d['memory']['total'] / d['memory']['usable']:.0%}"))
    if "simulated" in d:
        for name, stat in (("TTFT p99", "ttft_s"), ("TPOT p99", "tpot_s")):
            seconds = d["simulated"][stat]["p99"]
            rows.append((say("simulated: {what}", what=name), "-" if seconds is None else words.duration(seconds, say)))
    net = d["fabric"]
    switches = ", ".join(f"{n} {k}" for k, n in net["switches"].items()) or "-"
    rows += [
        (
            say("network"),
            f"{net['topology']}: {switches}; {net['optics']:,} {say('transceivers')}"
            if net["switches"]
            else say("none outside the system"),
        ),
        (say("racks"), f"{d['racks']:,}" if d["racks"] else "-"),
        (say("capital"), words.money(d["cost"]["capital_usd"], say)),
    ]
    rows += [
        (
            say(
                "  of which {part}" if key in words.CAPITAL else "total, of which {part}", part=say.say(words.COST[key])
            ),
            words.money(value, say),
        )
        for key, value in d["cost"]["parts"].items()
        if key in words.COST and value != 0
    ]
    rows += _sure(d, say)
    rows += [
        (say("energy"), units.energy(d["energy_j"])),
        (say("emissions"), units.mass(d["carbon_kg"])),
        (say("limited by"), words.word(words.BOUND, d["bound"], say)),
    ]  # fmt: skip
    return Table(say("The first design"), (say("what"), say("value")), tuple(rows))


def _between(estimate: Any) -> tuple[float, float] | None:
    """The interval of an estimate, None where none has been earned."""
    low, high = (estimate.get("low"), estimate.get("high")) if isinstance(estimate, Mapping) else (None, None)
    return None if low is None or high is None else (low, high)


def _sure(d: Mapping[str, Any], say: Translator) -> list[tuple[str, str]]:
    """The 80 % intervals of what a buyer asks first, and the evidence that they come from."""
    named = (("time_s", "time"), ("ttft_s", "TTFT"), ("tpot_s", "TPOT"), ("period_s", "time"))
    rows = []
    for key, what in named:
        ends = _between(d["predicted"].get(key))
        if ends is not None:
            said = tuple(words.duration(end, say) for end in ends)
            rows.append(
                (say("80 % interval: {what}", what=say(what)), say("{low} to {high}", low=said[0], high=said[1]))
            )
    ends = _between((d.get("intervals") or {}).get("/cost/total_usd"))
    if ends is not None:
        said = tuple(words.money(end, say) for end in ends)
        rows.append(
            (say("80 % interval: {what}", what=say("total")), say("{low} to {high}", low=said[0], high=said[1]))
        )
    if rows and d.get("bars"):
        kind = words.evidence(d["bars"]["class"], say)
        rows.append((say("from"), say("{n} published runs: {kind}", n=d["bars"]["runs"], kind=kind)))
    return rows


def _earned(design: Mapping[str, Any], say: Translator) -> list[tuple[str, str]]:
    """What failures take of the wall time."""
    rows: list[tuple[str, str]] = []
    wall = design.get("wall_time")
    if wall is not None:
        for key, part in words.WALL.items():
            rows.append((say("wall time: {part}", part=say.say(part)), words.duration(wall[key], say)))
        rows.append((say("interruptions of the run"), f"{wall['interruptions']:,.1f}"))
    return rows


def _barred(quote: Mapping[str, Any], say: Translator) -> Table:
    rows = tuple(
        (
            b["chip_name"],
            words.word(words.POLICY, b["review_policy"], say),
            "; ".join(words.sentence(r, say) for r in b["reasons"]),
            "; ".join(dict.fromkeys(b["citations"])),
        )
        for b in quote["barred"]
    )
    return Table(say("Barred"), tuple(say(h) for h in ("chip", "review", "why", "citation")), rows)


def _apart(quote: Mapping[str, Any], say: Translator) -> Table:
    rows = []
    for a in quote["apart"]:
        if "missing" in a:
            why = say("not known: {facts}", facts=", ".join(a["missing"]))
            known = "-"
        else:
            open_law = a["law"]["standing"] == "apart"
            answer = words.word(words.LICENCE, a["law"]["verdict"], say)
            why = say("law: {answer}", answer=answer) if open_law else say("a price is not known")
            known = units.money(a["cost"]["known_usd"]) if a["cost"]["known_usd"] else "-"
        rows.append((a["chip_name"], a["vendor"], why, known))
    head = tuple(say(h) for h in ("chip", "vendor", "why", "known part"))
    return Table(say("Apart: cannot be compared"), head, tuple(rows))


def _notes(quote: Mapping[str, Any], say: Translator) -> Lines:
    lines: list[str] = []
    if quote["designs"]:
        for item in quote["designs"][0]["law"]["assumed"]:
            lines.append(say("assumed: {field} = {value}", field=item["field"], value=item["value"]))
        for warning in quote["designs"][0]["warnings"]:
            lines.append(words.sentence(warning, say))
        if not any(_between(e) for e in quote["designs"][0]["predicted"].values()):
            lines.append(say("Intervals (low, high) are empty until runs outside the fit have earned them."))
        lines.append(say("Ask any number: tokenworks explain quote.json /designs/0/cost/total_usd"))
    lines.append(say(DISCLAIMER))
    return Lines(say("Notes"), tuple(lines))


def bill(design: Mapping[str, Any], say: Translator) -> Table:
    """The bill of materials of a design."""
    head = tuple(say(h) for h in ("item", "quantity", "unit price", "sum", "law", "source"))
    rows = tuple(_bill_row(line, say) for line in design["bill"])
    return Table(say("Bill of materials"), head, rows)


def _bill_row(line: Mapping[str, Any], say: Translator) -> tuple[str, ...]:
    price = line["unit_price_usd"]
    mark = f" ({say('assumed')})" if line["assumed"] else ""
    total = None if price is None else price * line["quantity"]
    return (
        line["item"],
        f"{line['quantity']:,.0f}",
        words.money(price, say) + mark,
        words.money(total, say),
        bill_law.said(line, say),
        line["source"],
    )


def facts(quote: Mapping[str, Any], say: Translator) -> Table:
    """The facts that the quote rests on."""
    head = tuple(say(h) for h in ("fact", "value", "read in the source", "source"))
    yes, no, taken = say("yes"), say("no"), say("assumed")
    rows = tuple(
        (key, _shown(f["value"]), taken if f["assumed"] else yes if f["verified"] else no, f["source"])
        for key, f in quote["facts"].items()
    )
    return Table(say("Facts"), head, rows)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def stats(quote: Mapping[str, Any], say: Translator) -> tuple[Table, Table]:
    """How many designs were spanned and scored, and why the others went."""
    found = quote["search"]
    counted = tuple((say(name), f"{found[name]:,}") for name in ("spanned", "scored", "beaten"))
    counted += ((say("finalists simulated until one held"), f"{found.get('simulated', 0):,}"),)
    gone = [(say(kind), say(reason), f"{n:,}") for kind in ("cut", "bounded") for reason, n in found[kind].items()]
    return (
        Table(say("Search"), (say("what"), say("designs")), counted),
        Table(say("Cut"), (say("by"), say("reason"), say("designs")), tuple(gone)),
    )


def simple(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]], say: Translator) -> Table:
    """A table of plain values with a translated title and head."""
    return Table(say(title), tuple(say(h) for h in head), tuple(tuple(_shown(c) for c in row) for row in rows))
