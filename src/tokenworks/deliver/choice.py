"""Why this design and not another, how sure that is, and what would change it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.deliver import words
from tokenworks.deliver.render import as_text
from tokenworks.deliver.tables import Block, Lines, Table
from tokenworks.language import Text, Translator

STATUS: Mapping[str, Text] = {
    "best": Text("it is the best design"),
    "front": Text("it is on the front, and another is better in what is preferred"),
    "beaten": Text("it is beaten"),
    "cut": Text("it is not possible as asked"),
    "unknown_facts": Text("it cannot be judged: a fact is missing"),
}
FIGURE: Mapping[str, Text] = {
    "total_usd": Text("total"),
    "capital_usd": Text("capital"),
    "time_s": Text("time"),
    "energy_j": Text("energy"),
    "carbon_kg": Text("emissions"),
    "tokens_per_s": Text("tokens per second"),
    "ttft_p99_s": Text("first token, 99th percentile"),
    "tpot_p99_s": Text("time per token, 99th percentile"),
}


def why_not(answer: Mapping[str, Any], say: Translator) -> str:
    """The answer to "why not this design?"."""
    lines = [f"{answer['asked']}: {say.say(STATUS[answer['status']])}"]
    binding = answer.get("binding")
    if binding:
        lines.append(words.sentence(binding, say))
        lines += [words.sentence(r, say) for r in binding.get("reasons", ())]
        lines += [say("citation: {rule}", rule=rule) for rule in binding.get("citations", ())]
    if answer.get("nearest"):
        change = answer["nearest"]
        lines.append(say("{limit} = {value} would let a design in", limit=change["change"],
                         value=f"{change['value']:.4g}"))  # fmt: skip
    if answer.get("against"):
        lines.append(say("the best design: {id}", id=answer["against"]))
    if answer.get("dominated_by"):
        lines.append(say("no worse in anything and better in something: {id}", id=answer["dominated_by"]))
    found: list[Block] = [Lines(say("Why not"), tuple(lines))]
    if answer.get("by"):
        rows = tuple(
            (
                say.say(FIGURE[k]),
                f"{v['this']:.6g}",
                f"{v['best']:.6g}",
                "-" if v["ratio"] is None else f"{v['ratio']:.4g}",
            )
            for k, v in answer["by"].items()
        )
        found.append(Table(say("Against the best"), tuple(say(h) for h in ("figure", "this", "best", "ratio")), rows))
    return as_text(found)


def without_rules(answer: Mapping[str, Any], say: Translator) -> str:
    """What the export rules change."""
    lines: list[str] = []
    for job in answer["jobs"]:
        make = words.word(words.MAKE, job["make"], say)
        if job["without"] is None:
            lines.append(say("{make}: without export rules the same design is best ({id})", make=make, id=job["best"]))
            continue
        lines.append(say("{make}: {id}; without export rules {other}", make=make, id=job["best"] or "-",
                         other=job["without"]))  # fmt: skip
        lines += [say("citation: {rule}", rule=rule) for rule in job["citations"]]
    return as_text([Lines(say("Without export rules"), tuple(lines))])


def sure(quote: Mapping[str, Any], say: Translator) -> Lines:
    """How sure the choice is, and the nearest changes that turn it."""
    lines: list[str] = []
    for make, found in quote.get("uncertainty", {}).items():
        if not found:
            continue
        lines.append(
            say(
                "{make}: the best chip stays best in {chip} of {n} draws, the very design in {design}",
                make=words.word(words.MAKE, make, say),
                chip=_percent(found["best_chip_share"]),
                design=_percent(found["best_share"]),
                n=f"{found['draws']:,}",
            )
        )
        others = ", ".join(f"{chip} {_percent(share)}" for chip, share in list(found["by_chip"].items())[:4])
        lines.append(say("draws won by chip: {chips}", chips=others))
        if found["speeds_without_interval"]:
            lines.append(say("only prices and rates were drawn where a speed has no interval yet"))
    for count in quote.get("simulated", {}).values():
        n = count["designs"]
        if count["held"]:
            told = say("simulated request by request, {n} designs in order until one held its service level", n=n)
        else:
            told = say("{n} designs simulated request by request, and none held: the order is the model's", n=n)
        lines.append(told)
    for turns in quote.get("sensitivity", {}).values():
        for turn in [t for t in turns if t["winner"]][:3]:
            lines.append(
                say("{lever} x {factor}: {id} becomes the best", lever=turn["lever"], factor=f"{turn['factor']:.3g}",
                    id=turn["winner"])
            )  # fmt: skip
    return Lines(say("How sure"), tuple(lines))


def swept(answer: Mapping[str, Any], say: Translator) -> str:
    """What a sweep has, and the answer to the question put to it."""
    counted = say("{cells} cells in {shards} shards ({there} were there), {draws} draws each", cells=answer["cells"],
                  shards=answer["shards"], there=answer["shards_found"], draws=answer["draws"])  # fmt: skip
    found: list[Block] = [Lines(say("Sweep"), (answer["folder"], counted))]
    if "columns" in answer:
        rows = tuple(tuple("-" if v is None else str(v) for v in row) for row in answer["rows"])
        found.append(Table(say("Answer"), tuple(answer["columns"]), rows))
    return as_text(found)


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %"
