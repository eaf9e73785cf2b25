"""Command lines that cannot be answered: one sentence with field, value and what is allowed; exit 2; nothing begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokenworks.app.cli import run


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("market world-2025 --draws nan", "--draws: expected a whole number, read 'nan'"),
        ("simulate quote.json --rate abc", "--rate: expected a number, read 'abc'"),
        ("market world-2025 --draws", "--draws: is missing"),
        ("law check --chip h100", "--to: is missing"),
        ("quote", "REQUEST: is missing"),
        ("lwa check", "'lwa' is not known; did you mean 'law'?"),
        ("law chekc", "law: 'chekc' is not known; did you mean 'check'?"),
        ("quote --exhaustve x", "did you mean '--exhaustive'?"),
        ("quote a b", "quote: cannot be read"),
        ("web --store mysql://x", "--store: 'mysql://x' is not known"),
        ("web --catalog no-such-folder", "no-such-folder: is not a folder"),
        ("porting deepseek-v3 --on 1066-10-14", "--on: '1066-10-14' is before the first rule"),
        ("carry qwen3-8b --on 1066-10-14 --rate 10Hz", "--on: '1066-10-14' is before the first rule"),
        ("law grid --on 1999-01-01", "--on: '1999-01-01' is before the first rule"),
        ("law diff --on 1999-01-01 --on 2025-01-01", "--on: '1999-01-01' is before the first rule"),
    ],
)
def test_one_sentence(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("tokenworks: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "line",
    ["market world-2025", "validate", "whatif request.yaml --scenario h20-barred",
     "buildout --where US --budget 5BUSD --years 1 --on 2025-01-01"],
)  # fmt: skip
def test_a_place_that_cannot_be_written_is_said_before_the_work(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept")
    assert run([*line.split(), "-o", str(tmp_path / "file" / "answer.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


def test_they_are_said_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["market", "world-2025", "--draws", "many", "--lang", "zh-Hant"]) == 2
    assert "--draws: 應為整數，讀到「many」" in capsys.readouterr().err
    assert run(["law", "chekc", "--lang", "zh-Hant"]) == 2
    assert "check" in capsys.readouterr().err


def test_reasons_of_a_timeline_are_said_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["law", "timeline", "--chip", "h20", "--to", "CN", "--lang", "zh-Hant"]) == 0
    said = capsys.readouterr().out
    assert "效能密度" in said
    assert "performance density" not in said
