"""A user's own facts are checked before anything is computed from them: one clear sentence, or a world."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenworks import catalog, files
from tokenworks.app.cli import run
from tokenworks.errors import BadRequest

NEW_CHIP = "{id: x, name: X, vendor: Z, country: US, facts: {memory: {value: 8.0e+10, source: me}}}"


def _written(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("chips.yaml", "chips: 3", "list"),
        ("chips.yaml", "chips: [3]", "lacks 'id'"),
        ("chips.yaml", "chips: [{id: x}]", "lacks 'name'"),
        ("chips.yaml", "chips: [{id: x, name: 3, vendor: z, country: US}]", "name"),
        ("chips.yaml", "chips: [{id: x, name: y, vendor: z, country: US, aliases: 5}]", "aliases"),
        ("chips.yaml", "chips: [{id: nvidia-h100-sxm, facts: {memory: 5}}]", "source"),
        ("chips.yaml", "chips: [{id: nvidia-h100-sxm, facts: {memory: {value: abc, source: me}}}]", "number"),
        ("chips.yaml", "chips: [{id: nvidia-h100-sxm, facts: {memory: {value: -5, source: me}}}]", "outside"),
        ("chips.yaml", "chips: [{id: nvidia-h100-sxm, facts: {memory: {value: .nan, source: me}}}]", "memory"),
        ("chips.yaml", "chips: [{id: nvidia-h100-sxm, facts: {speed: {value: 5, source: me}}}]", "schema"),
        ("chips.yaml", "chips: [{id: nvidia-h100-sxm, aliases: [H20]}]", "means"),
        ("chips.yaml", "chips: [{id: nvidia-h100-sxm, facts: {power: {value: 700, source: me, low: a}}}]", "low"),
        ("systems.yaml", "systems: [{id: s, name: S, chip: nosuch}]", "is missing"),
        ("systems.yaml", "systems: [{id: dgx-h100, chip: nosuch}]", "nosuch"),
        ("prices.yaml", "prices: [{item: nosuch, kind: purchase, value: 5, source: me}]", "nosuch"),
        ("prices.yaml", "prices: [{item: nvidia-h100-sxm, kind: gift, value: 5, source: me}]", "positive"),
        ("prices.yaml", "prices: [{item: nvidia-h100-sxm, kind: rent, value: -5, source: me}]", "positive"),
        ("prices.yaml", "prices: [{item: nvidia-h100-sxm, kind: rent, value: 5, source: me, date: bad}]", "date"),
        ("prices.yaml", "prices: [{item: nvidia-h100-sxm, kind: rent, value: 5}]", "source"),
        ("constants.yaml", "constants: {pue: {value: abc, source: me}}", "number"),
        ("constants.yaml", "constants: {chip_lifetime: {value: 0, source: me}}", "outside"),
        ("constants.yaml", "constants: {luck: {value: 1, source: me}}", "not known"),
        ("sites.yaml", "sites: [{id: CN, facts: {electricity_price: {value: abc, source: me}}}]", "number"),
        ("switches.yaml", "switches: [{id: sn5600, facts: {ports: {value: many, source: me}}}]", "number"),
        ("models.yaml", "models: [{id: m, name: M, config: 3}]", "config"),
        ("models.yaml", "models: [{id: m, name: M, config: {}, released: 3}]", "source"),
        ("foo.yaml", "foo: 1", "not part of a catalog"),
    ],
)
def test_one_sentence_says_what_is_wrong(name: str, content: str, word: str, tmp_path: Path, capsys: Any) -> None:
    folder = _written(tmp_path, name, content)
    assert run(["catalog", "list", "chips", "--catalog", str(folder)]) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_a_good_overlay_is_taken(tmp_path: Path) -> None:
    _written(tmp_path, "chips.yaml", f"chips: [{NEW_CHIP}]")
    _written(tmp_path, "prices.yaml", "prices: [{item: x, kind: purchase, value: 5, source: me, date: 2025-01}]")
    _written(tmp_path, "constants.yaml", "constants: {pue: {value: 1.1, source: me}}")
    found = catalog.load(tmp_path)
    assert found.chips["x"].get("memory") == 8e10
    assert found.constants["pue"].value == 1.1
    assert found.digest != catalog.load().digest


HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(), st.text(max_size=12),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)  # fmt: skip
PLACES = ("id", "name", "vendor", "country", "aliases", "family", "kind", "facts", "facts/memory",
          "facts/memory/value", "facts/memory/source", "facts/memory/low", "facts/launched/value")  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), value=HOSTILE)
def test_hostile_facts_are_refused_or_make_a_world(place: str, value: Any, tmp_path: Path) -> None:
    entry: dict[str, Any] = {
        "id": "x", "name": "X", "vendor": "Z", "country": "US",
        "facts": {"memory": {"value": 8e10, "source": "me"}, "launched": {"value": "2024", "source": "me"}},
    }  # fmt: skip
    at = entry
    *way, last = place.split("/")
    for step in way:
        at = at[step]
    at[last] = value
    try:
        _written(tmp_path, "chips.yaml", files.dump_json({"chips": [entry]}))
        known = catalog.load(tmp_path)
    except (BadRequest, ValueError):
        return
    assert catalog.world(known, dt.date(2030, 1, 1)).chips
