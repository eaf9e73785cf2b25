"""A small market on the command line: one rule falls, and the numbers say who gains."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from tokenworks import catalog, scenario
from tokenworks.app.cli import cli, run
from tokenworks.catalog import Catalog
from tokenworks.market.bids import bids
from tokenworks.quote import read_request

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "src" / "tokenworks" / "app" / "schemas" / "market.json").read_text())
BUYERS = """
title: Two Chinese buyers
source: 'assumed: an example'
assumed: true
buyers:
- name: labs
  name_zh: 實驗室
  copies: 500
  request:
    make: {train: {model: qwen2.5-72b, tokens: 200B, sequence: 4096, within: 90 days}}
    where: CN
    when: 2025-06-01
    limits: {chips: [h20, ascend-910c, ascend-910b3, h100]}
"""


@pytest.fixture(scope="module")
def demand(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("market") / "buyers.yaml"
    file.write_text(BUYERS)
    return str(file)


def test_who_gains_when_the_letter_goes(demand: str) -> None:
    arguments = ["market", demand, "--scenario", "h20-letter-lifted", "--draws", "40", "--format", "json"]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, SCHEMA)
    nvidia, huawei = answer["vendors"]["NVIDIA"], answer["vendors"]["Huawei"]
    assert nvidia["revenue_usd"]["a"] == 0.0
    assert nvidia["revenue_usd"]["b"] > 0.0
    supply = 50_000  # of the Ascend 910 in a quarter, catalog/data/market/supply.yaml
    assert max(huawei["chips"]["a"], huawei["chips"]["b"]) <= supply * (1 + 1e-6)
    jobs = answer["price_of_rule"]["jobs"]
    assert jobs["a"] < jobs["b"] <= 500.0 * (1 + 1e-9)
    assert answer["chips"]["nvidia-h100-sxm"]["chips"]["b"] == 0.0 if "nvidia-h100-sxm" in answer["chips"] else True
    assert answer["unmet"]["labs"]["jobs"]["b"] <= answer["unmet"]["labs"]["jobs"]["a"] + 1e-6


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_in_words(demand: str, language: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["market", demand, "--scenario", "ascend-doubles-supply", "--draws", "5", "--lang", language]) == 0
    said = capsys.readouterr().out
    assert ("labs" if language == "en" else "實驗室") in said
    assert ("Vendors" if language == "en" else "廠商") in said


def test_bad_markets(demand: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["market", "world-1999"]) == 4
    assert "world-20" in capsys.readouterr().err
    assert run(["market", demand, "--draws", "0"]) == 2
    assert run(["market", demand, "--scenario", "nothing"]) == 4


def test_a_market_without_a_feasible_buyer_says_so_and_drops_no_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "buyers.yaml"
    file.write_text(BUYERS.replace("[h20, ascend-910c, ascend-910b3, h100]", "[h100]"))
    assert run(["market", str(file), "--scenario", "h20-letter-lifted", "--draws", "5"]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "nothing may be sold, or does the job, for labs" in said
    assert "Unmet demand" in said
    assert "500" in said


def test_what_is_no_longer_made_is_not_offered(facts: Catalog) -> None:
    text = "make: {train: {model: qwen2.5-7b, tokens: 20B, sequence: 4096, within: 90 days}}\nwhere: CN\n"
    request = read_request(yaml.safe_load(text + "when: 2025-06-01\nlimits: {chips: [v100, h20, ascend-910b3]}\n"))
    world = catalog.world(facts, request.when)
    longer = {"changes": [{"market": "buying/made_for", "scale": 3, "source": "assumed: second-hand too"}]}
    now = {b.chip for b in bids(request, world)}
    then = {b.chip for b in bids(request, scenario.apply(world, scenario.read(longer, "longer")))}
    assert "huawei-ascend-910b3" in now
    assert not any("v100" in chip for chip in now)
    assert any("v100" in chip for chip in then)


def test_beside_what_was_published(demand: str) -> None:
    arguments = ["market", demand, "--scenario", "h20-letter-lifted", "--draws", "5", "--format", "json"]
    answer = json.loads(CliRunner().invoke(cli, arguments, standalone_mode=False).stdout)
    rows = {r["name"]: r for r in answer["published"]}
    sold = answer["chips"]["nvidia-h20"]["revenue_usd"]
    for row in rows.values():
        assert row["source"].startswith("http")
        assert row["measure"] == "charge" or row["chip"] != "nvidia-h20" or row["model"] is not None
    wanted = rows["nvidia-h20-2026q1-wanted"]
    assert wanted["model"] == max(sold["a"], sold["b"])
    assert wanted["ratio"] == pytest.approx(wanted["model"] / 7.1e9)
    assert rows["nvidia-h20-2026q2-lost"]["model"] == pytest.approx(abs(sold["b"] - sold["a"]))
    assert rows["nvidia-h20-2026q2-sold-in-china"]["ratio"] is None  # nothing was sold: no share of it
    charge = rows["nvidia-h20-2025-04-charge-expected"]
    assert (charge["published"], charge["model"], charge["ratio"]) == (5.5e9, None, None)
    price = sold["b"] / answer["chips"]["nvidia-h20"]["chips"]["b"]
    assert wanted["implied_chips"] == pytest.approx(7.1e9 / price)


def test_where_the_worlds_do_not_differ_in_a_chip_nothing_is_set_beside_it(demand: str) -> None:
    arguments = ["market", demand, "--scenario", "ascend-doubles-supply", "--draws", "5", "--format", "json"]
    answer = json.loads(CliRunner().invoke(cli, arguments, standalone_mode=False).stdout)
    assert answer["chips"].get("nvidia-h20", {"revenue_usd": {"a": 0.0}})["revenue_usd"]["a"] == 0.0
    assert answer["published"]
    assert all(r["model"] is None and r["ratio"] is None for r in answer["published"])


def test_what_a_job_costs_is_what_is_paid_for_those_done(demand: str) -> None:
    arguments = ["market", demand, "--scenario", "h20-letter-lifted", "--draws", "5", "--format", "json"]
    answer = json.loads(CliRunner().invoke(cli, arguments, standalone_mode=False).stdout)
    labs, done = answer["per_job"]["labs"], answer["price_of_rule"]
    for side in ("a", "b"):
        assert labs["cost_usd"][side] == pytest.approx(done["spend_usd"][side] / done["jobs"][side])
        assert 0 < labs["time_s"][side] <= 90 * 86400.0


def test_sales_add_up_to_what_is_said_of_vendors_and_countries(demand: str) -> None:
    arguments = ["market", demand, "--scenario", "ascend-doubles-supply", "--draws", "5", "--format", "json"]
    answer = json.loads(CliRunner().invoke(cli, arguments, standalone_mode=False).stdout)
    for side in ("a", "b"):
        lines = answer[side]["sales"]
        for vendor, figures in answer["vendors"].items():
            mine = sum(s["chips"] for s in lines if s["vendor"] == vendor)
            assert figures["chips"][side] == pytest.approx(mine, abs=1e-6)
        done = sum(s["jobs"] for s in lines)
        assert answer["price_of_rule"]["jobs"][side] == pytest.approx(done)
        asked = sum(b["copies"] for b in answer["demand"])
        assert done + answer["unmet"]["labs"]["jobs"][side] == pytest.approx(asked)


@pytest.mark.long
@pytest.mark.parametrize("name", ["world-2025", "world-2026"])
def test_the_shipped_worlds(name: str) -> None:
    arguments = ["market", name, "--scenario", "h20-barred", "--draws", "200", "--format", "json"]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    answer = json.loads(done.stdout)
    assert answer["assumed"]
    assert answer["vendors"]
