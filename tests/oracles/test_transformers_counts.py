"""Parameters of eighty architectures against the counts of another program (scripts/transformers_counts.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tokenworks import workload

ROWS = yaml.safe_load((Path(__file__).parent / "transformers_counts.yaml").read_text(encoding="utf-8"))["rows"]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r["type"])
def test_parameters_agree_with_transformers(row: dict) -> None:
    counted = workload.parameters(workload.read(row["config"], row["type"]))
    assert counted.total == pytest.approx(row["total"], rel=0.001)
    assert 0 < counted.active <= counted.total
