"""What tests share: the catalog is read once."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from tokenworks import catalog, files, kept
from tokenworks.catalog import Catalog
from tokenworks.quote import inline_files, quote, read_request
from tokenworks.records import Quote, World

os.environ.setdefault(kept.FOLDER, kept.OFF)  # a test asks the engine, not what an earlier test was told
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture(scope="session")
def facts() -> Catalog:
    return catalog.load()


@pytest.fixture(scope="session")
def world(facts: Catalog) -> World:
    """All chips, launched or not."""
    return catalog.world(facts, dt.date(9999, 12, 31))


@pytest.fixture(scope="session")
def examples(facts: Catalog) -> dict[str, Quote]:
    """The quote of every example, by the file's stem."""
    found = {}
    for path in sorted(EXAMPLES.glob("*.yaml")):
        request = read_request(inline_files(files.load(path), path.parent))
        found[path.stem] = quote(request, catalog.world(facts, request.when))
    return found
