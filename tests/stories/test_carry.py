"""The product that carries the model: what a car's or a board's chip holds, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from tokenworks.app.cli import cli, run
from tokenworks.quote.carry import layers, shallower
from tokenworks.records import World
from tokenworks.workload import parameters, read

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "src" / "tokenworks" / "app" / "schemas" / "carry.json").read_text())
DAY = ("--on", "2026-06-01")


def asked(*arguments: str) -> dict[str, dict]:
    done = CliRunner().invoke(cli, ["carry", *arguments, *DAY, "--format", "json"], standalone_mode=False)
    assert done.exception is None, done.exception
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, SCHEMA)
    return {r["chip"]: r for r in answer["chips"]}


def test_all_chips_of_cars_and_boards_are_judged_or_named_with_what_is_missing() -> None:
    rows = asked("alpamayo-r1-10b", "--rate", "10 Hz")
    assert {"nvidia-drive-orin", "nvidia-drive-thor", "tesla-ai4", "horizon-j6p", "nvidia-jetson-agx-orin-64",
            "huawei-ascend-310p"} <= set(rows)  # fmt: skip
    for row in rows.values():
        assert bool(row["tried"]) is not bool(row["missing"])
        assert row["holds"] == "unknown" or row["rate_at_most"] is not None


def test_what_must_shrink_holds_the_rate_and_no_more_is_taken_away_than_needed() -> None:
    row = asked("alpamayo-r1-10b", "--rate", "10 Hz", "--chip", "drive-thor")["nvidia-drive-thor"]
    small = row["smaller"]
    assert (row["holds"], small["rate"] >= 10) == ("no", True)
    assert 0 < small["layers"] < small["of_layers"]
    assert row["rate_at_most"] < 10
    assert all(t["fits"] for t in row["tried"])  # ten billion parameters and 64 GB
    slower = asked("alpamayo-r1-10b", "--rate", f"{small['rate'] * 1.001}", "--chip", "drive-thor")
    assert slower["nvidia-drive-thor"]["smaller"]["layers"] < small["layers"]  # one more layer would not have held it


def test_a_rate_that_a_quantised_copy_holds_needs_no_smaller_model() -> None:
    row = asked("qwen3-vl-2b", "--rate", "10 Hz", "--chip", "drive-thor")["nvidia-drive-thor"]
    assert (row["holds"], row["smaller"]) == ("yes", None)
    held = [t["precision"] for t in row["tried"] if t["holds"]]
    assert row["tried"][0]["precision"] not in held


def test_a_chip_with_facts_missing_is_refused_only_by_a_bound() -> None:
    fast, slow = (asked("qwen3-vl-2b", "--rate", r, "--chip", "tesla-ai4")["tesla-ai4"] for r in ("1000 Hz", "1 Hz"))
    assert (fast["holds"], slow["holds"]) == ("no", "unknown")
    assert fast["rate_at_most"] == slow["rate_at_most"] < 1000


def test_power_is_a_limit() -> None:
    arguments = ("qwen3-vl-2b", "--rate", "1 Hz", "--chip", "drive-thor", "--power")
    assert asked(*arguments, "130 W")["nvidia-drive-thor"]["holds"] == "yes"
    assert asked(*arguments, "129 W")["nvidia-drive-thor"]["holds"] == "no"


def test_fewer_layers_in_proportion(world: World) -> None:
    whole = read(world.models["qwen3.5-27b"].config, "qwen3.5-27b")
    half = shallower(whole, layers(whole) // 2)
    assert layers(half) == layers(whole) // 2
    assert parameters(half).total < parameters(whole).total
    assert [layer for layer, _ in half.layers] == [layer for layer, _ in whole.layers]


@pytest.mark.parametrize(
    ("language", "word"), [("en", "The product that carries the model"), ("zh-Hant", "承載模型的產品")]
)
def test_in_words(language: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["carry", "qwen3-vl-2b", *DAY, "--rate", "10 Hz", "--chip", "drive-thor", "--lang", language]) == 0
    assert word in " ".join(capsys.readouterr().out.split())


def test_exit_codes() -> None:
    assert run(["carry", "qwen3-vl-2b", *DAY, "--rate", "fast"]) == 2
    assert run(["carry", "qwen3-vl-2b", *DAY, "--rate", "1 Hz", "--input", "0"]) == 2
    assert run(["carry", "qwen3-vl-2b", *DAY, "--rate", "1 Hz", "--chip", "no-such-chip"]) == 4
