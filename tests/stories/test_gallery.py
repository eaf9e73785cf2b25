"""The gallery: every story stands in both languages, with its commands and figures; `long`: none is stale."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tokenworks import catalog, market, scenario
from tokenworks.catalog import Catalog
from tokenworks.scenario import energy
from tokenworks.scenario.read import KINDS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "stories"
STORIES = yaml.safe_load((FOLDER / "stories.yaml").read_text(encoding="utf-8"))


def test_the_seven_stories_are_there() -> None:
    assert len({s["name"] for s in STORIES}) == len(STORIES) == 7


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("story", STORIES, ids=lambda s: s["name"])
def test_a_page_says_what_its_story_says(story: dict, language: str) -> None:
    name = story["name"] + (".md" if language == "en" else f".{language}.md")
    page = (FOLDER / name).read_text(encoding="utf-8")
    assert page.startswith(f"# {story['title'][language]}\n")
    for number, step in enumerate(story["steps"], 1):
        assert step["say"][language].strip() in page
        assert f"$ tokenworks {' '.join(step['run'].split())}\n" in page
        if "figure" in step:
            image = f"figures/{story['name']}-{number}.svg"
            assert f"({image})" in page
            assert (FOLDER / image).read_text(encoding="utf-8").rstrip().endswith("</svg>")


def test_the_page_on_what_ifs_shows_files_that_are_read(facts: Catalog) -> None:
    page = (ROOT / "docs" / "what-ifs.md").read_text(encoding="utf-8")
    first, second = (yaml.safe_load(block.split("```")[0]) for block in page.split("```yaml\n")[1:])
    own = scenario.read(first, "own")
    assert len(scenario.differences(catalog.world(facts, dt.date(2026, 6, 1)), own)) > 1
    assert [b.name for b in market.read(second, "own").buyers] == ["labs"]
    assert set(KINDS) == {row.split("`")[1] for row in page.splitlines() if row.startswith("| `")}
    for name in energy.NUMBERS:
        assert name in page or name in ("stock", "cycle", "delay")


@pytest.mark.long
def test_no_page_is_stale() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "stories.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
