"""Whatever a user writes is answered or refused by field; nothing else ever comes out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenworks import catalog, files, units
from tokenworks.app.cli import run
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest, TokenworksError
from tokenworks.quote import quote, read_request

GOOD: dict[str, Any] = {
    "make": {"train": {"model": "llama-3.1-8b", "tokens": "1T", "within": "90 days"}},
    "where": "AE", "when": "2025-05-02", "buyer": {"kind": "commercial", "headquarters": "AE"},
    "limits": {"budget": "1B USD", "power": "50 MW", "chips": ["h100"], "chips_max": 1000}, "prefer": "cost",
}  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**400) | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PATHS = (
    ("make",), ("make", "train"), ("make", "train", "model"), ("make", "train", "tokens"), ("make", "train", "within"),
    ("make", "train", "sequence"), ("make", "train", "global_batch"), ("where",), ("when",), ("buyer",),
    ("buyer", "headquarters"), ("limits",), ("limits", "budget"), ("limits", "power"), ("limits", "chips"),
    ("limits", "chips_max"), ("prefer",), ("acquire",), ("horizon",), ("unheard_of",), ("make", "serve"),
    ("make", "run_on"),
)  # fmt: skip


def put(mapping: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    head, *rest = path
    inner = mapping.get(head)
    return {**mapping, head: put(inner if isinstance(inner, dict) else {}, tuple(rest), value) if rest else value}


@given(st.sampled_from(PATHS), JUNK)
@settings(max_examples=500)
def test_a_hostile_field_is_read_or_refused(path: tuple[str, ...], value: Any) -> None:
    try:
        request = read_request(put(GOOD, path, value))
    except BadRequest as error:
        assert error.field
        assert len(str(error)) < 600
    else:
        assert request.jobs


@given(st.sampled_from(PATHS), JUNK)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_read_is_answered_without_an_accident(facts: Catalog, path: tuple[str, ...], value: Any) -> None:
    try:
        request = read_request(put(GOOD, path, value))
        answer = quote(request, catalog.world(facts, request.when)).content
    except TokenworksError as error:
        assert error.exit_code in (2, 4)
    else:
        files.dump_json(answer)  # refuses NaN


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        ({"where": "ZZ"}, 4, "where"), ({"where": "Emirates"}, 2, "where"), ({"when": "2019-01-01"}, 2, "when"),
        ({"when": "2025-02-30"}, 2, "when"), ({"when": 20250502}, 2, "when"), ({"prefer": "costs"}, 2, "cost"),
        ({"limits": {"budget": -1}}, 2, "limits.budget"), ({"limits": {"budget": "nan"}}, 2, "limits.budget"),
        ({"limits": {"budget": "5 quid"}}, 2, "limits.budget"), ({"limits": {"power": 1e30}}, 2, "limits.power"),
        ({"limits": {"chips": ["h1000"]}}, 4, "limits.chips.0"), ({"wher": "AE"}, 2, "where"),
        ({"make": {"train": {"model": "deepseek-v33", "tokens": "1T", "within": "9 days"}}}, 4, "deepseek-v3"),
        ({"make": {"train": {"model": "llama-3.1-8b", "tokens": "1T"}}, "limits": {}}, 2, "within"),
        ({"make": {"serve": {"model": "llama-3.1-8b", "requests_per_second": 1, "trace": "x"}}}, 2, "trace"),
        ({"make": {"train": {"model": {"config": {"model_type": "x"}}, "tokens": 9, "within": 9}}}, 2, "model_type"),
    ],
)  # fmt: skip
def test_one_clear_sentence_and_the_right_code(
    change: dict[str, Any], code: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "request.json"
    path.write_text(files.dump_json({**GOOD, **change}))
    assert run(["quote", str(path)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert word in said.err
    assert "Traceback" not in said.err
    assert said.err.count("\n") == 1


BOMBS = {
    "alias": "a: &x [1, 2]\nb: *x\n", "duplicate": "make: 1\nmake: 2\n", "tag": "!!python/object:os.system x\n",
    "deep": "[" * 5000, "digits": "tokens: " + "9" * 5000, "infinite": "tokens: 1e999\n", "two": "---\na\n---\nb\n",
    "half": "{make: ", "binary": "\x00\x01", "tabs": "\tmake: 1", "surrogate": '"\\ud800"', "huge": "a" * 10_000_000,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_hostile_texts_are_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "request.yaml"
    path.write_text(BOMBS[name], encoding="utf-8")
    assert run(["quote", str(path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_any_text_is_parsed_or_refused(content: str) -> None:
    try:
        files.parse(content)
    except BadRequest as error:
        assert error.field


@pytest.mark.parametrize("code", ["NO", "no", "AE", "ON"])
def test_norway_is_a_country(code: str) -> None:
    assert files.parse(f"where: {code}") == {"where": code}


@given(st.floats(1e-6, 1e15), st.sampled_from(["time", "power", "money", "tokens", "count", "bytes"]))
def test_quantities_come_back(value: float, quantity: str) -> None:
    assert units.parse(value, quantity, "x") == value


def test_an_unwritable_folder_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = tmp_path / "request.json"
    request.write_text(files.dump_json(GOOD))
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert run(["quote", str(request), "-o", str(blocked)]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "request.json"]
    assert blocked.read_text() == "in the way"


def test_the_atomic_writer_keeps_the_old_file_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "quote.json"
    files.write(target, "old")
    with pytest.raises(BadRequest):
        files.write(target / "below", "new")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["quote.json"]


def test_a_date_is_a_date() -> None:
    assert read_request(GOOD).when == dt.date(2025, 5, 2)
