"""What if: one request in two worlds, on the command line, in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from tokenworks import catalog, deliver, files, scenario
from tokenworks.app.cli import cli, run
from tokenworks.catalog import Catalog
from tokenworks.language import LANGUAGES, Translator
from tokenworks.quote import compare, inline_files, read_request

ROOT = Path(__file__).resolve().parents[2]
SHENZHEN = str(ROOT / "examples" / "train-qwen-in-shenzhen.yaml")
CAR = str(ROOT / "examples" / "drive-model-on-a-car-chip.yaml")
SCHEMA = json.loads((ROOT / "src" / "tokenworks" / "app" / "schemas" / "whatif.json").read_text())


def asked(*arguments: str) -> dict:
    done = CliRunner().invoke(cli, ["whatif", *arguments, "--format", "json"], standalone_mode=False)
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


def test_the_h20_comes_back_when_its_letter_goes() -> None:
    answer = asked(SHENZHEN, "--scenario", "h20-letter-lifted")
    jsonschema.validate(answer, SCHEMA)
    back = [r for r in answer["gained"] if r["chip"] == "nvidia-h20"]
    assert back
    assert back[0]["law"]["standing"] == "lawful"
    assert back[0]["law_elsewhere"]["standing"] == "barred"
    assert back[0]["law_elsewhere"]["citations"]
    assert {c["target"].split("/")[0] for c in answer["b"]["changes"]} == {"law"}
    assert answer["a"]["changes"] == []


def test_a_world_against_itself_changes_nothing() -> None:
    answer = asked(CAR, "--scenario", "grid-carbon-2030", "--against", "grid-carbon-2030")
    assert (answer["gained"], answer["lost"], answer["changed"]) == ([], [], [])


def test_cleaner_grids_emit_less_and_cost_the_same() -> None:
    answer = asked(CAR, "--scenario", "grid-carbon-2030")
    assert answer["changed"]
    for row in answer["changed"]:
        carbon, total = row["figures"]["carbon_kg"], row["figures"]["total_usd"]
        assert carbon["b"] == pytest.approx(0.7 * carbon["a"])
        assert total["a"] == total["b"]


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_in_words_and_files(language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["whatif", CAR, "--scenario", "grid-carbon-2030", "-o", str(tmp_path / "out"), "--lang", language]
    assert run(arguments) == 0
    said = capsys.readouterr().out
    assert ("carbon" if language == "en" else "碳") in said
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "whatif.json", "whatif.md", "whatif.zh-Hant.md", "whatif.svg",
    }  # fmt: skip


def test_every_system_is_compared_not_only_those_that_a_quote_shows(tmp_path: Path) -> None:
    file = tmp_path / "request.yaml"
    file.write_text(
        "make: {serve: {model: qwen3-32b, requests_per_second: 20, input: 1000, output: 500, ttft_p99: 3 s, "
        "tpot_p99: 100 ms}}\nwhere: US\nwhen: 2025-10-01\n"
    )
    answer = asked(str(file), "--scenario", "gpu-price-minus-30")
    shown = json.loads(CliRunner().invoke(cli, ["quote", str(file), "--format", "json"], standalone_mode=False).stdout)
    systems = {d["system"] for d in shown["designs"]}
    compared = {d["system"] for d in answer["a"]["designs"]}
    assert systems < compared  # a quote shows sixteen, and there are more
    assert answer["winner"]["serve"]["a"]["id"] == shown["best"]["serve"]
    unseen = [r for r in answer["changed"] if r["system"] not in systems and r["vendor"] in ("NVIDIA", "AMD")]
    assert unseen
    for row in unseen:
        assert row["figures"]["total_usd"]["b"] < row["figures"]["total_usd"]["a"]


def test_a_scenario_that_changes_nothing_on_the_day_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "later.yaml"
    own.write_text("changes:\n- {fact: sites/*/pue, value: 1.1, from: 2040-01-01, source: ours}\n")
    assert run(["whatif", CAR, "--scenario", str(own)]) == 0
    assert "change nothing on the day asked" in capsys.readouterr().out


def test_a_scenario_of_ones_own_in_ten_lines(tmp_path: Path) -> None:
    own = tmp_path / "cheap-power.yaml"
    own.write_text(
        "scenario: cheap-power\n"
        "says: Electricity at half its price\n"
        "changes:\n"
        "- fact: sites/*/electricity_price\n"
        "  scale: 0.5\n"
        "  source: 'assumed: half'\n"
        "  assumed: true\n"
    )
    answer = asked(CAR, "--scenario", str(own))
    assert answer["b"]["scenarios"] == ["cheap-power"]
    assert all(c["after"] == pytest.approx(c["before"] / 2) for c in answer["b"]["changes"])


SHIPPED = sorted(p.stem for p in (ROOT / "src" / "tokenworks" / "catalog" / "data" / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_scenario_is_told_in_both_languages(facts: Catalog, name: str) -> None:
    request = read_request(inline_files(files.load(Path(CAR)), Path(CAR).parent))
    world = catalog.world(facts, request.when)
    answer = compare(request, world, [], [scenario.named(world, name)])
    jsonschema.validate(json.loads(files.dump_json(answer)), SCHEMA)
    assert answer["b"]["changes"]
    said = [deliver.whatif(answer, Translator(language)) for language in LANGUAGES]
    assert len(set(said)) == len(LANGUAGES)
    for words in said:
        assert name in words
        assert answer["b"]["changes"][0]["target"] in words
        assert any(c["source"].split()[0] in words for c in answer["b"]["changes"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("changes:\n- {constant: pue, value: 1.2, source: s}\n- {constant: pue, value: 1.3, source: s}\n", 3),
        ("scenario: x\nchanges:\n- constant: pue\n  scale: 0\n  source: s\n", 4),
        ("changes:\n- {fact: sites/*/pue, scale: 1.1, source: s}\n- {fact: sites/JP/pues, value: 1.2, source: s}\n", 3),
        (
            "changes:\n- {price: nvidia-*/rent, scale: 2, source: s}\n\n- {price: '*-sxm/rent', scale: 3, source: s}\n",
            4,
        ),
        ("changes:\n- {price: no-such-chip/rent, scale: 2, source: s}\n", 2),
    ],
)
def test_a_bad_scenario_names_its_line(
    text: str, line: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    assert run(["whatif", CAR, "--scenario", str(own)]) == 2
    assert f"own.yaml:{line}" in capsys.readouterr().err


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["whatif", CAR, "--scenario", "no-such-world"]) == 4
    assert run(["whatif", CAR]) == 2
    assert run(["whatif", CAR, "--scenario", "grid-carbon-2030", "--scenario", "grid-carbon-2030"]) == 2
    assert "stands twice" in capsys.readouterr().err
    assert run(["whatif", "--list"]) == 0
    assert "npt-exit-japan" in capsys.readouterr().out
    assert run(["law", "check", "--chip", "h20", "--to", "CN", "--on", "2025-06-01", "--scenario", "h20-barred"]) == 0
    assert run(["law", "check", "--chip", "h20", "--to", "CN", "--on", "2025-06-01", "--scenario", "nothing"]) == 4


def test_a_request_may_name_its_scenarios(tmp_path: Path) -> None:
    text = Path(CAR).read_text() + "\nscenarios: [grid-carbon-2030]\n"
    file = tmp_path / "request.yaml"
    file.write_text(text)
    done = CliRunner().invoke(cli, ["quote", str(file), "--format", "json"], standalone_mode=False)
    assert json.loads(done.stdout)["world"]["scenarios"] == ["grid-carbon-2030"]
