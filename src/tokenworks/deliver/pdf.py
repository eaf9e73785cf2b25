"""Blocks -> a PDF report. Every string is text: nothing in it is markup, a link or a file to read.

The pages hold only titles, lines and tables of text, so they are set straight onto the canvas: a general layout
engine takes ten times as long for the same pages.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokenworks.deliver.tables import Block, Lines

LATIN, CHINESE = "Helvetica", "MSung-Light"  # the second is one of Adobe's own for Traditional Chinese, in every reader
CHINESE_ENCODING = "UniCNS-UTF16-H"
SIZE, LEADING, MARGIN = 8.0, 10.5, 40.0  # points
HEAD, TITLE = (12.0, 15.5), (16.0, 20.0)  # size and leading of a block's title, and of the report's
ABOVE, BELOW = 10.0, 4.0  # around a block's title
SIDE, CELL = 2.0, 3.0  # around the text of a cell: left and right, above and below
GRID, RULE = "#c9cfca", 0.4
# What is never parted: a word of letters, or one ideograph with the brackets and stops that belong to it.
OPENING = r"[\u3008\u300a\u300c\u300e\uff08]*"
STOPS = r"[\u3001\u3002\u3009\u300b\u300d\u300f\uff01\uff09\uff0c\uff1a\uff1b\uff1f]*"
PIECE = re.compile(rf"(\s*)({OPENING}[\u2e80-\uffff]{STOPS}|[^\s\u2e80-\uffff]+{STOPS})")


@dataclass(frozen=True)
class Pages:
    """The parts of reportlab that draw pages, handed in by the app's gate. width: points of a text in a font of a
    size. size: of a page, points."""

    canvas: Callable[..., Any]
    width: Callable[[str, str, float], float]
    size: tuple[float, float]


def as_pdf(blocks: Iterable[Block], title: str, pages: Pages) -> bytes:
    """A report of pages in landscape. The same blocks give the same bytes."""
    blocks = list(blocks)
    font = LATIN if all(map(_latin, _strings(blocks, title))) else CHINESE
    out = io.BytesIO()
    paper = _Paper(pages.canvas(out, pagesize=pages.size, invariant=1), pages, font)
    paper.canvas.setTitle(title)
    paper.lines(title, TITLE)
    for block in blocks:
        paper.head(block.title)
        if isinstance(block, Lines):
            for line in block.lines:
                paper.lines(line, (SIZE, LEADING))
        else:
            paper.table(block.head, block.rows)
    paper.canvas.save()
    return out.getvalue()


class _Widths(dict[str, float]):
    """Width of every letter in a font of size 1, asked once."""

    def __init__(self, pages: Pages, font: str) -> None:
        self._of, self._font = pages.width, font

    def __missing__(self, letter: str) -> float:
        self[letter] = self._of(letter, self._font, 1.0)
        return self[letter]

    def text(self, text: str) -> float:
        """Width of a text: the fonts have no kerning."""
        return sum(map(self.__getitem__, text))


class _Paper:
    """Pages under a pen that goes down: what finds no room stands on the next page."""

    def __init__(self, canvas: Any, pages: Pages, font: str) -> None:
        self.canvas, self.font, self.widths = canvas, font, _Widths(pages, font)
        self.room = pages.size[0] - 2.0 * MARGIN
        self.top = pages.size[1] - MARGIN
        self._fresh()

    def head(self, title: str) -> None:
        """The title of a block, never alone at the foot of a page."""
        self.y -= ABOVE
        if self.y - HEAD[1] - BELOW - 3.0 * LEADING < MARGIN:
            self.turn()
        self.lines(title, HEAD)
        self.y -= BELOW

    def lines(self, text: str, kind: tuple[float, float]) -> None:
        """A text over the whole width. kind: size and leading."""
        for line in _wrapped(text, self.room / kind[0], self.widths):
            if self.y - kind[1] < MARGIN:
                self.turn()
            self._put(MARGIN, self.y, [line], kind)
            self.y -= kind[1]

    def table(self, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Rows of cells, the head once more on every page."""
        columns = _widths((head, *rows), self.room)
        wide = [(width - 2.0 * SIDE) / SIZE for width in columns]
        left = [MARGIN + SIDE + sum(columns[:i]) for i in range(len(columns))]
        heads = self._cells(head, wide)
        most = max(1, int((self.top - MARGIN - self._height(heads) - 2.0 * CELL) / LEADING))  # lines on a page
        self._row(heads, left)
        for row in rows:
            cells = self._cells(row, wide)
            for start in range(0, max(map(len, cells)), most):
                some = [cell[start : start + most] for cell in cells]
                if self.y - self._height(some) < MARGIN:
                    self.turn()
                    self._row(heads, left)
                self._row(some, left)

    def turn(self) -> None:
        """Go on with a new page."""
        self.canvas.showPage()
        self._fresh()

    def _fresh(self) -> None:
        self.y = self.top
        self.canvas.setStrokeColor(GRID)
        self.canvas.setLineWidth(RULE)

    def _cells(self, row: tuple[str, ...], wide: list[float]) -> list[list[str]]:
        return [_wrapped(cell, width, self.widths) for cell, width in zip(row, wide, strict=True)]

    def _height(self, cells: list[list[str]]) -> float:
        return max(1, *map(len, cells)) * LEADING + 2.0 * CELL

    def _row(self, cells: list[list[str]], left: list[float]) -> None:
        for x, lines in zip(left, cells, strict=True):
            self._put(x, self.y - CELL, lines, (SIZE, LEADING))
        self.y -= self._height(cells)
        self.canvas.line(MARGIN, self.y, MARGIN + self.room, self.y)

    def _put(self, x: float, y: float, lines: list[str], kind: tuple[float, float]) -> None:
        """Lines below a height."""
        if not lines:
            return
        text = self.canvas.beginText(x, y - kind[0])
        text.setFont(self.font, *kind)
        for line in lines:
            text.textLine(line)
        self.canvas.drawText(text)


def _wrapped(text: str, room: float, widths: _Widths) -> list[str]:
    """A text in lines of at most `room`, in units of the font's size; what is longer than a line is parted.

    >>> _wrapped("one  three longest 太長，了", 5.0, _Widths(Pages(dict, lambda *_: 1.0, (0.0, 0.0)), LATIN))
    ['one', 'three', 'longe', 'st 太', '長，了']
    """
    lines, line, used, blank = [], "", 0.0, widths[" "]
    for before, piece in PIECE.findall(text):
        gap = blank if before and line else 0.0
        width = widths.text(piece)
        if line and used + gap + width > room:
            lines.append(line)
            line, used, gap = "", 0.0, 0.0
        if width > room:
            *full, piece = _parted(piece, room, widths)
            lines += full
            width = widths.text(piece)
        line += " " + piece if gap else piece
        used += gap + width
    return [*lines, line] if line else lines


def _parted(word: str, room: float, widths: _Widths) -> Iterator[str]:
    """A word letter by letter, each part at most `room` wide, or one letter."""
    start, used = 0, 0.0
    for i, letter in enumerate(word):
        used += widths[letter]
        if used > room and i > start:
            yield word[start:i]
            start, used = i, widths[letter]
    yield word[start:]


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
