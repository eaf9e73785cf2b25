"""What the law says of each line of a bill of materials, in few lines: chip, server, switch, memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tokenworks.deliver import words
from tokenworks.language import Text, Translator, text

PART: Mapping[str, Text] = {
    "server": text("server"),
    "chip": text("chip"),
    "memory": text("memory in the chip's package"),
    "equipment": text("equipment without an AI chip"),
}


def said(line: Mapping[str, Any], say: Translator) -> str:
    """What the law says of one line of the bill, in a cell; "" for what is built where it stands."""
    found = line["law"]
    return "" if found is None else _answer(found, say)


def cited(line: Mapping[str, Any]) -> str:
    """Under which citations, in a cell."""
    found = line["law"]
    return "" if found is None else "; ".join(found["citations"])


def rows(design: Mapping[str, Any], say: Translator) -> tuple[tuple[str, ...], ...]:
    """One row for every kind of part and answer: the part, its items, ECCN, the answer, its citations.

    Items of one kind with one answer share a row, so that a network of ten parts is one.
    """
    shared: dict[tuple[str, ...], list[str]] = {}
    for item, found in _judged(design):
        part = words.word(PART, found["part"], say)
        key = (part, found["eccn"] or "-", _answer(found, say), "; ".join(found["citations"]))
        shared.setdefault(key, []).append(item)
    return tuple((part, ", ".join(dict.fromkeys(items)), *rest) for (part, *rest), items in shared.items())


def _judged(design: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for line in design["bill"]:
        found = line["law"]
        if found is not None:
            yield line["item"], found
            yield from ((design["chip_name"], inside) for inside in found.get("inside", ()))


def _answer(found: Mapping[str, Any], say: Translator) -> str:
    detail = words.word(words.POLICY, found["review_policy"], say) or (found["exception"] or "")
    parts = (
        words.word(words.STANDING, found["standing"], say),
        words.word(words.LICENCE, found["verdict"], say),
        detail,
    )
    return ", ".join(dict.fromkeys(p for p in parts if p))
