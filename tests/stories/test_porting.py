"""How a model fits chips, on the command line, in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from tokenworks.app.cli import cli, run

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "src" / "tokenworks" / "app" / "schemas" / "porting.json").read_text())
SERVE = ("--on", "2025-10-01", "--make", "serve")


def asked(*arguments: str) -> dict:
    done = CliRunner().invoke(cli, ["porting", *arguments, "--format", "json"], standalone_mode=False)
    assert done.exception is None, done.exception
    answer: dict = json.loads(done.stdout)
    jsonschema.validate(answer, SCHEMA)
    return answer


def test_an_eight_bit_model_on_chips_with_and_without_eight_bit_floats() -> None:
    answer = asked("deepseek-r1", *SERVE, "--chip", "nvidia-h20", "--chip", "huawei-ascend-910c")
    h20, ascend = answer["tables"][0]["chips"]
    assert (h20["fit"]["native_precision"], ascend["fit"]["native_precision"]) == (True, False)
    assert (h20["serve"]["precision"], ascend["serve"]["precision"]) == ("fp8_block", "int8")
    assert (h20["law"]["standing"], ascend["law"]["standing"]) == ("licence", "lawful")
    for row in (h20, ascend):
        assert row["serve"]["per_million_tokens_usd"] > 0
        assert row["changes"] == sorted(row["changes"], key=lambda c: -c["gain"])
        for change in row["changes"]:
            assert change["gain"] == pytest.approx(1 - change["to"] / change["from"])


def test_costs_hold_for_a_chip_that_the_law_bars() -> None:
    row = asked("qwen3-32b", *SERVE, "--chip", "nvidia-h800-sxm")["tables"][0]["chips"][0]
    assert row["law"]["standing"] == "barred"
    assert row["law"]["citations"]
    assert row["serve"]["per_million_tokens_usd"] > 0
    assert "precision" in {c["what"] for c in row["changes"]}  # published in 16 bits, the chip has fp8


def test_a_fact_that_nobody_published_is_named_and_can_be_assumed() -> None:
    chip = ("--chip", "cambricon-mlu590")
    row = asked("qwen3-32b", *SERVE, *chip)["tables"][0]["chips"][0]
    assert row["missing"] == ["scaleout_bandwidth"]
    assert row["serve"] is None
    filled = asked("qwen3-32b", *SERVE, *chip, "--scenario", "home-made-chips-filled")["tables"][0]
    assert filled["scenarios"] == ["home-made-chips-filled"]
    assert filled["chips"][0]["serve"]["chips"] > 0


def test_a_chip_of_which_its_maker_said_little_is_judged_on_stated_assumptions() -> None:
    chip = ("--chip", "amd-mi308x", "--chip", "hygon-k100-ai")
    bare, hygon = asked("qwen3-30b-a3b", *SERVE, *chip)["tables"][0]["chips"]
    assert "peak_bf16" in bare["missing"]
    assert hygon["serve"] is None
    scenarios = ("--scenario", "mi308x-filled", "--scenario", "home-made-chips-filled")
    table = asked("qwen3-30b-a3b", *SERVE, *chip, *scenarios)["tables"][0]
    filled, hygon = table["chips"]
    assert filled["serve"]["per_million_tokens_usd"] > 0
    assert table["facts"]["chips/amd-mi308x/peak_bf16"]["assumed"]
    assert hygon["serve"]["per_million_tokens_usd"] is None  # nobody published what a K100 costs
    assert hygon["serve"]["chip_seconds_per_million_tokens"] > 0


def test_dates_side_by_side() -> None:
    days = ("--on", "2024-06-01", "--on", "2025-10-01", "--make", "serve")
    early, late = asked("qwen3-32b", *days, "--chip", "huawei-ascend-910c")["tables"]
    assert (early["later"], early["chips"]) == (["huawei-ascend-910c"], [])
    assert [r["chip"] for r in late["chips"]] == ["huawei-ascend-910c"]


def test_parallel_degrees_are_judged_against_those_of_the_cheapest_chip() -> None:
    rows = asked("qwen3-32b", *SERVE, "--chip", "nvidia-h20", "--chip", "huawei-ascend-910c")["tables"][0]["chips"]
    cheapest = min(rows, key=lambda r: r["serve"]["per_million_tokens_usd"])
    assert cheapest["degrees"] == []
    for row in rows:
        for change in row["degrees"]:
            assert change["like"] == cheapest["chip"]
            assert change["there"] == {n: cheapest["serve"]["parallelism"][n] for n in change["there"]}
            assert change["here"] == {n: row["serve"]["parallelism"][n] for n in change["here"]}
            assert change["to"] == row["serve"]["per_million_tokens_usd"]
            if change["from"] is not None:
                assert change["from"] >= change["to"] * (1 - 1e-12)  # its own best is no dearer
                assert change["gain"] == pytest.approx(1 - change["to"] / change["from"])
    assert any(r["degrees"] for r in rows)


@pytest.mark.parametrize(("language", "word"), [("en", "How to read this"), ("zh-Hant", "如何解讀")])
def test_in_words(language: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["porting", "qwen3-32b", *SERVE, "--chip", "huawei-ascend-910c", "--lang", language]
    assert run(arguments) == 0
    said = capsys.readouterr().out
    assert word in said


def test_exit_codes() -> None:
    assert run(["porting", "no-such-model", *SERVE]) == 4
    assert run(["porting", "qwen3-32b", *SERVE, "--chip", "no-such-chip"]) == 4
    assert run(["porting", "qwen3-32b", "--on", "2025-10-01", "--make", "dance"]) == 2
    assert run(["porting", "qwen3-32b", *SERVE, "--scenario", "no-such-world"]) == 4
