"""Why a figure of an answer is what it is: formula, inputs, sources. Reads the answer alone.

An answer (a quote, two worlds side by side, a market, a table of chips, a plan) has a book: what its figures mean.
Where a whole design stands in it, the design's figures are explained as those of a quote are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenworks.errors import BadRequest
from tokenworks.quote.figures import DESIGN, FIGURES, Figure

SCHEMA = "tokenworks/explanation/1"
NAMES = ("name", "policy", "group", "buyer", "chip", "from")  # what an entry of a list is called by


@dataclass(frozen=True, slots=True)
class Link:
    """A figure that stands elsewhere in the same answer. pattern: of its pointer; at: templates of pointers, the first
    that leads somewhere holds; `@/x+/y` is the pointer that is written at /x, then /y."""

    pattern: str
    at: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Book:
    """What the figures of one kind of answer (its schema) mean. designs: patterns of the pointers at which whole
    designs stand; facts: a template of the pointer to the facts beside them; where: the pointer to the country."""

    schema: str
    figures: tuple[Figure, ...]
    designs: tuple[str, ...] = ()
    facts: str = "/facts"
    where: str = "/where"
    links: tuple[Link, ...] = ()
    example: str = "/designs/0/cost/total_usd"


QUOTE = Book("tokenworks/quote/1", FIGURES, (r"/designs/\d+",), where="/request/where")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the inputs of a figure are looked for, and what fills the holes of their templates."""

    content: Mapping[str, Any]
    base: str  # of the design, "" where the figure is of none
    facts: str
    groups: Mapping[str, str] = field(default_factory=dict)


def explain(content: Mapping[str, Any], pointer: str, book: Book = QUOTE) -> Mapping[str, Any]:
    """Explain the figure at an RFC 6901 pointer. Raises BadRequest where nothing stands there.

    The answer: figure, value, unit, kind (given | derived | measured | assumed), meaning, formula, inputs
    [{name, pointer, value, ...}], sources, low, high; `same_as`, where the figure stands elsewhere in the answer, and
    `design`, where it is a design's: their pointers.
    """
    value = resolve(content, pointer)
    target = _linked(content, pointer, book)
    figure, place = _figure(content, target, book)
    if figure is None:
        raise BadRequest("nothing is known about this figure; figures stand under {there}, for example {example}",
                         field=pointer, there=", ".join(sorted({_top(f.pattern) for f in book.figures} | {
                             _top(d) for d in book.designs})), example=book.example)  # fmt: skip
    known = [i for name in figure.inputs for i in _inputs(place, name)]
    estimate = value if isinstance(value, Mapping) else _interval(place, target)
    sources = {i.get("source") for i in known} | set(figure.sources)
    if isinstance(value, Mapping):
        sources.add(value.get("source"))
    return {
        "schema": SCHEMA,
        "figure": pointer,
        "same_as": None if target == pointer else target,
        "design": place.base or None,
        "value": estimate.get("value", value) if isinstance(value, Mapping) else value,
        "unit": figure.unit,
        "kind": figure.kind,
        "meaning": figure.meaning,
        "formula": figure.formula,
        "inputs": known,
        "sources": sorted(str(source) for source in sources if source),
        "low": estimate.get("low"),
        "high": estimate.get("high"),
        "limits": estimate.get("limits"),
    }


def _top(pattern: str) -> str:
    """The first name of a pattern of pointers."""
    return "/" + re.split(r"[/\\(\[]", pattern[1:], maxsplit=1)[0]


def _interval(place: _Place, pointer: str) -> Mapping[str, Any]:
    """The interval of a design's figure that is a plain number."""
    if not place.base:
        return {}
    design = resolve(place.content, place.base)
    found: Mapping[str, Any] = (design.get("intervals") or {}).get(pointer.removeprefix(place.base), {})
    return found


def resolve(content: Any, pointer: str) -> Any:
    """The value at an RFC 6901 pointer. Raises BadRequest naming the part that leads nowhere."""
    if not pointer.startswith("/"):
        raise BadRequest("expected a JSON pointer such as {example}", field=pointer, example="/designs/0/power_w")
    node = content
    for raw in pointer[1:].split("/"):
        part = _decoded(raw)
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


def encoded(name: str) -> str:
    """A name as a part of a JSON pointer.

    >>> encoded("prices/nvidia-h20/purchase")
    'prices~1nvidia-h20~1purchase'
    """
    return name.replace("~", "~0").replace("/", "~1")


def _decoded(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _linked(content: Mapping[str, Any], pointer: str, book: Book) -> str:
    for link in book.links:
        match = re.fullmatch(link.pattern, pointer)
        for at in link.at if match else ():
            try:
                found = _followed(content, at.format(**match.groupdict())) if match else pointer
                resolve(content, found)
            except BadRequest:  # a design that has no such figure: the next place
                continue
            return found
    return pointer


def _followed(content: Mapping[str, Any], at: str) -> str:
    """A template that begins with `@/x+/rest` is the pointer written at /x, then /rest."""
    if not at.startswith("@"):
        return at
    holder, _, rest = at[1:].partition("+")
    return str(resolve(content, holder)) + rest


def _figure(content: Mapping[str, Any], pointer: str, book: Book) -> tuple[Figure | None, _Place]:
    for figure in book.figures:
        match = re.fullmatch(figure.pattern, pointer)
        if match and not figure.pattern.startswith(DESIGN):
            return figure, _Place(content, "", book.facts, _filled(content, match.groupdict(), "", book))
    for pattern in book.designs:
        at = re.match(rf"{pattern}(?=/)", pointer)
        if at is None:
            continue
        for figure in FIGURES:
            match = re.fullmatch(figure.pattern, "/designs/0" + pointer[at.end() :])
            if match:
                groups = _filled(content, {**at.groupdict(), **match.groupdict()}, at.group(), book)
                return figure, _Place(content, at.group(), book.facts.format(**groups), groups)
    return None, _Place(content, "", "")


def _filled(content: Mapping[str, Any], groups: Mapping[str, str], base: str, book: Book) -> Mapping[str, str]:
    """The groups of the patterns, and the chip, system and country that the figure is of."""
    design = resolve(content, base) if base else {}
    try:
        where = str(resolve(content, book.where)).upper()
    except BadRequest:  # an answer without a country has no figure that names one
        where = ""
    return {"chip": design.get("chip", ""), "system": design.get("system", ""), "where": where,
            **{k: v for k, v in groups.items() if v is not None}}  # fmt: skip


def _inputs(place: _Place, name: str) -> Iterator[Mapping[str, Any]]:
    """Inputs by template: a path inside the design, `fact:` and a key of the facts, or a pointer into the answer. In a
    pointer `<x>` is what stands at x, `@x+/rest` begins with the pointer written at x, and `/list?field=value/path` is
    every entry of a list with that value (`?=`: every entry)."""
    filled = name.format(**place.groups)
    try:
        filled = re.sub("<([^>]+)>", lambda m: encoded(str(resolve(place.content, m.group(1)))), filled)
    except BadRequest:
        return
    if filled.startswith("fact:"):
        key = filled.removeprefix("fact:")
        yield from _read(place, f"{place.facts}/{encoded(key)}", key)
        return
    at = filled if filled.startswith(("/", "@")) else f"{place.base}/{filled}"
    if "?" in at:
        for one, name in _entries(place, at):
            yield from _read(place, one, name)
        return
    try:
        at = _followed(place.content, at)
    except BadRequest:
        return
    yield from _read(place, at, at.rsplit("/", 1)[-1])


def _entries(place: _Place, at: str) -> Iterator[tuple[str, str]]:
    """The pointers of `/list?field=value/path`, and what each is called: by what names its entry, then the path."""
    head, _, tail = at.partition("?")
    condition, _, path = tail.partition("/")
    key, _, wanted = condition.partition("=")
    for i, entry in enumerate(resolve(place.content, head)):
        if entry is None or (wanted and str(entry.get(key)) != _decoded(wanted)):
            continue
        named = [str(entry[k]) for k in NAMES if entry.get(k)] or [str(i)]
        yield (f"{head}/{i}/{path}", f"{', '.join(named)}: {path}") if path else (f"{head}/{i}", ", ".join(named))


def _read(place: _Place, at: str, name: str) -> Iterator[Mapping[str, Any]]:
    """The input at a pointer; none where the answer has no such thing, or does not know it."""
    try:
        value = resolve(place.content, at)
    except BadRequest:
        return
    name = _decoded(name)
    if isinstance(value, Mapping) and "value" in value:
        more = value if "source" in value else {"value": value["value"]}
        yield {"name": name, "pointer": at, **more}
        return
    yield {"name": name, "pointer": at, "value": value}
