"""Blocks -> text for a terminal, Markdown, and the HTML report."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Mapping
from importlib.resources import files as package
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from tokenworks.deferred import Deferred
from tokenworks.deliver import tables, words
from tokenworks.deliver.network import svg
from tokenworks.deliver.tables import Block, Lines, Table
from tokenworks.language import Translator

_JINJA = Deferred("jinja2")  # only the report needs it
GAP = 2  # blanks between columns
WIDTH, LEAST, MOST = 150, 80, 240  # columns: where nothing is a terminal, and the limits that are used


def columns() -> int:
    """Columns of the terminal (or of COLUMNS), within what a table can use; WIDTH where there is none."""
    return min(MOST, max(LEAST, shutil.get_terminal_size((WIDTH, 0)).columns))


def as_text(blocks: Iterable[Block], width: int | None = None) -> str:
    """Plain text with aligned tables, as wide as the terminal."""
    width = width or columns()
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, highlight=False, legacy_windows=False)
    for block in blocks:
        console.print()
        console.print(f"[bold]{escape(block.title)}[/bold]")
        if isinstance(block, Lines):
            for line in block.lines:
                console.print("  " + escape(line))
            continue
        block = _narrowed(block, width)
        table = RichTable(show_edge=False, pad_edge=False, box=None, header_style="")
        for i, head in enumerate(block.head):
            table.add_column(escape(head), overflow="fold", no_wrap=i == 0 and len(block.head) > 2)
        for row in block.rows:
            table.add_row(*(escape(cell) for cell in row))
        console.print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).lstrip("\n") + "\n"


def _narrowed(table: Table, width: int) -> Table:
    """A table without as many of its spare columns as it takes to fit, or without all of them."""
    widest = [max(cell_len(row[i]) for row in (table.head, *table.rows)) for i in range(len(table.head))]
    gone: list[int] = []
    for column in table.spare:
        kept = [w for i, w in enumerate(widest) if i not in gone]
        if sum(kept) + GAP * (len(kept) - 1) <= width:
            break
        gone.append(column)

    def without(row: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cell for i, cell in enumerate(row) if i not in gone)

    return Table(table.title, without(table.head), tuple(without(row) for row in table.rows))


def as_markdown(blocks: Iterable[Block]) -> str:
    """GitHub-flavoured Markdown."""
    parts = []
    for block in blocks:
        parts.append(f"## {_cell(block.title)}\n")
        if isinstance(block, Lines):
            parts += [f"- {_cell(line)}" for line in block.lines]
        else:
            parts.append("| " + " | ".join(map(_cell, block.head)) + " |")
            parts.append("|" + " --- |" * len(block.head))
            parts += ["| " + " | ".join(map(_cell, row)) + " |" for row in block.rows]
        parts.append("")
    return "\n".join(parts)


def _cell(value: str) -> str:
    for sign in "\\|<>`*_[]":
        value = value.replace(sign, "\\" + sign)
    return " ".join(value.split())


def whole(quote: Mapping[str, Any], say: Translator) -> list[Block]:
    """All blocks of a report: the answer, the best design's bill, the search, the facts that were used."""
    best = quote["designs"][:1]
    more = [b for d in best for b in (tables.bill(d, say), *tables.stats(quote, say), tables.facts(quote, say))]
    return [*tables.blocks(quote, say), *more]


def as_html(quote: Mapping[str, Any], say: Translator) -> str:
    """One self-contained page: no script, no outside resource, everything escaped."""
    environment = _JINJA.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((package("tokenworks") / "deliver" / "report.html").read_text("utf-8"))
    found, designs = whole(quote, say), quote["designs"]
    bars = (
        [_bars(say("time"), designs[0]["time_parts"], say), _bars(say("memory"), _memory(designs[0]), say)]
        if designs
        else []
    )
    return str(
        template.render(
            language=say.language,
            title=say("Quote"),
            blocks=[{"title": b.title, "lines": b.lines} if isinstance(b, Lines) else _plain(b) for b in found],
            drawing=svg(designs[0], say) if designs else "",
            bars=bars,
            quote=quote["id"],
        )
    )


def _plain(table: Table) -> Mapping[str, Any]:
    return {"title": table.title, "head": table.head, "rows": table.rows}


def _memory(design: Mapping[str, Any]) -> Mapping[str, float]:
    return {k: v for k, v in design["memory"].items() if k not in ("total", "usable")}


def _bars(title: str, parts: Mapping[str, float], say: Translator) -> Mapping[str, Any]:
    most = max([*parts.values(), 1e-300])
    rows = [
        {
            "name": words.word(words.PART, k, say),
            "share": round(100 * v / most, 2),
            "part": round(100 * v / sum(parts.values()), 1),
        }
        for k, v in parts.items()
        if v > 0
    ]
    return {"title": title, "rows": rows}
