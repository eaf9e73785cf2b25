"""Blocks -> a PDF report. Every string is text: nothing in it is markup, a link or a file to read."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from tokenworks.deliver.tables import Block, Lines

LATIN, CHINESE = "Helvetica", "MSung-Light"  # the second is one of Adobe's own for Traditional Chinese, in every reader
CHINESE_ENCODING = "UniCNS-UTF16-H"
SIZE, LEADING, MARGIN = 8.0, 10.5, 40.0  # points
GRID = "#c9cfca"


@dataclass(frozen=True)
class Pages:
    """The parts of reportlab that draw pages, handed in by the app's gate."""

    platypus: Any
    styles: Any
    colors: Any
    size: tuple[float, float]


def as_pdf(blocks: Iterable[Block], title: str, pages: Pages) -> bytes:
    """A report of pages in landscape. The same blocks give the same bytes."""
    blocks = list(blocks)
    font = LATIN if all(map(_latin, _strings(blocks, title))) else CHINESE
    wrap = None if font == LATIN else "CJK"
    style = pages.styles.ParagraphStyle
    body = style("body", fontName=font, fontSize=SIZE, leading=LEADING, wordWrap=wrap)
    head = style("head", parent=body, fontSize=SIZE + 4.0, leading=LEADING + 5.0, spaceBefore=10.0, spaceAfter=4.0)
    story: list[Any] = [
        pages.platypus.Paragraph(escape(title), style("title", parent=head, fontSize=16.0, leading=20.0))
    ]
    for block in blocks:
        story.append(pages.platypus.Paragraph(escape(block.title), head))
        if isinstance(block, Lines):
            story += [pages.platypus.Paragraph(escape(line), body) for line in block.lines]
            continue
        rows = [[pages.platypus.Paragraph(escape(cell), body) for cell in row] for row in (block.head, *block.rows)]
        room = pages.size[0] - 2.0 * MARGIN
        table = pages.platypus.LongTable(rows, colWidths=_widths((block.head, *block.rows), room), repeatRows=1)
        line = pages.colors.HexColor(GRID)
        table.setStyle([("LINEBELOW", (0, 0), (-1, -1), 0.4, line), ("VALIGN", (0, 0), (-1, -1), "TOP"),
                        ("LEFTPADDING", (0, 0), (-1, -1), 2.0), ("RIGHTPADDING", (0, 0), (-1, -1), 2.0)])  # fmt: skip
        story.append(table)
    out = io.BytesIO()
    margins = dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), MARGIN)
    made = pages.platypus.SimpleDocTemplate(out, pagesize=pages.size, title=title, invariant=1, **margins)
    made.build(story)
    return out.getvalue()


def _strings(blocks: Iterable[Block], title: str) -> Iterable[str]:
    yield title
    for block in blocks:
        yield block.title
        if isinstance(block, Lines):
            yield from block.lines
        else:
            for row in (block.head, *block.rows):
                yield from row


def _latin(text: str) -> bool:
    """Whether the Latin font has every letter.

    >>> _latin("8 × H100 – ½"), _latin("晶片")
    (True, False)
    """
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _widths(rows: Iterable[tuple[str, ...]], room: float) -> list[float]:
    """Widths of columns that share the room by their longest cell, none below a few letters nor above a sentence.

    >>> _widths([("a", "bb"), ("aaaaaaaaaa", "b" * 30)], 400.0)
    [100.0, 300.0]
    """
    longest = [min(40.0, max(6.0, *map(float, map(len, column)))) for column in zip(*rows, strict=True)]
    whole = sum(longest)
    return [room * width / whole for width in longest]
