"""An engineer asks how good the predictions are, and refits them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tokenworks import catalog, deliver
from tokenworks.app import validating
from tokenworks.app.cli import cli
from tokenworks.language import Translator
from tokenworks.validate import flow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def few(monkeypatch):
    """A few runs and two halves, so that it takes seconds."""
    full = validating.catalog.published
    monkeypatch.setattr(
        validating.catalog, "published", lambda kind: full(kind) if kind == "headlines" else full(kind)[::9]
    )
    plans = tuple(flow.Plan(p.study, 2, "halves", ()) for p in flow.PLANS)
    monkeypatch.setattr(flow, "PLANS", plans)


def test_validate_and_refit(few, tmp_path):
    out = tmp_path / "out"
    arguments = ["validate", "--refit", "-o", str(out), "--format", "json"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    study = report["studies"]["training"]
    training, guess = study["metrics"]["tokens_per_s_per_chip"], study["baseline"]["tokens_per_s_per_chip"]
    assert training["all"]["covered"] > 0.9
    assert training["all"]["median"] < 0.5 * guess["median"] + 0.1
    assert {h["id"] for h in report["headlines"]} >= {"gpt-1t-3072-a100", "palm-540b-6144-tpu-v4"}
    fitted = yaml.safe_load((out / "fitted.yaml").read_text())
    assert fitted["studies"]["training"]["values"]
    bars = yaml.safe_load((out / "bars.yaml").read_text())
    assert all(b["low"] < b["high"] for b in bars["training"]["tokens_per_s_per_chip"].values())
    assert "誤差" in (out / "validation.zh-Hant.md").read_text()
    assert (out / "training-tokens_per_s_per_chip.svg").read_text().startswith("<?xml")
    assert json.loads((out / "validation.json").read_text()) == report


@pytest.mark.parametrize(("page", "language"), [("validation.md", "en"), ("validation.zh-Hant.md", "zh-Hant")])
def test_the_shipped_report_is_the_one_of_the_page(page, language):
    report = catalog.validation()
    plots = tuple(f"{study}-{metric}.svg" for study, of in report["studies"].items() for metric in of["metrics"])
    made = deliver.validation_page(report, Translator(language), plots)
    assert made == (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert all((ROOT / "docs" / plot).is_file() for plot in plots)
