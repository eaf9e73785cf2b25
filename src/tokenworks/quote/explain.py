"""Why a figure of a quote is what it is: formula, inputs, sources. Reads the quote alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tokenworks.errors import BadRequest
from tokenworks.quote.figures import FIGURES, Figure

SCHEMA = "tokenworks/explanation/1"


def explain(content: Mapping[str, Any], pointer: str) -> Mapping[str, Any]:
    """Explain the figure at an RFC 6901 pointer. Raises BadRequest where nothing stands there.

    The answer: figure, value, unit, kind (given | derived | measured | assumed), meaning, formula, inputs
    [{name, pointer, value, ...}], sources, low, high.
    """
    value = resolve(content, pointer)
    figure, groups = _figure(pointer)
    if figure is None:
        raise BadRequest("nothing is known about this figure; figures stand under /designs/N, for example {example}",
                         field=pointer, example="/designs/0/cost/total_usd")  # fmt: skip
    design = content["designs"][int(groups["n"])] if "n" in groups and pointer.startswith("/designs") else {}
    inputs = [_input(content, pointer, name, design, groups) for name in figure.inputs]
    known = [i for i in inputs if i is not None]
    estimate = value if isinstance(value, Mapping) else _interval(design, pointer)
    return {
        "schema": SCHEMA,
        "figure": pointer,
        "value": estimate.get("value", value) if isinstance(value, Mapping) else value,
        "unit": figure.unit,
        "kind": figure.kind,
        "meaning": figure.meaning,
        "formula": figure.formula,
        "inputs": known,
        "sources": sorted({i["source"] for i in known if i.get("source")} | set(figure.sources)),
        "low": estimate.get("low"),
        "high": estimate.get("high"),
        "limits": estimate.get("limits"),
    }


def _interval(design: Mapping[str, Any], pointer: str) -> Mapping[str, Any]:
    """The interval of a figure that is a plain number in the quote."""
    inside = "/" + pointer.split("/", 3)[-1]
    found: Mapping[str, Any] = design.get("intervals", {}).get(inside, {})
    return found


def resolve(content: Any, pointer: str) -> Any:
    """The value at an RFC 6901 pointer. Raises BadRequest naming the part that leads nowhere."""
    if not pointer.startswith("/"):
        raise BadRequest("expected a JSON pointer such as {example}", field=pointer, example="/designs/0/power_w")
    node = content
    for raw in pointer[1:].split("/"):
        part = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isdigit() and len(part) < 8 and int(part) < len(node):
            node = node[int(part)]
        else:
            there = (
                ", ".join(list(node)[:12])
                if isinstance(node, Mapping)
                else f"0..{len(node) - 1}"
                if isinstance(node, list)
                else ""
            )
            raise BadRequest("nothing stands at '{part}'; there is: {there}", field=pointer, part=part, there=there)
    return node


def _figure(pointer: str) -> tuple[Figure | None, Mapping[str, str]]:
    for figure in FIGURES:
        match = re.fullmatch(figure.pattern, pointer)
        if match:
            return figure, match.groupdict()
    return None, {}


def _input(
    content: Mapping[str, Any], pointer: str, name: str, design: Mapping[str, Any], groups: Mapping[str, str]
) -> Mapping[str, Any] | None:
    """An input by template: a relative pointer into the design, `fact:` into the facts, `/...` into the quote."""
    where = str(content["request"].get("where", "")).upper()
    filled = name.format(chip=design.get("chip", ""), system=design.get("system", ""), where=where, **groups)
    if filled.startswith("fact:"):
        key = filled.removeprefix("fact:")
        found = content["facts"].get(key)
        return None if found is None else {"name": key, "pointer": f"/facts/{key.replace('/', '~1')}", **found}
    base = filled if filled.startswith("/") else f"/designs/{groups.get('n', '0')}/{filled}"
    try:
        value = resolve(content, base)
    except BadRequest:
        return None
    if isinstance(value, Mapping) and "value" in value:
        value = value["value"]
    return {"name": base.rsplit("/", 1)[-1], "pointer": base, "value": value}
