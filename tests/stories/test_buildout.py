"""A national build-out, on the command line, in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from tokenworks.app.cli import cli, run

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "src" / "tokenworks" / "app" / "schemas" / "buildout.json").read_text())
PLAN = ("--where", "US", "--years", "3", "--on", "2025-01-21", "--chip", "b200", "--model", "qwen3-32b")


def asked(budget: str, *more: str) -> dict:
    arguments = ["buildout", *PLAN, "--budget", budget, *more, "--format", "json"]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    answer: dict = json.loads(done.stdout)
    jsonschema.validate(answer, SCHEMA)
    return answer


@pytest.fixture(scope="module")
def small() -> dict:
    return asked("30B USD")


def test_no_limit_is_exceeded_and_the_one_that_binds_is_reached(small: dict) -> None:
    limits, budget = small["limits"], small["budget_usd"]
    for i, row in enumerate(small["quarters"]):
        released = budget * (i + 1) / len(small["quarters"])
        assert row["standing"]["capital_usd"] <= released
        assert row["standing"]["power_w"] <= limits["power_w_a_quarter"] * (i + 1)
        assert row["opened"]["chips"] <= limits["chips_a_quarter"][i // 4]
        if row["binding"] == "budget":
            one = row["opened"]["capital_usd"] / row["opened"]["chips"]
            assert released - row["standing"]["capital_usd"] < one
    assert {r["binding"] for r in small["quarters"]} == {"construction", "budget"}


def test_sums_are_those_of_the_quarters(small: dict) -> None:
    total, rows = small["total"], small["quarters"]
    assert total["chips"] == sum(r["opened"]["chips"] for r in rows)
    assert total["capital_usd"] == pytest.approx(sum(r["opened"]["capital_usd"] for r in rows))
    assert total["unspent_usd"] == pytest.approx(small["budget_usd"] - total["capital_usd"])
    assert total["construction_jobs_peak"] == max(r["construction_jobs"] for r in rows)
    assert 10 < total["usd_a_watt"] < 100


def test_people_follow_the_power_that_is_built(small: dict) -> None:
    ratio = next(a["value"] for a in small["assumptions"] if a["name"] == "construction_jobs_per_w")
    last = small["quarters"][-1]
    assert last["construction_jobs"] == round(last["opened"]["power_w"] * ratio)


def test_a_budget_beyond_the_chips_delivered_is_left_unspent_and_every_number_can_be_changed(tmp_path: Path) -> None:
    large = asked("2000B USD")
    assert large["total"]["unspent_usd"] > 0
    assert large["quarters"][-1]["binding"] == "supply"
    own = tmp_path / "more.yaml"
    own.write_text(
        "changes:\n- {market: buildout/supply_share, value: 1.0, source: 'assumed: all of it', assumed: true}\n"
        "- {market: buildout/construction_time, scale: 0.5, source: 'assumed: twice as fast', assumed: true}\n"
    )
    more = asked("2000B USD", "--scenario", str(own))
    assert more["total"]["chips"] > 2 * large["total"]["chips"]
    assert more["scenarios"] == ["more"]


@pytest.mark.parametrize(("language", "word"), [("en", "National build-out"), ("zh-Hant", "國家建設計畫")])
def test_in_words_and_files(language: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["buildout", *PLAN, "--budget", "30B USD", "--lang", language, "-o", str(tmp_path / "out")]
    assert run(arguments) == 0
    assert word in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "buildout.json", "buildout.md", "buildout.zh-Hant.md", "buildout.svg",
    }  # fmt: skip


def test_exit_codes() -> None:
    assert run(["buildout", *PLAN, "--budget", "much"]) == 2
    assert run(["buildout", *PLAN, "--budget", "1B USD", "--years", "99"]) == 2
    assert run(["buildout", *PLAN, "--budget", "1B USD", "--where", "XX"]) == 4
    assert run(["buildout", *PLAN, "--budget", "1 USD"]) == 3  # not one chip
