"""The bill of materials as CSV and XLSX. Text never becomes a formula (ASVS 1.2.10)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from tokenworks.deferred import Deferred
from tokenworks.deliver import bill_law
from tokenworks.language import Translator

_XLSXWRITER = Deferred("xlsxwriter")  # only files need it
HEAD = ("item", "quantity", "unit price (USD)", "low (USD)", "high (USD)", "sum (USD)", "assumed", "source",
        "law", "citation")  # fmt: skip
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\0")


def safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers.

    >>> safe("=1+1"), safe(-5.0)
    ("'=1+1", -5.0)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(DANGEROUS) else value


def rows(design: Mapping[str, Any], say: Translator) -> list[tuple[Any, ...]]:
    """The lines of the bill as plain cells, with a head and the sum of what is known."""
    found: list[tuple[Any, ...]] = [tuple(say(h) for h in HEAD)]
    known = 0.0
    for line in design["bill"]:
        price = line["unit_price_usd"]
        total = None if price is None else price * line["quantity"]
        known += total or 0.0
        yes = say("yes") if line["assumed"] else say("no")
        found.append((line["item"], line["quantity"], price, line["low"], line["high"], total, yes, line["source"],
                      bill_law.said(line, say), bill_law.cited(line)))  # fmt: skip
    found.append((say("known sum"), None, None, None, None, known, None, None, None, None))
    return [tuple(safe(cell) for cell in row) for row in found]


def as_csv(design: Mapping[str, Any], say: Translator) -> str:
    """Comma-separated, one line an item; an unknown price is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows(design, say)])
    return out.getvalue()


def as_xlsx(design: Mapping[str, Any], say: Translator) -> bytes:
    """A workbook with one sheet; text cells are strings, never formulas or links."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with _XLSXWRITER.Workbook(out, options) as book:
        book.set_properties({"title": "Tokenworks"})
        sheet = book.add_worksheet("BOM")
        for i, row in enumerate(rows(design, say)):
            for j, cell in enumerate(row):
                if isinstance(cell, str):
                    sheet.write_string(i, j, cell)
                elif cell is not None:
                    sheet.write_number(i, j, cell)
        sheet.set_column(0, 0, 40)
        sheet.set_column(1, 6, 16)
        sheet.set_column(7, 9, 30)
    return out.getvalue()
