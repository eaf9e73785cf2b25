"""docs/hand-check.md: the pocket calculator's figures against the quote's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tokenworks.records import Quote

WRITTEN = {
    "step": r"predicted ([0-9.]+) s",
    "rate": r"\*\*([0-9.]+) M tokens/s\*\*",
    "days": r"= \*\*([0-9.]+) days\*\*",
}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "hand-check.md"


def test_the_hand_check_holds(examples: dict[str, Quote]) -> None:
    designs = examples["train-deepseek-v3-in-abu-dhabi"].content["designs"]
    d = next(x for x in designs if x["system"] == "hgx-h100-8" and x["chips"] == 4096)
    near = {"rel": 0.01}
    words = PAGE.read_text(encoding="utf-8")
    written = {name: re.search(pattern, words) for name, pattern in WRITTEN.items()}
    step, rate, days = (float(found[1]) for found in written.values() if found is not None)
    assert d["predicted"]["step_time_s"]["value"] == pytest.approx(step, **near)
    assert rate * 1e6 == pytest.approx(4096 * 4096 / step, **near)
    assert d["predicted"]["tokens_per_s"]["value"] == pytest.approx(rate * 1e6, **near)
    per_token = 3 * (2 * 36.6e9 + 2 * 2048 * 128 * 320 * 61)
    assert d["predicted"]["mfu"]["value"] == pytest.approx(rate * 1e6 * per_token / (4096 * 989.4e12), **near)
    assert d["predicted"]["time_s"]["value"] / 86400 == pytest.approx(days, **near)
    assert d["fabric"]["switches"] == {"leaf": 128, "spine": 128, "core": 64}
    assert d["fabric"]["cost_usd"] == pytest.approx(320 * 30_000 + 24_576 * 600)
    it = 512 * 10.2e3 * 1.02 + 320 * 1720 + 24_576 * 9
    assert d["it_power_w"] == pytest.approx(it)
    assert d["power_w"] == pytest.approx(it * 1.4)
    equipment = (512 * 235_000 + d["fabric"]["cost_usd"]) * 1.0125
    building = it * 10.5
    assert d["cost"]["capital_usd"] == pytest.approx(equipment + building)
    years = d["predicted"]["time_s"]["value"] / (365.25 * 86400)
    total = equipment * years / 5 + building * years / 15 + 0.08 * (equipment + building) * years
    total += 0.04 * equipment * years + d["energy_j"] / 3.6e6 * 0.095
    assert d["cost"]["total_usd"] == pytest.approx(total, rel=1e-3)
    assert d["law"]["review_policy"] == "presumption_of_approval"
