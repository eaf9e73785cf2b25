"""Deliver: answers -> words and files."""

from tokenworks.deliver.answers import (
    catalog_list,
    check,
    entry,
    explanation,
    fabric,
    grid,
    law_diff,
    memo,
    model,
    predictions,
    simulation,
    stats,
    text,
    timeline,
    verdicts,
)
from tokenworks.deliver.choice import swept, why_not, without_rules
from tokenworks.deliver.validation import plot, validation, validation_page
from tokenworks.deliver.whatif import scenario_list, whatif, whatif_page, whatif_plot
from tokenworks.deliver.write import contents, write

__all__ = [
    "catalog_list",
    "check",
    "contents",
    "entry",
    "explanation",
    "fabric",
    "grid",
    "law_diff",
    "memo",
    "model",
    "plot",
    "predictions",
    "scenario_list",
    "simulation",
    "stats",
    "swept",
    "text",
    "timeline",
    "validation",
    "validation_page",
    "verdicts",
    "whatif",
    "whatif_page",
    "whatif_plot",
    "why_not",
    "without_rules",
    "write",
]
