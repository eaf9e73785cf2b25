"""The other commands, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tokenworks.app.cli import run

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "src" / "tokenworks" / "app" / "schemas"

RUNS = [
    {
        "id": "llama", "framework": "Megatron-LM", "hardware": {"chip": "H100-SXM5-80GB", "n_chips": 64},
        "model": {"name": "m", "layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 8, "ffn": 14336, "vocab": 128256,
                  "gated_mlp": True},
        "seq_len": 8192, "global_batch_seqs": 128, "parallelism": {"tp": 2, "pp": 1, "dp": 32}, "precision": "bf16",
    },
    {
        "id": "r1", "hardware": {"chip": "H200", "n_chips": 8}, "engine": "vllm", "model": "deepseek-ai/DeepSeek-R1",
        "weight_precision": "fp8", "isl": 1024, "osl": 512, "parallelism": {"tp": 8},
        "load": {"kind": "concurrency", "value": 16},
    },
    {"id": "odd", "hardware": {"chip": "B999"}, "model": "nobody/knows", "load": {"kind": "batch", "value": 1}},
    {"id": "bad", "hardware": 7, "model": None},
    5,
]  # fmt: skip


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str], kind: str) -> Any:
    assert run([*arguments, "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    jsonschema.validate(said, json.loads((SCHEMAS / f"{kind}.json").read_text()))
    return said


@pytest.mark.parametrize("form", ["list", "records", "lines"])
def test_predict_takes_every_form_and_stops_for_nothing(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ("runs.jsonl" if form == "lines" else "runs.json")
    lines = "\n".join(json.dumps(r) for r in RUNS)
    whole = {"records": RUNS} if form == "records" else RUNS
    path.write_text(lines + "\n{broken\n" if form == "lines" else json.dumps(whole))
    found = answer(["predict", str(path)], capsys, "predictions")["predictions"]
    assert [p["id"] for p in found[:4]] == ["llama", "r1", "odd", "bad"]
    assert len(found) == (6 if form == "lines" else 5)
    assert found[0]["metrics"]["tokens_per_s_per_chip"]["value"] > 1000
    assert found[0]["fits"] is True
    assert {"output_tokens_per_s_per_chip", "ttft_ms", "tpot_ms"} <= set(found[1]["metrics"])
    assert all(p["error"] for p in found[2:])


def test_law_check_is_a_memo_and_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    shipment = ["law", "check", "--chip", "H100", "--to", "MY", "--on", "2024-03-01", "--buyer-hq", "CN"]
    found = answer(shipment, capsys, "verdict")
    assert (found["licence"], found["review_policy"]) == ("required", "presumption_of_denial")
    assert run(shipment) == 0
    said = capsys.readouterr().out
    assert "88 FR 73458" in said
    assert "Not legal advice" in said


def test_law_cases_timeline_grid_and_diff(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(["law", "cases", str(ROOT / "tests/cases/law/cases.yaml")], capsys, "verdicts")
    assert len(found["verdicts"]) == 79
    for command in (
        ["law", "timeline", "--chip", "H20", "--to", "CN"],
        ["law", "grid", "--on", "2024-06-01"],
        ["law", "diff", "--on", "2023-10-01", "--on", "2023-12-01"],
    ):
        assert run([*command, "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["schema"].startswith("tokenworks/")
        assert run(command) == 0
        capsys.readouterr()


def test_fabric_model_and_catalog(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(["fabric", "--topology", "rail-fat-tree", "--chips", "1016"], capsys, "fabric")
    assert found["switches"] == {"leaf": 32, "spine": 16}
    shown = answer(["model", "show", "deepseek-v3"], capsys, "model")
    assert shown["parameters"]["total"] == pytest.approx(671.026e9, rel=0.005)
    assert run(["catalog", "list", "chips"]) == 0
    assert "nvidia-h100-sxm" in capsys.readouterr().out
    assert run(["catalog", "show", "h100"]) == 0
    assert "epoch.ai" in capsys.readouterr().out


def test_every_schema_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    for kind in capsys.readouterr().out.split():
        assert run(["schema", kind]) == 0
        jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["whatif", "x"], 2), (["market"], 2), (["web", "--port", "0x"], 2),
        (["law", "lists", "import", "x"], 2), (["nonsense"], 2),
        (["quote", "no-such-file.yaml"], 2), (["predict", "no-such-file"], 2), (["catalog", "show", "zzzz"], 4),
        (["law", "check", "--chip", "H100", "--to", "QQ", "--on", "2024-01-01"], 4),
        (["law", "check", "--chip", "H100", "--to", "CN", "--on", "yesterday"], 2),
        (["law", "check", "--chip", "H100", "--to", "CN", "--on", "2024-01-01", "--use", "supercomputers"], 2),
        (["law", "check", "--chip", "H100", "--to", "CN", "--on", "2024-01-01", "--exporter", "Nvidai"], 2),
        (["law", "timeline", "--chip", "H20", "--to", "CN", "--exporter", "NVIDA"], 2),
        (["law", "check", "--chip", "ascend-950", "--to", "CN", "--on", "2026-06-01"], 4),
        (["fabric", "--topology", "web", "--chips", "8"], 2), (["fabric", "--topology", "torus", "--chips", "0"], 2),
        (["model", "show", "gemma-4-31b", "--sequence", "0"], 2), (["schema", "nothing"], 2),
        (["catalog", "list", "cars"], 2),
        (["quote", "x", "--format", "xml"], 2), (["quote", "x", "--lang", "fr"], 2),
    ],
)  # fmt: skip
def test_exit_codes(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == code
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.err.strip()


def test_errors_are_json_where_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["catalog", "show", "zzzz", "--format", "json"]) == 4
    said = json.loads(capsys.readouterr().err)
    jsonschema.validate(said, json.loads((SCHEMAS / "error.json").read_text()))


def test_a_closed_pipe_and_a_real_process() -> None:
    command = f"{Path(sys.executable).parent / 'tokenworks'} catalog list chips | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout
