"""Law: a shipment on a day -> a verdict with citations. Dated code, its dated parameters in law/data."""

from tokenworks.law.cases import answer, answer_file
from tokenworks.law.history import diff, grid, timeline
from tokenworks.law.item import density, tpp
from tokenworks.law.judge import judge
from tokenworks.law.party import screen
from tokenworks.law.standing import followed, standing

__all__ = [
    "answer",
    "answer_file",
    "density",
    "diff",
    "followed",
    "grid",
    "judge",
    "screen",
    "standing",
    "timeline",
    "tpp",
]
