"""Law: a shipment on a day -> a verdict with citations. Dated code, its dated parameters in law/data."""

from tokenworks.law import lists
from tokenworks.law.asked import exporter_of, use_of
from tokenworks.law.cases import answer, answer_file
from tokenworks.law.change import changes
from tokenworks.law.grid import Cells, Judged, cells, every, judge_many
from tokenworks.law.history import diff, grid, timeline
from tokenworks.law.item import density, tpp
from tokenworks.law.judge import judge
from tokenworks.law.party import screen
from tokenworks.law.standing import followed, standing

__all__ = [
    "Cells",
    "Judged",
    "answer",
    "answer_file",
    "cells",
    "changes",
    "density",
    "diff",
    "every",
    "exporter_of",
    "followed",
    "grid",
    "judge",
    "judge_many",
    "lists",
    "screen",
    "standing",
    "timeline",
    "tpp",
    "use_of",
]
