"""Deliver: answers -> words and files."""

from tokenworks.deliver.answers import (
    catalog_list,
    check,
    entry,
    explanation,
    fabric,
    grid,
    law_coverage,
    law_diff,
    law_lists,
    memo,
    model,
    predictions,
    simulation,
    stats,
    text,
    timeline,
    verdicts,
)
from tokenworks.deliver.buildout import buildout, buildout_page, buildout_plot
from tokenworks.deliver.carry import carry
from tokenworks.deliver.choice import swept, why_not, without_rules
from tokenworks.deliver.law_figures import grid_csv, grid_svg, timeline_svg
from tokenworks.deliver.market import market
from tokenworks.deliver.porting import porting
from tokenworks.deliver.validation import plot, validation, validation_page
from tokenworks.deliver.whatif import scenario_list, whatif, whatif_page, whatif_plot
from tokenworks.deliver.write import contents, write

__all__ = [
    "buildout",
    "buildout_page",
    "buildout_plot",
    "carry",
    "catalog_list",
    "check",
    "contents",
    "entry",
    "explanation",
    "fabric",
    "grid",
    "grid_csv",
    "grid_svg",
    "law_coverage",
    "law_diff",
    "law_lists",
    "market",
    "memo",
    "model",
    "plot",
    "porting",
    "predictions",
    "scenario_list",
    "simulation",
    "stats",
    "swept",
    "text",
    "timeline",
    "timeline_svg",
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
