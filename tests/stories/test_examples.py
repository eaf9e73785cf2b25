"""One story an example, end to end: what a reader would check first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from rich.cells import cell_len

from tokenworks import catalog, deliver, files
from tokenworks.app.cli import run
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest
from tokenworks.language import Translator
from tokenworks.quote import quote, read_request
from tokenworks.quote.explain import encoded, explain
from tokenworks.quote.flow import architectures
from tokenworks.records import Quote

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(p.stem for p in (ROOT / "examples").glob("*.yaml"))
SCHEMA = json.loads((ROOT / "src/tokenworks/app/schemas/quote.json").read_text())
ABU_DHABI, SHENZHEN = "train-deepseek-v3-in-abu-dhabi", "train-qwen-in-shenzhen"
TAIPEI, US, CAR = "serve-deepseek-r1-in-taipei", "spend-500-billion-in-the-us", "drive-model-on-a-car-chip"


def numbers(node: Any, pointer: str = "") -> Iterator[str]:
    """The pointers of every number in an answer; its text shows no other."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers(value, f"{pointer}/{encoded(key)}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from numbers(value, f"{pointer}/{i}")
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield pointer


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_answered_in_the_documented_form(name: str, examples: dict[str, Quote]) -> None:
    content = examples[name].content
    jsonschema.validate(content, SCHEMA)
    files.dump_json(content)
    assert content["designs"]
    assert content["infeasible"] is None


@pytest.mark.parametrize("name", EXAMPLES)
def test_chips_money_and_memory_add_up(name: str, examples: dict[str, Quote]) -> None:
    for d in examples[name].content["designs"]:
        p = d["parallelism"]
        used = d["replicas"] * p["tp"] * p["pp"] * p["cp"] * p["dp"]
        if d.get("pools"):
            assert used == d["pools"]["decode"]["chips"]
            used += d["pools"]["prefill"]["chips"]
        assert used <= d["chips"] < used + d["chips_per_node"]
        assert d["memory"]["total"] <= d["memory"]["usable"]
        cost = d["cost"]
        if cost["acquire"] == "buy" and cost["total_usd"] is not None:
            parts = cost["parts"]
            bought = sum(parts[k] for k in ("servers_usd", "network_usd", "storage_usd", "building_usd"))
            spent = sum(parts[k] for k in ("depreciation_usd", "capital_charge_usd", "energy_usd", "operation_usd"))
            assert cost["capital_usd"] == pytest.approx(bought)
            assert cost["total_usd"] == pytest.approx(spent)
            billed = sum(line["quantity"] * line["unit_price_usd"] for line in d["bill"])
            assert billed == pytest.approx(cost["capital_usd"], rel=1e-3)
        if d["make"] == "train":
            step = d["predicted"]["step_time_s"]
            assert step["limits"]["floor"] <= step["value"] <= step["limits"]["ceiling"] * (1 + 1e-9)
            assert sum(d["time_parts"].values()) == pytest.approx(step["value"], rel=1e-6)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_figure_of_a_design_can_be_explained(name: str, examples: dict[str, Quote]) -> None:
    content = examples[name].content
    asked = list(numbers(content["designs"][0], "/designs/0")) + list(numbers(content["facts"], "/facts"))[:40]
    assert len(asked) > 40
    for pointer in asked:
        answer = explain(content, pointer)
        assert answer["formula"]
        assert answer["meaning"]
    total = explain(content, "/designs/0/cost/total_usd")
    assert total["inputs"] or content["designs"][0]["cost"]["total_usd"] is None
    with pytest.raises(BadRequest, match="there is"):
        explain(content, "/designs/0/cost/tutal_usd")


def test_abu_dhabi_offers_several_vendors_and_says_which_need_a_licence(examples: dict[str, Quote]) -> None:
    designs = examples[ABU_DHABI].content["designs"]
    assert len({d["chip"] for d in designs}) >= 3
    assert len({d["vendor"] for d in designs}) >= 2
    needing = [d for d in designs if d["law"]["standing"] == "licence"]
    assert needing
    for d in needing:
        line = next(x for x in d["law"]["lines"] if x["licence"] == "required")
        assert line["review_policy"] == "presumption_of_approval"
        assert line["reasons"]
        assert line["citations"]
    order = [("lawful", "licence").index(d["law"]["standing"]) for d in designs]
    assert order == sorted(order)
    for d in designs:
        assert d["predicted"]["time_s"]["value"] <= 60 * 86400
        assert d["power_w"] <= 50e6
        assert d["cost"]["capital_usd"] <= 2e9


def test_shenzhen_after_the_letter_has_no_h20(examples: dict[str, Quote], facts: Catalog) -> None:
    content = examples[SHENZHEN].content
    barred = {b["chip"]: b for b in content["barred"]}
    assert any("8-K 2025-04-15" in c for c in barred["nvidia-h20"]["citations"])
    assert "nvidia-h20" not in {d["chip"] for d in content["designs"]}
    assert any(d["vendor"] == "Huawei" for d in content["designs"])
    before = {**content["request"], "when": "2025-04-08"}
    request = read_request(before)
    chips = {d["chip"] for d in quote(request, catalog.world(facts, request.when)).content["designs"]}
    assert "nvidia-h20" in chips


def test_taipei_holds_its_service_level_and_leaves_ascend_out(examples: dict[str, Quote]) -> None:
    content = examples[TAIPEI].content
    for d in content["designs"]:
        assert d["predicted"]["ttft_s"]["value"] <= 2.0
        assert d["predicted"]["tpot_s"]["value"] <= 0.05
        assert d["predicted"]["tokens_per_s"]["value"] == pytest.approx(50 * 1000)
    assert "huawei-ascend-910c" in {b["chip"] for b in content["barred"]}
    best = next(d for d in content["designs"] if d["id"] == content["best"]["serve"])
    assert best["simulated"]["holds"]
    assert best["simulated"]["tpot_s"]["p99"] <= 0.05 * 1.05


def test_half_a_trillion_is_spent_on_the_most_tokens(examples: dict[str, Quote]) -> None:
    designs = examples[US].content["designs"]
    rates = [d["predicted"]["tokens_per_s"]["value"] for d in designs]
    assert rates[0] == max(rates)
    spent = designs[0]["cost"]["capital_usd"]
    assert 0.9 * 500e9 < spent <= 500e9


def test_a_car_chip_holds_ten_decisions_a_second(examples: dict[str, Quote], facts: Catalog) -> None:
    content = examples[CAR].content
    assert content["designs"][0]["predicted"]["period_s"]["value"] <= 0.1
    asked = {
        **content["request"],
        "make": {"run_on": {**content["request"]["make"]["run_on"], "model": "alpamayo-r1-10b"}},
    }
    request = read_request(asked)
    large = quote(request, catalog.world(facts, request.when)).content
    assert not large["designs"]
    assert large["infeasible"]["nearest"]["change"] == "make.run_on.rate"
    held = large["infeasible"]["nearest"]["value"]
    asked["make"]["run_on"]["rate"] = held * 0.999
    assert quote(read_request(asked), catalog.world(facts, request.when)).content["designs"]


@pytest.mark.parametrize(("limit", "value"), [("power", 1e5), ("budget", 1e6)])
def test_nothing_feasible_names_what_binds_and_the_nearest_change(
    limit: str, value: float, examples: dict[str, Quote], facts: Catalog
) -> None:
    asked = {**examples[SHENZHEN].content["request"], "limits": {limit: value}, "acquire": "buy"}
    request = read_request(asked)
    world = catalog.world(facts, request.when)
    nothing = quote(request, world).content["infeasible"]
    assert nothing["binding"]["limit"]
    if nothing["nearest"]["change"] == f"limits.{limit}":
        asked["limits"] = {limit: nothing["nearest"]["value"] * 1.0001}
        assert quote(read_request(asked), world).content["designs"]


def test_the_same_question_has_the_same_answer(examples: dict[str, Quote], facts: Catalog) -> None:
    content = examples[SHENZHEN].content
    request = read_request(content["request"])
    again = quote(request, catalog.world(facts, request.when)).content
    assert files.dump_json(again) == files.dump_json(content)


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_files_are_made_and_read_back(
    name: str, language: str, examples: dict[str, Quote], facts: Catalog, tmp_path: Path
) -> None:
    content = examples[name].content
    world = catalog.world(facts, read_request(content["request"]).when)
    written = deliver.write(content, tmp_path, Translator(language), architectures(content, world))
    names = {p.name for p in written}
    assert {"quote.json", "bom.csv", "bom.xlsx", "network.svg", "report.html", "report.md"} <= names
    assert json.loads((tmp_path / "quote.json").read_text()) == json.loads(files.dump_json(content))
    for path in tmp_path.glob("launch/*/*"):
        text = path.read_text()
        assert yaml.safe_load(text) if path.suffix in (".yml", ".yaml") else text.startswith("#!/usr/bin/env bash")
    report = (tmp_path / "report.html").read_text()
    assert "<script" not in report


def test_the_command_line_answers_with_the_same_numbers(
    examples: dict[str, Quote], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(ROOT / "examples" / f"{SHENZHEN}.yaml")
    assert run(["quote", path, "--format", "json", "-o", str(tmp_path)]) == 0
    said = json.loads(capsys.readouterr().out)
    said.pop("seconds")
    assert said == json.loads(files.dump_json(examples[SHENZHEN].content))
    assert run(["explain", str(tmp_path / "quote.json"), "/designs/0/power_w"]) == 0
    assert "PUE" in capsys.readouterr().out
    assert run(["quote", path, "--stats"]) == 0
    assert "does not fit into memory" in capsys.readouterr().out


def test_requests_flow_through_a_design(
    examples: dict[str, Quote], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "quote.json"
    path.write_text(files.dump_json(examples[TAIPEI].content))
    load = ["--rate", "20", "--input", "2000", "--output", "100", "--requests", "300", "--format", "json"]
    assert run(["simulate", str(path), *load]) == 0
    first = capsys.readouterr().out
    answer = json.loads(first)
    jsonschema.validate(answer, json.loads((ROOT / "src/tokenworks/app/schemas/simulation.json").read_text()))
    assert answer["requests"]["finished"] == 300
    assert run(["simulate", str(path), *load]) == 0
    assert capsys.readouterr().out == first


def test_a_product_stands_in_no_hall(examples: dict[str, Quote]) -> None:
    content = examples[CAR].content
    car = content["designs"][0]
    assert car["racks"] == 0
    assert car["power_w"] == car["it_power_w"] == pytest.approx(130)  # its chip's alone: no cooling plant, no storage
    assert {content["facts"]["sites/JP/pue"]["value"], content["facts"]["sites/JP/building_cost"]["value"]} == {
        0.0,
        1.0,
    }
    assert car["bill"][0]["item"] == car["system_name"]


def test_a_pod_of_sixteen_racks_is_counted_as_such(examples: dict[str, Quote]) -> None:
    pods = [d for d in examples[SHENZHEN].content["designs"] if d["system"] == "cloudmatrix-384"]
    assert pods
    assert all(d["racks"] == 16 * d["units"] for d in pods)


def test_every_barred_chip_is_shown_with_its_own_figures(examples: dict[str, Quote], facts: Catalog) -> None:
    barred = {b["chip"]: b["reasons"][0]["values"] for b in examples[SHENZHEN].content["barred"]}
    assert barred["amd-mi300x"]["tpp"] == "20919"
    assert barred["nvidia-a100-sxm-80"]["density"] == "6.04"
    assert barred["intel-gaudi3"]["density"] == "?"  # its die area is not published: never zero


def test_what_a_country_s_grid_would_notice_is_said(examples: dict[str, Quote]) -> None:
    said = [w["template"] for w in examples[US].content["designs"][0]["warnings"]]
    assert any("mean electric power" in s for s in said)
    assert not any("mean electric power" in w["template"] for w in examples[CAR].content["designs"][0]["warnings"])


def test_a_withdrawn_chip_is_offered_only_by_name(facts: Catalog) -> None:
    asked = yaml.safe_load((ROOT / "examples" / f"{ABU_DHABI}.yaml").read_text())
    del asked["limits"]["power"]
    named = {**asked, "limits": {**asked["limits"], "chips": ["b100"]}}
    request = read_request(named)
    assert {d["chip"] for d in quote(request, catalog.world(facts, request.when)).content["designs"]} == {"nvidia-b100"}


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("columns", ["80", "100", "160"])
def test_text_fits_the_terminal(
    columns: str, language: str, examples: dict[str, Quote], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for name, found in examples.items():
        said = deliver.text(found.content, Translator(language))
        assert max(cell_len(line) for line in said.splitlines()) <= int(columns), name
        assert found.content["designs"][0]["chip_name"].split()[0] in said


@pytest.mark.parametrize(("page", "language"), [("README.md", "en"), ("README.zh-Hant.md", "zh-Hant")])
def test_the_readme_begins_as_the_quote_does(
    examples: dict[str, Quote], page: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    shown = re.search(r"^```\n(Tokenworks\n.*?)\n\.\.\.\n```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)
    assert shown is not None
    said = deliver.text(examples[ABU_DHABI].content, Translator(language))
    assert [line.rstrip() for line in said.splitlines()[:12]] == shown[1].splitlines()
