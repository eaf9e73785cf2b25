"""The HTTP API: the numbers of the command line, jobs, cancel, the store, downloads."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from openpyxl import load_workbook
from web_server import CAR, SERVE, TRAIN

from tokenworks.app.cli import run


def command(*arguments: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the command line answers."""
    capsys.readouterr()
    run([*arguments, "--format", "json"])
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="session")
def trained(http: httpx.Client) -> Any:
    """A quote of a training run."""
    answer = http.post("/v1/quote", json=TRAIN)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="session")
def served(http: httpx.Client) -> Any:
    """A quote of a service."""
    answer = http.post("/v1/quote", json=SERVE)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("asked", [TRAIN, SERVE, CAR], ids=["train", "serve", "run on"])
def test_a_quote_has_the_numbers_of_the_command_line(
    asked: Any, http: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "request.json").write_text(json.dumps(asked))
    printed = command("quote", str(tmp_path / "request.json"), capsys=capsys)
    found = http.post("/v1/quote", json=asked).json()
    assert {k: v for k, v in found.items() if k != "seconds"} == {k: v for k, v in printed.items() if k != "seconds"}


PAIRS = [
    (["law", "check", "--chip", "h20", "--to", "CN", "--on", "2025-04-20"],
     "/v1/law/check?chip=h20&to=CN&on=2025-04-20"),
    (["law", "timeline", "--chip", "h20", "--to", "CN"], "/v1/law/timeline?chip=h20&to=CN"),
    (["fabric", "--topology", "dragonfly", "--chips", "4096"], "/v1/fabric?topology=dragonfly&chips=4096"),
    (["fabric", "--topology", "torus", "--chips", "4096", "--dims", "16x16x16"],
     "/v1/fabric?topology=torus&chips=4096&dims=16x16x16"),
    (["model", "show", "deepseek-v3", "--sequence", "8192"], "/v1/models/deepseek-v3?sequence=8192"),
    (["catalog", "list", "switches"], "/v1/catalog/switches"),
    (["catalog", "show", "h20"], "/v1/catalog/entry/h20"),
    (["schema", "quote"], "/v1/schemas/quote"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "path"), PAIRS, ids=[p[1] for p in PAIRS])
def test_other_answers_too(words: list[str], path: str, http: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    answer = http.get(path)
    assert answer.status_code == 200, answer.text
    if words[0] == "schema":
        capsys.readouterr()
        run(words)
        assert answer.json() == json.loads(capsys.readouterr().out)
    else:
        assert answer.json() == command(*words, capsys=capsys)


def test_the_grid_and_the_difference_can_be_of_some(http: httpx.Client) -> None:
    grid = http.get("/v1/law/grid?on=2025-04-20&chips=h20,nvidia-h100-sxm&to=CN,AE").json()
    assert {(c["chip"], c["to"]) for c in grid["cells"]} >= {("nvidia-h20", "CN"), ("nvidia-h100-sxm", "AE")}
    assert {c["to"] for c in grid["cells"]} == {"CN", "AE"}
    changed = http.get("/v1/law/diff?a=2025-04-01&b=2025-04-20&chips=h20&to=CN").json()["changed"]
    assert {(c["a"]["licence"], c["b"]["licence"]) for c in changed} == {("none", "required")}


def test_a_model_is_read_from_its_config(http: httpx.Client) -> None:
    known = http.get("/v1/models/llama-2-7b").json()
    config = {
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "intermediate_size": 11008, "vocab_size": 32000,
        "architectures": ["LlamaForCausalLM"], "tie_word_embeddings": False, "torch_dtype": "float16",
    }  # fmt: skip
    read = http.post("/v1/models/import", json={"config": config, "name": "mine"}).json()
    assert read["model"] == "mine"
    assert read["parameters"]["total"] == known["parameters"]["total"]


def test_predictions_come_in_order(http: httpx.Client) -> None:
    answer = http.post("/v1/predict", json=[{"id": "a"}, {"id": "b", "load": 3}])
    assert [p["id"] for p in answer.json()["predictions"]] == ["a", "b"]
    assert all(p["error"] for p in answer.json()["predictions"])


def test_a_kept_quote_is_the_same_for_ever(trained: Any, http: httpx.Client) -> None:
    again = http.get(f"/v1/quotes/{trained['id']}")
    assert again.json() == trained
    started = time.perf_counter()
    assert http.post("/v1/quote", json=TRAIN).json() == trained  # with its seconds: it was not computed again
    assert time.perf_counter() - started < 1.0


def test_a_kept_answer_is_sent_once(trained: Any, http: httpx.Client) -> None:
    first = http.get(f"/v1/quotes/{trained['id']}")
    tag = first.headers["etag"]
    again = http.get(f"/v1/quotes/{trained['id']}", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    for each in (first, again):  # nobody need ask again: the id is a hash of all that the answer comes from
        assert each.headers["cache-control"] == "private, max-age=31536000, immutable"
    other = http.get(f"/v1/quotes/{trained['id']}", headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)
    assert http.get("/v1/quotes/none-such", headers={"If-None-Match": "*"}).status_code == 404


def test_figures_of_two_worlds_and_of_a_market_are_explained(
    http: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the command explains them, of the answers that the server keeps and says where."""
    demand = {"source": "a test", "buyers": [{"name": "one", "copies": 3, "request": CAR}]}
    asked = {
        "whatif": ({"request": CAR, "scenarios": ["gpu-price-minus-30"]}, "/winner/run_on/b/value"),
        "market": ({"demand": demand, "scenarios": ["gpu-price-minus-30"], "draws": 20}, "/price_of_rule/jobs/b"),
    }
    for kind, (question, figure) in asked.items():
        answer = http.post(f"/v1/{kind}", json=question)
        where = answer.headers["content-location"]
        assert http.get(where).json() == answer.json()
        assert http.post(f"/v1/{kind}", json=question).headers["content-location"] == where
        told = http.post("/v1/explain", json={kind: where.split("/")[-1], "figure": figure})
        (tmp_path / "answer.json").write_text(answer.text)
        said = command("explain", str(tmp_path / "answer.json"), figure, capsys=capsys)
        assert told.json()["value"] == said["value"]
        assert told.json()["formula"] == said["formula"]
        assert http.post("/v1/explain", json={"quote": where.split("/")[-1], "figure": figure}).status_code == 404
    for wrong in ({"figure": "/a"}, {"quote": "a", "market": "b", "figure": "/a"}):
        assert http.post("/v1/explain", json=wrong).status_code == 422


def test_a_figure_is_explained(trained: Any, http: httpx.Client) -> None:
    asked = {"quote": trained["id"], "figure": "/designs/0/cost/total_usd"}
    english = http.post("/v1/explain", json=asked).json()
    assert english["value"] == trained["designs"][0]["cost"]["total_usd"]
    assert english["formula"]
    chinese = http.post("/v1/explain?lang=zh-Hant", json=asked).json()
    assert chinese["meaning"] != english["meaning"]
    assert chinese["value"] == english["value"]


def test_requests_flow_through_a_design(served: Any, http: httpx.Client) -> None:
    asked = {"quote": served["id"], "rate": 2.0, "input": 1000, "output": 100, "requests": 200}
    answer = http.post("/v1/simulate", json=asked).json()
    assert answer["requests"]["arrived"] == 200
    lines = "arrival,input,output\n" + "".join(f"{i},100,20\n" for i in range(20))
    traced = http.post("/v1/simulate", json={"quote": served["id"], "trace": lines})
    assert traced.status_code in (200, 422)
    assert "Traceback" not in traced.text


def test_files_are_attachments_and_hold_no_formula(trained: Any, http: httpx.Client) -> None:
    base = f"/v1/quotes/{trained['id']}/files"
    packed = http.get(f"{base}/all.zip")
    assert packed.headers["content-disposition"].startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(packed.content)) as folder:
        names = folder.namelist()
        assert {"quote.json", "report.html", "report.md", "bom.csv", "bom.xlsx", "network.svg"} <= set(names)
        kept = json.loads(folder.read("quote.json"))
    assert kept == {k: v for k, v in trained.items() if k != "seconds"}
    book = load_workbook(io.BytesIO(http.get(f"{base}/bom.xlsx").content))
    assert all(cell.data_type != "f" for row in book.active.iter_rows() for cell in row)
    page = http.get(f"{base}/report.html?lang=zh-Hant")
    assert "sandbox" in page.headers["content-security-policy"]
    assert http.get(f"{base}/../../etc/passwd").status_code in (404, 422)
    assert http.get(f"{base}/%2e%2e%2fquote.json").status_code in (404, 422)


def test_a_job_says_how_far_it_is_and_keeps_its_answer(http: httpx.Client) -> None:
    asked = {**TRAIN, "limits": {"chips": ["nvidia-h100-sxm"], "chips_max": 512}}
    taken = http.post("/v1/quote", json=asked, headers={"Prefer": "respond-async"})
    assert taken.status_code == 202
    where = taken.headers["location"]
    names = []
    with http.stream("GET", f"{where}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        names = [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: ")]
    assert names[-1] == "done"
    assert set(names[:-1]) <= {"progress"}
    assert http.get(f"{where}/result").json()["schema"] == "tokenworks/quote/1"
    assert http.get(where).json()["state"] == "done"


def test_the_same_question_is_worked_on_once_and_cancelled_by_the_last(http: httpx.Client) -> None:
    path, wait = "/v1/law/grid?on=2025-05-03", {"Prefer": "respond-async"}
    one, other = (http.get(path, headers=wait).headers["location"] for _ in range(2))
    assert one == other
    assert http.delete(one).json()["state"] in ("waiting", "running")
    assert http.delete(one).json()["state"] == "cancelled"


def test_a_job_can_be_cancelled_and_the_worker_lives_on(http: httpx.Client) -> None:
    taken = http.get("/v1/law/grid?on=2025-05-02", headers={"Prefer": "respond-async"})
    where = taken.headers["location"]
    while http.get(where).json()["state"] == "waiting":
        time.sleep(0.05)
    assert http.delete(where).json()["state"] == "cancelled"
    result = http.get(f"{where}/result")
    while result.status_code == 202:
        result = http.get(f"{where}/result")
    assert result.status_code == 409
    assert http.get("/v1/fabric?topology=fat-tree&chips=64").status_code == 200


def test_sentences_come_in_the_readers_language(http: httpx.Client) -> None:
    for wanted in ({"Accept-Language": "zh-TW"}, {}):
        path = "/v1/law/check?chip=h2000&to=CN&on=2025-04-20" + ("" if wanted else "&lang=zh-Hant")
        problem = http.get(path, headers=wanted)
        assert problem.status_code == 422
        assert problem.headers["content-type"].startswith("application/problem+json")
        assert "目錄中沒有" in problem.json()["detail"]
    messages = http.get("/v1/messages/zh-Hant").json()["messages"]
    assert messages["matrix products"]


def test_the_document_is_openapi_and_its_answers_hold(trained: Any, http: httpx.Client) -> None:
    document = http.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    schema = {"$ref": "#/components/schemas/quote", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(trained)


def test_metrics_and_health(http: httpx.Client) -> None:
    http.get("/v1/catalog/sites")
    health = http.get("/v1/health").json()
    assert health["ready"]
    assert len(health["catalog"]) == 16
    said = http.get("/v1/metrics").text
    assert 'tokenworks_requests_total{method="GET",status="200"}' in said
    assert "tokenworks_ready 1" in said


def test_two_worlds_and_why_not(http: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line's answers, and no file named by the web is read."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(CAR))
    names = [row["name"] for row in http.get("/v1/scenarios").json()["scenarios"]]
    assert "gpu-price-minus-30" in names
    asked = {"request": CAR, "scenarios": ["gpu-price-minus-30"]}
    told = http.post("/v1/whatif", json=asked).json()
    assert told == command("whatif", str(path), "--scenario", "gpu-price-minus-30", capsys=capsys)
    for wrong in ("/etc/passwd", "../secret.yaml"):
        assert http.post("/v1/whatif", json={**asked, "scenarios": [wrong]}).status_code == 422
    doubt = http.post("/v1/why-not", json={"request": TRAIN, "design": "tp=8"})
    path.write_text(json.dumps(TRAIN))
    assert doubt.json() == command("quote", str(path), "--why-not", "tp=8", capsys=capsys)


def test_market_over_http_is_that_of_the_command(
    http: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demand = {"source": "a test", "buyers": [{"name": "one", "copies": 3, "request": CAR}]}
    path = tmp_path / "demand.json"
    path.write_text(json.dumps(demand))
    asked = {"demand": demand, "scenarios": ["gpu-price-minus-30"], "draws": 20}
    told = http.post("/v1/market", json=asked)
    assert told.status_code == 200
    said = command("market", str(path), "--scenario", "gpu-price-minus-30", "--draws", "20", capsys=capsys)
    assert told.json() == said
    for wrong in ("/etc/passwd", "world-1999", 7, [], {"buyers": "none"}):
        refused = http.post("/v1/market", json={**asked, "demand": wrong})
        assert refused.status_code in (404, 422)
        assert refused.json()["field"].startswith("demand")
    for kind, question in (("market", asked), ("whatif", {"request": CAR, "scenarios": ["gpu-price-minus-30"]})):
        for side in ("scenarios", "against"):
            refused = http.post(f"/v1/{kind}", json={**question, side: ["actual", "gpu-price-minus-31"]})
            assert (refused.status_code, refused.json()["field"]) == (422, f"{side}.1")
        twice = http.post(f"/v1/{kind}", json={**question, "scenarios": ["gpu-price-minus-30"] * 2})
        assert (twice.status_code, twice.json()["field"]) == (422, "scenarios.1")
    shipped = http.get("/v1/demands").json()["demands"]
    assert {"world-2025", "world-2026"} <= {row["name"] for row in shipped}
    assert all(row["buyers"] and row["source"] and row["says"]["zh-Hant"] for row in shipped)
