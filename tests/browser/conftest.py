"""A real browser (Debian's Chromium through Playwright) and a real server."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "web"))

from web_server import start, stop

CHROMIUM = os.environ.get("TOKENWORKS_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running server."""
    process, found = start(tmp_path_factory.mktemp("browser"), workers=2)
    yield found
    stop(process)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium; where there is none the tests say so and are skipped."""
    if not Path(CHROMIUM).exists():
        pytest.skip("no browser here: apt-get install chromium (or set TOKENWORKS_CHROMIUM)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as tools:
        opened = tools.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens pages; at the end of the test no script error, no broken policy and no request to elsewhere was seen."""
    contexts: list[Any] = []
    seen: list[str] = []

    def opened(path: str = "/", *, phone: bool = False, quiet: bool = True, **options: Any) -> Any:
        size = {"width": 390, "height": 800} if phone else {"width": 1280, "height": 900}
        context = browser.new_context(viewport=size, locale="en-US", accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: seen.append(str(error)))
        if quiet:
            page.on("console", lambda m: seen.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith((address, "blob:", "data:")) else seen.append(r.url))
        page.goto(address + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert seen == []
