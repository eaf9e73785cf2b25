"""What comes from outside: no body, no question and no visitor takes the server down or reads its disk."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from web_server import TRAIN, start, stop

JSON = {"Content-Type": "application/json"}
POSTS = ["/v1/quote", "/v1/check", "/v1/predict", "/v1/law/check", "/v1/law/cases", "/v1/fabric", "/v1/models/import",
         "/v1/explain", "/v1/simulate"]  # fmt: skip
BAD = {
    "nan": b'{"make": NaN}',
    "infinity": b'{"make": -Infinity}',
    "overflow": b'{"make": 1e999}',
    "surrogate": b'{"make": "\\ud800"}',
    "surrogate key": b'{"\\udfff": 1}',
    "nul": b'{"make": "a\\u0000b"}',
    "digits": b'{"make": ' + b"9" * 5000 + b"}",
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 60 + b"1" + b"}" * 60,
    "twice": b'{"make": 1, "make": 2}',
    "not utf-8": b'{"make": "\xff"}',
    "empty": b"",
    "text": b"make: yes",
    "a list": b"[1]",
    "null": b"null",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
@pytest.mark.parametrize("path", POSTS)
def test_a_body_that_cannot_be_read_is_a_problem(path: str, body: bytes, http: httpx.Client) -> None:
    answer = http.post(path, content=body, headers=JSON)
    if path in ("/v1/predict", "/v1/law/cases") and body == b"[1]":  # one bad record stops nothing
        assert answer.status_code == 200
        return
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["status"] == 422
    assert problem["type"].startswith("urn:tokenworks:problem:")
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("model", ["/etc/passwd", "./config.json", "../x/config.json", "a\\b", "config.json"])
def test_no_file_is_read_for_the_web(model: str, http: httpx.Client) -> None:
    asked = {**TRAIN, "make": {"train": {"model": model, "tokens": "1T", "within": "9 days"}}}
    for path in ("/v1/quote", "/v1/check"):
        answer = http.post(path, json=asked)
        assert answer.status_code == 422
        assert answer.json()["field"] == "make.train.model"
    assert http.get("/v1/models/%2Fetc%2Fpasswd").status_code in (404, 422)
    traced = {"make": {"serve": {"model": "qwen2.5-72b", "trace": "/etc/passwd"}}, "where": "JP", "when": "2026-01"}
    answer = http.post("/v1/quote", json=traced)
    assert answer.json()["field"] == "make.serve.trace"


def test_a_huge_body_is_refused_before_it_is_read(http: httpx.Client, address: str) -> None:
    answer = http.post("/v1/quote", content=b"x" * 3_000_000, headers=JSON)
    assert answer.status_code == 413

    def endless() -> Any:
        for _ in range(300):
            yield b" " * 10_000

    assert http.post("/v1/quote", content=endless(), headers=JSON).status_code == 413
    for size in ("-1", "9" * 400, "x"):
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port or 80), timeout=20) as wire:
            wire.sendall(f"POST /v1/quote HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode())
            assert wire.recv(100).split()[1] in (b"400", b"413")


def test_the_host_the_type_and_the_origin_are_looked_at(http: httpx.Client) -> None:
    assert http.get("/v1/health", headers={"Host": "evil.example"}).status_code == 403
    assert http.post("/v1/quote", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert http.post("/v1/quote", json=TRAIN, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert http.put("/v1/quote", json=TRAIN).status_code == 405
    assert http.get("/v1/nothing").status_code == 404
    assert http.get("/..%2f..%2fetc/passwd").status_code == 404
    headers = http.get("/v1/health").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    assert not any(name.startswith("access-control") for name in headers)


def test_markup_comes_back_as_text_only(http: httpx.Client) -> None:
    nasty = "<script>alert(1)</script>"
    asked = {**TRAIN, "buyer": {"kind": "commercial", "headquarters": "TW", "name": nasty}}
    made = http.post("/v1/quote", json=asked)
    assert made.status_code == 200
    assert made.headers["content-type"] == "application/json"
    page = http.get(f"/v1/quotes/{made.json()['id']}/files/report.html").text
    assert nasty not in page
    answer = http.get("/v1/law/check", params={"chip": nasty, "to": "CN", "on": "2025-04-20"})
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_limits_of_time_of_waiting_and_of_tokens(tmp_path: Path) -> None:
    process, address = start(tmp_path, "--token", "secret")
    try:
        with httpx.Client(base_url=address, timeout=120.0, trust_env=False) as client:
            assert client.get("/v1/health").status_code == 200
            assert client.get("/v1/catalog/chips").status_code == 401
            assert client.get("/v1/catalog/chips", headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert client.get("/v1/catalog/chips", headers={"Authorization": "Bearer secret"}).status_code == 200
            assert client.post("/v1/quote", content=b"x").status_code == 401
    finally:
        stop(process)


def test_a_slow_body_is_not_waited_for(address: str, http: httpx.Client) -> None:
    parts = urlsplit(address)
    head = (
        b"POST /v1/quote HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    wires = [socket.create_connection((parts.hostname, parts.port or 80), timeout=30) for _ in range(50)]
    try:
        for wire in wires:
            wire.sendall(head)
        started = time.perf_counter()
        assert http.get("/v1/health").status_code == 200
        assert time.perf_counter() - started < 2.0
        assert wires[0].recv(100).split()[1] == b"408"
    finally:
        for wire in wires:
            wire.close()


def test_schemathesis_finds_no_server_error(address: str) -> None:
    _attack(address, 4)


@pytest.mark.long
def test_schemathesis_finds_no_server_error_in_many_tries(address: str) -> None:
    _attack(address, 60)


def _attack(address: str, examples: int) -> None:
    """Every operation of the document but the slow ones, with questions made from its schemas."""
    schema = schemathesis.openapi.from_url(f"{address}/v1/openapi.json")
    slow = ("/v1/validation", "/v1/catalog/check", "/v1/law/grid", "/v1/law/diff")
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in slow:
            continue
        suppressed = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

        @settings(
            max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=suppressed
        )
        @given(case=operation.as_strategy())
        def attack(case: Any) -> None:
            answer = case.call(headers={"Connection": "close"}, timeout=120)
            case.validate_response(answer, checks=[not_a_server_error])

        attack()


@pytest.mark.parametrize("seed", [b"{}", json.dumps(TRAIN).encode()], ids=["empty", "request"])
def test_raw_bytes_find_no_server_error(seed: bytes, http: httpx.Client) -> None:
    junk = st.sampled_from(
        [b"NaN", b"1e999", b'"\\ud800"', b"-0", b"1e-400", b"null", b"[]", b'""', b"\xff", b"\0", b"{"]
    )

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(st.lists(st.tuples(st.integers(0, len(seed)), junk), max_size=3))
    def attack(changes: list[tuple[int, bytes]]) -> None:
        body = seed
        for at, piece in changes:
            body = body[:at] + piece + body[at:]
        if body == seed:
            return
        assert http.post("/v1/check", content=body, headers=JSON).status_code < 500

    attack()
