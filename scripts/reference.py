"""Writes docs/reference/*.md from the catalog's schema and entries, so that they cannot go stale.

python scripts/reference.py
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tokenworks import catalog, law
from tokenworks.catalog import Catalog
from tokenworks.records import Fact

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
CHIPS = ("peak_bf16", "peak_fp8", "memory", "memory_bandwidth", "scaleup_bandwidth", "scaleout_bandwidth", "power")


def shown(fact: Fact | None) -> str:
    """A value in short; bold where it was read in its source."""
    if fact is None:
        return ""
    value = f"{fact.value:.4g}" if isinstance(fact.value, int | float) else str(fact.value)
    return f"**{value}**" if fact.verified else value


def schema(facts: Catalog) -> str:
    """Every fact that the schema knows."""
    lines = ["# Facts", "", "Made from `catalog/data/schema.yaml`. SI; bandwidths one way per chip; rates dense.", ""]
    for kind, attributes in facts.schema.items():
        lines += [f"## {kind}", "", "| fact | unit | plausible | meaning |", "| --- | --- | --- | --- |"]
        for name, rule in attributes.items():
            limits = f"{rule['low']:g} to {rule['high']:g}" if "low" in rule else ""
            lines.append(f"| {name} | {rule['unit']} | {limits} | {rule['what']} |")
        lines.append("")
    return "\n".join(lines)


def chips(facts: Catalog) -> str:
    """Every chip with what decides quotes."""
    head = ["chip", "vendor", "launched", "TPP", "density", *CHIPS]
    lines = ["# Chips", "", "SI units. Bold: read in the document that is named as the source.", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for chip in facts.chips.values():
        tpp, density = law.tpp(chip), law.density(chip)
        row = [
            chip.id,
            chip.vendor,
            str(chip.get("launched") or chip.get("announced") or ""),
            "" if tpp is None else f"{tpp:.0f}",
            "" if density is None else f"{density:.2f}",
            *(shown(chip.facts.get(name)) for name in CHIPS),
        ]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def pages() -> Mapping[str, str]:
    """Every page by its name."""
    facts = catalog.load()
    return {"facts.md": schema(facts), "chips.md": chips(facts)}


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
