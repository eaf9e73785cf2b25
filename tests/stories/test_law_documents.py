"""The law's page, its figure and its faces are what the program says today."""

from __future__ import annotations

import csv
import json
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

from tokenworks.app.cli import run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/law.md").read_text(encoding="utf-8")


def test_the_figure_of_the_history_is_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = re.search(
        r"^tokenworks (law timeline --chip nvidia.*?) -o (docs/figures/\S+)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert command is not None
    made = tmp_path / "figure.svg"
    assert run([*shlex.split(command[1].replace("\\\n", " ")), "-o", str(made)]) == 0
    capsys.readouterr()
    assert made.read_text(encoding="utf-8") == (ROOT / command[2]).read_text(encoding="utf-8")


def test_every_command_of_the_page_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [c for c in re.findall(r"^tokenworks (law [^\n\\]+)$", PAGE, re.MULTILINE) if "FILE" not in c]
    assert len(commands) >= 4
    for command in commands:
        assert run(shlex.split(command)) == 0, command
        assert "Not legal advice" in capsys.readouterr().out or "grid" in command or "diff" in command
    ET.fromstring((tmp_path / "grid.svg").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_grid_as_table_and_heat_map(language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("grid.csv", "grid.svg"):
        assert run(["law", "grid", "--on", "2026-09-01", "-o", str(tmp_path / name), "--lang", language]) == 0
    capsys.readouterr()
    rows = list(csv.DictReader((tmp_path / "grid.csv").read_text(encoding="utf-8").splitlines()))
    cell = next(r for r in rows if (r["chip"], r["to"]) == ("nvidia-h100-sxm", "CN"))
    assert (cell["eccn"], cell["licence"], cell["review_policy"]) == ("3A090.a", "required", "case_by_case")
    drawn = ET.fromstring((tmp_path / "grid.svg").read_text(encoding="utf-8"))
    assert len(drawn.findall(".//{*}rect")) == len(rows) + 6
    assert run(["law", "grid", "--on", "2026-09-01", "-o", "grid.pdf"]) == 2


def test_a_memo_tells_what_would_change_it(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["law", "check", "--chip", "h20", "--to", "CN", "--on", "2025-06-01"]
    assert run([*command, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json.loads((ROOT / "src/tokenworks/app/schemas/verdict.json").read_text()))
    changes = {(c["field"], c["value"]): c["licence"] for c in found["changes"]}
    assert changes[("exporter", "any")] == "none"
    assert changes[("date", "2025-07-14")] == "required"
    assert run(command) == 0
    assert "What would change it" in capsys.readouterr().out


def test_coverage_is_told_for_every_room_of_the_law(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["law", "coverage", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rules"]
    assert {"item", "place", "party", "end use", "exception", "policy", "letters", "regimes"} <= {
        r["where"] for r in rows
    }
    assert all(
        re.fullmatch(r"\d{4}-\d{2}-\d{2}", r["checked"]) and r["basis"] in ("document", "memory", "mixed") for r in rows
    )


def test_an_imported_list_is_screened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "csl.csv"
    source.write_text(
        "source,name,alt_names,addresses,start_date,license_requirement,federal_register_notice\n"
        'Entity List (EL),Widget Works Ltd.,小部件工厂,"Beijing, CN",2024-05-01,See § 744.11,89 FR 1\n',
        encoding="utf-8",
    )
    own = tmp_path / "own"
    assert run(["law", "lists", "import", str(source)]) == 2
    assert run(["law", "lists", "import", str(source), "--catalog", str(own), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["taken"] == {"Entity List": 1}
    check = [
        "law",
        "check",
        "--chip",
        "l20",
        "--to",
        "CN",
        "--exporter",
        "any",
        "--buyer",
        "小部件工廠",
        "--format",
        "json",
    ]
    for day, licence in (("2024-04-30", "none"), ("2024-05-01", "required")):
        assert run([*check, "--on", day, "--catalog", str(own)]) == 0
        assert json.loads(capsys.readouterr().out)["licence"] == licence


def test_the_coverage_is_told_in_chinese_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["law", "coverage", "--lang", "zh-Hant", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rules"]
    assert run(["law", "coverage", "--lang", "zh-Hant"]) == 0
    told = "".join(capsys.readouterr().out.split())
    english = [r[k] for r in rows for k in ("rule", "modelled", "not_modelled") if len(r[k].split()) > 3]
    assert english
    assert [e for e in english if "".join(e.split()) in told and "Remote Access" not in e] == []
