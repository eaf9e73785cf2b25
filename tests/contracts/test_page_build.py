"""The built page that ships is that of its sources, small enough, and asks no other host."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB, STATIC = ROOT / "web", ROOT / "src" / "tokenworks" / "app" / "web" / "static"


def test_the_committed_build_is_of_these_sources() -> None:
    names = ["index.html", "package-lock.json", "vite.config.ts"]
    names += [
        p.relative_to(WEB).as_posix() for folder in ("public", "src") for p in (WEB / folder).rglob("*") if p.is_file()
    ]
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(name.encode() + b"\0" + (WEB / name).read_bytes() + b"\0")
    assert (STATIC / "sources.txt").read_text().strip() == digest.hexdigest(), "run (cd web && npm ci && npm run build)"


def test_the_first_view_is_small() -> None:
    page = (STATIC / "index.html").read_text()
    scripts = re.findall(r'(?:src|href)="/(assets/[^"]+\.js)"', page)
    assert scripts
    assert sum(len(gzip.compress((STATIC / name).read_bytes())) for name in scripts) < 200_000
    assert "<script>" not in page  # the server's policy allows none
    assert "style=" not in page


def test_no_registry_is_named() -> None:
    lock = (WEB / "package-lock.json").read_text()
    assert '"resolved"' not in lock


def test_every_sentence_of_the_page_has_its_chinese() -> None:
    known = set(re.findall(r'"((?:[^"\\]|\\.)*)":\s*"', (WEB / "src" / "zh.ts").read_text(encoding="utf-8")))
    for path in (WEB / "src").rglob("*.tsx"):
        said = re.findall(r'\bt\(\s*"((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8"))
        assert [sentence for sentence in said if sentence not in known] == [], path.name
