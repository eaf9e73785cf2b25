"""Every other answer in words: law memos, predictions, networks, models, facts, simulations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenworks import units
from tokenworks.deliver import choice, tables, words
from tokenworks.deliver.render import as_text
from tokenworks.deliver.tables import Block, Lines, Table, simple
from tokenworks.language import Text, Translator
from tokenworks.records import Line, Shipment, Verdict


def text(quote: Mapping[str, Any], say: Translator) -> str:
    """A quote for a terminal."""
    return as_text([*tables.blocks(quote, say), *([found] if (found := choice.sure(quote, say)).lines else [])])


def stats(quote: Any, say: Translator) -> str:
    """How many designs were spanned, scored and cut by which rule, limit or bound, and how fast."""
    rate = quote.content["search"]["spanned"] / max(quote.seconds, 1e-9)
    speed = say("{seconds} s; {n} designs spanned a second", seconds=f"{quote.seconds:.2f}", n=f"{rate:,.0f}")
    return as_text(tables.stats(quote.content, say)) + speed + "\n"


def explanation(answer: Mapping[str, Any], say: Translator) -> str:
    """Meaning, formula, inputs and sources of a figure."""
    lines = [
        f"{answer['figure']} = {answer['value']} {answer['unit']}",
        say(answer["meaning"]),
        say("formula: {formula}", formula=say(answer["formula"])),
    ]
    if answer["low"] is not None:
        lines.append(say("80 % interval: {low} to {high}", low=answer["low"], high=answer["high"]))
    elif answer["kind"] == "derived" and answer["design"] is not None:
        lines.append(say("no interval yet: none has been earned on runs outside the fit"))
    rows = [
        (i["name"], i["value"] if not isinstance(i["value"], Mapping) else "", i.get("source", ""))
        for i in answer["inputs"]
    ]
    found: list[Block] = [Lines(say("Explain"), tuple(lines))]
    if rows:
        found.append(simple("Inputs", ("input", "value", "source"), rows, say))
    if answer["sources"]:
        found.append(Lines(say("Sources"), tuple(answer["sources"])))
    return as_text(found)


# ---------------------------------------------------------------------------------------------- law


def memo(shipment: Shipment, verdict: Verdict, changes: Sequence[Mapping[str, Any]], say: Translator) -> str:
    """A verdict as a memo: question, answer, reasons with citations, what would change it, what was assumed."""
    question = say(
        "{n} x {chip} to {to} on {day}",
        n=shipment.quantity,
        chip=shipment.chip,
        to=shipment.destination,
        day=shipment.on,
    )
    answer = _said(verdict.licence, verdict.review_policy, verdict.exception, say)
    blocks: list[Block] = [Lines(say("Question"), (question,)), Lines(say("Answer"), (answer,))]
    lines = (*verdict.lines, *((verdict.text_only,) if verdict.text_only else ()))
    blocks += [_line(line, say) for line in lines]
    if changes:
        said = tuple(
            say("{field} = {value}: {verdict}", field=c["field"], value=c["value"],
                verdict=_said(c["licence"], c["review_policy"], c["exception"], say))
            for c in changes
        )  # fmt: skip
        blocks.append(Lines(say("What would change it"), said))
    if verdict.assumed:
        said = tuple(say("assumed: {field} = {value}", field=f, value=v) for f, v in verdict.assumed)
        blocks.append(Lines(say("Assumed"), said))
    closing = [say(tables.DISCLAIMER)]
    if verdict.stale:
        closing.insert(0, say("The day is after the last rule that is known: confirm."))
    return as_text([*blocks, Lines(say("Notes"), tuple(closing))])


def _said(licence: str, policy: str | None, exception: str | None, say: Translator) -> str:
    words_ = [words.word(words.LICENCE, licence, say), words.word(words.POLICY, policy, say), exception or ""]
    return ", ".join(w for w in words_ if w)


def _line(line: Line, say: Translator) -> Lines:
    said = [_said(line.licence, line.review_policy, line.exception, say), *(say.say(r) for r in line.reasons)]
    said += [say("condition: {what}", what=say.say(c)) for c in line.conditions]
    for c in dict.fromkeys(line.citations):
        dates = f" ({c.since or ''} – {c.until or ''})" if c.since or c.until else ""
        said.append(say("citation: {rule}", rule=c.rule) + dates + ("" if c.verified else f" [{say('from memory')}]"))
    return Lines(words.word(words.REGIME, line.regime, say), tuple(said))


def verdicts(answer: Mapping[str, Any], say: Translator) -> str:
    """The verdicts of a file of cases."""
    rows = [
        (v["id"] or "", v["eccn"] or "", words.word(words.LICENCE, v["licence"], say), v["exception"] or "",
         words.word(words.POLICY, v["review_policy"], say))
        if "error" not in v
        else (v["id"] or "", "", v["error"]["message"], "", "")
        for v in answer["verdicts"]
    ]  # fmt: skip
    return as_text([simple("Verdicts", ("case", "ECCN", "licence", "exception", "review"), rows, say)])


def timeline(answer: Mapping[str, Any], say: Translator) -> str:
    """When a verdict changed; reasons that are templates are said in the reader's language."""
    found: list[Block] = []
    for one in answer["timelines"]:
        rows = [
            (v["from"], _said(v["licence"], v["review_policy"], v["exception"], say),
             "; ".join(say.say(r) for r in v["reasons"]), "; ".join(c["rule"] for c in v["citations"]))
            for v in one["verdicts"]
        ]  # fmt: skip
        named = say("{chip} to {to}", chip=one["chip"], to=answer["to"])
        found += [Lines(named, ()), simple("Timeline", ("from", "verdict", "why", "citation"), rows, say)]
    return as_text([*found, Lines(say("Notes"), (say(tables.DISCLAIMER),))])


def law_coverage(answer: Mapping[str, Any], say: Translator) -> str:
    """What is modelled and what is not."""
    rows = [(say(r["rule"]), say(r["modelled"]), r["checked"], say(r["not_modelled"]) if r.get("not_modelled") else "")
            for r in answer["rules"]]  # fmt: skip
    span = say("rules known from {first} to {last}", first=answer["known_from"], last=answer["known_to"])
    table = simple("Coverage", ("rule", "modelled", "checked", "not modelled"), rows, say)
    return as_text([table, Lines(say("Notes"), (span, say(tables.DISCLAIMER)))])


def grid(answer: Mapping[str, Any], say: Translator) -> str:
    """Chips against countries: one letter a cell."""
    letters = {
        "none": ".",
        "exception": "e",
        "conditional": "c",
        "required": "L",
        "unresolved": "?",
        "unknown": "?",
    }
    places = list(dict.fromkeys(c["to"] for c in answer["cells"]))
    rows: dict[str, str] = {}
    for cell in answer["cells"]:
        rows[cell["chip"]] = rows.get(cell["chip"], "") + letters[cell["licence"]] + "  "
    key = say(". no licence, e exception, c conditions, L licence, ? unknown")
    table = Table(say("Grid"), (say("chip"), " ".join(places)), tuple(rows.items()))
    return as_text([table, Lines(say("Notes"), (key,))], width=max(150, 3 * len(places) + 50))


def law_lists(answer: Mapping[str, Any], say: Translator) -> str:
    """What an import took over and what it left out."""
    rows = [(_list(name, say), n, say("taken over")) for name, n in answer["taken"].items()]
    rows += [(_list(name, say), n, say("left out: not judged here")) for name, n in answer["left_out"].items()]
    return as_text([simple("Lists", ("list", "rows", "done"), rows, say), Lines(say("Notes"), (answer["file"],))])


def _list(name: str, say: Translator) -> str:
    """The name of a list in the reader's language; as its source writes it where it is none of ours."""
    known = next((told for part, told in words.LISTS.items() if part.casefold() in name.casefold()), None)
    return name if known is None else say.say(known)


def law_diff(answer: Mapping[str, Any], say: Translator) -> str:
    """What changed between two days."""
    rows = [
        (
            r["a"]["chip"],
            r["a"]["to"],
            *(_said(x["licence"], x["review_policy"], x["exception"], say) for x in (r["a"], r["b"])),
        )
        for r in answer["changed"]
    ]
    return as_text([simple("Changed", ("chip", "to", answer["a"], answer["b"]), rows, say)])


# ------------------------------------------------------------------------------------------- others


def predictions(answer: Mapping[str, Any], say: Translator) -> str:
    """Predictions, a row a record."""
    rows = []
    for p in answer["predictions"]:
        said = ", ".join(f"{k} {v['value']:.4g}" for k, v in p["metrics"].items() if v["value"] is not None)
        problem = p["error"]["message"] if p["error"] else ""
        rows.append((str(p["id"]), said or problem, str(p["fits"]), words.word(words.BOUND, p["bound"], say)))
    return as_text([simple("Predictions", ("run", "metrics", "fits", "limited by"), rows, say)])


def simulation(answer: Mapping[str, Any], say: Translator) -> str:
    """A simulation's counts and latencies."""
    rows: list[Sequence[Any]] = [(say(k), v) for k, v in answer["requests"].items()]
    for name in ("ttft_s", "tpot_s", "e2e_s"):
        for stat, value in answer[name].items():
            rows.append((f"{name} {stat}", "-" if value is None else words.duration(value, say)))
    rows += [(k, answer[k]) for k in ("goodput_per_s", "utilisation", "state")]
    if answer["partial"]:
        rows.append((say("partial"), say("stopped before all requests had left")))
    rows += [(say("line {number}", number=b["line"]), b["why"]) for b in answer["bad"][:10]]
    return as_text([simple("Simulation", ("what", "value"), rows, say)])


def fabric(answer: Mapping[str, Any], say: Translator) -> str:
    """A counted network."""
    rows: list[Sequence[Any]] = [(f"{say('switches')}: {k}", v) for k, v in answer["switches"].items()]
    rows += [(f"{say('cables')}: {k}", v) for k, v in answer["cables"].items()]
    rows += [
        (say("transceivers"), answer["optics"]),
        (say("cost"), words.money(answer["cost_usd"], say)),
        (
            say("power"),
            say("unknown") if answer["power_w"] is None else units.prefixed(answer["power_w"], "W"),
        ),
        (say("bisection"), units.prefixed(answer["bisection"], "B/s")),
    ]
    return as_text([simple("Network", ("what", "value"), rows, say)])


def model(answer: Mapping[str, Any], say: Translator) -> str:
    """What a model is made of."""
    rows: list[Sequence[Any]] = []
    for group in (
        "parameters",
        "flops_per_token",
        "kv_bytes_per_token",
        "state_bytes_per_sequence",
        "weight_bytes",
    ):
        unit = {"parameters": "", "flops_per_token": "FLOP"}.get(group, "B")
        for name, value in answer[group].items():
            shown = say("unknown") if value is None else units.prefixed(float(value), unit, 4)
            rows.append((f"{group}.{name}", shown))
    return as_text([simple("Model", ("what", "value"), rows, say)])


def catalog_list(answer: Mapping[str, Any], say: Translator) -> str:
    """Ids and names."""
    rows = [(e["id"], e["name"], e["vendor"]) for e in answer["entries"]]
    return as_text([simple("Catalog", ("id", "name", "vendor"), rows, say)])


def entry(answer: Mapping[str, Any], say: Translator) -> str:
    """Every fact of an entry."""
    yes, no, taken = say("yes"), say("no"), say("assumed")
    rows = [
        (k, f["value"], taken if f["assumed"] else yes if f["verified"] else no, f["source"], f["note"])
        for k, f in answer["facts"].items()
    ]
    return as_text([simple(answer["name"], ("fact", "value", "read in the source", "source", "note"), rows, say)])


def check(problems: Sequence[Text], say: Translator) -> str:
    """What is wrong with a catalog."""
    said = tuple(say.say(p) for p in problems) or (say("nothing is wrong"),)
    return as_text([Lines(say("Check"), said)])
