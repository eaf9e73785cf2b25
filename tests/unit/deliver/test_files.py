"""Launch files say what the plan says; spreadsheets never run; a folder is written whole or not at all."""

from __future__ import annotations

import copy
import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks import files, workload
from tokenworks.catalog import Catalog
from tokenworks.deliver import bill_law, launch, sheets
from tokenworks.deliver.network import svg
from tokenworks.errors import BadRequest, Defect
from tokenworks.language import Translator
from tokenworks.records import Quote
from tokenworks.workload import Architecture

SAY = Translator("en")


@pytest.fixture(scope="module")
def design(examples: dict[str, Quote]) -> dict[str, Any]:
    return copy.deepcopy(dict(examples["train-deepseek-v3-in-abu-dhabi"].content["designs"][0]))


@pytest.fixture(scope="module")
def deepseek(facts: Catalog) -> Architecture:
    return workload.read(facts.models["deepseek-v3"].config, "deepseek-v3")


@pytest.mark.parametrize("framework", ["megatron-lm", "mindspeed", "neuronx", "maxtext"])
def test_training_files_carry_chips_and_degrees(framework: str, design: dict[str, Any], deepseek: Architecture) -> None:
    split = {**design["parallelism"], "tp": 2, "pp": 8, "vpp": 4, "cp": 1, "ep": 8, "dp": 16, "zero": 1}
    if framework == "maxtext":
        split["vpp"] = 1
    changed = {**design, "framework": framework, "chips": 256, "nodes": 32, "chips_per_node": 8, "parallelism": split}
    ((name, content),) = launch.files(changed, deepseek).items()
    assert launch.read_back(name, content)["chips"] == 256
    assert launch.read_back(name, content)["tp"] == 2


def test_uneven_stages_are_spelt_out_and_keep_every_layer(design: dict[str, Any], deepseek: Architecture) -> None:
    split = {**design["parallelism"], "tp": 1, "pp": 8, "vpp": 4, "cp": 1, "ep": 8, "dp": 32, "zero": 1}
    changed = {**design, "framework": "megatron-lm", "chips": 256, "nodes": 32, "parallelism": split}
    content = launch.files(changed, deepseek)["train.sh"]
    layout = content.split("--pipeline-model-parallel-layout ")[1].split()[0].strip("'")
    stages = layout.split("|")
    assert len(stages) == 32
    assert layout.count("t") == 61
    assert (stages[0][0], stages[-1][-2:]) == ("E", "mL")
    assert "--num-virtual-stages-per-pipeline-rank" not in content


def test_a_file_that_says_something_else_is_a_defect(design: dict[str, Any], deepseek: Architecture) -> None:
    with pytest.raises(Defect, match="the plan"):
        launch.files({**design, "framework": "megatron-lm", "nodes": design["nodes"] + 1}, deepseek)


def test_the_serving_line_divides_the_batch_over_its_engines(examples: dict[str, Quote], facts: Catalog) -> None:
    designs = examples["serve-deepseek-r1-in-taipei"].content["designs"]
    serving = next(d for d in designs if d["pools"] is None)
    arch = workload.read(facts.models["deepseek-r1"].config, "deepseek-r1")
    content = launch.files(serving, arch)["serve.sh"]
    slots = int(content.split("--max-num-seqs ")[1].split()[0])
    assert slots * serving["parallelism"]["dp"] >= serving["job"]["batch"]
    assert (slots - 1) * serving["parallelism"]["dp"] < serving["job"]["batch"]


def test_separate_pools_have_a_line_for_each_pool(examples: dict[str, Quote], facts: Catalog) -> None:
    serving = next(d for d in examples["serve-deepseek-r1-in-taipei"].content["designs"] if d["pools"])
    made = launch.files(serving, workload.read(facts.models["deepseek-r1"].config, "deepseek-r1"))
    assert set(made) == {"serve-prefill.sh", "serve-decode.sh"}
    for role, pool in serving["pools"].items():
        said = launch.read_back("serve.sh", made[f"serve-{role}.sh"])
        assert [said[k] for k in ("tp", "pp", "dp")] == [pool[k] for k in ("tp", "pp", "dp")]
        assert said["chips"] * pool["replicas"] == pool["chips"]
        assert ("--speculative-config" in made[f"serve-{role}.sh"]) == (role == "decode" and serving["draft"] > 0)


@settings(deadline=None)
@given(st.sampled_from(["=", "+", "-", "@", "\t", "\r", "\0"]), st.text(alphabet="ABC()1'\"|!", max_size=20))
def test_no_text_becomes_a_formula(start: str, rest: str) -> None:
    line = {"item": start + rest, "quantity": 1, "unit_price_usd": -5.0, "low": None, "high": None,
            "source": start + rest, "assumed": False,
            "law": {"part": "equipment", "standing": "apart", "verdict": "unknown", "review_policy": None,
                    "exception": None, "eccn": None, "citations": [start + rest]}}  # fmt: skip
    bill = {"bill": [line]}
    for row in sheets.rows(bill, SAY):
        assert not any(isinstance(cell, str) and cell.startswith(sheets.DANGEROUS) for cell in row)
    if start not in "\0\r":
        book = openpyxl.load_workbook(io.BytesIO(sheets.as_xlsx(bill, SAY)))
        cells = [cell for row in book.active.iter_rows() for cell in row]
        assert all(cell.data_type != "f" for cell in cells)
        assert book.active["C2"].value == -5.0


def test_each_line_of_the_bill_says_what_the_law_says_of_it(design: dict[str, Any]) -> None:
    """In the workbook, in the CSV, and in few lines of the text: chip, server, memory, the rest."""
    answers = [bill_law.said(line, SAY) for line in design["bill"]]
    assert [bool(a) for a in answers] == [line["law"] is not None for line in design["bill"]]
    book = openpyxl.load_workbook(io.BytesIO(sheets.as_xlsx(design, SAY))).active
    assert book["I1"].value == "law"
    assert [book.cell(2 + n, 9).value or "" for n in range(len(answers))] == answers
    table = next(csv.DictReader(io.StringIO(sheets.as_csv(design, SAY))))
    assert table["law"] == answers[0]
    assert table["citation"].split("; ") == [x for c in design["bill"][0]["law"]["citations"] for x in c.split("; ")]
    few = bill_law.rows(design, SAY)
    assert {row[0] for row in few} == {"server", "chip", "memory in the chip's package", "equipment without an AI chip"}
    assert len(few) < len(design["bill"]) + 2
    switches = [line["item"] for line in design["bill"] if (line["law"] or {}).get("part") == "equipment"]
    assert switches
    assert ", ".join(dict.fromkeys(switches)) in {row[1] for row in few}
    assert answers[0] in {row[3] for row in few}


def test_the_drawing_is_a_picture_with_a_name(design: dict[str, Any]) -> None:
    hostile = {**design, "chip_name": "<script>&\"'"}
    root = ET.fromstring(svg(hostile, SAY))
    assert root.tag.endswith("svg")
    assert "<script>" in "".join(root.itertext())
    assert not root.findall(".//{http://www.w3.org/2000/svg}script")


def test_a_folder_is_replaced_whole_and_nothing_else_in_it(tmp_path: Path) -> None:
    target = tmp_path / "out"
    files.write_folder(target, {"a.txt": "1", "launch/x/run.sh": "1"})
    (target / "mine.txt").write_text("mine")
    files.write_folder(target, {"a.txt": "2", "launch/y/run.sh": "2"})
    found = sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file())
    assert found == ["a.txt", "launch/y/run.sh", "mine.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_is_in_the_way_stops_everything(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "launch").write_text("a file")
    with pytest.raises(BadRequest, match="launch"):
        files.write_folder(target, {"a.txt": "1", "launch/x/run.sh": "1"})
    assert [p.name for p in target.iterdir()] == ["launch"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
