"""`explain`: formula, inputs and sources of a figure of any answer that carries them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import click

from tokenworks import deliver
from tokenworks.app.options import common, options
from tokenworks.app.runs import read_answer
from tokenworks.errors import BadRequest
from tokenworks.market.figures import MARKET
from tokenworks.quote.books import BUILDOUT, CARRY, PORTING, WHATIF
from tokenworks.quote.explain import QUOTE, Book
from tokenworks.quote.explain import explain as why

BOOKS: Mapping[str, Book] = MappingProxyType(
    {book.schema: book for book in (QUOTE, WHATIF, MARKET, PORTING, CARRY, BUILDOUT)}
)


@click.command()
@click.argument("answer_file", metavar="ANSWER.json")
@click.argument("figure", metavar="FIGURE")
@common
def explain(answer_file: str, figure: str, form: str, overlay: str | None, language: str) -> None:
    """Formula, inputs and sources of a figure of a quote, whatif, market, porting, carry or buildout in JSON.
    FIGURE is a JSON pointer: /designs/0/cost/total_usd."""
    opts = options(form, overlay, language)
    content = read_answer(Path(answer_file))
    schema = content.get("schema") if isinstance(content, dict) else None
    book = BOOKS.get(schema) if isinstance(schema, str) else None
    if book is None:
        raise BadRequest("is no answer that can be asked; those are: {allowed}", field=answer_file,
                         allowed=", ".join(schema.split("/")[1] for schema in BOOKS))  # fmt: skip
    answer = why(content, figure, book)
    opts.answer(answer, lambda say: deliver.explanation(answer, say))
