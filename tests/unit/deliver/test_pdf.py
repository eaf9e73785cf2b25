"""The PDF report holds what the other reports hold, and nothing in a name is markup."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from tokenworks.app.heavy import pdf_pages
from tokenworks.deliver import render
from tokenworks.deliver.pdf import Pages, as_pdf
from tokenworks.deliver.tables import Lines, Table
from tokenworks.language import Translator
from tokenworks.records import Quote


@pytest.fixture(scope="module")
def pages() -> Pages:
    found = pdf_pages()
    if found is None:
        pytest.skip("needs the extra 'pdf'")
    return found


def words(raw: bytes) -> str:
    """The text of all pages, its blanks and line ends left out."""
    return "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(raw)).pages).split())


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_a_report_of_a_quote(language: str, examples: dict[str, Quote], pages: Pages) -> None:
    content, say = examples["train-deepseek-v3-in-abu-dhabi"].content, Translator(language)
    blocks = render.whole(content, say)
    raw = as_pdf(blocks, f"{say('Quote')} {content['id']}", pages)
    assert raw == as_pdf(blocks, f"{say('Quote')} {content['id']}", pages)
    read = words(raw)
    assert (b"UniCNS-UTF16-H" in raw) == (language == "zh-Hant")  # Traditional characters, not Simplified
    assert content["id"] in read
    for block in blocks:
        assert "".join(block.title.split()) in read
    for line in blocks[0].lines if isinstance(blocks[0], Lines) else ():
        assert "".join(line.split()) in read


def test_nothing_in_a_name_is_markup(pages: Pages) -> None:
    hostile = '<img src="file:///etc/passwd"/><a href="http://x.example/">&amp;</b><para>'
    raw = as_pdf([Lines(hostile, (hostile,)), Table("t", (hostile,), ((hostile,),))], hostile, pages)
    reader = PdfReader(io.BytesIO(raw))
    assert words(raw).count('file:///etc/passwd"/><ahref=') >= 4  # as text
    for page in reader.pages:
        assert "/Annots" not in page
        assert not page.images


def test_long_cells_and_many_rows_have_room(pages: Pages) -> None:
    rows = tuple((f"row{i}", "w" * 300) for i in range(300))
    reader = PdfReader(io.BytesIO(as_pdf([Table("long", ("a", "b"), rows)], "t", pages)))
    assert len(reader.pages) > 5
    assert "row299" in reader.pages[-1].extract_text()
