"""The gallery: every story stands in both languages, with its commands and figures; `long`: none is stale."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


@pytest.mark.long
def test_no_page_is_stale() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "stories.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
