"""The page as a person uses it: the five screens in both languages and themes, and what goes wrong."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
REQUEST = {
    "make": {"train": {"model": "llama-2-7b", "tokens": "200B", "within": "60 days"}},
    "where": "TW",
    "when": "2025-06",
    "limits": {"chips": ["nvidia-h100-sxm", "nvidia-h200-sxm"], "chips_max": 1024},
}
NAMES = {
    "en": {"ask": "Ask", "compare": "Compare", "design": "Design", "law": "Law", "truth": "Truth", "quote": "Quote"},
    "zh-Hant": {"ask": "提問", "compare": "比較", "design": "設計", "law": "法規", "truth": "驗證", "quote": "報價"},
}
LOOKS = [("en", "light"), ("zh-Hant", "dark")]
Visit = Callable[..., Any]


def start(screen: str = "ask", language: str = "en", theme: str = "light", **more: str) -> str:
    """An address of the page with a question in it."""
    state = {"r": json.dumps(REQUEST), "lang": language, "theme": theme, **more}
    return f"/#/{screen}?{urllib.parse.urlencode(state)}"


def quoted(page: Any, language: str = "en") -> None:
    """Press the button and wait for the comparison."""
    words = NAMES[language]
    page.get_by_role("button", name=words["quote"], exact=True).click()
    page.get_by_role("heading", name=words["compare"], exact=True).wait_for()


def violations(page: Any) -> list[str]:
    """What axe finds wrong under WCAG 2.2 AA."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed here: (cd web && npm ci)")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", rules)
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0]['failureSummary']}" for v in found["violations"]]


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_from_the_sentence_to_an_explained_quote_in_under_a_minute(
    visit: Visit, language: str, theme: str, tmp_path: Path
) -> None:
    words = NAMES[language]
    started = time.perf_counter()
    page = visit(start(language=language, theme=theme))
    quoted(page, language)
    page.get_by_role("img").first.wait_for()
    assert page.get_by_role("row").count() > 1
    page.get_by_role("navigation").get_by_role("link", name=words["design"], exact=True).click()
    page.locator(".figures .fig").first.click()
    page.get_by_role("dialog").locator(".why").wait_for()
    page.keyboard.press("Escape")
    assert time.perf_counter() - started < 60.0
    page.locator("details.menu summary").click()
    with page.expect_download() as download:
        page.locator("details.menu button").first.click()
    download.value.save_as(tmp_path / "all.zip")
    assert (tmp_path / "all.zip").read_bytes()[:2] == b"PK"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_no_screen_breaks_wcag(visit: Visit, language: str, theme: str) -> None:
    page = visit(start(language=language, theme=theme))
    page.get_by_role("status").filter(has_text="✓").wait_for()
    assert violations(page) == []
    quoted(page, language)
    for screen in ("compare", "design", "law"):
        page.get_by_role("navigation").get_by_role("link", name=NAMES[language][screen], exact=True).click()
        page.wait_for_timeout(1500)
        assert violations(page) == [], screen


def test_the_language_switch_and_a_refresh_keep_everything(visit: Visit) -> None:
    page = visit(start())
    quoted(page)
    before = page.locator("tbody tr").all_inner_texts()[0]
    figures = page.locator(".best .fig .num").all_inner_texts()
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="中文").click()
    page.get_by_role("heading", name="比較", exact=True).wait_for()
    assert page.locator("html").get_attribute("lang") == "zh-Hant"
    assert page.locator(".best .fig .num").all_inner_texts()[0] == figures[0]
    page.reload()
    page.get_by_role("heading", name="比較", exact=True).wait_for()
    page.locator("tbody tr").first.wait_for()
    assert page.get_by_role("checkbox").first.is_checked()
    page.get_by_role("button", name="EN", exact=True).click()
    page.get_by_role("heading", name="Compare", exact=True).wait_for()
    assert page.locator("tbody tr").all_inner_texts()[0] == before


def test_the_pages_numbers_are_the_apis(visit: Visit) -> None:
    page = visit(start())
    quoted(page)
    identity = dict(urllib.parse.parse_qsl(page.evaluate("location.hash").split("?")[1]))["id"]
    quote = page.evaluate("id => fetch(`/v1/quotes/${id}`).then(r => r.json())", identity)
    best = next(d for d in quote["designs"] if d["id"] == quote["best"]["train"])
    assert f"{best['chips']:,}".replace(",", "") in page.locator(".best h2").inner_text().replace(",", "")
    shown = page.locator(".best .fig .num").first.inner_text()
    total = best["cost"]["total_usd"]
    scale = {"k": 1e3, "M": 1e6, "B": 1e9}
    number, _, unit = shown.removeprefix("$").partition(" ")
    assert float(number.replace(",", "")) * scale.get(unit, 1.0) == pytest.approx(total, rel=6e-3)


def test_without_a_server_nothing_is_lost(visit: Visit) -> None:
    page = visit(start(), quiet=False)
    page.get_by_role("status").filter(has_text="✓").wait_for()
    page.context.set_offline(True)
    page.get_by_role("button", name="Quote", exact=True).click()
    page.get_by_role("alert").filter(has_text="cannot be reached").wait_for()
    assert page.get_by_label("Model", exact=True).input_value() == "llama-2-7b"
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("heading", name="Compare", exact=True).wait_for()


def test_errors_are_said_and_can_be_tried_again(visit: Visit) -> None:
    page = visit(start(), quiet=False)
    page.route("**/v1/quote*", lambda r: r.fulfill(status=500, content_type="application/problem+json", body=json.dumps(
        {"type": "x", "title": "A defect of this program", "status": 500, "detail": "broken"})))  # fmt: skip
    page.get_by_role("button", name="Quote", exact=True).click()
    page.get_by_role("alert").filter(has_text="A defect of this program").wait_for()
    page.unroute("**/v1/quote*")
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("heading", name="Compare", exact=True).wait_for()


def test_a_wrong_name_is_said_while_it_is_written(visit: Visit) -> None:
    page = visit(start(), quiet=False)
    page.get_by_label("Model", exact=True).fill("deepseek-r99")
    page.get_by_role("status").filter(has_text="make.train.model").wait_for()


def test_long_work_can_be_cancelled(visit: Visit) -> None:
    page = visit("/#/truth?lang=en")
    page.get_by_role("button", name="Work it out anew").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Work it out anew").wait_for()
    page.locator(".figures").wait_for()


def explained(page: Any, place: str) -> None:
    """Open the explanation of a figure and close it again."""
    page.locator(place).first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator(".why .formula").wait_for()
    assert re.search(r"\d", dialog.locator(".why .big").inner_text())
    page.keyboard.press("Escape")


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_two_worlds_and_their_market_are_compared_and_explained(visit: Visit, language: str, theme: str) -> None:
    """Who sells, who buys, who goes without; the worlds and the demand stand in the address."""
    page = visit(start("law", language, theme, wb="gpu-price-minus-30", dm="world-2026"))
    page.locator(".whatif .primary").first.click()
    for place in ("dl", "td"):  # the winner of each world, and what is offered in both
        explained(page, f".whatif > [role=status] {place} .fig")
    page.locator(".market .primary").click()
    page.locator(".market canvas").first.wait_for()
    row = ".market tr:has-text('NVIDIA') .fig"
    for place in (".market dl .fig", row, f":nth-match({row}, 3)"):  # all together, a vendor, what changes for it
        explained(page, place)
    figures = page.locator(".market [role=status] :is(dd, td)").filter(has_text=re.compile(r"\d")).all()
    assert all(f.locator(".fig").count() for f in figures)  # no figure without its explanation
    assert page.locator(".market table").count() >= 2
    assert violations(page) == []
    page.reload()
    page.locator(".market option").first.wait_for(state="attached")
    assert page.locator(".market select").input_value() == "world-2026"


def test_ten_thousand_designs_can_be_compared(visit: Visit) -> None:
    page = visit(start())
    quoted(page)
    address = page.evaluate("location.hash")
    identity = dict(urllib.parse.parse_qsl(address.split("?")[1]))["id"]
    quote = page.evaluate("id => fetch(`/v1/quotes/${id}`).then(r => r.json())", identity)
    one = quote["designs"][0]
    short = {k: one[k] for k in ("make", "chip", "chip_name", "vendor", "system", "system_name", "chips", "predicted")}
    short |= {k: one[k] for k in ("power_w", "energy_j", "carbon_kg")} | {"warnings": [], "law": {"verdict": "none"}}
    many = []
    for i in range(10_000):
        cost = {"total_usd": 1e6 + i * 100.0, "capital_usd": 1e6 - i, "per_million_tokens_usd": 1.0 + i % 97}
        many.append({**short, "id": f"d{i}", "cost": cost})
    big = json.dumps({**quote, "designs": many, "best": {**quote["best"], "train": "d0"}})
    page.route("**/v1/quotes/*", lambda r: r.fulfill(status=200, content_type="application/json", body=big))
    started = time.perf_counter()
    page.reload()
    page.get_by_text("1 of 200").first.wait_for()
    page.locator(".canvas[data-ready=yes]").wait_for()
    assert time.perf_counter() - started < 20.0
    assert page.locator("tbody tr").count() < 200
    page.locator("button.sort", has_text="Total cost").click()
    page.get_by_role("button", name="Next").first.click()
    page.get_by_text("2 of 200").first.wait_for()


def test_a_phone_is_wide_enough(visit: Visit) -> None:
    page = visit(start(), phone=True)
    quoted(page)
    for screen in ("ask", "compare", "design", "law"):
        page.get_by_role("navigation").get_by_role("link", name=NAMES["en"][screen], exact=True).click()
        page.wait_for_timeout(800)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, screen


def test_the_keyboard_is_enough(visit: Visit) -> None:
    page = visit(start())
    page.get_by_role("status").filter(has_text="✓").wait_for()
    page.get_by_label("Budget in million US dollars").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Compare", exact=True).wait_for()
    page.keyboard.press("Control+z")
    page.get_by_role("heading", name="What would you like to make?").wait_for()


def test_a_config_can_be_dropped(visit: Visit, tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128256, "tie_word_embeddings": True,
        "architectures": ["LlamaForCausalLM"], "_name_or_path": "me/<b>mine</b>",
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    page = visit(start())
    page.locator("input[type=file]").set_input_files(tmp_path / "config.json")
    page.locator(".chosen").wait_for()
    assert page.locator(".chosen b").count() == 0
    page.get_by_role("status").filter(has_text="✓").wait_for()


@pytest.mark.long
def test_a_slow_network_is_borne(visit: Visit) -> None:
    page = visit("/")
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    slow = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
    session.send("Network.emulateNetworkConditions", slow)
    page.goto(page.url.split("#")[0] + start().removeprefix("/"))
    quoted(page)
    page.locator("tbody tr").first.wait_for()


@pytest.mark.long
@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_the_truth_is_shown(visit: Visit, language: str, theme: str) -> None:
    page = visit(start("truth", language, theme))
    page.locator(".figures").wait_for(timeout=400_000)
    assert page.get_by_role("row").count() > 10
    assert violations(page) == []
