"""What is kept between commands comes from the same sources, or is made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokenworks import kept
from tokenworks.app.cli import run
from tokenworks.catalog import gather

REQUEST = Path(__file__).resolve().parents[2] / "examples" / "drive-model-on-a-car-chip.yaml"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(kept.FOLDER, str(tmp_path / "cache"))
    return tmp_path / "cache"


def counted(calls: list[int]) -> bytes:
    calls.append(1)
    return b"made"


def test_made_once_for_the_same_sources(cache: Path) -> None:
    calls: list[int] = []
    for sources in ([b"a", b"b"], [b"a", b"b"], [b"ab", b""], [b"a", b"c"]):
        assert kept.kept("words", sources, lambda: counted(calls)) == b"made"
    assert len(calls) == 3


@pytest.mark.parametrize("damage", [b"", b"made", b"0" * 64 + b"\nmade"])
def test_a_damaged_thing_is_made_anew(cache: Path, damage: bytes) -> None:
    calls: list[int] = []
    kept.kept("words", [b"a"], lambda: counted(calls))
    (found,) = (cache / "words").iterdir()
    found.write_bytes(damage)
    assert kept.kept("words", [b"a"], lambda: counted(calls)) == b"made"
    assert len(calls) == 2


def test_a_changed_program_makes_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    kept.kept("words", [], lambda: counted(calls))
    monkeypatch.setattr(kept, "program", lambda: "another")
    kept.kept("words", [], lambda: counted(calls))
    assert len(calls) == 2


def test_the_oldest_go(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 3)
    for i in range(9):
        kept.kept("words", [b"%d" % i], lambda: b"made")
    assert len(list((cache / "words").iterdir())) == 3


@pytest.mark.parametrize("where", ["off", "/proc/nowhere"])
def test_nowhere_to_keep_is_no_trouble(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept.FOLDER, where)
    calls: list[int] = []
    for _ in range(2):
        assert kept.kept("words", [], lambda: counted(calls)) == b"made"
    assert len(calls) == 2


def test_a_catalog_that_was_kept_is_the_catalog(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = gather(), gather()
    monkeypatch.setenv(kept.FOLDER, kept.OFF)
    assert first == again == gather()


def test_a_kept_quote_says_the_same_and_a_changed_request_is_answered_anew(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "request.yaml"
    asked.write_text(REQUEST.read_text())
    said = []
    for words in ([], [], ["--lang", "zh-Hant"], ["--format", "json"]):
        assert run(["quote", str(asked), *words]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert len(set(said)) == 3
    assert len(list((cache / "quotes").iterdir())) == 3
    asked.write_text("make: 7\n")
    assert run(["quote", str(asked)]) == 2
    assert len(list((cache / "quotes").iterdir())) == 3


def test_a_request_that_names_a_file_is_read_whole_each_time(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "request.yaml"
    (tmp_path / "config.json").write_text("{}")
    asked.write_text("make: {serve: {model: ./config.json, rate: 1}}\nwhere: TW\nwhen: 2026-06-01\n")
    assert run(["quote", str(asked)]) == 2
    assert not (cache / "quotes").exists()
