"""Every figure of whatif, market, porting, carry and buildout can be asked for its formula and sources, on the command
line, from the JSON alone."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from test_examples import numbers

from tokenworks.app.cli import cli, run
from tokenworks.app.explaining import BOOKS
from tokenworks.quote.explain import explain, resolve

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "src" / "tokenworks" / "app" / "schemas" / "explanation.json").read_text())
BUYERS = """
title: Two kinds of Chinese buyers
source: 'assumed: an example'
assumed: true
buyers:
- name: labs
  copies: 500
  request:
    make: {train: {model: qwen2.5-72b, tokens: 200B, sequence: 4096, within: 90 days}}
    where: CN
    when: 2025-06-01
    limits: {chips: [h20, ascend-910c, ascend-910b3]}
- name: nobody sells to these
  copies: 3
  request:
    make: {train: {model: qwen2.5-72b, tokens: 200B, sequence: 4096, within: 90 days}}
    where: CN
    when: 2025-06-01
    limits: {chips: [h100]}
"""
ASKED = {
    "whatif": ("whatif", str(ROOT / "examples" / "train-qwen-in-shenzhen.yaml"), "--scenario", "h20-letter-lifted",
               "--against", "h20-barred"),
    "market": ("market", "BUYERS", "--scenario", "h20-letter-lifted", "--draws", "20"),
    "porting": ("porting", "qwen3-30b-a3b", "--on", "2025-10-01", "--chip", "nvidia-h20", "--chip",
                "huawei-ascend-910c", "--chip", "cambricon-mlu590"),
    "carry": ("carry", "alpamayo-r1-10b", "--on", "2026-06-01", "--rate", "10 Hz"),
    "buildout": ("buildout", "--where", "US", "--years", "2", "--on", "2025-01-21", "--chip", "b200", "--model",
                 "qwen3-32b", "--budget", "30B USD"),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("answers")
    (folder / "buyers.yaml").write_text(BUYERS)
    found = {}
    for name, arguments in ASKED.items():
        words = [str(folder / "buyers.yaml") if a == "BUYERS" else a for a in arguments]
        done = CliRunner().invoke(cli, [*words, "--format", "json"], standalone_mode=False)
        assert done.exception is None, done.exception
        found[name] = folder / f"{name}.json"
        found[name].write_text(done.stdout)
    return found


@pytest.mark.parametrize("name", sorted(ASKED))
def test_every_number_has_a_meaning_a_formula_and_what_it_is_made_from(answers: dict[str, Path], name: str) -> None:
    content = json.loads(answers[name].read_text())
    book, counted = BOOKS[content["schema"]], 0
    for pointer in numbers(content):
        found = explain(content, pointer, book)
        assert found["value"] == resolve(content, pointer), pointer
        assert found["meaning"], pointer
        assert found["formula"], pointer
        assert found["kind"] == "given" or found["inputs"] or found["sources"], pointer
        for each in found["inputs"]:
            assert resolve(content, each["pointer"]) is not None or each["value"] is None, pointer
        counted += 1
    assert counted > 100


def asked(path: Path, pointer: str) -> dict:
    done = CliRunner().invoke(cli, ["explain", str(path), pointer, "--format", "json"], standalone_mode=False)
    assert done.exception is None, done.exception
    answer: dict = json.loads(done.stdout)
    jsonschema.validate(answer, SCHEMA)
    return answer


def test_a_vendors_revenue_is_the_sum_of_its_sales_and_names_the_price_and_the_supply(answers: dict[str, Path]) -> None:
    found = asked(answers["market"], "/vendors/Huawei/revenue_usd/a")
    sold = [i["value"] for i in found["inputs"] if i["pointer"].endswith("/revenue_usd")]
    assert found["value"] == pytest.approx(sum(sold))
    assert found["value"] > 0
    assert {i["chip"] for i in found["inputs"] if "prices" in i["pointer"]} >= {"huawei-ascend-910c"}
    assert any("itnews" in source for source in found["sources"])  # where the supply was said


def test_unmet_demand_names_what_was_asked_and_what_is_done(answers: dict[str, Path]) -> None:
    found = asked(answers["market"], "/unmet/nobody sells to these/jobs/b")
    assert found["value"] == 3.0
    assert found["inputs"][0]["value"] == 3.0
    assert not any(i["pointer"].endswith("/jobs") for i in found["inputs"])


def test_a_figure_of_two_worlds_is_that_of_the_design_it_belongs_to(answers: dict[str, Path]) -> None:
    content = json.loads(answers["whatif"].read_text())
    assert content["gained"]
    for i, row in enumerate(content["gained"]):
        found = asked(answers["whatif"], f"/gained/{i}/figures/total_usd")
        assert found["same_as"] == row["design"] + "/cost/total_usd"
        assert resolve(content, row["design"])["id"] == row["id"]
        assert found["inputs"]
    won = asked(answers["whatif"], "/winner/train/b/margin")
    rival, best = (i["value"] for i in won["inputs"])
    assert won["value"] == pytest.approx(rival / best - 1.0)


def test_a_design_inside_another_answer_is_explained_as_in_a_quote(answers: dict[str, Path]) -> None:
    found = asked(answers["porting"], "/tables/0/chips/0/serve/power_w")
    assert found["formula"] == "IT power x PUE"
    assert {i["name"] for i in found["inputs"]} == {"it_power_w", "sites/CN/pue"}
    assert found["sources"]
    money = asked(answers["buildout"], "/factories/0/per_million_tokens_usd")
    assert money["same_as"] == "/factories/0/cost/per_million_tokens_usd"
    people = asked(answers["buildout"], "/quarters/7/construction_jobs")
    assert any("themilliondollarway" in source for source in people["sources"])


def test_in_words_and_what_cannot_be_asked(
    answers: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", str(answers["carry"]), "/chips/0/rate_at_most", "--lang", "zh-Hant"]) == 0
    assert "每秒最多決策數" in capsys.readouterr().out
    assert run(["explain", str(answers["carry"]), "/chips/0/name"]) == 2
    assert run(["explain", str(answers["carry"]), "/chips/0/chip_name"]) == 2
    other = tmp_path / "other.json"
    other.write_text('{"schema": "tokenworks/fabric/1"}')
    assert run(["explain", str(other), "/optics"]) == 2
    assert "whatif, market, porting" in capsys.readouterr().err
