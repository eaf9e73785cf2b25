"""How the screens look: compared with themselves after a refresh, between themes and between languages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from test_page import NAMES, Visit, quoted, start

SCREENS = ("ask", "compare", "design", "law", "truth")
# where things stand, to the pixel: what a theme must not move
PLACES = """() => [...document.querySelectorAll('h1, h2, table, section, figure, button, select')].map(e => {
  const r = e.getBoundingClientRect();
  return [e.tagName, Math.round(r.x), Math.round(r.y), Math.round(r.width), Math.round(r.height)].join(' ') })"""
# texts that do not fit into what holds them, and things that lie over each other's words
CLIPPED = """() => [...document.querySelectorAll('main button, main h1, main h2, main dd, main dt, main th, nav a')]
  .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow !== 'visible')
  .map(e => e.outerHTML.slice(0, 120))"""
SETTLED = """() => ![...document.querySelectorAll('main [role=status]')].some(e => e.textContent.includes('…'))
  && [...document.querySelectorAll('.canvas')].every(e => e.dataset.ready === 'yes')"""
BRIGHTNESS = """() => { const c = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number);
  return (c[0] + c[1] + c[2]) / 3 }"""


def seen(page: Any, screen: str, language: str) -> bytes:
    """The whole screen as a picture, once nothing moves any more."""
    page.get_by_role("navigation").get_by_role("link", name=NAMES[language][screen], exact=True).click()
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_function(SETTLED)
    page.evaluate("() => document.fonts.ready")
    page.wait_for_timeout(1500)
    picture = shot(page)
    for _ in range(10):  # charts that are still drawn, on a busy machine
        before, picture = picture, shot(page)
        if picture == before:
            break
    return picture


def shot(page: Any) -> bytes:
    """A picture of the whole screen."""
    picture: bytes = page.screenshot(full_page=True, animations="disabled", caret="hide")
    return picture


@pytest.mark.long
@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_every_screen_looks_the_same_again_and_in_every_theme(visit: Visit, language: str) -> None:
    places: dict[str, dict[str, Any]] = {}
    for theme in ("light", "dark", "contrast"):
        page = visit(start(language=language, theme=theme))
        page.get_by_role("status").filter(has_text="✓").wait_for()
        quoted(page, language)
        for screen in SCREENS:
            picture = seen(page, screen, language)
            assert len(picture) > 20_000, (screen, "nearly nothing is drawn")
            assert page.evaluate(CLIPPED) == [], (screen, theme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (screen, theme)
            bright = page.evaluate(BRIGHTNESS)
            assert bright > 200 if theme == "light" else bright < 80, (screen, theme)
            places.setdefault(screen, {})[theme] = page.evaluate(PLACES)
            page.reload()
            assert seen(page, screen, language) == picture, (screen, theme, "a refresh changes the picture")
    for screen, found in places.items():
        assert found["light"] == found["dark"], screen
        assert [p.split()[0] for p in found["light"]] == [p.split()[0] for p in found["contrast"]], screen


@pytest.mark.long
@pytest.mark.parametrize("screen", SCREENS)
def test_both_languages_say_the_same_things(visit: Visit, screen: str) -> None:
    """As many headings, tables, rows and buttons; and no English sentence left in Chinese."""
    counted = {}
    for language in NAMES:
        page = visit(start(language=language))
        page.get_by_role("status").filter(has_text="✓").wait_for()
        quoted(page, language)
        seen(page, screen, language)
        counted[language] = page.evaluate(
            "() => ['h1', 'h2', 'table', 'tr', 'button', 'select', 'dt'].map(t => document.querySelectorAll(t).length)"
        )
        if language == "zh-Hant":
            heads = page.locator("main h1, main h2, main caption, main dt, main summary").all_inner_texts()
            products = re.compile(r"[\d,]+ × ")  # so many chips of this name
            left = [h for h in heads if h and not products.match(h)]
            assert [h for h in left if not any("\u4e00" <= c <= "\u9fff" for c in h)] == []
    assert counted["en"] == counted["zh-Hant"]
