"""The gallery: runs every command of docs/stories/stories.yaml and writes its pages in each language.

python scripts/stories.py             write docs/stories
python scripts/stories.py NAME ...    write these stories alone
python scripts/stories.py --check     say which pages are stale; exit 1 where one is
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import yaml

from tokenworks.app.cli import run
from tokenworks.language import LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "stories"
WIDTH = 140  # columns of the outputs
INTRO = {
    "en": "Made by `python scripts/stories.py`: every block below is the output of the command above it. Any figure "
    "says where it comes from: ask for `--format json`, then `tokenworks explain ANSWER.json FIGURE`. "
    "Not legal advice.",
    "zh-Hant": "本頁由 `python scripts/stories.py` 產生：每個區塊都是其上命令的輸出。任何數字都能追問公式與來源："
    "以 `--format json` 輸出，再執行 `tokenworks explain ANSWER.json FIGURE`。非法律意見。",
}
OTHER = {"en": "繁體中文", "zh-Hant": "English"}


def stories() -> list[Mapping[str, Any]]:
    """The stories as data."""
    found: list[Mapping[str, Any]] = yaml.safe_load((FOLDER / "stories.yaml").read_text(encoding="utf-8"))
    return found


def file_of(name: str, language: str) -> str:
    """The page of a story in a language."""
    return f"{name}.md" if language == "en" else f"{name}.{language}.md"


def pages(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Path under docs/stories and content of every page and figure; of the stories named, or of all."""
    for story in stories():
        for language in LANGUAGES if not names or story["name"] in names else ():
            yield from _page(story, language)


def _page(story: Mapping[str, Any], language: str) -> Iterator[tuple[str, str]]:
    other = next(x for x in LANGUAGES if x != language)
    parts = [f"# {story['title'][language]}\n", f"[{OTHER[language]}]({file_of(story['name'], other)})\n",
             f"{INTRO[language]}\n"]  # fmt: skip
    for number, step in enumerate(story["steps"], 1):
        with tempfile.TemporaryDirectory() as folder:
            more = ["-o", f"{folder}/out"] if "figure" in step else []
            said = _said([*shlex.split(step["run"]), "--lang", language, *more])
            parts.append(f"{step['say'][language].strip()}\n")
            if "figure" in step:
                image = f"figures/{story['name']}-{number}.svg"
                parts.append(f"![{story['title'][language]}]({image})\n")
                if language == LANGUAGES[0]:
                    yield image, (Path(folder) / "out" / step["figure"]).read_text(encoding="utf-8")
        shown = " ".join(step["run"].split())
        parts.append(f"```console\n$ tokenworks {shown}\n```\n\n```text\n{said.rstrip()}\n```\n")
    yield file_of(story["name"], language), "\n".join(parts)


def _said(arguments: list[str]) -> str:
    """What a command prints. Exit 3 (nothing feasible) is an answer too."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = run(arguments)
    if code not in (0, 3):
        raise SystemExit(f"tokenworks {shlex.join(arguments)}: exit {code}")
    return out.getvalue()


def main() -> int:
    """Write the pages, or compare them with what stands there."""
    os.chdir(ROOT)
    os.environ["COLUMNS"] = str(WIDTH)
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tokenworks"
    check, stale = "--check" in sys.argv[1:], []
    names = [a for a in sys.argv[1:] if a != "--check"]
    unknown = set(names) - {s["name"] for s in stories()}
    if unknown:
        raise SystemExit(f"no such story: {', '.join(sorted(unknown))}")
    for name, content in pages(names):
        path = FOLDER / name
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != content:
                stale.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    sys.stdout.writelines(f"stale: docs/stories/{name}\n" for name in stale)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
