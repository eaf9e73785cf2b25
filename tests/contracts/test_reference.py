"""The reference tables are those of today's catalog, and the docs name only commands that exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tokenworks.app.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
assert SPEC is not None
assert SPEC.loader is not None
reference = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reference)


def test_reference_pages_are_fresh() -> None:
    for name, content in reference.pages().items():
        assert (reference.FOLDER / name).read_text(encoding="utf-8") == content, "run `make reference`"


@pytest.mark.parametrize("page", ["README.md", "README.zh-Hant.md", "CONTRIBUTING.md", "docs/hand-check.md"])
def test_documents_name_commands_and_files_that_exist(page: str) -> None:
    content = (ROOT / page).read_text(encoding="utf-8")
    for command in re.findall(r"(?:bin/|`)tokenworks (\w+)", content):
        assert command in COMMANDS
    for target in re.findall(r"\]\(([\w./-]+)\)", content):
        assert (ROOT / page).parent.joinpath(target).exists(), target
