"""The simulate command: files beside the answer, the same bytes, bad lines, Ctrl-C."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tokenworks.app.cli import run

ROOT = Path(__file__).resolve().parents[2]
REQUEST = """
make:
  serve: {model: llama-3.1-70b, requests_per_second: 20, input: 1000, output: 200, ttft_p99: 2 s, tpot_p99: 60 ms}
where: TW
when: 2025-05
limits: {chips: [h100]}
"""
COMMAND = [sys.executable, "-c", "import sys; from tokenworks.app.cli import main; sys.exit(main())"]


@pytest.fixture(scope="module")
def quote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quote")
    (folder / "request.yaml").write_text(REQUEST)
    done = subprocess.run(
        [*COMMAND, "quote", str(folder / "request.yaml"), "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    (folder / "quote.json").write_text(done.stdout)
    return folder / "quote.json"


def test_files_are_written_and_read_back(quote: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load = ["--rate", "10", "--input", "500", "--output", "50", "--requests", "300", "--format", "json"]
    made = []
    for k in range(2):
        names = [tmp_path / f"{k}.csv", tmp_path / f"{k}.json", tmp_path / f"{k}.svg"]
        files = ["--csv", str(names[0]), "--chrome-trace", str(names[1]), "--plot", str(names[2])]
        assert run(["simulate", str(quote), *load, *files]) == 0
        made.append([capsys.readouterr().out, *(n.read_text() for n in names)])
    assert made[0] == made[1]  # the same bytes
    answer = json.loads(made[0][0])
    jsonschema.validate(answer, json.loads((ROOT / "src/tokenworks/app/schemas/simulation.json").read_text()))
    rows = list(csv.DictReader(made[0][1].splitlines()))
    assert len(rows) == answer["requests"]["finished"] == 300
    events = json.loads(made[0][2])["traceEvents"]
    by_request = {e["tid"]: e for e in events if e["name"] == "first token"}
    waits = [float(r["first_token_s"]) - float(r["arrival_s"]) for r in rows]
    assert [by_request[int(r["request"])]["dur"] / 1e6 for r in rows] == pytest.approx(waits)
    assert sum(waits) / 300 == pytest.approx(answer["ttft_s"]["mean"])
    assert "<polyline" in made[0][3]
    energy = answer["energy_j"]
    assert 0 < energy["low"] < energy["value"] < energy["high"]


def test_failures_and_scaling_lose_nothing(quote: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load = ["--rate", "10", "--input", "500", "--output", "50", "--requests", "300", "--format", "json"]
    assert run(["simulate", str(quote), *load, "--failures", "10", "2", "--router", "prefix"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["counts"]["failures"] > 0
    assert answer["requests"]["finished"] == 300
    assert run(["simulate", str(quote), *load, "--router", "dice"]) == 2


def test_bad_lines_are_named_and_strict_stops(quote: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("0,10,5\nnonsense\n1,10,5\n")
    assert run(["simulate", str(quote), "--trace", str(trace), "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["requests"]["bad_lines"] == 1
    assert answer["bad"][0]["line"] == 2
    assert run(["simulate", str(quote), "--trace", str(trace), "--strict"]) == 2
    assert "trace:2" in capsys.readouterr().err


def test_a_servegen_client_is_drawn(quote: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rates by window and histograms by window, in the files that ServeGen publishes; bad windows are counted."""
    rates, lengths = tmp_path / "rates.csv", tmp_path / "lengths.json"
    rates.write_text("0,2.0,1.0,Gamma,1,0.5\nnonsense\n100,0,0,,0,0\n")
    lengths.write_text(json.dumps({"0": {"input_tokens": "{50: 0.25, 100: 0.75}", "output_tokens": "{7: 1.0}"}}))
    table = tmp_path / "requests.csv"
    asked = ["simulate", str(quote), "--trace", str(rates), "--lengths", str(lengths), "--format", "json"]
    assert run([*asked, "--csv", str(table)]) == 0
    answer = json.loads(capsys.readouterr().out)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == answer["requests"]["finished"] == pytest.approx(200, abs=60)  # four standard deviations
    assert {r["output_tokens"] for r in rows} == {"7"}
    assert {r["input_tokens"] for r in rows} == {"50", "100"}
    assert (answer["requests"]["bad_lines"], answer["bad"][0]["line"]) == (1, 2)
    assert run([*asked, "--strict"]) == 2
    assert run(["simulate", str(quote), "--lengths", str(lengths)]) == 2
    for wrong in ("[1]", '{"x": {"input_tokens": "{1: 1}", "output_tokens": "{1: 1}"}}', '{"0": 3}'):
        lengths.write_text(wrong)
        assert run(asked) == 2, wrong


def test_an_interrupt_leaves_a_valid_partial_answer(quote: Path, tmp_path: Path) -> None:
    load = ["--rate", "10", "--input", "500", "--output", "50", "--requests", "900000000", "--format", "json"]
    trace = tmp_path / "trace.json"
    with subprocess.Popen(
        [*COMMAND, "simulate", str(quote), *load, "--chrome-trace", str(trace)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert "s left" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    answer = json.loads(out)
    assert answer["partial"] is True
    assert 0 < answer["requests"]["finished"] < 900_000_000
    assert len(json.loads(trace.read_text())["traceEvents"]) > 0
