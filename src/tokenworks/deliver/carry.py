"""Whether a car or a board carries a model, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks import units
from tokenworks.deliver import words
from tokenworks.deliver.render import as_text
from tokenworks.deliver.tables import Block, Lines, Table
from tokenworks.language import Text, Translator, text

HOLDS: Mapping[str, Text] = {"yes": text("yes"), "no": text("no"), "unknown": text("unknown")}


def carry(answer: Mapping[str, Any], say: Translator) -> str:
    """For a terminal."""
    return as_text(carry_blocks(answer, say))


def carry_blocks(answer: Mapping[str, Any], say: Translator) -> list[Block]:
    """Each chip: does it hold the rate, in which precision, and what must shrink."""
    asked = answer["asked"]
    lines = [
        say("{model} ({size} parameters, {active} a token) at {rate} decisions per second, {input} tokens read and "
            "{output} written each", model=answer["model"], size=_count(answer["parameters"]["total"]),
            active=_count(answer["parameters"]["active"]), rate=f"{asked['rate']:g}", input=asked["input"],
            output=asked["output"]),
        say("A smaller model keeps the widths and has fewer layers; how well it would drive is not judged."),
        say("The factory that trains it: one request with both train and run_on under make."),
        words.ask("/chips/0/rate_at_most", say),
    ]  # fmt: skip
    head = (say("chip"), say("vendor"), say("memory"), say("power"), say("holds the rate?"), say("precisions tried"),
            say("what must shrink"))  # fmt: skip
    return [
        Lines(say("The product that carries the model"), tuple(lines)),
        Table(say("Chips"), head, tuple(_row(r, say) for r in answer["chips"])),
    ]


def _count(value: float) -> str:
    return units.prefixed(value, "").replace("G", "B").strip()


def _row(row: Mapping[str, Any], say: Translator) -> tuple[str, ...]:
    memory, power = row["memory_bytes"], row["power_w"]
    holds = say.say(HOLDS[row["holds"]])
    if row["within_power"] is False:
        holds += say(" (draws too much)")
    tried = "; ".join(
        f"{t['precision']} {t['rate']:.3g} Hz, {t['joules_a_decision']:.3g} J"
        if t["fits"] and t["joules_a_decision"] is not None
        else say("{precision} does not fit", precision=t["precision"])
        for t in row["tried"]
    )
    if row["missing"]:
        most = "-" if row["rate_at_most"] is None else f"{row['rate_at_most']:.3g} Hz"
        tried = say("not known: {facts}; at most {rate}", facts=", ".join(row["missing"]), rate=most)
    return (
        row["chip_name"],
        row["vendor"],
        say("unknown") if memory is None else units.prefixed(memory, "B"),
        say("unknown") if power is None else units.prefixed(power, "W"),
        holds,
        tried,
        _shrink(row, say),
    )


def _shrink(row: Mapping[str, Any], say: Translator) -> str:
    held = [t["precision"] for t in row["tried"] if t["holds"]]
    if row["missing"]:
        return ""
    if held and held[0] == row["tried"][0]["precision"]:
        return say("nothing")
    if held:
        return say("quantise to {precision}", precision=held[0])
    small = row["smaller"]
    if small is None:
        return say("no number of layers holds it")
    return say("distil to {size} ({layers} of {of} layers) in {precision}: {rate} Hz", size=_count(small["parameters"]),
               layers=small["layers"], of=small["of_layers"], precision=small["precision"],
               rate=f"{small['rate']:.3g}")  # fmt: skip
